//! What somebody sees of the jobs: the one way handlers come by one.
//!
//! A job that may not be seen is not there: its address answers as one that never was. Where it takes
//! a place among others, in the queue, it is a row without anything of its own ([`veil`]). A test
//! reads the sources of this room: nobody else in it asks the store for jobs.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashSet},
};

use jiff::Timestamp;

use super::{errors::WebError, params::number, state::Web};
use crate::{
    decide::{
        Dependency,
        access::{Act, may, sees},
        dependency,
    },
    estimates::{Estimate, Past, Snapshot},
    model::{
        After, Cursor, Digest, FailureGroup, Field, Identity, Job, JobId, JobState, Lineage, Must,
        Pattern, Signature, Submitter, Visibility, duration_value, terms,
    },
    store::{HistoryKey, HistoryPage, JobPage, JobsAsked, Reader, RuleDays, Standing},
};

/// The latest failures of a kind that are looked at for somebody who may not see all.
const LOOKED_AT: usize = 1_000;
/// The same of all kinds together, and the kinds.
const LOOKED_AT_IN_ALL: usize = 20_000;
const LOOKED_AT_GROUPS: usize = 200;

impl Web {
    /// A job by its number.
    ///
    /// # Errors
    /// [`WebError::NoSuchJob`], also when `who` may not see it.
    pub(super) async fn seen(&self, who: &Identity, id: JobId) -> Result<Job, WebError> {
        let job = self.store.job(id).await?.filter(|job| sees(who, job));
        job.ok_or_else(|| WebError::no_job(&id.to_string()))
    }

    /// A job by its number or uuid.
    ///
    /// # Errors
    /// As [`Web::seen`].
    pub(super) async fn find(&self, who: &Identity, name: &str) -> Result<Job, WebError> {
        let Ok(uuid) = name.parse() else { return self.seen(who, number(name)?).await };
        let job = self.store.job_by_uuid(uuid).await?.filter(|job| sees(who, job));
        job.ok_or_else(|| WebError::no_job(name))
    }

    /// How a job of `who` would stand to those it is to wait for.
    ///
    /// # Errors
    /// As [`Web::seen`].
    pub(super) async fn dependency(
        &self,
        who: &Identity,
        after: &[After],
    ) -> Result<Dependency, WebError> {
        let mut all = Vec::with_capacity(after.len());
        for one in after {
            self.seen(who, one.job).await?;
            all.push((*one, self.store.stands(one.job, one.must == Must::Pass).await?));
        }
        Ok(dependency(&all))
    }

    /// A job that `who` may decide about: theirs, or any they see for an operator.
    ///
    /// # Errors
    /// As [`Web::seen`], or why not.
    pub(super) async fn decidable(&self, who: &Identity, name: &str) -> Result<Job, WebError> {
        // Who may decide about nothing is told so, whether the job is there or not.
        may(who, Act::Submit)?;
        let job = self.find(who, name).await?;
        may(who, Act::Decide(&job.submitter))?;
        Ok(job)
    }

    /// The jobs in a state as they are: not for showing before they are [veiled](veil).
    pub(super) async fn unveiled(
        &self,
        state: JobState,
        limit: usize,
    ) -> Result<Vec<Job>, WebError> {
        Ok(self.store.jobs_in(state, limit).await?)
    }

    /// Waiting jobs in the order of the queue, those that wait for another job after all others; as
    /// [`Web::unveiled`].
    pub(super) async fn unveiled_queue(&self, limit: usize) -> Result<Vec<Job>, WebError> {
        let first: Vec<_> = self.schedule.standing().first().iter().copied().take(limit).collect();
        let is_first: BTreeSet<_> = first.iter().copied().collect();
        let mut jobs = self.store.jobs_of(first).await?;
        // The newest decision may be older than the store is now.
        jobs.retain(|job| job.state == JobState::Waiting);
        if jobs.len() < limit {
            let others = self.store.jobs_in(JobState::Waiting, limit).await?;
            jobs.extend(others.into_iter().filter(|job| !is_first.contains(&job.id)));
            jobs.truncate(limit);
        }
        Ok(jobs)
    }

