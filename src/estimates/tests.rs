//! What is known of a job is told from the nearest past there is, and kept to be compared.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{AHEAD, Basis, Estimate, Handle, Keeper, Past, Snapshot, Wanted};
use crate::{
    clock,
    config::Order,
    decide::{Demand, Device, Lab, Open, Queued, outlook::Takes},
    model::{
        After, Conditions, Digest, JobId, JobState, Lineage, Measure, Must, Needs, NewJob, Part,
        PartDuration, Priority, Run, Sample, Spot, Stage, Submitter, Verdict, Visibility, WayIn,
    },
    schedule::Standing,
    store::{Change, Store, StoreSettings, Writer},
    tasks::Tasks,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A box of one machine with a store and a keeper.
struct House {
    store: Store,
    writer: Writer,
    tasks: Tasks,
    handle: Handle,
    standings: watch::Sender<Arc<Standing>>,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        let device = |name: &str, device_type: &str| Device {
            name: name.into(),
            device_type: device_type.into(),
            tags: [].into(),
            memory_mib: 4096,
            cores: 4,
            at_once: 1,
            open: Open::Jobs,
            last_used: None,
        };
        let devices = vec![device("qemu-1", "qemu-x86_64"), device("arm-1", "qemu-aarch64")];
        let lab = Lab { memory_mib: 4096, cores: 4, machines: 1, devices };
        let order = Order::default();
        let standing = Arc::new(Standing::new(Arc::new(lab), order));
        let (standings, standing) = watch::channel(standing);
        let (keeper, handle) = Keeper::new(store.clone(), standing);
        let tasks = Tasks::new(CancellationToken::new());
        tasks.spawn(keeper.run(tasks.stop.clone()));
        Self { store, writer, tasks, handle, standings, _folder: folder }
    }

    fn stand(&self, change: impl FnOnce(Standing) -> Standing) {
        self.standings.send_modify(|standing| *standing = Arc::new(change((**standing).clone())));
    }

    fn lend(&self, open: impl Fn() -> Open) {
        self.stand(|standing| {
            let scene = standing.scene();
            let mut lab = (*scene.lab).clone();
            lab.devices.iter_mut().for_each(|device| device.open = open());
            Standing::new(Arc::new(lab), scene.order)
        });
    }

    async fn submit(&self, name: &str, device_type: &str, priority: u8) -> JobId {
        self.store.submit(Self::new_job(name, device_type, priority)).await.unwrap().id
    }

    fn new_job(name: &str, device_type: &str, priority: u8) -> NewJob {
        NewJob {
            uuid: Uuid::new_v4(),
            name: name.into(),
            definition: "job_name: x\nactions:\n- boot: {guest: {cdrom: a.iso}}\n".into(),
            definition_hash: Digest::of(b"x"),
            bundle: Digest::of(b"bundle"),
            submitter: Submitter { uid: Some(1000), name: "ada".into() },
            way_in: WayIn::Command,
            submitted: clock::now(),
            priority: Priority(priority),
            device_type: device_type.into(),
            tags: vec![],
            settings: BTreeMap::new(),
            metadata: BTreeMap::new(),
            visibility: Visibility::Public,
            stream: None,
            needs: Needs { memory_mib: 1024, cores: 1, at_most: 15 * MINUTE },
            intake_key: None,
            conditions: Conditions::default(),
            lineage: Lineage::default(),
            idempotency: None,
        }
    }

    async fn start(&self, id: JobId, at: Timestamp) {
        self.store.change(id, Change::Started { at, device: None, decision: None }).await.unwrap();
        self.store.change(id, Change::State(JobState::Running)).await.unwrap();
    }

    async fn end(&self, id: JobId, at: Timestamp, minutes: u32) {
        let millis = 60e3 * f64::from(minutes);
        let spots =
            [(Measure::JobTime, Spot::default()), (Measure::PartTime, Spot::of_module("boot"))];
        let samples = spots.map(|(measure, spot)| Sample { measure, spot, value: millis });
        let part = |part: Part, millis| PartDuration { part, name: part.name().into(), millis };
        let end = Change::Ended {
            at,
            verdict: Verdict::Passed,
            cause: None,
            backend: serde_json::Map::new(),
            load: None,
            parts: vec![part(Part::Boot, u64::from(minutes) * 60_000), part(Part::Collect, 3_000)],
            samples: samples.into(),
        };
        self.store.change(id, end).await.unwrap();
    }

    /// A job that came, ran and passed in so many minutes.
    async fn passed(&self, name: &str, device_type: &str, minutes: u32) {
        let id = self.submit(name, device_type, 50).await;
        let at = clock::now();
        self.start(id, at).await;
        self.end(id, at + SignedDuration::from_mins(minutes.into()), minutes).await;
    }

    /// What is expected of a job once that fits.
    async fn expects(&self, id: JobId, fits: impl Fn(&Estimate) -> bool) -> Estimate {
        let mut told = self.handle.changes();
        let said = |told: &Snapshot| told.get(id, told.at);
        let told = told.wait_for(|told| said(told).is_some_and(|one| fits(&one))).await;
        said(&told.unwrap()).unwrap()
    }

    async fn close(self) {
        self.tasks.close().await;
        self.store.check_consistent().unwrap();
        self.writer.close().await;
    }
}

