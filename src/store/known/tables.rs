//! The tables of failures: what is kept of each, which rules know it, which group the unknown ones
//! are in, and which jobs are retries of which.
//!
//! A failure that is kept is either marked by at least one rule or in exactly one group; all of it
//! changes in the transaction that ends the job, marks it or forgets it.

use redb::TableDefinition;

use super::record;
use crate::{
    model::{Failure, Job, JobId, KnownRule, Signature},
    store::{
        StoreError,
        table::{Rows, Table, Writing},
        tables::end_key,
    },
};

/// Name to the rule (`KnownRuleV1`).
pub(in crate::store) const RULES: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("known-rules-1");
/// (end, job number) to what is kept of the failure (`FailureV1`), oldest first.
pub(in crate::store) const FAILURES: TableDefinition<'_, EndKey, &[u8]> =
    TableDefinition::new("failures-1");
/// (job number, rule) to whether the mark was made later than at the job's end.
pub(in crate::store) const MARKS: TableDefinition<'_, (u64, &str), bool> =
    TableDefinition::new("known-marks-1");
/// (rule, end, job number): the jobs of a rule, oldest first.
pub(in crate::store) const BY_RULE: TableDefinition<'_, (&str, i64, u64), ()> =
    TableDefinition::new("known-by-rule-1");
/// Signature to (how many, first end, last end, the last job).
pub(in crate::store) const GROUPS: TableDefinition<'_, u64, Group> =
    TableDefinition::new("failure-groups-1");
/// (signature, end, job number) of failures no rule knows, oldest first.
pub(in crate::store) const GROUPED: TableDefinition<'_, (u64, i64, u64), ()> =
    TableDefinition::new("failures-by-signature-1");
/// (how many, last end, signature): the largest group last, of equals the latest.
pub(in crate::store) const BY_SIZE: TableDefinition<'_, (u64, i64, u64), ()> =
    TableDefinition::new("failure-groups-by-size-1");
/// A retry to (the job it retries, how often that chain has been retried, who or which rule).
pub(in crate::store) const RETRIES: TableDefinition<'_, u64, (u64, u32, &str)> =
    TableDefinition::new("retries-1");
/// (job number, its retry): the same the other way round.
pub(in crate::store) const RETRIED: TableDefinition<'_, (u64, u64), ()> =
    TableDefinition::new("retried-1");
/// (job number, a job that was resubmitted from it).
pub(in crate::store) const RESUBMITTED: TableDefinition<'_, (u64, u64), ()> =
    TableDefinition::new("resubmitted-1");
/// (when it is due in microseconds since 1970, job number) to the rule that wants it.
pub(in crate::store) const PENDING: TableDefinition<'_, EndKey, &str> =
    TableDefinition::new("retries-pending-1");
/// Day (UTC, since 1970) to the retries decided on by the box itself.
pub(in crate::store) const RETRY_DAYS: TableDefinition<'_, i64, u64> =
    TableDefinition::new("retries-by-day-1");

/// Job number to why a failure that a rule knows was not retried by itself, in words.
pub(in crate::store) const NOT_RETRIED: TableDefinition<'_, u64, &str> =
    TableDefinition::new("not-retried-1");

pub(in crate::store) type EndKey = (i64, u64);
pub(in crate::store) type Group = (u64, i64, i64, u64);

/// Rules there may be: each is tried on each failure.
const MOST_RULES: u64 = 500;

/// All of them, open in one transaction.
pub(in crate::store) struct KnownTables<'txn> {
    rules: Table<'txn, &'static str, &'static [u8]>,
    failures: Table<'txn, EndKey, &'static [u8]>,
    marks: Table<'txn, (u64, &'static str), bool>,
    by_rule: Table<'txn, (&'static str, i64, u64), ()>,
    groups: Table<'txn, u64, Group>,
    grouped: Table<'txn, (u64, i64, u64), ()>,
    by_size: Table<'txn, (u64, i64, u64), ()>,
    retries: Table<'txn, u64, (u64, u32, &'static str)>,
    retried: Table<'txn, (u64, u64), ()>,
    resubmitted: Table<'txn, (u64, u64), ()>,
    pending: Table<'txn, EndKey, &'static str>,
    retry_days: Table<'txn, i64, u64>,
    not_retried: Table<'txn, u64, &'static str>,
}

