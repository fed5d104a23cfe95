//! What the handle promises.

use std::time::Duration;

use redb::ReadableDatabase;
use tempfile::tempdir;

use super::sample::{at, ended, job, key, open};
use crate::{
    model::{Digest, Idempotency, JobId, JobState, NewJob, Submitter, Verdict},
    store::{Change, HistoryKey, Store, StoreError, StoreSettings},
};

#[tokio::test]
async fn a_job_reads_as_it_was_written() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let submitted = store.submit(job(7, 80)).await.unwrap();
    assert!(submitted.fresh);
    assert_eq!(submitted.id, JobId(1));

    let started = Change::Started { at: at(10), device: Some("box".into()), decision: None };
    store.change(JobId(1), started).await.unwrap();
    store.change(JobId(1), Change::State(JobState::Running)).await.unwrap();
    let answered = store.change(JobId(1), ended(20, Verdict::Failed)).await.unwrap();
    assert_eq!(store.job(JobId(1)).await.unwrap().as_ref(), Some(&answered));
    assert_eq!(store.job_by_uuid(submitted.uuid).await.unwrap(), Some(answered));
    let commits = store.commits();
    assert!(commits.count > 0 && commits.time > Duration::ZERO);
    writer.close().await;

    let (store, writer) = open(&folder.path().join("s"));
    let job = store.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!((job.state, job.verdict), (JobState::Ended, Some(Verdict::Failed)));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn the_same_submission_is_one_job() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let first = store.submit(job(1, 50)).await.unwrap();
    let again = store.submit(job(1, 50)).await.unwrap();
    assert_eq!((again.id, again.uuid, again.fresh), (first.id, first.uuid, false));

    let mut same_file = job(2, 50);
    same_file.intake_key = Some(key(1));
    assert_eq!(store.submit(same_file).await.unwrap().uuid, first.uuid);

    let mut later_file = job(3, 50);
    later_file.definition_hash = job(1, 50).definition_hash;
    assert!(store.submit(later_file).await.unwrap().fresh);
    writer.close().await;
}

#[tokio::test]
async fn what_does_not_fit_the_state_is_refused() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let id = store.submit(job(1, 50)).await.unwrap().id;
    let refused = store.change(id, Change::State(JobState::Running)).await;
    assert!(matches!(refused, Err(StoreError::NotAllowed { .. })), "{refused:?}");

    let start = || Change::Started { at: at(5), device: None, decision: None };
    store.change(id, start()).await.unwrap();
    assert!(matches!(store.change(id, start()).await, Err(StoreError::NotAllowed { .. })));
    let waiting = store.change(id, Change::Requeued).await.unwrap();
    assert_eq!((waiting.state, waiting.started), (JobState::Waiting, None));

    store.change(id, ended(9, Verdict::Canceled)).await.unwrap();
    for change in [start(), Change::CancelAsked, Change::Requeued, ended(10, Verdict::Passed)] {
        assert!(matches!(store.change(id, change).await, Err(StoreError::Ended(_))));
    }
    let nobody = store.change(JobId(99), Change::CancelAsked).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchJob(JobId(99)))));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn the_best_waits_first_and_the_newest_end_is_shown_first() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for (n, priority) in [(1, 50), (2, 100), (3, 50), (4, 0), (5, 100)] {
        store.submit(job(n, priority)).await.unwrap();
    }
    let numbers =
        |jobs: Vec<crate::model::Job>| jobs.iter().map(|job| job.id.0).collect::<Vec<_>>();
    let waiting = store.jobs_in(JobState::Waiting, 4).await.unwrap();
    assert_eq!(numbers(waiting), [2, 5, 1, 3]);

    for (id, end) in [(1, 30), (2, 10), (3, 30), (4, 20), (5, 40)] {
        store.change(JobId(id), ended(end, Verdict::Canceled)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = store.history(before, 2).await.unwrap();
        seen.extend(numbers(page.jobs));
        // A place survives being written into an address.
        before = page.next.map(|key| key.to_string().parse().unwrap());
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [5, 3, 1, 4, 2]);
    let old = store.history(Some(HistoryKey::before(at(30))), 9).await.unwrap();
    assert_eq!(numbers(old.jobs), [4, 2]);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.verdict(Verdict::Canceled), counts.all(), counts.active()), (5, 5, 0));
    writer.close().await;
}

#[tokio::test]
async fn changes_are_told_once_they_are_durable() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let mut changes = store.changes();
    let id = store.submit(job(1, 50)).await.unwrap().id;
    store.change(id, Change::CancelAsked).await.unwrap();
    store.change(id, Change::CancelAsked).await.unwrap();
    store.change(id, ended(3, Verdict::Canceled)).await.unwrap();
    let told = [changes.recv().await, changes.recv().await, changes.recv().await]
        .map(|told| told.unwrap().verdict);
    assert_eq!(told, [None, None, Some(Verdict::Canceled)]);
    assert!(changes.try_recv().is_err(), "asking twice changes nothing");
    writer.close().await;
}

