//! The database file: opened, shared by the writer and the readers, and opened anew after the disk
//! refused something.
//!
//! redb answers nothing more once an I/O call has failed, for what is on the disk is then unknown.
//! So the failure is noted, and whoever comes next opens the file again; a full disk that has been
//! cleared needs no restart.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Database, DatabaseError};

use super::{StoreError, error::disk, migrate};

pub(super) type Open = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) struct StoreFile {
    path: PathBuf,
    open: Open,
    /// Held for reading during each transaction, for writing only to open or close.
    database: RwLock<Option<Database>>,
    failed: AtomicBool,
    closed: AtomicBool,
}

impl fmt::Debug for StoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreFile").field("path", &self.path).finish_non_exhaustive()
    }
}

pub(super) fn refused(path: &Path, error: DatabaseError) -> StoreError {
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        return StoreError::AlreadyOpen { path: path.into() };
    }
    disk("opened")(error)
}

impl StoreFile {
    pub(super) fn open(path: &Path, open: Open) -> Result<Self, StoreError> {
        let file = Self {
            path: path.into(),
            open,
            database: RwLock::new(None),
            failed: AtomicBool::new(true),
            closed: AtomicBool::new(false),
        };
        file.reopen()?;
        Ok(file)
    }

    /// Does something with the database. Transactions end inside `work`.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed.load(Ordering::Acquire) {
            self.reopen()?;
        }
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let done = work(database.as_ref().ok_or(StoreError::Closed)?);
        if matches!(done, Err(StoreError::Disk { .. })) {
            self.failed.store(true, Ordering::Release);
        }
        done
    }

    /// Gives the file free. Everyone who comes later is told [`StoreError::Closed`].
    pub(super) fn close(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        drop(database.take());
    }

    fn reopen(&self) -> Result<(), StoreError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        // Two of them on one file would refuse each other.
        drop(database.take());
        let opened = (self.open)().map_err(|error| refused(&self.path, error))?;
        migrate::prepare(&opened, &self.path)?;
        *database = Some(opened);
        self.failed.store(false, Ordering::Release);
        Ok(())
    }
}