impl<'txn> KnownTables<'txn> {
    pub(in crate::store) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self {
            rules: txn.table(RULES)?,
            failures: txn.table(FAILURES)?,
            marks: txn.table(MARKS)?,
            by_rule: txn.table(BY_RULE)?,
            groups: txn.table(GROUPS)?,
            grouped: txn.table(GROUPED)?,
            by_size: txn.table(BY_SIZE)?,
            retries: txn.table(RETRIES)?,
            retried: txn.table(RETRIED)?,
            resubmitted: txn.table(RESUBMITTED)?,
            pending: txn.table(PENDING)?,
            retry_days: txn.table(RETRY_DAYS)?,
            not_retried: txn.table(NOT_RETRIED)?,
        })
    }

    pub(in crate::store) fn rule(&self, name: &str) -> Result<Option<KnownRule>, StoreError> {
        let bytes = self.rules.get(name)?;
        bytes.map(|bytes| record::decode_rule(name, bytes.value())).transpose()
    }

    /// Adds a rule, or makes one what it is now.
    ///
    /// # Errors
    /// [`StoreError::RuleThere`] when there is one of that name and it shall not be replaced,
    /// [`StoreError::TooManyRules`].
    pub(in crate::store) fn put_rule(
        &mut self,
        rule: &KnownRule,
        replace: bool,
    ) -> Result<(), StoreError> {
        let before = self.rule(&rule.name)?;
        if before.is_some() && !replace {
            return Err(StoreError::RuleThere { name: rule.name.clone() });
        }
        if before.is_none() && self.rules.len()? >= MOST_RULES {
            return Err(StoreError::TooManyRules { most: MOST_RULES });
        }
        let created = before.map_or_else(|| rule.created.clone(), |before| before.created);
        let bytes = record::encode_rule(&KnownRule { created, ..rule.clone() });
        self.rules.insert(rule.name.as_str(), bytes.as_slice())?;
        Ok(())
    }

    /// Takes a rule away; what it has marked stays.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRule`]
    pub(in crate::store) fn remove_rule(&mut self, name: &str) -> Result<(), StoreError> {
        let there = self.rules.remove(name)?.is_some();
        if there { Ok(()) } else { Err(StoreError::NoSuchRule { name: name.into() }) }
    }

    /// Keeps a failure of a job that has just ended: marked by `rules`, or in its group.
    pub(in crate::store) fn keep(
        &mut self,
        job: &Job,
        signature: Signature,
        failure: &Failure,
        rules: &[KnownRule],
    ) -> Result<(), StoreError> {
        let Some(key) = end_key(job) else { return Ok(()) };
        let bytes = record::encode_failure(signature, failure);
        self.failures.insert(key, bytes.as_slice())?;
        for rule in rules {
            self.enter_rule(key, &rule.name, false)?;
        }
        if rules.is_empty() { self.enter_group(signature, key) } else { Ok(()) }
    }

    /// Marks a job that ended before the rule was there. False when there is nothing to mark, or it
    /// is marked already.
    pub(in crate::store) fn mark(&mut self, job: &Job, rule: &str) -> Result<bool, StoreError> {
        let Some(key) = end_key(job) else { return Ok(false) };
        let Some(signature) = self.signature(key)? else { return Ok(false) };
        if self.marks.get((key.1, rule))?.is_some() {
            return Ok(false);
        }
        if !self.is_marked(key.1)? {
            self.leave_group(signature, key)?;
        }
        self.enter_rule(key, rule, true)?;
        Ok(true)
    }

    /// Takes back up to `most` marks that a rule got later than at the end of the job, from `from`
    /// on; jobs nothing else knows go back to their group. Which jobs that were, and where to go on;
    /// none when it is done.
    pub(in crate::store) fn unmark(
        &mut self,
        rule: &str,
        from: EndKey,
        most: usize,
    ) -> Result<(Vec<JobId>, Option<EndKey>), StoreError> {
        let (mut keys, mut left) = (Vec::new(), Vec::new());
        let range = (rule, from.0, from.1)..=(rule, i64::MAX, u64::MAX);
        for entry in self.by_rule.range(range)?.take(most) {
            let (key, _) = entry?;
            let (_, end, id) = key.value();
            keys.push((end, id));
        }
        for key in &keys {
            let later = self.marks.get((key.1, rule))?;
            if !later.is_some_and(|later| later.value()) {
                continue;
            }
            self.leave_rule(*key, rule)?;
            left.push(JobId(key.1));
            if let (false, Some(signature)) = (self.is_marked(key.1)?, self.signature(*key)?) {
                self.enter_group(signature, *key)?;
            }
        }
        let next = keys.last().filter(|_| keys.len() == most).map(|(end, id)| (*end, id + 1));
        Ok((left, next))
    }

    /// How often the chain a job ends has been retried: 0 for one that is no retry.
    pub(in crate::store) fn depth(&self, id: JobId) -> Result<u32, StoreError> {
        let made = self.retries.get(id.0)?;
        Ok(made.map_or(0, |made| made.value().1))
    }

    pub(in crate::store) fn link(
        &mut self,
        from: JobId,
        to: JobId,
        by: &str,
    ) -> Result<(), StoreError> {
        let depth = self.depth(from)?.saturating_add(1);
        self.retries.insert(to.0, (from.0, depth, by))?;
        self.retried.insert((from.0, to.0), ())?;
        Ok(())
    }

    pub(in crate::store) fn retries_on(&self, day: i64) -> Result<u64, StoreError> {
        Ok(self.retry_days.get(day)?.map_or(0, |count| count.value()))
    }

    /// Makes a retry wait for its time, and counts it for `day`.
    pub(in crate::store) fn await_retry(
        &mut self,
        due: EndKey,
        rule: &str,
        day: i64,
    ) -> Result<(), StoreError> {
        self.pending.insert(due, rule)?;
        let before = self.retries_on(day)?;
        self.retry_days.insert(day, before + 1)?;
        Ok(())
    }

    pub(in crate::store) fn tell_not_retried(
        &mut self,
        id: JobId,
        why: &str,
    ) -> Result<(), StoreError> {
        self.not_retried.insert(id.0, why)?;
        Ok(())
    }

    /// The retry that waits for a job, and the rule that wants it. There are never many, so they are
    /// walked.
    pub(in crate::store) fn awaited(
        &self,
        id: JobId,
    ) -> Result<Option<(EndKey, String)>, StoreError> {
        for entry in self.pending.range::<EndKey>(..)? {
            let (key, rule) = entry?;
            if key.value().1 == id.0 {
                return Ok(Some((key.value(), rule.value().to_owned())));
            }
        }
        Ok(None)
    }

    pub(in crate::store) fn drop_retry(&mut self, due: EndKey) -> Result<(), StoreError> {
        self.pending.remove(due)?;
        Ok(())
    }

    /// Takes everything of a job out that is no longer there.
    pub(in crate::store) fn forget(&mut self, job: &Job) -> Result<(), StoreError> {
        let id = job.id.0;
        if let Some(key) = end_key(job) {
            let rules = self.marks_of(id)?;
            if let (true, Some(signature)) = (rules.is_empty(), self.signature(key)?) {
                self.leave_group(signature, key)?;
            }
            for rule in rules {
                self.leave_rule(key, &rule)?;
            }
            self.failures.remove(key)?;
        }
        self.not_retried.remove(id)?;
        let made = self.retries.remove(id)?;
        let from = made.map(|made| made.value().0);
        if let Some(from) = from {
            self.retried.remove((from, id))?;
        }
        if let Some(from) = job.lineage.resubmitted_from {
            self.resubmitted.remove((from.0, id))?;
        }
        Ok(())
    }

    /// Notes where a new job comes from.
    pub(in crate::store) fn resubmitted(&mut self, job: &Job) -> Result<(), StoreError> {
        if let Some(from) = job.lineage.resubmitted_from {
            self.resubmitted.insert((from.0, job.id.0), ())?;
        }
        Ok(())
    }

    /// The first rule that has marked a job, if one has.
    pub(in crate::store) fn mark_of(&self, id: u64) -> Result<Option<String>, StoreError> {
        first_mark(&self.marks, id)
    }

    /// All marks that were made later than at the end of their jobs.
    pub(in crate::store) fn late_marks(&self) -> Result<Vec<(JobId, String)>, StoreError> {
        let mut late = Vec::new();
        for entry in self.marks.range::<(u64, &str)>(..)? {
            let (key, later) = entry?;
            if later.value() {
                let (id, rule) = key.value();
                late.push((JobId(id), rule.to_owned()));
            }
        }
        Ok(late)
    }

    fn marks_of(&self, id: u64) -> Result<Vec<String>, StoreError> {
        let mut rules = Vec::new();
        for entry in self.marks.range((id, "")..(id + 1, ""))? {
            rules.push(entry?.0.value().1.to_owned());
        }
        Ok(rules)
    }

    fn is_marked(&self, id: u64) -> Result<bool, StoreError> {
        Ok(self.mark_of(id)?.is_some())
    }

    fn signature(&self, key: EndKey) -> Result<Option<Signature>, StoreError> {
        let bytes = self.failures.get(key)?;
        let read = |bytes: &[u8]| record::decode_failure(key.1, bytes).map(|kept| kept.0);
        bytes.map(|bytes| read(bytes.value())).transpose()
    }

    fn enter_rule(&mut self, key: EndKey, rule: &str, later: bool) -> Result<(), StoreError> {
        self.marks.insert((key.1, rule), later)?;
        self.by_rule.insert((rule, key.0, key.1), ())?;
        Ok(())
    }

    fn leave_rule(&mut self, key: EndKey, rule: &str) -> Result<(), StoreError> {
        self.marks.remove((key.1, rule))?;
        self.by_rule.remove((rule, key.0, key.1))?;
        Ok(())
    }

    fn enter_group(&mut self, Signature(of): Signature, key: EndKey) -> Result<(), StoreError> {
        let there = self.grouped.insert((of, key.0, key.1), ())?.is_some();
        self.regroup(of, i64::from(!there))
    }

    fn leave_group(&mut self, Signature(of): Signature, key: EndKey) -> Result<(), StoreError> {
        let there = self.grouped.remove((of, key.0, key.1))?.is_some();
        self.regroup(of, -i64::from(there))
    }

    /// Makes a group's line what its jobs are now, of which there are so many more.
    fn regroup(&mut self, of: u64, by: i64) -> Result<(), StoreError> {
        let before = self.groups.get(of)?.map(|group| group.value());
        let ends = {
            let whole = (of, i64::MIN, 0)..=(of, i64::MAX, u64::MAX);
            let mut jobs = self.grouped.range(whole)?;
            let first = jobs.next().transpose()?;
            let last = jobs.next_back().transpose()?;
            let key = |entry: (redb::AccessGuard<'_, (u64, i64, u64)>, _)| entry.0.value();
            let first: Option<(u64, i64, u64)> = first.map(key);
            first.map(|first| (first, last.map_or(first, key)))
        };
        if let Some((count, _, last, _)) = before {
            self.by_size.remove((count, last, of))?;
        }
        let Some((first, last)) = ends else {
            self.groups.remove(of)?;
            return Ok(());
        };
        let count = before.map_or(0, |before| before.0).saturating_add_signed(by);
        let now = (count, first.1, last.1, last.2);
        self.groups.insert(of, now)?;
        self.by_size.insert((count, last.1, of), ())?;
        Ok(())
    }
}

/// The first rule, by name, that has marked a job.
pub(in crate::store) fn first_mark(
    marks: &impl Rows<(u64, &'static str), bool>,
    id: u64,
) -> Result<Option<String>, StoreError> {
    let mut range = marks.range((id, "")..(id + 1, ""))?;
    let first = range.next().transpose()?;
    Ok(first.map(|(key, _)| key.value().1.to_owned()))
}
