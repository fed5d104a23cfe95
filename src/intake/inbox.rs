//! The task that owns the inbox: hears of what lands there, waits until it is whole, has it taken.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    pin::pin,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Examine, look,
    reject::Rejected,
    settle::{Looks, Next, QUIET, Settle, Taken},
    take::{Died, Faults, Taker, finish_all},
    watch::{Hint, Watch, is_ours},
};
use crate::{clock::Stopwatch, tasks};

/// Things taken at the same time. More than one, so that they share the store's commits.
const AT_ONCE: usize = 16;

/// How often the folder is listed whatever was heard: some file systems tell nothing, and a watch
/// says nothing when what it watched is unmounted.
const LIST_EVERY: Duration = Duration::from_secs(60);

/// The longest wait before a folder that cannot be watched is tried again; the first is a second.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone)]
pub struct InboxSettings {
    pub folder: PathBuf,
    /// Refusals kept in `rejected`, newest first to stay.
    pub keep_rejected: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    #[error("the inbox {} could not be made or read", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("the inbox {} cannot be watched", folder.display())]
    Watch { folder: PathBuf, source: notify::Error },
}

/// Owner of the folder.
pub struct Inbox<E> {
    folder: PathBuf,
    /// Permissions the folder had, for when it has to be made again.
    mode: u32,
    taker: Arc<Taker<E>>,
    trouble: watch::Sender<Option<String>>,
    clock: Stopwatch,
    settle: Settle,
}

impl<E: Examine> Inbox<E> {
    /// Makes the folder where it is missing, and finishes what was left undone by an appliance that
    /// died. Blocks.
    ///
    /// # Errors
    /// [`InboxError::Folder`]
    pub fn open(settings: InboxSettings, examine: E) -> Result<Self, InboxError> {
        Self::open_with(settings, examine, Faults::default())
    }

    pub(super) fn open_with(
        settings: InboxSettings,
        examine: E,
        faults: Faults,
    ) -> Result<Self, InboxError> {
        let failed = |source| InboxError::Folder { folder: settings.folder.clone(), source };
        let folder = std::path::absolute(&settings.folder).map_err(failed)?;
        let rejected = Arc::new(Rejected::new(&folder, settings.keep_rejected));
        rejected.prepare().map_err(failed)?;
        finish_all(&folder).map_err(failed)?;
        let mode = fs::metadata(&folder).map_err(failed)?.mode() & 0o7777;
        let (inbox, examine, refused) = (folder.clone(), Arc::new(examine), Arc::default());
        let taker = Taker { inbox, rejected, examine, faults, refused };
        Ok(Self {
            folder,
            mode,
            taker: Arc::new(taker),
            trouble: watch::Sender::new(None),
            clock: Stopwatch::start(),
            settle: Settle::new(QUIET),
        })
    }

    /// What is wrong with the inbox, in words for the doctor; none when all is well.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// How many files have been refused so far.
    pub fn refused(&self) -> Arc<AtomicU64> {
        self.taker.refused.clone()
    }

    /// Until `stop`. What is being taken by then is finished.
    pub async fn run(self, stop: CancellationToken) {
        // Died is for tests: they look at what is left.
        let _ = self.serve(stop).await;
    }

