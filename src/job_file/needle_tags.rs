//! The tags of the needles in a folder, and nothing else of them.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::Deserialize;

/// Needles of one folder, at most; more than any test suite has.
const MOST_FILES: usize = 100_000;
const LARGEST_FILE: u64 = 1 << 20;
const DEEPEST: usize = 16;

/// What a folder of needles offers.
#[derive(Debug, Default)]
pub(super) struct NeedleTags {
    /// One list for each needle.
    pub(super) tags: Vec<Vec<String>>,
    /// Files that end in `.json` and are no needles.
    pub(super) broken: Vec<String>,
}

/// Reads the `tags` of every `.json` below `folder`. Links are not followed.
pub(super) fn scan(folder: &Path) -> io::Result<NeedleTags> {
    let mut found = NeedleTags::default();
    scan_into(folder, DEEPEST, &mut found)?;
    Ok(found)
}

fn scan_into(folder: &Path, levels: usize, found: &mut NeedleTags) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() && levels > 0 {
            scan_into(&path, levels - 1, found)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "json") {
            match tags(&path) {
                Ok(tags) => found.tags.push(tags),
                Err(error) => found.broken.push(format!("{}: {error}", path.display())),
            }
        }
        if found.tags.len() + found.broken.len() > MOST_FILES {
            return Err(io::Error::other(format!("more than {MOST_FILES} needles")));
        }
    }
    Ok(())
}

fn tags(path: &Path) -> io::Result<Vec<String>> {
    #[derive(Deserialize)]
    struct OnlyTags {
        tags: Vec<String>,
    }
    let mut text = Vec::new();
    File::open(path)?.take(LARGEST_FILE).read_to_end(&mut text)?;
    let needle: OnlyTags = serde_json::from_slice(&text)?;
    Ok(needle.tags)
}
