//! How everyone else asks the store about failures and retries.

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    RuleDays, Standing, read,
    work::{Again, Ended, KnownWork},
};
use crate::{
    clock,
    config::Retry,
    decide::{
        Stands,
        known::{Matcher, matching},
    },
    model::{Failure, FailureGroup, Job, JobId, KnownRule, Pattern, PendingRetry, Signature},
    store::{
        Change, Store, StoreError,
        read::Jobs,
        writer::{Outcome, Work},
    },
};

/// Failures looked at, and jobs marked, at a time.
const STEP: usize = 256;

impl Store {
    /// Ends a job, marks it with the rules that know its failure, and decides whether it is retried
    /// by itself; all of that is one transaction.
    ///
    /// # Errors
    /// As [`Store::change`].
    pub async fn end(
        &self,
        id: JobId,
        change: Change,
        failure: Option<Failure>,
        settings: Retry,
    ) -> Result<Job, StoreError> {
        let failure = failure.map(Failure::bounded);
        let rules = match &failure {
            Some(failure) => match self.matching(failure.clone()).await {
                // A job ends, whatever has become of the rules.
                Err(error @ StoreError::Damaged { .. }) => {
                    tracing::error!(%id, error = &error as &dyn std::error::Error, "not known");
                    Vec::new()
                }
                found => found?,
            },
            None => Vec::new(),
        };
        let now = clock::now();
        let ended = Ended { id, change, failure, rules, settings, now };
        Ok(self.ask_known(KnownWork::End(Box::new(ended))).await?.job().0)
    }

    /// Names of the rules that are on and know this failure, in order.
    async fn matching(&self, failure: Failure) -> Result<Vec<String>, StoreError> {
        self.read(move |txn| {
            let rules = read::rules(txn)?;
            let found = matching(&rules, &failure);
            Ok(found.into_iter().map(|rule| rule.name.clone()).collect())
        })
        .await
    }

    /// Runs an ended job once more because `by` asks for it. A retry that waits for its time is
    /// taken away: it is this one.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::NotEnded`], [`StoreError::NoBundle`], or the disk's
    /// refusal.
    pub async fn retry(&self, job: JobId, uuid: Uuid, by: String) -> Result<Job, StoreError> {
        self.again(Again { job, uuid, now: clock::now(), by: Some(by) }).await
    }

    /// Makes the retry that waits for `job`. Asked twice, the second is refused.
    ///
    /// # Errors
    /// [`StoreError::NotDue`] when none waits, or its rule was switched off meanwhile; and as
    /// [`Store::retry`].
    pub async fn retry_due(&self, job: JobId, uuid: Uuid) -> Result<Job, StoreError> {
        self.again(Again { job, uuid, now: clock::now(), by: None }).await
    }

    async fn again(&self, again: Again) -> Result<Job, StoreError> {
        let id = again.job;
        match self.ask_known(KnownWork::Retry(again)).await? {
            Outcome::Job { job, .. } if job.id != id => Ok(job),
            // Nobody wants it any more.
            Outcome::Job { .. }
            | Outcome::Done
            | Outcome::Part(_)
            | Outcome::Count(_)
            | Outcome::Set(_) => Err(StoreError::NotDue(id)),
        }
    }

    /// Adds a rule, or changes the one of that name. Who may do so is not asked here, and neither is
    /// whether it can be used: see [`decide::known::check`](crate::decide::known::check).
    ///
    /// # Errors
    /// [`StoreError::RuleThere`], [`StoreError::TooManyRules`], or the disk's refusal.
    pub async fn put_rule(&self, rule: KnownRule, replace: bool) -> Result<(), StoreError> {
        self.ask_known(KnownWork::PutRule { rule: Box::new(rule), replace }).await.map(drop)
    }

    /// Takes a rule away, and the marks it got later than at the end of their jobs. Jobs that ended
    /// with it keep it in their record.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRule`], or the disk's refusal.
    pub async fn remove_rule(&self, name: &str) -> Result<(), StoreError> {
        // The rule goes last: what was cut short is begun again.
        let mut from = Some((i64::MIN, 0));
        while let Some(place) = from {
            let work = KnownWork::Unmark { rule: name.into(), from: place, most: STEP };
            from = match self.ask_known(work).await? {
                Outcome::Part(next) => next,
                Outcome::Job { .. } | Outcome::Done | Outcome::Count(_) | Outcome::Set(_) => None,
            };
        }
        self.ask_known(KnownWork::RemoveRule { name: name.into() }).await.map(drop)
    }

    /// All rules, by name.
    pub async fn rules(&self) -> Result<Vec<KnownRule>, StoreError> {
        self.read(read::rules).await
    }

    /// Failures that ended at `since` or later and look like `pattern`, oldest first; at most
    /// `limit`. All that were looked at, too.
    ///
    /// A pattern that cannot be used finds none.
    pub async fn try_pattern(
        &self,
        pattern: Pattern,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<JobId>, Vec<JobId>), StoreError> {
        let Ok(matcher) = Matcher::new(&pattern) else { return Ok((Vec::new(), Vec::new())) };
        let mut from = Some((since.as_microsecond(), 0));
        let (mut found, mut looked) = (Vec::new(), Vec::new());
        while let Some(place) = from {
            let matcher = matcher.clone();
            let (jobs, all, next) = self.matching_from(matcher, place).await?;
            looked.extend(all);
            found.extend(jobs);
            from = next;
        }
        found.truncate(limit);
        Ok((found, looked))
    }

