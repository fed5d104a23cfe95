//! What is kept, and what goes.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{DiskSample, JobId, Keepsake};

/// `GET /api/disk`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Disk {
    pub now: DiskSample,
    pub disk: u64,
    pub kept_jobs: u64,
    pub screens: Screens,
    pub forecast: Forecast,
    pub rules: Vec<String>,
    pub next: Vec<Next>,
    pub backup_under_way: bool,
}

/// What keeping screens once and small has come to.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Screens {
    pub screens: u64,
    pub shared: u64,
    pub bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Forecast {
    pub words: String,
}

/// What goes when its time has come.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Next {
    pub job: JobId,
    pub what: Keepsake,
    pub at: Timestamp,
    pub bytes: u64,
}
