//! A job as it lies on its author's disk: found, read and checked before it goes anywhere.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::error::CliError;
use crate::{
    job_file::{
        self, Options, Problem, Problems,
        bundle::{JOB_FILES, Source},
        check::{Scope, check},
    },
    model::Definition,
};

/// What a person named.
#[derive(Debug)]
pub(super) enum Local {
    /// A job file, alone or in a folder with what belongs to it.
    JobFile(PathBuf),
    /// A bundle that is packed already.
    Packed(PathBuf),
}

/// A job that can be run, as far as can be seen from here.
#[derive(Debug)]
pub(super) struct Sound {
    pub definition: Definition,
    pub warnings: Vec<Problem>,
    pub name: String,
    pub text: Arc<str>,
}

/// Tells a folder, a job file and a packed bundle from one another.
pub(super) fn find(path: &Path) -> Result<Local, CliError> {
    let read = |source| CliError::File { path: path.into(), source };
    if path.is_dir() {
        let found = JOB_FILES.iter().map(|name| path.join(name)).find(|file| file.is_file());
        return match found {
            Some(file) => Ok(Local::JobFile(file)),
            None => Err(CliError::NoJobFile { folder: path.into() }),
        };
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(match Source::of_file(File::open(path).map_err(read)?, &name) {
        Source::Tar(_) => Local::Packed(path.into()),
        Source::File { .. } | Source::Folder(_) => Local::JobFile(path.into()),
    })
}

/// The folder that a job file's relative paths start from.
pub(super) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Reads a job file and looks at what it names, as the appliance will: absolute paths must lie
/// below `roots` and not in `data`. Without roots they are those of another machine.
pub(super) fn examine(
    path: &Path,
    options: Options,
    roots: Option<&[PathBuf]>,
    data: Option<&Path>,
) -> Result<Result<Sound, Box<Problems>>, CliError> {
    let bytes = fs::read(path).map_err(|source| CliError::File { path: path.into(), source })?;
    let name = path.display().to_string();
    let read = match job_file::read_bytes(&bytes, &name, options) {
        Ok(read) => read,
        Err(problems) => return Ok(Err(problems)),
    };
    let scope = Scope { bundle: folder_of(path), alone: false, roots, data, submitter: None };
    let warnings = match check(&read, &scope) {
        Ok(warnings) => warnings,
        Err(problems) => return Ok(Err(problems)),
    };
    let text = String::from_utf8_lossy(&bytes).into();
    Ok(Ok(Sound { definition: read.definition, warnings, name, text }))
}
