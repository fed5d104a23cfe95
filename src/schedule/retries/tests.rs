use std::{path::Path, sync::Arc};

use tempfile::tempdir;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use super::*;
use crate::{
    config::{Order, Retry},
    decide::{self, Device, Open},
    model::{
        Cause, Code, JobId, KnownRule, NewJob, Pattern, Priority, RuleRetry, Touch, Verdict, Who,
    },
    schedule::{
        Owner,
        samples::{fail, flaky, new_job},
    },
    store::{StoreSettings, Writer},
    supervise::{BlameBox, Prepare, Supervisor},
    tasks::Tasks,
};

/// A store and the task that makes retries.
struct Lab {
    store: Store,
    writer: Writer,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Lab {
    fn open(path: &Path) -> Self {
        let settings = StoreSettings { cache_bytes: 1 << 20 };
        let (store, writer) = Store::open(path, settings).unwrap();
        let stop = CancellationToken::new();
        let retries = Retries::new(store.clone());
        let task = Tasks::new(stop.clone()).spawn(retries.run(stop.clone()));
        Self { store, writer, stop, task }
    }

    async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        self.store.check_consistent().unwrap();
        self.writer.close().await;
    }

    async fn fail(&self, id: JobId, settings: Retry) {
        fail(&self.store, id, settings).await;
    }

    async fn rule(&self, retry: RuleRetry) {
        self.store.put_rule(flaky(retry), false).await.unwrap();
    }

    /// Waits until there is a job of this number. Time that is paused passes by itself.
    async fn job(&self, id: u64) -> crate::model::Job {
        let mut changes = self.store.changes();
        loop {
            if let Some(job) = self.store.job(JobId(id)).await.unwrap() {
                return job;
            }
            tokio::time::timeout(Duration::from_secs(60), changes.recv()).await.unwrap().unwrap();
        }
    }
}

fn job() -> NewJob {
    NewJob { priority: Priority(70), tags: vec!["uefi".into()], ..new_job("qemu", 64) }
}

const AT_ONCE: Retry = Retry { automatic: false, most: 1, backoff: Duration::ZERO, per_day: 20 };

#[tokio::test]
async fn a_job_is_retried_as_often_as_its_rule_says_and_every_retry_knows_where_it_comes_from() {
    let folder = tempdir().unwrap();
    let lab = Lab::open(&folder.path().join("store"));
    lab.rule(RuleRetry { automatic: Some(true), most: Some(2), backoff_s: None }).await;
    let first = lab.store.submit(job()).await.unwrap().id;
    let original = lab.job(1).await;
    for id in 1..=2 {
        lab.fail(JobId(id), AT_ONCE).await;
        let retry = lab.job(id + 1).await;
        assert_eq!(retry.lineage.retried_from, Some(JobId(id)));
        assert_eq!(retry.lineage.retried_by.as_deref(), Some("flaky"));
        assert_eq!((retry.state, retry.priority), (JobState::Waiting, Priority(70)));
        assert_eq!(
            (&retry.definition, retry.bundle, &retry.tags, &retry.submitter),
            (&original.definition, original.bundle, &original.tags, &original.submitter)
        );
        assert_ne!(retry.uuid, original.uuid);
    }
    lab.fail(JobId(3), AT_ONCE).await;
    let stands = lab.store.stands(first, true).await.unwrap().unwrap();
    assert_eq!((stands.job, stands.is_retried), (JobId(3), false));
    assert_eq!(lab.store.pending_retries(9).await.unwrap(), [], "no fourth");
    assert_eq!(lab.store.last_job().await.unwrap(), JobId(3));
    assert_eq!(lab.store.retries_today().await.unwrap(), 2);
    assert_eq!(lab.store.retried_as(first).await.unwrap(), [JobId(2)]);
    lab.close().await;
}

#[tokio::test]
async fn nothing_is_retried_by_itself_unless_somebody_has_switched_it_on() {
    let folder = tempdir().unwrap();
    let lab = Lab::open(&folder.path().join("store"));
    lab.rule(RuleRetry::default()).await;
    for id in 1..=2 {
        lab.store.submit(job()).await.unwrap();
        let settings = Retry { automatic: id == 2, ..AT_ONCE };
        lab.fail(JobId(id), settings).await;
        let record = lab.store.job(JobId(id)).await.unwrap().unwrap();
        assert_eq!(record.known_failure.as_deref(), Some("flaky"));
    }
    assert_eq!(lab.job(3).await.lineage.retried_from, Some(JobId(2)));
    assert_eq!(lab.store.last_job().await.unwrap(), JobId(3));
    lab.close().await;
}

