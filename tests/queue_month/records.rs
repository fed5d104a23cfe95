//! What the appliance's store would say of the jobs.

use sutler::{
    decide::Stands,
    model::{After, JobId, JobState, Must, Verdict},
};

use super::work::Job;

pub(super) struct Record {
    pub job: Job,
    pub state: JobState,
    pub verdict: Option<Verdict>,
    /// Since when it has waited for nothing but its turn.
    pub in_line: Option<i64>,
    pub started: Option<i64>,
    pub ended: Option<i64>,
    /// It has been decided to retry it, and the time has not come.
    pub is_retry_due: bool,
    pub retry: Option<JobId>,
}

/// All jobs by number, from 1.
pub(super) struct Records(Vec<Record>);

impl Record {
    fn new(job: Job) -> Self {
        Self {
            job,
            state: JobState::Waiting,
            verdict: None,
            in_line: None,
            started: None,
            ended: None,
            is_retry_due: false,
            retry: None,
        }
    }

    pub(super) const fn is_good(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Passed | Verdict::Softfailed))
    }

    /// Seconds from its place in line to its start.
    pub(super) fn waited(&self) -> Option<i64> {
        Some(self.started? - self.in_line?)
    }
}

impl Records {
    pub(super) fn new(jobs: Vec<Job>) -> Self {
        Self(jobs.into_iter().map(Record::new).collect())
    }

    pub(super) fn get(&self, id: JobId) -> &Record {
        &self.0[place(id)]
    }

    pub(super) fn get_mut(&mut self, id: JobId) -> &mut Record {
        &mut self.0[place(id)]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.iter()
    }

    /// The number that the next job gets.
    pub(super) fn next_id(&self) -> JobId {
        JobId(self.0.len() as u64 + 1)
    }

    /// Takes in a retry of a job.
    pub(super) fn push_retry(&mut self, of: JobId, retry: Job) {
        let from = self.get_mut(of);
        from.is_retry_due = false;
        from.retry = Some(retry.queued.id);
        self.0.push(Record::new(retry));
    }

    /// Of each job that this one waits for how it stands.
    pub(super) fn found(&self, id: JobId) -> Vec<(After, Option<Stands>)> {
        let after = self.get(id).job.after.iter();
        after.map(|one| (*one, Some(self.stands(one.job, one.must == Must::Pass)))).collect()
    }

    /// How a job stands, or if it has to pass the last of its retries.
    fn stands(&self, job: JobId, retries: bool) -> Stands {
        let Record { state, verdict, is_retry_due, retry, .. } = *self.get(job);
        match retry {
            Some(retry) if retries => self.stands(retry, retries),
            Some(_) | None => Stands { job, state, verdict, is_retried: retries && is_retry_due },
        }
    }

    /// Looked at when all is over: whoever ran had what it waited for, and whoever was skipped had not.
    pub(super) fn dependencies_were_kept(&self) {
        for record in self.iter() {
            let (id, after) = (record.job.queued.id, &record.job.after);
            if let Some(started) = record.started {
                let is_met = after.iter().all(|one| self.is_met_by(one, started));
                assert!(is_met, "job {id} ran before what it waits for");
            }
            if record.verdict == Some(Verdict::Skipped) {
                let is_met = after.iter().all(|one| self.is_met_by(one, i64::MAX));
                assert!(!is_met, "job {id} was skipped for nothing");
            }
        }
    }

    fn is_met_by(&self, after: &After, time: i64) -> bool {
        let record = self.get(after.job);
        let is_over = record.ended.is_some_and(|ended| ended <= time);
        match after.must {
            Must::End => is_over,
            Must::Pass if is_over && record.is_good() => true,
            Must::Pass => record.retry.is_some_and(|job| {
                let retried = After { job, ..*after };
                self.is_met_by(&retried, time)
            }),
        }
    }
}

fn place(id: JobId) -> usize {
    usize::try_from(id.0 - 1).unwrap()
}
