//! Takes one thing out of the inbox: into the store, or aside.
//!
//! The order is what keeps every promise: the job and the key of its file are durable first, then
//! the file goes. Found again after a crash in between, the same key is the same job, and only the
//! going is done again. Before it goes it is renamed, so that what is removed is surely what was
//! read, and not another that took its name meanwhile.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Examine, Explanation, Found,
    look::{self, Opened},
    reject::{self, Rejected, rename_new},
    settle::{Looks, Taken},
};
use crate::{
    model::{NewJob, WayIn},
    store::Submitted,
    tasks,
};

/// Begins the name of what is durable and about to be removed; its inode and old name follow.
const TAKEN: &str = ".taken-";

/// Where a test may let the appliance die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// It was read; nothing is durable.
    Examined,
    /// The job is durable; its file lies as it did.
    Committed,
    /// The file has its other name.
    Renamed,
}

/// The appliance died, as planned.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Died;

/// Which planned fault happens; none outside tests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults(pub Option<Point>);

impl Faults {
    fn here(self, point: Point) -> Result<(), Died> {
        if self.0 == Some(point) { Err(Died) } else { Ok(()) }
    }
}

pub(super) struct Taker<E> {
    pub inbox: PathBuf,
    pub rejected: Arc<Rejected>,
    pub examine: Arc<E>,
    pub faults: Faults,
    /// Files refused so far.
    pub refused: Arc<AtomicU64>,
}

/// What reading it came to.
enum Read {
    Vanished,
    Changing,
    Refused(String),
    NotNow(String),
    New(Box<NewJob>),
}

impl<E: Examine> Taker<E> {
    pub(super) async fn take(&self, name: &OsStr) -> Result<Taken, Died> {
        let path = self.inbox.join(name);
        let new = match self.read(name, path.clone()).await {
            Read::Vanished => return Ok(Taken::Gone),
            Read::Changing => return Ok(Taken::Changing),
            Read::Refused(words) => return Ok(self.refuse(name, words).await),
            Read::NotNow(words) => {
                tracing::warn!(name = %name.display(), words, "stays in the inbox for now");
                return Ok(Taken::Later);
            }
            Read::New(new) => *new,
        };
        self.faults.here(Point::Examined)?;
        let inode = new.intake_key.map_or(0, |key| key.inode);
        match self.examine.enter(new).await {
            Ok(Submitted { id, fresh, .. }) => {
                tracing::info!(name = %name.display(), job = %id, fresh, "taken");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(name = %name.display(), error, "stays in the inbox for now");
                return Ok(Taken::Later);
            }
        }
        self.faults.here(Point::Committed)?;
        let faults = self.faults;
        let inbox = self.inbox.clone();
        let name = name.to_os_string();
        tasks::blocking(move || match remove(&inbox, &name, inode, faults)? {
            Ok(()) => Ok(Taken::Gone),
            Err(error) => {
                tracing::warn!(name = %name.display(), %error, "is a job but could not be removed");
                Ok(stuck(&inbox.join(&name)))
            }
        })
        .await
    }

    async fn read(&self, name: &OsStr, path: PathBuf) -> Read {
        let examine = self.examine.clone();
        let name = name.to_string_lossy().into_owned();
        tasks::lasting(move || read(&*examine, name, path)).await
    }

    async fn refuse(&self, name: &OsStr, words: String) -> Taken {
        tracing::info!(name = %name.display(), words, "refused");
        self.refused.fetch_add(1, Ordering::Relaxed);
        let rejected = self.rejected.clone();
        let path = self.inbox.join(name);
        let name = name.to_os_string();
        tasks::blocking(move || match rejected.set_aside(&name, &words) {
            Ok(()) => Taken::Gone,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!(name = %name.display(), %error, "could not be set aside");
                stuck(&path)
            }
            Err(error) => {
                tracing::warn!(name = %name.display(), %error, "is set aside later");
                Taken::Later
            }
        })
        .await
    }
}

fn read(examine: &impl Examine, name: String, path: PathBuf) -> Read {
    let before = look::looks(&path).ok().flatten();
    let whole = match look::open(&path) {
        Opened::Vanished => return Read::Vanished,
        Opened::Refused(words) => return Read::Refused(words),
        Opened::NotNow(error) => return Read::NotNow(error.to_string()),
        Opened::Whole(whole) => *whole,
    };
    let (key, submitter) = (whole.key, whole.submitter);
    let found = Found { name, path: path.clone(), content: whole.content, submitter, key };
    let examined = examine.examine(found);
    // What changed while it was read was half a file, whatever the examiner made of it.
    if before != look::looks(&path).ok().flatten() || before.is_none_or(|l| l.inode != key.inode) {
        return Read::Changing;
    }
    match examined {
        Ok(new) => {
            Read::New(Box::new(NewJob { way_in: WayIn::Inbox, intake_key: Some(key), ..new }))
        }
        Err(Explanation::Refused(words)) => Read::Refused(words),
        Err(Explanation::NotNow(words)) => Read::NotNow(words),
    }
}

fn stuck(path: &Path) -> Taken {
    match look::looks(path) {
        Ok(Some(looks)) => Taken::Stuck(looks),
        Ok(None) => Taken::Gone,
        Err(_) => Taken::Later,
    }
}

/// Removes what is durable. Another thing that has its name by now gets it back.
pub(super) fn remove(
    inbox: &Path,
    name: &OsStr,
    inode: u64,
    faults: Faults,
) -> Result<io::Result<()>, Died> {
    let path = inbox.join(name);
    let mut aside = OsString::from(format!("{TAKEN}{inode}-"));
    aside.push(name);
    let aside = inbox.join(aside);
    if let Err(error) = fs::rename(&path, &aside) {
        let gone = error.kind() == io::ErrorKind::NotFound;
        return Ok(if gone { Ok(()) } else { remove_as_it_is(&path, inode) });
    }
    faults.here(Point::Renamed)?;
    Ok(finish(&aside, &path, inode))
}

/// For a name too long to be prefixed.
fn remove_as_it_is(path: &Path, inode: u64) -> io::Result<()> {
    let looks: Option<Looks> = look::looks(path)?;
    if looks.is_some_and(|looks| looks.inode == inode) { reject::remove(path) } else { Ok(()) }
}

fn finish(aside: &Path, path: &Path, inode: u64) -> io::Result<()> {
    if fs::symlink_metadata(aside)?.ino() == inode {
        return reject::remove(aside);
    }
    Ok(rename_new(aside, path)?)
}

/// Does what was left undone when the appliance died while it removed something.
pub(super) fn finish_all(inbox: &Path) -> io::Result<()> {
    for entry in fs::read_dir(inbox)? {
        let aside = entry?.path();
        let Some(name) = aside
            .file_name()
            .and_then(|name| name.as_encoded_bytes().strip_prefix(TAKEN.as_bytes()))
        else {
            continue;
        };
        let Some(dash) = name.iter().position(|byte| *byte == b'-') else { continue };
        let inode = std::str::from_utf8(&name[..dash]).ok().and_then(|digits| digits.parse().ok());
        let name: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&name[dash + 1..]);
        if let Some(inode) = inode
            && let Err(error) = finish(&aside, &inbox.join(name), inode)
        {
            tracing::warn!(aside = %aside.display(), %error, "is left over in the inbox");
        }
    }
    Ok(())
}
