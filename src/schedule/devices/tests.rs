use tempfile::{TempDir, tempdir};
use tokio::{sync::mpsc, task::JoinHandle};

use super::*;
use crate::{
    config::Order,
    model::{
        Cause, Code, Conditions, Device, DeviceType, HealthCheck, Job, JobId, Submitter, Verdict,
        WayIn, Who,
    },
    schedule::{
        Handle, Owner, Standing,
        samples::{self, new_job},
    },
    store::{Change, StoreSettings, Writer},
    supervise::Wish,
    tasks::Tasks,
};

const LENDS: Lends = Lends { memory_mib: 4096, cores: 4, machines: 4 };
const IN_TIME: Duration = Duration::from_secs(20);

/// A store with all that decides about its devices: the task under test, and the owner of the queue.
struct House {
    store: Store,
    writer: Writer,
    handle: Handle,
    hold: watch::Sender<Option<String>>,
    wishes: mpsc::Receiver<Wish>,
    stop: CancellationToken,
    tasks: [JoinHandle<()>; 2],
    folder: TempDir,
}

impl House {
    /// With one device, which nobody has checked.
    async fn with_check(every: Option<Duration>, after_jobs: Option<u32>) -> Self {
        let house = Self::reopen(tempdir().unwrap()).await;
        let check = HealthCheck { job: "/boots.yaml".into(), every, after_jobs };
        house.set_type("board", Some(check)).await;
        house.put("board").await;
        house
    }

    async fn reopen(folder: TempDir) -> Self {
        let settings = StoreSettings { cache_bytes: 1 << 20 };
        let (store, writer) = Store::open(&folder.path().join("store"), settings).unwrap();
        let (devices, lab) = Devices::new(store.clone(), LENDS, make_check()).await.unwrap();
        let (wished, wishes) = mpsc::channel(2);
        let (hold, held) = watch::channel(None);
        let (owner, handle) =
            Owner::new(store.clone(), lab, Order::default(), wished, held).await.unwrap();
        let stop = CancellationToken::new();
        let tasks = Tasks::new(stop.clone());
        let tasks = [tasks.spawn(devices.run(stop.clone())), tasks.spawn(owner.run(stop.clone()))];
        Self { store, writer, handle, hold, wishes, stop, tasks, folder }
    }

    async fn close(self) -> TempDir {
        self.stop.cancel();
        for task in self.tasks {
            task.await.unwrap();
        }
        self.store.check_consistent().unwrap();
        self.writer.close().await;
        self.folder
    }

    async fn change(&self, change: DeviceChange) {
        self.store.change_devices(change, "ann".into(), clock::now()).await.unwrap();
    }

    async fn set_type(&self, name: &str, health_check: Option<HealthCheck>) {
        let kind = DeviceType { health_check, ..DeviceType::plain(name) };
        self.change(DeviceChange::Type { kind }).await;
    }

    async fn put(&self, device_type: &str) {
        let device = Device {
            name: "bench".into(),
            device_type: device_type.into(),
            tags: [].into(),
            memory_mib: None,
            cores: None,
            at_once: None,
            description: String::new(),
        };
        self.change(DeviceChange::Put { device }).await;
    }

    async fn set(&self, health: DeviceHealth, why: &str) {
        let (name, why) = ("bench".into(), why.into());
        self.change(DeviceChange::Health { name, health, why }).await;
    }

    async fn submit(&self) -> JobId {
        self.store.submit(new_job("board", 512)).await.unwrap().id
    }

    /// The next job that starts.
    async fn next(&mut self) -> Job {
        let wish = tokio::time::timeout(IN_TIME, self.wishes.recv()).await;
        match wish.expect("a start in time").unwrap() {
            Wish::Start { job } => *job,
            wish @ Wish::Cancel { .. } => panic!("{wish:?}"),
        }
    }

    /// The next job that starts, which is a health check of the device.
    async fn next_check(&mut self) -> JobId {
        let job = self.next().await;
        assert!(job.conditions.health_check, "{job:?}");
        assert_eq!(job.device.as_deref(), Some("bench"));
        assert_eq!(self.status().await.state.checking, Some(job.id));
        job.id
    }

    async fn end(&self, id: JobId, verdict: Verdict, cause: Option<Cause>) {
        let change = Change::Ended {
            at: clock::now(),
            verdict,
            cause,
            backend: serde_json::Map::new(),
            load: None,
            parts: Vec::new(),
            samples: Vec::new(),
        };
        self.store.change(id, change).await.unwrap();
    }

