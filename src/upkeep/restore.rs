//! A data folder made of a backup, and nothing else: every file is checked against the manifest
//! before the folder is given its name.
//!
//! The files are unpacked into a folder inside the new one and moved up at the very end, so that an
//! appliance started on a half restored folder finds no store that looks whole.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::backup::{FORMAT, MANIFEST, Manifest};
use crate::{
    capture::SCREENS_FOLDER,
    clock,
    model::{Cause, Code, Digest, JobId, JobState, Keepsake, Rule, Verdict, Who},
    store::{self, Change, HistoryKey, Inconsistency, Store, StoreError, StoreSettings},
};

/// Where files lie until all of them are known to be good.
const ASIDE: &str = "restoring";
/// Jobs changed at a time.
const STEP: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("{} is not empty; a backup is restored into a folder of its own", path.display())]
    NotEmpty { path: PathBuf },
    #[error("could not read the backup: it is damaged, or no backup")]
    Damaged { source: io::Error },
    #[error("the backup was cut off: it has no manifest")]
    CutOff,
    #[error("the manifest of the backup cannot be read")]
    Manifest { source: serde_json::Error },
    #[error("the backup has format {found}, this sutler knows formats up to {FORMAT}")]
    Newer { found: u32 },
    #[error("{path}: a backup holds no such file")]
    Foreign { path: String },
    #[error("{path}: it is not as it was when the backup was made")]
    Changed { path: String },
    #[error("{path}: it is missing from the backup")]
    Missing { path: String },
    #[error("could not write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the restored store cannot be used")]
    Store(#[from] StoreError),
    #[error("the restored store is not consistent")]
    Inconsistent(#[from] Inconsistency),
    #[error("the backup should hold {expected} jobs, its store has {found}")]
    Jobs { expected: u64, found: u64 },
}

/// What came of it.
#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    /// Jobs that ran when the backup was made and have ended as incomplete.
    pub cut_off: Vec<JobId>,
}

/// Restores `from` into `data`, which is made, or empty. `told` hears of bytes as they are read.
pub async fn restore(
    from: File,
    data: &Path,
    told: &mut dyn FnMut(u64),
) -> Result<Restored, RestoreError> {
    let written = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RestoreError::Write { path, source }
    };
    fs::create_dir_all(data).map_err(written(data))?;
    if fs::read_dir(data).map_err(written(data))?.next().is_some() {
        return Err(RestoreError::NotEmpty { path: data.into() });
    }
    let aside = data.join(ASIDE);
    fs::create_dir(&aside).map_err(written(&aside))?;
    let restored = fill(from, &aside, told).await;
    if restored.is_err() {
        // Nothing of it can be used; what cannot be removed is in nobody's way.
        let _ = fs::remove_dir_all(&aside);
    }
    let restored = restored?;
    let opened = File::open(&aside).map_err(written(&aside))?;
    rustix::fs::syncfs(opened).map_err(|error| written(&aside)(error.into()))?;
    for name in ["bundles", "jobs", SCREENS_FOLDER, store::FILE] {
        let (from, to) = (aside.join(name), data.join(name));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(written(&to)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    fs::remove_dir(&aside).map_err(written(&aside))?;
    Ok(restored)
}

async fn fill(
    from: File,
    aside: &Path,
    told: &mut dyn FnMut(u64),
) -> Result<Restored, RestoreError> {
    let manifest = unpack(from, aside, told)?;
    let (store, writer) = Store::open(&aside.join(store::FILE), StoreSettings::default())?;
    let done = settle(&store, &manifest).await;
    let found = store.check_consistent();
    writer.close().await;
    let (cut_off, found) = (done?, found?);
    if found != manifest.jobs {
        return Err(RestoreError::Jobs { expected: manifest.jobs, found });
    }
    Ok(Restored { manifest, cut_off })
}

/// Unpacks everything, and compares it with the manifest.
fn unpack(from: File, aside: &Path, told: &mut dyn FnMut(u64)) -> Result<Manifest, RestoreError> {
    let damaged = |source| RestoreError::Damaged { source };
    let counted = Counted { file: from, told };
    let mut tar = tar::Archive::new(zstd::Decoder::new(counted).map_err(damaged)?);
    let mut found = BTreeMap::new();
    let mut manifest = None;
    for entry in tar.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.display().to_string();
        if path == MANIFEST {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).map_err(damaged)?;
            let read = serde_json::from_slice::<Manifest>(&text);
            manifest = Some(read.map_err(|source| RestoreError::Manifest { source })?);
            continue;
        }
        let place = aside.join(allowed(&path)?);
        let written = |source| RestoreError::Write { path: place.clone(), source };
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(written)?;
        }
        if entry.header().entry_type() == tar::EntryType::Link {
            let known = entry.link_name().map_err(damaged)?.unwrap_or_default();
            let known = known.display().to_string();
            // Only a file that has been unpacked here just now may get another name.
            let Some(same) = found.get(&known).copied() else {
                return Err(RestoreError::Foreign { path: known });
            };
            fs::hard_link(aside.join(allowed(&known)?), &place).map_err(written)?;
            found.insert(path, same);
            continue;
        }
        let mut out = File::create_new(&place).map_err(written)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; 128 << 10];
        let mut size = 0;
        loop {
            let length = entry.read(&mut piece).map_err(damaged)?;
            if length == 0 {
                break;
            }
            hash.update(&piece[..length]);
            out.write_all(&piece[..length]).map_err(written)?;
            size += length as u64;
        }
        found.insert(path, (size, Digest::from_bytes(hash.finalize().into())));
    }
    let manifest = manifest.ok_or(RestoreError::CutOff)?;
    compare(&manifest, found)?;
    Ok(manifest)
}

