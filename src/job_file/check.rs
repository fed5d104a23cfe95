//! Looks at what a job names: are the files there, may they be read, are the needles among them?
//!
//! `sutler validate`, `sutler submit` and the inbox ask the same questions. The engine opens the
//! files again and trusts none of the answers: they are for the author, early and with a line.

use std::{
    cell::OnceCell,
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use uzers::get_user_groups;

use super::{
    Problem, Problems, Read,
    needle_tags::{self, NeedleTags},
    reader::{FileUse, Report, TagUse, nearest},
};
use crate::model::Digest;

/// Whose permissions count for files outside of the bundle.
#[derive(Debug, Clone)]
pub struct Identity {
    uid: u32,
    /// Primary and supplementary, once they were needed.
    gids: OnceCell<Vec<u32>>,
}

impl Identity {
    /// An account of this box, or a number that is none. It is asked for its groups when a file is
    /// looked at, which few jobs name.
    pub const fn account(uid: u32) -> Self {
        Self { uid, gids: OnceCell::new() }
    }

    fn gids(&self) -> &[u32] {
        self.gids.get_or_init(|| {
            let user = uzers::get_user_by_uid(self.uid);
            let groups =
                user.and_then(|user| get_user_groups(user.name(), user.primary_group_id()));
            groups.unwrap_or_default().iter().map(uzers::Group::gid).collect()
        })
    }
}

/// Where a job's files may be.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Where relative paths start: the bundle, or the folder of the job file before it is packed.
    pub bundle: &'a Path,
    /// The job file came alone: nothing travelled with it.
    pub alone: bool,
    /// Absolute paths must lie below one of these. None where they are those of another machine, and
    /// nobody here can look at them.
    pub roots: Option<&'a [PathBuf]>,
    /// The appliance's own data: never, but for a root that lies deeper in it (a folder of images).
    pub data: Option<&'a Path>,
    /// Nobody in particular means whoever runs this program.
    pub submitter: Option<&'a Identity>,
}

/// Checks what `read` names. Returns the warnings, those of the reading among them.
pub fn check(read: &Read, scope: &Scope<'_>) -> Result<Vec<Problem>, Box<Problems>> {
    let mut report = Report { warnings: read.warnings.clone(), ..Report::default() };
    let needles: Vec<_> = read.files.iter().map(|file| one(&mut report, file, scope)).collect();
    for look in &read.looks {
        let offered = look.needles.and_then(|index| needles.get(index)?.as_ref());
        if let Some(offered) = offered {
            find(&mut report, look, offered);
        }
    }
    if report.errors.is_empty() {
        return Ok(report.warnings);
    }
    let mut list = report.errors;
    list.extend(report.warnings);
    list.sort_by_key(|problem| problem.place.offset);
    let (name, text) = (read.name.clone(), read.text.clone());
    Err(Box::new(Problems { name, text, list, omitted: report.omitted }))
}

/// Looks at one file. Returns the tags when it is a folder of needles.
fn one(report: &mut Report, named: &FileUse, scope: &Scope<'_>) -> Option<NeedleTags> {
    if named.file.is_absolute() && scope.roots.is_none() {
        return None;
    }
    let looked = locate(&named.file, scope).and_then(|path| {
        let metadata = fs::metadata(&path).map_err(|error| Trouble::of(&error))?;
        if named.needles {
            if !metadata.is_dir() {
                return Err(Trouble::new("something else", "a folder of needles"));
            }
            return needle_tags::scan(&path).map(Some).map_err(|error| Trouble::of(&error));
        }
        if !metadata.is_file() {
            return Err(Trouble::new("something else", "a file"));
        }
        if let Some(wanted) = named.sha256 {
            let found = digest(&path).map_err(|error| Trouble::of(&error))?;
            if found != wanted {
                return Err(Trouble::new(
                    format!("a file with the sum {found}"),
                    format!("the sum {wanted}"),
                ));
            }
        }
        Ok(None)
    });
    let trouble = match looked {
        Ok(tags) => {
            for broken in tags.iter().flat_map(|tags| &tags.broken) {
                let problem = Problem::new(named.place, &named.path, broken, "a needle");
                report.add(problem.warning());
            }
            return tags;
        }
        Err(trouble) => trouble,
    };
    let found = format!("{}: {}", named.file.display(), trouble.found);
    let mut problem = Problem::new(named.place, &named.path, found, trouble.expected);
    problem.help = trouble.help;
    if scope.alone && named.file.is_relative() {
        let name = named.file.display();
        problem.help = Some(format!("{name} travels in a folder or a tar; use `sutler submit`"));
    }
    report.add(problem);
    None
}