#[tokio::test]
async fn a_retry_that_was_due_while_nobody_ran_is_made_once_at_the_next_start() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store");
    let settings = StoreSettings { cache_bytes: 1 << 20 };
    {
        // An appliance that ends before it has made the retry.
        let (store, writer) = Store::open(&path, settings).unwrap();
        let stop = CancellationToken::new();
        let task = Tasks::new(stop.clone()).spawn(std::future::ready(()));
        let lab = Lab { store, writer, stop, task };
        lab.rule(RuleRetry { automatic: Some(true), most: Some(1), backoff_s: Some(0) }).await;
        lab.store.submit(job()).await.unwrap();
        lab.fail(JobId(1), AT_ONCE).await;
        assert_eq!(lab.store.pending_retries(9).await.unwrap().len(), 1);
        let stands = lab.store.stands(JobId(1), true).await.unwrap().unwrap();
        assert!(stands.is_retried && stands.verdict == Some(Verdict::Failed), "{stands:?}");
        lab.close().await;
    }
    for _ in 0..3 {
        let lab = Lab::open(&path);
        assert_eq!(lab.job(2).await.lineage.retried_from, Some(JobId(1)));
        assert_eq!(lab.store.last_job().await.unwrap(), JobId(2));
        lab.close().await;
    }
}

/// Queue, supervisor and retries together, on a box where no order can be made for the job.
#[tokio::test]
async fn a_job_that_cannot_begin_goes_round_as_often_as_allowed_and_then_rests() {
    let folder = tempdir().unwrap();
    let data = folder.path();
    let lab = Lab::open(&data.join("store"));
    let touch = Touch { at: clock::now(), by: "root".into() };
    let rule = KnownRule {
        name: "no-file".into(),
        owner: "root".into(),
        notes: String::new(),
        bug: None,
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern: Pattern { words: Some("disk.img is not".into()), ..Pattern::default() },
        retry: RuleRetry { automatic: Some(true), most: Some(3), backoff_s: Some(0) },
    };
    lab.store.put_rule(rule, false).await.unwrap();

    let tasks = Tasks::new(CancellationToken::new());
    let prepare: Prepare = Arc::new(|_| {
        let words = "disk.img is not there";
        let cause = Box::new(Cause::new(Who::Author, Code::BadFile, words));
        Box::pin(std::future::ready(Err(cause)))
    });
    let blame_box: BlameBox = Arc::new(|| Box::pin(std::future::ready(false)));
    let (supervisor, _handle) =
        Supervisor::new(data.into(), lab.store.clone(), prepare, blame_box, AT_ONCE);
    let (wishes, wished) = mpsc::channel(4);
    tasks.spawn(supervisor.run(wished, tasks.stop.clone()));
    let device = Device {
        name: "qemu-1".into(),
        device_type: "qemu".into(),
        tags: ["uefi".into()].into(),
        memory_mib: 4096,
        cores: 4,
        at_once: 4,
        open: Open::Jobs,
        last_used: None,
    };
    let box_of_one = decide::Lab { memory_mib: 4096, cores: 4, machines: 4, devices: vec![device] };
    let (_labs, labs) = watch::channel(Arc::new(box_of_one));
    let (_hold, held) = watch::channel(None);
    let owner = Owner::new(lab.store.clone(), labs, Order::default(), wishes, held);
    let (owner, _queue) = owner.await.unwrap();
    tasks.spawn(owner.run(tasks.stop.clone()));

    lab.store.submit(job()).await.unwrap();
    let mut changes = lab.store.changes();
    while lab.store.job(JobId(4)).await.unwrap().is_none_or(|job| job.verdict.is_none()) {
        tokio::time::timeout(Duration::from_secs(60), changes.recv()).await.unwrap().unwrap();
    }
    assert_eq!(lab.store.last_job().await.unwrap(), JobId(4), "the job and three retries");
    assert_eq!(lab.store.pending_retries(9).await.unwrap(), []);
    for id in 1..=4 {
        let job = lab.store.job(JobId(id)).await.unwrap().unwrap();
        assert_eq!(job.known_failure.as_deref(), Some("no-file"));
        assert_eq!(job.lineage.retried_from, (id > 1).then(|| JobId(id - 1)));
    }
    tasks.close().await;
    lab.close().await;
}
