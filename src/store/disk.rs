//! What the store knows of the disk: totals kept up with every change, and what is to be done there.

use serde::Serialize;

use crate::model::{Digest, JobId, Keepsake};

/// Bytes the jobs hold, kept up in the transactions that change them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    pub videos: u64,
    pub results: u64,
    /// Bundles of jobs whose results are there; those of jobs that have not ended count as nothing
    /// until they are measured.
    pub bundles: u64,
    /// Of videos, since the beginning; what has been removed counts still.
    pub added_videos: u64,
    /// The same of results and bundles.
    pub added_results: u64,
    /// Jobs that somebody wants kept.
    pub kept_jobs: u64,
}

/// Files that the store has as removed and that may still be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    pub job: JobId,
    pub what: Keepsake,
}

/// An ended job whose folder has not been measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmeasured {
    pub job: JobId,
    /// When it has not been measured either.
    pub bundle: Option<Digest>,
}

/// What keeping screens once and small has come to, since the store was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Saved {
    /// Screens of jobs that have ended.
    pub screens: u64,
    /// Of these, kept already for another job.
    pub shared: u64,
    /// That the folders of jobs were larger before.
    pub bytes: u64,
}
