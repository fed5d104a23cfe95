//! Failures, their rules and groups, and retries, as the handle promises them.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection::vec, prelude::*};
use tempfile::tempdir;
use uuid::Uuid;

use super::{
    holdings::{measured, removed},
    sample::{at, ended, job, open, wait},
};
use crate::{
    clock,
    config::Retry,
    model::{
        Cause, Code, Counted, Failure, JobId, JobState, Keepsake, KnownRule, Lineage, NewJob,
        Pattern, Rule, RuleRetry, Touch, Verdict, Who,
    },
    store::{Change, Leftover, Store, StoreError},
};

pub(super) const OFF: Retry =
    Retry { automatic: false, most: 1, backoff: Duration::from_secs(60), per_day: 20 };
pub(super) const ON: Retry = Retry { automatic: true, backoff: Duration::ZERO, ..OFF };

pub(super) fn rule(name: &str, words: &str) -> KnownRule {
    let touch = Touch { at: at(1), by: "ada".into() };
    KnownRule {
        name: name.into(),
        owner: "ada".into(),
        notes: "seen on slow mirrors".into(),
        bug: Some("https://bugs.example/7".into()),
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern: Pattern { words: Some(words.into()), ..Pattern::default() },
        retry: RuleRetry::default(),
    }
}

pub(super) fn failure(words: &str) -> Failure {
    Failure {
        verdict: Verdict::Failed,
        who: Who::Guest,
        code: Code::NoMatch,
        words: words.into(),
        part: None,
        step: None,
        screen: None,
        evidence: vec!["last line".into()],
        log: vec![],
        serial: vec![],
        job: "job".into(),
        device_type: "qemu".into(),
    }
}

fn failed(seconds: u64, words: &str) -> Change {
    let mut change = ended(seconds, Verdict::Failed);
    if let Change::Ended { cause, .. } = &mut change {
        *cause = Some(Cause::new(Who::Guest, Code::NoMatch, words));
    }
    change
}

/// Submits job number `n` and lets it fail with these words at second `n`.
pub(super) async fn fail(store: &Store, n: u64, words: &str, settings: Retry) -> JobId {
    let id = store.submit(job(n, 50)).await.unwrap().id;
    store.end(id, failed(n, words), Some(failure(words)), settings).await.unwrap();
    id
}

async fn known(store: &Store, id: JobId) -> Option<String> {
    store.job(id).await.unwrap().unwrap().known_failure
}

#[tokio::test]
async fn a_failure_is_marked_with_what_it_is_known_for_when_it_ends() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("z-mirror", "mirror"), false).await.unwrap();
    store.put_rule(rule("a-slow", "slow"), false).await.unwrap();
    store.put_rule(KnownRule { enabled: false, ..rule("off", "slow") }, false).await.unwrap();
    let both = fail(&store, 1, "the slow mirror", OFF).await;
    let one = fail(&store, 2, "no mirror", OFF).await;
    let none = fail(&store, 3, "no needle", OFF).await;

    assert_eq!(known(&store, both).await.as_deref(), Some("a-slow"), "the first by name");
    assert_eq!(known(&store, one).await.as_deref(), Some("z-mirror"));
    assert_eq!(known(&store, none).await, None);
    let jobs = async |name: &str, since| store.known_jobs(name, at(since), 9).await.unwrap();
    assert_eq!(jobs("z-mirror", 0).await, [one, both], "newest first, all that match");
    assert_eq!(jobs("z-mirror", 2).await, [one]);
    assert_eq!(jobs("a-slow", 0).await, [both]);
    assert!(jobs("off", 0).await.is_empty());
    let standing = store.standing(both).await.unwrap();
    let marks: Vec<_> = standing.marks.iter().map(|mark| (&*mark.rule, mark.later)).collect();
    assert_eq!(marks, [("a-slow", false), ("z-mirror", false)]);
    assert_eq!(standing.marks[0].bug.as_deref(), Some("https://bugs.example/7"));
    assert_eq!(standing.group, None);
    assert_eq!(store.standing(none).await.unwrap().group.unwrap().count, 1);

    // A job that passed has no failure, whatever is told of it.
    let passed = store.submit(job(4, 50)).await.unwrap().id;
    let told = Some(failure("the slow mirror"));
    store.end(passed, ended(4, Verdict::Passed), told, ON).await.unwrap();
    assert_eq!(known(&store, passed).await, None);
    assert_eq!(store.failure(passed).await.unwrap(), None);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn unknown_failures_of_a_kind_are_one_group_the_largest_first() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for (n, words) in [(1, "gone in 3 s"), (2, "other"), (3, "gone in 4 s"), (4, "third")] {
        fail(&store, n, words, OFF).await;
    }
    let groups = store.failure_groups(9).await.unwrap();
    let told: Vec<_> = groups.iter().map(|g| (g.count, g.first, g.last, g.sample)).collect();
    assert_eq!(
        told,
        [(2, at(1), at(3), JobId(3)), (1, at(4), at(4), JobId(4)), (1, at(2), at(2), JobId(2)),]
    );
    let jobs = store.group_jobs(groups[0].signature, 9).await.unwrap();
    assert_eq!(jobs, [JobId(3), JobId(1)]);
    assert_eq!(store.failure_groups(1).await.unwrap(), groups[..1]);
    let (signature, kept) = store.failure(JobId(3)).await.unwrap().unwrap();
    assert_eq!((signature, kept), (groups[0].signature, failure("gone in 4 s")));
    store.check_consistent().unwrap();
    writer.close().await;
}

