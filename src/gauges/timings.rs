//! How long each operation on the way of a frame takes, from whatever thread carries it out.
//!
//! Quantiles come from a sketch with logarithmic buckets: within one percent of the true value,
//! of bounded size however many frames a job has, and the same kind that the store keeps of many
//! jobs.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};
use sketches_ddsketch::{Config, DDSketch};

use crate::{clock::Stopwatch, model::Operation};

/// What was measured of an operation since it was asked for last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    pub count: u32,
    pub total: Duration,
    pub max: Duration,
}

impl Window {
    /// None when the operation did not happen.
    pub fn mean(&self) -> Option<Duration> {
        self.total.checked_div(self.count)
    }
}

/// Takes times. Clones take them for the same job.
#[derive(Debug, Clone)]
pub struct Timings {
    clock: Stopwatch,
    shared: Arc<Mutex<BTreeMap<Operation, Kept>>>,
}

#[derive(Default)]
struct Kept {
    /// In milliseconds.
    sketch: Option<DDSketch>,
    total: Duration,
    window: Window,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("total", &self.total).finish_non_exhaustive()
    }
}

impl Timings {
    /// `clock` is the one that frames carry the time of.
    pub fn new(clock: Stopwatch) -> Self {
        Self { clock, shared: Arc::default() }
    }

    pub const fn clock(&self) -> Stopwatch {
        self.clock
    }

    pub fn add(&self, operation: Operation, took: Duration) {
        let mut shared = self.lock();
        let kept = shared.entry(operation).or_default();
        let sketch = kept.sketch.get_or_insert_with(|| DDSketch::new(Config::defaults()));
        sketch.add(took.as_secs_f64() * 1000.0);
        kept.total += took;
        kept.window.count += 1;
        kept.window.total += took;
        kept.window.max = kept.window.max.max(took);
    }

    /// Adds the time from `since` until now.
    pub fn since(&self, operation: Operation, since: Duration) {
        self.add(operation, self.clock.elapsed().saturating_sub(since));
    }

    /// Carries out `work` and adds how long it took.
    pub fn time<T>(&self, operation: Operation, work: impl FnOnce() -> T) -> T {
        let started = self.clock.elapsed();
        let done = work();
        self.since(operation, started);
        done
    }

    /// What came since this was asked last.
    pub fn take_window(&self) -> BTreeMap<Operation, Window> {
        let take = |(operation, kept): (&Operation, &mut Kept)| {
            let window = std::mem::take(&mut kept.window);
            (window.count > 0).then_some((*operation, window))
        };
        self.lock().iter_mut().filter_map(take).collect()
    }

    /// Count, quantiles, largest and sum of every operation that happened, in milliseconds.
    pub fn summary(&self) -> Map<String, Value> {
        let shared = self.lock();
        let told = |(operation, kept): (&Operation, &Kept)| {
            let sketch = kept.sketch.as_ref()?;
            let quantile = |q| sketch.quantile(q).ok().flatten().map(rounded);
            let summary = json!({
                "count": sketch.count(),
                "p50_ms": quantile(0.5),
                "p95_ms": quantile(0.95),
                "p99_ms": quantile(0.99),
                "max_ms": sketch.max().map(rounded),
                "total_ms": rounded(kept.total.as_secs_f64() * 1000.0),
            });
            Some((operation.name().to_owned(), summary))
        };
        shared.iter().filter_map(told).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Operation, Kept>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// To the microsecond.
fn rounded(millis: f64) -> f64 {
    (millis * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_percent_and_a_window_is_taken_once() {
        let timings = Timings::new(Stopwatch::start());
        for ms in 1..=1000 {
            timings.clone().add(Operation::MatchTime, Duration::from_millis(ms));
        }
        let summary = timings.summary();
        assert_eq!(summary.keys().collect::<Vec<_>>(), ["match_time"]);
        let found = &summary["match_time"];
        for (name, want) in [("p50_ms", 500.0), ("p95_ms", 950.0), ("p99_ms", 990.0)] {
            let value = found[name].as_f64().unwrap();
            assert!((value / want - 1.0).abs() < 0.011, "{name} is {value}");
        }
        assert_eq!((&found["count"], &found["max_ms"]), (&json!(1000), &json!(1000.0)));
        assert_eq!(found["total_ms"], json!(500_500.0));

        let window = timings.take_window()[&Operation::MatchTime];
        assert_eq!((window.count, window.max), (1000, Duration::from_secs(1)));
        assert_eq!(window.mean(), Some(Duration::from_micros(500_500)));
        assert!(timings.take_window().is_empty());
        timings.time(Operation::PngWrite, || ());
        assert_eq!(timings.take_window().keys().collect::<Vec<_>>(), [&Operation::PngWrite]);
    }
}