#[tokio::test]
async fn the_nearest_past_there_is_tells_what_a_job_takes() {
    let house = House::new();
    let past = async |name: &str, device_type: &str| {
        Past::read(&house.store, name, device_type).await.unwrap()
    };
    let nothing = past("a", "qemu-x86_64").await;
    assert_eq!(nothing.basis, Basis::Limit);
    assert_eq!(nothing.takes(15 * MINUTE), Takes::unknown(15 * MINUTE));
    assert_eq!(nothing.basis.words(15 * MINUTE), "unknown: at most 15 min");

    house.passed("b", "qemu-x86_64", 4).await;
    let others = past("a", "qemu-x86_64").await;
    assert_eq!(others.basis, Basis::DeviceType { runs: 1 });
    let seconds = |takes: Takes| takes.usual.as_secs_f64().round();
    assert!((240.0..=246.0).contains(&seconds(others.takes(15 * MINUTE))), "{others:?}");

    house.passed("a", "qemu-aarch64", 9).await;
    let elsewhere = past("a", "qemu-x86_64").await;
    let device_type = "qemu-aarch64".to_owned();
    assert_eq!(elsewhere.basis, Basis::OtherDevice { device_type, runs: 1 });

    house.passed("a", "qemu-x86_64", 2).await;
    house.passed("a", "qemu-x86_64", 2).await;
    let own = past("a", "qemu-x86_64").await;
    assert_eq!(own.basis, Basis::Job { runs: 2 });
    assert_eq!(own.basis.words(MINUTE), "from 2 runs");
    assert!((121.0..=126.0).contains(&seconds(own.takes(15 * MINUTE))), "{own:?}");
    assert!(seconds(own.takes(MINUTE)) < 64.0, "it may not take longer");
    let names: Vec<_> = own.parts().into_iter().map(|part| part.name).collect();
    assert_eq!(names, ["boot", "collect"]);
    house.close().await;
}

#[tokio::test]
async fn what_is_foretold_follows_what_happens_and_is_compared_with_it() {
    let house = House::new();
    house.passed("a", "qemu-x86_64", 2).await;
    let first = house.submit("a", "qemu-x86_64", 50).await;
    let second = house.submit("a", "qemu-x86_64", 50).await;
    let urgent = house.submit("a", "qemu-x86_64", 90).await;
    let told = house.expects(second, |one| one.position == Some(3)).await;
    assert_eq!(house.expects(first, |_| true).await.position, Some(2));
    assert_eq!(house.expects(urgent, |_| true).await.position, Some(1));
    assert!(!told.is_coarse && told.past.basis == Basis::Job { runs: 1 }, "{told:?}");
    let start = told.outlook.unwrap().start.usual;
    let wait = start.duration_since(clock::now()).as_secs();
    assert!((230..=255).contains(&wait), "two of two minutes come first: {wait}");

    let id = JobId(u64::MAX);
    let needs = Needs { memory_mib: 1, cores: 1, at_most: MINUTE };
    let demand = Demand {
        device_type: "qemu-x86_64".into(),
        tags: [].into(),
        device: None,
        health_check: false,
        needs,
    };
    let queued = |priority| Queued {
        id,
        demand: demand.clone(),
        submitter: "ada".into(),
        submitted: clock::now(),
        priority: Priority(priority),
    };
    let wanted = |priority, after: &[JobId]| Wanted {
        queued: queued(priority),
        after: after.to_vec(),
        past: told.past.clone(),
    };
    let fourth = house.handle.if_submitted(wanted(50, &[])).await;
    assert_eq!((fourth.position, fourth.is_coarse), (Some(4), false));
    assert!(fourth.outlook.unwrap().start.usual > start);
    // Whoever comes in before the next play stands behind who has just come in.
    for place in [4, 5] {
        let mut next = wanted(50, &[]);
        next.queued.id = JobId(100 + place);
        // Also when it is sent once more, and is the same job.
        for _ in 0..2 {
            let new = house.handle.of_taken(next.clone()).await;
            assert_eq!((new.position, new.is_coarse), (Some(place), false));
        }
    }
    assert_eq!(house.handle.if_submitted(wanted(100, &[])).await.position, Some(1));
    let then = house.handle.if_submitted(wanted(100, &[first])).await;
    assert_eq!((then.position, then.after), (None, Some(first)));
    assert!(then.outlook.unwrap().start.usual > start, "as urgent as it is");

    let at = clock::now();
    house.start(urgent, at).await;
    let runs = house.expects(urgent, |one| one.position.is_none()).await;
    let names: Vec<_> = runs.planned.iter().map(|planned| planned.name.as_str()).collect();
    assert_eq!(names, ["boot", "collect"]);
    assert_eq!(runs.progress(&Run::default(), at).percent, Some(0));
    // It is kept a moment after it was told.
    let foresight = loop {
        let kept = house.store.foresight(urgent).await.unwrap();
        if kept.started.is_some() {
            break kept;
        }
        tokio::task::yield_now().await;
    };
    let expected = foresight.started.unwrap().end.usual;
    house.end(urgent, expected + SignedDuration::from_secs(30), 2).await;
    let all = house.store.accuracies().await.unwrap();
    let (_, _, accuracy) =
        all.iter().find(|(_, stage, _)| *stage == Stage::Started).expect("it has ended");
    let missed = accuracy.end.quantile(0.5).unwrap();
    assert!((29_000.0..=31_000.0).contains(&missed), "{missed}");

    // A device that goes out of service is known of before anything else happens, and by whoever comes
    // next even before the next play.
    house.lend(|| Open::Nobody { why: "it smells".into() });
    assert_eq!(house.handle.if_submitted(wanted(50, &[])).await.outlook, None);
    house.expects(first, |one| one.outlook.is_none()).await;
    house.lend(|| Open::Jobs);
    house.expects(first, |one| one.outlook.is_some()).await;

    house.stand(|standing| standing.held("no QEMU"));
    let held = house.expects(first, |one| one.outlook.is_none()).await;
    assert_eq!(held.position, Some(1), "it has its place all the same");
    house.close().await;
}