    /// Numbers of all waiting jobs, in the same order.
    pub(super) async fn queue(&self) -> Result<Vec<JobId>, WebError> {
        let standing = self.schedule.standing();
        let is_first: HashSet<_> = standing.first().iter().copied().collect();
        let all = self.store.numbers_in(JobState::Waiting).await?.into_iter();
        let (first, others): (Vec<_>, Vec<_>) = all.partition(|id| is_first.contains(id));
        // The newest decision may be older than the store is now.
        let first: HashSet<_> = first.into_iter().collect();
        let mut queue: Vec<_> =
            standing.first().iter().copied().filter(|id| first.contains(id)).collect();
        queue.extend(others);
        Ok(queue)
    }

    /// Jobs by their numbers, in this order; as [`Web::unveiled`].
    pub(super) async fn unveiled_of(&self, ids: Vec<JobId>) -> Result<Vec<Job>, WebError> {
        Ok(self.store.jobs_of(ids).await?)
    }

    /// Numbers of the jobs in a state, each with its device.
    pub(super) async fn on_devices(
        &self,
        state: JobState,
    ) -> Result<Vec<(Option<String>, JobId)>, WebError> {
        Ok(self.store.pick_in(state, usize::MAX, |job| (job.device, job.id)).await?)
    }

    /// Ended jobs that `who` sees.
    pub(super) async fn history_of(
        &self,
        who: &Identity,
        before: Option<HistoryKey>,
        limit: usize,
    ) -> Result<HistoryPage, WebError> {
        let who = who.clone();
        Ok(self.store.history_where(before, limit, move |job| sees(&who, job)).await?)
    }

    /// Some of the jobs that are asked for, of those that `who` sees.
    ///
    /// Nothing else of a list says what is in the others: how many jobs are of one kind is told to
    /// whoever sees all of them, and a place among values is only told as a job they see has it.
    pub(super) async fn list(
        &self,
        who: &Identity,
        asked: JobsAsked,
        unseen: Unseen,
    ) -> Result<JobPage, WebError> {
        let JobsAsked { filter, cursor, .. } = &asked;
        let known = match cursor {
            Some(Cursor::Ended { value, .. }) => value.clone(),
            Some(Cursor::Live { .. } | Cursor::Number(_)) | None => None,
        };
        let is_all = filter.wanted.is_empty() && filter.rules.is_empty();
        // Any other question would find out something of what is behind the veil.
        let is_plain = is_all && filter.submitted.is_always() && filter.ended.is_always();
        let veils = unseen == Unseen::Veiled && is_plain;
        let reader = Reader { who: who.clone(), live_too: veils };
        let mut page = self.store.list(asked, reader).await?;
        if who.is_administrator() {
            return Ok(page);
        }
        page.in_all = page.in_all.filter(|_| is_all);
        if page.is_cut
            && let Some(Cursor::Ended { value: Some(value), .. }) = &page.next
            && known.as_ref() != Some(value)
            && !page.jobs.iter().any(|job| has(job, value))
        {
            page.next = None;
        }
        page.jobs = page.jobs.into_iter().map(|job| veil(who, job)).collect();
        Ok(page)
    }

    /// Device types to look for: those the box has, and for whoever sees all jobs those of jobs.
    pub(super) async fn device_types(
        &self,
        who: &Identity,
        limit: usize,
    ) -> Result<Vec<String>, WebError> {
        let types = self.store.device_types().await?;
        let mut names: BTreeSet<_> = types.into_iter().map(|(kind, _)| kind.name).collect();
        if who.is_administrator() {
            let of_jobs = self.store.values(Field::DeviceType, String::new(), limit).await?;
            names.extend(of_jobs.into_iter().map(|(name, _)| name));
        }
        Ok(names.into_iter().take(limit).collect())
    }

    /// Those of `ids` that `who` sees, in their order.
    pub(super) async fn visible(
        &self,
        who: &Identity,
        ids: Vec<JobId>,
    ) -> Result<Vec<JobId>, WebError> {
        if who.is_administrator() {
            return Ok(ids);
        }
        let who = who.clone();
        Ok(self.store.jobs_where(ids, move |job| sees(&who, job)).await?)
    }

    /// Where a job they see stands among failures and retries, of which they are told what they see.
    pub(super) async fn standing(&self, who: &Identity, id: JobId) -> Result<Standing, WebError> {
        let mut standing = self.store.standing(id).await?;
        standing.retried_as = self.visible(who, standing.retried_as).await?;
        standing.resubmitted_as = self.visible(who, standing.resubmitted_as).await?;
        standing.group = match standing.group {
            Some(group) => self.group_of(who, group, LOOKED_AT).await?.map(|(group, _)| group),
            None => None,
        };
        Ok(standing)
    }

