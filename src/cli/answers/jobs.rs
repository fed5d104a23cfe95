//! Jobs, and what has become of them.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{failures::Standing, times::Expected};
use crate::model::{Cause, JobId, JobState, Kept, Outcome, Removal, Submitter, Verdict};

/// `GET /api/jobs`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct JobList {
    pub jobs: Vec<Job>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Job {
    pub number: JobId,
    pub uuid: Uuid,
    /// Path of its page.
    pub url: String,
    pub name: String,
    pub state: JobState,
    pub verdict: Option<Verdict>,
    pub cause: Option<Cause>,
    /// Why it waits.
    pub reason: Option<String>,
    /// Why it was started when it was, and there.
    #[serde(default)]
    pub decision: Option<String>,
    pub cancel_asked: bool,
    pub submitter: Submitter,
    pub way_in: String,
    pub submitted: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub running_ms: Option<u64>,
    #[serde(default)]
    pub kept: Option<Kept>,
    /// The rule that knows why it failed.
    #[serde(default)]
    pub known_failure: Option<String>,
}

impl Job {
    pub(in crate::cli) fn running(&self) -> Option<Duration> {
        self.running_ms.map(Duration::from_millis)
    }
}

/// `POST /api/jobs/{id}/cancel`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Canceled {
    pub stops: Stops,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli) enum Stops {
    BeforeItStarts,
    Soon,
    AtOnce,
}

/// `POST /api/jobs/bulk`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Bulk {
    pub results: Vec<BulkResult>,
}

/// What has come of one of many.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct BulkResult {
    pub number: JobId,
    pub words: String,
    #[serde(default)]
    pub refused: bool,
    pub resubmitted_as: Option<JobId>,
}

/// `GET /api/jobs/{id}`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Record {
    #[serde(flatten)]
    pub job: Job,
    #[serde(default)]
    pub definition: String,
    pub run: Run,
    #[serde(default)]
    pub removed: Vec<Removal>,
    #[serde(default)]
    pub standing: Standing,
    #[serde(default)]
    pub expected: Option<Expected>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Run {
    pub items: Vec<Item>,
}

/// A module with its steps, or a step that stands alone.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Item {
    pub module: Option<Module>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Module {
    pub name: String,
    /// None while it runs.
    pub result: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Step {
    pub verb: String,
    pub subject: String,
    pub took_ms: Option<u64>,
    pub result: Option<Outcome>,
    /// Why, when it is not ok.
    pub words: String,
}

/// `POST /api/jobs`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Submitted {
    pub number: JobId,
    /// Path of its page.
    pub url: String,
    /// Nothing when that was not known at once.
    #[serde(default)]
    pub expected: Option<Expected>,
}
