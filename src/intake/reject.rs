//! The folder for what was refused: each with its reason beside it, the newest kept.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::{fs::CWD, io::Errno};

/// Its name below the inbox.
pub(super) const FOLDER: &str = "rejected";

/// Added to the name of what was refused.
const WHY: &str = ".why.txt";

/// In bytes. File systems take 255, and a number and [`WHY`] come after it.
const LONGEST_NAME: usize = 230;

/// Refusals between two clearings; listing a folder of thousands for each would be slow.
const CLEAR_AFTER: usize = 100;

#[derive(Debug)]
pub(super) struct Rejected {
    inbox: PathBuf,
    /// Refusals kept. Up to [`CLEAR_AFTER`] more may lie there for a while.
    keep: usize,
    since_clearing: AtomicUsize,
}

impl Rejected {
    pub(super) fn new(inbox: &Path, keep: usize) -> Self {
        Self { inbox: inbox.into(), keep, since_clearing: AtomicUsize::new(CLEAR_AFTER) }
    }

    fn folder(&self) -> PathBuf {
        self.inbox.join(FOLDER)
    }

    /// Makes the folder where it is missing.
    pub(super) fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(self.folder())
    }

    /// Moves something aside and says why. Nothing that lies there is overwritten.
    ///
    /// # Errors
    /// When the reason could not be written, or the thing not moved at all; it is then where it
    /// was.
    pub(super) fn set_aside(&self, name: &OsStr, words: &str) -> io::Result<()> {
        self.prepare()?;
        if self.since_clearing.fetch_add(1, Ordering::Relaxed) >= CLEAR_AFTER {
            self.since_clearing.store(0, Ordering::Relaxed);
            self.clear();
        }
        let path = self.inbox.join(name);
        for attempt in 1.. {
            let aside = self.folder().join(numbered(name, attempt));
            let why = with(aside.as_os_str(), WHY);
            // The reason first: a crash in between leaves the thing where it is found again.
            match write_new(&why, words) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                done => done?,
            }
            let moved = rename_new(&path, &aside).or_else(|error| match error {
                // To move a folder one must be able to write in it; to rename it in place not.
                Errno::ACCESS | Errno::PERM => {
                    rename_new(&path, &self.inbox.join(with(OsStr::new(".refused-"), name)))
                }
                error => Err(error),
            });
            match moved {
                Ok(()) => return Ok(()),
                Err(Errno::EXIST | Errno::NOTEMPTY) => fs::remove_file(&why)?,
                // It has vanished: nobody needs the reason.
                Err(Errno::NOENT) => return fs::remove_file(&why),
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("some number is free")
    }

    /// Removes the oldest refusals beyond those that are kept. What cannot be removed stays.
    fn clear(&self) {
        let Ok(listing) = fs::read_dir(self.folder()) else { return };
        let mut reasons: Vec<_> = listing
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().ends_with(WHY.as_bytes()))
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                Some(((meta.ctime(), meta.ctime_nsec()), entry.path()))
            })
            .collect();
        reasons.sort();
        let beyond = reasons.len().saturating_sub(self.keep);
        for (_, why) in reasons.into_iter().take(beyond) {
            let thing = why.with_extension("").with_extension("");
            let _ = remove(&thing);
            let _ = fs::remove_file(why);
        }
    }
}

/// Removes a file, a link or a whole folder; nothing is followed. What is not there is removed.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Moves something to a name that is free.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(CWD, from, CWD, to, rustix::fs::RenameFlags::NOREPLACE)
}

fn write_new(path: &OsStr, words: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file.write_all(words.as_bytes()).and_then(|()| file.write_all(b"\n"));
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written
}

fn with(name: &OsStr, more: impl AsRef<OsStr>) -> OsString {
    let mut name = name.to_os_string();
    name.push(more);
    name
}

/// The name, or `name.2` and so on. One so long that no reason fits beside it is cut.
fn numbered(name: &OsStr, attempt: u32) -> OsString {
    let bytes = name.as_bytes();
    let name = OsStr::from_bytes(&bytes[..bytes.len().min(LONGEST_NAME)]);
    match attempt {
        1 => name.into(),
        _ => with(name, format!(".{attempt}")),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let inbox = tempdir().unwrap();
        let rejected = Rejected::new(inbox.path(), 1000);
        for n in 0..3 {
            fs::write(inbox.path().join("a.yaml"), format!("{n}")).unwrap();
            rejected.set_aside(OsStr::new("a.yaml"), &format!("because {n}")).unwrap();
        }
        for (n, name) in ["a.yaml", "a.yaml.2", "a.yaml.3"].into_iter().enumerate() {
            let path = rejected.folder().join(name);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{n}"));
            let why = fs::read_to_string(with(path.as_os_str(), WHY)).unwrap();
            assert_eq!(why, format!("because {n}\n"));
        }
        rejected.set_aside(OsStr::new("nothing"), "it vanished").unwrap();
        assert_eq!(fs::read_dir(rejected.folder()).unwrap().count(), 6);

        let long = "x".repeat(255);
        fs::write(inbox.path().join(&long), "x").unwrap();
        rejected.set_aside(OsStr::new(&long), "too long a name").unwrap();
        assert_eq!(fs::read_dir(rejected.folder()).unwrap().count(), 8);
    }

    #[test]
    fn the_newest_are_kept() {
        let inbox = tempdir().unwrap();
        let rejected = Rejected::new(inbox.path(), 2);
        for n in 0..5 {
            let name = format!("{n}.yaml");
            fs::write(inbox.path().join(&name), "x").unwrap();
            rejected.set_aside(OsStr::new(&name), "because").unwrap();
        }
        fs::write(rejected.folder().join("mine.txt"), "a note").unwrap();
        rejected.clear();
        let mut left: Vec<_> = fs::read_dir(rejected.folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["3.yaml", "3.yaml.why.txt", "4.yaml", "4.yaml.why.txt", "mine.txt"]);
    }
}
