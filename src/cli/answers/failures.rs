//! Failures, the rules that know them, and retries.

use serde::Deserialize;

use super::jobs::Job;
use crate::model::{Failure, FailureGroup, JobId, KnownRule, PendingRetry};

/// Where a job stands among failures and retries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Standing {
    pub marks: Vec<Mark>,
    pub group: Option<FailureGroup>,
    pub made: Option<Made>,
    pub retried_as: Vec<JobId>,
    pub resubmitted_as: Vec<JobId>,
    pub pending: Option<PendingRetry>,
    pub not_retried: Option<String>,
}

/// A rule that has marked a job.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Mark {
    pub rule: String,
    pub bug: Option<String>,
}

/// How a retry came to be.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Made {
    pub from: JobId,
    /// The rule, or the account that asked.
    pub by: String,
}

/// `GET /api/known`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct KnownList {
    pub rules: Vec<Counted>,
    pub retry: Retrying,
}

/// A rule, and how often it has matched.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Counted {
    #[serde(flatten)]
    pub rule: KnownRule,
    /// A number a day, the last is today.
    pub days: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Retrying {
    pub per_day: u32,
    pub today: u64,
    pub pending: Vec<PendingRetry>,
}

/// `GET /api/known/{name}`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct KnownJobs {
    pub rule: KnownRule,
    /// Newest first.
    pub jobs: Vec<KnownJob>,
    /// These are the newest, and there are more.
    #[serde(default)]
    pub more: bool,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct KnownJob {
    #[serde(flatten)]
    pub job: Job,
    pub retried_as: Vec<JobId>,
}

/// `POST /api/failures/try`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Tried {
    pub looked: u64,
    pub matched: u64,
    pub jobs: Vec<KnownJob>,
}

/// `POST /api/known/{name}/apply`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Applied {
    pub marked: u64,
}

/// `GET /api/failures`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Groups {
    pub groups: Vec<Group>,
}

/// Failures of one kind, and the last of them.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Group {
    #[serde(flatten)]
    pub group: FailureGroup,
    pub failure: Failure,
    /// What makes it known.
    pub command: String,
}

/// `POST /api/jobs/{id}/retry`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Retried {
    pub number: JobId,
    pub retried_from: JobId,
}