/// Jobs that were known failures, by the counts of all days.
async fn counted(store: &Store) -> u64 {
    let all = store.occurrences(0, u32::MAX - 1).await.unwrap();
    let known = all.iter().filter(|one| matches!(one.what, Counted::Known { .. }));
    known.map(|one| one.count).sum()
}

#[tokio::test]
async fn a_rule_made_later_is_tried_and_applied_to_what_was_kept_and_can_be_taken_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    for n in 1..=600 {
        fail(&store, n, if n % 2 == 0 { "even 7" } else { "odd 7" }, OFF).await;
    }
    let pattern = rule("even", "even").pattern;
    let (found, looked) = store.try_pattern(pattern.clone(), at(0), 1_000).await.unwrap();
    assert_eq!((found.len(), looked.len()), (300, 600));
    let (found, looked) = store.try_pattern(pattern, at(590), 3).await.unwrap();
    assert_eq!((found, looked.len()), (vec![JobId(590), JobId(592), JobId(594)], 11));
    assert_eq!(known(&store, JobId(2)).await, None, "trying marks nothing");

    store.put_rule(rule("even", "even"), false).await.unwrap();
    let record = store.job(JobId(2)).await.unwrap();
    assert_eq!(store.apply_rule("even").await.unwrap(), 300);
    assert_eq!(store.apply_rule("even").await.unwrap(), 0, "once is enough");
    assert_eq!(store.failure_groups(9).await.unwrap().len(), 1);
    assert_eq!(known(&store, JobId(2)).await.as_deref(), Some("even"));
    assert!(store.standing(JobId(2)).await.unwrap().marks[0].later);
    // What is marked later changes with the rule; what ended with it does not.
    fail(&store, 601, "even 7", OFF).await;
    let kept = crate::model::Kept { by: "ada".into(), at: at(9) };
    store.change(JobId(4), Change::Kept(Some(kept))).await.unwrap();
    assert_eq!(counted(&store).await, 301, "those found later count, too");
    store.check_consistent().unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    assert_eq!(known(&store, JobId(4)).await.as_deref(), Some("even"));
    store.remove_rule("even").await.unwrap();
    assert_eq!(store.job(JobId(2)).await.unwrap(), record);
    assert_eq!(known(&store, JobId(4)).await, None);
    assert_eq!(known(&store, JobId(601)).await.as_deref(), Some("even"));
    let counts: Vec<_> =
        store.failure_groups(9).await.unwrap().iter().map(|group| group.count).collect();
    assert_eq!(counts, [300, 300]);
    assert_eq!(counted(&store).await, 1, "what it knew at the end stays");
    let gone = store.remove_rule("even").await;
    assert!(matches!(gone, Err(StoreError::NoSuchRule { .. })), "{gone:?}");
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_rule_keeps_its_beginning_when_it_is_changed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    let mut first = rule("r", "x");
    first.pattern.codes = vec![Code::NoMatch, Code::JobTimeout];
    first.pattern.who = Some(Who::Lab);
    first.retry = RuleRetry { automatic: Some(true), most: Some(3), backoff_s: Some(30) };
    store.put_rule(first.clone(), false).await.unwrap();
    assert_eq!(store.rules().await.unwrap(), [first.clone()]);
    let touch = Touch { at: at(99), by: "root".into() };
    let second = KnownRule { created: touch.clone(), changed: touch, bug: None, ..first.clone() };
    let there = store.put_rule(second.clone(), false).await;
    assert!(matches!(there, Err(StoreError::RuleThere { .. })), "{there:?}");
    store.put_rule(second.clone(), true).await.unwrap();
    writer.close().await;
    let (store, writer) = open(&path);
    assert_eq!(store.rules().await.unwrap(), [KnownRule { created: first.created, ..second }]);
    writer.close().await;
}

