//! Decides when something in the inbox is whole enough to be taken.
//!
//! A file that was closed after writing or moved in is whole. Of one that was merely found (at the
//! start, after a lost event) nobody knows, so it must look the same for [`QUIET`]. A file that
//! was only created waits for its close; should none come, it is taken for found after
//! [`NO_CLOSE`]. Folders and hard links send no close and must keep still. What is neither a file
//! nor a folder will never be more whole than it is.
//!
//! ```text
//!            ┌── looks different ──┐
//!            ▼                     │
//! found ─▶ still until ─▶ Look ────┴── looks the same ─▶ Take ─▶ gone
//!                                                        ▲ │ │
//! closed, moved in ──────────────────────────────────────┘ │ └─ stuck: until it looks different
//!                                                          └─ later: longer each time
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    time::Duration,
};

/// How long something must look the same.
pub(super) const QUIET: Duration = Duration::from_secs(2);

/// How long a created file may take to be closed before it is treated as found.
pub(super) const NO_CLOSE: Duration = Duration::from_secs(60);

/// The longest wait before something is tried again; the first is a second.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What can be seen of a file from outside. Of a folder, size and time are those of all it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks {
    pub kind: Kind,
    pub inode: u64,
    pub size: u64,
    pub changed_ns: i128,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file that has another name somewhere.
    Linked,
    Folder,
    /// A link, a pipe, a device.
    Special,
}

/// What is to be done about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Say how it looks, with [`Settle::looked`].
    Look(OsString),
    /// Take it, and say what came of it with [`Settle::taken`].
    Take(OsString),
}

/// What came of taking something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is not in the inbox any more.
    Gone,
    /// It changed while it was read.
    Changing,
    /// It cannot be kept now.
    Later,
    /// It is done with but could not be removed: nothing is done until it looks different.
    Stuck(Looks),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// To look as it did, or to be closed when somebody is `writing`.
    Still {
        looks: Option<Looks>,
        writing: bool,
        until: Duration,
    },
    /// It is whole and may be taken then.
    Ripe {
        tries: u32,
        at: Duration,
    },
    /// It is being taken. What happens to it meanwhile is noted.
    Taking {
        tries: u32,
        touched: bool,
    },
    Stuck(Looks),
}

impl Wait {
    const fn due(self) -> Option<Duration> {
        match self {
            Self::Still { until, .. } => Some(until),
            Self::Ripe { at, .. } => Some(at),
            Self::Taking { .. } | Self::Stuck(_) => None,
        }
    }
}

/// Every name in the inbox that has not been dealt with. Times are those of one stopwatch.
#[derive(Debug)]
pub(super) struct Settle {
    quiet: Duration,
    names: BTreeMap<OsString, Wait>,
    due: BTreeSet<(Duration, OsString)>,
}

impl Settle {
    /// `quiet` is [`QUIET`] wherever people are.
    pub(super) const fn new(quiet: Duration) -> Self {
        Self { quiet, names: BTreeMap::new(), due: BTreeSet::new() }
    }

    /// Closed after writing, or moved in.
    pub(super) fn complete(&mut self, now: Duration, name: &OsStr) {
        match self.names.get(name) {
            Some(Wait::Taking { tries, .. }) => {
                self.set(name, Wait::Taking { tries: *tries, touched: true });
            }
            Some(Wait::Still { .. } | Wait::Ripe { .. } | Wait::Stuck(_)) | None => {
                self.set(name, Wait::Ripe { tries: 0, at: now });
            }
        }
    }

    /// Made just now: it has to be looked at to know what it is.
    pub(super) fn created(&mut self, now: Duration, name: &OsStr) {
        self.begin(name, now);
    }

    /// Somebody is writing to it.
    pub(super) fn written(&mut self, now: Duration, name: &OsStr) {
        self.begin(name, now + NO_CLOSE);
    }

    fn begin(&mut self, name: &OsStr, until: Duration) {
        match self.names.get(name) {
            Some(Wait::Taking { tries, .. }) => {
                self.set(name, Wait::Taking { tries: *tries, touched: true });
            }
            Some(Wait::Still { .. } | Wait::Ripe { .. } | Wait::Stuck(_)) | None => {
                self.set(name, Wait::Still { looks: None, writing: true, until });
            }
        }
    }

