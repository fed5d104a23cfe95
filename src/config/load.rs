//! Gathers what was said everywhere, the strongest last, and makes settings of it.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use super::{
    Host, Key, Origin, SYSTEM_DATA, SYSTEM_FILE, Settings, SettingsError,
    document::{Document, Entry},
    environment, file,
    keys::Asked,
    knob::Fault,
};
use crate::model::problem::{Problem, Problems, Severity};

/// The variable that names the settings file.
pub const CONFIG_VARIABLE: &str = "SUTLER_CONFIG";

/// A file larger than this is no settings file.
const LARGEST_FILE: u64 = 1 << 20;

/// What the command line says of the settings.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Read this file and no other.
    pub config: Option<PathBuf>,
    said: Vec<(String, String, String)>,
}

impl Flags {
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config, said: Vec::new() }
    }

    /// A flag that sets `key`.
    pub fn say(&mut self, flag: &str, key: &str, value: impl Into<String>) {
        self.said.push((flag.into(), key.into(), value.into()));
    }

    /// `--set KEY=VALUE`
    pub fn set(&mut self, key: &str, value: &str) {
        self.say(environment::SET, key, value);
    }
}

/// The settings in force, and how they came to be.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// What is odd and no mistake.
    pub warnings: Vec<Problems>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    pub fn origin(&self, key: &Key) -> &Origin {
        self.origins.get(key.name).unwrap_or(&Origin::Default)
    }

    fn is_said(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("could not read the settings in {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    /// Of each place in which there are mistakes, all of them.
    #[error("the settings have mistakes")]
    Mistakes(Vec<Problems>),
    /// Each by itself is fine.
    #[error("the settings cannot be had{origins}")]
    Contradiction { origins: String, source: SettingsError },
    #[error(transparent)]
    Host(#[from] SettingsError),
}

/// Reads flags, environment and file.
///
/// # Errors
/// With every mistake in all of them.
pub fn load(flags: &Flags, host: &Host) -> Result<Loaded, ConfigError> {
    let variables = our_environment();
    let variable =
        variables.iter().find(|(name, value)| name == CONFIG_VARIABLE && !value.is_empty());
    let named = flags.config.clone().or_else(|| variable.map(|(_, path)| path.into()));
    let file = match (named, host.default_file()) {
        (Some(path), _) => Some(read_file(&host.current_folder.join(path))?),
        (None, Some(path)) if exists(&path) => Some(read_file(&path)?),
        (None, _) => None,
    };
    let folder = &host.current_folder;
    let mut documents = Vec::from_iter(file);
    documents.push(environment::variables(&variables, folder));
    documents.push(environment::flags(&flags.said, folder));
    resolve(documents, host)
}

/// Reads one file by itself.
///
/// # Errors
/// With every mistake in it.
pub fn check_file(path: &Path, host: &Host) -> Result<Loaded, ConfigError> {
    resolve(vec![read_file(&host.current_folder.join(path))?], host)
}

/// Where an appliance that commands could mean keeps its data, best first: the one these settings
/// are for, then, where nobody named any, the box's.
///
/// # Errors
/// With every mistake in the settings.
pub fn likely_data(flags: &Flags, host: &Host) -> Result<Vec<PathBuf>, ConfigError> {
    let own = match load(flags, host) {
        Ok(own) => Some(own),
        // An account without a home may still mean the box's.
        Err(ConfigError::Contradiction { source: SettingsError::NoHome, .. }) => None,
        Err(error) => return Err(error),
    };
    let is_named = own.as_ref().is_some_and(|own| own.is_said("data"));
    let may_be_the_boxs = !host.is_system && !is_named;
    let mut folders = Vec::from_iter(own.map(|own| own.settings.data));
    if may_be_the_boxs {
        let system = Host { is_system: true, ..host.clone() };
        let boxs = check_file(Path::new(SYSTEM_FILE), &system);
        // Its file may be missing, closed to us or wrong: none of that is our business.
        folders.push(boxs.map_or_else(|_| SYSTEM_DATA.into(), |boxs| boxs.settings.data));
    }
    Ok(folders)
}

/// Variables that cannot be text are none of ours.
fn our_environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let mut all: Vec<_> = env::vars_os().filter_map(text).collect();
    all.sort();
    all
}

fn exists(path: &Path) -> bool {
    // One that may not be looked at exists as far as we know: reading it says why not.
    !matches!(path.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

fn read_file(path: &Path) -> Result<Document, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.into(), source };
    let length = path.metadata().map_err(unreadable)?.len();
    if length > LARGEST_FILE {
        let words = format!("{length} bytes are no settings file");
        return Err(unreadable(io::Error::new(io::ErrorKind::InvalidData, words)));
    }
    Ok(file::read(path, &fs::read_to_string(path).map_err(unreadable)?))
}

/// Makes settings of what was said, weakest first.
pub(super) fn resolve(documents: Vec<Document>, host: &Host) -> Result<Loaded, ConfigError> {
    let file = documents.iter().flat_map(|document| &document.entries).find_map(|entry| {
        let Origin::File { path, .. } = &entry.origin else { return None };
        Some(path.clone())
    });
    let mut asked = Asked::default();
    let mut origins = BTreeMap::new();
    let mut found = Vec::new();
    for mut document in documents {
        for entry in std::mem::take(&mut document.entries) {
            match (entry.key.slot)(&mut asked).fill(&entry.said, &document.base) {
                Ok(()) => drop(origins.insert(entry.key.name, entry.origin)),
                Err(fault) => document.problems.push(problem(&entry, fault)),
            }
        }
        found.extend(document.into_problems());
    }
    let is_mistake = |problem: &Problem| problem.severity == Severity::Error;
    if found.iter().any(|problems| problems.list.iter().any(is_mistake)) {
        return Err(ConfigError::Mistakes(found));
    }
    let settings = Settings::check(asked, host).map_err(|source| {
        let named = |name: &&str| Some(format!("{name}: {}", origins.get(*name)?));
        let origins: Vec<_> = source.keys().iter().filter_map(named).collect();
        let origins =
            if origins.is_empty() { String::new() } else { format!(" ({})", origins.join(", ")) };
        ConfigError::Contradiction { origins, source }
    })?;
    Ok(Loaded { settings, file, warnings: found, origins })
}

fn problem(entry: &Entry, fault: Fault) -> Problem {
    let Fault { found, expected, help, entry: index } = fault;
    let place = index.and_then(|index| entry.places.get(index)).copied().unwrap_or(entry.place);
    Problem { help, ..Problem::new(place, entry.key.name, found, expected) }
}

#[cfg(test)]
mod tests;
