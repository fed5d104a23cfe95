//! What retention asks of the store, and what it may never be told.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};
use tempfile::tempdir;

use super::sample::{at, ended, job, open, wait};
use crate::{
    model::{Digest, JobId, Keepsake, Kept, Rule, Shelved, Verdict},
    store::{Change, Leftover, Saved, Store, StoreError},
};

const RULE: Rule = Rule::Most { limit_mib: 1 };

pub(super) fn measured(video_bytes: u64, results_bytes: u64) -> Change {
    Change::Measured { video_bytes, results_bytes }
}

pub(super) fn removed(what: Keepsake) -> Change {
    Change::Removed { what, at: at(99), rule: RULE }
}

fn kept() -> Change {
    Change::Kept(Some(Kept { by: "ada".into(), at: at(7) }))
}

async fn removable(store: &Store, what: Keepsake) -> Vec<u64> {
    let found = store.removable(what, 100).await.unwrap();
    assert!(!found.more);
    found.list.into_iter().map(|candidate| candidate.job.0).collect()
}

#[tokio::test]
async fn what_is_removed_is_told_once_it_is_durable_and_until_its_files_are_gone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    let id = store.submit(job(1, 50)).await.unwrap().id;
    store.change(id, ended(5, Verdict::Passed)).await.unwrap();
    let unmeasured = store.unmeasured(9).await.unwrap();
    assert_eq!(unmeasured[0].bundle, Some(Digest::of(b"bundle")));
    store.change(id, measured(70, 30)).await.unwrap();
    store.measured_bundle(Digest::of(b"bundle"), 11).await.unwrap();
    assert!(store.unmeasured(9).await.unwrap().is_empty());
    let totals = store.totals().await.unwrap();
    assert_eq!((totals.videos, totals.results, totals.bundles), (70, 30, 11));

    store.change(id, removed(Keepsake::Video)).await.unwrap();
    writer.close().await;
    // As after a crash before the file went.
    let (store, writer) = open(&path);
    let leftover = Leftover { job: id, what: Keepsake::Video };
    assert_eq!(store.leftovers(9).await.unwrap(), [leftover]);
    store.cleared(leftover).await.unwrap();
    assert!(store.leftovers(9).await.unwrap().is_empty());
    let holdings = store.job(id).await.unwrap().unwrap().holdings;
    let removal = holdings.removal(Keepsake::Video).unwrap();
    assert_eq!((removal.bytes, removal.at, removal.rule), (70, at(99), RULE));
    assert_eq!((holdings.bytes(), store.totals().await.unwrap().videos), (30, 0));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_record_is_forgotten_only_when_its_files_are_gone() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let id = store.submit(job(1, 50)).await.unwrap().id;
    let refused = async || matches!(store.forget(id).await, Err(StoreError::Holds(_)));
    assert!(refused().await, "it waits");
    store.change(id, ended(5, Verdict::Passed)).await.unwrap();
    assert!(refused().await, "it is not measured");
    store.change(id, measured(1, 1)).await.unwrap();
    assert!(refused().await, "its results are there");
    store.change(id, removed(Keepsake::Results)).await.unwrap();
    assert!(refused().await, "its files may be there");
    store.cleared(Leftover { job: id, what: Keepsake::Results }).await.unwrap();
    store.change(id, kept()).await.unwrap();
    assert!(refused().await, "it is kept");
    store.change(id, Change::Kept(None)).await.unwrap();
    store.forget(id).await.unwrap();
    assert_eq!(store.job(id).await.unwrap(), None);
    assert_eq!(store.counts().await.unwrap().all(), 0);
    store.check_consistent().unwrap();
    // Its number is never given again, and the same submission is a new job.
    assert_eq!(store.submit(job(1, 50)).await.unwrap().id, JobId(2));
    writer.close().await;
}

#[tokio::test]
async fn a_bundle_is_referred_to_until_the_last_of_its_jobs_has_lost_its_results() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let bundle = Digest::of(b"bundle");
    let unreferred = async || !store.unreferred(vec![bundle]).await.unwrap().is_empty();
    assert!(unreferred().await);
    for n in 1..=2 {
        store.submit(job(n, 50)).await.unwrap();
    }
    for id in [JobId(1), JobId(2)] {
        assert!(!unreferred().await);
        store.change(id, ended(5, Verdict::Passed)).await.unwrap();
        store.change(id, measured(1, 1)).await.unwrap();
        store.change(id, removed(Keepsake::Results)).await.unwrap();
    }
    assert!(unreferred().await);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn screens_come_to_the_shelf_once_and_take_less_from_then_on() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    let id = store.submit(job(1, 50)).await.unwrap().id;
    let shelved = |screens, results_bytes| Shelved { screens, shared: 3, results_bytes };
    let none: [JobId; 0] = [];
    store.change(id, ended(5, Verdict::Passed)).await.unwrap();
    assert_eq!(store.unshelved(9).await.unwrap(), none, "it is not measured");
    store.change(id, measured(70, 300)).await.unwrap();
    assert_eq!(store.unshelved(9).await.unwrap(), [id]);
    writer.close().await;
    // As after a crash before anything was said.
    let (store, writer) = open(&path);
    assert_eq!(store.unshelved(9).await.unwrap(), [id]);
    for _ in 0..2 {
        store.shelved(id, shelved(8, 100)).await.unwrap();
        assert_eq!(store.unshelved(9).await.unwrap(), none);
        let saved = store.saved().await.unwrap();
        assert_eq!(saved, Saved { screens: 8, shared: 3, bytes: 200 });
        let totals = store.totals().await.unwrap();
        assert_eq!((totals.results, totals.added_results, totals.videos), (100, 100, 70));
        let candidates = store.removable(Keepsake::Results, 9).await.unwrap().list;
        assert_eq!(candidates[0].bytes, 100);
        store.check_consistent().unwrap();
    }
    // What has lost its results meanwhile has no screens.
    let gone = store.submit(job(2, 50)).await.unwrap().id;
    store.change(gone, ended(6, Verdict::Passed)).await.unwrap();
    store.change(gone, measured(0, 50)).await.unwrap();
    store.change(gone, removed(Keepsake::Results)).await.unwrap();
    assert_eq!(store.unshelved(9).await.unwrap(), none);
    store.shelved(gone, shelved(1, 40)).await.unwrap();
    assert_eq!(store.job(gone).await.unwrap().unwrap().holdings.results_bytes, 0);
    assert_eq!(store.saved().await.unwrap().screens, 8);
    let refused = store.shelved(JobId(9), shelved(1, 1)).await;
    assert!(matches!(refused, Err(StoreError::NoSuchJob(JobId(9)))));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[derive(Debug, Clone)]
