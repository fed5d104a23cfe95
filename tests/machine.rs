//! A real QEMU with a guest of our own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sutler::{
    clock::Stopwatch,
    console::{Pattern, Position, Serial},
    gauges::Timings,
    model::{Button, Display, Network, PowerAction, Who},
    picture::{Frame, Rect},
    tasks::Tasks,
    vm::{By, Ending, Machine, MachineEvent, MachineSpec, UefiFiles, VmError},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::tiny_guest;

/// Far more than anything here takes; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

const BLUE: [u8; 3] = [0, 0, 170];
const GREEN: [u8; 3] = [0, 170, 0];
const RED: [u8; 3] = [170, 0, 0];
const MAGENTA: [u8; 3] = [170, 0, 170];

struct Guest {
    machine: Machine,
    serial: Serial,
    folder: TempDir,
    clock: Stopwatch,
    tasks: Tasks,
}

impl Guest {
    /// Starts the machine and waits for the guest's first page.
    async fn boot(change: impl FnOnce(&mut MachineSpec)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = tiny_guest::machine(folder.path());
        change(&mut spec);
        let (clock, tasks) = (Stopwatch::start(), Tasks::new(CancellationToken::new()));
        let mut machine =
            Machine::start(&spec, folder.path(), &Timings::new(clock), &tasks).await.unwrap();
        let stream = machine.take_serial().unwrap();
        let path = folder.path().join("serial0.txt");
        let serial = Serial::start(stream, &path, &tasks).await.unwrap();
        let guest = Self { machine, serial, folder, clock, tasks };
        assert_eq!(guest.machine.run_state().await.unwrap().name, "prelaunch");
        guest.machine.cont().await.unwrap();
        guest.said("tiny guest ready\r\npage A", Position::default()).await;
        guest
    }

    async fn said(&self, text: &str, from: Position) -> Position {
        let pattern = Pattern::new(text).unwrap();
        let found = timeout(PATIENCE, self.serial.wait_for(&pattern, from)).await;
        found.unwrap_or_else(|_| panic!("not said: {text}")).expect("the console is open").end
    }

    /// Says a byte and waits for the guest's answer to it.
    async fn tell(&self, byte: u8, answer: &str) {
        let from = self.serial.position();
        self.serial.write(&[byte]).await.unwrap();
        self.said(answer, from).await;
    }

    async fn key(&self, keys: &str, answer: &str) {
        let from = self.serial.position();
        self.machine.screen.send_keys(keys).await.unwrap();
        self.said(answer, from).await;
    }

    async fn frame(&mut self, is_wanted: impl Fn(&Frame) -> bool) -> Arc<Frame> {
        let wanted = |frame: &Option<Arc<Frame>>| frame.as_ref().is_some_and(|f| is_wanted(f));
        let frame = timeout(PATIENCE, self.machine.frames.wait_for(wanted)).await;
        frame.expect("the frame comes").unwrap().clone().unwrap()
    }

    async fn page(&mut self, colour: [u8; 3]) -> Arc<Frame> {
        self.frame(|frame| size(frame) == (720, 400) && is(frame, colour)).await
    }

    /// The next event that is not about running or not.
    async fn event(&mut self) -> MachineEvent {
        loop {
            let event = timeout(PATIENCE, self.machine.events.recv()).await;
            let event = event.expect("an event comes").expect("and not the end of all");
            if !matches!(event, MachineEvent::Stopped | MachineEvent::Resumed) {
                return event;
            }
        }
    }

    async fn close(self) -> Ending {
        let pid = pid_in(self.folder.path());
        let closed = self.machine.close().await;
        assert_ne!(closed.status, None);
        if let Some(pid) = pid {
            assert!(!Path::new("/proc").join(pid.to_string()).exists(), "reaped");
        }
        assert_eq!(pid_in(self.folder.path()), None, "no process is left");
        let sockets = fs::read_dir(self.folder.path()).unwrap();
        let sockets = sockets.filter(|entry| {
            entry.as_ref().unwrap().path().extension().is_some_and(|ending| ending == "sock")
        });
        assert_eq!(sockets.count(), 0, "no socket is left");
        self.tasks.close().await;
        closed.ending
    }
}

