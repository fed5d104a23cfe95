//! Do all tables say the same? Walked by the doctor and at the end of every test.

use redb::{ReadTransaction, ReadableTableMetadata};

use super::{
    Counts, Inconsistency, StoreError,
    error::disk,
    read,
    record::{self, Stored},
    tables::{
        BY_END, BY_INTAKE, BY_STATE, BY_UUID, COUNTS, JOBS, LAST_JOB, end_key, intake, state_key,
    },
};
use crate::model::JobId;

/// # Errors
/// The first disagreement found.
pub(super) fn consistent(txn: &ReadTransaction) -> Result<(), Inconsistency> {
    let mut walk = Walk::open(txn)?;
    let jobs = txn.open_table(JOBS).map_err(unreadable)?;
    for entry in jobs.range::<u64>(..).map_err(unreadable)? {
        let (id, bytes) = entry.map_err(unreadable)?;
        let stored = record::decode(JobId(id.value()), bytes.value())
            .map_err(|source| Inconsistency::Unreadable { source })?;
        walk.job(&stored)?;
    }
    walk.end(txn)
}

fn unreadable<E: Into<redb::Error>>(error: E) -> Inconsistency {
    Inconsistency::Unreadable { source: disk("read")(error) }
}

struct Walk {
    by_state: redb::ReadOnlyTable<(u8, u8, u64), ()>,
    by_end: redb::ReadOnlyTable<(i64, u64), ()>,
    by_uuid: redb::ReadOnlyTable<u128, u64>,
    by_intake: redb::ReadOnlyTable<super::tables::Intake, u64>,
    counts: Counts,
    jobs: u64,
    ended: u64,
    from_inbox: u64,
    last: u64,
}

impl Walk {
    fn open(txn: &ReadTransaction) -> Result<Self, Inconsistency> {
        Ok(Self {
            by_state: txn.open_table(BY_STATE).map_err(unreadable)?,
            by_end: txn.open_table(BY_END).map_err(unreadable)?,
            by_uuid: txn.open_table(BY_UUID).map_err(unreadable)?,
            by_intake: txn.open_table(BY_INTAKE).map_err(unreadable)?,
            counts: Counts::default(),
            jobs: 0,
            ended: 0,
            from_inbox: 0,
            last: 0,
        })
    }

    /// Is this job in every index it belongs in? Entries too many show in the lengths.
    fn job(&mut self, Stored { job, intake_key }: &Stored) -> Result<(), Inconsistency> {
        let missing = |table| disagree(table, format!("job {} is not in it", job.id));
        self.jobs += 1;
        self.last = job.id.0;
        self.counts.states[job.state as usize] += 1;
        if self.by_state.get(state_key(job)).map_err(unreadable)?.is_none() {
            return Err(missing("jobs-by-state"));
        }
        let by_uuid = self.by_uuid.get(job.uuid.as_u128()).map_err(unreadable)?;
        if by_uuid.map(|id| id.value()) != Some(job.id.0) {
            return Err(missing("jobs-by-uuid"));
        }
        if let Some(key) = end_key(job) {
            self.ended += 1;
            if self.by_end.get(key).map_err(unreadable)?.is_none() {
                return Err(missing("jobs-by-end"));
            }
        }
        if let Some(verdict) = job.verdict {
            self.counts.verdicts[verdict as usize] += 1;
        }
        if let Some(key) = intake_key {
            self.from_inbox += 1;
            let id = self.by_intake.get(intake(key)).map_err(unreadable)?;
            if id.map(|id| id.value()) != Some(job.id.0) {
                return Err(missing("jobs-by-intake-key"));
            }
        }
        Ok(())
    }

    fn end(self, txn: &ReadTransaction) -> Result<(), Inconsistency> {
        for (table, length, expected) in [
            ("jobs-by-state", self.by_state.len(), self.jobs),
            ("jobs-by-uuid", self.by_uuid.len(), self.jobs),
            ("jobs-by-end", self.by_end.len(), self.ended),
            ("jobs-by-intake-key", self.by_intake.len(), self.from_inbox),
        ] {
            let length = length.map_err(unreadable)?;
            if length != expected {
                return Err(disagree(table, format!("{length} entries, not {expected}")));
            }
        }
        let counts = read::counts(txn).map_err(|source| Inconsistency::Unreadable { source })?;
        if counts != self.counts {
            return Err(disagree("counts", format!("{counts:?}, not {:?}", self.counts)));
        }
        let table = txn.open_table(COUNTS).map_err(unreadable)?;
        let last = table.get(LAST_JOB).map_err(unreadable)?.map_or(0, |last| last.value());
        if last < self.last {
            return Err(disagree("counts", format!("last job {last}, but there is {}", self.last)));
        }
        Ok(())
    }
}

fn disagree(table: &'static str, what: String) -> Inconsistency {
    Inconsistency::Table { table, what }
}

impl From<StoreError> for Inconsistency {
    fn from(source: StoreError) -> Self {
        Self::Unreadable { source }
    }
}
