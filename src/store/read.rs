//! What readers ask, each in one short read transaction.

use jiff::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::{
    Counts, HistoryKey, HistoryPage, StoreError,
    error::disk,
    record::{self, Stored},
    tables::{BY_END, BY_STATE, BY_UUID, COUNTS, JOBS, state_count, verdict_count},
};
use crate::model::{Job, JobId, JobState, Verdict};

pub(super) fn begin(database: &Database) -> Result<ReadTransaction, StoreError> {
    database.begin_read().map_err(disk("read"))
}

pub(super) fn job(txn: &ReadTransaction, id: JobId) -> Result<Option<Job>, StoreError> {
    Ok(stored(txn, id)?.map(|stored| stored.job))
}

fn stored(txn: &ReadTransaction, id: JobId) -> Result<Option<Stored>, StoreError> {
    let jobs = txn.open_table(JOBS).map_err(disk("read"))?;
    let bytes = jobs.get(id.0).map_err(disk("read"))?;
    bytes.map(|bytes| record::decode(id, bytes.value())).transpose()
}

pub(super) fn job_by_uuid(txn: &ReadTransaction, uuid: u128) -> Result<Option<Job>, StoreError> {
    let uuids = txn.open_table(BY_UUID).map_err(disk("read"))?;
    match uuids.get(uuid).map_err(disk("read"))? {
        Some(id) => job(txn, JobId(id.value())),
        None => Ok(None),
    }
}

/// Best first; keeps of each job only what `pick` takes.
pub(super) fn jobs_in<T>(
    txn: &ReadTransaction,
    state: JobState,
    limit: usize,
    pick: impl Fn(Job) -> T,
) -> Result<Vec<T>, StoreError> {
    let by_state = txn.open_table(BY_STATE).map_err(disk("read"))?;
    let all = (state as u8, 0, 0)..=(state as u8, u8::MAX, u64::MAX);
    let mut picked = Vec::new();
    for entry in by_state.range(all).map_err(disk("read"))?.take(limit) {
        let (key, _) = entry.map_err(disk("read"))?;
        picked.push(pick(indexed(txn, key.value().2)?));
    }
    Ok(picked)
}

/// When the job that waits longest was submitted. One look for each priority that has a job: the
/// oldest of a priority is its first.
pub(super) fn oldest_waiting(txn: &ReadTransaction) -> Result<Option<Timestamp>, StoreError> {
    let by_state = txn.open_table(BY_STATE).map_err(disk("read"))?;
    let state = JobState::Waiting as u8;
    let mut from = Some((state, 0, 0));
    let mut oldest: Option<u64> = None;
    while let Some(start) = from {
        let mut rest = by_state.range(start..=(state, u8::MAX, u64::MAX)).map_err(disk("read"))?;
        let first = rest.next().transpose().map_err(disk("read"))?;
        let found = first.map(|(key, _)| key.value());
        oldest = oldest.into_iter().chain(found.map(|(_, _, id)| id)).min();
        from = found.and_then(|(_, place, _)| Some((state, place.checked_add(1)?, 0)));
    }
    oldest.map(|id| Ok(indexed(txn, id)?.submitted)).transpose()
}

pub(super) fn history(
    txn: &ReadTransaction,
    before: Option<HistoryKey>,
    limit: usize,
) -> Result<HistoryPage, StoreError> {
    let by_end = txn.open_table(BY_END).map_err(disk("read"))?;
    let end = before.map_or((i64::MAX, u64::MAX), |key| (key.ended_us, key.id.0));
    let mut entries = by_end.range(..end).map_err(disk("read"))?.rev();
    let mut jobs = Vec::new();
    for entry in entries.by_ref().take(limit) {
        let (key, _) = entry.map_err(disk("read"))?;
        jobs.push(indexed(txn, key.value().1)?);
    }
    let more = entries.next().transpose().map_err(disk("read"))?.is_some();
    let next = jobs.last().filter(|_| more).and_then(HistoryKey::of);
    Ok(HistoryPage { jobs, next })
}

pub(super) fn counts(txn: &ReadTransaction) -> Result<Counts, StoreError> {
    let table = txn.open_table(COUNTS).map_err(disk("read"))?;
    let count = |name: String| -> Result<u64, StoreError> {
        let count = table.get(name.as_str()).map_err(disk("read"))?;
        Ok(count.map_or(0, |count| count.value()))
    };
    let mut counts = Counts::default();
    for state in JobState::ALL {
        counts.states[state as usize] = count(state_count(state))?;
    }
    for verdict in Verdict::ALL {
        counts.verdicts[verdict as usize] = count(verdict_count(verdict))?;
    }
    Ok(counts)
}

fn indexed(txn: &ReadTransaction, id: u64) -> Result<Job, StoreError> {
    job(txn, JobId(id))?
        .ok_or_else(|| StoreError::Damaged { what: format!("job {id}"), source: None })
}
