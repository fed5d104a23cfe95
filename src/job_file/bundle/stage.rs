//! Copies a bundle beside its place, and moves it there when it is wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, Stat, fstat, syncfs};
use sha2::{Digest as _, Sha256};

use super::{
    Accepted, BundleError, JOB_FILES, Limits, STAGING, Source, archive, sweep,
    tree::{self, unread},
};
use crate::{job_file::node::MAX_TEXT, model::Digest};

/// Files that are flushed one by one.
const FEW: usize = 16;

/// A bundle that has been copied but not kept: gone when it is dropped.
#[derive(Debug)]
pub struct Staged {
    folder: PathBuf,
    bundles: PathBuf,
    limits: Limits,
    /// Path to the hash of the content.
    files: BTreeMap<String, Digest>,
    bytes: u64,
    job_file: &'static str,
    text: Vec<u8>,
}

impl Staged {
    /// Copies `source` into a new folder in `bundles`, which must exist.
    pub fn new(source: Source, bundles: &Path, limits: Limits) -> Result<Self, BundleError> {
        let folder = bundles.join(format!("{STAGING}{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder)
            .map_err(|source| BundleError::Keep { path: folder.clone(), source })?;
        let mut staged = Self {
            folder,
            bundles: bundles.to_owned(),
            limits,
            files: BTreeMap::new(),
            bytes: 0,
            job_file: JOB_FILES[0],
            text: Vec::new(),
        };
        staged.fill(source)?;
        staged.find_job_file()?;
        Ok(staged)
    }

    /// Where the files are for now: for the checks that need them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub const fn job_file(&self) -> &'static str {
        self.job_file
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Over sorted paths and contents.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        for (path, content) in &self.files {
            // The length keeps one path from passing for the end of another.
            hash.update((path.len() as u64).to_le_bytes());
            hash.update(path.as_bytes());
            hash.update(content.as_bytes());
        }
        Digest::from_bytes(hash.finalize().into())
    }

    /// Makes it durable and moves it to its place, unless the same bundle is there.
    pub fn keep(mut self) -> Result<Accepted, BundleError> {
        let bundle = self.digest();
        let folder = self.bundles.join(bundle.to_string());
        let reused = self
            .put(&folder)
            .map_err(|source| BundleError::Keep { path: folder.clone(), source })?;
        let text = std::mem::take(&mut self.text);
        Ok(Accepted { bundle, folder, job_file: self.job_file, text, reused })
    }

    fn put(&self, folder: &Path) -> io::Result<bool> {
        if sweep::touch(folder)? {
            return Ok(true);
        }
        sweep::touch(&self.folder)?;
        self.flush()?;
        match fs::rename(&self.folder, folder) {
            Ok(()) => {
                File::open(&self.bundles)?.sync_all()?;
                Ok(false)
            }
            // Somebody else kept the same one a moment ago.
            Err(_) if sweep::touch(folder)? => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Makes all of it durable, names and contents. For many files that is one call for the whole file
    /// system, which waits for everything that others write there, and for whoever else has called it.
    fn flush(&self) -> io::Result<()> {
        if self.files.len() > FEW {
            return Ok(syncfs(File::open(&self.folder)?)?);
        }
        let mut folders = BTreeSet::from([self.folder.clone()]);
        for path in self.files.keys() {
            let file = self.folder.join(path);
            File::open(&file)?.sync_all()?;
            let parents = file.ancestors().skip(1).take_while(|folder| *folder != self.folder);
            folders.extend(parents.map(Path::to_path_buf));
        }
        folders.iter().try_for_each(|folder| File::open(folder)?.sync_all())
    }

    fn fill(&mut self, source: Source) -> Result<(), BundleError> {
        match source {
            Source::File { mut file, name } => {
                file.rewind().map_err(|error| unread(&name, error))?;
                let stat = fstat(&file).map_err(|error| unread(&name, error.into()))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(BundleError::Kind { path: name, kind: "what is no file" });
                }
                match u64::try_from(stat.st_size) {
                    Ok(bytes) if bytes > MAX_TEXT as u64 => {
                        return Err(BundleError::LongJobFile { bytes });
                    }
                    Ok(_) | Err(_) => {}
                }
                let json = name.to_ascii_lowercase().ends_with(".json");
                let inside = if json { JOB_FILES[2] } else { JOB_FILES[0] };
                self.copy_opened(inside, file, &stat)
            }
            Source::Folder(path) => {
                let root = tree::open_folder(&path)?;
                let owner = fstat(&root)
                    .map_err(|error| unread(&path.display().to_string(), error.into()))?
                    .st_uid;
                tree::walk(&root, "", self.limits, &mut |found| {
                    // A hard link to what only the appliance may read must not be copied for
                    // somebody who may not.
                    if found.stat.st_uid != owner && found.stat.st_mode & 0o004 == 0 {
                        return Err(BundleError::Foreign { path: found.path });
                    }
                    self.copy_opened(&found.path, found.file, &found.stat)
                })
            }
            Source::Tar(reader) => {
                let limits = self.limits;
                archive::read(reader, limits, &mut |path, content| {
                    self.copy(path, content).map(drop)
                })
            }
        }
    }

    /// Copies a file, and looks whether it stayed as it was.
    fn copy_opened(
        &mut self,
        path: &str,
        mut file: File,
        before: &Stat,
    ) -> Result<(), BundleError> {
        let copied = self.copy(path, &mut file)?;
        let after = file.metadata().map_err(|error| unread(path, error))?;
        let same = u64::try_from(before.st_size) == Ok(copied)
            && after.len() == copied
            && before.st_mtime == after.mtime()
            && i64::try_from(before.st_mtime_nsec) == Ok(after.mtime_nsec());
        if same { Ok(()) } else { Err(BundleError::Changed { path: path.into() }) }
    }

    /// Copies a content under a name that has been checked. Returns its length.
    fn copy(&mut self, path: &str, content: &mut dyn Read) -> Result<u64, BundleError> {
        if self.files.len() == self.limits.files {
            return Err(BundleError::TooMany { limit: self.limits.files });
        }
        let place = self.folder.join(path);
        let keep = |source: io::Error| {
            let path = path.to_owned();
            let is = |kinds: &[io::ErrorKind]| kinds.contains(&source.kind());
            if is(&[io::ErrorKind::InvalidFilename]) {
                BundleError::LongPath { path, limit: 255 }
            } else if is(&[io::ErrorKind::AlreadyExists, io::ErrorKind::NotADirectory]) {
                BundleError::Twice { path }
            } else {
                BundleError::Keep { path: place.clone(), source }
            }
        };
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(keep)?;
        }
        let mut out = OpenOptions::new().write(true).create_new(true).open(&place).map_err(keep)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        let mut copied = 0;
        loop {
            let length = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(path, error)),
            };
            copied += length as u64;
            if self.bytes + copied > self.limits.bytes {
                return Err(BundleError::TooLarge { limit: self.limits.bytes });
            }
            hash.update(&buffer[..length]);
            out.write_all(&buffer[..length]).map_err(keep)?;
        }
        self.bytes += copied;
        self.files.insert(path.to_owned(), Digest::from_bytes(hash.finalize().into()));
        Ok(copied)
    }

    fn find_job_file(&mut self) -> Result<(), BundleError> {
        let mut found = JOB_FILES.into_iter().filter(|name| self.files.contains_key(*name));
        let Some(first) = found.next() else {
            return Err(BundleError::NoJobFile { hint: self.hint() });
        };
        if let Some(second) = found.next() {
            return Err(BundleError::TwoJobFiles { first, second });
        }
        let path = self.folder.join(first);
        let read = |source| BundleError::Keep { path: path.clone(), source };
        let bytes = fs::metadata(&path).map_err(read)?.len();
        if bytes > MAX_TEXT as u64 {
            return Err(BundleError::LongJobFile { bytes });
        }
        self.text = fs::read(&path).map_err(read)?;
        self.job_file = first;
        Ok(())
    }

    /// Where a job file is that is not where it should be.
    fn hint(&self) -> String {
        let alike = self.files.keys().find(|path| {
            let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
            JOB_FILES.contains(&name.as_str())
        });
        alike.map(|path| format!(", only {path}")).unwrap_or_default()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let folder = self.folder.display();
                tracing::warn!(%folder, %error, "a staged bundle stays until the next start");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.yaml");
        fs::write(&path, "x").unwrap();
        let open = || File::open(&path).unwrap();
        let before = fstat(open()).unwrap();
        let source = Source::of_file(open(), "job.yaml");
        let mut staged = Staged::new(source, folder.path(), Limits::default()).unwrap();
        fs::write(&path, "longer").unwrap();
        let error = staged.copy_opened("again", open(), &before);
        assert!(matches!(error, Err(BundleError::Changed { .. })), "{error:?}");
    }
}
