//! Who looks at a live screen. The engine writes `last.png` only while somebody does.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use super::state::Watch;
use crate::{model::JobId, tasks::Tasks};

/// How long one fetch of the picture counts as looking. A page without script comes back sooner.
const LEASE: Duration = Duration::from_secs(5);

/// Counts the open views of each job and tells the engine about the first and after the last.
#[derive(Clone)]
pub struct Watchers {
    open: Arc<std::sync::Mutex<HashMap<JobId, usize>>>,
    tell: Watch,
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers").field("open", &self.open).finish_non_exhaustive()
    }
}

/// One open view; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct View {
    watchers: Watchers,
    job: JobId,
}

impl Watchers {
    pub fn new(tell: Watch) -> Self {
        Self { open: Arc::default(), tell }
    }

    pub(super) fn open(&self, job: JobId) -> View {
        self.count(job, |views| views + 1);
        View { watchers: self.clone(), job }
    }

    /// A view that ends by itself.
    pub(super) fn lease(&self, job: JobId, tasks: &Tasks) {
        let view = self.open(job);
        let stop = tasks.stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(LEASE) => {}
                () = stop.cancelled() => {}
            }
            drop(view);
        });
    }

    /// Changes a job's count and tells under the same lock, so that the engine hears the last word
    /// last. `tell` only queues.
    fn count(&self, job: JobId, change: impl FnOnce(usize) -> usize) {
        let mut open = self.open.lock().expect("no panic while the count is held");
        let before = open.get(&job).copied().unwrap_or_default();
        let after = change(before);
        if after == 0 {
            open.remove(&job);
        } else {
            open.insert(job, after);
        }
        if (before == 0) != (after == 0) {
            (self.tell)(job, after > 0);
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.watchers.count(self.job, |views| views.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio_util::sync::CancellationToken;

    use super::*;

    type Told = Arc<Mutex<Vec<(u64, bool)>>>;

    fn recorded() -> (Watchers, Told) {
        let told = Told::default();
        let into = told.clone();
        let tell: Watch = Arc::new(move |job, on| into.lock().unwrap().push((job.0, on)));
        (Watchers::new(tell), told)
    }

    #[test]
    fn the_engine_hears_of_the_first_and_after_the_last_only() {
        let (watchers, told) = recorded();
        let (first, second, other) =
            (watchers.open(JobId(1)), watchers.open(JobId(1)), watchers.open(JobId(2)));
        drop(first);
        assert_eq!(*told.lock().unwrap(), [(1, true), (2, true)]);
        drop(second);
        drop(watchers.open(JobId(1)));
        drop(other);
        let want = [(1, true), (2, true), (1, false), (1, true), (1, false), (2, false)];
        assert_eq!(*told.lock().unwrap(), want);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fetched_picture_counts_as_looking_for_a_while() {
        let (watchers, told) = recorded();
        let tasks = Tasks::new(CancellationToken::new());
        watchers.lease(JobId(1), &tasks);
        tokio::time::sleep(LEASE / 2).await;
        watchers.lease(JobId(1), &tasks);
        tokio::time::sleep(LEASE - Duration::from_millis(1)).await;
        assert_eq!(*told.lock().unwrap(), [(1, true)], "the second lease still counts");
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(*told.lock().unwrap(), [(1, true), (1, false)]);
        tasks.close().await;
    }
}