fn find(report: &mut Report, look: &TagUse, offered: &NeedleTags) {
    if offered.tags.iter().any(|tags| look.tags.accepts(tags)) {
        return;
    }
    let known: BTreeSet<&str> = offered.tags.iter().flatten().map(String::as_str).collect();
    let missing = look.tags.0.iter().flatten().find(|tag| !known.contains(tag.as_str()));
    let found = match missing {
        Some(tag) => format!("the tag `{tag}`"),
        None => format!("the tags `{}`", look.tags),
    };
    let expected = format!("what one of the {} needles has", offered.tags.len());
    let mut problem = Problem::new(look.place, &look.path, found, expected);
    problem.help = missing.and_then(|tag| nearest(tag, known));
    report.add(problem);
}

struct Trouble {
    found: String,
    expected: String,
    help: Option<String>,
}

impl Trouble {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into(), help: None }
    }

    fn of(error: &io::Error) -> Self {
        let kind = error.kind();
        if matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            Self::new("no such file", "a file that is there")
        } else if kind == io::ErrorKind::PermissionDenied {
            Self::new("it cannot be read", "a file that may be read")
        } else {
            Self::new(error.to_string(), "a file that can be read")
        }
    }
}

/// Where the file really is, once it is known to be allowed.
fn locate(named: &Path, scope: &Scope<'_>) -> Result<PathBuf, Trouble> {
    let canonical = |path: &Path| path.canonicalize().map_err(|error| Trouble::of(&error));
    if named.is_relative() {
        let bundle = canonical(scope.bundle)?;
        let path = canonical(&bundle.join(named))?;
        if path.starts_with(&bundle) {
            return Ok(path);
        }
        let trouble = Trouble::new("a link that leads outside", "a file in the job's folder");
        return Err(trouble);
    }
    // The roots first, so that nobody learns from the answer what lies elsewhere.
    let named_roots = scope.roots.unwrap_or_default();
    let roots: Vec<_> = named_roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
    let data = scope.data.and_then(|data| data.canonicalize().ok());
    let is_ours = |path: &Path| data.as_ref().is_some_and(|data| path.starts_with(data));
    let is_deeper = |root: &Path| is_ours(root) && data.as_deref() != Some(root);
    let allowed = |path: &Path| {
        let mut above = roots.iter().filter(|root| path.starts_with(root));
        above.any(|root| !is_ours(path) || is_deeper(root))
    };
    let outside = || {
        let mut trouble = Trouble::new("outside of what jobs may read", "a file below a root");
        let names: Vec<_> = named_roots.iter().map(|root| root.display().to_string()).collect();
        trouble.help = Some(format!(
            "the administrator allows {}; files beside the job file always travel with it",
            if names.is_empty() { "no absolute paths".into() } else { names.join(", ") }
        ));
        trouble
    };
    if !named_roots.iter().chain(&roots).any(|root| named.starts_with(root)) {
        return Err(outside());
    }
    let path = canonical(named)?;
    if !allowed(&path) {
        return Err(outside());
    }
    match scope.submitter {
        Some(identity) if !readable(&path, identity).map_err(|error| Trouble::of(&error))? => {
            let expected = format!("a file that its submitter (uid {}) may read", identity.uid);
            Err(Trouble::new("it may not be read", expected))
        }
        Some(_) | None => Ok(path),
    }
}

/// Whether the mode bits let `identity` open a canonical path: every folder on the way is entered,
/// the last part is read. Access lists are not looked at; they can only refuse what passes here
/// when they are stricter than the bits, and then the engine's account is the narrower one.
fn readable(path: &Path, identity: &Identity) -> io::Result<bool> {
    if identity.uid == 0 {
        return Ok(true);
    }
    for folder in path.ancestors().skip(1) {
        if !allows(&fs::metadata(folder)?, identity, 1) {
            return Ok(false);
        }
    }
    let metadata = fs::metadata(path)?;
    Ok(allows(&metadata, identity, if metadata.is_dir() { 5 } else { 4 }))
}

/// Only the first class that fits counts, as the kernel has it.
fn allows(metadata: &Metadata, identity: &Identity, wanted: u32) -> bool {
    let shift = if metadata.uid() == identity.uid {
        6
    } else if identity.gids().contains(&metadata.gid()) {
        3
    } else {
        0
    };
    (metadata.mode() >> shift) & wanted == wanted
}

fn digest(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            length => hash.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests;