    /// Waits until the job has ended.
    async fn ended(&self, id: JobId) -> Job {
        samples::ended(&self.store, id).await
    }

    /// A job that is sent, starts and passes.
    async fn use_it(&mut self) -> JobId {
        let id = self.submit().await;
        assert_eq!(self.next().await.id, id);
        self.end(id, Verdict::Passed, None).await;
        id
    }

    /// Nothing starts from here on.
    async fn hold(&self) {
        self.hold.send_replace(Some("somebody looks at the box".into()));
        self.handle.standings().wait_for(|standing| standing.hold.is_some()).await.unwrap();
    }

    async fn status(&self) -> DeviceStatus {
        self.store.devices().await.unwrap().remove(0)
    }

    /// Waits until the device is so, and says how it is then.
    async fn becomes(&self, is: impl Fn(&DeviceStatus) -> bool) -> DeviceStatus {
        let mut changes = self.store.device_changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                let status = self.status().await;
                if is(&status) {
                    return status;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(IN_TIME, wait).await.expect("it becomes so in time")
    }

    /// Waits until the job says so.
    async fn says(&self, id: JobId, words: &str) {
        let mut standings = self.handle.standings();
        let job = self.store.job(id).await.unwrap().unwrap();
        let says = |standing: &Arc<Standing>| standing.reason(&job);
        let said = standings.wait_for(|one| says(one).is_some_and(|why| why.contains(words)));
        let in_time = tokio::time::timeout(IN_TIME, said).await.is_ok();
        assert!(in_time, "{:?}", says(&self.handle.standing()));
    }

    /// The device's log, oldest first: how it was, what happened, and who did it.
    async fn log(&self) -> Vec<String> {
        let mut log = self.store.device_log("bench".into(), None, 100).await.unwrap();
        log.reverse();
        log.into_iter()
            .map(|line| format!("{} | {} | {}", line.health, line.words, line.by))
            .collect()
    }
}

/// As the appliance makes them, without files: what is named says what comes of it.
fn make_check() -> MakeCheck {
    Arc::new(|DeviceStatus { device, kind, .. }| {
        let named = kind.health_check.expect("only what is to be checked is").job;
        let made = match named.to_str() {
            Some("/missing.yaml") => Err("/missing.yaml: no such file".to_owned()),
            path => {
                let memory_mib = if path == Some("/huge.yaml") { 8192 } else { 512 };
                let conditions = Conditions {
                    device: Some(device.name.clone()),
                    health_check: true,
                    ..Conditions::default()
                };
                let submitter = Submitter { uid: None, name: "sutler".into() };
                let new = new_job(&device.device_type, memory_mib);
                Ok(NewJob { conditions, submitter, way_in: WayIn::Appliance, ..new })
            }
        };
        Box::pin(std::future::ready(made))
    })
}

fn check(job: &str) -> Option<HealthCheck> {
    Some(HealthCheck { job: job.into(), every: None, after_jobs: None })
}

#[tokio::test]
async fn a_device_is_checked_when_new_and_when_the_lab_lets_a_job_down_and_a_bad_one_runs_nothing()
{
    let mut house = House::with_check(None, None).await;
    let check = house.next_check().await;
    let first = house.submit().await;
    house.says(first, "whether bench is well is being found out").await;
    house.end(check, Verdict::Passed, None).await;
    assert_eq!(house.next().await.id, first, "it is good");

    let cause = Cause::new(Who::Lab, Code::HostResources, "the disk is full");
    house.end(first, Verdict::Incomplete, Some(cause)).await;
    let check = house.next_check().await;
    let second = house.submit().await;
    house.says(second, "whether bench is well is being found out").await;
    let cause = Cause::new(Who::Guest, Code::NoMatch, "no needle matched");
    house.end(check, Verdict::Failed, Some(cause)).await;
    house.says(second, "bad (job 3): health check 3 ended as failed").await;
    assert!(house.wishes.try_recv().is_err());

    house.set(DeviceHealth::Unknown, "a new disk").await;
    let check = house.next_check().await;
    house.end(check, Verdict::Passed, None).await;
    assert_eq!(house.next().await.id, second);
    assert_eq!(
        house.log().await,
        [
            "unknown | it was added | ann",
            "unknown | health check 1 was submitted | sutler",
            "good | health check 1 passed | job 1",
            "unknown | job 2 ended as incomplete: the disk is full | job 2",
            "unknown | health check 3 was submitted | sutler",
            "bad | health check 3 ended as failed | job 3",
            "unknown | a new disk | ann",
            "unknown | health check 5 was submitted | sutler",
            "good | health check 5 passed | job 5",
        ]
    );
    house.close().await;
}

#[tokio::test]
async fn a_device_is_checked_after_so_many_jobs() {
    let mut house = House::with_check(None, Some(2)).await;
    let first = house.next_check().await;
    house.end(first, Verdict::Passed, None).await;
    for round in 1..=2 {
        let (one, two) = (house.use_it().await, house.use_it().await);
        let check = house.next_check().await;
        assert_eq!((two.0, check.0), (one.0 + 1, one.0 + 2), "none in between, round {round}");
        house.end(check, Verdict::Softfailed, None).await;
        let state = house.status().await.state;
        assert_eq!((state.health, state.jobs_since_check), (DeviceHealth::Good, 0));
    }
    house.close().await;
}

#[tokio::test]
async fn a_device_is_checked_when_the_last_check_is_too_long_ago() {
    let mut house = House::with_check(Some(Duration::from_secs(1)), None).await;
    let check = house.next_check().await;
    house.end(check, Verdict::Passed, None).await;
    let last = house.status().await.state.last_check.unwrap();
    let next = house.next().await;
    assert!(next.conditions.health_check);
    assert!(next.submitted.duration_since(last).as_millis() >= 1_000, "{last} {}", next.submitted);
    house.close().await;
}

#[tokio::test]
async fn a_check_that_is_canceled_is_not_run_again_before_it_is_due_or_asked_for() {
    let mut house = House::with_check(None, Some(1)).await;
    let canceled = house.next_check().await;
    house.end(canceled, Verdict::Canceled, None).await;
    let state = house.status().await.state;
    assert_eq!((state.health, state.checking), (DeviceHealth::Unknown, None));
    // Nobody knows how it is still, and what is no check waits.
    let first = house.submit().await;
    house.says(first, "whether bench is well is being found out").await;
    house.set(DeviceHealth::Unknown, "it is new").await;
    let check = house.next_check().await;
    assert_eq!(check.0, first.0 + 1, "none before it was asked for");
    house.end(check, Verdict::Passed, None).await;
    assert_eq!(house.next().await.id, first);

    // Also one that never came to its device: the next job makes one due again.
    house.hold().await;
    house.end(first, Verdict::Passed, None).await;
    let waits = house.becomes(|one| one.state.checking.is_some()).await.state.checking.unwrap();
    house.handle.cancel(waits, "ann".into(), true).await.unwrap();
    let state = house.status().await.state;
    assert_eq!((state.checking, state.jobs_since_check), (None, 0));
    house.hold.send_replace(None);
    let used = house.use_it().await;
    assert_eq!(used.0, waits.0 + 1, "none in between");
    assert_eq!(house.next_check().await.0, used.0 + 1);
    house.close().await;
}

#[tokio::test]
async fn a_check_that_waits_for_a_device_that_is_gone_is_ended() {
    let mut house = House::with_check(None, None).await;
    let first = house.next_check().await;
    house.hold().await;
    house.store.change(first, Change::Requeued).await.unwrap();
    // The device is of another type, which has a check of its own.
    house.set_type("panel", check("/boots.yaml")).await;
    house.put("panel").await;
    let ended = house.ended(first).await;
    assert_eq!(ended.verdict, Some(Verdict::Canceled));
    let cause = ended.cause.unwrap();
    let words = "board bench, which it was to check, is gone: bench is a panel now";
    assert_eq!((cause.who, &*cause.words), (Who::Lab, words));
    let is_other = |one: &DeviceStatus| one.state.checking.is_some_and(|id| id != first);
    let second = house.becomes(is_other).await.state.checking.unwrap();

    let usual = Device { name: "local".into(), ..house.status().await.device };
    house.change(DeviceChange::Remove { name: "bench".into(), usual }).await;
    let ended = house.ended(second).await;
    assert_eq!(ended.verdict, Some(Verdict::Canceled));
    assert_eq!(ended.cause.unwrap().words, "device bench, which it was to check, is gone");

    // One that was put back when its device had gone already.
    let third = house.becomes(is_other).await.state.checking.unwrap();
    house.hold.send_replace(None);
    assert_eq!(house.next().await.id, third);
    house.hold().await;
    house.put("board").await;
    assert_eq!(house.status().await.device.name, "bench");
    house.store.change(third, Change::Requeued).await.unwrap();
    assert_eq!(house.ended(third).await.verdict, Some(Verdict::Canceled));
    house.close().await;
}

#[tokio::test]
async fn a_check_that_cannot_be_run_makes_a_device_bad_and_is_tried_again_when_asked() {
    let house = House::reopen(tempdir().unwrap()).await;
    house.set_type("board", check("/missing.yaml")).await;
    house.put("board").await;
    let state = house.becomes(|one| one.state.health == DeviceHealth::Bad).await.state;
    let missing = "its health check cannot be run: /missing.yaml: no such file";
    assert_eq!((state.why.as_str(), state.by.as_str(), state.checking), (missing, "sutler", None));

    // Neither one that asks for more than there is.
    house.set_type("board", check("/huge.yaml")).await;
    house.set(DeviceHealth::Unknown, "another check").await;
    let is_bad = |one: &DeviceStatus| one.state.health == DeviceHealth::Bad;
    let huge = house.becomes(is_bad).await.state.why;
    assert!(huge.starts_with("its health check cannot be run: "), "{huge}");
    assert_eq!(
        house.log().await,
        [
            "unknown | it was added | ann".to_owned(),
            format!("bad | {missing} | sutler"),
            "bad | its type board was changed | ann".into(),
            "unknown | another check | ann".into(),
            format!("bad | {huge} | sutler"),
        ]
    );
    assert_eq!(house.store.job(JobId(1)).await.unwrap(), None, "none was ever sent");
    house.close().await;
}

#[tokio::test]
async fn what_somebody_says_of_a_device_no_check_takes_back() {
    let mut house = House::with_check(None, None).await;
    let check = house.next_check().await;
    house.set(DeviceHealth::Maintenance, "the fan").await;
    house.end(check, Verdict::Passed, None).await;
    let state = house.status().await.state;
    assert_eq!((state.health, state.by.as_str()), (DeviceHealth::Maintenance, "ann"));
    let waits = house.submit().await;
    house.says(waits, "maintenance (ann): the fan").await;
    house.set(DeviceHealth::Unknown, "it turns").await;
    house.next_check().await;
    house.close().await;
}

#[tokio::test]
async fn a_check_that_waited_at_a_restart_is_the_one_that_runs() {
    let mut house = House::with_check(None, None).await;
    let check = house.next_check().await;
    house.hold().await;
    house.store.change(check, Change::Requeued).await.unwrap();
    let folder = house.close().await;
    let mut house = House::reopen(folder).await;
    assert_eq!(house.next_check().await, check);
    house.end(check, Verdict::Passed, None).await;
    assert_eq!(house.use_it().await.0, check.0 + 1);
    house.close().await;
}

#[tokio::test]
async fn a_device_that_becomes_another_type_is_checked_as_that() {
    let mut house = House::with_check(None, None).await;
    let first = house.next_check().await;
    house.set_type("panel", check("/boots.yaml")).await;
    house.put("panel").await;
    let second = house.next().await;
    assert!(second.conditions.health_check && second.device_type == "panel", "{second:?}");
    // The end of the former check does not make it forget the other one.
    house.end(first, Verdict::Canceled, None).await;
    assert_eq!(house.status().await.state.checking, Some(second.id));
    house.end(second.id, Verdict::Passed, None).await;
    assert_eq!(house.status().await.state.health, DeviceHealth::Good);
    house.close().await;
}

#[tokio::test]
async fn a_device_that_nothing_checks_is_proved_by_the_first_job_that_passes() {
    let mut house = House::reopen(tempdir().unwrap()).await;
    house.put("board").await;
    let id = house.use_it().await;
    let state = house.status().await.state;
    assert_eq!((state.health, state.by), (DeviceHealth::Good, format!("job {id}")));
    // With its first health check it is to be checked, and goes on meanwhile.
    house.set_type("board", check("/boots.yaml")).await;
    let check = house.next_check().await;
    let other = house.submit().await;
    assert_eq!(house.next().await.id, other);
    house.end(check, Verdict::TimedOut, None).await;
    let lines = [
        "unknown | it was added | ann",
        "good | job 1 passed | job 1",
        "good | its type board was changed | ann",
        "good | health check 2 was submitted | sutler",
        "bad | health check 2 ended as timed_out | job 2",
    ];
    assert_eq!(house.log().await, lines);
    house.close().await;
}
