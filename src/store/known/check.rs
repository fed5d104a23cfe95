//! Do the tables of failures and retries say the same as the jobs, and as each other?

use std::collections::{BTreeMap, BTreeSet};

use redb::ReadTransaction;

use super::{
    record,
    tables::{
        BY_RULE, BY_SIZE, EndKey, FAILURES, GROUPED, GROUPS, Group, MARKS, NOT_RETRIED, PENDING,
        RESUBMITTED, RETRIED, RETRIES, RULES,
    },
};
use crate::{
    model::{Failure, Job, JobId, Signature},
    store::{
        Inconsistency,
        check::disagree,
        read::Jobs,
        table::{Rows as _, Snapshot as _},
    },
};

/// The bundles held by retries that wait for their time.
///
/// # Errors
/// The first disagreement found.
pub(in crate::store) fn consistent(
    txn: &ReadTransaction,
    jobs: &Jobs,
) -> Result<Vec<[u8; 32]>, Inconsistency> {
    let rules = txn.table(RULES)?;
    for entry in rules.range::<&str>(..)? {
        let (name, bytes) = entry?;
        record::decode_rule(name.value(), bytes.value())?;
    }
    let marked = marks(txn, jobs)?;
    groups(txn, failures(txn, jobs, &marked)?)?;
    retries(txn, jobs)?;
    resubmitted(txn, jobs)?;
    let not_retried = txn.table(NOT_RETRIED)?;
    for entry in not_retried.range::<u64>(..)? {
        ended("not-retried", jobs, entry?.0.value())?;
    }
    pending(txn, jobs)
}

/// The jobs that rules have marked.
fn marks(txn: &ReadTransaction, jobs: &Jobs) -> Result<BTreeSet<u64>, Inconsistency> {
    let marks = txn.table(MARKS)?;
    let by_rule = txn.table(BY_RULE)?;
    let mut marked = BTreeSet::new();
    for entry in marks.range::<(u64, &str)>(..)? {
        let (key, _) = entry?;
        let (id, rule) = key.value();
        let end = ended("known-marks", jobs, id)?.0;
        if by_rule.get((rule, end, id))?.is_none() {
            return Err(disagree("known-by-rule", format!("job {id} is not in it for {rule}")));
        }
        marked.insert(id);
    }
    let (marks, by_rule) = (marks.len()?, by_rule.len()?);
    if marks != by_rule {
        return Err(disagree("known-by-rule", format!("{by_rule} entries, not {marks}")));
    }
    Ok(marked)
}

/// The groups as the failures have them.
fn failures(
    txn: &ReadTransaction,
    jobs: &Jobs,
    marked: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Group>, Inconsistency> {
    let failures = txn.table(FAILURES)?;
    let grouped = txn.table(GROUPED)?;
    let mut groups = BTreeMap::<u64, Group>::new();
    let (mut unknown, mut known) = (0, 0);
    for entry in failures.range::<EndKey>(..)? {
        let (key, bytes) = entry?;
        let (end, id) = key.value();
        let (found, job) = ended("failures", jobs, id)?;
        if found != end || !job.verdict.is_some_and(Failure::is_one) {
            return Err(disagree("failures", format!("job {id} has not failed then")));
        }
        let (Signature(of), _) = record::decode_failure(id, bytes.value())?;
        if marked.contains(&id) {
            known += 1;
            continue;
        }
        unknown += 1;
        if grouped.get((of, end, id))?.is_none() {
            return Err(disagree("failures-by-signature", format!("job {id} is not in it")));
        }
        // Oldest first, so the first stays and the last is this one.
        let group = groups.entry(of).or_insert((0, end, end, id));
        *group = (group.0 + 1, group.1, end, id);
    }
    let grouped = grouped.len()?;
    if grouped != unknown {
        let what = format!("{grouped} entries, not {unknown}");
        return Err(disagree("failures-by-signature", what));
    }
    if known != marked.len() {
        let what = format!("{} jobs are marked, {known} of them have a failure", marked.len());
        return Err(disagree("known-marks", what));
    }
    Ok(groups)
}

fn groups(txn: &ReadTransaction, expected: BTreeMap<u64, Group>) -> Result<(), Inconsistency> {
    let table = txn.table(GROUPS)?;
    let by_size = txn.table(BY_SIZE)?;
    let mut found = BTreeMap::new();
    for entry in table.range::<u64>(..)? {
        let (of, group) = entry?;
        let (of, group) = (of.value(), group.value());
        if by_size.get((group.0, group.2, of))?.is_none() {
            let what = format!("group {} is not in it", Signature(of));
            return Err(disagree("failure-groups-by-size", what));
        }
        found.insert(of, group);
    }
    let sorted = by_size.len()?;
    if found != expected || sorted != expected.len() as u64 {
        let what = format!("{found:?}, not {expected:?}; {sorted} of them by size");
        return Err(disagree("failure-groups", what));
    }
    Ok(())
}

fn resubmitted(txn: &ReadTransaction, jobs: &Jobs) -> Result<(), Inconsistency> {
    let table = txn.table(RESUBMITTED)?;
    for entry in table.range::<(u64, u64)>(..)? {
        let (from, id) = entry?.0.value();
        let job = jobs.get(JobId(id))?.map(|stored| stored.job);
        if job.and_then(|job| job.lineage.resubmitted_from) != Some(JobId(from)) {
            return Err(disagree("resubmitted", format!("job {id} does not come from job {from}")));
        }
    }
    Ok(())
}

fn retries(txn: &ReadTransaction, jobs: &Jobs) -> Result<(), Inconsistency> {
    let retries = txn.table(RETRIES)?;
    let retried = txn.table(RETRIED)?;
    for entry in retries.range::<u64>(..)? {
        let (id, made) = entry?;
        let (id, from) = (id.value(), made.value().0);
        let job = jobs.get(JobId(id))?.map(|stored| stored.job);
        if job.and_then(|job| job.lineage.retried_from) != Some(JobId(from)) {
            return Err(disagree("retries", format!("job {id} is no retry of job {from}")));
        }
        if retried.get((from, id))?.is_none() {
            return Err(disagree("retried", format!("job {id} is not in it for job {from}")));
        }
    }
    let (retries, retried) = (retries.len()?, retried.len()?);
    if retries != retried {
        return Err(disagree("retried", format!("{retried} entries, not {retries}")));
    }
    Ok(())
}

fn pending(txn: &ReadTransaction, jobs: &Jobs) -> Result<Vec<[u8; 32]>, Inconsistency> {
    let pending = txn.table(PENDING)?;
    let mut bundles = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in pending.range::<EndKey>(..)? {
        let (_, id) = entry?.0.value();
        bundles.push(*ended("retries-pending", jobs, id)?.1.bundle.as_bytes());
        if !seen.insert(id) {
            return Err(disagree("retries-pending", format!("job {id} is in it twice")));
        }
    }
    Ok(bundles)
}

/// The end of a job that a table names, and the job.
fn ended(table: &'static str, jobs: &Jobs, id: u64) -> Result<(i64, Job), Inconsistency> {
    let job = jobs.get(JobId(id))?.map(|stored| stored.job);
    let end = |job: Job| Some((job.ended?.as_microsecond(), job));
    job.and_then(end).ok_or_else(|| disagree(table, format!("job {id} has not ended")))
}