enum Op {
    End(u64),
    Keep(u64, bool),
    Measure(u64, u64),
    Remove(u64, Keepsake),
    Clear,
    Shelve(u64),
    Forget(u64),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = || 1..6_u64;
    let op = prop_oneof![
        3 => id().prop_map(Op::End),
        1 => (id(), any::<bool>()).prop_map(|(id, keep)| Op::Keep(id, keep)),
        3 => (id(), 0..3_u64).prop_map(|(id, video)| Op::Measure(id, video)),
        4 => (id(), 0..2_usize).prop_map(|(id, what)| Op::Remove(id, Keepsake::ALL[what])),
        1 => Just(Op::Clear),
        1 => id().prop_map(Op::Shelve),
        2 => id().prop_map(Op::Forget),
    ];
    vec(op, 1..40)
}

/// What the model knows of a job that is there.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    ended: bool,
    kept: bool,
    video: Option<u64>,
    results: bool,
    files_may_be_there: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn only_what_has_ended_is_measured_and_not_kept_can_be_removed(ops in ops()) {
        let folder = tempdir().unwrap();
        wait(async {
            let (store, writer) = open(&folder.path().join("s"));
            let mut model = BTreeMap::new();
            for n in 1..6 {
                let id = store.submit(job(n, 50)).await.unwrap().id;
                model.insert(id.0, Known { results: true, ..Known::default() });
            }
            for op in ops {
                carry_out(&store, &mut model, op).await;
                store.check_consistent().unwrap();
                for what in Keepsake::ALL {
                    let found: BTreeSet<_> = removable(&store, what).await.into_iter().collect();
                    let may = |known: &Known| match what {
                        Keepsake::Video => known.video.is_some_and(|bytes| bytes > 0),
                        Keepsake::Results => known.results,
                        Keepsake::Record => !known.results,
                    };
                    let expected = model.iter().filter(|(_, known)| {
                        known.ended && !known.kept && known.video.is_some() && may(known)
                    });
                    assert_eq!(found, expected.map(|(id, _)| *id).collect(), "{what}");
                }
            }
            writer.close().await;
        });
    }
}

async fn carry_out(store: &Store, model: &mut BTreeMap<u64, Known>, op: Op) {
    let change = async |id: u64, change| store.change(JobId(id), change).await;
    match op {
        Op::End(id) => {
            let done = change(id, ended(id, Verdict::Passed)).await.is_ok();
            let known = model.get_mut(&id).filter(|known| !known.ended);
            assert_eq!(done, known.map(|known| known.ended = true).is_some());
        }
        Op::Keep(id, keep) => {
            let asked = if keep { kept() } else { Change::Kept(None) };
            let done = change(id, asked).await.is_ok();
            assert_eq!(done, model.get_mut(&id).map(|known| known.kept = keep).is_some());
        }
        Op::Measure(id, bytes) => {
            let done = change(id, measured(bytes, 1)).await.is_ok();
            let known = model.get_mut(&id).filter(|known| known.ended);
            assert_eq!(done, known.map(|known| known.video.get_or_insert(bytes)).is_some());
        }
        Op::Remove(id, what) => {
            let may = removable(store, what).await.contains(&id);
            assert_eq!(change(id, removed(what)).await.is_ok(), may);
            if let Some(known) = model.get_mut(&id).filter(|_| may) {
                known.files_may_be_there = true;
                known.video = Some(0);
                known.results &= what == Keepsake::Video;
            }
        }
        Op::Clear => {
            for leftover in store.leftovers(100).await.unwrap() {
                store.cleared(leftover).await.unwrap();
            }
            model.values_mut().for_each(|known| known.files_may_be_there = false);
        }
        Op::Shelve(id) => {
            let shelved = Shelved { screens: 1, shared: 0, results_bytes: 0 };
            let is_there = store.shelved(JobId(id), shelved).await.is_ok();
            assert_eq!(is_there, model.contains_key(&id));
        }
        Op::Forget(id) => {
            let gone = |known: &Known| !known.results && !known.kept && !known.files_may_be_there;
            let may = model.get(&id).is_some_and(gone);
            assert_eq!(store.forget(JobId(id)).await.is_ok(), may);
            if may {
                model.remove(&id);
            }
        }
    }
}
