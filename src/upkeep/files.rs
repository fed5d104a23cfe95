//! The work on files. Each of these is one bounded step, and may be done again after a crash.

use std::{fs, io, path::Path, time::Duration};

use jiff::Timestamp;

use super::shelf;
use crate::{
    job_file::bundle,
    model::{Digest, JobId, Keepsake},
    store::{Leftover, Unmeasured},
    supervise::JobFolder,
};

/// Begins the name of a copy of the store that a backup is being made from.
pub(super) const SNAPSHOT: &str = "snapshot-";

/// What lies in staging for longer was forgotten there.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(86_400);

/// Bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub job: JobId,
    pub video: u64,
    pub results: u64,
    pub bundle: Option<(Digest, u64)>,
}

pub(super) fn measure(data: &Path, of: Unmeasured) -> io::Result<Measured> {
    let video = video(data, of.job)?;
    let results = results(data, of.job)?;
    let bundle = match of.bundle {
        Some(bundle) => {
            let folder = data.join("bundles").join(bundle.to_string());
            Some((bundle, bundle::size(&folder)?))
        }
        None => None,
    };
    Ok(Measured { job: of.job, video, results, bundle })
}

fn video(data: &Path, job: JobId) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    match fs::symlink_metadata(JobFolder::new(data, job).file(JobFolder::VIDEO)) {
        Ok(video) => Ok(video.blocks() * 512),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// What a job's folder takes but for its video. Every screen counts, whoever else has it.
pub(super) fn results(data: &Path, job: JobId) -> io::Result<u64> {
    let all = bundle::size(JobFolder::new(data, job).path())?;
    Ok(all.saturating_sub(video(data, job)?))
}

/// Removes what the store has as removed. Gone already is as good.
pub(super) fn remove(data: &Path, leftover: Leftover) -> io::Result<()> {
    let folder = JobFolder::new(data, leftover.job);
    let removed = match leftover.what {
        Keepsake::Video => fs::remove_file(folder.file(JobFolder::VIDEO)),
        Keepsake::Results => {
            let screens = shelf::screens(&folder)?;
            fs::remove_dir_all(folder.path()).and_then(|()| shelf::release(data, &screens))
        }
        Keepsake::Record => Ok(()),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether a backup copies results now, so that none may go.
pub(super) fn is_backup_under_way(data: &Path) -> bool {
    let Ok(entries) = fs::read_dir(data.join("staging")) else { return false };
    let is_snapshot =
        |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(SNAPSHOT.as_bytes());
    entries.flatten().any(|entry| is_snapshot(&entry.file_name()))
}

/// Removes what uploads and backups that were cut short have left.
pub(super) fn clear_staging(data: &Path, now: Timestamp) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let longest = i64::try_from(FORGOTTEN.as_secs()).unwrap_or(i64::MAX);
    for entry in fs::read_dir(data.join("staging"))? {
        let entry = entry?;
        // It may have gone meanwhile.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && now.as_second() - metadata.mtime() > longest {
            tracing::info!(file = %entry.path().display(), "removed what was left in staging");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Bytes the disk of a folder has free for us, and in all.
pub(super) fn space(folder: &Path) -> io::Result<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok((disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_can_be_done_again_and_takes_no_more_than_it_should() {
        let data = tempfile::tempdir().unwrap();
        let folder = JobFolder::new(data.path(), JobId(7));
        fs::create_dir_all(folder.file("screens")).unwrap();
        fs::write(folder.file(JobFolder::VIDEO), vec![1; 100_000]).unwrap();
        fs::write(folder.file("screens/x.png"), vec![1; 10_000]).unwrap();
        let of = Unmeasured { job: JobId(7), bundle: None };
        let measured = measure(data.path(), of).unwrap();
        assert!(measured.video >= 100_000 && measured.video < 200_000, "{measured:?}");
        assert!(measured.results >= 10_000 && measured.results < 100_000, "{measured:?}");
        for _ in 0..2 {
            remove(data.path(), Leftover { job: JobId(7), what: Keepsake::Video }).unwrap();
            assert!(!folder.file(JobFolder::VIDEO).exists());
            assert!(folder.file("screens/x.png").exists());
        }
        for _ in 0..2 {
            remove(data.path(), Leftover { job: JobId(7), what: Keepsake::Results }).unwrap();
            assert!(!folder.path().exists());
        }
        assert!(data.path().join("jobs").exists());
    }
}