fn timings() -> Timings {
    Timings::new(Stopwatch::start())
}

fn size(frame: &Frame) -> (u32, u32) {
    (frame.picture.width(), frame.picture.height())
}

/// Whether the corner, and so the background, has this colour, give or take what a VGA makes of it.
fn is(frame: &Frame, colour: [u8; 3]) -> bool {
    frame.picture.row(4, 4, 1).iter().zip(colour).all(|(have, want)| have.abs_diff(want) < 8)
}

/// The living process that works in this folder.
fn pid_in(folder: &Path) -> Option<i32> {
    let folder = folder.canonicalize().unwrap();
    let is_it = |path: &PathBuf| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == folder);
    // A zombie has no working directory any more.
    let mut paths = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    paths.find(is_it)?.file_name()?.to_str()?.parse().ok()
}

#[tokio::test]
async fn pages_follow_keys_and_the_serial_port() {
    let mut guest = Guest::boot(|_| ()).await;
    let first = guest.page(BLUE).await;
    assert!(first.at <= guest.clock.elapsed() && !first.damage.is_empty());
    guest.key("n", "page B").await;
    let second = guest.page(GREEN).await;
    assert!(second.number > first.number);
    guest.tell(b'n', "page C").await;
    guest.page(RED).await;
    // Extended scancodes arrive as well.
    guest.key("up", "page D").await;
    guest.page(MAGENTA).await;

    guest.key("e", "echo").await;
    let from = guest.serial.position();
    guest.machine.screen.type_text("Hello, [W]orld~?\n", Duration::ZERO).await.unwrap();
    guest.said(r"typed Hello, \[W\]orld~\?\r\n", from).await;
    guest.machine.screen.click(100, 100, Button::Left, true).await.unwrap();

    let error = guest.machine.screen.send_keys("ctrl-retrun").await.unwrap_err();
    assert!(matches!(error, VmError::Keys { .. }) && error.who() == Who::Author, "{error}");
    assert_eq!(guest.close().await, Ending::Quit);
}

#[tokio::test]
async fn a_new_mode_is_a_new_size() {
    let mut guest = Guest::boot(|_| ()).await;
    guest.page(BLUE).await;
    guest.tell(b'g', "graphics").await;
    // 320x200, each pixel drawn twice both ways.
    let small = guest.frame(|frame| size(frame) == (640, 400)).await;
    assert_eq!(small.damage, [Rect::new(0, 0, 640, 400)]);
    guest.tell(b'g', "graphics").await;
    let large = guest.frame(|frame| size(frame) == (640, 480)).await;
    assert_eq!(large.picture.rgb().len(), 640 * 480 * 3);
    guest.tell(b'n', "page B").await;
    guest.page(GREEN).await;
    assert_eq!(guest.close().await, Ending::Quit);
}

#[tokio::test]
async fn reboot_and_power_off_are_told_apart() {
    let mut guest = Guest::boot(|_| ()).await;
    let from = guest.serial.position();
    guest.tell(b'r', "reboot").await;
    assert_eq!(guest.event().await, MachineEvent::GuestReset { by: By::Guest });
    let from = guest.said("ready\r\npage A", from).await;
    guest.machine.power(PowerAction::Reset).await.unwrap();
    // The firmware resets once more for a reset that it did not expect.
    while guest.event().await != (MachineEvent::GuestReset { by: By::Host }) {}
    guest.said("ready\r\npage A", from).await;
    // Nobody listens to the power button here; it is no error either.
    guest.machine.power(PowerAction::Acpi).await.unwrap();
    guest.key("p", "power off").await;
    while guest.event().await != (MachineEvent::GuestOff { by: By::Guest }) {}
    assert_eq!(guest.machine.run_state().await.unwrap().name, "shutdown");
    guest.page(BLUE).await;
    assert_eq!(guest.close().await, Ending::Quit);
}

