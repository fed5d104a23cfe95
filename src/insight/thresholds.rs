//! The limits a job is held to, and the data behind them.

use jiff::Timestamp;

use crate::{
    config::Thresholds,
    decide::threshold::{Learned, Threshold, floor, threshold},
    model::{Job, Limit, LimitMode, Measure, Scope, Series, SetLimit, SetThreshold, Spot},
    store::{Measured, MeasuredJob, Sketch, Store, StoreError},
};

/// Limits an engine is given at most.
pub const MOST_LIMITS: usize = 500;

/// Series of one job that are looked at.
pub const MOST_SERIES: usize = 2_000;

/// Knows what jobs are held to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Insight {
    store: Store,
    settings: Thresholds,
}

/// A series, what is known of it and what it is held to.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub series: Series,
    /// Runs of any verdict.
    pub runs: u64,
    /// What the good ones came to.
    pub good: Sketch,
    pub threshold: Threshold,
    /// What no learned limit is below.
    pub floor: f64,
    /// At the settings' quantile.
    pub high: Option<f64>,
}

/// What a factor would have done to the good runs there were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Past {
    pub factor: f64,
    pub limit: f64,
    /// Good runs above that.
    pub above: u64,
}

impl Held {
    pub(super) fn of(
        measured: Measured,
        set: &[(Scope, SetThreshold)],
        settings: &Thresholds,
    ) -> Self {
        let Measured { series, runs, good } = measured;
        let high = good.quantile(settings.quantile);
        let learned = good.quantile(0.5).zip(high).map(|(typical, high)| Learned {
            runs: good.count(),
            typical,
            high,
        });
        let threshold = threshold(&series, learned, set, settings);
        let floor = floor(series.measure, settings);
        Self { series, runs, good, threshold, floor, high }
    }

    /// The middle of the good runs.
    pub fn typical(&self) -> Option<f64> {
        self.good.quantile(0.5)
    }

    /// What this factor would have stopped, had it held for all the good runs there were. None
    /// before there was one.
    pub fn past(&self, factor: f64) -> Option<Past> {
        let limit = (self.high? * factor).max(self.floor);
        Some(Past { factor, limit, above: self.good.count_above(limit) })
    }

    /// Good runs above the limit as it is now.
    pub fn above_limit(&self) -> Option<u64> {
        let (limit, _) = self.threshold.limit.as_ref()?;
        Some(self.good.count_above(*limit))
    }
}

impl Insight {
    pub const fn new(store: Store, settings: Thresholds) -> Self {
        Self { store, settings }
    }

    pub const fn settings(&self) -> &Thresholds {
        &self.settings
    }

    /// What a job is to be held to, at most [`MOST_LIMITS`]: limits that somebody has set come
    /// before learned ones, and those of steps come last.
    ///
    /// Where a limit is set for more places than are known (every step of a job that never ran), it
    /// is given with an empty [`Spot`], which stands for each place that has no limit of its own.
    pub async fn limits(&self, job: &Job) -> Result<Vec<Limit>, StoreError> {
        let set = self.store.thresholds().await?;
        let (name, device_type) = (job.name.clone(), job.device_type.clone());
        let measured = self.store.measured(name, Some(device_type), MOST_SERIES).await?;
        let held = measured.into_iter().map(|one| Held::of(one, &set, &self.settings));
        let known = held.map(|held| (held.threshold, held.series)).collect();
        Ok(choose(known, general(job, &set, &self.settings)))
    }

    /// What is known of the jobs of a name, on one device type or on all.
    pub async fn of_job(
        &self,
        job: &str,
        device_type: Option<&str>,
    ) -> Result<Vec<Held>, StoreError> {
        let set = self.store.thresholds().await?;
        let device_type = device_type.map(str::to_owned);
        let measured = self.store.measured(job.into(), device_type, MOST_SERIES).await?;
        Ok(measured.into_iter().map(|one| Held::of(one, &set, &self.settings)).collect())
    }

