//! Random histories of a store beside a map that does the same.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use tempfile::tempdir;

use super::sample::{at, ended, job, open, wait};
use crate::{
    model::{JobId, JobState, Verdict},
    store::{Change, HistoryKey, StoreError},
};

#[derive(Debug, Clone)]
enum Op {
    Submit { n: u64, priority: u8 },
    Start { id: u64 },
    State { id: u64, state: JobState },
    Cancel { id: u64 },
    Requeue { id: u64 },
    End { id: u64, at: u64, verdict: Verdict },
    Reopen,
}

/// What the model keeps of a job.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Kept {
    n: u64,
    priority: u8,
    state: JobState,
    canceled: bool,
    end: Option<(u64, Verdict)>,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let id = || 1..12_u64;
    vec(
        prop_oneof![
            4 => (1..16_u64, 0..=100_u8).prop_map(|(n, priority)| Op::Submit { n, priority }),
            3 => id().prop_map(|id| Op::Start { id }),
            2 => (id(), 0..5_usize).prop_map(|(id, s)| Op::State { id, state: JobState::ALL[s] }),
            1 => id().prop_map(|id| Op::Cancel { id }),
            1 => id().prop_map(|id| Op::Requeue { id }),
            3 => (id(), 0..5_u64, 0..8_usize)
                .prop_map(|(id, at, v)| Op::End { id, at, verdict: Verdict::ALL[v] }),
            1 => Just(Op::Reopen),
        ],
        1..40,
    )
}

/// The rules once more, as plainly as possible. True when the store has to accept.
fn apply(model: &mut BTreeMap<u64, Kept>, op: &Op) -> bool {
    use JobState::{Ended, Preparing, Waiting};
    let mut set = |id: &u64, allowed: fn(JobState) -> bool, to: &dyn Fn(&mut Kept)| {
        let Some(kept) = model.get_mut(id).filter(|kept| allowed(kept.state)) else {
            return false;
        };
        to(kept);
        true
    };
    match op {
        Op::Submit { n, priority } => {
            if model.values().all(|kept| kept.n != *n) {
                let id = model.len() as u64 + 1;
                let (n, priority) = (*n, *priority);
                model.insert(id, Kept { n, priority, state: Waiting, canceled: false, end: None });
            }
            true
        }
        Op::Start { id } => set(id, |s| s == Waiting, &|kept| kept.state = Preparing),
        Op::State { state, .. } if !state.is_active() => false,
        Op::State { id, state } => set(id, JobState::is_active, &|kept| kept.state = *state),
        Op::Cancel { id } => set(id, |s| s != Ended, &|kept| kept.canceled = true),
        Op::Requeue { id } => set(id, JobState::is_active, &|kept| kept.state = Waiting),
        Op::End { id, at, verdict } => set(id, |s| s != Ended, &|kept| {
            kept.state = Ended;
            kept.end = Some((*at, *verdict));
        }),
        Op::Reopen => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_a_map_of_jobs(ops in ops()) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("s");
        let mut model = BTreeMap::new();
        wait(async {
            let (mut store, mut writer) = open(&path);
            for op in ops {
                let expected = apply(&mut model, &op);
                let change = |id: u64, change| {
                    let store = store.clone();
                    async move { store.change(JobId(id), change).await.map(drop) }
                };
                let done = match op {
                    Op::Submit { n, priority } => store.submit(job(n, priority)).await.map(drop),
                    Op::Start { id } => {
                        change(id, Change::Started { at: at(1), device: None, decision: None }).await
                    }
                    Op::State { id, state } => change(id, Change::State(state)).await,
                    Op::Cancel { id } => change(id, Change::CancelAsked).await,
                    Op::Requeue { id } => change(id, Change::Requeued).await,
                    Op::End { id, at, verdict } => change(id, ended(at, verdict)).await,
                    Op::Reopen => {
                        writer.close().await;
                        (store, writer) = open(&path);
                        Ok(())
                    }
                };
                assert!(!matches!(done, Err(StoreError::Disk { .. } | StoreError::Closed)));
                assert_eq!(done.is_ok(), expected, "{done:?}");
            }
            compare(&store, &model).await;
            writer.close().await;
        });
    }
}

async fn compare(store: &crate::store::Store, model: &BTreeMap<u64, Kept>) {
    store.check_consistent().unwrap();
    for (id, kept) in model {
        let job = store.job(JobId(*id)).await.unwrap().unwrap();
        let end = job.ended.zip(job.verdict).map(|(at, v)| (at.as_second().unsigned_abs(), v));
        let read = Kept {
            n: u64::try_from(job.uuid.as_u128()).unwrap(),
            priority: job.priority.0,
            state: job.state,
            canceled: job.cancel_asked,
            end,
        };
        assert_eq!(read, *kept, "job {id}");
    }
    for state in JobState::ALL {
        let mut expected: Vec<_> = model.iter().filter(|(_, kept)| kept.state == state).collect();
        expected.sort_by_key(|(id, kept)| (255 - kept.priority, **id));
        let expected: Vec<_> = expected.into_iter().map(|(id, _)| JobId(*id)).collect();
        let found = store.pick_in(state, usize::MAX, |job| job.id).await.unwrap();
        assert_eq!(found, expected, "{state}");
    }
    let mut ends: Vec<_> =
        model.iter().filter_map(|(id, kept)| Some((kept.end?.0, JobId(*id)))).collect();
    ends.sort_by(|a, b| b.cmp(a));
    let expected: Vec<_> = ends.into_iter().map(|(_, id)| id).collect();
    let mut found = Vec::new();
    let mut before: Option<HistoryKey> = None;
    loop {
        let page = store.history(before, 3).await.unwrap();
        found.extend(page.jobs.iter().map(|job| job.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(found, expected);
}
