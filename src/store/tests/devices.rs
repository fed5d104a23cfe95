//! Devices: who says that there are any, what becomes of them, and what is told of it.

use std::time::Duration;

use super::sample::{at, job, open};
use crate::{
    model::{
        Conditions, Device, DeviceHealth, DeviceOrigin, DeviceState, DeviceType, HealthCheck,
        NewJob, Verdict,
    },
    store::{Change, DeviceChange, Store, StoreError},
};

fn device(name: &str, device_type: &str) -> Device {
    Device {
        name: name.into(),
        device_type: device_type.into(),
        tags: ["uefi".to_owned()].into(),
        memory_mib: Some(2048),
        cores: None,
        at_once: Some(1),
        description: "on the left".into(),
    }
}

fn checked(name: &str) -> DeviceType {
    let every = Some(Duration::from_secs(3600));
    let check = HealthCheck { job: "/boots.yaml".into(), every, after_jobs: Some(9) };
    DeviceType { health_check: Some(check), ..DeviceType::plain(name) }
}

fn put(name: &str, device_type: &str) -> DeviceChange {
    DeviceChange::Put { device: device(name, device_type) }
}

fn remove(name: &str) -> DeviceChange {
    DeviceChange::Remove { name: name.into(), usual: device("local", "qemu") }
}

/// A start with this in the devices file.
fn file(types: &[DeviceType], devices: &[Device]) -> DeviceChange {
    let (types, devices) = (types.to_vec(), devices.to_vec());
    DeviceChange::File { types, devices, usual: device("local", "qemu") }
}

async fn change(store: &Store, change: DeviceChange, second: u64) -> Result<bool, StoreError> {
    store.change_devices(change, "ann".into(), at(second)).await
}

/// What there is, by name: type and who says so.
async fn there_are(store: &Store) -> Vec<(String, String, DeviceOrigin)> {
    let devices = store.devices().await.unwrap().into_iter();
    devices.map(|one| (one.device.name, one.device.device_type, one.origin)).collect()
}

/// What happened to a device, oldest first.
async fn told(store: &Store, name: &str) -> Vec<String> {
    let log = store.device_log(name.into(), None, 99).await.unwrap().into_iter().rev();
    log.map(|line| format!("{} {} by {}", line.at.as_second(), line.words, line.by)).collect()
}

#[tokio::test]
async fn a_device_reads_as_it_was_put_and_its_state_outlives_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, writer) = open(&path);
    let changes = store.device_changes();
    let kind = checked("board");
    assert!(change(&store, DeviceChange::Type { kind: kind.clone() }, 1).await.unwrap());
    assert!(change(&store, put("bench", "board"), 2).await.unwrap());
    assert!(!change(&store, put("bench", "board"), 3).await.unwrap(), "as it was");
    assert_eq!(*changes.borrow(), 2, "what changes nothing is no news");
    writer.close().await;

    let (store, writer) = open(&path);
    let found = store.devices().await.unwrap().remove(0);
    assert_eq!(found.device, device("bench", "board"));
    assert_eq!((found.kind, found.origin), (kind.clone(), DeviceOrigin::Command));
    assert_eq!(found.state, DeviceState::new("ann", at(2)));
    assert_eq!(store.device_types().await.unwrap(), [(kind, DeviceOrigin::Command)]);

    let (name, why) = ("bench".to_owned(), "the fan".to_owned());
    let broken = DeviceChange::Health { name, health: DeviceHealth::Bad, why };
    assert!(change(&store, broken.clone(), 4).await.unwrap());
    assert!(!change(&store, broken.clone(), 5).await.unwrap());
    let device = Device { cores: Some(2), ..device("bench", "board") };
    assert!(change(&store, DeviceChange::Put { device }, 6).await.unwrap());
    assert!(change(&store, remove("bench"), 7).await.unwrap());
    let local = ("local".to_owned(), "qemu".to_owned(), DeviceOrigin::Default);
    assert_eq!(there_are(&store).await, [local], "the box itself is a device again");
    let error = change(&store, remove("local"), 8).await.unwrap_err();
    assert!(matches!(error, StoreError::BoxItself { name } if name == "local"));
    for gone in [remove("bench"), broken] {
        let error = change(&store, gone, 8).await.unwrap_err();
        assert!(matches!(error, StoreError::NoSuchDevice { name } if name == "bench"));
    }
    change(&store, put("bench", "board"), 9).await.unwrap();
    let state = store.devices().await.unwrap().remove(0).state;
    assert_eq!((state.health, state.since), (DeviceHealth::Bad, at(4)), "nobody has mended it");
    assert_eq!(
        told(&store, "bench").await,
        [
            "2 it was added by ann",
            "4 the fan by ann",
            "6 it was changed by ann",
            "7 it was taken away by ann",
            "9 it was added by ann",
        ]
    );
    writer.close().await;
}

