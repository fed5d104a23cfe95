//! The tables of layout 1, and the one function that changes them.

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{
    StoreError,
    error::disk,
    record::{self, Stored},
    tally,
};
use crate::model::{IntakeKey, Job, JobId, JobState, Verdict};

/// Job number to its record (`JobV1`).
pub(super) const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs-1");
/// (state, 255 - priority, job number): best first within a state.
pub(super) const BY_STATE: TableDefinition<'_, (u8, u8, u64), ()> =
    TableDefinition::new("jobs-by-state-1");
/// (end in microseconds since 1970, job number) of ended jobs: the history, oldest first.
pub(super) const BY_END: TableDefinition<'_, (i64, u64), ()> =
    TableDefinition::new("jobs-by-end-1");
/// Uuid to job number.
pub(super) const BY_UUID: TableDefinition<'_, u128, u64> = TableDefinition::new("jobs-by-uuid-1");
/// (device, inode, ctime in nanoseconds, hash) of the inbox file to the job it became.
pub(super) const BY_INTAKE: TableDefinition<'_, Intake, u64> =
    TableDefinition::new("jobs-by-intake-key-1");
/// Name to number: `last job`, `state waiting`, `verdict passed` and so on.
pub(super) const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts-1");

pub(super) type Intake = (u64, u64, i128, [u8; 32]);

/// Name of the count that holds the highest number ever given to a job.
pub(super) const LAST_JOB: &str = "last job";

pub(super) const fn intake(key: &IntakeKey) -> Intake {
    (key.device, key.inode, key.ctime_ns, *key.hash.as_bytes())
}

pub(super) const fn state_key(job: &Job) -> (u8, u8, u64) {
    (job.state as u8, u8::MAX - job.priority.0, job.id.0)
}

/// None for a job that has not ended.
pub(super) fn end_key(job: &Job) -> Option<(i64, u64)> {
    job.ended.map(|at| (at.as_microsecond(), job.id.0))
}

pub(super) fn state_count(state: JobState) -> String {
    format!("state {state}")
}

pub(super) fn verdict_count(verdict: Verdict) -> String {
    format!("verdict {verdict}")
}

/// All tables, open in one transaction.
pub(super) struct Tables<'txn> {
    jobs: Table<'txn, u64, &'static [u8]>,
    by_state: Table<'txn, (u8, u8, u64), ()>,
    by_end: Table<'txn, (i64, u64), ()>,
    by_uuid: Table<'txn, u128, u64>,
    by_intake: Table<'txn, Intake, u64>,
    counts: Table<'txn, &'static str, u64>,
}

impl<'txn> Tables<'txn> {
    /// Opens them, or makes them when the file is new.
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            jobs: txn.open_table(JOBS).map_err(disk("written"))?,
            by_state: txn.open_table(BY_STATE).map_err(disk("written"))?,
            by_end: txn.open_table(BY_END).map_err(disk("written"))?,
            by_uuid: txn.open_table(BY_UUID).map_err(disk("written"))?,
            by_intake: txn.open_table(BY_INTAKE).map_err(disk("written"))?,
            counts: txn.open_table(COUNTS).map_err(disk("written"))?,
        })
    }

    pub(super) fn stored(&self, id: JobId) -> Result<Option<Stored>, StoreError> {
        let bytes = self.jobs.get(id.0).map_err(disk("read"))?;
        bytes.map(|bytes| record::decode(id, bytes.value())).transpose()
    }

    /// The job that a submission with this uuid or inbox file has become already.
    pub(super) fn known(
        &self,
        uuid: u128,
        key: Option<&IntakeKey>,
    ) -> Result<Option<JobId>, StoreError> {
        if let Some(key) = key
            && let Some(id) = self.by_intake.get(intake(key)).map_err(disk("read"))?
        {
            return Ok(Some(JobId(id.value())));
        }
        let id = self.by_uuid.get(uuid).map_err(disk("read"))?;
        Ok(id.map(|id| JobId(id.value())))
    }

    /// A number no job has had.
    pub(super) fn next_id(&mut self) -> Result<JobId, StoreError> {
        self.count(LAST_JOB, 1).map(JobId)
    }

    /// Makes the job in every table what it is in `now`. `before` is what the record held.
    pub(super) fn put(&mut self, before: Option<&Job>, now: &Stored) -> Result<(), StoreError> {
        let job = &now.job;
        self.jobs.insert(job.id.0, record::encode(now).as_slice()).map_err(disk("written"))?;
        match before {
            None => {
                self.by_uuid.insert(job.uuid.as_u128(), job.id.0).map_err(disk("written"))?;
                if let Some(key) = &now.intake_key {
                    self.by_intake.insert(intake(key), job.id.0).map_err(disk("written"))?;
                }
            }
            Some(before) => {
                self.by_state.remove(state_key(before)).map_err(disk("written"))?;
                self.count(&state_count(before.state), -1)?;
                if let Some(key) = end_key(before) {
                    self.by_end.remove(key).map_err(disk("written"))?;
                }
                if let Some(verdict) = before.verdict {
                    self.count(&verdict_count(verdict), -1)?;
                }
            }
        }
        self.by_state.insert(state_key(job), ()).map_err(disk("written"))?;
        self.count(&state_count(job.state), 1)?;
        if let Some(key) = end_key(job) {
            self.by_end.insert(key, ()).map_err(disk("written"))?;
        }
        if let Some(verdict) = job.verdict {
            self.count(&verdict_count(verdict), 1)?;
        }
        for name in tally::names(before, job) {
            self.count(&name, 1)?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, by: i64) -> Result<u64, StoreError> {
        let now = self.counts.get(name).map_err(disk("read"))?.map_or(0, |count| count.value());
        let then = now.saturating_add_signed(by);
        self.counts.insert(name, then).map_err(disk("written"))?;
        Ok(then)
    }
}
