//! What the inbox asks about everything that lands in it, and where it hands what is a job.

use std::{fs::File, path::PathBuf};

use crate::{
    model::{IntakeKey, NewJob, Submitter},
    store::{StoreError, Submitted},
};

/// Reads what was found, copies what the job needs, and makes it durable when it is asked to.
pub trait Examine: Send + Sync + 'static {
    /// Blocks as long as it has to. `uuid`, the definition's own fields and who the owner of the file is
    /// are the examiner's; the way in and the key are set by the inbox.
    ///
    /// # Errors
    /// Why it does not become a job, or not yet.
    fn examine(&self, found: Found) -> Result<NewJob, Explanation>;

    /// Makes what was examined a job for good, or finds the one it has become already.
    fn enter(&self, job: NewJob) -> impl Future<Output = Result<Submitted, StoreError>> + Send;
}

/// Something in the inbox that looks whole.
#[derive(Debug)]
pub struct Found {
    /// As it lies in the inbox; what is not UTF-8 is replaced.
    pub name: String,
    pub path: PathBuf,
    pub content: Content,
    /// Owner of the file or folder.
    pub submitter: Submitter,
    pub key: IntakeKey,
}

#[derive(Debug)]
pub enum Content {
    /// A regular file, open for reading at its beginning: a job file or an archive. Read this and
    /// not the path, where another file may lie by now.
    File(File),
    /// A folder, at [`Found::path`]. Nothing in it has been looked at.
    Folder,
}

/// Why something does not become a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It never will as it is: it is set aside with these words for its author.
    Refused(String),
    /// Not now, through no fault of its author (no room to copy it): it is tried again.
    NotNow(String),
}
