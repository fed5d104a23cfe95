//! A folder of needles: which there are, what is wrong with the others, and what is kept of their
//! pictures.
//!
//! Files are read once when the set is loaded. A picture is decoded when its needle is first
//! searched for, and only the small grey pieces its match areas show are kept.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{
    needle_file::{self, NeedleFileError, NeedleNote},
    place::{self, Template},
    screen,
};
use crate::{
    model::{Area, AreaKind, Digest, Needle, TagQuery},
    picture::{self, Rect},
};

const LONGEST_JSON: u64 = 1 << 20;
const LONGEST_PICTURE: u64 = 64 << 20;
const DEEPEST: usize = 16;
/// Most files and folders looked at below a needles' folder.
const MOST_ENTRIES: usize = 200_000;

#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    #[error("could not read the needles' folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(
        "the needles' folder {} holds more than {limit} files; give the folder of the needles alone",
        path.display()
    )]
    TooManyFiles { path: PathBuf, limit: usize },
}

/// A needle that is left out, and why.
#[derive(Debug, thiserror::Error)]
#[error("needle {} is not used: {reason}", path.display())]
pub struct Refused {
    pub path: PathBuf,
    #[source]
    pub reason: NeedleFileError,
}

/// Something about a needle that is used all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("needle {}: {note}", path.display())]
pub struct Warning {
    pub path: PathBuf,
    pub note: NeedleNote,
}

/// A needle with what a search needs of its picture.
#[derive(Debug)]
pub struct LoadedNeedle {
    pub needle: Needle,
    picture: PathBuf,
    picture_hash: Digest,
    /// Width and height of its picture.
    size: (u32, u32),
    /// One for each match area, in their order.
    templates: OnceLock<Result<Box<[Template]>, Box<NeedleFileError>>>,
}

impl LoadedNeedle {
    /// Reads one needle file and, to know its hash and size, the picture beside it.
    pub fn load(path: &Path) -> Result<Self, Refused> {
        Self::read(path, None, &mut Vec::new())
    }

    fn read(
        path: &Path,
        root: Option<&Path>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, Refused> {
        let refused = |reason| Refused { path: path.into(), reason };
        let name = path.file_stem().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| refused(NeedleFileError::Name))?;
        let json = read_limited(path, root, LONGEST_JSON).map_err(refused)?;
        let file = needle_file::parse(name, &json).map_err(refused)?;
        let picture = path.with_extension("png");
        let (picture_hash, size) = picture_of(&picture, root)
            .and_then(|found| {
                fits(&file.areas, found.1)?;
                Ok(found)
            })
            .map_err(refused)?;
        let both = [Digest::of(&json), picture_hash].map(|hash| *hash.as_bytes()).concat();
        let noted = file.notes.into_iter().map(|note| Warning { path: path.into(), note });
        warnings.extend(noted);
        let needle = Needle {
            name: name.to_owned(),
            tags: file.tags,
            areas: file.areas,
            workaround: file.workaround,
            hash: Digest::of(&both),
        };
        Ok(Self { needle, picture, picture_hash, size, templates: OnceLock::new() })
    }

    /// Decodes the picture unless that was done before. A needle that fails here is no candidate
    /// in any search.
    pub fn prepare(&self) -> Result<(), &NeedleFileError> {
        self.templates().map(drop)
    }

    /// The needle with its picture decoded, or why that cannot be.
    pub fn into_prepared(self) -> Result<Self, NeedleFileError> {
        let templates = OnceLock::from(Ok(self.cut_templates()?));
        Ok(Self { templates, ..self })
    }

    pub(super) fn templates(&self) -> Result<&[Template], &NeedleFileError> {
        let cut = || {
            let templates = self.cut_templates();
            if let Err(error) = &templates {
                let (needle, cause) = (&self.needle.name, error as &dyn std::error::Error);
                tracing::warn!(needle, cause, "a needle is left out of searches");
            }
            templates.map_err(Box::new)
        };
        self.templates.get_or_init(cut).as_deref().map_err(|error| &**error)
    }

    fn cut_templates(&self) -> Result<Box<[Template]>, NeedleFileError> {
        Ok(screen::templates(&self.read_picture()?, &self.needle))
    }

    /// The screen it was cut from, as it was when the needle was read.
    pub fn read_picture(&self) -> Result<picture::Picture, NeedleFileError> {
        let (hash, _) = picture_of(&self.picture, None)?;
        if hash != self.picture_hash {
            return Err(NeedleFileError::Changed);
        }
        let picture = picture::read_image(&self.picture)?;
        if (picture.width(), picture.height()) != self.size {
            return Err(NeedleFileError::Changed);
        }
        Ok(picture)
    }

    /// Width and height of its picture.
    pub const fn size(&self) -> (u32, u32) {
        self.size
    }

    pub(super) fn match_areas(&self) -> impl Iterator<Item = &Area> {
        self.needle.areas.iter().filter(|area| area.kind == AreaKind::Match)
    }
}

/// The needles of a folder.
#[derive(Debug, Default)]
pub struct NeedleSet {
    needles: Vec<Arc<LoadedNeedle>>,
    warnings: Vec<Warning>,
}

