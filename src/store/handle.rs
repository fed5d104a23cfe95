//! How everyone else uses the store.

use std::{path::Path, time::Duration};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::{Change, Counts, HistoryKey, HistoryPage, Inconsistency, StoreError};
use crate::model::{Job, JobId, JobState, NewJob, Verdict};

/// How the file is opened.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// Pages kept in memory.
    pub cache_bytes: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20 }
    }
}

/// What became of a new job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    pub id: JobId,
    pub uuid: Uuid,
    /// False when this very submission (same inbox file, or same uuid) is in the store already;
    /// then these are the names it got the first time.
    pub fresh: bool,
}

/// A job was added or has changed, and that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    pub id: JobId,
    pub state: JobState,
    pub verdict: Option<Verdict>,
}

/// Sends to the writer and reads by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    changes: broadcast::Sender<Changed>,
}

/// The writer thread, for the one who closes it.
#[derive(Debug)]
pub struct Writer;

impl Store {
    /// Opens the file, or makes it, and starts the writer thread. Blocks.
    ///
    /// # Errors
    /// [`StoreError::AlreadyOpen`], [`StoreError::NewerLayout`], or the disk's refusal.
    pub fn open(_path: &Path, _settings: StoreSettings) -> Result<(Self, Writer), StoreError> {
        Err(StoreError::Closed)
    }

    /// Makes a checked job durable and gives it a number. Asked twice with the same inbox file or
    /// uuid, it is one job.
    ///
    /// # Errors
    /// [`StoreError::Disk`] or [`StoreError::Closed`]; the job is then not known to be kept.
    pub async fn submit(&self, _job: NewJob) -> Result<Submitted, StoreError> {
        Err(StoreError::Closed)
    }

    /// Changes a job and returns it as it is then.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::Ended`], [`StoreError::NotAllowed`] when the change
    /// does not fit, or the disk's refusal.
    pub async fn change(&self, _id: JobId, _change: Change) -> Result<Job, StoreError> {
        Err(StoreError::Closed)
    }

    pub async fn job(&self, _id: JobId) -> Result<Option<Job>, StoreError> {
        Err(StoreError::Closed)
    }

    pub async fn job_by_uuid(&self, _uuid: Uuid) -> Result<Option<Job>, StoreError> {
        Err(StoreError::Closed)
    }

    /// At most `limit` jobs in `state`: higher priority first, then the older one.
    pub async fn jobs_in(&self, _state: JobState, _limit: usize) -> Result<Vec<Job>, StoreError> {
        Err(StoreError::Closed)
    }

    /// At most `limit` ended jobs, newest end first, from `before` on backwards.
    pub async fn history(
        &self,
        _before: Option<HistoryKey>,
        _limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        Err(StoreError::Closed)
    }

    pub async fn counts(&self) -> Result<Counts, StoreError> {
        Err(StoreError::Closed)
    }

    /// Told after each commit. A reader that lags misses some and reads the store again.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// Walks every table and compares it with the jobs. Blocks, and takes as long as there are
    /// jobs.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn check_consistent(&self) -> Result<(), Inconsistency> {
        Ok(())
    }

    /// How long the last commit took, nearly all of it the disk's flush. Zero before the first.
    pub fn commit_time(&self) -> Duration {
        Duration::ZERO
    }
}

impl Writer {
    /// Answers what is in the channel, closes the file and ends the thread.
    pub async fn close(self) {}
}
