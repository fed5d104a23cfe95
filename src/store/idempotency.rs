//! Which submissions are known by a key of their sender, so that one that is sent again is the same job.
//!
//! A key is kept for as long as the longest any sender may ask for; each new one takes two that are too
//! old with it, so the table stays as small as a day's submissions.

use std::time::Duration;

use jiff::Timestamp;
use redb::TableDefinition;

use super::{
    StoreError,
    table::{Rows as _, Table, Writing},
};
use crate::model::{JobId, NewJob};

/// (submitter, key) to (time in microseconds since 1970, job number). Behind a key that is only a name
/// stand [`SAID`] and what was asked for with it; older versions have not noted that.
pub(super) const KEYS: TableDefinition<'_, (&str, &str), (i64, u64)> =
    TableDefinition::new("idempotency-keys-1");
/// (time, submitter, key): the oldest first.
pub(super) const KEYS_BY_TIME: TableDefinition<'_, (i64, &str, &str), ()> =
    TableDefinition::new("idempotency-keys-by-time-1");

/// No key of a sender has it.
const SAID: char = '\0';

/// No key is good for longer.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Old keys that a new one takes with it.
const SWEEP: usize = 2;

pub(super) struct Keys<'txn> {
    keys: Table<'txn, (&'static str, &'static str), (i64, u64)>,
    by_time: Table<'txn, (i64, &'static str, &'static str), ()>,
}

impl<'txn> Keys<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self { keys: txn.table(KEYS)?, by_time: txn.table(KEYS_BY_TIME)? })
    }

    /// The job that the same sender has submitted with this key not too long ago.
    ///
    /// # Errors
    /// [`StoreError::KeyUsed`] when something else was asked for with it.
    pub(super) fn known(&self, new: &NewJob) -> Result<Option<JobId>, StoreError> {
        let Some(asked) = &new.idempotency else { return Ok(None) };
        let Some((name, at, id)) = self.find(&new.submitter.name, &asked.key)? else {
            return Ok(None);
        };
        let age = new.submitted.as_microsecond().saturating_sub(at);
        if age > micros(asked.within) {
            return Ok(None);
        }
        let said = name.split_once(SAID).map(|(_, said)| said);
        match (said, asked.said.as_deref()) {
            (Some(said), Some(now)) if said != now => Err(StoreError::KeyUsed(id)),
            _ => Ok(Some(id)),
        }
    }

    /// As it stands in the table, its time, and its job.
    fn find(&self, submitter: &str, key: &str) -> Result<Option<(String, i64, JobId)>, StoreError> {
        let behind = format!("{key}\u{1}");
        let mut found = self.keys.range((submitter, key)..(submitter, behind.as_str()))?;
        let Some((name, value)) = found.next().transpose()? else { return Ok(None) };
        let (at, id) = value.value();
        Ok(Some((name.value().1.to_owned(), at, JobId(id))))
    }

    pub(super) fn note(&mut self, new: &NewJob, id: JobId) -> Result<(), StoreError> {
        let Some(asked) = &new.idempotency else { return Ok(()) };
        let submitter = new.submitter.name.as_str();
        if let Some((name, before, _)) = self.find(submitter, &asked.key)? {
            self.keys.remove((submitter, name.as_str()))?;
            self.by_time.remove((before, submitter, name.as_str()))?;
        }
        let name = match &asked.said {
            Some(said) => format!("{}{SAID}{said}", asked.key),
            None => asked.key.clone(),
        };
        let at = new.submitted.as_microsecond();
        self.keys.insert((submitter, name.as_str()), (at, id.0))?;
        self.by_time.insert((at, submitter, name.as_str()), ())?;
        self.sweep(new.submitted)
    }

    fn sweep(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = now.as_microsecond().saturating_sub(micros(LONGEST));
        for _ in 0..SWEEP {
            let first = self.by_time.first()?;
            let Some((at, submitter, key)) = first.map(|(key, _)| owned(key.value())) else {
                return Ok(());
            };
            if at >= oldest {
                return Ok(());
            }
            self.by_time.remove((at, submitter.as_str(), key.as_str()))?;
            self.keys.remove((submitter.as_str(), key.as_str()))?;
        }
        Ok(())
    }
}

fn owned((at, submitter, key): (i64, &str, &str)) -> (i64, String, String) {
    (at, submitter.to_owned(), key.to_owned())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
