//! What the appliance answers, as far as commands read it. More may be in it: answers grow.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::model::{
    Cause, DiskSample, JobId, JobState, Keepsake, Kept, Outcome, Removal, Submitter, Verdict,
};

/// `GET /api/jobs`
#[derive(Debug, Deserialize)]
pub(super) struct JobList {
    pub jobs: Vec<Job>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Job {
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
    pub cancel_asked: bool,
    pub submitter: Submitter,
    pub way_in: String,
    pub submitted: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub running_ms: Option<u64>,
    #[serde(default)]
    pub kept: Option<Kept>,
}

impl Job {
    pub(super) fn running(&self) -> Option<Duration> {
        self.running_ms.map(Duration::from_millis)
    }
}

/// `GET /api/jobs/{id}`
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub job: Job,
    pub run: Run,
    #[serde(default)]
    pub removed: Vec<Removal>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub items: Vec<Item>,
}

/// A module with its steps, or a step that stands alone.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub module: Option<Module>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Module {
    pub name: String,
    /// None while it runs.
    pub result: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub verb: String,
    pub subject: String,
    pub took_ms: Option<u64>,
    pub result: Option<Outcome>,
    /// Why, when it is not ok.
    pub words: String,
}

/// `GET /api/disk`
#[derive(Debug, Deserialize)]
pub(super) struct Disk {
    pub now: DiskSample,
    pub disk: u64,
    pub kept_jobs: u64,
    pub forecast: Forecast,
    pub rules: Vec<String>,
    pub next: Vec<Next>,
    pub backup_under_way: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Forecast {
    pub words: String,
}

/// What goes when its time has come.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    pub job: JobId,
    pub what: Keepsake,
    pub at: Timestamp,
    pub bytes: u64,
}

/// `POST /api/jobs`
#[derive(Debug, Deserialize)]
pub(super) struct Submitted {
    pub number: JobId,
    /// Path of its page.
    pub url: String,
}

/// `GET /api/status`
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub data: std::path::PathBuf,
    /// Folders its jobs may read from.
    pub roots: Vec<std::path::PathBuf>,
    /// Addresses its pages are at.
    pub listen: Vec<String>,
}

impl Status {
    /// The whole address of a page.
    pub(super) fn page(&self, path: &str) -> Option<String> {
        let at = self.listen.first()?;
        let scheme = if at.contains("://") { "" } else { "http://" };
        Some(format!("{scheme}{}{path}", at.trim_end_matches('/')))
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Problem {
    pub status: u16,
    pub detail: String,
    /// One for each thing wrong with a job file.
    #[serde(default)]
    pub problems: Vec<Fault>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Fault {
    pub line: usize,
    pub column: usize,
    #[serde(default)]
    pub path: String,
    pub found: String,
    pub expected: String,
    #[serde(default)]
    pub help: Option<String>,
}