    /// Marks all failures of the past that a rule knows. How many it did not know before.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRule`], or the disk's refusal; what was marked by then stays marked, and
    /// the same may be asked again.
    pub async fn apply_rule(&self, name: &str) -> Result<u64, StoreError> {
        let rule = self.rules().await?.into_iter().find(|rule| rule.name == name);
        let rule = rule.ok_or_else(|| StoreError::NoSuchRule { name: name.into() })?;
        let Ok(matcher) = Matcher::new(&rule.pattern) else { return Ok(0) };
        let mut from = Some((i64::MIN, 0));
        let mut marked = 0;
        while let Some(place) = from {
            let (jobs, _, next) = self.matching_from(matcher.clone(), place).await?;
            let work = KnownWork::Mark { rule: name.into(), jobs };
            if let Outcome::Count(count) = self.ask_known(work).await? {
                marked += count;
            }
            from = next;
        }
        Ok(marked)
    }

    /// Of the next failures, those that match; all that there were; where to go on.
    async fn matching_from(
        &self,
        matcher: Matcher,
        from: (i64, u64),
    ) -> Result<(Vec<JobId>, Vec<JobId>, Option<(i64, u64)>), StoreError> {
        self.read(move |txn| {
            let (failures, next) = read::failures(txn, from, STEP)?;
            let all = failures.iter().map(|(id, _)| *id).collect();
            let fits = |(id, failure): &(JobId, Failure)| matcher.matches(failure).then_some(*id);
            Ok((failures.iter().filter_map(fits).collect(), all, next))
        })
        .await
    }

    /// At most `limit` jobs of a rule that ended at `since` or later, newest first.
    pub async fn known_jobs(
        &self,
        rule: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        let rule = rule.to_owned();
        self.read(move |txn| read::known_jobs(txn, &rule, since, limit)).await
    }

    /// How often a rule has matched on each of the last `days` days, and its `limit` latest jobs.
    pub async fn rule_days(
        &self,
        rule: &str,
        days: usize,
        limit: usize,
    ) -> Result<RuleDays, StoreError> {
        let (rule, now) = (rule.to_owned(), clock::now());
        self.read(move |txn| read::rule_days(txn, &rule, now, days, limit, |_| Ok(true))).await
    }

    /// The same of those jobs that `is` holds for.
    pub async fn rule_days_where(
        &self,
        rule: &str,
        days: usize,
        limit: usize,
        is: impl Fn(&Job) -> bool + Send + 'static,
    ) -> Result<RuleDays, StoreError> {
        let (rule, now) = (rule.to_owned(), clock::now());
        self.read(move |txn| {
            let jobs = Jobs::open(txn)?;
            let is = |id| Ok(jobs.get(id)?.is_some_and(|stored| is(&stored.job)));
            read::rule_days(txn, &rule, now, days, limit, is)
        })
        .await
    }

    /// At most `limit` groups of failures no rule knows, largest first.
    pub async fn failure_groups(&self, limit: usize) -> Result<Vec<FailureGroup>, StoreError> {
        self.read(move |txn| read::groups(txn, limit)).await
    }

    /// One group, while there is a failure in it.
    pub async fn failure_group(&self, of: Signature) -> Result<Option<FailureGroup>, StoreError> {
        self.read(move |txn| read::group(txn, of)).await
    }

    /// How many groups there are.
    pub async fn failure_group_count(&self) -> Result<u64, StoreError> {
        self.read(read::group_count).await
    }

    /// The latest jobs of a group, newest first.
    pub async fn group_jobs(
        &self,
        signature: Signature,
        limit: usize,
    ) -> Result<Vec<JobId>, StoreError> {
        self.read(move |txn| read::group_jobs(txn, signature, limit)).await
    }

    /// What is kept of a job's failure.
    pub async fn failure(&self, job: JobId) -> Result<Option<(Signature, Failure)>, StoreError> {
        self.read(move |txn| read::failure(txn, job)).await
    }

    /// Where a job stands among failures and retries.
    pub async fn standing(&self, job: JobId) -> Result<Standing, StoreError> {
        self.read(move |txn| read::standing(txn, job)).await
    }

    /// How a job stands; where it has not passed and `retries` count, that of its retries that has, or
    /// that was made last.
    pub async fn stands(&self, job: JobId, retries: bool) -> Result<Option<Stands>, StoreError> {
        self.read(move |txn| read::stands(txn, job, retries)).await
    }

    /// The retries of a job, oldest first.
    pub async fn retried_as(&self, job: JobId) -> Result<Vec<JobId>, StoreError> {
        self.read(move |txn| read::retried_as(txn, job)).await
    }

    /// At most `limit` retries that wait for their time, the next one first.
    pub async fn pending_retries(&self, limit: usize) -> Result<Vec<PendingRetry>, StoreError> {
        self.read(move |txn| read::pending(txn, limit)).await
    }

    /// Retries the box has decided on by itself today (UTC).
    pub async fn retries_today(&self) -> Result<u64, StoreError> {
        let now = clock::now();
        self.read(move |txn| read::retries_on(txn, now)).await
    }

    async fn ask_known(&self, work: KnownWork) -> Result<Outcome, StoreError> {
        self.ask(Work::Known(work)).await
    }
}