#[tokio::test]
async fn everyone_in_a_crowd_is_answered_and_later_ones_are_told_it_is_closed() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let crowd = (1..=600).map(|n| {
        let store = store.clone();
        async move { store.submit(job(n, 50)).await.unwrap().id }
    });
    let mut ids = futures_util::future::join_all(crowd).await;
    ids.sort();
    assert_eq!(ids, (1..=600).map(JobId).collect::<Vec<_>>());
    store.check_consistent().unwrap();
    writer.close().await;
    assert!(matches!(store.submit(job(601, 50)).await, Err(StoreError::Closed)));
    assert!(matches!(store.job(JobId(1)).await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_second_appliance_on_the_same_file_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (_store, writer) = open(&path);
    let error = Store::open(&path, StoreSettings::default()).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyOpen { .. }));
    assert!(error.to_string().starts_with("another sutler serve uses this data folder"));
    writer.close().await;
    let (_store, writer) = open(&path);
    writer.close().await;
}

#[tokio::test]
async fn a_file_of_a_later_layout_is_refused_by_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (_store, writer) = open(&path);
    writer.close().await;
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    let later = redb::Database::open(&path).unwrap();
    let txn = later.begin_write().unwrap();
    txn.open_table(meta).unwrap().insert("layout", 7).unwrap();
    txn.commit().unwrap();
    drop(later);

    let error = Store::open(&path, StoreSettings::default()).unwrap_err();
    assert!(error.to_string().contains("has layout 7, this sutler knows layouts up to 6"));
    let untouched = redb::Database::open(&path).unwrap();
    let txn = untouched.begin_read().unwrap();
    assert_eq!(txn.open_table(meta).unwrap().get("layout").unwrap().unwrap().value(), 7);
}

#[tokio::test]
async fn what_is_sent_again_is_the_same_job_and_a_key_is_for_one_thing() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let sent = |n: u64, second: u64, key: &str| NewJob {
        uuid: job(n, 50).uuid,
        submitted: at(second),
        idempotency: Some(Idempotency {
            key: key.into(),
            within: Duration::from_secs(10),
            said: Some("as ever".into()),
        }),
        intake_key: None,
        ..job(1, 50)
    };
    let first = store.submit(sent(1, 0, "a")).await.unwrap();
    let again = store.submit(sent(2, 10, "a")).await.unwrap();
    assert_eq!((first.fresh, again.fresh, again.id), (true, false, first.id));
    let later = store.submit(sent(3, 11, "a")).await.unwrap();
    assert_eq!((later.fresh, later.id), (true, JobId(2)));
    let other =
        NewJob { submitter: Submitter { uid: None, name: "eve".into() }, ..sent(4, 11, "a") };
    assert!(store.submit(other).await.unwrap().fresh, "somebody else's key");
    let another = NewJob { definition_hash: Digest::of(b"other"), ..sent(5, 12, "a") };
    let refused = store.submit(another).await;
    assert!(matches!(refused, Err(StoreError::KeyUsed(JobId(2)))), "{refused:?}");
    let said = |said: Option<&str>, new: NewJob| {
        let asked = new.idempotency.clone().unwrap();
        let said = said.map(str::to_owned);
        NewJob { idempotency: Some(Idempotency { said, ..asked }), ..new }
    };
    let refused = store.submit(said(Some("more urgent"), sent(6, 12, "a"))).await;
    assert!(matches!(refused, Err(StoreError::KeyUsed(JobId(2)))), "{refused:?}");
    let anew = store.submit(said(Some("more urgent"), sent(7, 30, "a"))).await.unwrap();
    assert!(anew.fresh, "the key is free again");
    let again = store.submit(said(Some("more urgent"), sent(8, 31, "a"))).await.unwrap();
    assert_eq!((again.fresh, again.id), (false, anew.id));

    // What is known by its bytes and was canceled is meant anew; a key stays that of its job.
    let bytes = store.submit(said(None, sent(10, 40, "bytes"))).await.unwrap();
    for id in [anew.id, bytes.id] {
        store.change(id, ended(41, Verdict::Canceled)).await.unwrap();
    }
    let new = store.submit(said(None, sent(11, 42, "bytes"))).await.unwrap();
    assert!(new.fresh);
    let again = store.submit(said(None, sent(12, 43, "bytes"))).await.unwrap();
    assert_eq!((again.fresh, again.id), (false, new.id));
    let kept = store.submit(said(Some("more urgent"), sent(13, 40, "a"))).await.unwrap();
    assert_eq!((kept.fresh, kept.id), (false, anew.id));
    store.check_consistent().unwrap();
    writer.close().await;
}
