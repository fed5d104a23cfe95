//! Removes bundles that no job refers to, without taking one from a job that is just coming in.
//!
//! Between the moment a bundle is found in its place and the moment its job is durable nothing
//! refers to it. So whoever finds one touches it, and what was touched lately is left alone. The
//! touch may come between a look and the removal; therefore the folder is moved aside first and
//! looked at once more. Whoever comes after the move finds no folder, and puts its own there.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rustix::fs::{
    AtFlags, CWD, RenameFlags, Timespec, Timestamps, UTIME_NOW, renameat_with, utimensat,
};

use super::STAGING;
use crate::model::Digest;

/// From finding a bundle to the durable job takes moments; this long is left for it.
pub const GRACE: Duration = Duration::from_secs(3_600);

/// Notes that somebody is about to refer to a bundle. False when there is none.
pub(super) fn touch(folder: &Path) -> io::Result<bool> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    match utimensat(CWD, folder, &times, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Bundles that nobody has touched for a while.
pub fn idle(bundles: &Path, now: Timestamp) -> io::Result<Vec<Digest>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(bundles)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok();
        if let Some(bundle) = name.and_then(|name| name.parse().ok())
            && is_idle(&entry.path(), now)?
        {
            found.push(bundle);
        }
    }
    Ok(found)
}

/// Removes a bundle that no job refers to, unless somebody has touched it meanwhile. True when it
/// is gone.
pub fn remove_idle(bundles: &Path, bundle: Digest, now: Timestamp) -> io::Result<bool> {
    let folder = bundles.join(bundle.to_string());
    // A name that the next start removes, should this be cut short.
    let aside: PathBuf = bundles.join(format!("{STAGING}removed-{bundle}"));
    match fs::rename(&folder, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        moved => moved?,
    }
    if !is_idle(&aside, now)? {
        // Should another one have come to its place by now, this one is not needed.
        if renameat_with(CWD, &aside, CWD, &folder, RenameFlags::NOREPLACE).is_ok() {
            return Ok(false);
        }
    }
    fs::remove_dir_all(&aside)?;
    Ok(true)
}

/// What a folder takes on disk; a folder that is not there takes nothing. Links are not followed.
pub fn size(folder: &Path) -> io::Result<u64> {
    const BLOCK: u64 = 512;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += metadata.blocks() * BLOCK;
        if metadata.is_dir() {
            bytes += size(&entry.path())?;
        }
    }
    Ok(bytes)
}

fn is_idle(folder: &Path, now: Timestamp) -> io::Result<bool> {
    let touched = fs::symlink_metadata(folder)?.mtime();
    let grace = i64::try_from(GRACE.as_secs()).unwrap_or(i64::MAX);
    Ok(now.as_second().saturating_sub(touched) > grace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock,
        job_file::bundle::{Limits, Source, accept},
    };

    fn accepted(bundles: &Path) -> (Digest, PathBuf, bool) {
        let folder = bundles.parent().unwrap().join("job");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("job.yaml"), "job_name: x\n").unwrap();
        fs::write(folder.join("disk.img"), "x").unwrap();
        let accepted = accept(Source::Folder(folder), bundles, Limits::default()).unwrap();
        (accepted.bundle, accepted.folder, accepted.reused)
    }

    #[test]
    fn a_bundle_is_removed_only_when_nobody_has_come_for_it_lately() {
        let place = tempfile::tempdir().unwrap();
        let bundles = place.path().join("bundles");
        fs::create_dir(&bundles).unwrap();
        let (bundle, folder, _) = accepted(&bundles);
        let now = clock::now();
        let later = now + jiff::SignedDuration::from_hours(2);
        assert_eq!(idle(&bundles, now).unwrap(), []);
        assert_eq!(idle(&bundles, later).unwrap(), [bundle]);
        assert!(size(&folder).unwrap() > 0);
        assert!(!remove_idle(&bundles, bundle, now).unwrap(), "it came just now");
        assert!(folder.join("job.yaml").exists());
        assert!(remove_idle(&bundles, bundle, later).unwrap());
        assert!(fs::read_dir(&bundles).unwrap().next().is_none());
        assert!(remove_idle(&bundles, bundle, later).unwrap(), "gone is gone");

        // Long unused and found again: touched, so it stays.
        accepted(&bundles);
        let old = fs::File::open(&folder).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(idle(&bundles, now).unwrap(), [bundle]);
        let (_, _, reused) = accepted(&bundles);
        assert!(reused);
        assert_eq!(idle(&bundles, now).unwrap(), []);
    }
}
