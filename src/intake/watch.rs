//! The folder as `notify` tells of it, turned into hints about names.
//!
//! A hint is never more than that: the one who gets it looks for itself. When hints come faster
//! than they are heard, or the kernel drops some, a single [`Hint::Rescan`] stands for all.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::sync::mpsc;

/// Hints that may be unheard before they become one rescan.
const UNHEARD: usize = 4096;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// Closed after writing, or moved in.
    Complete(OsString),
    Created(OsString),
    Written(OsString),
    Gone(OsString),
    /// Anything may have happened.
    Rescan,
    /// The folder itself is not there any more.
    Lost,
}

#[derive(Debug)]
pub(super) struct Watch {
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
    hints: mpsc::Receiver<Hint>,
    missed: Arc<AtomicBool>,
}

impl Watch {
    pub(super) fn new(folder: &Path) -> notify::Result<Self> {
        let (sender, hints) = mpsc::channel(UNHEARD);
        let missed = Arc::new(AtomicBool::new(false));
        let told = Told { folder: folder.into(), sender, missed: missed.clone() };
        let mut watcher = notify::recommended_watcher(move |event| told.event(event))?;
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(Self { _watcher: watcher, hints, missed })
    }

    /// The next hint. Loses none when it is dropped.
    pub(super) async fn next(&mut self) -> Hint {
        let hint = self.hints.recv().await;
        if self.missed.swap(false, Ordering::AcqRel) {
            // What is in the channel is older than what was missed, and of no more use.
            let mut lost = hint == Some(Hint::Lost);
            while let Ok(hint) = self.hints.try_recv() {
                lost |= hint == Hint::Lost;
            }
            return if lost { Hint::Lost } else { Hint::Rescan };
        }
        hint.unwrap_or(Hint::Lost)
    }
}

struct Told {
    folder: PathBuf,
    sender: mpsc::Sender<Hint>,
    missed: Arc<AtomicBool>,
}

impl Told {
    fn event(&self, event: notify::Result<Event>) {
        let hints = match event {
            Ok(event) => self.hints(&event),
            Err(error) => {
                tracing::warn!(%error, "the inbox is not watched well");
                vec![Hint::Rescan]
            }
        };
        for hint in hints {
            // A full channel wakes its reader all the same, who then finds this.
            if self.sender.try_send(hint).is_err() {
                self.missed.store(true, Ordering::Release);
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "notify knows many kinds we do not need")]
    fn hints(&self, event: &Event) -> Vec<Hint> {
        if event.need_rescan() {
            return vec![Hint::Rescan];
        }
        let hint: fn(OsString) -> Hint = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Hint::Complete,
            EventKind::Create(_) => Hint::Created,
            EventKind::Modify(ModifyKind::Data(_)) => Hint::Written,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {
                Hint::Gone
            }
            _ => return Vec::new(),
        };
        let about = |path: &PathBuf| {
            let inside = path.parent() == Some(&self.folder);
            match path.file_name().filter(|_| inside) {
                Some(name) if is_ours(name) => None,
                Some(name) => Some(hint(name.into())),
                None if *path == self.folder
                    && hint(OsString::new()) == Hint::Gone(OsString::new()) =>
                {
                    Some(Hint::Lost)
                }
                None => None,
            }
        };
        event.paths.iter().filter_map(about).collect()
    }
}

/// Names that are no jobs: hidden ones, those by which programs mark what is not whole, and the
/// folder for what was refused.
pub(super) fn is_ours(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".")
        || name.ends_with(b".part")
        || name.ends_with(b".tmp")
        || name.ends_with(b"~")
        || name == super::reject::FOLDER.as_bytes()
}
