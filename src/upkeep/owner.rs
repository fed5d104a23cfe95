//! The task that looks after the disk: at the start, whenever jobs have ended, and every hour.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::{files, shelf};
use crate::{
    clock,
    config::Retention,
    decide::retention::{self, Candidates, Plan, Space},
    job_file::bundle,
    model::{DiskSample, JobState, Keepsake},
    store::{self, Change, Changed, Store, StoreError},
    tasks::{self, Background},
};

/// What is asked of the store, and removed, at a time.
const STEP: usize = 64;
/// The disk may fill without us, so it is looked at this often.
pub(super) const OFTEN: SignedDuration = SignedDuration::from_hours(1);
/// Bundles that no job refers to are looked for this often.
const SWEEP: SignedDuration = SignedDuration::from_hours(24);
/// Jobs that end one after the other are seen to together.
const TOGETHER: Duration = Duration::from_secs(2);
/// After something went wrong, and while a backup is being made.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// Samples of the last days are kept as they were taken, older ones one a day, for this long.
const FINE: SignedDuration = SignedDuration::from_hours(48);
const KEEP_SAMPLES: SignedDuration = SignedDuration::from_hours(24 * 400);

#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a file in the data folder could not be looked at or removed")]
    File(#[from] io::Error),
}

pub struct Upkeep {
    store: Store,
    data: Arc<PathBuf>,
    keep: Retention,
    background: Background,
    stop: CancellationToken,
    /// When bundles were last looked through.
    swept: Option<Timestamp>,
    /// Results have gone since, so some bundle may have nobody left.
    has_unreferred: bool,
}

impl Upkeep {
    /// # Errors
    /// When its thread cannot be started.
    pub fn new(
        store: Store,
        data: PathBuf,
        keep: Retention,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let background = Background::start("upkeep")?;
        let data = Arc::new(data);
        Ok(Self { store, data, keep, background, stop, swept: None, has_unreferred: false })
    }

