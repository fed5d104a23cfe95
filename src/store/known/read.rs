//! What readers ask about failures, each in one short read transaction.

use jiff::Timestamp;
use redb::{AccessGuard, ReadTransaction, TableDefinition};
use serde::Serialize;

use super::{
    record,
    tables::{
        BY_RULE, BY_SIZE, EndKey, FAILURES, GROUPED, GROUPS, MARKS, NOT_RETRIED, PENDING,
        RESUBMITTED, RETRIED, RETRIES, RETRY_DAYS, RULES,
    },
};
use crate::{
    decide::{Stands, retry::day},
    model::{Failure, FailureGroup, JobId, JobState, KnownRule, PendingRetry, Signature},
    store::{
        StoreError, read,
        table::{Rows as _, Snapshot as _},
        tables,
    },
};

/// Jobs that are told of all those that were made of one.
const MOST_RESUBMITTED: usize = 100;

/// A rule that has marked a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Mark {
    pub rule: String,
    /// Later than at the job's end.
    pub later: bool,
    /// Where its bug is told; none when the rule has none, or is gone.
    pub bug: Option<String>,
}

/// How a retry came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Made {
    pub from: JobId,
    /// How often the chain up to and with this one has been retried.
    pub depth: u32,
    /// The rule, or the account that asked.
    pub by: String,
}

/// Where a job stands among failures and retries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Standing {
    pub marks: Vec<Mark>,
    /// Of a failure that no rule knows.
    pub group: Option<FailureGroup>,
    /// When the job is a retry.
    pub made: Option<Made>,
    /// Its retries.
    pub retried_as: Vec<JobId>,
    /// The jobs that somebody made of it, oldest first; at most 100.
    pub resubmitted_as: Vec<JobId>,
    pub pending: Option<PendingRetry>,
    /// Why a known failure is not retried by itself, in words.
    pub not_retried: Option<String>,
}

/// How often a rule has matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleDays {
    /// A number a day (UTC), the last is today.
    pub days: Vec<u64>,
    /// The latest jobs, newest first.
    pub jobs: Vec<JobId>,
}

pub(in crate::store) fn rules(txn: &ReadTransaction) -> Result<Vec<KnownRule>, StoreError> {
    let table = txn.table(RULES)?;
    let mut rules = Vec::new();
    for entry in table.range::<&str>(..)? {
        let (name, bytes) = entry?;
        rules.push(record::decode_rule(name.value(), bytes.value())?);
    }
    Ok(rules)
}

