//! A backup: one tar, compressed by zstd, of a copy of the store, the bundles and the results.
//!
//! The last entry is the manifest, which names every file with its hash. A backup that was cut off
//! has none, so it can never pass for a whole one.
//!
//! The copy of the store is made first and lies in `staging/` until the backup is done; as long as
//! it is there, retention removes nothing. What jobs write meanwhile is copied as far as it had
//! come when its file was opened.
//!
//! A screen that several jobs show is one file with several names, and stays so: it is copied once,
//! and its other names are entries that say which file they are, too.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::SNAPSHOT;
use crate::{
    capture::SCREENS_FOLDER,
    engine,
    model::{Digest, JobId},
    store::{self, Store, StoreError},
    supervise::JobFolder,
    tasks::Background,
};

/// Name of the last entry.
pub(super) const MANIFEST: &str = "manifest.json";
/// Of the archive. What a later one means is not known here. 1 had a file for each name; 2 has a file
/// once, and the shelf of screens.
pub(super) const FORMAT: u32 = 2;
/// zstd's own choice between time and size; videos and pictures shrink no further anyway.
const LEVEL: i32 = 3;

/// What is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Without {
    pub videos: bool,
    /// Then videos are, too: they belong to the results.
    pub results: bool,
}

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// Of the Sutler that made it.
    pub version: String,
    pub made: Timestamp,
    pub jobs: u64,
    pub without: Without,
    pub files: Vec<Entry>,
}