#[tokio::test]
async fn no_more_rules_are_kept_than_can_be_tried() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let puts = (0..500).map(|n| store.put_rule(rule(&format!("r-{n}"), "x"), false));
    futures_util::future::try_join_all(puts).await.unwrap();
    let more = store.put_rule(rule("one-more", "x"), false).await;
    assert!(matches!(more, Err(StoreError::TooManyRules { most: 500 })), "{more:?}");
    store.put_rule(rule("r-7", "y"), true).await.unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_retry_waits_durably_holds_the_bundle_and_is_made_once() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let id = fail(&store, 1, "x", ON).await;
    let standing = store.standing(id).await.unwrap();
    assert_eq!(standing.pending.as_ref().map(|due| (&*due.rule, due.job)), Some(("r", id)));
    // Results go, and with them the job's own hold of its bundle.
    let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
    store.change(id, measured).await.unwrap();
    let removed =
        Change::Removed { what: Keepsake::Results, at: at(9), rule: Rule::Age { limit_s: 1 } };
    store.change(id, removed).await.unwrap();
    let bundle = job(1, 50).bundle;
    assert_eq!(store.unreferred(vec![bundle]).await.unwrap(), [], "held by the waiting retry");
    store.check_consistent().unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    let uuid = Uuid::from_u128(77);
    let retry = store.retry_due(id, uuid).await.unwrap();
    assert_eq!((retry.uuid, retry.state), (uuid, JobState::Waiting));
    assert_eq!(retry.lineage.retried_by.as_deref(), Some("r"));
    assert_eq!(store.retry_due(id, uuid).await.unwrap().id, retry.id, "the same, asked again");
    let twice = store.retry_due(id, Uuid::from_u128(78)).await;
    assert!(matches!(twice, Err(StoreError::NotDue(_))), "{twice:?}");
    let made = store.standing(retry.id).await.unwrap().made.unwrap();
    assert_eq!((made.from, made.depth, &*made.by), (id, 1, "r"));
    assert_eq!(store.standing(id).await.unwrap().retried_as, [retry.id]);
    assert_eq!(store.standing(id).await.unwrap().pending, None);
    store.check_consistent().unwrap();

    // The record that is forgotten takes its part of it along.
    store.cleared(Leftover { job: id, what: Keepsake::Results }).await.unwrap();
    store.forget(id).await.unwrap();
    assert_eq!(store.failure(id).await.unwrap(), None);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_retry_goes_with_its_rule() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let id = fail(&store, 1, "x", ON).await;
    assert_eq!(store.pending_retries(9).await.unwrap().len(), 1);
    store.put_rule(KnownRule { enabled: false, ..rule("r", "x") }, true).await.unwrap();
    let due = store.retry_due(id, Uuid::from_u128(70)).await;
    assert!(matches!(due, Err(StoreError::NotDue(_))), "{due:?}");
    assert_eq!(store.pending_retries(9).await.unwrap(), []);
    let why = store.standing(id).await.unwrap().not_retried.unwrap();
    assert_eq!(why, "rule r was switched off before it was due");
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_person_may_retry_what_has_ended_and_still_has_its_bundle() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let waiting = store.submit(job(9, 50)).await.unwrap().id;
    let early = store.retry(waiting, Uuid::from_u128(70), "eve".into()).await;
    assert!(matches!(early, Err(StoreError::NotEnded(_))), "{early:?}");
    let nobody = store.retry(JobId(99), Uuid::from_u128(70), "eve".into()).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchJob(_))), "{nobody:?}");

    // Whoever is faster than the waiting retry makes it.
    let id = fail(&store, 1, "x", ON).await;
    let retry = store.retry(id, Uuid::from_u128(71), "eve".into()).await.unwrap();
    assert_eq!(retry.lineage.retried_from, Some(id));
    assert_eq!(retry.lineage.retried_by, None, "no rule did it");
    assert_eq!(store.standing(retry.id).await.unwrap().made.unwrap().by, "eve");
    assert_eq!(store.pending_retries(9).await.unwrap(), []);
    store.check_consistent().unwrap();
    // The chain is as long as a job's may be, so its end is the end.
    let change = failed(20, "x");
    store.end(retry.id, change, Some(failure("x")), ON).await.unwrap();
    assert_eq!(store.pending_retries(9).await.unwrap(), []);
    let why = store.standing(retry.id).await.unwrap().not_retried.unwrap();
    assert_eq!(why, "rule r allows 1 retries, and there have been 1");

    for id in [id, retry.id] {
        let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
        store.change(id, measured).await.unwrap();
        let removed =
            Change::Removed { what: Keepsake::Results, at: at(9), rule: Rule::Age { limit_s: 1 } };
        store.change(id, removed).await.unwrap();
    }
    store.change(waiting, ended(30, Verdict::Canceled)).await.unwrap();
    store.change(waiting, Change::Measured { video_bytes: 0, results_bytes: 1 }).await.unwrap();
    let removed =
        Change::Removed { what: Keepsake::Results, at: at(9), rule: Rule::Age { limit_s: 1 } };
    store.change(waiting, removed).await.unwrap();
    let late = store.retry(id, Uuid::from_u128(72), "eve".into()).await;
    assert!(matches!(late, Err(StoreError::NoBundle(_))), "{late:?}");
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn the_box_stops_retrying_when_its_day_is_used_up() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let settings = Retry { per_day: 3, ..ON };
    for n in 1..=8 {
        fail(&store, n, "x", settings).await;
    }
    // A test that runs over midnight has two days.
    let pending = store.pending_retries(9).await.unwrap().len();
    assert!((3..=6).contains(&pending), "{pending}");
    assert!(store.retries_today().await.unwrap() <= 3);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn what_somebody_canceled_is_not_retried() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let id = store.submit(job(1, 50)).await.unwrap().id;
    store.change(id, Change::Started { at: at(1), device: None, decision: None }).await.unwrap();
    store.change(id, Change::CancelAsked).await.unwrap();
    store.end(id, failed(2, "x"), Some(failure("x")), ON).await.unwrap();
    assert_eq!(known(&store, id).await.as_deref(), Some("r"));
    assert_eq!(store.pending_retries(9).await.unwrap(), []);
    assert_eq!(store.standing(id).await.unwrap().not_retried, None, "that goes without saying");
    writer.close().await;
}