#[tokio::test]
async fn a_type_goes_when_no_device_is_of_it_and_no_file_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    let without = |name: &str| DeviceChange::RemoveType { name: name.into() };
    let types = async || {
        let types = store.device_types().await.unwrap().into_iter();
        types.map(|(kind, _)| kind.name).collect::<Vec<_>>()
    };
    change(&store, file(&[checked("panel")], &[]), 1).await.unwrap();
    change(&store, put("bench", "board"), 2).await.unwrap();
    assert_eq!(types().await, ["board", "panel", "qemu"]);
    let error = change(&store, without("none"), 3).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSuchDeviceType { name } if name == "none"));
    let error = change(&store, without("panel"), 3).await.unwrap_err();
    assert!(matches!(error, StoreError::FromFile { name } if name == "panel"));
    let error = change(&store, without("board"), 3).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "bench is of the device type board, which goes when no device is of it any more"
    );
    assert!(change(&store, without("qemu"), 4).await.unwrap(), "the box is no device now");
    assert_eq!(types().await, ["board", "panel"]);
    change(&store, remove("bench"), 5).await.unwrap();
    assert!(change(&store, without("board"), 6).await.unwrap());
    assert_eq!(types().await, ["panel", "qemu"], "the box is a device again, with its type");
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn what_changes_a_type_is_told_to_its_devices() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    for (name, device_type, second) in [("a", "board", 1), ("b", "board", 2), ("c", "panel", 3)] {
        change(&store, put(name, device_type), second).await.unwrap();
    }
    let kind = DeviceChange::Type { kind: checked("board") };
    assert!(change(&store, kind.clone(), 4).await.unwrap());
    assert!(!change(&store, kind, 5).await.unwrap());
    let changed = "4 its type board was changed by ann";
    assert_eq!(told(&store, "a").await, ["1 it was added by ann", changed]);
    assert_eq!(told(&store, "b").await, ["2 it was added by ann", changed]);
    assert_eq!(told(&store, "c").await, ["3 it was added by ann"]);
    writer.close().await;
}

#[tokio::test]
async fn a_start_makes_the_devices_those_of_the_file() {
    use DeviceOrigin::{Command, Default, File};
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    let named = |all: &[(&str, &str, DeviceOrigin)]| -> Vec<_> {
        all.iter().map(|(name, kind, from)| ((*name).into(), (*kind).into(), *from)).collect()
    };
    // Nobody names a device: the box itself is one.
    assert!(change(&store, file(&[], &[]), 1).await.unwrap());
    assert!(!change(&store, file(&[], &[]), 2).await.unwrap());
    assert_eq!(there_are(&store).await, named(&[("local", "qemu", Default)]));

    let boards = [device("a", "board"), device("b", "board"), device("c", "plain")];
    let types = [checked("board")];
    assert!(change(&store, file(&types, &boards), 3).await.unwrap());
    assert!(!change(&store, file(&types, &boards), 4).await.unwrap(), "it says the same");
    let of_file = [("a", "board", File), ("b", "board", File), ("c", "plain", File)];
    assert_eq!(there_are(&store).await, named(&of_file));

    // Only the file changes what is the file's.
    let by_command =
        [put("a", "board"), remove("a"), DeviceChange::Type { kind: checked("board") }];
    for refused in by_command {
        let error = change(&store, refused, 5).await.unwrap_err();
        assert!(matches!(error, StoreError::FromFile { .. }), "{error}");
    }
    change(&store, put("d", "board"), 5).await.unwrap();

    // The file names fewer now, one of them of another type, and describes no type any more.
    let fewer = [device("a", "board"), device("c", "panel")];
    assert!(change(&store, file(&[], &fewer), 6).await.unwrap());
    let left = [("a", "board", File), ("c", "panel", File), ("d", "board", Command)];
    assert_eq!(there_are(&store).await, named(&left));
    let types = store.device_types().await.unwrap();
    let plain = |name| (DeviceType::plain(name), File);
    assert!(types.contains(&plain("board")) && types.contains(&plain("panel")), "{types:?}");
    assert!(!types.iter().any(|(kind, _)| kind.name == "plain"), "{types:?}");
    let (added, changed) =
        ("3 it was added by the file", "6 its type board was changed by the file");
    assert_eq!(told(&store, "a").await, [added, changed]);
    let gone = "6 the devices file no longer names it by the file";
    assert_eq!(told(&store, "b").await, [added, changed, gone]);
    assert_eq!(told(&store, "c").await, [added, "6 it was changed by the file"]);
    assert_eq!(told(&store, "d").await, ["5 it was added by ann", changed]);

    // Without a file there is what commands have added, and then the box itself again.
    change(&store, file(&[], &[]), 7).await.unwrap();
    assert_eq!(there_are(&store).await, named(&[("d", "board", Command)]));
    change(&store, put("e", "board"), 8).await.unwrap();
    change(&store, remove("d"), 8).await.unwrap();
    assert_eq!(there_are(&store).await, named(&[("e", "board", Command)]));
    change(&store, remove("e"), 9).await.unwrap();
    assert_eq!(there_are(&store).await, named(&[("local", "qemu", Default)]));
    assert!(!change(&store, file(&[], &[]), 10).await.unwrap(), "as it is");
    assert_eq!(there_are(&store).await, named(&[("local", "qemu", Default)]));
    let local = told(&store, "local").await;
    let other = "3 other devices are named now by the file";
    assert_eq!(local, ["1 it was added by sutler", other, "9 it was added by sutler"]);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_log_is_read_by_pages_and_forgets_what_is_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    change(&store, put("bench", "board"), 0).await.unwrap();
    change(&store, put("bench-1", "board"), 0).await.unwrap();
    let set = |n: u64, second| {
        let (name, why) = ("bench".into(), n.to_string());
        change(&store, DeviceChange::Health { name, health: DeviceHealth::Good, why }, second)
    };
    // Several of them at the same moment.
    for n in 1..=9 {
        set(n, 1 + n / 4).await.unwrap();
    }
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let page = store.device_log("bench".into(), before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.at);
        all.extend(page.into_iter().map(|line| line.words));
    }
    let newest_first = ["9", "8", "7", "6", "5", "4", "3", "2", "1", "it was added"];
    assert_eq!(all, newest_first);

    let more = (10..=1_005).map(|n| set(n, 10));
    futures_util::future::join_all(more).await;
    let kept = store.device_log("bench".into(), None, 9_999).await.unwrap();
    assert_eq!(kept.len(), 1_000);
    assert_eq!(kept.last().unwrap().words, "6");
    assert_eq!(told(&store, "bench-1").await, ["0 it was added by ann"]);
    writer.close().await;
}

