use tempfile::{TempDir, tempdir};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::{
    config::Retry,
    decide::{Device, Open},
    model::{After, Conditions, Keepsake, NewJob, Priority, Rule, RuleRetry},
    schedule::samples::{self, fail, flaky, new_job},
    store::{Leftover, StoreSettings, Writer},
    tasks::Tasks,
};

/// A box of 4 GiB with one device.
fn a_device(open: Open) -> Lab {
    let device = Device {
        name: "qemu-1".into(),
        device_type: "qemu".into(),
        tags: [].into(),
        memory_mib: 4096,
        cores: 4,
        at_once: 4,
        open,
        last_used: None,
    };
    Lab { memory_mib: 4096, cores: 4, machines: 4, devices: vec![device] }
}

/// A store with an owner on such a box.
struct House {
    store: Store,
    writer: Writer,
    handle: Handle,
    labs: watch::Sender<Arc<Lab>>,
    wishes: mpsc::Receiver<Wish>,
    hold: watch::Sender<Option<String>>,
    stop: CancellationToken,
    owner: JoinHandle<()>,
    folder: TempDir,
}

impl House {
    async fn open(hold: Option<&str>) -> Self {
        Self::reopen(tempdir().unwrap(), hold).await
    }

    async fn reopen(folder: TempDir, hold: Option<&str>) -> Self {
        let settings = StoreSettings { cache_bytes: 1 << 20 };
        let (store, writer) = Store::open(&folder.path().join("store"), settings).unwrap();
        let (labs, lab) = watch::channel(Arc::new(a_device(Open::Jobs)));
        let (wished, wishes) = mpsc::channel(2);
        let (hold, held) = watch::channel(hold.map(String::from));
        let stop = CancellationToken::new();
        let (owner, handle) =
            Owner::new(store.clone(), lab, Order::default(), wished, held).await.unwrap();
        let owner = Tasks::new(stop.clone()).spawn(owner.run(stop.clone()));
        Self { store, writer, handle, labs, wishes, hold, stop, owner, folder }
    }

    async fn close(self) -> TempDir {
        self.stop.cancel();
        self.owner.await.unwrap();
        self.store.check_consistent().unwrap();
        self.writer.close().await;
        self.folder
    }

    async fn submit(&self, memory_mib: u32) -> JobId {
        self.store.submit(job(memory_mib)).await.unwrap().id
    }

    async fn next(&mut self) -> Wish {
        let wish = tokio::time::timeout(Duration::from_secs(20), self.wishes.recv());
        wish.await.expect("a wish in time").unwrap()
    }

    async fn next_start(&mut self) -> JobId {
        match self.next().await {
            Wish::Start { job } => {
                assert_eq!(job.state, JobState::Preparing);
                job.id
            }
            wish @ Wish::Cancel { .. } => panic!("{wish:?}"),
        }
    }

    async fn end(&self, id: JobId) {
        self.end_as(id, Verdict::Passed).await;
    }

