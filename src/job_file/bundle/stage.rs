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

/// A bundle that has been copied but not kept: gone when it is dropped. A job file by itself is only
/// in memory, for the store keeps its text.
#[derive(Debug)]
pub struct Staged {
    folder: PathBuf,
    bundles: PathBuf,
    limits: Limits,
    /// Path to the hash of the content.
    files: BTreeMap<String, Digest>,
    bytes: u64,
    /// What could be the job file, by its name.
    texts: BTreeMap<&'static str, Vec<u8>>,
    job_file: &'static str,
    text: Vec<u8>,
}

impl Staged {
    /// Copies `source` into a new folder in `bundles`.
    pub fn new(source: Source, bundles: &Path, limits: Limits) -> Result<Self, BundleError> {
        let mut staged = Self {
            folder: bundles.join(format!("{STAGING}{}", uuid::Uuid::new_v4())),
            bundles: bundles.to_owned(),
            limits,
            files: BTreeMap::new(),
            bytes: 0,
            texts: BTreeMap::new(),
            job_file: JOB_FILES[0],
            text: Vec::new(),
        };
        staged.fill(source)?;
        staged.find_job_file()?;
        if !staged.is_alone() {
            let name = staged.job_file;
            let mut file =
                create(&staged.folder.join(name)).map_err(|error| staged.kept(name, error))?;
            file.write_all(&staged.text).map_err(|error| staged.kept(name, error))?;
        }
        Ok(staged)
    }

    /// Whether nothing came with the job file.
    fn is_alone(&self) -> bool {
        self.files.len() == 1
    }

    /// Where the files are for now: for the checks that need them. There is no such folder when
    /// nothing came with the job file.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub const fn job_file(&self) -> &'static str {
        self.job_file
    }

    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Makes it durable and moves it to its place, unless the same bundle is there. Of a job file
    /// alone there is no place.
    pub fn keep(mut self) -> Result<Accepted, BundleError> {
        let bundle = digest(&self.files);
        let folder = self.bundles.join(bundle.to_string());
        let reused = self
            .put(&folder)
            .map_err(|source| BundleError::Keep { path: folder.clone(), source })?;
        let text = std::mem::take(&mut self.text);
        Ok(Accepted { bundle, folder, job_file: self.job_file, text, reused })
    }

    fn put(&self, folder: &Path) -> io::Result<bool> {
        if self.is_alone() {
            return Ok(false);
        }
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
        let (hash, copied) = match JOB_FILES.into_iter().find(|name| *name == path) {
            Some(name) => self.read(name, content)?,
            None => self.copy_beside(path, content)?,
        };
        self.bytes += copied;
        self.files.insert(path.to_owned(), Digest::from_bytes(hash.finalize().into()));
        Ok(copied)
    }

    /// Reads what may be the job file.
    fn read(
        &mut self,
        name: &'static str,
        content: &mut dyn Read,
    ) -> Result<(Sha256, u64), BundleError> {
        let mut text = Vec::new();
        let most = MAX_TEXT as u64;
        content.take(most + 1).read_to_end(&mut text).map_err(|error| unread(name, error))?;
        let copied = text.len() as u64;
        if copied > most {
            return Err(BundleError::LongJobFile);
        }
        self.fits(copied)?;
        let hash = Sha256::new_with_prefix(&text);
        match self.texts.insert(name, text) {
            None => Ok((hash, copied)),
            Some(_) => Err(BundleError::Twice { path: name.into() }),
        }
    }

    fn copy_beside(
        &self,
        path: &str,
        content: &mut dyn Read,
    ) -> Result<(Sha256, u64), BundleError> {
        let keep = |error| self.kept(path, error);
        let mut out = create(&self.folder.join(path)).map_err(keep)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        let mut copied = 0;
        loop {
            let length = match content.read(&mut buffer) {
                Ok(0) => return Ok((hash, copied)),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(path, error)),
            };
            copied += length as u64;
            self.fits(copied)?;
            hash.update(&buffer[..length]);
            out.write_all(&buffer[..length]).map_err(keep)?;
        }
    }

    /// Whether there is room for so many bytes more.
    fn fits(&self, bytes: u64) -> Result<(), BundleError> {
        let limit = self.limits.bytes;
        if self.bytes + bytes > limit { Err(BundleError::TooLarge { limit }) } else { Ok(()) }
    }

    /// Why a file of it could not be written.
    fn kept(&self, path: &str, source: io::Error) -> BundleError {
        let path = path.to_owned();
        let is = |kinds: &[io::ErrorKind]| kinds.contains(&source.kind());
        if is(&[io::ErrorKind::InvalidFilename]) {
            BundleError::LongPath { path, limit: 255 }
        } else if is(&[io::ErrorKind::AlreadyExists, io::ErrorKind::NotADirectory]) {
            BundleError::Twice { path }
        } else {
            BundleError::Keep { path: self.folder.join(path), source }
        }
    }

    fn find_job_file(&mut self) -> Result<(), BundleError> {
        let mut texts =
            JOB_FILES.into_iter().filter_map(|name| Some((name, self.texts.remove(name)?)));
        match (texts.next(), texts.next()) {
            (None, _) => Err(BundleError::NoJobFile { hint: self.hint() }),
            (Some((first, _)), Some((second, _))) => {
                Err(BundleError::TwoJobFiles { first, second })
            }
            (Some(only), None) => {
                (self.job_file, self.text) = only;
                Ok(())
            }
        }
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

/// The hash of a job file that nothing came with.
pub fn alone(job_file: &str, text: &[u8]) -> Digest {
    digest(&BTreeMap::from([(job_file.to_owned(), Digest::of(text))]))
}

/// Over sorted paths and contents.
fn digest(files: &BTreeMap<String, Digest>) -> Digest {
    let mut hash = Sha256::new();
    for (path, content) in files {
        // The length keeps one path from passing for the end of another.
        hash.update((path.len() as u64).to_le_bytes());
        hash.update(path.as_bytes());
        hash.update(content.as_bytes());
    }
    Digest::from_bytes(hash.finalize().into())
}

/// A new file, and the folders above it.
fn create(path: &Path) -> io::Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)
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