#[tokio::test]
async fn pulling_the_plug_ends_qemu() {
    let mut guest = Guest::boot(|_| ()).await;
    guest.machine.power(PowerAction::Off).await.unwrap();
    assert_eq!(guest.event().await, MachineEvent::GuestOff { by: By::Host });
    let MachineEvent::QemuExited { status, .. } = guest.event().await else {
        panic!("nothing lies between")
    };
    assert!(status.success());
    assert!(guest.machine.events.recv().await.is_none(), "it is the last event");
    assert_eq!(guest.close().await, Ending::Already);
}

#[tokio::test]
async fn a_guest_that_hangs_runs_and_says_nothing() {
    let mut guest = Guest::boot(|_| ()).await;
    guest.page(BLUE).await;
    guest.tell(b'h', "hang").await;
    let before = guest.serial.position();
    guest.machine.screen.send_keys("n").await.unwrap();
    guest.machine.stop().await.unwrap();
    assert_eq!(guest.machine.events.recv().await, Some(MachineEvent::Resumed));
    assert_eq!(guest.machine.events.recv().await, Some(MachineEvent::Stopped));
    assert!(!guest.machine.run_state().await.unwrap().running);
    guest.machine.cont().await.unwrap();
    assert_eq!(guest.machine.events.recv().await, Some(MachineEvent::Resumed));
    assert!(guest.machine.run_state().await.unwrap().running);
    assert_eq!(guest.serial.position(), before);
    guest.machine.power(PowerAction::Reset).await.unwrap();
    guest.said("page A", before).await;
    // A guest that only burns time ends as easily.
    guest.tell(b'l', "busy").await;
    assert_eq!(guest.close().await, Ending::Quit);
}

#[tokio::test]
async fn a_flood_is_seen_heard_and_left() {
    let mut guest = Guest::boot(|_| ()).await;
    let number = guest.page(BLUE).await.number;
    guest.tell(b'f', "flood").await;
    guest.machine.screen.attention(true);
    guest.frame(|frame| frame.number > number + 5).await;
    let mut growth = guest.serial.growth();
    timeout(PATIENCE, growth.wait_for(|growth| growth.received > 50_000)).await.unwrap().unwrap();
    let from = guest.serial.position();
    guest.machine.screen.send_keys("n").await.unwrap();
    guest.said("flood end\r\npage A", from).await;
    guest.page(BLUE).await;
    assert_eq!(guest.close().await, Ending::Quit);
}