#[tokio::test]
async fn a_device_knows_its_jobs_and_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    change(&store, DeviceChange::Type { kind: checked("board") }, 1).await.unwrap();
    change(&store, put("bench", "board"), 1).await.unwrap();
    let conditions =
        Conditions { device: Some("bench".into()), health_check: true, ..Conditions::default() };
    let check = |n| NewJob { conditions: conditions.clone(), ..job(n, 50) };
    let first = store.submit(check(2)).await.unwrap().id;
    let start =
        |second| Change::Started { at: at(second), device: Some("bench".into()), decision: None };
    let ended = |second, verdict| super::sample::ended(second, verdict);
    let state = async || store.devices().await.unwrap().remove(0).state;
    assert_eq!(state().await.checking, Some(first));
    store.change(first, start(3)).await.unwrap();
    assert_eq!(state().await.last_used, Some(at(3)));
    // Somebody wants it run once more, before it has ended: it is the later one that is waited for.
    let second = store.submit(check(4)).await.unwrap().id;
    store.change(first, ended(5, Verdict::Passed)).await.unwrap();
    let now = state().await;
    assert_eq!((now.checking, now.last_check), (Some(second), Some(at(5))));

    let other = store.submit(job(6, 50)).await.unwrap().id;
    store.change(other, start(7)).await.unwrap();
    store.change(other, ended(8, Verdict::Passed)).await.unwrap();
    let now = state().await;
    assert_eq!((now.jobs_since_check, now.last_used), (1, Some(at(7))));

    // What is added again under its name is not kept waiting by a check that nobody runs.
    change(&store, remove("bench"), 9).await.unwrap();
    change(&store, put("bench", "board"), 10).await.unwrap();
    assert_eq!(state().await.checking, None);
    store.change(second, ended(11, Verdict::Canceled)).await.unwrap();
    let now = state().await;
    assert_eq!((now.health, now.last_check), (DeviceHealth::Good, Some(at(5))));

    // Who cancels the one that waits puts the next one off, until somebody asks for it.
    let third = store.submit(check(12)).await.unwrap().id;
    store.change(third, ended(13, Verdict::Canceled)).await.unwrap();
    let now = state().await;
    assert_eq!((now.checking, now.last_check), (None, Some(at(13))));
    let canceled = format!(
        "13 health check {third} was canceled; the next one is run when it is due, or when somebody \
         asks by job {third}"
    );
    assert_eq!(told(&store, "bench").await.last(), Some(&canceled));
    let (name, why) = ("bench".to_owned(), "again".to_owned());
    let asks = DeviceChange::Health { name, health: DeviceHealth::Unknown, why };
    for second in [14, 15] {
        assert!(change(&store, asks.clone(), second).await.unwrap(), "nobody runs one");
        assert_eq!(state().await.since, at(second));
    }
    store.submit(check(16)).await.unwrap();
    assert!(!change(&store, asks, 17).await.unwrap(), "that is what waits");
    store.check_consistent().unwrap();
    writer.close().await;
}
