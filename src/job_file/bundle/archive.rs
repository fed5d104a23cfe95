//! Reads a tar of somebody else.
//!
//! This file alone names tar, flate2 and zstd for bundles. Everything is counted after
//! decompression. Between two files only a little may be read: long names are held in memory.

use std::{
    cell::Cell,
    collections::HashSet,
    io::{self, Read},
    path::{Component, Path},
    rc::Rc,
};

use tar::EntryType;

use super::{BundleError, Limits, tree::utf8};

/// What may lie between two files: headers, long names, padding.
const MOST_BETWEEN: u64 = 1 << 20;
/// Memory for zstd's window, as a power of two: 128 MiB.
const WINDOW_LOG: u32 = 27;

/// Hands over every file in `reader` with its clean relative path.
pub(super) fn read(
    mut reader: Box<dyn Read + Send>,
    limits: Limits,
    take: &mut dyn FnMut(&str, &mut dyn Read) -> Result<(), BundleError>,
) -> Result<(), BundleError> {
    let tar = |source| BundleError::Tar { source };
    let mut magic = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut magic).map_err(tar)?;
    let start = io::Cursor::new(magic.clone()).chain(reader);
    let plain: Box<dyn Read> = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(start)),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            let mut decoder = zstd::Decoder::new(start).map_err(tar)?;
            decoder.window_log_max(WINDOW_LOG).map_err(tar)?;
            Box::new(decoder)
        }
        _ => Box::new(start),
    };
    let allowance = Rc::new(Cell::new(MOST_BETWEEN));
    let mut archive = tar::Archive::new(Counted { inner: plain, allowance: Rc::clone(&allowance) });
    let mut entries = archive.entries().map_err(tar)?;
    let mut folders = HashSet::new();
    let mut left = limits.bytes;
    loop {
        allowance.set(MOST_BETWEEN);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(tar)?;
        let name = utf8(&entry.path_bytes(), limits)?;
        let path = clean(&name, limits)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            // Only counted: a folder without files does not travel.
            folders.insert(path);
            if folders.len() > limits.files {
                return Err(BundleError::TooMany { limit: limits.files });
            }
            continue;
        }
        if kind.is_pax_global_extensions() {
            continue;
        }
        if !(kind.is_file() || kind.is_contiguous()) || path.is_empty() {
            return Err(BundleError::Kind { path: name, kind: refused(kind) });
        }
        left =
            left.checked_sub(entry.size()).ok_or(BundleError::TooLarge { limit: limits.bytes })?;
        allowance.set(entry.size().saturating_add(MOST_BETWEEN));
        let size = entry.size();
        let mut content = Measured { inner: &mut entry, read: 0 };
        take(&path, &mut content)?;
        if content.read != size {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "the tar ends in a file");
            return Err(tar(short));
        }
    }
}

/// The path inside of the bundle, or why there is none.
fn clean(name: &str, limits: Limits) -> Result<String, BundleError> {
    let mut parts = Vec::new();
    for part in Path::new(name).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(BundleError::Outside { path: name.into() });
            }
        }
    }
    if parts.len() > limits.depth {
        return Err(BundleError::Deep { path: name.into(), limit: limits.depth });
    }
    Ok(parts.join("/"))
}

fn refused(kind: EntryType) -> &'static str {
    if kind.is_symlink() || kind.is_hard_link() {
        "a link"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_character_special() || kind.is_block_special() {
        "a device"
    } else {
        "what this is"
    }
}

/// Fails once more has been read than was allowed.
struct Counted<R> {
    inner: R,
    allowance: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        match self.allowance.get().checked_sub(length as u64) {
            Some(left) => self.allowance.set(left),
            None => return Err(io::Error::other("far more data than its files have")),
        }
        Ok(length)
    }
}

struct Measured<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.read += length as u64;
        Ok(length)
    }
}
