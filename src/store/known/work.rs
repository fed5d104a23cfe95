//! What the writer does about failures: ends a job with its marks and its retry decided, makes
//! retries, keeps rules, marks and unmarks.

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    config::Retry,
    decide::{
        retry::{self, Asked, Decision},
        signature,
    },
    model::{Conditions, Counted, Failure, Job, JobId, JobState, KnownRule, Lineage, NewJob},
    store::{
        Change, StoreError,
        record::Stored,
        tables::Tables,
        writer::{Outcome, change_job, waiting},
    },
};

pub(in crate::store) enum KnownWork {
    End(Box<Ended>),
    Retry(Again),
    PutRule { rule: Box<KnownRule>, replace: bool },
    RemoveRule { name: String },
    Mark { rule: String, jobs: Vec<JobId> },
    Unmark { rule: String, from: (i64, u64), most: usize },
}

/// The end of a job, and what is known of its failure.
pub(in crate::store) struct Ended {
    pub id: JobId,
    pub change: Change,
    pub failure: Option<Failure>,
    /// Names of the rules it matches, first the one it is marked with.
    pub rules: Vec<String>,
    pub settings: Retry,
    pub now: Timestamp,
}

/// A job is to be run once more.
pub(in crate::store) struct Again {
    pub job: JobId,
    /// Of the new one.
    pub uuid: Uuid,
    pub now: Timestamp,
    /// The account that asks for it. None: because it is due.
    pub by: Option<String>,
}

pub(in crate::store) fn carry_out(
    tables: &mut Tables<'_>,
    work: KnownWork,
) -> Result<Outcome, StoreError> {
    match work {
        KnownWork::End(ended) => end(tables, *ended),
        KnownWork::Retry(again) => run_again(tables, &again),
        KnownWork::PutRule { rule, replace } => {
            tables.known.put_rule(&rule, replace).map(|()| Outcome::Done)
        }
        KnownWork::RemoveRule { name } => {
            // What was marked after the marks were taken back, or the last of them.
            let (left, _) = tables.known.unmark(&name, (i64::MIN, 0), usize::MAX)?;
            for id in left {
                tables.unmarked(id, &name)?;
            }
            tables.known.remove_rule(&name).map(|()| Outcome::Done)
        }
        KnownWork::Mark { rule, jobs } => mark(tables, &rule, &jobs),
        KnownWork::Unmark { rule, from, most } => {
            let (left, next) = tables.known.unmark(&rule, from, most)?;
            for id in left {
                tables.unmarked(id, &rule)?;
            }
            Ok(Outcome::Part(next))
        }
    }
}

fn end(tables: &mut Tables<'_>, ended: Ended) -> Result<Outcome, StoreError> {
    let Ended { id, change, failure, rules, settings, now: at } = ended;
    let mut known = Vec::new();
    let (job, new) = change_job(tables, id, change, |tables, job| {
        if failure.is_some() && job.verdict.is_some_and(Failure::is_one) {
            for name in &rules {
                // One may have been removed since they were tried.
                known.extend(tables.known.rule(name)?.filter(|rule| rule.enabled));
            }
        }
        job.known_failure = known.first().map(|rule: &KnownRule| rule.name.clone());
        Ok(())
    })?;
    if let Some(failure) = failure.filter(|_| job.verdict.is_some_and(Failure::is_one)) {
        let failure = failure.bounded();
        tables.known.keep(&job, signature(&failure), &failure, &known)?;
        decide_retry(tables, &job, &known, &settings, at)?;
    }
    Ok(Outcome::Job { job, new })
}

fn decide_retry(
    tables: &mut Tables<'_>,
    job: &Job,
    rules: &[KnownRule],
    settings: &Retry,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(verdict) = job.verdict else { return Ok(()) };
    let day = retry::day(now);
    let asked = Asked {
        verdict,
        is_canceled: job.cancel_asked,
        rules,
        depth: tables.known.depth(job.id)?,
        today: tables.known.retries_on(day)?,
        now,
    };
    match retry::retry(&asked, settings) {
        Decision::Retry { at, rule } => {
            tracing::info!(job = %job.id, %rule, %at, "will be retried");
            // What came with the job stays there until its retry is made.
            tables.refer(job.bundle)?;
            tables.known.await_retry((at.as_microsecond(), job.id.0), &rule, day)
        }
        Decision::No(why) => {
            tracing::debug!(job = %job.id, %why, "will not be retried");
            // Of a failure no rule knows that goes without saying.
            if rules.is_empty() || job.cancel_asked {
                return Ok(());
            }
            tables.known.tell_not_retried(job.id, &why.to_string())
        }
    }
}

