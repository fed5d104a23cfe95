use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;

struct Bench {
    folder: tempfile::TempDir,
    guest: UnixStream,
    serial: Serial,
    tasks: Tasks,
}

async fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new(CancellationToken::new());
    let (guest, host) = UnixStream::pair().unwrap();
    let path = folder.path().join("serial0.txt");
    let serial = Serial::start(host, &path, &tasks).await.unwrap();
    Bench { folder, guest, serial, tasks }
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text).unwrap()
}

#[tokio::test]
async fn a_listener_is_woken_by_what_it_waits_for() {
    let mut bench = bench().await;
    let serial = bench.serial.clone();
    let waiting = bench
        .tasks
        .spawn(async move { serial.wait_for(&pattern(r"login:\s"), Position::default()).await });
    for piece in [&b"\x1b[1mDeb"[..], b"ian\xff\x1b[", b"0m\r\nlo", b"gin: "] {
        bench.guest.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let found = waiting.await.unwrap().unwrap();
    assert_eq!(found.text, "login: ");
    assert_eq!((found.start, found.end), (Position(9), Position(16)));
    assert_eq!(bench.serial.last_lines(1), ["login:"]);
    assert_eq!(bench.serial.last_lines(9), ["Debian\u{fffd}", "login:"]);

    assert!(bench.serial.search(&pattern("login"), found.end).await.is_none());
    bench.serial.write(b"root\n").await.unwrap();
    let mut heard = [0; 5];
    bench.guest.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"root\n");

    drop(bench.guest);
    assert!(bench.serial.wait_for(&pattern("never"), Position::default()).await.is_none());
    assert!(bench.serial.growth().borrow().ended);
    let kept = std::fs::read(bench.folder.path().join("serial0.txt")).unwrap();
    assert_eq!(kept, b"\x1b[1mDebian\xff\x1b[0m\r\nlogin: ");
    bench.tasks.close().await;
}

#[tokio::test]
async fn a_flood_fills_neither_memory_nor_disk() {
    let mut bench = bench().await;
    let block = [b'x'; READ];
    let flood = MAX_FILE + (4 << 20);
    for _ in 0..flood / READ as u64 {
        bench.guest.write_all(&block).await.unwrap();
    }
    bench.guest.write_all(b"the end").await.unwrap();
    let found = bench.serial.wait_for(&pattern("the end"), Position(flood - 100)).await.unwrap();
    assert_eq!(found.start, Position(flood));
    let growth = *bench.serial.growth().borrow();
    assert_eq!((growth.received, growth.kept), (flood + 7, MAX_FILE));
    assert!(bench.serial.tail.lock().unwrap().text.len() <= 2 * TAIL + READ);
    let size = std::fs::metadata(bench.folder.path().join("serial0.txt")).unwrap().len();
    assert!((MAX_FILE..MAX_FILE + 100).contains(&size), "{size}");
    bench.tasks.close().await;
}

#[tokio::test]
async fn a_guest_that_does_not_listen_makes_only_its_caller_wait() {
    let bench = bench().await;
    let long = vec![b'y'; 1 << 20];
    let writes = async {
        for _ in 0..64 {
            bench.serial.write(&long).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(100), writes).await.is_err());
    bench.tasks.close().await;
}

#[test]
fn expressions_are_checked() {
    let error = Pattern::new("(").unwrap_err();
    assert_eq!(error.to_string(), "\"(\" is not an expression that can be searched for");
    assert!(Pattern::new("(a{1000}){1000}").is_err(), "too large");
}
