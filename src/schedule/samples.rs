//! What the tests of this room have in common: a job to submit, a rule for known failures, and how a
//! job fails by it.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    clock,
    config::Retry,
    model::{
        Cause, Code, Conditions, Digest, Failure, Job, JobId, JobState, KnownRule, Lineage, Needs,
        NewJob, Pattern, Priority, RuleRetry, Submitter, Touch, Verdict, Visibility, WayIn, Who,
    },
    store::{Change, Store},
};

pub(super) fn new_job(device_type: &str, memory_mib: u32) -> NewJob {
    NewJob {
        uuid: Uuid::now_v7(),
        name: "job".into(),
        definition: "x".into(),
        definition_hash: Digest::of(b"x"),
        bundle: Digest::of(b"x"),
        submitter: Submitter { uid: Some(1000), name: "ada".into() },
        way_in: WayIn::Command,
        submitted: clock::now(),
        priority: Priority::MEDIUM,
        device_type: device_type.into(),
        tags: vec![],
        settings: [].into(),
        metadata: [].into(),
        visibility: Visibility::Public,
        stream: None,
        needs: Needs { memory_mib, cores: 1, at_most: Duration::from_secs(600) },
        conditions: Conditions::default(),
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: None,
    }
}

/// A rule that knows what [`fail`] does.
pub(super) fn flaky(retry: RuleRetry) -> KnownRule {
    let touch = Touch { at: clock::now(), by: "root".into() };
    KnownRule {
        name: "flaky".into(),
        owner: "root".into(),
        notes: String::new(),
        bug: None,
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern: Pattern { codes: vec![Code::NoMatch], ..Pattern::default() },
        retry,
    }
}

/// As the supervisor ends a job whose guest did what the rule says.
pub(super) async fn fail(store: &Store, id: JobId, settings: Retry) {
    let job = store.job(id).await.unwrap().unwrap();
    let cause = Cause::new(Who::Guest, Code::NoMatch, "no needle matched");
    let ended = Change::Ended {
        at: clock::now(),
        verdict: Verdict::Failed,
        cause: Some(cause.clone()),
        backend: serde_json::Map::new(),
        load: None,
        parts: vec![],
        samples: vec![],
    };
    let as_ended = Job { cause: Some(cause), verdict: Some(Verdict::Failed), ..job };
    store.end(id, ended, Failure::of_record(&as_ended), settings).await.unwrap();
}

/// Waits until the job has ended.
pub(super) async fn ended(store: &Store, id: JobId) -> Job {
    let mut changes = store.changes();
    let wait = async {
        loop {
            let job = store.job(id).await.unwrap().unwrap();
            if job.state == JobState::Ended {
                return job;
            }
            drop(changes.recv().await);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it ends in time")
}