fn compare(
    manifest: &Manifest,
    mut found: BTreeMap<String, (u64, Digest)>,
) -> Result<(), RestoreError> {
    if manifest.format > FORMAT {
        return Err(RestoreError::Newer { found: manifest.format });
    }
    for entry in &manifest.files {
        let path = || entry.path.clone();
        let there = found.remove(&entry.path);
        match there {
            None => return Err(RestoreError::Missing { path: path() }),
            Some(there) if there != (entry.size, entry.sha256) => {
                return Err(RestoreError::Changed { path: path() });
            }
            Some(_) => {}
        }
    }
    match found.into_keys().next() {
        Some(path) => Err(RestoreError::Foreign { path }),
        None => Ok(()),
    }
}

/// The path of an entry, if a backup may have it.
fn allowed(path: &str) -> Result<&Path, RestoreError> {
    let allowed = Path::new(path);
    let is_plain = allowed.components().all(|part| matches!(part, Component::Normal(_)));
    let is_ours = path == store::FILE
        || ["jobs", "bundles", SCREENS_FOLDER].iter().any(|folder| allowed.starts_with(folder));
    if is_plain && is_ours { Ok(allowed) } else { Err(RestoreError::Foreign { path: path.into() }) }
}

/// Ends what ran, and notes what the backup did not hold.
async fn settle(store: &Store, manifest: &Manifest) -> Result<Vec<JobId>, StoreError> {
    let mut cut_off = Vec::new();
    for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
        cut_off.extend(store.pick_in(state, usize::MAX, |job| job.id).await?);
    }
    for id in &cut_off {
        let words = format!(
            "it ran when the backup of {} was made, from which this box was restored",
            manifest.made
        );
        let ended = Change::Ended {
            at: clock::now(),
            verdict: Verdict::Incomplete,
            cause: Some(Cause::new(Who::Lab, Code::Restored, words)),
            backend: serde_json::Map::new(),
            load: None,
            parts: Vec::new(),
            samples: Vec::new(),
        };
        store.change(*id, ended).await?;
    }
    let missing = match manifest.without {
        without if without.results => Some(Keepsake::Results),
        without if without.videos => Some(Keepsake::Video),
        _ => None,
    };
    if let Some(what) = missing {
        note_missing(store, manifest, what).await?;
    }
    Ok(cut_off)
}

async fn note_missing(
    store: &Store,
    manifest: &Manifest,
    what: Keepsake,
) -> Result<(), StoreError> {
    let mut before: Option<HistoryKey> = None;
    loop {
        let page = store.history(before, STEP).await?;
        let holders = page.jobs.iter().filter(|job| job.holdings.holds(what));
        let removed = || Change::Removed { what, at: manifest.made, rule: Rule::NotInBackup };
        let changes = holders.map(|job| store.change(job.id, removed()));
        futures_util::future::try_join_all(changes).await?;
        before = page.next;
        if before.is_none() {
            return Ok(());
        }
    }
}

/// Tells of the bytes of the backup as they are read.
struct Counted<'a> {
    file: File,
    told: &'a mut dyn FnMut(u64),
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(out)?;
        (self.told)(length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
