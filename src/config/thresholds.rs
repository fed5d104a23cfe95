//! When a job is slow, where nobody has said so for it.

use std::time::Duration;

use crate::model::LimitMode;

/// How limits are learned from the jobs that went well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// What happens to a job that is above a limit.
    pub mode: LimitMode,
    /// The place among the good runs, from 0 to 1, that the limit is counted from.
    pub quantile: f64,
    /// A limit is this many times that.
    pub factor: f64,
    /// Good runs before a limit is learned at all.
    pub runs: u32,
    /// The time of a step, a module, a part or a job is not slow before this, whatever was learned:
    /// what usually takes 5 ms may take 50 on any host.
    pub floor: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            mode: LimitMode::Watch,
            quantile: 0.99,
            factor: 3.0,
            runs: 10,
            floor: Duration::from_secs(10),
        }
    }
}