    /// Seen in a listing: nothing is known but that it is there.
    pub(super) fn listed(&mut self, now: Duration, name: &OsStr, looks: Looks) {
        match self.names.get(name) {
            Some(Wait::Taking { .. } | Wait::Ripe { .. } | Wait::Still { .. }) => {}
            Some(Wait::Stuck(then)) if *then == looks => {}
            Some(Wait::Stuck(_)) | None => self.look_again(now, name, looks, false),
        }
    }

    /// Removed, or moved away.
    pub(super) fn gone(&mut self, name: &OsStr) {
        if !matches!(self.names.get(name), Some(Wait::Taking { .. })) {
            self.forget(name);
        }
    }

    /// The answer to [`Next::Look`]; none when it is not there any more.
    pub(super) fn looked(&mut self, now: Duration, name: &OsStr, looks: Option<Looks>) {
        let Some(Wait::Still { looks: then, writing, .. }) = self.names.get(name).copied() else {
            return;
        };
        match looks {
            None => self.forget(name),
            Some(looks) if then == Some(looks) => self.set(name, Wait::Ripe { tries: 0, at: now }),
            Some(looks) => self.look_again(now, name, looks, writing),
        }
    }

    fn look_again(&mut self, now: Duration, name: &OsStr, looks: Looks, writing: bool) {
        let patience = match looks.kind {
            Kind::Special => return self.set(name, Wait::Ripe { tries: 0, at: now }),
            Kind::File if writing => NO_CLOSE,
            Kind::File | Kind::Linked | Kind::Folder => self.quiet,
        };
        self.set(name, Wait::Still { looks: Some(looks), writing, until: now + patience });
    }

    /// The answer to [`Next::Take`].
    pub(super) fn taken(&mut self, now: Duration, name: &OsStr, taken: Taken) {
        let Some(Wait::Taking { tries, touched }) = self.names.get(name).copied() else { return };
        match taken {
            // Another of the same name came meanwhile, or was never there.
            Taken::Gone | Taken::Stuck(_) if touched => {
                self.set(name, Wait::Still { looks: None, writing: false, until: now });
            }
            Taken::Gone => self.forget(name),
            Taken::Changing => {
                self.set(
                    name,
                    Wait::Still { looks: None, writing: false, until: now + self.quiet },
                );
            }
            Taken::Later => {
                let wait = Duration::from_secs(1 << tries.min(6)).min(LONGEST_WAIT);
                self.set(name, Wait::Ripe { tries: tries + 1, at: now + wait });
            }
            Taken::Stuck(looks) => self.set(name, Wait::Stuck(looks)),
        }
    }

    /// What is due now. Ends with the last [`Next::Take`] of `takes` that there is room for.
    pub(super) fn next(&mut self, now: Duration, takes: usize) -> Vec<Next> {
        let mut next = Vec::new();
        let mut room = takes;
        while let Some((at, name)) = self.due.first().cloned()
            && at <= now
        {
            match self.names.get(&name).copied() {
                Some(Wait::Still { looks, writing, .. }) => {
                    // Not asked again before the answer; should none come, it is not lost.
                    self.set(&name, Wait::Still { looks, writing, until: now + self.quiet });
                    next.push(Next::Look(name));
                }
                Some(Wait::Ripe { .. }) if room == 0 => break,
                Some(Wait::Ripe { tries, .. }) => {
                    room -= 1;
                    self.set(&name, Wait::Taking { tries, touched: false });
                    next.push(Next::Take(name));
                }
                Some(Wait::Taking { .. } | Wait::Stuck(_)) | None => {
                    unreachable!("only what has a time is due")
                }
            }
        }
        next
    }

    /// When something is due next.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    fn set(&mut self, name: &OsStr, wait: Wait) {
        self.forget(name);
        if let Some(at) = wait.due() {
            self.due.insert((at, name.into()));
        }
        self.names.insert(name.into(), wait);
    }

    fn forget(&mut self, name: &OsStr) {
        if let Some((name, wait)) = self.names.remove_entry(name)
            && let Some(at) = wait.due()
        {
            self.due.remove(&(at, name));
        }
    }
}

#[cfg(test)]
mod tests;
