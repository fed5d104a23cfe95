//! Whether the jobs that a job waits for have come out as it needs them.

use std::fmt;

use crate::model::{After, Cause, Code, JobId, JobState, Must, Verdict, Who};

/// How a job stands that others wait for, or the last of its retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stands {
    pub job: JobId,
    pub state: JobState,
    pub verdict: Option<Verdict>,
    /// It has failed, and it has been decided to retry it.
    pub is_retried: bool,
}

impl Stands {
    pub const fn has_passed(&self) -> bool {
        matches!(self.verdict, Some(Verdict::Passed | Verdict::Softfailed))
    }
}

/// How a job stands to those it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// All is as it must be.
    Met,
    /// This one has not ended.
    Waits(After),
    /// It will never be met.
    Broken(Broken),
}

/// Why a job is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    pub job: JobId,
    /// None when there is no such job.
    pub verdict: Option<Verdict>,
}

impl Broken {
    /// As the record of the skipped job has it.
    pub fn cause(self) -> Cause {
        Cause::new(Who::Author, Code::NotMet, self.to_string())
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verdict {
            Some(verdict) => {
                write!(f, "job {} had to pass before it, and ended as {verdict}", self.job)
            }
            None => write!(f, "it was to wait for job {}, and there is no such job", self.job),
        }
    }
}

/// Of each job that is waited for how it stands; of one that must pass the last of its retries counts.
pub fn dependency(after: &[(After, Option<Stands>)]) -> Dependency {
    let mut waits = None;
    for (one, stands) in after {
        let Some(stands) = stands else {
            return Dependency::Broken(Broken { job: one.job, verdict: None });
        };
        let Stands { job, state, verdict, is_retried } = *stands;
        let is_over = state == JobState::Ended;
        match one.must {
            Must::End if is_over => {}
            Must::Pass if is_over && stands.has_passed() => {}
            Must::Pass if is_over && !is_retried => {
                return Dependency::Broken(Broken { job, verdict });
            }
            Must::Pass | Must::End => {
                waits.get_or_insert(After { job, must: one.must });
            }
        }
    }
    waits.map_or(Dependency::Met, Dependency::Waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_until_all_have_ended_as_they_must() {
        let stands = |job, state, verdict| {
            Some(Stands { job: JobId(job), state, verdict, is_retried: job == 5 })
        };
        let ended = |job, verdict| stands(job, JobState::Ended, Some(verdict));
        let found = |after: &After| match after.job.0 {
            1 => ended(1, Verdict::Passed),
            2 => ended(2, Verdict::Softfailed),
            3 => ended(3, Verdict::Failed),
            4 => stands(4, JobState::Running, None),
            5 => ended(5, Verdict::Failed),
            // It has been retried, and the retry waits.
            6 => stands(7, JobState::Waiting, None),
            _ => None,
        };
        let pass = |job| After { job: JobId(job), must: Must::Pass };
        let end = |job| After { job: JobId(job), must: Must::End };
        let broken = |job, verdict| Dependency::Broken(Broken { job: JobId(job), verdict });
        for (after, expected) in [
            (vec![], Dependency::Met),
            (vec![pass(1), pass(2), end(3)], Dependency::Met),
            (vec![pass(1), pass(4), end(4)], Dependency::Waits(pass(4))),
            // What can never be met is said at once, though another one still runs.
            (vec![pass(4), pass(3)], broken(3, Some(Verdict::Failed))),
            (vec![end(9)], broken(9, None)),
            (vec![pass(5)], Dependency::Waits(pass(5))),
            (vec![end(5)], Dependency::Met),
            (vec![pass(6)], Dependency::Waits(pass(7))),
        ] {
            let after: Vec<_> = after.into_iter().map(|one| (one, found(&one))).collect();
            assert_eq!(dependency(&after), expected, "{after:?}");
        }
    }
}
