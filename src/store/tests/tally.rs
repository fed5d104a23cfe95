//! What there has ever been, and who waits longest.

use tempfile::tempdir;

use super::sample::{at, ended, job, open};
use crate::{
    model::{Cause, Code, JobId, NewJob, Verdict, WayIn, Who},
    store::Change,
};

#[tokio::test]
async fn a_tally_goes_up_once_for_each_job_and_each_end_and_survives() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    store.submit(job(1, 50)).await.unwrap();
    store.submit(job(1, 50)).await.unwrap();
    let command = NewJob { way_in: WayIn::Command, intake_key: None, ..job(2, 50) };
    store.submit(command).await.unwrap();
    let started = Change::Started { at: at(10), device: None, decision: None };
    store.change(JobId(1), started.clone()).await.unwrap();
    store.change(JobId(1), Change::Requeued).await.unwrap();
    store.change(JobId(1), started).await.unwrap();
    store.change(JobId(1), ended(20, Verdict::Passed)).await.unwrap();
    let mut failed = ended(30, Verdict::Incomplete);
    if let Change::Ended { cause, .. } = &mut failed {
        *cause = Some(Cause::new(Who::Host, Code::HostResources, "the disk is full"));
    }
    store.change(JobId(2), failed).await.unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    let tally = store.tally().await.unwrap();
    assert_eq!(WayIn::ALL.map(|way_in| tally.submitted(way_in)), [1, 1, 0, 0]);
    let ended = Verdict::ALL.map(|verdict| tally.ended(verdict));
    assert_eq!((ended.iter().sum::<u64>(), tally.ended(Verdict::Passed)), (2, 1));
    assert_eq!(tally.ended(Verdict::Incomplete), 1);
    assert_eq!(Who::ALL.map(|who| tally.caused(who)), [0, 0, 1, 0, 0]);
    writer.close().await;
}

#[tokio::test]
async fn who_waits_longest_is_found_whatever_its_priority() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    assert_eq!(store.oldest_waiting().await.unwrap(), None);
    // Jobs 1 to 4, submitted at 11 to 14; the least priority is as a record can have it.
    for (n, priority) in [(11, 50), (12, 0), (13, 100), (14, 255)] {
        store.submit(job(n, priority)).await.unwrap();
    }
    for (id, oldest) in [(1, Some(12)), (2, Some(13)), (3, Some(14)), (4, None)] {
        store.change(JobId(id), ended(20, Verdict::Canceled)).await.unwrap();
        assert_eq!(store.oldest_waiting().await.unwrap(), oldest.map(at));
    }
    writer.close().await;
}
