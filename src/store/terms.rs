//! What ended jobs are found and sorted by: each term once, with a number, and for each number the jobs that
//! have it in the order of their ends. Who may look is a term too, so a list for somebody costs what
//! they see and not what is hidden from them.
//!
//! A term is entered when a job ends and left when it is forgotten, so submitting costs nothing. All
//! terms have the same order, so jobs that have several are found by walking them side by side
//! (`list`). A number is that of one term as long as a job has it; what is shown outside never has
//! it.

use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError, audience,
    table::{ReadTable, Rows as _, Snapshot as _, Table, Writing},
    tables::end_key,
};
use crate::{
    decide::access::lookers,
    model::{Audience, Field, Job, Term, duration_value, terms},
};

/// (field, key, value) to (number, ended jobs that have it).
pub(super) const TERMS: TableDefinition<'_, Name<'_>, (u64, u64)> = TableDefinition::new("terms-1");
/// (number of a term, end in microseconds since 1970, job number): the jobs of a term, oldest first.
pub(super) const BY_TERM: TableDefinition<'_, (u64, i64, u64), ()> =
    TableDefinition::new("jobs-by-term-1");

pub(super) type Name<'a> = (u8, &'a str, &'a str);

pub(super) const fn name(term: Term<'_>) -> Name<'_> {
    (term.field as u8, term.key, term.value)
}

/// How long a job ran stands among the terms as a field of its own, so that jobs are sorted by it.
pub(super) const DURATION: u8 = 100;

/// Audiences stand among the terms as fields of their own, one for each kind.
const LOOKERS: u8 = 200;

/// Calls `each` with the name of everything an ended job is found by.
pub(super) fn each_name<E>(
    job: &Job,
    mut each: impl FnMut(Name<'_>) -> Result<(), E>,
) -> Result<(), E> {
    terms(job).into_iter().try_for_each(|term| each(name(term)))?;
    if let Some(duration) = duration_value(job) {
        each((DURATION, "", &duration))?;
    }
    lookers(job.into()).iter().try_for_each(|looker| {
        let (kind, whom) = audience::key(looker);
        each((LOOKERS + kind, "", &whom))
    })
}

/// The number of an audience and of the ended jobs it may look at; none where there are none.
pub(super) fn of_audience(
    terms: &ReadTable<Name<'static>, (u64, u64)>,
    looker: &Audience,
) -> Result<Option<(u64, u64)>, StoreError> {
    let (kind, whom) = audience::key(looker);
    let known = terms.get((LOOKERS + kind, "", &*whom))?;
    Ok(known.map(|known| known.value()))
}

/// Both tables, open in one transaction.
pub(super) struct Terms<'txn> {
    terms: Table<'txn, Name<'static>, (u64, u64)>,
    jobs: Table<'txn, (u64, i64, u64), ()>,
}

impl<'txn> Terms<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self { terms: txn.table(TERMS)?, jobs: txn.table(BY_TERM)? })
    }

    /// Enters a job that has ended; of one that has not, nothing is known.
    pub(super) fn enter(&mut self, job: &Job) -> Result<(), StoreError> {
        let Some((end, id)) = end_key(job) else { return Ok(()) };
        each_name(job, |name| self.add(name, (end, id)))
    }

    /// Enters only how long an ended job ran.
    pub(super) fn enter_duration(&mut self, job: &Job) -> Result<(), StoreError> {
        match (end_key(job), duration_value(job)) {
            (Some(place), Some(duration)) => self.add((DURATION, "", &duration), place),
            _ => Ok(()),
        }
    }

    fn add(&mut self, name: Name<'_>, (end, id): (i64, u64)) -> Result<(), StoreError> {
        let (number, count) = match self.get(name)? {
            Some(known) => known,
            None => (self.next()?, 0),
        };
        self.terms.insert(name, (number, count + 1))?;
        self.jobs.insert((number, end, id), ())?;
        Ok(())
    }

    /// Takes a job out again.
    pub(super) fn leave(&mut self, job: &Job) -> Result<(), StoreError> {
        let Some((end, id)) = end_key(job) else { return Ok(()) };
        each_name(job, |name| {
            let Some((number, count)) = self.get(name)? else { return Ok(()) };
            self.jobs.remove((number, end, id))?;
            if count > 1 {
                self.terms.insert(name, (number, count - 1))?;
            } else {
                self.terms.remove(name)?;
            }
            Ok(())
        })
    }

    fn get(&self, name: Name<'_>) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(self.terms.get(name)?.map(|known| known.value()))
    }

    /// Every term there is has a job, so the highest number is that of the last entry.
    fn next(&self) -> Result<u64, StoreError> {
        let last = self.jobs.last()?;
        Ok(last.map_or(0, |(key, _)| key.value().0) + 1)
    }
}

/// At most `limit` values that ended jobs have of a field, each with their number.
pub(super) fn values(
    txn: &ReadTransaction,
    field: Field,
    key: &str,
    limit: usize,
) -> Result<Vec<(String, u64)>, StoreError> {
    let table = txn.table(TERMS)?;
    let mut found = Vec::new();
    for entry in table.range((field as u8, key, "")..)?.take(limit) {
        let (name, known) = entry?;
        let (of, its_key, value) = name.value();
        if (of, its_key) != (field as u8, key) {
            break;
        }
        found.push((value.to_owned(), known.value().1));
    }
    Ok(found)
}
