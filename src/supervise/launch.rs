//! Starting an engine.
//!
//! The lock that says "this job has an engine" is taken before the engine exists and handed to it
//! as its standard input: an open file description, shared across the fork, keeps its lock until
//! the last holder is gone. So there is no moment in which a living engine is not seen, and when
//! the kernel lets go of the lock, the engine is gone whatever happened to it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::{Child, Command};

use super::{JobFolder, processes};
use crate::model::EngineOrder;

/// The program that runs now, also when the file it came from has been replaced by an upgrade.
const OURSELVES: &str = "/proc/self/exe";

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("could not prepare {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the job in {} has an engine already", path.display())]
    Running { path: PathBuf },
    #[error("could not start the engine")]
    Spawn { source: io::Error },
}

/// Writes the order and starts an engine that carries it out in `folder`.
pub fn launch(folder: &JobFolder, order: &EngineOrder) -> Result<Child, LaunchError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| LaunchError::Folder { path, source }
    };
    fs::create_dir_all(folder.path()).map_err(failed(folder.path()))?;
    let lock_path = folder.file(JobFolder::LOCK);
    let lock = open_lock(&lock_path).map_err(failed(&lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LaunchError::Running { path: folder.path().into() });
        }
        Err(TryLockError::Error(source)) => {
            return Err(LaunchError::Folder { path: lock_path, source });
        }
    }
    let order_path = folder.file(JobFolder::ORDER);
    write_order(&order_path, order).map_err(failed(&order_path))?;
    let log_path = folder.file(JobFolder::LOG);
    let log = OpenOptions::new().create(true).append(true).open(&log_path);
    let log = log.map_err(failed(&log_path))?;
    let errors = log.try_clone().map_err(failed(&log_path))?;

    Command::new(OURSELVES)
        .arg0("sutler")
        .arg("engine")
        .arg(folder.path())
        .env(processes::MARK, order.uuid.to_string())
        // Only the appliance speaks for the service.
        .env_remove("NOTIFY_SOCKET")
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .stdin(Stdio::from(lock))
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors))
        .spawn()
        .map_err(|source| LaunchError::Spawn { source })
}

/// Whether a living process holds the engine's lock of this job.
pub fn has_engine(folder: &JobFolder) -> io::Result<bool> {
    let lock = match File::open(folder.file(JobFolder::LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn write_order(path: &Path, order: &EngineOrder) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(&serde_json::to_vec_pretty(order)?)?;
    file.sync_data()
}
