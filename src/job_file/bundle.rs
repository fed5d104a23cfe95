//! What travels with a job: the file alone, a folder, or a tar with the job file at its root.
//!
//! A bundle is copied, never adopted: what is accepted lies in `DATA/bundles/<hash>/` and belongs
//! to us. The hash is over the sorted paths and the contents, so the same bundle is kept once,
//! however it came. It is staged beside its place, made durable and renamed; whatever crashes in
//! between leaves a `.staging-…` folder, which [`clean`] removes at the next start.
//!
//! A job file that nothing came with has a hash and no folder: the store keeps its text, and to make
//! a folder durable takes longer than all else that happens to a job on its way in.
//!
//! Nothing in here is trusted: links, devices and names that lead outside are refused by name,
//! sizes are counted while they are read, never believed.

mod archive;
mod pack;
mod stage;
mod sweep;
mod tree;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

pub use pack::{pack, references};
pub use stage::{Staged, alone};
pub use sweep::{GRACE, idle, remove_idle, size};

use crate::model::Digest;

/// The names a job file may have at the root of a bundle.
pub const JOB_FILES: [&str; 3] = ["job.yaml", "job.yml", "job.json"];
const STAGING: &str = ".staging-";

/// A bundle as it comes in.
pub enum Source {
    /// A job file alone, opened by whoever found it; its name tells YAML from JSON.
    File { file: File, name: String },
    /// A folder. It is opened without following a link and must not change meanwhile.
    Folder(PathBuf),
    /// A tar, compressed by gzip, by zstd or not at all: its first bytes tell.
    Tar(Box<dyn Read + Send>),
}

impl Source {
    /// What an opened file is, by its name.
    pub fn of_file(file: File, name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        let endings = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst"];
        if endings.iter().any(|ending| lower.ends_with(ending)) {
            return Self::Tar(Box::new(file));
        }
        Self::File { file, name: name.into() }
    }
}

/// How much a bundle may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All files together.
    pub bytes: u64,
    pub files: usize,
    /// Of one path, bytes.
    pub path: usize,
    /// Folders inside each other.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 30, files: 100_000, path: 1_024, depth: 32 }
    }
}

/// A bundle that is in its place, durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    pub bundle: Digest,
    /// Not there when nothing came with the job file.
    pub folder: PathBuf,
    /// Name of the job file in it.
    pub job_file: &'static str,
    /// What the job file holds.
    pub text: Vec<u8>,
    /// The same bundle was there already.
    pub reused: bool,
}

/// Why a bundle was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("there is no job.yaml, job.yml or job.json at the root of the bundle{hint}")]
    NoJobFile { hint: String },
    #[error("{first} and {second} are both there: a bundle holds one job file")]
    TwoJobFiles { first: &'static str, second: &'static str },
    #[error("the job file has more than 1 MiB")]
    LongJobFile,
    #[error("{path}: {kind} is refused, only files and folders travel")]
    Kind { path: String, kind: &'static str },
    #[error("{path}: this name leads outside of the bundle")]
    Outside { path: String },
    #[error("{path}: a name must be UTF-8 without control characters")]
    Name { path: String },
    #[error("{path}: the path is longer than {limit} bytes")]
    LongPath { path: String, limit: usize },
    #[error("{path}: more than {limit} folders inside each other")]
    Deep { path: String, limit: usize },
    #[error("{path}: it is there twice, or both as a file and a folder")]
    Twice { path: String },
    #[error("the bundle has more than {limit} files")]
    TooMany { limit: usize },
    #[error("the bundle has more than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("{path}: its owner's files only, this one is not readable for others")]
    Foreign { path: String },
    #[error("{path}: it changed while it was read")]
    Changed { path: String },
    #[error("the tar cannot be read")]
    Tar { source: io::Error },
    #[error("{path}: it cannot be read")]
    Read { path: String, source: io::Error },
    #[error("the bundle cannot be kept in {path}")]
    Keep { path: PathBuf, source: io::Error },
}

impl BundleError {
    /// The box is at fault, not the bundle: the same bundle may be accepted later.
    pub const fn is_ours(&self) -> bool {
        matches!(self, Self::Keep { .. })
    }
}

/// Copies `source` into `bundles`.
pub fn accept(source: Source, bundles: &Path, limits: Limits) -> Result<Accepted, BundleError> {
    Staged::new(source, bundles, limits)?.keep()
}

/// Removes what a crash left half copied. Only the appliance calls it, before anything is staged.
pub fn clean(bundles: &Path) -> io::Result<()> {
    for entry in fs::read_dir(bundles)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(STAGING.as_bytes()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