    /// At most `limit` kinds of failures that no rule knows, the largest first, each with the latest
    /// jobs of it; and how many kinds there are, where that is counted. Of the failures that `who`
    /// does not see nothing is counted.
    pub(super) async fn failure_groups(
        &self,
        who: &Identity,
        limit: usize,
    ) -> Result<(Vec<(FailureGroup, Vec<JobId>)>, Option<u64>), WebError> {
        let of_all = who.is_administrator();
        let there = self.store.failure_group_count().await?;
        let asked = if of_all { limit } else { LOOKED_AT_GROUPS };
        let mut left = LOOKED_AT_IN_ALL;
        let mut groups = Vec::new();
        let found = self.store.failure_groups(asked).await?;
        let mut is_whole = of_all || there <= found.len() as u64;
        for group in found {
            if left == 0 {
                is_whole = false;
                break;
            }
            let most = LOOKED_AT.min(left);
            if !of_all {
                left -= most.min(usize::try_from(group.count).unwrap_or(most));
            }
            groups.extend(self.group_of(who, group, most).await?);
        }
        let all = if of_all { there } else { groups.len() as u64 };
        groups.sort_by_key(|(group, _)| Reverse((group.count, group.last, group.sample)));
        groups.truncate(limit);
        Ok((groups, is_whole.then_some(all)))
    }

    /// The kind of failures that a signature is of; as [`Web::group_of`].
    pub(super) async fn failure_group(
        &self,
        who: &Identity,
        of: Signature,
    ) -> Result<Option<(FailureGroup, Vec<JobId>)>, WebError> {
        match self.store.failure_group(of).await? {
            Some(group) => self.group_of(who, group, LOOKED_AT).await,
            None => Ok(None),
        }
    }

    /// What `who` sees of failures of one kind, of the latest `most` of them, as if there were no
    /// others; with the jobs, newest first. None when that is nothing.
    async fn group_of(
        &self,
        who: &Identity,
        group: FailureGroup,
        most: usize,
    ) -> Result<Option<(FailureGroup, Vec<JobId>)>, WebError> {
        let latest = self.store.group_jobs(group.signature, most).await?;
        let jobs = self.visible(who, latest).await?;
        let (Some(&sample), Some(&first)) = (jobs.first(), jobs.last()) else { return Ok(None) };
        if who.is_administrator() {
            return Ok(Some((FailureGroup { sample, ..group }, jobs)));
        }
        let ends = self.store.jobs_of(vec![first, sample]).await?;
        let ends: Vec<_> = ends.iter().filter_map(|job| job.ended).collect();
        let (Some(&first), Some(&last)) = (ends.first(), ends.last()) else { return Ok(None) };
        let count = jobs.len() as u64;
        Ok(Some((FailureGroup { count, first, last, sample, ..group }, jobs)))
    }

    /// Failures that a pattern matches, oldest first, and how many it was tried on.
    pub(super) async fn try_pattern(
        &self,
        who: &Identity,
        pattern: Pattern,
        since: Timestamp,
    ) -> Result<(Vec<JobId>, usize), WebError> {
        let (found, looked) = self.store.try_pattern(pattern, since, usize::MAX).await?;
        Ok((self.visible(who, found).await?, self.visible(who, looked).await?.len()))
    }

    /// How often a rule has matched what `who` sees. The rest is not counted: whoever writes a rule
    /// could count what is in jobs that they do not see.
    pub(super) async fn rule_days(
        &self,
        who: &Identity,
        rule: &str,
        days: usize,
        limit: usize,
    ) -> Result<RuleDays, WebError> {
        if who.is_administrator() {
            return Ok(self.store.rule_days(rule, days, limit).await?);
        }
        let who = who.clone();
        let sees = move |job: &Job| sees(&who, job);
        Ok(self.store.rule_days_where(rule, days, limit, sees).await?)
    }

    /// Whether `who` may know that jobs of this name are there.
    pub(super) async fn knows(&self, who: &Identity, name: &str) -> Result<bool, WebError> {
        Ok(!self.known_names(who, [name]).await?.is_empty())
    }

    /// What is known of the times of jobs of a name. For whom may not know the name it is one that no
    /// job has had.
    pub(super) async fn past_of(
        &self,
        who: &Identity,
        name: &str,
        device_type: &str,
    ) -> Result<Past, WebError> {
        if self.knows(who, name).await? {
            return Ok(Past::read(&self.store, name, device_type).await?);
        }
        Ok(Past::of_device(&self.store.device_times(device_type.to_owned()).await?))
    }

