//! The shelf: `screens/` in the data folder, where each result screen is kept once for all jobs.
//!
//! ```text
//! screens/3f/3f…a1.png ── one file ──┬── jobs/7/screens/3f…a1.png
//!                                    └── jobs/9/screens/3f…a1.png
//! ```
//!
//! A job's folder keeps a name for each of its screens, and it is the same file (a hard link), so
//! whoever reads, copies or removes that folder need not know of the shelf. The file system counts
//! who still has one: a file that only the shelf names is nobody's, and goes. A screen is named by
//! the hash of its pixels, which a smaller file does not change; nothing anywhere holds the hash of
//! the PNG file itself but a backup's manifest, which is made of the files as they are then.
//!
//! Each of these is one short step. Cut off anywhere, by a crash or by another that removes what is
//! being shared, it leaves every name in place and is done again: names are only ever replaced by
//! renaming, and a file comes to the shelf with the name in a job's folder, never before it.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::files::FORGOTTEN;
use crate::{
    capture::SCREENS_FOLDER,
    model::{Digest, JobId, Shelved},
    supervise::JobFolder,
};

/// Folders on the shelf, by the first two digits of their screens' names.
pub(super) const PARTS: u8 = u8::MAX;
/// Ends the name of a file that is being made.
const UNFINISHED: &str = "part";
/// A name in a job's folder that becomes that of a screen in a moment begins with this.
const COMING: &str = ".coming-";

/// What there is of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The job's screen is the one on the shelf.
    Shared,
    /// There is none on the shelf yet.
    Missing,
    /// The job has it no more.
    Gone,
}

/// Where a screen is, or would be.
pub(super) fn place(data: &Path, screen: Digest) -> PathBuf {
    let name = screen.to_string();
    data.join(SCREENS_FOLDER).join(&name[..2]).join(format!("{name}.png"))
}

/// Where a smaller file of it is made.
pub(super) fn unfinished(data: &Path, screen: Digest) -> io::Result<PathBuf> {
    let path = place(data, screen).with_extension(UNFINISHED);
    fs::create_dir_all(path.parent().unwrap_or(data))?;
    Ok(path)
}

/// The screens in a job's folder.
pub(super) fn screens(folder: &JobFolder) -> io::Result<Vec<Digest>> {
    let mut found = Vec::new();
    for entry in entries(&folder.file(SCREENS_FOLDER))? {
        let name = entry?.file_name();
        let screen =
            name.to_str().and_then(|name| name.strip_suffix(".png")?.parse::<Digest>().ok());
        found.extend(screen);
    }
    Ok(found)
}

/// Path of a screen in a job's folder.
pub(super) fn of_job(folder: &JobFolder, screen: Digest) -> PathBuf {
    folder.file(SCREENS_FOLDER).join(format!("{screen}.png"))
}

/// Makes the job's screen that of the shelf, if there is one.
pub(super) fn share(data: &Path, job: JobId, screen: Digest) -> io::Result<Found> {
    let folder = JobFolder::new(data, job);
    let (own, shelf) = (of_job(&folder, screen), place(data, screen));
    let Some(own_file) = file(&own)? else { return Ok(Found::Gone) };
    let Some(kept) = file(&shelf)? else { return Ok(Found::Missing) };
    if (own_file.dev(), own_file.ino()) == (kept.dev(), kept.ino()) {
        return Ok(Found::Shared);
    }
    match link_over(&shelf, &own) {
        // Its last job has just gone, and it with it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(error) if error.raw_os_error() == Some(TOO_MANY_LINKS) => {
            renew(&shelf, &own)?;
            Ok(Found::Shared)
        }
        done => done.map(|()| Found::Shared),
    }
}

const TOO_MANY_LINKS: i32 = rustix::io::Errno::MLINK.raw_os_error();

/// Puts a screen on the shelf: the smaller file that was made of it, or as it is.
pub(super) fn add(
    data: &Path,
    job: JobId,
    screen: Digest,
    smaller: Option<&Path>,
) -> io::Result<()> {
    let (own, shelf) = (of_job(&JobFolder::new(data, job), screen), place(data, screen));
    match smaller {
        Some(smaller) => {
            link_over(smaller, &own)?;
            fs::rename(smaller, &shelf)
        }
        None => fs::hard_link(&own, &shelf),
    }
}

/// A file may have only so many names. The shelf begins anew with a copy; the old file lives on in
/// the folders that have it.
fn renew(shelf: &Path, own: &Path) -> io::Result<()> {
    let copy = shelf.with_extension(UNFINISHED);
    fs::copy(shelf, &copy)?;
    fs::File::open(&copy)?.sync_all()?;
    link_over(&copy, own)?;
    fs::rename(&copy, shelf)
}

/// Gives `own` to the file that `kept` names, in one step.
fn link_over(kept: &Path, own: &Path) -> io::Result<()> {
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    let coming = own.with_file_name(format!("{COMING}{name}"));
    match fs::remove_file(&coming) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::hard_link(kept, &coming)?;
    fs::rename(&coming, own)
}

/// What has come of it: how many screens the job has, how many of them another job had before, and
/// what its folder takes besides, and besides its video.
pub(super) fn shelved(data: &Path, job: JobId, all: u64) -> io::Result<Shelved> {
    let folder = JobFolder::new(data, job);
    let mut shelved = Shelved { results_bytes: all, ..Shelved::default() };
    for screen in screens(&folder)? {
        let Some(own) = file(&of_job(&folder, screen))? else { continue };
        shelved.screens += 1;
        // The shelf and this job are two. Jobs come to the shelf one after the other, so whoever is
        // the third was there before.
        if own.nlink() > 2 {
            shelved.shared += 1;
            shelved.results_bytes = shelved.results_bytes.saturating_sub(own.blocks() * 512);
        }
    }
    Ok(shelved)
}

/// Removes those screens from the shelf that no job has any more.
pub(super) fn release(data: &Path, screens: &[Digest]) -> io::Result<()> {
    screens.iter().try_for_each(|screen| remove_idle(&place(data, *screen)))
}

/// Looks through one of the shelf's folders for what a crash has left there.
pub(super) fn sweep(data: &Path, part: u8, now: Timestamp) -> io::Result<()> {
    let longest = i64::try_from(FORGOTTEN.as_secs()).unwrap_or(i64::MAX);
    for entry in entries(&data.join(SCREENS_FOLDER).join(format!("{part:02x}")))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "png") {
            remove_idle(&path)?;
        } else if file(&path)?.is_some_and(|file| now.as_second() - file.mtime() > longest) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove_idle(path: &Path) -> io::Result<()> {
    match file(path)? {
        Some(file) if file.nlink() == 1 => fs::remove_file(path),
        Some(_) | None => Ok(()),
    }
}

/// None when there is none, or something else in its place.
fn file(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Of a folder that may not be there.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None.into_iter().flatten()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
