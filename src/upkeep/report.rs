//! What the disk holds, what will come of it, and what goes next: for the page and the command.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    files,
    owner::{UpkeepError, sample_now},
};
use crate::{
    config::Retention,
    decide::{
        forecast::{Forecast, forecast},
        retention::{age_limit, expiry},
    },
    model::{DiskSample, JobId, Keepsake},
    store::{Saved, Store},
    tasks,
};

/// Things that go next, at most.
const NEXT: usize = 5;

#[derive(Debug, Clone)]
pub struct DiskReport {
    pub now: DiskSample,
    /// Bytes of the whole disk.
    pub disk: u64,
    pub kept_jobs: u64,
    /// What keeping screens once and small has come to.
    pub saved: Saved,
    /// Oldest first.
    pub history: Vec<DiskSample>,
    pub forecast: Forecast,
    /// What goes next by age, soonest first.
    pub next: Vec<Next>,
    pub keep: Retention,
    /// While results are copied nothing is removed.
    pub is_backup_under_way: bool,
}

/// Something that will be removed when its time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = NextRemoval)]
pub struct Next {
    pub job: JobId,
    pub what: Keepsake,
    pub at: Timestamp,
    pub bytes: u64,
}

/// # Errors
/// When the store or the disk cannot be asked.
pub async fn report(
    store: &Store,
    data: &Path,
    keep: Retention,
) -> Result<DiskReport, UpkeepError> {
    let data = Arc::new(data.to_path_buf());
    let now = sample_now(store, &data).await?;
    let history = store.samples().await?;
    let mut next = Vec::new();
    for what in Keepsake::ALL {
        let Some(limit) = age_limit(&keep, what) else { continue };
        let oldest = store.removable(what, NEXT).await?.list;
        next.extend(oldest.into_iter().map(|one| {
            let at = expiry(&one, limit);
            Next { job: one.job, what, at, bytes: one.bytes }
        }));
    }
    next.sort_by_key(|next| (next.at, next.job, next.what));
    next.truncate(NEXT);
    let look =
        move || Ok::<_, std::io::Error>((files::space(&data)?, files::is_backup_under_way(&data)));
    let ((_, disk), is_backup_under_way) = tasks::blocking(look).await?;
    Ok(DiskReport {
        now,
        disk,
        kept_jobs: store.totals().await?.kept_jobs,
        saved: store.saved().await?,
        forecast: forecast(&now, &history, &keep),
        history,
        next,
        keep,
        is_backup_under_way,
    })
}
