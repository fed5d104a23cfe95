//! What happened to jobs, counted by day: slow ones, stopped ones, known failures, and what they
//! cost. Kept up in the transaction that ends a job, and in those in which a rule finds it later or
//! takes that back; it stays when the job is forgotten.

use std::collections::BTreeSet;

use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError,
    measures::day,
    table::{Rows as _, Snapshot as _, Table, Writing},
};
use crate::model::{Counted, Job};

/// (day since 1970 in UTC, kind, measure or rule, device type, job name).
pub(super) type Key<'a> = (u32, &'a str, &'a str, &'a str, &'a str);

/// To (jobs, seconds they ran).
pub(super) const OCCURRENCES: TableDefinition<'_, Key<'_>, (u64, u64)> =
    TableDefinition::new("occurrences-1");

/// Jobs of one day, name and device type that the same happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Since 1970, in UTC.
    pub day: u32,
    pub what: Counted,
    pub device_type: String,
    pub job: String,
    pub count: u64,
    /// How long these jobs ran, from start to end.
    pub seconds: u64,
}

/// The table, open in one transaction.
pub(super) struct Occurrences<'txn>(Table<'txn, Key<'static>, (u64, u64)>);

impl<'txn> Occurrences<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        txn.table(OCCURRENCES).map(Self)
    }

    /// Counts an ended job once for each of `what`.
    pub(super) fn count(&mut self, job: &Job, what: &[Counted]) -> Result<(), StoreError> {
        for one in what {
            let key = key(job, one);
            let (count, seconds) = self.0.get(key)?.map_or((0, 0), |found| found.value());
            let now = (count + 1, seconds.saturating_add(cost(job)));
            self.0.insert(key, now)?;
        }
        Ok(())
    }

    /// Names of the jobs that anything happened to.
    pub(super) fn names(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut names = BTreeSet::new();
        for entry in self.0.iter()? {
            names.insert(entry?.0.value().4.to_owned());
        }
        Ok(names)
    }

    /// Takes back what [`Self::count`] has counted of a job.
    pub(super) fn uncount(&mut self, job: &Job, what: &Counted) -> Result<(), StoreError> {
        let key = key(job, what);
        let found = self.0.get(key)?.map(|found| found.value());
        let Some((count, seconds)) = found else { return Ok(()) };
        if count <= 1 {
            self.0.remove(key)?;
        } else {
            let now = (count - 1, seconds.saturating_sub(cost(job)));
            self.0.insert(key, now)?;
        }
        Ok(())
    }
}

pub(super) fn key<'a>(job: &'a Job, what: &'a Counted) -> Key<'a> {
    let day = job.ended.map_or(0, day);
    (day, what.kind(), what.subject(), &job.device_type, &job.name)
}

/// Seconds from its start to its end.
pub(super) fn cost(job: &Job) -> u64 {
    job.ended.and_then(|end| job.running_time(end)).unwrap_or_default().as_secs()
}

/// What happened on the days from `first` to `last`, oldest first. What only a later version counts
/// is left out.
pub(super) fn between(
    txn: &ReadTransaction,
    first: u32,
    last: u32,
) -> Result<Vec<Occurrence>, StoreError> {
    let table = txn.table(OCCURRENCES)?;
    let end = last.saturating_add(1);
    let days: std::ops::Range<Key<'_>> = (first, "", "", "", "")..(end, "", "", "", "");
    let mut found = Vec::new();
    for entry in table.range(days)? {
        let (key, value) = entry?;
        let (day, kind, subject, device_type, job) = key.value();
        let (count, seconds) = value.value();
        if let Some(what) = Counted::named(kind, subject) {
            let (device_type, job) = (device_type.into(), job.into());
            found.push(Occurrence { day, what, device_type, job, count, seconds });
        }
    }
    Ok(found)
}