    /// Until it is told to stop; then finishes the step it is at.
    pub async fn run(mut self) {
        let mut changes = self.store.changes();
        while !self.stop.is_cancelled() {
            let again = self.round().await.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "upkeep, trying again");
                clock::now() + AGAIN
            });
            let again = again.min(clock::now() + OFTEN).duration_since(clock::now());
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(again.try_into().unwrap_or_default()) => {}
                () = some_have_ended(&mut changes) => {}
            }
        }
        self.background.close().await;
    }

    /// Does all there is to do now, and says when there may be more.
    async fn round(&mut self) -> Result<Timestamp, UpkeepError> {
        self.measure().await?;
        loop {
            if files::is_backup_under_way(&self.data) {
                return Ok(clock::now() + AGAIN);
            }
            self.remove_leftovers().await?;
            let plan = self.plan().await?;
            let (look_again, is_done) = (plan.look_again, plan.remove.is_empty());
            self.begin(plan).await?;
            if is_done || self.stop.is_cancelled() {
                self.sweep().await?;
                self.sample().await?;
                return Ok(look_again.unwrap_or(Timestamp::MAX));
            }
        }
    }

    /// Finds out how large the folders of ended jobs are.
    async fn measure(&self) -> Result<(), UpkeepError> {
        loop {
            let unmeasured = self.store.unmeasured(STEP).await?;
            let is_last = unmeasured.len() < STEP;
            let mut measured = Vec::with_capacity(unmeasured.len());
            for of in unmeasured {
                let data = self.data.clone();
                measured.push(self.background.run(move || files::measure(&data, of)).await?);
            }
            try_join_all(measured.iter().map(async |found| {
                if let Some((bundle, bytes)) = found.bundle {
                    self.store.measured_bundle(bundle, bytes).await?;
                }
                let (video_bytes, results_bytes) = (found.video, found.results);
                let change = Change::Measured { video_bytes, results_bytes };
                self.store.change(found.job, change).await
            }))
            .await?;
            if is_last || self.stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    async fn plan(&self) -> Result<Plan, UpkeepError> {
        let candidates = Candidates {
            videos: self.store.removable(Keepsake::Video, STEP).await?,
            results: self.store.removable(Keepsake::Results, STEP).await?,
            records: self.store.removable(Keepsake::Record, STEP).await?,
        };
        let totals = self.store.totals().await?;
        let data = self.data.clone();
        let (free, _) = tasks::blocking(move || files::space(&data)).await?;
        let space = Space { free, held: totals.videos + totals.results };
        Ok(retention::plan(clock::now(), &self.keep, space, &candidates))
    }

    /// Makes durable what is to go. All of it shares a commit or two.
    async fn begin(&mut self, plan: Plan) -> Result<(), UpkeepError> {
        let at = clock::now();
        let mut asked = Vec::with_capacity(plan.remove.len());
        for one in plan.remove {
            tracing::info!(job = %one.job, what = %one.what, why = %one.rule, "removed");
            self.has_unreferred |= one.what == Keepsake::Results;
            let store = self.store.clone();
            asked.push(async move {
                let done = match one.what {
                    Keepsake::Record => store.forget(one.job).await,
                    what @ (Keepsake::Video | Keepsake::Results) => {
                        let change = Change::Removed { what, at, rule: one.rule };
                        store.change(one.job, change).await.map(drop)
                    }
                };
                match done {
                    // Somebody wants it kept since it was looked at, or it went with the rest.
                    Err(StoreError::NotAllowed { .. } | StoreError::Holds(_)) => Ok(()),
                    done => done,
                }
            });
        }
        try_join_all(asked).await?;
        Ok(())
    }

    /// Removes the files of what the store has as removed.
    async fn remove_leftovers(&self) -> Result<(), UpkeepError> {
        loop {
            let leftovers = self.store.leftovers(STEP).await?;
            if leftovers.is_empty() || self.stop.is_cancelled() {
                return Ok(());
            }
            for leftover in &leftovers {
                let (data, leftover) = (self.data.clone(), *leftover);
                self.background.run(move || files::remove(&data, leftover)).await?;
            }
            try_join_all(leftovers.into_iter().map(|one| self.store.cleared(one))).await?;
        }
    }

    /// Removes bundles that no job refers to, and what was forgotten in staging and on the shelf.
    async fn sweep(&mut self) -> Result<(), UpkeepError> {
        let now = clock::now();
        let is_due = self.swept.is_none_or(|swept| swept + SWEEP <= now);
        if !is_due && !self.has_unreferred {
            return Ok(());
        }
        let data = self.data.clone();
        let bundles = data.join("bundles");
        let idle = self.background.run(move || {
            files::clear_staging(&data, now)?;
            bundle::idle(&data.join("bundles"), now)
        });
        for some in idle.await?.chunks(STEP) {
            for unused in self.store.unreferred(some.to_vec()).await? {
                let bundles = bundles.clone();
                let remove = move || bundle::remove_idle(&bundles, unused, now);
                if self.background.run(remove).await? {
                    tracing::info!(bundle = %unused, "removed, no job refers to it");
                }
            }
            if self.stop.is_cancelled() {
                return Ok(());
            }
        }
        for part in 0..=shelf::PARTS {
            let data = self.data.clone();
            self.background.run(move || shelf::sweep(&data, part, now)).await?;
        }
        self.swept = Some(now);
        self.has_unreferred = false;
        Ok(())
    }

    /// Writes down what the disk holds, once in a while.
    async fn sample(&self) -> Result<(), UpkeepError> {
        let samples = self.store.samples().await?;
        let now = clock::now();
        if samples.last().is_some_and(|last| last.at + OFTEN > now && last.at <= now) {
            return Ok(());
        }
        let sample = sample_now(&self.store, &self.data).await?;
        Ok(self.store.sample(sample, &superfluous(now, &samples)).await?)
    }
}

/// What the disk holds at this moment.
pub(super) async fn sample_now(
    store: &Store,
    data: &Arc<PathBuf>,
) -> Result<DiskSample, UpkeepError> {
    let totals = store.totals().await?;
    let data = data.clone();
    let look = move || -> io::Result<_> {
        let store = std::fs::metadata(data.join(store::FILE))?.len();
        Ok((files::space(&data)?, store))
    };
    let ((free, _), size) = tasks::blocking(look).await?;
    Ok(DiskSample {
        at: clock::now(),
        videos: totals.videos,
        results: totals.results,
        bundles: totals.bundles,
        store: size,
        free,
        added_videos: totals.added_videos,
        added_results: totals.added_results,
    })
}

/// Returns when a job has ended, and a moment more for others to.
pub(super) async fn some_have_ended(changes: &mut broadcast::Receiver<Changed>) {
    loop {
        match changes.recv().await {
            Ok(Changed { state: JobState::Ended, .. }) | Err(RecvError::Lagged(_)) => break,
            Ok(_) => {}
            // The store closes after us.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
    tokio::time::sleep(TOGETHER).await;
    // What has changed meanwhile is seen to in the round that comes now.
    *changes = changes.resubscribe();
}

/// Samples that may go: of the older days all but the first.
fn superfluous(now: Timestamp, samples: &[DiskSample]) -> Vec<Timestamp> {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    let old = samples.iter().take_while(|sample| sample.at < now - FINE);
    let mut last_day = None;
    old.filter(|sample| {
        let is_second = last_day.replace(day(sample.at)) == Some(day(sample.at));
        is_second || sample.at < now - KEEP_SAMPLES
    })
    .map(|sample| sample.at)
    .collect()
}

#[cfg(test)]
mod tests;
