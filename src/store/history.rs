//! Where a reader of the history stands, and what it gets.

use std::{fmt, str::FromStr};

use jiff::Timestamp;

use crate::model::{Job, JobId};

/// An ended job's place in the history. Written as `microseconds-number`, it stays good in an
/// address for ever: later ends come before it, and nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryKey {
    /// Since 1970, in microseconds.
    pub(super) ended_us: i64,
    pub(super) id: JobId,
}

impl HistoryKey {
    /// Before all jobs that ended at `at` or later. Counts whole microseconds.
    pub fn before(at: Timestamp) -> Self {
        Self { ended_us: at.as_microsecond(), id: JobId(0) }
    }

    /// The place of an ended job; a job that has not ended has none.
    pub fn of(job: &Job) -> Option<Self> {
        job.ended.map(|at| Self { ended_us: at.as_microsecond(), id: job.id })
    }
}

impl fmt::Display for HistoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ended_us, self.id)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in the history is written as microseconds-number, this is {found:?}")]
pub struct NotAHistoryKey {
    pub found: String,
}

impl FromStr for HistoryKey {
    type Err = NotAHistoryKey;

    fn from_str(text: &str) -> Result<Self, NotAHistoryKey> {
        let refused = || NotAHistoryKey { found: text.chars().take(80).collect() };
        let (ended, id) = text.rsplit_once('-').ok_or_else(refused)?;
        Ok(Self {
            ended_us: ended.parse().map_err(|_| refused())?,
            id: id.parse().map_err(|_| refused())?,
        })
    }
}

/// Some ended jobs, newest end first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub jobs: Vec<Job>,
    /// Where the next page begins; none when this was the last.
    pub next: Option<HistoryKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_what_it_writes() {
        for (ended_us, id) in [(0, 1), (-5, 7), (1_700_000_000_000_000, u64::MAX)] {
            let key = HistoryKey { ended_us, id: JobId(id) };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for bad in ["", "-", "12", "12-", "x-1", "1-x"] {
            assert!(bad.parse::<HistoryKey>().is_err(), "{bad}");
        }
    }
}
