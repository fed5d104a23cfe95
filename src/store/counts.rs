//! How many jobs there are of each state and verdict.

use crate::model::{JobState, Verdict};

/// Kept up in the transaction that changes a job, so reading it costs the same for any number of
/// jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub(super) states: [u64; JobState::ALL.len()],
    pub(super) verdicts: [u64; Verdict::ALL.len()],
}

impl Counts {
    /// Jobs that are in `state` now.
    pub const fn state(&self, state: JobState) -> u64 {
        self.states[state as usize]
    }

    /// Ended jobs with `verdict`.
    pub const fn verdict(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize]
    }

    /// Jobs that are preparing, running or collecting.
    pub fn active(&self) -> u64 {
        JobState::ALL.into_iter().filter(|state| state.is_active()).map(|s| self.state(s)).sum()
    }

    /// Jobs of every state.
    pub fn all(&self) -> u64 {
        self.states.iter().sum()
    }
}
