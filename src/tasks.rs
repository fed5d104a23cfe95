//! Where work runs: a tracker that awaits every task, tokens that stop them, and a gate for short
//! blocking work.

use std::{future::Future, sync::LazyLock, thread};

use tokio::{sync::Semaphore, task::JoinHandle};
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
