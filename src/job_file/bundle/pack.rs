//! Packs a bundle from what a job refers to, for `sutler submit`.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rustix::fs::{FileType, fstat};

use super::{BundleError, JOB_FILES, Limits, tree};
use crate::model::{Definition, Work};

/// Writes a tar with the job file `job`, read as `definition`, and everything it refers to by a
/// relative path. Returns how many files are in it. What the job does not name stays at home.
pub fn pack(
    job: &Path,
    definition: &Definition,
    limits: Limits,
    out: impl Write,
) -> Result<usize, BundleError> {
    let folder = match job.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    let root = tree::open_folder(
        &folder
            .canonicalize()
            .map_err(|source| tree::unread(&folder.display().to_string(), source))?,
    )?;
    let shown = job.display().to_string();
    // The author names this one by hand, so that it may be a link.
    let file = File::open(job).map_err(|source| tree::unread(&shown, source))?;
    let json = job.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let name = if json { JOB_FILES[2] } else { JOB_FILES[0] };
    let mut files = BTreeMap::from([(name.to_owned(), file)]);
    let mut add = |path: String, file: File| {
        // The whole folder may be referred to, the job file travels under its name in it.
        if !JOB_FILES.contains(&path.as_str()) {
            files.insert(path, file);
        }
        if files.len() > limits.files {
            return Err(BundleError::TooMany { limit: limits.files });
        }
        Ok(())
    };
    for path in references(definition) {
        let opened = tree::open_below(&root, &path)?;
        let inside = clean(&path);
        let stat = fstat(&opened).map_err(|error| tree::unread(&inside, error.into()))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind.is_file() {
            add(inside, opened.into())?;
        } else if kind.is_dir() {
            tree::walk(&opened, &inside, limits, &mut |found| add(found.path, found.file))?;
        } else {
            return Err(BundleError::Kind { path: inside, kind: tree::kind(kind) });
        }
    }
    write(files, limits, out)
}

fn write(
    files: BTreeMap<String, File>,
    limits: Limits,
    out: impl Write,
) -> Result<usize, BundleError> {
    let count = files.len();
    let mut left = limits.bytes;
    let mut tar = tar::Builder::new(out);
    for (path, file) in files {
        let size = file.metadata().map_err(|source| tree::unread(&path, source))?.len();
        left = left.checked_sub(size).ok_or(BundleError::TooLarge { limit: limits.bytes })?;
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        let mut content = Exact { inner: file.take(size), left: size };
        tar.append_data(&mut header, &path, &mut content)
            .map_err(|source| BundleError::Tar { source })?;
        if content.left > 0 {
            return Err(BundleError::Changed { path });
        }
    }
    tar.into_inner()
        .and_then(|mut out| out.flush())
        .map_err(|source| BundleError::Tar { source })?;
    Ok(count)
}

struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left -= length as u64;
        Ok(length)
    }
}

/// Every relative path a job names, once: needle folders and files.
pub fn references(definition: &Definition) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for action in &definition.actions {
        match &action.work {
            Work::Deploy(deploy) => {
                paths.extend(deploy.images.iter().map(|image| &image.source.path));
            }
            Work::Boot(boot) => {
                let guest = &boot.guest;
                let files = [&guest.disk, &guest.cdrom, &guest.kernel, &guest.initrd];
                paths.extend(files.into_iter().flatten().map(|source| &source.path));
            }
            Work::Test(test) => paths.extend(&test.screen.needles),
        }
    }
    paths.retain(|path| path.is_relative());
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().cloned().collect()
}

fn clean(path: &Path) -> String {
    let text = path.to_string_lossy();
    if text == "." { String::new() } else { text.into_owned() }
}