#[tokio::test]
async fn a_killed_qemu_is_an_event_with_its_last_words() {
    let mut guest = Guest::boot(|_| ()).await;
    let pid = pid_in(guest.folder.path()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let MachineEvent::QemuExited { status, last_lines } = guest.event().await else {
        panic!("nothing comes before")
    };
    assert_eq!((status.signal(), last_lines), (Some(9), vec![]));
    let ended = guest.machine.screen.send_keys("n").await;
    assert!(matches!(ended, Err(VmError::Ended)));
    assert!(matches!(guest.machine.stop().await, Err(VmError::Ended)));
    let never = Pattern::new("never").unwrap();
    assert!(guest.serial.wait_for(&never, Position::default()).await.is_none());
    assert_eq!(guest.close().await, Ending::Already);

    let mut guest = Guest::boot(|_| ()).await;
    let pid = pid_in(guest.folder.path()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
    assert_eq!(guest.event().await, MachineEvent::GuestOff { by: By::Host });
    let MachineEvent::QemuExited { status, last_lines } = guest.event().await else {
        panic!("nothing comes between")
    };
    assert!(status.success());
    assert!(last_lines[0].contains("terminating on signal 15"), "{last_lines:?}");
    let log = fs::read_to_string(guest.folder.path().join("qemu.log")).unwrap();
    assert!(log.contains("terminating on signal 15"));
    assert_eq!(guest.close().await, Ending::Already);
}

#[tokio::test]
async fn a_machine_that_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::new(CancellationToken::new());
    let good = tiny_guest::machine(folder.path());
    let mut spec = good.clone();
    spec.extra = vec!["-device".into(), "toaster".into()];
    let error = Machine::start(&spec, folder.path(), &timings(), &tasks).await.unwrap_err();
    assert!(matches!(error, VmError::NotStarted { .. }));
    assert!(error.to_string().contains("toaster"), "{error}");

    let spec = MachineSpec { qemu: "qemu-system-toaster".into(), ..good.clone() };
    let error = Machine::start(&spec, folder.path(), &timings(), &tasks).await.unwrap_err();
    assert!(matches!(error, VmError::MissingTool { .. }), "{error}");

    let spec = MachineSpec { disk: Some(folder.path().join("none")), ..good };
    let error = Machine::start(&spec, folder.path(), &timings(), &tasks).await.unwrap_err();
    assert!(matches!(error, VmError::NotAnImage { .. }), "{error}");
    assert_eq!(pid_in(folder.path()), None);
}

#[tokio::test]
async fn qemu_takes_every_kind_of_argument() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("a folder, with a comma and a name so long that no socket fits");
    fs::create_dir_all(&odd).unwrap();
    let tasks = Tasks::new(CancellationToken::new());
    let mut spec = tiny_guest::machine(&odd);
    spec.cdrom = spec.disk.clone();
    spec.name = "a, b".into();
    spec.uefi = Some(UefiFiles::debian());
    spec.display = Display::Virtio;
    spec.network = Network::User;
    spec.cpus = 2;
    let machine = Machine::start(&spec, &odd, &timings(), &tasks).await.unwrap();
    assert_eq!(machine.close().await.ending, Ending::Quit);
    // Dropping kills; the owner, which still runs, reaps.
    spec.display = Display::Cirrus;
    let machine = Machine::start(&spec, &odd, &timings(), &tasks).await.unwrap();
    assert!(pid_in(&odd).is_some());
    drop(machine);
    let gone = async {
        while pid_in(&odd).is_some() {
            // There is no event for the end of somebody else's child.
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no process is left");
}

#[tokio::test]
async fn a_guest_without_a_screen_has_its_serial_port() {
    let guest = Guest::boot(|spec| spec.display = Display::None).await;
    assert!(guest.machine.frames.borrow().is_none());
    let keys = guest.machine.screen.send_keys("n").await;
    assert!(matches!(keys, Err(VmError::NoScreen)));
    guest.tell(b'n', "page B").await;
    assert_eq!(guest.close().await, Ending::Quit);
}

/// From a byte on the serial port, which QEMU does not take for a sign that somebody looks, to the
/// frame that shows the next page, after so much stillness.
async fn latency(guest: &mut Guest, idle: Duration) -> Duration {
    sleep(idle).await;
    let before = guest.frame(|_| true).await.number;
    let start = guest.clock.elapsed();
    guest.serial.write(b"n").await.unwrap();
    guest.frame(|frame| frame.number > before).await.at.saturating_sub(start)
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

/// Waits `idle` and measures some times, with and without attention, side by side.
async fn trial(idle: Duration) -> (Vec<Duration>, Vec<Duration>) {
    let (mut with, mut without) = tokio::join!(Guest::boot(|_| ()), Guest::boot(|_| ()));
    with.machine.screen.attention(true);
    let measure = async |guest: &mut Guest| {
        let mut values = vec![latency(guest, idle).await];
        for _ in 0..2 {
            values.push(latency(guest, Duration::from_millis(700)).await);
        }
        values
    };
    let measured = tokio::join!(measure(&mut with), measure(&mut without));
    with.close().await;
    without.close().await;
    measured
}

#[tokio::test]
async fn attention_shows_what_changes_by_itself_soon() {
    let (with, without) = trial(Duration::from_secs(12)).await;
    println!("after 12 s: with attention {with:?}, without {without:?}");
    assert!(median(with) < Duration::from_secs(1));
}

#[tokio::test]
#[ignore = "a measurement of two minutes"]
async fn trial_1_after_the_whole_back_off() {
    let (with, without) = trial(Duration::from_secs(100)).await;
    println!("after 100 s: with attention {with:?}, without {without:?}");
    assert!(median(with) < Duration::from_secs(1));
}
