//! Ends the engines of a data folder whose appliance does not run: engines outlive the appliance,
//! and before the program is removed from the box somebody must end them.

use std::{fs, io, path::Path};

use futures_util::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Engine, JobFolder, find_engine,
    follow::{GRACE_AFTER_CANCEL, GRACE_AFTER_END},
    has_engine, processes,
};
use crate::model::JobId;

/// Asks every engine to cancel its job, waits until all are gone, and kills what does not go.
/// Returns the jobs that ran. What became of them stands in their folders; the next appliance, if
/// there is one, reads it there.
///
/// # Errors
/// When an engine cannot be looked at or be ended: somebody else's, most likely.
pub async fn stop_all(data: &Path) -> io::Result<Vec<JobId>> {
    let running = running(data)?;
    let stopped = join_all(running.iter().map(|(_, folder)| stop(folder))).await;
    stopped.into_iter().collect::<io::Result<()>>()?;
    Ok(running.into_iter().map(|(job, _)| job).collect())
}

fn running(data: &Path) -> io::Result<Vec<(JobId, JobFolder)>> {
    let listing = match fs::read_dir(data.join("jobs")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listing => listing?,
    };
    let mut running = Vec::new();
    for entry in listing {
        let name = entry?.file_name();
        let Some(job) = name.to_str().and_then(|name| name.parse::<JobId>().ok()) else {
            continue;
        };
        let folder = JobFolder::new(data, job);
        if has_engine(&folder)? {
            running.push((job, folder));
        }
    }
    running.sort_by_key(|(job, _)| *job);
    Ok(running)
}

async fn stop(folder: &JobFolder) -> io::Result<()> {
    let uuid = uuid(folder)?;
    if let Some(Engine::Found(engine)) = find_engine(folder, uuid).await? {
        engine.terminate()?;
        // One that does not heed it is killed with what it has started.
        if let Ok(ended) = timeout(GRACE_AFTER_CANCEL + GRACE_AFTER_END, engine.ended()).await {
            ended?;
        }
    }
    processes::end_all(uuid).await?;
    crate::engine::clear_away(folder.path());
    Ok(())
}

/// Of the order only this is read: it may be of an older Sutler.
fn uuid(folder: &JobFolder) -> io::Result<Uuid> {
    #[derive(serde::Deserialize)]
    struct Order {
        uuid: Uuid,
    }
    let order: Order = serde_json::from_slice(&fs::read(folder.file(JobFolder::ORDER))?)?;
    Ok(order.uuid)
}
