//! What readers ask, each in one short read transaction.

use std::ops::Bound::{Excluded, Unbounded};

use jiff::Timestamp;
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::{
    Counts, HistoryKey, HistoryPage, Leftover, Saved, StoreError, Totals, Unmeasured,
    definitions::Texts,
    error::disk,
    holdings,
    known::{MARKS, first_mark},
    record::{self, Stored},
    table::{ReadTable, Rows as _, Snapshot as _},
    tables::{
        ADDED_RESULTS, ADDED_VIDEOS, BUNDLES, BY_END, BY_STATE, BY_UUID, BYTES_BUNDLES,
        BYTES_RESULTS, BYTES_VIDEOS, COUNTS, HOLDINGS, JOBS, KEPT, LAST_JOB, REMOVABLE, REMOVING,
        SAMPLES, SCREENS, SCREENS_SAVED, SCREENS_SHARED, UNMEASURED, UNSHELVED, state_count,
        verdict_count,
    },
};
use crate::{
    decide::retention::{Candidate, Oldest},
    model::{Digest, DiskSample, Job, JobId, JobState, Keepsake, Verdict},
};

/// Ended jobs that are looked at for one page of those that are wanted; a page may then have fewer,
/// and says where to go on.
const LOOKED_AT: usize = 5_000;

pub(super) fn begin(database: &Database) -> Result<ReadTransaction, StoreError> {
    database.begin_read().map_err(disk("read"))
}

