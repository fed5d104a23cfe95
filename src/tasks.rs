//! Where work runs: a tracker that awaits every task, tokens that stop them, and a gate for short
//! blocking work, and a thread of the lowest priority for work that may wait.

use std::{future::Future, io, sync::LazyLock, thread};

use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of one owner. Nothing spawned here is detached: [`Tasks::close`] awaits all of it.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    /// Cancelled when the owner closes; children of it stop with it.
    pub stop: CancellationToken,
}

impl Tasks {
    pub fn new(stop: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop }
    }

    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(task)
    }

    /// The same for a task that stays on this thread, which runs a `LocalSet`. It is dropped at its
    /// next `.await` when the owner closes.
    pub fn spawn_local(&self, task: impl Future<Output = ()> + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn_local(async move {
            stop.run_until_cancelled_owned(task).await;
        });
    }

    /// Asks every task to stop and waits until all have.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Runs blocking work that may last (copying a bundle) beside the gate, so that nothing short waits
/// for it. A panic in `work` goes on in the caller.
pub async fn lasting<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("blocking work is never cancelled: {error}"),
        },
    }
}

static GATE: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(cores()));

/// Processors this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, Into::into)
}

/// Runs short blocking work (a match, a PNG, a store read) away from the async threads, at most as
/// many at a time as there are cores. A panic in `work` goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _permit = GATE.acquire().await.expect("the gate is never closed");
    lasting(work).await
}

type Work = Box<dyn FnOnce() + Send>;

/// A thread of the lowest priority, for work that nobody waits for and nobody should feel:
/// removing, measuring, copying. One piece at a time, in the order in which it was asked for.
#[derive(Debug)]
pub struct Background {
    work: mpsc::Sender<Work>,
    thread: thread::JoinHandle<()>,
}

impl Background {
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(name: &str) -> io::Result<Self> {
        let (sender, mut work) = mpsc::channel::<Work>(1);
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            // Linux takes this for the calling thread alone. Refused, it is merely less polite.
            let _ = rustix::process::setpriority_process(None, 19);
            while let Some(work) = work.blocking_recv() {
                work();
            }
        })?;
        Ok(Self { work: sender, thread })
    }

    /// # Panics
    /// When `work` does.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = oneshot::channel();
        // Whoever asked may have gone meanwhile.
        let work = Box::new(move || drop(done.send(work())));
        let _ = self.work.send(work).await;
        result.await.expect("background work does not panic")
    }

    /// Finishes what was asked for and ends the thread.
    pub async fn close(self) {
        drop(self.work);
        // A panic has been told to whoever asked for that work.
        let _ = blocking(|| self.thread.join()).await;
    }
}
