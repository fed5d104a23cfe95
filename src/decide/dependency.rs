//! Whether the jobs that a job waits for have come out as it needs them.

use crate::model::{After, Cause, Code, JobId, JobState, Must, Verdict, Who};

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
        let words = match self.verdict {
            Some(verdict) => {
                format!("job {} had to pass before it, and ended as {verdict}", self.job)
            }
            None => format!("it was to wait for job {}, and there is no such job", self.job),
        };
        Cause::new(Who::Author, Code::NotMet, words)
    }
}

/// `found` says of a job what state it is in and how it has ended.
pub fn dependency(
    after: &[After],
    found: impl Fn(JobId) -> Option<(JobState, Option<Verdict>)>,
) -> Dependency {
    let mut waits = None;
    for one in after {
        match (found(one.job), one.must) {
            (None, _) => return Dependency::Broken(Broken { job: one.job, verdict: None }),
            (Some((JobState::Ended, verdict)), Must::Pass) => {
                if !verdict.is_some_and(has_passed) {
                    return Dependency::Broken(Broken { job: one.job, verdict });
                }
            }
            (Some((JobState::Ended, _)), Must::End) => {}
            (Some(_), _) => {
                waits.get_or_insert(*one);
            }
        }
    }
    waits.map_or(Dependency::Met, Dependency::Waits)
}

const fn has_passed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Passed | Verdict::Softfailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_waits_until_all_have_ended_as_they_must() {
        let ended = |verdict| Some((JobState::Ended, Some(verdict)));
        let found = |id: JobId| match id.0 {
            1 => ended(Verdict::Passed),
            2 => ended(Verdict::Softfailed),
            3 => ended(Verdict::Failed),
            4 => Some((JobState::Running, None)),
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
        ] {
            assert_eq!(dependency(&after, found), expected, "{after:?}");
        }
    }
}
