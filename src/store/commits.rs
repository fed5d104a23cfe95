//! How often the store has committed, and how long that took.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Commits since the file was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Commits {
    pub count: u64,
    /// All of them together, nearly all of it the disk's flush.
    pub time: Duration,
}

/// Written by the writer, read by everybody.
#[derive(Debug, Default)]
pub(super) struct CommitLog {
    count: AtomicU64,
    time_us: AtomicU64,
}

impl CommitLog {
    pub(super) fn add(&self, took: Duration) {
        let took = took.as_micros().try_into().unwrap_or(u64::MAX);
        self.time_us.fetch_add(took, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Commits {
        Commits {
            count: self.count.load(Ordering::Relaxed),
            time: Duration::from_micros(self.time_us.load(Ordering::Relaxed)),
        }
    }
}