    pub(super) async fn serve(mut self, stop: CancellationToken) -> Result<(), Died> {
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
            match self.watch().await {
                Ok((watch, inode)) => {
                    wait = Duration::ZERO;
                    if self.until_lost(watch, inode, &stop).await? == Ended::Stopped {
                        return Ok(());
                    }
                    self.say(format!("the inbox {} has vanished", self.folder.display()));
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    self.say(format!("{error}: {}", cause.unwrap_or_default()));
                    wait = (wait * 2).clamp(Duration::from_secs(1), LONGEST_WAIT);
                }
            }
        }
    }

    fn say(&self, trouble: String) {
        tracing::error!("{trouble}");
        self.trouble.send_replace(Some(trouble));
    }

    /// Watches the folder, and makes it first where it is missing. Returns its inode too.
    async fn watch(&self) -> Result<(Watch, u64), InboxError> {
        let (folder, mode) = (self.folder.clone(), self.mode);
        let rejected = self.taker.rejected.clone();
        tasks::blocking(move || {
            let failed = |source| InboxError::Folder { folder: folder.clone(), source };
            if !folder.exists() {
                rejected.prepare().map_err(failed)?;
                let as_before = fs::Permissions::from_mode(mode);
                fs::set_permissions(&folder, as_before).map_err(failed)?;
                tracing::warn!(folder = %folder.display(), "the inbox was made again");
            }
            let watch = Watch::new(&folder)
                .map_err(|source| InboxError::Watch { folder: folder.clone(), source })?;
            let inode = fs::metadata(&folder).map_err(failed)?.ino();
            Ok((watch, inode))
        })
        .await
    }

    /// Takes what comes until the folder is not the one that is watched any more.
    async fn until_lost(
        &mut self,
        mut watch: Watch,
        inode: u64,
        stop: &CancellationToken,
    ) -> Result<Ended, Died> {
        let mut taking = FuturesUnordered::new();
        let mut list = pin!(tokio::time::sleep(Duration::ZERO));
        let ended = loop {
            let now = self.clock.elapsed();
            for next in self.settle.next(now, AT_ONCE.saturating_sub(taking.len())) {
                match next {
                    Next::Look(name) => {
                        let looks = self.looks(&name).await;
                        self.settle.looked(self.clock.elapsed(), &name, looks);
                    }
                    Next::Take(name) => taking.push(take(self.taker.clone(), name)),
                }
            }
            let due = self.settle.deadline().filter(|_| taking.len() < AT_ONCE);
            let due = due.map(|at| self.clock.instant(at));
            tokio::select! {
                () = stop.cancelled() => break Ended::Stopped,
                hint = watch.next() => match self.heard(hint, &mut list) {
                    Some(ended) => break ended,
                    None => continue,
                },
                Some((name, taken)) = taking.next(), if !taking.is_empty() => {
                    self.settle.taken(self.clock.elapsed(), &name, taken?);
                }
                () = until(due) => {}
                () = &mut list => {
                    if !self.list(inode).await {
                        break Ended::Lost;
                    }
                    list.set(tokio::time::sleep(LIST_EVERY));
                }
            }
        };
        while let Some((name, taken)) = taking.next().await {
            self.settle.taken(self.clock.elapsed(), &name, taken?);
        }
        Ok(ended)
    }

    fn heard(
        &mut self,
        hint: Hint,
        list: &mut std::pin::Pin<&mut tokio::time::Sleep>,
    ) -> Option<Ended> {
        let now = self.clock.elapsed();
        match hint {
            Hint::Complete(name) => self.settle.complete(now, &name),
            Hint::Created(name) => self.settle.created(now, &name),
            Hint::Written(name) => self.settle.written(now, &name),
            Hint::Gone(name) => self.settle.gone(&name),
            Hint::Rescan => list.set(tokio::time::sleep(Duration::ZERO)),
            Hint::Lost => return Some(Ended::Lost),
        }
        None
    }

    async fn looks(&self, name: &std::ffi::OsStr) -> Option<Looks> {
        let path = self.folder.join(name);
        // What cannot be looked at is found again by the next listing.
        tasks::blocking(move || look::looks(&path)).await.ok().flatten()
    }

    /// Notes all that lies there. False when the folder is not the one that is watched.
    async fn list(&mut self, inode: u64) -> bool {
        let folder = self.folder.clone();
        let Ok(Some(found)) = tasks::blocking(move || listing(&folder, inode)).await else {
            return false;
        };
        let now = self.clock.elapsed();
        for (name, looks) in found {
            self.settle.listed(now, &name, looks);
        }
        self.trouble.send_if_modified(|trouble| trouble.take().is_some());
        true
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Stopped,
    Lost,
}

async fn take<E: Examine>(taker: Arc<Taker<E>>, name: OsString) -> (OsString, Result<Taken, Died>) {
    let taken = taker.take(&name).await;
    (name, taken)
}

/// None when the folder is another by now.
fn listing(folder: &Path, inode: u64) -> io::Result<Option<Vec<(OsString, Looks)>>> {
    if fs::metadata(folder)?.ino() != inode {
        return Ok(None);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !is_ours(&name)
            && let Some(looks) = look::looks(&folder.join(&name))?
        {
            found.push((name, looks));
        }
    }
    Ok(Some(found))
}

/// Never, when there is no time to wait for.
async fn until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