#[tokio::test]
async fn what_waits_for_another_job_is_played_after_it() {
    let house = House::new();
    house.passed("a", "qemu-x86_64", 2).await;
    let first = house.submit("a", "qemu-x86_64", 10).await;
    let conditions =
        Conditions { after: vec![After { job: first, must: Must::End }], ..Conditions::default() };
    let new = NewJob { conditions, ..House::new_job("a", "qemu-x86_64", 90) };
    let then = house.store.submit(new).await.unwrap().id;
    let last = house.submit("a", "qemu-x86_64", 5).await;
    let told = house.expects(last, |one| one.position == Some(2)).await;
    assert_eq!(told.past.basis, Basis::Job { runs: 1 });
    let waits = house.expects(then, |_| true).await;
    assert_eq!((waits.after, waits.position), (Some(first), None));
    // It is the more urgent one, and comes before the last one all the same.
    let ends = house.expects(first, |_| true).await.outlook.unwrap().end;
    assert!(waits.outlook.unwrap().start.usual >= ends.usual, "{waits:?}");
    assert_eq!(waits.past.basis, Basis::Job { runs: 1 });

    house.start(first, clock::now()).await;
    assert_eq!(house.expects(last, |one| one.position == Some(1)).await.after, None);
    assert_eq!(house.expects(then, |_| true).await.after, Some(first));
    house.end(first, clock::now(), 2).await;
    let free = house.expects(then, |one| one.position == Some(1)).await;
    assert!(free.after.is_none() && free.outlook.is_some(), "{free:?}");
    house.close().await;
}

#[tokio::test]
async fn what_waits_far_back_is_told_the_work_before_it() {
    let house = House::new();
    house.passed("a", "qemu-x86_64", 1).await;
    let mut last = JobId(0);
    for _ in 0..AHEAD + 3 {
        last = house.submit("a", "qemu-x86_64", 50).await;
    }
    let told = house.expects(last, |one| one.is_coarse).await;
    assert_eq!(told.position, Some(AHEAD as u64 + 3));
    let hours = told.outlook.unwrap().start.usual.duration_since(clock::now()).as_hours();
    // A minute each and three seconds of collecting, one after the other.
    assert!((16..=18).contains(&hours), "{hours}");

    // What comes in then is told the same before anything is played with it.
    let last = house.store.job(last).await.unwrap().unwrap();
    let queued = Queued { id: JobId(u64::MAX), ..Queued::of(&last) };
    let wanted = Wanted { queued, after: Vec::new(), past: told.past.clone() };
    let next = house.handle.of_taken(wanted).await;
    assert_eq!((next.position, next.is_coarse), (Some(AHEAD as u64 + 4), true));
    assert_eq!(next.outlook.unwrap().start.usual, told.outlook.unwrap().end.usual);
    house.close().await;
}
