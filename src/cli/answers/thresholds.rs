//! What is slow, and how often.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{LimitMode, LimitOrigin, Measure, Scope, SetThreshold};

/// `GET /api/thresholds`
#[derive(Debug, Default, Deserialize)]
pub(in crate::cli) struct Overview {
    pub jobs: Vec<JobTime>,
    pub set: Vec<WasSet>,
    pub next: Option<NextJob>,
}

/// A job with its time as a whole.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct JobTime {
    pub job: String,
    pub device_type: String,
    pub job_time: Option<Threshold>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct NextJob {
    pub after: String,
    pub after_device_type: String,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct WasSet {
    pub scope: Scope,
    pub words: String,
    pub set: SetThreshold,
}

/// `GET /api/thresholds?job=…`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Thresholds {
    pub thresholds: Vec<Threshold>,
}

/// Values are in the measure's unit.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Threshold {
    pub device_type: String,
    pub measure: Measure,
    pub module: String,
    pub step: String,
    pub good_runs: u64,
    pub typical: Option<f64>,
    pub mode: LimitMode,
    pub limit: Option<f64>,
    pub origin: Option<LimitOrigin>,
    pub limit_set_by: Option<String>,
    pub lacking_runs: u64,
    pub words: String,
}

/// `GET /api/thresholds/explain`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Explained {
    pub thresholds: Vec<WithData>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct WithData {
    #[serde(flatten)]
    pub threshold: Threshold,
    pub quantiles: BTreeMap<String, Option<f64>>,
    pub bins: Vec<Bin>,
    pub past: Vec<Past>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Bin {
    pub value: f64,
    pub count: u64,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Past {
    pub factor: f64,
    pub limit: f64,
    pub above: u64,
}

/// `GET /api/statistics`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Counts {
    pub first: String,
    pub last: String,
    pub by_subject: Vec<SumOf>,
    pub by_job: Vec<TimesOf>,
    pub by_device_type: Vec<TimesOf>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct SumOf {
    pub kind: String,
    pub name: String,
    pub jobs: u64,
    pub seconds: u64,
}

/// How often something happened to the jobs of a name, or of a device type.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct TimesOf {
    pub kind: String,
    pub name: String,
    pub times: u64,
}