/// Takes the retry that waits for its time away and makes the job, both or none.
fn run_again(tables: &mut Tables<'_>, again: &Again) -> Result<Outcome, StoreError> {
    let &Again { job: id, uuid, now, ref by } = again;
    if let Some(known) = tables.with_uuid(uuid)? {
        let known = tables.stored(known)?.ok_or(StoreError::NoSuchJob(known))?;
        return Ok(Outcome::Job { job: known.job, new: false });
    }
    let from = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?.job;
    if from.state != JobState::Ended {
        return Err(StoreError::NotEnded(id));
    }
    if tables.bundle(from.bundle)?.is_none() {
        return Err(StoreError::NoBundle(id));
    }
    let awaited = tables.known.awaited(id)?;
    if let (None, Some((_, name))) = (by, &awaited) {
        let rule = tables.known.rule(name)?;
        let is_off = |rule: &KnownRule| !rule.enabled || rule.retry.automatic == Some(false);
        if rule.as_ref().is_none_or(is_off) {
            tables.drop_retry(&from)?;
            let why = format!("rule {name} was switched off before it was due");
            tables.known.tell_not_retried(id, &why)?;
            // That is news to whoever waits for it to pass.
            return Ok(Outcome::Job { job: from, new: true });
        }
    }
    let rule = match (by, &awaited) {
        (Some(_), _) => None,
        (None, Some((_, rule))) => Some(rule.clone()),
        (None, None) => return Err(StoreError::NotDue(id)),
    };
    let lineage =
        Lineage { retried_from: Some(id), retried_by: rule.clone(), ..Lineage::default() };
    let job = waiting(tables.next_id()?, NewJob { lineage, ..like(&from, uuid, now) });
    let mut stored = Stored { job, intake_key: None };
    stored.round();
    tables.put(None, &stored)?;
    let by = rule.as_ref().or(by.as_ref()).map_or("", String::as_str);
    tables.known.link(id, stored.job.id, by)?;
    // Only now: the bundle has the new job to hold it.
    tables.drop_retry(&from)?;
    Ok(Outcome::Job { job: stored.job, new: true })
}

/// The same job once more.
fn like(job: &Job, uuid: Uuid, now: Timestamp) -> NewJob {
    NewJob {
        uuid,
        name: job.name.clone(),
        definition: job.definition.clone(),
        definition_hash: job.definition_hash,
        bundle: job.bundle,
        submitter: job.submitter.clone(),
        way_in: job.way_in,
        submitted: now,
        priority: job.priority,
        device_type: job.device_type.clone(),
        tags: job.tags.clone(),
        settings: job.settings.clone(),
        metadata: job.metadata.clone(),
        visibility: job.visibility.clone(),
        stream: job.stream.clone(),
        needs: job.needs,
        // What it waited for has come about.
        conditions: Conditions { after: Vec::new(), ..job.conditions.clone() },
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: None,
    }
}

fn mark(tables: &mut Tables<'_>, rule: &str, jobs: &[JobId]) -> Result<Outcome, StoreError> {
    if tables.known.rule(rule)?.is_none() {
        return Err(StoreError::NoSuchRule { name: rule.into() });
    }
    let mut marked = 0;
    for id in jobs {
        if let Some(stored) = tables.stored(*id)?
            && tables.known.mark(&stored.job, rule)?
        {
            marked += 1;
            tables.happened(&stored.job, &[Counted::Known { rule: rule.into() }])?;
        }
    }
    Ok(Outcome::Count(marked))
}

impl Tables<'_> {
    /// A rule has taken back its mark of a job.
    fn unmarked(&mut self, id: JobId, rule: &str) -> Result<(), StoreError> {
        match self.stored(id)? {
            Some(stored) => self.did_not_happen(&stored.job, &Counted::Known { rule: rule.into() }),
            None => Ok(()),
        }
    }

    /// Takes away the retry that waits for a job, if one does, and gives its bundle back. Whether one did.
    pub(in crate::store) fn drop_retry(&mut self, job: &Job) -> Result<bool, StoreError> {
        let Some((due, _)) = self.known.awaited(job.id)? else { return Ok(false) };
        self.known.drop_retry(due)?;
        self.unrefer(job.bundle)?;
        Ok(true)
    }
}
