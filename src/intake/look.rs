//! Looks at what lies in the inbox without trusting it: nothing is followed, nothing but a regular
//! file is opened, and what was looked at is known again by its inode.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Seek},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};
use sha2::Digest as _;

use super::{
    Content,
    settle::{Kind, Looks},
};
use crate::model::{Digest, IntakeKey, Submitter};

/// Entries of a folder that are looked at, to be done in bounded time. What is copied is the
/// examiner's to bound.
const MOST_ENTRIES: usize = 100_000;

/// How it looks from outside; none when there is nothing of this name.
pub(super) fn looks(path: &Path) -> io::Result<Option<Looks>> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(looks_of(path, &meta))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn looks_of(path: &Path, meta: &Metadata) -> Looks {
    let changed = |meta: &Metadata| nanos(meta.mtime(), meta.mtime_nsec());
    let looks =
        |kind| Looks { kind, inode: meta.ino(), size: meta.len(), changed_ns: changed(meta) };
    if meta.is_dir() {
        let mut sum = looks(Kind::Folder);
        for (_, meta) in entries(path) {
            sum.size = sum.size.wrapping_add(meta.len()).wrapping_add(1);
            sum.changed_ns = sum.changed_ns.wrapping_add(changed(&meta));
        }
        sum
    } else if meta.is_file() {
        looks(if meta.nlink() > 1 { Kind::Linked } else { Kind::File })
    } else {
        looks(Kind::Special)
    }
}

/// All that is below a folder, without following anything, sorted by path. What cannot be read is
/// left out: the examiner will come across it.
fn entries(folder: &Path) -> Vec<(PathBuf, Metadata)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop()
        && found.len() < MOST_ENTRIES
    {
        let Ok(listing) = fs::read_dir(folder) else { continue };
        for entry in listing.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            }
            found.push((entry.path(), meta));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// What became of an attempt to open something.
pub(super) enum Opened {
    Vanished,
    /// Why it is set aside, for its author.
    Refused(String),
    /// It cannot be looked at now.
    NotNow(io::Error),
    Whole(Box<Whole>),
}

/// A file or folder with everything that names it.
pub(super) struct Whole {
    pub content: Content,
    pub submitter: Submitter,
    pub key: IntakeKey,
}

pub(super) fn open(path: &Path) -> Opened {
    let opened = fs::symlink_metadata(path).and_then(|meta| {
        if meta.is_dir() {
            return folder(path, &meta);
        }
        match special(&meta) {
            Some(what) => Ok(Err(format!(
                "this is {what}; the inbox takes job files, folders with a job.yaml, and archives"
            ))),
            None => file(path),
        }
    });
    match opened {
        Ok(Ok(whole)) => Opened::Whole(Box::new(whole)),
        Ok(Err(words)) => Opened::Refused(words),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Opened::Vanished,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Opened::Refused(format!(
            "Sutler may not read this ({error}); make it readable (chmod -R a+rX) and drop it again"
        )),
        Err(error) => Opened::NotNow(error),
    }
}

fn special(meta: &Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("a device")
    } else {
        None
    }
}

fn file(path: &Path) -> io::Result<Result<Whole, String>> {
    // Another thing may lie there than a moment ago: a link is not followed, a pipe not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file: File = match rustix::fs::open(path, flags | OFlags::NOCTTY, Mode::empty()) {
        Ok(fd) => fd.into(),
        Err(Errno::LOOP) => return Ok(Err("this is a symbolic link".into())),
        Err(error) => return Err(error.into()),
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Err("this is not a regular file".into()));
    }
    let hash = hash(&mut file)?;
    file.rewind()?;
    Ok(Ok(Whole { content: Content::File(file), submitter: owner(&meta), key: key(&meta, hash) }))
}

fn hash(file: &mut File) -> io::Result<Digest> {
    let mut sum = sha2::Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(Digest::from_bytes(sum.finalize().into()));
        }
        sum.update(&buffer[..read]);
    }
}

/// The hash of a folder is that of the names, sizes and times in it: what is in the files is
/// hashed when they are copied.
fn folder(path: &Path, meta: &Metadata) -> io::Result<Result<Whole, String>> {
    fs::read_dir(path)?;
    let mut sum = sha2::Sha256::new();
    for (path, meta) in entries(path) {
        sum.update(path.as_os_str().as_encoded_bytes());
        sum.update([0]);
        sum.update(meta.len().to_le_bytes());
        sum.update(nanos(meta.mtime(), meta.mtime_nsec()).to_le_bytes());
    }
    let hash = Digest::from_bytes(sum.finalize().into());
    Ok(Ok(Whole { content: Content::Folder, submitter: owner(meta), key: key(meta, hash) }))
}

fn key(meta: &Metadata, hash: Digest) -> IntakeKey {
    IntakeKey {
        device: meta.dev(),
        inode: meta.ino(),
        ctime_ns: nanos(meta.ctime(), meta.ctime_nsec()),
        hash,
    }
}

fn owner(meta: &Metadata) -> Submitter {
    let uid = meta.uid();
    let name = uzers::get_user_by_uid(uid)
        .map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into_owned());
    Submitter { uid: Some(uid), name }
}

fn nanos(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}
