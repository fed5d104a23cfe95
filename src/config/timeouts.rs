//! How long jobs may take where their files do not say.

use std::time::Duration;

/// What the administrator has said; `None` is what is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub job: Option<Duration>,
    pub action: Option<Duration>,
    /// For steps that wait for something to come; each verb has a time of its own.
    pub step: Option<Duration>,
    /// How long a job may wait for its turn; as long as it takes.
    pub queue: Option<Duration>,
    /// No job is given more.
    pub most: Duration,
}

impl Timeouts {
    /// How long a job may take that does not say.
    pub const JOB: Duration = Duration::from_secs(60 * 60);
    /// How long an action may take that does not say; never more than its job.
    pub const ACTION: Duration = Duration::from_secs(10 * 60);
    /// What no job file may exceed, whoever wrote it.
    pub const MOST: Duration = Duration::from_secs(7 * 86_400);

    /// What holds for a job that was let in with `at_most`, however the settings were changed since.
    #[must_use]
    pub fn once_accepted(self, at_most: Duration) -> Self {
        let job = if at_most == self.job.unwrap_or(Self::JOB) { self.job } else { Some(at_most) };
        Self { job, most: self.most.max(at_most), ..self }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { job: None, action: None, step: None, queue: None, most: Self::MOST }
    }
}