/// Jobs of a rule that ended at `since` or later, newest first.
pub(in crate::store) fn known_jobs(
    txn: &ReadTransaction,
    rule: &str,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<JobId>, StoreError> {
    let table = txn.table(BY_RULE)?;
    let range = (rule, since.as_microsecond(), 0)..=(rule, i64::MAX, u64::MAX);
    let mut jobs = Vec::new();
    for entry in table.range(range)?.rev().take(limit) {
        jobs.push(JobId(entry?.0.value().2));
    }
    Ok(jobs)
}

/// Jobs of a rule that are counted, the latest first.
const COUNTED: usize = 10_000;

/// The last `days` days of a rule, and its latest jobs, as far as `is` holds for them. Walks the
/// jobs of that time.
pub(in crate::store) fn rule_days(
    txn: &ReadTransaction,
    rule: &str,
    now: Timestamp,
    days: usize,
    limit: usize,
    is: impl Fn(JobId) -> Result<bool, StoreError>,
) -> Result<RuleDays, StoreError> {
    let table = txn.table(BY_RULE)?;
    let today = day(now);
    let first = today - i64::try_from(days).unwrap_or(i64::MAX) + 1;
    let from = first.saturating_mul(86_400_000_000);
    let mut counted = vec![0; days];
    let range = (rule, from, 0)..=(rule, i64::MAX, u64::MAX);
    for entry in table.range(range)?.rev().take(COUNTED) {
        let (_, end, id) = entry?.0.value();
        if !is(JobId(id))? {
            continue;
        }
        let slot = end.div_euclid(86_400_000_000) - first;
        // An engine's clock may be a little ahead of ours.
        let slot = usize::try_from(slot).unwrap_or(0).min(days.saturating_sub(1));
        counted[slot] += 1;
    }
    let mut jobs = Vec::new();
    for id in known_jobs(txn, rule, Timestamp::MIN, limit)? {
        if is(id)? {
            jobs.push(id);
        }
    }
    Ok(RuleDays { days: counted, jobs })
}

/// Largest first, of equals the latest first.
pub(in crate::store) fn groups(
    txn: &ReadTransaction,
    limit: usize,
) -> Result<Vec<FailureGroup>, StoreError> {
    let by_size = txn.table(BY_SIZE)?;
    let mut groups = Vec::new();
    for entry in by_size.range::<(u64, i64, u64)>(..)?.rev().take(limit) {
        let (_, _, of) = entry?.0.value();
        let group = group(txn, Signature(of))?;
        let missing =
            || StoreError::Damaged { what: format!("the group {}", Signature(of)), source: None };
        groups.push(group.ok_or_else(missing)?);
    }
    Ok(groups)
}

pub(in crate::store) fn group_count(txn: &ReadTransaction) -> Result<u64, StoreError> {
    txn.table(GROUPS)?.len()
}

pub(in crate::store) fn group(
    txn: &ReadTransaction,
    signature: Signature,
) -> Result<Option<FailureGroup>, StoreError> {
    let table = txn.table(GROUPS)?;
    let Some(group) = table.get(signature.0)? else { return Ok(None) };
    let (count, first, last, sample) = group.value();
    let (first, last) = (time(first, sample)?, time(last, sample)?);
    Ok(Some(FailureGroup { signature, count, first, last, sample: JobId(sample) }))
}

/// Jobs of a group, newest first.
pub(in crate::store) fn group_jobs(
    txn: &ReadTransaction,
    signature: Signature,
    limit: usize,
) -> Result<Vec<JobId>, StoreError> {
    let table = txn.table(GROUPED)?;
    let whole = (signature.0, i64::MIN, 0)..=(signature.0, i64::MAX, u64::MAX);
    let mut jobs = Vec::new();
    for entry in table.range(whole)?.rev().take(limit) {
        jobs.push(JobId(entry?.0.value().2));
    }
    Ok(jobs)
}

/// What is kept of a job's failure.
pub(in crate::store) fn failure(
    txn: &ReadTransaction,
    id: JobId,
) -> Result<Option<(Signature, Failure)>, StoreError> {
    let Some(job) = read::job(txn, id)? else { return Ok(None) };
    let Some(key) = tables::end_key(&job) else { return Ok(None) };
    let table = txn.table(FAILURES)?;
    let bytes = table.get(key)?;
    bytes.map(|bytes| record::decode_failure(id.0, bytes.value())).transpose()
}

/// Some failures, and where the next one is, if there is one.
pub(in crate::store) type FailurePage = (Vec<(JobId, Failure)>, Option<EndKey>);

/// Failures kept, from `from` on, oldest first, and where to go on.
pub(in crate::store) fn failures(
    txn: &ReadTransaction,
    from: EndKey,
    limit: usize,
) -> Result<FailurePage, StoreError> {
    let table = txn.table(FAILURES)?;
    let mut found = Vec::new();
    let mut last = from;
    for entry in table.range(from..)?.take(limit) {
        let (key, bytes) = entry?;
        last = key.value();
        found.push((JobId(last.1), record::decode_failure(last.1, bytes.value())?.1));
    }
    let next = (found.len() == limit).then_some((last.0, last.1 + 1));
    Ok((found, next))
}

pub(in crate::store) fn standing(txn: &ReadTransaction, id: JobId) -> Result<Standing, StoreError> {
    let marks = marks(txn, id)?;
    let group = match failure(txn, id)? {
        Some((signature, _)) if marks.is_empty() => group(txn, signature)?,
        Some(_) | None => None,
    };
    let retries = txn.table(RETRIES)?;
    let made = retries.get(id.0)?.map(|made| {
        let (from, depth, by) = made.value();
        Made { from: JobId(from), depth, by: by.to_owned() }
    });
    let pending = pending(txn, usize::MAX)?.into_iter().find(|pending| pending.job == id);
    let not_retried = txn.table(NOT_RETRIED)?;
    let not_retried = not_retried.get(id.0)?;
    let not_retried = not_retried.map(|why| why.value().to_owned());
    let retried_as = retried_as(txn, id)?;
    let resubmitted_as = made_of(txn, RESUBMITTED, id, MOST_RESUBMITTED)?;
    Ok(Standing { marks, group, made, retried_as, resubmitted_as, pending, not_retried })
}

/// How a job stands; where it has not passed and `retries` count, that of its retries that has, or
/// that was made last.
pub(in crate::store) fn stands(
    txn: &ReadTransaction,
    id: JobId,
    retries: bool,
) -> Result<Option<Stands>, StoreError> {
    let (mut open, mut last) = (vec![id], None);
    while let Some(id) = open.pop() {
        let Some(job) = read::job(txn, id)? else { continue };
        let stands = Stands { job: id, state: job.state, verdict: job.verdict, is_retried: false };
        if stands.has_passed() || !retries {
            return Ok(Some(stands));
        }
        if last.is_none_or(|last: Stands| last.job < id) {
            last = Some(stands);
        }
        open.extend(retried_as(txn, id)?);
    }
    let Some(stands) = last.filter(|last| last.state == JobState::Ended) else { return Ok(last) };
    let pending = pending(txn, usize::MAX)?;
    let is_retried = pending.iter().any(|pending| pending.job == stands.job);
    Ok(Some(Stands { is_retried, ..stands }))
}

/// The retries of a job, oldest first.
pub(in crate::store) fn retried_as(
    txn: &ReadTransaction,
    id: JobId,
) -> Result<Vec<JobId>, StoreError> {
    made_of(txn, RETRIED, id, usize::MAX)
}

/// The jobs that stand beside one in a table of what was made of which, oldest first.
fn made_of(
    txn: &ReadTransaction,
    table: TableDefinition<'_, (u64, u64), ()>,
    id: JobId,
    limit: usize,
) -> Result<Vec<JobId>, StoreError> {
    let table = txn.table(table)?;
    let all = table.range((id.0, 0)..=(id.0, u64::MAX))?;
    let number = |entry: Result<(AccessGuard<'_, (u64, u64)>, _), _>| Ok(JobId(entry?.0.value().1));
    all.take(limit).map(number).collect()
}

fn marks(txn: &ReadTransaction, id: JobId) -> Result<Vec<Mark>, StoreError> {
    let table = txn.table(MARKS)?;
    let rules = txn.table(RULES)?;
    let mut marks = Vec::new();
    for entry in table.range((id.0, "")..(id.0 + 1, ""))? {
        let (key, later) = entry?;
        let (_, name) = key.value();
        let bytes = rules.get(name)?;
        let rule = bytes.map(|bytes| record::decode_rule(name, bytes.value())).transpose()?;
        let bug = rule.and_then(|rule| rule.bug);
        marks.push(Mark { rule: name.to_owned(), later: later.value(), bug });
    }
    Ok(marks)
}

/// Retries that wait for their time, the next one first.
pub(in crate::store) fn pending(
    txn: &ReadTransaction,
    limit: usize,
) -> Result<Vec<PendingRetry>, StoreError> {
    let table = txn.table(PENDING)?;
    let mut found = Vec::new();
    for entry in table.range::<EndKey>(..)?.take(limit) {
        let (key, rule) = entry?;
        let (due, id) = key.value();
        let (due, rule) = (time(due, id)?, rule.value().to_owned());
        found.push(PendingRetry { job: JobId(id), due, rule });
    }
    Ok(found)
}

/// Retries the box has decided on by itself on the day of `at`.
pub(in crate::store) fn retries_on(
    txn: &ReadTransaction,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let table = txn.table(RETRY_DAYS)?;
    Ok(table.get(day(at))?.map_or(0, |count| count.value()))
}

fn time(us: i64, id: u64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(us).map_err(|error| StoreError::Damaged {
        what: format!("a time of job {id}"),
        source: Some(std::sync::Arc::new(error)),
    })
}