impl Manifest {
    /// Of a backup that holds nothing yet.
    pub fn new(made: Timestamp, jobs: u64, without: Without) -> Self {
        let version = env!("CARGO_PKG_VERSION").into();
        Self { format: FORMAT, version, made, jobs, without, files: Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("could not write the backup")]
    Write { source: io::Error },
}

/// Copies the store into `staging/`, and says where to. Retention rests until the copy is removed.
///
/// # Errors
/// What the disk refused; then no copy is left.
pub async fn snapshot(store: &Store, data: &Path) -> Result<PathBuf, BackupError> {
    let path = data.join("staging").join(format!("{SNAPSHOT}{}.redb", uuid::Uuid::new_v4()));
    let thread = Background::start("store-copy").map_err(|source| BackupError::Write { source })?;
    let copied = {
        let (store, path) = (store.clone(), path.clone());
        thread.run(move || store.copy_to(&path)).await
    };
    thread.close().await;
    if let Err(error) = copied {
        // It may never have been made.
        let _ = fs::remove_file(&path);
        return Err(error.into());
    }
    Ok(path)
}

/// Files that go into a backup, beside the store.
#[derive(Debug, Default)]
pub struct Contents {
    /// Below the data folder, with their sizes now.
    files: Vec<(PathBuf, u64)>,
}

impl Contents {
    /// Lists the bundles, and the folders of jobs up to `last`: later ones are not in the copy of
    /// the store.
    pub fn list(data: &Path, last: JobId, without: Without) -> Result<Self, BackupError> {
        let mut contents = Self::default();
        let is_bundle = |name: &str| name.parse::<Digest>().is_ok();
        contents.children(data, "bundles", is_bundle, &|_| true)?;
        if !without.results {
            let is_job = |name: &str| name.parse::<JobId>().is_ok_and(|id| id <= last);
            let stays = |name: &str| {
                let is_passing = engine::PASSING.contains(&name) || name == JobFolder::LOCK;
                let is_left_out = without.videos && name == JobFolder::VIDEO;
                !is_passing && !is_left_out
            };
            contents.children(data, "jobs", is_job, &stays)?;
            let is_part = |name: &str| name.len() == 2;
            contents.children(data, SCREENS_FOLDER, is_part, &|name| name.ends_with(".png"))?;
        }
        contents.files.sort();
        Ok(contents)
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, size)| size).sum()
    }

    /// The folders in `folder` whose names are wanted, and what `stays` of their files.
    fn children(
        &mut self,
        data: &Path,
        folder: &str,
        is_wanted: impl Fn(&str) -> bool,
        stays: &dyn Fn(&str) -> bool,
    ) -> Result<(), BackupError> {
        for name in names(&data.join(folder))? {
            if is_wanted(&name) {
                self.walk(data, &Path::new(folder).join(name), stays)?;
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        data: &Path,
        folder: &Path,
        stays: &dyn Fn(&str) -> bool,
    ) -> Result<(), BackupError> {
        for name in names(&data.join(folder))?.into_iter().filter(|name| stays(name)) {
            let path = folder.join(name);
            // It may have gone since it was listed.
            let Ok(metadata) = fs::symlink_metadata(data.join(&path)) else { continue };
            if metadata.is_dir() {
                self.walk(data, &path, &|_| true)?;
            } else if metadata.is_file() {
                self.files.push((path, metadata.len()));
            }
        }
        Ok(())
    }
}

fn names(folder: &Path) -> Result<Vec<String>, BackupError> {
    let unread = |source| BackupError::Read { path: folder.into(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unread(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(unread)?.file_name().into_string());
    }
    Ok(names)
}

/// Writes all of it to `out`, which is flushed to the disk. `told` hears of bytes as they are read.
pub fn write(
    out: File,
    data: &Path,
    snapshot: &Path,
    contents: &Contents,
    mut manifest: Manifest,
    told: &mut dyn FnMut(u64),
) -> Result<Manifest, BackupError> {
    let failed = |source| BackupError::Write { source };
    let mut tar = tar::Builder::new(zstd::Encoder::new(out, LEVEL).map_err(failed)?);
    let mut names = Names::default();
    add(&mut tar, &mut manifest, &mut names, (snapshot, Path::new(store::FILE)), told)?;
    for (path, _) in &contents.files {
        add(&mut tar, &mut manifest, &mut names, (&data.join(path), path), told)?;
    }
    let text = serde_json::to_vec(&manifest).expect("plain data always prints");
    let mut header = header(text.len() as u64);
    tar.append_data(&mut header, MANIFEST, text.as_slice()).map_err(failed)?;
    let mut file = tar.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?;
    file.flush().and_then(|()| file.sync_all()).map_err(failed)?;
    Ok(manifest)
}

/// Device and inode of a file with several names, and how it stands in the manifest.
type Names = HashMap<(u64, u64), Entry>;

/// Adds the file `from` as `name`.
fn add(
    tar: &mut tar::Builder<zstd::Encoder<'static, File>>,
    manifest: &mut Manifest,
    names: &mut Names,
    (from, name): (&Path, &Path),
    told: &mut dyn FnMut(u64),
) -> Result<(), BackupError> {
    let unread = |source| BackupError::Read { path: from.into(), source };
    let file = match File::open(from) {
        Ok(file) => file,
        // A job's own file that has gone since it was listed is not missed.
        Err(error) if error.kind() == io::ErrorKind::NotFound && name != Path::new(store::FILE) => {
            return Ok(());
        }
        Err(error) => return Err(unread(error)),
    };
    let metadata = file.metadata().map_err(unread)?;
    let (size, inode) = (metadata.len(), (metadata.dev(), metadata.ino()));
    let path = name.display().to_string();
    if let Some(known) = names.get(&inode) {
        told(size);
        let mut header = header(0);
        header.set_entry_type(tar::EntryType::Link);
        let linked = tar.append_link(&mut header, name, &known.path);
        linked.map_err(|source| BackupError::Write { source })?;
        manifest.files.push(Entry { path, ..known.clone() });
        return Ok(());
    }
    let mut hashed = Hashed { file, left: size, hash: Sha256::new(), told };
    tar.append_data(&mut header(size), name, &mut hashed)
        .map_err(|source| BackupError::Write { source })?;
    let sha256 = Digest::from_bytes(hashed.hash.finalize().into());
    let entry = Entry { path, size, sha256 };
    if metadata.nlink() > 1 {
        names.insert(inode, entry.clone());
    }
    manifest.files.push(entry);
    Ok(())
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header
}

/// Exactly as many bytes as were announced, whatever becomes of the file meanwhile: what is written
/// later is left out, what was cut off is zero.
struct Hashed<'a> {
    file: File,
    left: u64,
    hash: Sha256,
    told: &'a mut dyn FnMut(u64),
}

impl Read for Hashed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let out = &mut out[..most];
        let length = match self.file.read(out)? {
            0 => {
                out.fill(0);
                most
            }
            length => length,
        };
        self.left -= length as u64;
        self.hash.update(&out[..length]);
        (self.told)(length as u64);
        Ok(length)
    }
}