    /// Jobs that something is known of, by name, at most `limit` of those after `after`.
    pub async fn jobs(
        &self,
        after: Option<MeasuredJob>,
        limit: usize,
    ) -> Result<Vec<MeasuredJob>, StoreError> {
        self.store.measured_jobs(after, limit).await
    }

    /// What is known of one series; none when that is nothing.
    pub async fn one(&self, series: Series) -> Result<Option<Held>, StoreError> {
        let set = self.store.thresholds().await?;
        let measured = self.store.measured_one(series).await?;
        Ok(measured.map(|one| Held::of(one, &set, &self.settings)))
    }

    /// What somebody has set.
    pub async fn set(&self) -> Result<Vec<(Scope, SetThreshold)>, StoreError> {
        self.store.thresholds().await
    }

    /// Sets a mode, a limit or both for a scope; what is not named stays as it was set before.
    /// Returns what holds for the scope now.
    pub async fn change(
        &self,
        scope: Scope,
        mode: Option<LimitMode>,
        limit: Option<SetLimit>,
        by: String,
        at: Timestamp,
    ) -> Result<SetThreshold, StoreError> {
        let all = self.store.thresholds().await?;
        let before = all.into_iter().find(|(other, _)| *other == scope).map(|(_, set)| set);
        let kept = before.map_or((None, None), |before| (before.mode, before.limit));
        let set = SetThreshold { mode: mode.or(kept.0), limit: limit.or(kept.1), by, at };
        self.store.set_threshold(scope, Some(set.clone())).await?;
        Ok(set)
    }

    /// Takes back what was set for a scope. Whether anything was.
    pub async fn reset(&self, scope: Scope) -> Result<bool, StoreError> {
        self.store.set_threshold(scope, None).await
    }

    /// Forgets what was learned of the jobs of a name.
    pub async fn unlearn(
        &self,
        job: String,
        device_type: Option<String>,
    ) -> Result<(), StoreError> {
        self.store.unlearn(job, device_type).await
    }
}

/// Set limits in their general form, for a place that is not known yet.
pub(super) fn general(
    job: &Job,
    set: &[(Scope, SetThreshold)],
    settings: &Thresholds,
) -> Vec<(Threshold, Series)> {
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
    let here = set
        .iter()
        .filter(|(scope, _)| is(&scope.job, &job.name) && is(&scope.device_type, &job.device_type));
    let series = here.map(|(scope, _)| Series {
        job: job.name.clone(),
        device_type: job.device_type.clone(),
        measure: scope.measure,
        spot: Spot {
            module: scope.module.clone().unwrap_or_default(),
            step: scope.step.clone().unwrap_or_default(),
        },
    });
    series.map(|series| (threshold(&series, None, set, settings), series)).collect()
}

pub(super) fn choose(
    known: Vec<(Threshold, Series)>,
    general: Vec<(Threshold, Series)>,
) -> Vec<Limit> {
    let mut all: Vec<(Threshold, Series)> = known;
    for (threshold, series) in general {
        if all.iter().all(|(_, other)| *other != series) {
            all.push((threshold, series));
        }
    }
    // Stable: what is alike stays in the order of the store, which is that of names.
    all.sort_by_key(|(threshold, series)| {
        (threshold.limit_set.is_none(), series.measure == Measure::StepTime)
    });
    let order =
        |(threshold, series): (Threshold, Series)| threshold.order(series.measure, series.spot);
    let all: Vec<_> = all.into_iter().filter_map(order).collect();
    // One that is off has something to say only where a wider one is on.
    let is_wider = |wide: &str, name: &str| wide.is_empty() || wide == name;
    let silences = |off: &Limit| {
        all.iter().filter(|on| on.mode != LimitMode::Off && on.measure == off.measure).any(|on| {
            is_wider(&on.spot.module, &off.spot.module) && is_wider(&on.spot.step, &off.spot.step)
        })
    };
    let wanted = all.iter().filter(|limit| limit.mode != LimitMode::Off || silences(limit));
    wanted.take(MOST_LIMITS).cloned().collect()
}
