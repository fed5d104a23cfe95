//! The recording of a run, as a page knows it.

use std::time::Duration;

use crate::model::StepRun;

/// A video as a page knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Video {
    pub url: String,
    /// The engine's clock at the video's first picture.
    pub epoch: Duration,
}

impl Video {
    /// Where in the video a step begins, in seconds.
    pub(super) fn place(&self, step: &StepRun) -> String {
        format!("{:.1}", step.started.saturating_sub(self.epoch).as_secs_f64())
    }
}
