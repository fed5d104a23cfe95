//! When jobs start and end, and how long they take.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::jobs::Job;
use crate::{
    decide::{outlook::Takes, progress},
    model::{JobId, Measure, Part, Spot, Stage},
};

/// `GET /api/plan`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct PlanAnswer {
    pub now: Timestamp,
    /// Why nothing starts.
    pub hold: Option<String>,
    pub jobs: Vec<Planned>,
    /// Waiting jobs that come later.
    pub more: u64,
    /// The cursor of the next page; none when this was the last.
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Planned {
    #[serde(flatten)]
    pub job: Job,
    pub expected: Option<Expected>,
}

/// When a job starts and ends.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Expected {
    /// Its place among those that wait.
    #[serde(default)]
    pub position: Option<u64>,
    /// The job whose end it waits for.
    #[serde(default)]
    pub after: Option<JobId>,
    pub start: Option<Foretold>,
    pub end: Option<Foretold>,
    /// Where it is known from.
    pub words: String,
}

/// `GET /api/estimates`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Estimates {
    pub never: Option<String>,
    pub expected: Expected,
    pub series: Vec<Suggested>,
}

/// What good runs took, and the timeout that this suggests.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Suggested {
    pub measure: Measure,
    pub spot: Spot,
    pub p99_ms: Option<f64>,
    pub suggested_ms: Option<u64>,
}

impl Suggested {
    pub(in crate::cli) fn p99(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.p99_ms? / 1e3).ok()
    }
}

/// How far a job is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Underway {
    pub expected: Option<Expected>,
    pub progress: Option<Progress>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Progress {
    pub parts: Vec<PartExpected>,
}

/// A part of a job, and what it takes.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct PartExpected {
    pub part: Part,
    pub name: String,
    pub usual_ms: Option<u64>,
    pub long_ms: Option<u64>,
}

impl PartExpected {
    pub(in crate::cli) fn planned(self) -> progress::Planned {
        let time = Duration::from_millis;
        let takes = self.usual_ms.zip(self.long_ms);
        let takes = takes.map(|(usual, long)| Takes { usual: time(usual), long: time(long) });
        progress::Planned { part: self.part, name: self.name, takes }
    }
}

/// `GET /api/estimates/accuracy`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct AccuracyAnswer {
    pub accuracy: Vec<AccuracyOf>,
}

/// How right what was foretold on a device type at one stage was.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct AccuracyOf {
    pub device_type: String,
    pub foretold_when: Stage,
    pub start: Missed,
    pub end: Missed,
}

/// By how much moments were missed; below nothing is too early.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Missed {
    pub jobs: u64,
    pub in_time: u64,
    pub p5_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(in crate::cli) struct Foretold {
    pub usual: Timestamp,
    pub late: Timestamp,
}
