//! The appliance itself, and why it refuses.

use std::time::Duration;

use serde::Deserialize;

use crate::config::Timeouts;

/// `GET /api/status`
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Status {
    pub data: std::path::PathBuf,
    /// Folders its jobs may read from.
    pub roots: Vec<std::path::PathBuf>,
    /// Addresses its pages are at.
    pub listen: Vec<String>,
    /// An older one does not tell; then those that are built in.
    #[serde(default)]
    pub timeouts: SetTimeouts,
}

/// How long jobs may take that do not say.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(in crate::cli) struct SetTimeouts {
    job_ms: Option<u64>,
    action_ms: Option<u64>,
    step_ms: Option<u64>,
    queue_ms: Option<u64>,
    most_ms: Option<u64>,
}

impl From<SetTimeouts> for Timeouts {
    fn from(SetTimeouts { job_ms, action_ms, step_ms, queue_ms, most_ms }: SetTimeouts) -> Self {
        let [job, action, step, queue, most] =
            [job_ms, action_ms, step_ms, queue_ms, most_ms].map(|ms| ms.map(Duration::from_millis));
        Self { job, action, step, queue, most: most.unwrap_or(Self::MOST) }
    }
}

impl Status {
    /// The whole address of a page.
    pub(in crate::cli) fn page(&self, path: &str) -> Option<String> {
        let at = self.listen.first()?;
        let scheme = if at.contains("://") { "" } else { "http://" };
        Some(format!("{scheme}{}{path}", at.trim_end_matches('/')))
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Problem {
    pub status: u16,
    pub detail: String,
    /// One for each thing wrong with a job file.
    #[serde(default)]
    pub problems: Vec<Fault>,
}

#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Fault {
    pub line: usize,
    pub column: usize,
    #[serde(default)]
    pub path: String,
    pub found: String,
    pub expected: String,
    #[serde(default)]
    pub help: Option<String>,
}
