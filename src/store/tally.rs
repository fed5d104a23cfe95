//! How many jobs there have ever been, by way in, verdict and cause.
//!
//! A [`Counts`](super::Counts) goes down when a job changes or is forgotten; a tally only ever goes
//! up. Kept up in the transaction that changes a job, like the counts and beside them.

use redb::ReadTransaction;

use super::{
    StoreError,
    table::{Rows as _, Snapshot as _},
    tables::COUNTS,
};
use crate::model::{Job, Verdict, WayIn, Who};

/// Jobs since the store was made, or since it was first opened by a version that tallies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    ways_in: [u64; WayIn::ALL.len()],
    verdicts: [u64; Verdict::ALL.len()],
    causes: [u64; Who::ALL.len()],
}

impl Tally {
    /// Jobs that have come in by this door.
    pub const fn submitted(&self, way_in: WayIn) -> u64 {
        self.ways_in[way_in as usize]
    }

    /// Jobs that have ended with this verdict.
    pub const fn ended(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize]
    }

    /// Jobs that have ended with a cause somebody has to act on.
    pub const fn caused(&self, by: Who) -> u64 {
        self.causes[by as usize]
    }
}

fn submitted(way_in: WayIn) -> String {
    format!("ever submitted {}", way_in.name())
}

fn ended(verdict: Verdict) -> String {
    format!("ever ended {verdict}")
}

fn caused(by: Who) -> String {
    format!("ever caused {}", by.name())
}

/// Names of the counts that go up by one when `before` becomes `now`.
pub(super) fn names(before: Option<&Job>, now: &Job) -> Vec<String> {
    let is_new = before.is_none();
    let has_ended = now.ended.is_some() && before.is_none_or(|before| before.ended.is_none());
    let verdict = now.verdict.filter(|_| has_ended);
    let cause = now.cause.as_ref().filter(|_| has_ended);
    let new = is_new.then(|| submitted(now.way_in));
    let names = [new, verdict.map(ended), cause.map(|cause| caused(cause.who))];
    names.into_iter().flatten().collect()
}

pub(super) fn read(txn: &ReadTransaction) -> Result<Tally, StoreError> {
    let table = txn.table(COUNTS)?;
    let count = |name: String| -> Result<u64, StoreError> {
        let count = table.get(name.as_str())?;
        Ok(count.map_or(0, |count| count.value()))
    };
    let mut tally = Tally::default();
    for way_in in WayIn::ALL {
        tally.ways_in[way_in as usize] = count(submitted(way_in))?;
    }
    for verdict in Verdict::ALL {
        tally.verdicts[verdict as usize] = count(ended(verdict))?;
    }
    for who in Who::ALL {
        tally.causes[who as usize] = count(caused(who))?;
    }
    Ok(tally)
}