    /// A job and what is known of the times of those of its name, which whoever sees it may know.
    ///
    /// # Errors
    /// As [`Web::seen`].
    pub(super) async fn seen_with_past(
        &self,
        who: &Identity,
        id: JobId,
    ) -> Result<(Job, Past), WebError> {
        let found = self.store.job_and_times(id).await?.filter(|(job, _)| sees(who, job));
        let (job, times) = found.ok_or_else(|| WebError::no_job(&id.to_string()))?;
        Ok((job, Past::of(&times)))
    }

    /// Those of `names` that `who` may know of.
    pub(super) async fn known_names<'a>(
        &self,
        who: &Identity,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeSet<String>, WebError> {
        let names = names.into_iter().map(str::to_owned).collect();
        Ok(self.store.known_names(who.clone(), names).await?)
    }
}

/// Whether a list sorted by such a value may have a job there.
fn has(job: &Job, value: &str) -> bool {
    terms(job).iter().any(|term| term.value == value)
        || duration_value(job).is_some_and(|duration| duration == value)
}

/// What becomes of jobs in the queue that whoever asks for a list does not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unseen {
    LeftOut,
    /// They take their place, where nothing but the state is asked for.
    Veiled,
}

/// The job, or for whom may not see it what is left of it: that it is there, in which state, since
/// when, on what device and how important.
pub(super) fn veil(who: &Identity, job: Job) -> Job {
    if sees(who, &job) {
        return job;
    }
    Job {
        uuid: uuid::Uuid::nil(),
        name: String::new(),
        definition: String::new(),
        definition_hash: Digest::of(b""),
        bundle: Digest::of(b""),
        submitter: Submitter::untold(),
        tags: Vec::new(),
        settings: std::collections::BTreeMap::new(),
        metadata: std::collections::BTreeMap::new(),
        visibility: Visibility::Personal,
        stream: None,
        group: None,
        server: None,
        cause: None,
        backend: serde_json::Map::new(),
        lineage: Lineage::default(),
        parts: Vec::new(),
        known_failure: None,
        holdings: crate::model::Holdings::default(),
        ..job
    }
}

/// What is expected of a job. Of a veiled one nothing is told: how long it takes is known from others of
/// its name.
pub(super) fn foretold(told: &Snapshot, job: &Job, now: Timestamp) -> Option<Estimate> {
    if is_veiled(job) { None } else { told.get(job.id, now) }
}

/// Whether nothing of a job is shown: one that is shown has a name, for job files without one are
/// refused.
pub(super) fn is_veiled(job: &Job) -> bool {
    job.name.is_empty()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        markup::samples,
        model::{Door, Role},
    };

    #[test]
    fn nobody_else_in_this_room_asks_the_store_for_jobs() {
        let room = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
        let calls = [
            "store.job(",
            "job_and_times(",
            "known_times(",
            "store.jobs_of(",
            "as_they_are(",
            "job_by_uuid(",
            "jobs_in(",
            "numbers_in(",
            "pick_in(",
            "store.history",
            "store.list(",
            "store.values(",
            "store.failure_group",
            "store.group_jobs(",
            "store.try_pattern(",
            "Past::",
            "estimates.now().get(",
            "estimates.get(",
            "ahead.get(",
        ];
        for entry in fs::read_dir(room).unwrap() {
            let file = entry.unwrap().path();
            if file.is_dir() || file.ends_with("sight.rs") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let text: String = text.split_whitespace().collect();
            for call in calls {
                assert!(!text.contains(call), "{}: {call}", file.display());
            }
        }
    }

    #[test]
    fn a_veiled_job_says_nothing_of_what_it_is() {
        let mut job = samples::ended(7, "secret name", crate::model::Verdict::Failed, 3);
        job.visibility = Visibility::Personal;
        let other = Identity::account(77, "eve".into(), Some(Role::Operator), Door::Socket);
        let owner = Identity::account(1000, "ada".into(), Some(Role::Guest), Door::Socket);
        assert_eq!(veil(&owner, job.clone()), job);
        let veiled = veil(&other, job.clone());
        assert!(is_veiled(&veiled) && !is_veiled(&job));
        assert_eq!((veiled.id, veiled.state), (job.id, job.state));
        let told = serde_json::to_string(&veiled).unwrap();
        for secret in
            ["secret", "\"ada\"", "1000", "uefi", "English", "20230607", "installer", "no needle"]
        {
            assert!(!told.contains(secret), "{secret} in {told}");
        }
    }
}
