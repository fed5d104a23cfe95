//! The live picture: `last.png`, which exists only while somebody watches.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{CaptureError, LIVE_FILE};
use crate::{
    gauges::Timings,
    model::Operation,
    picture::{Frame, Picture, write_image},
    tasks,
};

/// Between two pictures.
const GAP: Duration = Duration::from_millis(250);

/// Writes `last.png` of a job's folder while it is watched: only new pictures, at most four a
/// second, always the newest. A thread of its own writes, so nothing here waits.
#[derive(Debug)]
pub struct LivePicture {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    watched: bool,
    newest: Option<Arc<Picture>>,
    /// What the file shows, if there is one.
    written: Option<Arc<Picture>>,
    closing: bool,
}

impl LivePicture {
    /// # Errors
    /// When no thread can be started.
    pub fn start(folder: &Path, timings: Timings) -> Result<Self, CaptureError> {
        let path = folder.join(LIVE_FILE);
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let program = PathBuf::from("live-picture");
        let thread = thread::Builder::new()
            .name("live-picture".into())
            .spawn(move || own.write(&path, &timings))
            .map_err(|source| CaptureError::Spawn { program, source })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether somebody looks. The picture there is now is written at once, or removed.
    pub fn watch(&self, on: bool) {
        self.shared.lock().watched = on;
        self.shared.changed.notify_all();
    }

    pub fn show(&self, frame: &Frame) {
        let mut state = self.shared.lock();
        state.newest = Some(Arc::clone(&frame.picture));
        if state.watched {
            self.shared.changed.notify_all();
        }
    }

    /// Removes the picture and ends the thread.
    pub async fn close(mut self) {
        self.shared.close();
        if let Some(thread) = self.thread.take() {
            let joined = tasks::blocking(move || thread.join()).await;
            if let Err(panic) = joined {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for LivePicture {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    fn write(&self, path: &Path, timings: &Timings) {
        let mut state = self.lock();
        loop {
            let is_wanted = state.watched && !state.closing;
            let new = |new: &Arc<Picture>| is_wanted && state.written.as_ref() != Some(new);
            let next = state.newest.clone().filter(new);
            match next {
                _ if !is_wanted && state.written.is_some() => {
                    state.written = None;
                    self.changed.notify_all();
                    if let Err(error) = fs::remove_file(path)
                        && error.kind() != ErrorKind::NotFound
                    {
                        tracing::warn!("could not remove {}: {error}", path.display());
                    }
                }
                _ if state.closing => return,
                Some(picture) => {
                    drop(state);
                    let write = || write_image(path, &picture);
                    if let Err(error) = timings.time(Operation::LiveWrite, write) {
                        tracing::warn!("no live picture: {error}");
                    }
                    state = self.lock();
                    state.written = Some(picture);
                    self.changed.notify_all();
                    state = self.rest(state);
                }
                None => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Lets the gap pass, or until nobody watches.
    fn rest<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let busy = |state: &mut State| state.watched && !state.closing;
        let rested = self.changed.wait_timeout_while(state, GAP, busy);
        rested.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::read_image;

    fn timings() -> Timings {
        Timings::new(crate::clock::Stopwatch::start())
    }

    fn frame(number: u64, colour: [u8; 3]) -> Frame {
        Frame {
            number,
            at: Duration::from_millis(number),
            wall: jiff::Timestamp::UNIX_EPOCH,
            picture: Arc::new(Picture::filled(8, 8, colour)),
            damage: vec![],
        }
    }

    /// Waits until the thread has done what its state asks for.
    fn settled(live: &LivePicture, is: impl Fn(&State) -> bool) {
        let state = live.shared.lock();
        let wait =
            live.shared.changed.wait_timeout_while(state, Duration::from_secs(20), |s| !is(s));
        assert!(!wait.unwrap().1.timed_out());
    }

    #[tokio::test]
    async fn the_picture_exists_only_while_it_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LIVE_FILE);
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let live = LivePicture::start(folder.path(), timings()).unwrap();
        live.show(&frame(1, [1; 3]));
        assert!(live.shared.lock().written.is_none());
        live.watch(true);
        settled(&live, |state| state.written.is_some());
        assert_eq!(read_image(&path).unwrap(), Picture::filled(8, 8, [1; 3]));
        for number in 2..=200 {
            live.show(&frame(number, [u8::try_from(number).unwrap(); 3]));
        }
        settled(&live, |state| state.written == state.newest);
        assert_eq!(read_image(&path).unwrap(), Picture::filled(8, 8, [200; 3]));
        live.watch(false);
        settled(&live, |state| state.written.is_none());
        assert_eq!(files(), 0);
        live.show(&frame(201, [5; 3]));
        live.watch(true);
        settled(&live, |state| state.written.is_some());
        live.close().await;
        assert_eq!(files(), 0, "closing removes it");
    }

    #[tokio::test]
    async fn nothing_at_all_is_written_unwatched() {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePicture::start(folder.path(), timings()).unwrap();
        (1..100).for_each(|number| live.show(&frame(number, [7; 3])));
        live.close().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_new_picture_waits_until_the_last_one_was_seen_for_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let live = LivePicture::start(folder.path(), timings()).unwrap();
        live.watch(true);
        live.show(&frame(1, [1; 3]));
        settled(&live, |state| state.written.is_some());
        let clock = crate::clock::Stopwatch::start();
        live.show(&frame(2, [2; 3]));
        settled(&live, |state| state.written == state.newest);
        assert!(clock.elapsed() >= GAP / 2, "{:?}", clock.elapsed());
        live.close().await;
    }
}