impl NeedleSet {
    /// Reads every needle below `folder`, in the order of their paths. What cannot be used is
    /// handed back beside the set. Blocks for as long as reading all files takes.
    pub fn load(folder: &Path) -> Result<(Self, Vec<Refused>), VisionError> {
        let failed = |source| VisionError::Folder { path: folder.into(), source };
        let root = folder.canonicalize().map_err(failed)?;
        let mut scan =
            Scan { root: &root, seen: HashSet::new(), left: MOST_ENTRIES, files: vec![] };
        let mut refused = Vec::new();
        if !scan.folder(folder, 0, &mut refused).map_err(failed)? {
            let path = folder.into();
            return Err(VisionError::TooManyFiles { path, limit: MOST_ENTRIES });
        }
        scan.files.sort_unstable();
        let mut set = Self::default();
        let mut names: HashMap<String, PathBuf> = HashMap::new();
        for path in scan.files {
            match LoadedNeedle::read(&path, Some(&root), &mut set.warnings) {
                Ok(needle) => {
                    let name = needle.needle.name.clone();
                    if let Some(other) = names.insert(name, path.clone()) {
                        let note = NeedleNote::NameTwice { other: other.display().to_string() };
                        set.warnings.push(Warning { path, note });
                    }
                    set.needles.push(Arc::new(needle));
                }
                Err(reason) => refused.push(reason),
            }
        }
        Ok((set, refused))
    }

    /// The needles a step asks for.
    pub fn find(&self, query: &TagQuery) -> Vec<Arc<LoadedNeedle>> {
        self.iter().filter(|needle| query.accepts(&needle.needle.tags)).cloned().collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<LoadedNeedle>> {
        self.needles.iter()
    }

    pub fn len(&self) -> usize {
        self.needles.len()
    }

    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// Every tag once, sorted.
    pub fn tags(&self) -> Vec<&str> {
        let all = self.iter().flat_map(|needle| &needle.needle.tags).map(String::as_str);
        let mut tags: Vec<_> = all.collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }

    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

/// A walk through a needles' folder that ends, whatever the folder holds.
struct Scan<'a> {
    root: &'a Path,
    /// Folders that were entered, by their real path, so that links cannot go in circles.
    seen: HashSet<PathBuf>,
    left: usize,
    files: Vec<PathBuf>,
}

impl Scan<'_> {
    /// Returns whether all was looked at. Only the topmost folder has to be readable.
    fn folder(
        &mut self,
        folder: &Path,
        depth: usize,
        refused: &mut Vec<Refused>,
    ) -> io::Result<bool> {
        if depth > DEEPEST || !self.seen.insert(folder.canonicalize()?) {
            return Ok(true);
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(left) = self.left.checked_sub(1) else { return Ok(false) };
            self.left = left;
            let path = entry.path();
            if entry.file_name() == ".git" {
                continue;
            }
            let is_json = path.extension().is_some_and(|ending| ending == "json");
            let outcome = match within(&path, Some(self.root)) {
                Ok(kind) if kind.is_dir() => {
                    self.folder(&path, depth + 1, refused).map_err(NeedleFileError::Read)
                }
                Ok(_) if is_json => {
                    self.files.push(path.clone());
                    Ok(true)
                }
                Ok(_) => Ok(true),
                // A broken or outgoing link matters when it would have been a needle or a folder.
                Err(_) if !is_json && !path.is_dir() => Ok(true),
                Err(reason) => Err(reason),
            };
            match outcome {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(reason) => refused.push(Refused { path, reason }),
            }
        }
        Ok(true)
    }
}

/// What `path` leads to, refused when that lies outside `root`.
fn within(path: &Path, root: Option<&Path>) -> Result<fs::Metadata, NeedleFileError> {
    let metadata = fs::metadata(path).map_err(NeedleFileError::Read)?;
    if let Some(root) = root {
        let real = path.canonicalize().map_err(NeedleFileError::Read)?;
        if !real.starts_with(root) {
            return Err(NeedleFileError::Outside);
        }
    }
    Ok(metadata)
}

fn read_limited(path: &Path, root: Option<&Path>, limit: u64) -> Result<Vec<u8>, NeedleFileError> {
    let metadata = within(path, root)?;
    // Opening a pipe would wait for somebody to write.
    if !metadata.is_file() {
        return Err(NeedleFileError::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(NeedleFileError::Read)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(NeedleFileError::Read)?;
    if bytes.len() as u64 > limit {
        return Err(NeedleFileError::TooLong { bytes: metadata.len(), limit });
    }
    Ok(bytes)
}

/// The hash of a PNG file and the width and height its header states.
fn picture_of(path: &Path, root: Option<&Path>) -> Result<(Digest, (u32, u32)), NeedleFileError> {
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = match read_limited(path, root, LONGEST_PICTURE) {
        Ok(bytes) if bytes.is_empty() => {
            return Err(NeedleFileError::NoPicture { picture: name() });
        }
        Err(NeedleFileError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(NeedleFileError::NoPicture { picture: name() });
        }
        read => read?,
    };
    let number = |at: usize| {
        let digits = bytes.get(at..at + 4)?;
        Some(u32::from_be_bytes(digits.try_into().ok()?))
    };
    match (bytes.starts_with(b"\x89PNG\r\n\x1a\n"), number(16), number(20)) {
        (true, Some(width), Some(height)) => Ok((Digest::of(&bytes), (width, height))),
        _ => Err(NeedleFileError::NotPng { picture: name() }),
    }
}

/// Whether every match area lies inside the picture it is cut from.
fn fits(areas: &[Area], (width, height): (u32, u32)) -> Result<(), NeedleFileError> {
    for (number, area) in (1..).zip(areas) {
        let Area { x, y, w, h, .. } = *area;
        let rect = Rect::new(x, y, w, h);
        if area.kind == AreaKind::Match && !place::lies_inside(rect, width, height) {
            return Err(NeedleFileError::OutsidePicture {
                area: number,
                x,
                y,
                w,
                h,
                width,
                height,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