    async fn end_as(&self, id: JobId, verdict: Verdict) {
        let change = Change::Ended {
            at: clock::now(),
            verdict,
            cause: None,
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

    /// Waits until the job says so.
    async fn says(&self, id: JobId, words: &str) {
        let mut standings = self.handle.standings();
        let job = self.store.job(id).await.unwrap().unwrap();
        let says = |standing: &Arc<Standing>| standing.reason(&job);
        let said = standings.wait_for(|one| says(one).is_some_and(|why| why.contains(words)));
        let in_time = tokio::time::timeout(Duration::from_secs(20), said).await.is_ok();
        assert!(in_time, "{:?}", says(&self.handle.standing()));
    }
}

fn job(memory_mib: u32) -> NewJob {
    new_job("qemu", memory_mib)
}

#[tokio::test]
async fn a_job_starts_when_it_comes_and_the_next_when_it_ends() {
    let mut lab = House::open(None).await;
    let first = lab.submit(3000).await;
    assert_eq!(lab.next_start().await, first);
    let second = lab.submit(3000).await;
    lab.says(second, "next: needs 2.9 GiB, 1.1 GiB free").await;

    lab.store.change(first, Change::State(JobState::Running)).await.unwrap();
    lab.end(first).await;
    assert_eq!(lab.next_start().await, second);
    lab.close().await;
}

#[tokio::test]
async fn what_an_engine_never_took_starts_again() {
    let mut lab = House::open(None).await;
    let id = lab.submit(512).await;
    assert_eq!(lab.next_start().await, id);
    lab.store.change(id, Change::Requeued).await.unwrap();
    assert_eq!(lab.next_start().await, id);
    lab.close().await;
}

#[tokio::test]
async fn while_it_is_held_nothing_starts_and_everyone_says_why() {
    let mut lab = House::open(Some("qemu is not installed")).await;
    let id = lab.submit(512).await;
    lab.says(id, "qemu is not installed").await;
    assert!(lab.wishes.try_recv().is_err());
    lab.hold.send_replace(None);
    assert_eq!(lab.next_start().await, id);
    assert_eq!(lab.store.job(id).await.unwrap().unwrap().state, JobState::Preparing);
    lab.close().await;
}

#[tokio::test]
async fn canceling_ends_who_waits_and_tells_who_runs() {
    let mut lab = House::open(None).await;
    let running = lab.submit(4096).await;
    lab.next_start().await;
    let waiting = lab.submit(4096).await;

    lab.handle.cancel(waiting, "ada".into(), true).await.unwrap();
    let ended = lab.store.job(waiting).await.unwrap().unwrap();
    assert_eq!(ended.verdict, Some(Verdict::Canceled));
    assert_eq!(ended.cause.unwrap().words, "canceled by ada before it started");

    lab.handle.cancel(running, "ada".into(), true).await.unwrap();
    assert_eq!(lab.next().await, Wish::Cancel { job: running, by: "ada".into() });
    assert!(lab.store.job(running).await.unwrap().unwrap().cancel_asked);

    // What a double click asks for does not arrive; what is asked for after it does.
    lab.handle.cancel(running, "a double click".into(), false).await.unwrap();
    lab.handle.cancel(running, "bob".into(), true).await.unwrap();
    assert_eq!(lab.next().await, Wish::Cancel { job: running, by: "bob".into() });

    assert_eq!(lab.handle.cancel(waiting, "ada".into(), true).await, Err(Refused::Ended(waiting)));
    let nobody = JobId(99);
    assert_eq!(
        lab.handle.cancel(nobody, "ada".into(), true).await,
        Err(Refused::NoSuchJob(nobody))
    );
    let handle = lab.handle.clone();
    lab.close().await;
    assert_eq!(handle.cancel(running, "ada".into(), true).await, Err(Refused::Closing));
}

#[tokio::test]
async fn a_restart_remembers_who_runs_and_who_was_canceled() {
    let mut lab = House::open(None).await;
    let running = lab.submit(4096).await;
    lab.next_start().await;
    let waiting = lab.submit(4096).await;
    lab.store.change(running, Change::CancelAsked).await.unwrap();
    let folder = lab.close().await;

    let mut lab = House::reopen(folder, None).await;
    assert!(matches!(lab.next().await, Wish::Cancel { job, .. } if job == running));
    lab.says(waiting, "next").await;
    lab.end(running).await;
    assert_eq!(lab.next_start().await, waiting);
    lab.close().await;
}

#[tokio::test]
async fn wishes_that_nobody_takes_do_not_keep_it_from_stopping() {
    let lab = House::open(None).await;
    let mut changes = lab.store.changes();
    for _ in 0..4 {
        lab.submit(512).await;
    }
    let mut started = 0;
    while started < 2 {
        started += u32::from(changes.recv().await.unwrap().state == JobState::Preparing);
    }
    let closed = tokio::time::timeout(Duration::from_secs(20), lab.close()).await;
    assert!(closed.is_ok(), "it waits for room for the third wish");
}

#[tokio::test]
async fn a_crowd_larger_than_the_owner_can_hear_loses_nobody() {
    let mut lab = House::open(None).await;
    let blocker = lab.submit(4096).await;
    lab.next_start().await;
    let crowd = (0..1500).map(|_| lab.submit(1024));
    futures_util::future::join_all(crowd).await;
    lab.end(blocker).await;
    let mut started = Vec::new();
    for _ in 0..20 {
        let id = lab.next_start().await;
        started.push(id.0);
        lab.end(id).await;
    }
    assert_eq!(started, (2..22).collect::<Vec<_>>(), "oldest first, each once");
    lab.close().await;
}

#[tokio::test]
async fn a_job_waits_for_another_and_is_skipped_when_that_fails() {
    let mut lab = House::open(None).await;
    let first = lab.submit(512).await;
    lab.next_start().await;
    let after =
        |must| Conditions { after: vec![After { job: first, must }], ..Conditions::default() };
    let submit = async |conditions| {
        let new = NewJob { conditions, ..job(512) };
        lab.store.submit(new).await.unwrap().id
    };
    let passes = submit(after(Must::Pass)).await;
    let ends = submit(after(Must::End)).await;
    let chained = Conditions {
        after: vec![After { job: passes, must: Must::Pass }],
        ..Conditions::default()
    };
    let chained = submit(chained).await;
    lab.says(passes, "waits for job 1 to pass").await;
    lab.says(ends, "waits for job 1 to end").await;

    lab.end_as(first, Verdict::Failed).await;
    assert_eq!(lab.next_start().await, ends);
    for (id, words) in [
        (passes, "job 1 had to pass before it, and ended as failed"),
        (chained, "job 2 had to pass before it, and ended as skipped"),
    ] {
        let skipped = lab.ended(id).await;
        assert_eq!(skipped.verdict, Some(Verdict::Skipped));
        assert_eq!(skipped.cause.unwrap().words, words);
    }
    let broken = Conditions {
        after: vec![After { job: JobId(99), must: Must::End }],
        ..Conditions::default()
    };
    let broken = lab.store.submit(NewJob { conditions: broken, ..job(512) }).await.unwrap().id;
    let words = lab.ended(broken).await.cause.unwrap().words;
    assert_eq!(words, "it was to wait for job 99, and there is no such job");
    lab.close().await;
}

#[tokio::test]
async fn who_waits_for_a_job_to_pass_waits_for_its_retry() {
    let mut lab = House::open(None).await;
    let first = lab.submit(512).await;
    lab.next_start().await;
    lab.end_as(first, Verdict::Failed).await;
    let retry = lab.store.retry(first, Uuid::now_v7(), "ada".into()).await.unwrap().id;
    assert_eq!(lab.next_start().await, retry);
    let after = |must| vec![After { job: first, must }];
    let submit = async |must| {
        let conditions = Conditions { after: after(must), ..Conditions::default() };
        lab.store.submit(NewJob { conditions, ..job(512) }).await.unwrap().id
    };
    let (passes, ends) = (submit(Must::Pass).await, submit(Must::End).await);
    assert_eq!(lab.next_start().await, ends, "the first one has ended");
    lab.says(passes, "waits for job 2 to pass").await;
    lab.end_as(retry, Verdict::Passed).await;
    assert_eq!(lab.next_start().await, passes);
    lab.close().await;
}

/// Ends a job by a failure that a rule retries after a while.
async fn fail_with_a_retry(lab: &House, id: JobId) {
    let retry = RuleRetry { automatic: Some(true), most: Some(9), backoff_s: Some(3_600) };
    lab.store.put_rule(flaky(retry), true).await.unwrap();
    let settings = Retry { automatic: false, most: 9, backoff: Duration::ZERO, per_day: 99 };
    fail(&lab.store, id, settings).await;
}

#[tokio::test]
async fn who_waits_for_a_job_is_passed_on_to_the_retry_that_is_decided_on() {
    let mut lab = House::open(None).await;
    let first = lab.submit(512).await;
    lab.next_start().await;
    let conditions =
        Conditions { after: vec![After { job: first, must: Must::Pass }], ..Conditions::default() };
    let waits = lab.store.submit(NewJob { conditions, ..job(512) }).await.unwrap().id;
    lab.says(waits, "waits for job 1 to pass").await;

    fail_with_a_retry(&lab, first).await;
    let other = lab.submit(64).await;
    assert_eq!(lab.next_start().await, other, "the end was heard, and nobody was skipped");
    lab.says(waits, "waits for job 1 to pass").await;
    let retry = lab.store.retry_due(first, Uuid::now_v7()).await.unwrap().id;
    assert_eq!(lab.next_start().await, retry);
    lab.says(waits, &format!("waits for job {retry} to pass")).await;

    // The rule is switched off before the retry of the retry is due.
    fail_with_a_retry(&lab, retry).await;
    lab.store.remove_rule("flaky").await.unwrap();
    assert!(lab.store.retry_due(retry, Uuid::now_v7()).await.is_err());
    let words = lab.ended(waits).await.cause.unwrap().words;
    assert_eq!(words, format!("job {retry} had to pass before it, and ended as failed"));
    lab.close().await;
}

#[tokio::test]
async fn who_waits_for_a_retry_of_a_job_that_is_forgotten_is_skipped() {
    let mut lab = House::open(None).await;
    let first = lab.submit(512).await;
    lab.next_start().await;
    fail_with_a_retry(&lab, first).await;
    let conditions =
        Conditions { after: vec![After { job: first, must: Must::Pass }], ..Conditions::default() };
    let waits = lab.store.submit(NewJob { conditions, ..job(512) }).await.unwrap().id;
    lab.says(waits, "waits for job 1 to pass").await;

    let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
    lab.store.change(first, measured).await.unwrap();
    let (what, rule) = (Keepsake::Results, Rule::Age { limit_s: 1 });
    lab.store.change(first, Change::Removed { what, at: clock::now(), rule }).await.unwrap();
    lab.store.cleared(Leftover { job: first, what }).await.unwrap();
    lab.says(waits, "waits for job 1 to pass").await;
    lab.store.forget(first).await.unwrap();
    let skipped = lab.ended(waits).await;
    assert_eq!(skipped.verdict, Some(Verdict::Skipped));
    let words = skipped.cause.unwrap().words;
    assert_eq!(words, "it was to wait for job 1, and there is no such job");
    lab.close().await;
}

#[tokio::test]
async fn a_job_that_has_passed_is_no_less_passed_for_a_retry_that_failed() {
    let mut lab = House::open(None).await;
    let first = lab.submit(512).await;
    lab.next_start().await;
    lab.end(first).await;
    let retry = lab.store.retry(first, Uuid::now_v7(), "ada".into()).await.unwrap().id;
    lab.next_start().await;
    lab.end_as(retry, Verdict::Failed).await;
    let conditions =
        Conditions { after: vec![After { job: first, must: Must::Pass }], ..Conditions::default() };
    let after = lab.store.submit(NewJob { conditions, ..job(512) }).await.unwrap().id;
    assert_eq!(lab.next_start().await, after);
    lab.close().await;
}

#[tokio::test]
async fn a_job_that_has_waited_for_as_long_as_it_may_ends() {
    let mut lab = House::open(None).await;
    let blocker = lab.submit(4096).await;
    lab.next_start().await;
    let conditions =
        Conditions { queue_timeout: Some(Duration::from_millis(50)), ..Conditions::default() };
    let id = lab.store.submit(NewJob { conditions, ..job(4096) }).await.unwrap().id;
    let ended = lab.ended(id).await;
    assert_eq!(ended.verdict, Some(Verdict::TimedOut));
    assert_eq!(ended.cause.unwrap().code, Code::QueueTimeout);
    lab.end(blocker).await;
    lab.close().await;
}

#[tokio::test]
async fn a_priority_that_changes_moves_a_waiting_job() {
    let mut lab = House::open(None).await;
    let blocker = lab.submit(4096).await;
    lab.next_start().await;
    let (first, second) = (lab.submit(4096).await, lab.submit(4096).await);
    lab.says(first, "next").await;
    lab.store.change(second, Change::Priority(Priority(51))).await.unwrap();
    lab.says(second, "next").await;
    assert_eq!(lab.handle.standing().first(), [second, first]);
    let refused = lab.store.change(blocker, Change::Priority(Priority(9))).await;
    assert!(matches!(refused, Err(StoreError::NotAllowed { .. })), "{refused:?}");
    lab.end(blocker).await;
    assert_eq!(lab.next_start().await, second);
    lab.close().await;
}

#[tokio::test]
async fn a_device_that_comes_back_gets_a_job_at_once() {
    let mut lab = House::open(None).await;
    lab.labs.send_replace(Arc::new(a_device(Open::Nobody { why: "a new disk".into() })));
    let id = lab.submit(512).await;
    lab.says(id, "qemu-1 is out of service: a new disk").await;
    lab.labs.send_replace(Arc::new(a_device(Open::Jobs)));
    assert_eq!(lab.next_start().await, id);
    let job = lab.store.job(id).await.unwrap().unwrap();
    assert_eq!(job.device.as_deref(), Some("qemu-1"));
    assert!(job.decision.unwrap().contains("the only one that was idle"));
    lab.close().await;
}
