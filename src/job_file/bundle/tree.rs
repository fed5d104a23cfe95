//! Walks a folder of somebody else without following anything out of it.
//!
//! Every level is opened relative to the one above, so that a folder that is exchanged for a link
//! meanwhile is noticed, not followed.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path},
};

use rustix::{
    fs::{Dir, FileType, Mode, OFlags, Stat, fstat, open, openat},
    io::Errno,
};

use super::{BundleError, Limits};

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// One file of a folder, opened.
pub(super) struct Found {
    /// Relative to the folder that is walked, with `/` between its parts.
    pub(super) path: String,
    pub(super) file: File,
    pub(super) stat: Stat,
}

/// Opens a folder that is no link itself.
pub(super) fn open_folder(path: &Path) -> Result<OwnedFd, BundleError> {
    open(path, FLAGS | OFlags::DIRECTORY, Mode::empty())
        .map_err(|error| refused(&path.display().to_string(), error))
}

/// Opens what `path` names below `folder`, no part of which may be a link.
pub(super) fn open_below(folder: &OwnedFd, path: &Path) -> Result<OwnedFd, BundleError> {
    let name = path.display().to_string();
    let mut current = folder.try_clone().map_err(|error| unread(&name, error))?;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => {
                current = openat(&current, part, FLAGS, Mode::empty())
                    .map_err(|error| refused(&name, error))?;
            }
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(BundleError::Outside { path: name });
            }
        }
    }
    Ok(current)
}

/// Hands over every file below `folder`, in the order of their names.
pub(super) fn walk(
    folder: &OwnedFd,
    below: &str,
    limits: Limits,
    take: &mut dyn FnMut(Found) -> Result<(), BundleError>,
) -> Result<(), BundleError> {
    if below.split('/').count() > limits.depth {
        return Err(BundleError::Deep { path: below.into(), limit: limits.depth });
    }
    let mut names = Vec::new();
    let listing = Dir::read_from(folder.as_fd()).map_err(|error| unread(below, error.into()))?;
    for entry in listing {
        let entry = entry.map_err(|error| unread(below, error.into()))?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let name = utf8(name, limits)?;
        names.push(name);
        if names.len() > limits.files {
            return Err(BundleError::TooMany { limit: limits.files });
        }
    }
    names.sort_unstable();
    for name in names {
        let path = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
        let entry = openat(folder, OsStr::from_bytes(name.as_bytes()), FLAGS, Mode::empty())
            .map_err(|error| refused(&path, error))?;
        let stat = fstat(&entry).map_err(|error| unread(&path, error.into()))?;
        let found = FileType::from_raw_mode(stat.st_mode);
        if found.is_dir() {
            walk(&entry, &path, limits, take)?;
        } else if !found.is_file() {
            return Err(BundleError::Kind { path, kind: kind(found) });
        } else if path.len() > limits.path {
            return Err(BundleError::LongPath { path, limit: limits.path });
        } else {
            take(Found { path, file: entry.into(), stat })?;
        }
    }
    Ok(())
}

/// A name as text, or why it is refused.
pub(super) fn utf8(name: &[u8], limits: Limits) -> Result<String, BundleError> {
    let shown = || String::from_utf8_lossy(&name[..name.len().min(200)]).escape_debug().to_string();
    if name.len() > limits.path {
        return Err(BundleError::LongPath { path: shown(), limit: limits.path });
    }
    match std::str::from_utf8(name) {
        Ok(name) if !name.chars().any(char::is_control) => Ok(name.to_owned()),
        Ok(_) | Err(_) => Err(BundleError::Name { path: shown() }),
    }
}

pub(super) const fn kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a link",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::RegularFile | FileType::Directory | FileType::Unknown => "what this is",
    }
}

fn refused(path: &str, error: Errno) -> BundleError {
    let path = path.to_owned();
    match error {
        // What O_NOFOLLOW, O_DIRECTORY and O_NONBLOCK make of links, files and sockets.
        Errno::LOOP => BundleError::Kind { path, kind: "a link" },
        Errno::NXIO => BundleError::Kind { path, kind: "a socket or device" },
        error => BundleError::Read { path, source: error.into() },
    }
}

pub(super) fn unread(path: &str, source: io::Error) -> BundleError {
    BundleError::Read { path: path.to_owned(), source }
}