/// Whole jobs, from the tables they are in, which are opened once for a page of them.
pub(super) struct Jobs {
    records: ReadTable<u64, &'static [u8]>,
    definitions: Texts,
    holdings: ReadTable<u64, &'static [u8]>,
    marks: ReadTable<(u64, &'static str), bool>,
}

impl Jobs {
    pub(super) fn open(txn: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            records: txn.table(JOBS)?,
            definitions: Texts::open(txn)?,
            holdings: txn.table(HOLDINGS)?,
            marks: txn.table(MARKS)?,
        })
    }

    pub(super) fn records(&self) -> &ReadTable<u64, &'static [u8]> {
        &self.records
    }

    pub(super) fn get(&self, id: JobId) -> Result<Option<Stored>, StoreError> {
        let bytes = self.records.get(id.0)?;
        bytes.map(|bytes| self.read(id, bytes.value())).transpose()
    }

    pub(super) fn read(&self, id: JobId, record: &[u8]) -> Result<Stored, StoreError> {
        let mut stored = record::decode(id, record)?;
        stored.job.definition = self.definitions.get(id, stored.job.definition_hash)?;
        if let Some(bytes) = self.holdings.get(id.0)? {
            stored.job.holdings = holdings::decode(id, bytes.value())?;
        }
        if stored.may_be_marked() {
            stored.job.known_failure = first_mark(&self.marks, id.0)?;
        }
        Ok(stored)
    }

    /// The number behind one that has a record, or the first.
    pub(super) fn next(&self, last: Option<u64>, down: bool) -> Result<Option<u64>, StoreError> {
        let mut range = match (last, down) {
            (None, _) => self.records.range::<u64>(..),
            (Some(last), true) => self.records.range(..last),
            (Some(last), false) => self.records.range((Excluded(last), Unbounded)),
        }?;
        let next = if down { range.next_back() } else { range.next() };
        Ok(next.transpose()?.map(|(id, _)| id.value()))
    }

    /// Whether one of these rules has marked a job.
    pub(super) fn is_marked(&self, id: u64, rules: &[String]) -> Result<bool, StoreError> {
        for rule in rules {
            if self.marks.get((id, rule.as_str()))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A job that an index names.
    pub(super) fn indexed(&self, id: u64) -> Result<Job, StoreError> {
        let stored = self.get(JobId(id))?.map(|stored| stored.job);
        stored.ok_or_else(|| StoreError::Damaged { what: format!("job {id}"), source: None })
    }
}

pub(super) fn job(txn: &ReadTransaction, id: JobId) -> Result<Option<Job>, StoreError> {
    Ok(Jobs::open(txn)?.get(id)?.map(|stored| stored.job))
}

pub(super) fn as_they_are(
    txn: &ReadTransaction,
    ids: &[JobId],
) -> Result<Vec<(JobId, Option<Job>)>, StoreError> {
    let jobs = Jobs::open(txn)?;
    ids.iter().map(|id| Ok((*id, jobs.get(*id)?.map(|stored| stored.job)))).collect()
}

pub(super) fn jobs_of(txn: &ReadTransaction, ids: &[JobId]) -> Result<Vec<Job>, StoreError> {
    Ok(as_they_are(txn, ids)?.into_iter().filter_map(|(_, job)| job).collect())
}

pub(super) fn job_by_uuid(txn: &ReadTransaction, uuid: u128) -> Result<Option<Job>, StoreError> {
    let uuids = txn.table(BY_UUID)?;
    match uuids.get(uuid)? {
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
    let by_state = txn.table(BY_STATE)?;
    let all = (state as u8, 0, 0)..=(state as u8, u8::MAX, u64::MAX);
    let jobs = Jobs::open(txn)?;
    let mut picked = Vec::new();
    for entry in by_state.range(all)?.take(limit) {
        let (key, _) = entry?;
        picked.push(pick(jobs.indexed(key.value().2)?));
    }
    Ok(picked)
}

/// The numbers of the jobs in a state, best first; no record is read.
pub(super) fn numbers_in(txn: &ReadTransaction, state: JobState) -> Result<Vec<JobId>, StoreError> {
    let by_state = txn.table(BY_STATE)?;
    let all = (state as u8, 0, 0)..=(state as u8, u8::MAX, u64::MAX);
    let entries = by_state.range(all)?;
    entries.map(|entry| Ok(JobId(entry?.0.value().2))).collect()
}

/// When the job that waits longest was submitted. One look for each priority that has a job: the
/// oldest of a priority is its first.
pub(super) fn oldest_waiting(txn: &ReadTransaction) -> Result<Option<Timestamp>, StoreError> {
    let by_state = txn.table(BY_STATE)?;
    let state = JobState::Waiting as u8;
    let mut from = Some((state, 0, 0));
    let mut oldest: Option<u64> = None;
    while let Some(start) = from {
        let mut rest = by_state.range(start..=(state, u8::MAX, u64::MAX))?;
        let first = rest.next().transpose()?;
        let found = first.map(|(key, _)| key.value());
        oldest = oldest.into_iter().chain(found.map(|(_, _, id)| id)).min();
        from = found.and_then(|(_, place, _)| Some((state, place.checked_add(1)?, 0)));
    }
    oldest.map(|id| Ok(Jobs::open(txn)?.indexed(id)?.submitted)).transpose()
}

pub(super) fn history(
    txn: &ReadTransaction,
    before: Option<HistoryKey>,
    limit: usize,
    is: impl Fn(&Job) -> bool,
) -> Result<HistoryPage, StoreError> {
    let by_end = txn.table(BY_END)?;
    let end = before.map_or((i64::MAX, u64::MAX), |key| (key.ended_us, key.id.0));
    let mut entries = by_end.range(..end)?.rev();
    let all = Jobs::open(txn)?;
    let (mut jobs, mut last) = (Vec::new(), None);
    for entry in entries.by_ref().take(LOOKED_AT.max(limit)) {
        let (key, _) = entry?;
        let job = all.indexed(key.value().1)?;
        last = HistoryKey::of(&job);
        if is(&job) {
            jobs.push(job);
        }
        if jobs.len() == limit {
            break;
        }
    }
    let more = entries.next().transpose()?.is_some();
    Ok(HistoryPage { jobs, next: last.filter(|_| more) })
}

pub(super) fn jobs_where(
    txn: &ReadTransaction,
    mut ids: Vec<JobId>,
    is: impl Fn(&Job) -> bool,
) -> Result<Vec<JobId>, StoreError> {
    let jobs = Jobs::open(txn)?;
    let mut failed = Ok(());
    ids.retain(|id| match jobs.get(*id) {
        Ok(stored) => stored.is_some_and(|stored| is(&stored.job)),
        Err(error) => {
            failed = Err(error);
            false
        }
    });
    failed.map(|()| ids)
}

pub(super) fn counts(txn: &ReadTransaction) -> Result<Counts, StoreError> {
    let table = txn.table(COUNTS)?;
    let count = |name: String| -> Result<u64, StoreError> {
        let count = table.get(name.as_str())?;
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

pub(super) fn last_job(txn: &ReadTransaction) -> Result<JobId, StoreError> {
    let table = txn.table(COUNTS)?;
    let last = table.get(LAST_JOB)?;
    Ok(JobId(last.map_or(0, |last| last.value())))
}

pub(super) fn totals(txn: &ReadTransaction) -> Result<Totals, StoreError> {
    let table = txn.table(COUNTS)?;
    let count = |name: &str| -> Result<u64, StoreError> {
        Ok(table.get(name)?.map_or(0, |count| count.value()))
    };
    Ok(Totals {
        videos: count(BYTES_VIDEOS)?,
        results: count(BYTES_RESULTS)?,
        bundles: count(BYTES_BUNDLES)?,
        added_videos: count(ADDED_VIDEOS)?,
        added_results: count(ADDED_RESULTS)?,
        kept_jobs: count(KEPT)?,
    })
}

pub(super) fn removable(
    txn: &ReadTransaction,
    what: Keepsake,
    limit: usize,
) -> Result<Oldest, StoreError> {
    let table = txn.table(REMOVABLE)?;
    let all = (what as u8, i64::MIN, 0)..=(what as u8, i64::MAX, u64::MAX);
    let mut entries = table.range(all)?;
    let mut list = Vec::new();
    for entry in entries.by_ref().take(limit) {
        let (key, bytes) = entry?;
        let (_, end, id) = key.value();
        let ended = Timestamp::from_microsecond(end).map_err(|error| StoreError::Damaged {
            what: format!("the end of job {id}"),
            source: Some(std::sync::Arc::new(error)),
        })?;
        list.push(Candidate { job: JobId(id), ended, bytes: bytes.value() });
    }
    Ok(Oldest { list, more: entries.next().is_some() })
}

pub(super) fn leftovers(txn: &ReadTransaction, limit: usize) -> Result<Vec<Leftover>, StoreError> {
    let table = txn.table(REMOVING)?;
    let mut found = Vec::new();
    for entry in table.range::<(u64, u8)>(..)?.take(limit) {
        let (id, what) = entry?.0.value();
        let what = Keepsake::ALL.into_iter().find(|one| *one as u8 == what).ok_or_else(|| {
            StoreError::Damaged { what: format!("what is removed of job {id}"), source: None }
        })?;
        found.push(Leftover { job: JobId(id), what });
    }
    Ok(found)
}

pub(super) fn unmeasured(
    txn: &ReadTransaction,
    limit: usize,
) -> Result<Vec<Unmeasured>, StoreError> {
    let table = txn.table(UNMEASURED)?;
    let bundles = txn.table(BUNDLES)?;
    let jobs = Jobs::open(txn)?;
    let mut found = Vec::new();
    for entry in table.range::<u64>(..)?.take(limit) {
        let job = jobs.indexed(entry?.0.value())?;
        let entry = bundles.get(*job.bundle.as_bytes())?;
        let is_new = entry.is_some_and(|entry| entry.value().1 == 0);
        found.push(Unmeasured { job: job.id, bundle: is_new.then_some(job.bundle) });
    }
    Ok(found)
}

/// What is not measured yet is left out: its size must be known before it changes.
pub(super) fn unshelved(txn: &ReadTransaction, limit: usize) -> Result<Vec<JobId>, StoreError> {
    let table = txn.table(UNSHELVED)?;
    let unmeasured = txn.table(UNMEASURED)?;
    let mut found = Vec::new();
    for entry in table.range::<u64>(..)? {
        let id = entry?.0.value();
        if unmeasured.get(id)?.is_none() {
            found.push(JobId(id));
        }
        if found.len() == limit {
            break;
        }
    }
    Ok(found)
}

pub(super) fn saved(txn: &ReadTransaction) -> Result<Saved, StoreError> {
    let table = txn.table(COUNTS)?;
    let count = |name: &str| -> Result<u64, StoreError> {
        Ok(table.get(name)?.map_or(0, |count| count.value()))
    };
    Ok(Saved {
        screens: count(SCREENS)?,
        shared: count(SCREENS_SHARED)?,
        bytes: count(SCREENS_SAVED)?,
    })
}

/// Those of `asked` that no job refers to.
pub(super) fn unreferred(
    txn: &ReadTransaction,
    asked: Vec<Digest>,
) -> Result<Vec<Digest>, StoreError> {
    let bundles = txn.table(BUNDLES)?;
    let mut found = Vec::new();
    for bundle in asked {
        if bundles.get(*bundle.as_bytes())?.is_none() {
            found.push(bundle);
        }
    }
    Ok(found)
}

/// Oldest first.
pub(super) fn samples(txn: &ReadTransaction) -> Result<Vec<DiskSample>, StoreError> {
    let table = txn.table(SAMPLES)?;
    let mut found = Vec::new();
    for entry in table.range::<i64>(..)? {
        let (at, bytes) = entry?;
        let at = Timestamp::from_second(at.value()).unwrap_or_default();
        found.push(holdings::decode_sample(at, bytes.value())?);
    }
    Ok(found)
}
