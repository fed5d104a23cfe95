//! What the tests of this room have in common: a rule for known failures, and a job that fails by it.

use crate::{
    clock,
    config::Retry,
    model::{Cause, Code, Failure, Job, JobId, KnownRule, Pattern, RuleRetry, Touch, Verdict, Who},
    store::{Change, Store},
};

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
