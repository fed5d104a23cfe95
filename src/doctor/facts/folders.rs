//! The data folder and its disk, the inbox and whether it can be watched.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{Access, StatVfsMountFlags, access, inotify, statvfs},
    io::Errno,
};

use crate::clock::Stopwatch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Folder {
    pub(in crate::doctor) path: PathBuf,
    pub(in crate::doctor) state: FolderState,
    /// Owner, group and mode, where it is there.
    pub(in crate::doctor) rights: Option<(u32, u32, u32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) enum FolderState {
    Writable,
    /// Not there, and can be made.
    Missing,
    /// This account cannot write into it, or make it.
    Closed,
    /// Something else has its name.
    NoFolder,
}

pub(super) fn folder(path: &Path) -> Folder {
    let may_write = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let found = path.metadata();
    let state = match &found {
        Ok(found) if !found.is_dir() => FolderState::NoFolder,
        Ok(_) if may_write(path) => FolderState::Writable,
        Ok(_) => FolderState::Closed,
        Err(_) if may_write(existing(path)) => FolderState::Missing,
        Err(_) => FolderState::Closed,
    };
    let rights = found.ok().map(|found| (found.uid(), found.gid(), found.mode() & 0o7777));
    Folder { path: path.into(), state, rights }
}

/// The folder, or the nearest above it that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/"))
}

/// What the data folder lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Disk {
    pub(in crate::doctor) free_mib: u64,
    /// Files that can still be made; `None` where the file system sets no bound.
    pub(in crate::doctor) free_files: Option<u64>,
    pub(in crate::doctor) file_system: Option<String>,
    pub(in crate::doctor) is_read_only: bool,
    /// How long it takes until a small file is durable, or why none could be; tried only in a
    /// folder that is there.
    pub(in crate::doctor) durable: Option<Result<Duration, String>>,
}

pub(super) fn disk(data: &Path) -> Option<Disk> {
    let at = existing(data);
    let found = statvfs(at).ok()?;
    let is_read_only = found.f_flag.contains(StatVfsMountFlags::RDONLY);
    let is_ours = data.is_dir() && access(data, Access::WRITE_OK).is_ok() && !is_read_only;
    Some(Disk {
        free_mib: found.f_bavail.saturating_mul(found.f_frsize) >> 20,
        free_files: (found.f_files > 0).then_some(found.f_favail),
        file_system: file_system(at),
        is_read_only,
        durable: is_ours.then(|| durable(data).map_err(|error| error.to_string())),
    })
}

/// Makes a small file durable, and takes it away.
fn durable(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!(".sutler-doctor-{}", uuid::Uuid::new_v4()));
    let tried = (|| {
        let mut file = File::create_new(&path)?;
        file.write_all(&[0; 4096])?;
        let clock = Stopwatch::start();
        file.sync_all()?;
        Ok(clock.elapsed())
    })();
    match fs::remove_file(&path) {
        Err(error) if tried.is_ok() => Err(error),
        Ok(()) | Err(_) => tried,
    }
}

/// The name of the file system a folder lies on, as the kernel calls it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    of_mounts(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
}

/// The last of the longest mount points: what was mounted later covers what was there.
fn of_mounts(mounts: &str, folder: &Path) -> Option<String> {
    let mount = |line: &str| {
        let point = PathBuf::from(line.split(' ').nth(4)?.replace("\\040", " "));
        let (_, rest) = line.split_once(" - ")?;
        let kind = rest.split(' ').next()?.to_owned();
        folder.starts_with(&point).then(|| (point.components().count(), kind))
    };
    mounts.lines().filter_map(mount).max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

/// Whether the kernel tells us what lands in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) enum Watching {
    Works {
        instances: Option<u64>,
        watches: Option<u64>,
    },
    /// This account has used up its watches, or its instances.
    UsedUp {
        what: &'static str,
        most: Option<u64>,
    },
    Refused(String),
}

/// Tries it: only that counts what others use.
pub(super) fn watching(folder: &Path) -> Watching {
    let limit = |name: &str| {
        let text = fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse().ok()
    };
    let (instances, watches) = (limit("max_user_instances"), limit("max_user_watches"));
    let tried = inotify::init(inotify::CreateFlags::CLOEXEC)
        .map_err(|error| match error {
            Errno::MFILE => Watching::UsedUp { what: "max_user_instances", most: instances },
            error => Watching::Refused(error.to_string()),
        })
        .and_then(|watch| {
            inotify::add_watch(&watch, existing(folder), inotify::WatchFlags::CREATE).map_err(
                |error| match error {
                    Errno::NOSPC => Watching::UsedUp { what: "max_user_watches", most: watches },
                    error => Watching::Refused(error.to_string()),
                },
            )
        });
    match tried {
        Ok(_) => Watching::Works { instances, watches },
        Err(refused) => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lies_on_the_innermost_mount_that_covers_it() {
        let mounts = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                      40 27 0:30 / /srv rw shared:1 - nfs4 lab:/srv rw\n\
                      41 40 0:31 / /srv/my\\040lab rw - tmpfs tmpfs rw\n";
        for (folder, kind) in
            [("/var/lib/sutler", "ext4"), ("/srv/x", "nfs4"), ("/srv/my lab/x", "tmpfs")]
        {
            assert_eq!(of_mounts(mounts, Path::new(folder)).as_deref(), Some(kind), "{folder}");
        }
    }

    #[test]
    fn a_durable_file_is_tried_and_nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let disk = disk(folder.path()).unwrap();
        assert!(disk.durable.unwrap().is_ok());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(super::disk(&folder.path().join("none")).unwrap().durable.is_none());
    }

    #[test]
    fn a_folder_is_told_from_what_only_has_its_name() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, state) in [
            (place.path(), FolderState::Writable),
            (&place.path().join("x/y"), FolderState::Missing),
            (&file, FolderState::NoFolder),
        ] {
            assert_eq!(folder(path).state, state, "{}", path.display());
        }
        assert!(matches!(watching(place.path()), Watching::Works { .. }));
    }
}
