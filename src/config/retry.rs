//! Whether jobs that failed for a known reason are tried again by themselves.

use std::time::Duration;

/// How failed jobs are retried where a rule says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Whether jobs of every known failure are, and not only of the rules that ask for it.
    pub automatic: bool,
    /// How often one job is, its retries included.
    pub most: u32,
    /// Before the first retry; each further one waits twice as long.
    pub backoff: Duration,
    /// How many retries this box makes by itself in a day (UTC), of all jobs together.
    pub per_day: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { automatic: false, most: 1, backoff: Duration::from_secs(60), per_day: 20 }
    }
}