#[tokio::test]
async fn a_rule_counts_its_jobs_by_day() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    store.put_rule(rule("r", "x"), false).await.unwrap();
    let now = clock::now().as_second().unsigned_abs();
    for (n, days_ago) in [(1, 0), (2, 0), (3, 2), (4, 40)] {
        let id = store.submit(job(n, 50)).await.unwrap().id;
        let change = failed(now - days_ago * 86_400, "x");
        store.end(id, change, Some(failure("x")), OFF).await.unwrap();
    }
    let told = store.rule_days("r", 4, 3).await.unwrap();
    assert_eq!(told.days.iter().sum::<u64>(), 3);
    assert_eq!(told.days[0], 0);
    assert_eq!(told.jobs.len(), 3);
    writer.close().await;
}

#[derive(Debug, Clone)]
enum Op {
    Fail { kind: u8 },
    Rule { kind: u8 },
    Apply { kind: u8 },
    Drop { kind: u8 },
    Due { job: u64 },
    Ask { job: u64 },
    Remove { job: u64 },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let job = || 1..14_u64;
    let op = prop_oneof![
        6 => (0..3_u8).prop_map(|kind| Op::Fail { kind }),
        2 => (0..3_u8).prop_map(|kind| Op::Rule { kind }),
        2 => (0..3_u8).prop_map(|kind| Op::Apply { kind }),
        1 => (0..3_u8).prop_map(|kind| Op::Drop { kind }),
        3 => job().prop_map(|job| Op::Due { job }),
        1 => job().prop_map(|job| Op::Ask { job }),
        2 => job().prop_map(|job| Op::Remove { job }),
    ];
    vec(op, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_failure_is_known_or_grouped_and_no_chain_is_too_long(ops in ops()) {
        let folder = tempdir().unwrap();
        wait(async {
            let (store, writer) = open(&folder.path().join("s"));
            for (n, op) in (100..).zip(ops) {
                carry_out(&store, n, op).await;
                store.check_consistent().unwrap();
            }
            let mut by_depth = BTreeMap::<u32, u64>::new();
            for n in 1..=store.last_job().await.unwrap().0 {
                if let Some(made) = store.standing(JobId(n)).await.unwrap().made {
                    *by_depth.entry(made.depth).or_default() += u64::from(made.by != "eve");
                }
            }
            // By itself no chain gets longer than the two that are allowed.
            assert!(by_depth.iter().all(|(depth, count)| *depth <= 2 || *count == 0), "{by_depth:?}");
            writer.close().await;
        });
    }
}

async fn carry_out(store: &Store, n: u64, op: Op) {
    let words = |kind: u8| ["red", "green", "blue"][usize::from(kind)];
    let settings = Retry { most: 2, ..ON };
    match op {
        Op::Fail { kind } => {
            let waiting = store.pick_in(JobState::Waiting, 1, |job| job.id).await.unwrap();
            match waiting.first() {
                // Retries fail as well, some of them.
                Some(id) => {
                    let told = Some(failure(words(kind)));
                    store.end(*id, failed(n, words(kind)), told, settings).await.unwrap();
                }
                None => drop(fail(store, n, words(kind), settings).await),
            }
        }
        Op::Rule { kind } => {
            let name = format!("known-{}", words(kind));
            store.put_rule(rule(&name, words(kind)), true).await.unwrap();
        }
        Op::Apply { kind } => drop(store.apply_rule(&format!("known-{}", words(kind))).await),
        Op::Drop { kind } => drop(store.remove_rule(&format!("known-{}", words(kind))).await),
        Op::Due { job } => {
            let due = store.pending_retries(99).await.unwrap();
            // With its rule the wish for a retry is gone.
            let rules = store.rules().await.unwrap();
            let is_wanted = |name: &str| rules.iter().any(|rule| rule.name == name);
            let is_due = due.iter().any(|due| due.job == JobId(job) && is_wanted(&due.rule));
            let made = store.retry_due(JobId(job), Uuid::from_u128(u128::from(n))).await;
            assert_eq!(made.is_ok(), is_due, "{made:?}");
        }
        Op::Ask { job } => {
            let uuid = Uuid::from_u128(u128::from(n));
            drop(store.retry(JobId(job), uuid, "eve".into()).await);
        }
        Op::Remove { job } => {
            let id = JobId(job);
            let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
            let removed = Change::Removed {
                what: Keepsake::Results,
                at: at(9),
                rule: Rule::Age { limit_s: 1 },
            };
            drop(store.change(id, measured).await);
            drop(store.change(id, removed).await);
            store.cleared(Leftover { job: id, what: Keepsake::Results }).await.unwrap();
            drop(store.forget(id).await);
        }
    }
}

#[tokio::test]
async fn a_job_tells_which_were_made_of_it() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let from = store.submit(job(1, 50)).await.unwrap().id;
    let lineage = Lineage { resubmitted_from: Some(from), ..Lineage::default() };
    let again = async |n| {
        let new = NewJob { lineage: lineage.clone(), ..job(n, 50) };
        store.submit(new).await.unwrap().id
    };
    let (second, third) = (again(2).await, again(3).await);
    let made = async |id| store.standing(id).await.unwrap().resubmitted_as;
    assert_eq!((made(from).await, made(second).await), (vec![second, third], vec![]));
    store.check_consistent().unwrap();

    store.change(second, ended(5, Verdict::Passed)).await.unwrap();
    store.change(second, measured(1, 1)).await.unwrap();
    store.change(second, removed(Keepsake::Results)).await.unwrap();
    store.cleared(Leftover { job: second, what: Keepsake::Results }).await.unwrap();
    store.forget(second).await.unwrap();
    assert_eq!(made(from).await, [third]);
    store.check_consistent().unwrap();
    writer.close().await;
}
