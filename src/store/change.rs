//! What may happen to a job once it is in the store, decided without the store.

use jiff::Timestamp;

use super::StoreError;
use crate::model::{
    Cause, HostLoad, Job, JobState, Keepsake, Kept, PartDuration, Priority, Rule, Sample, Verdict,
};

/// One thing that happened to a job.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "each is moved once and none is kept")]
pub enum Change {
    /// An engine is being started for a waiting job: it is `preparing` from here on.
    Started { at: Timestamp, device: Option<String>, decision: Option<String> },
    /// A waiting job moves in the queue.
    Priority(Priority),
    /// A started job has come to another state that has an engine.
    State(JobState),
    /// Somebody asked for it to be stopped.
    CancelAsked,
    /// Its engine never started: it waits again, in its old place.
    Requeued,
    /// It is over. Nothing but its holdings changes after this.
    Ended {
        at: Timestamp,
        verdict: Verdict,
        cause: Option<Cause>,
        backend: serde_json::Map<String, serde_json::Value>,
        load: Option<HostLoad>,
        parts: Vec<PartDuration>,
        /// What it was measured to take. The record does not hold it: it is added to what is known
        /// of all jobs of its name.
        samples: Vec<Sample>,
    },
    /// Somebody wants it kept, or (none) no longer; in any state.
    Kept(Option<Kept>),
    /// How large the folder of an ended job is.
    Measured { video_bytes: u64, results_bytes: u64 },
    /// Something of an ended job is removed. The files go only after this is durable, and are then
    /// reported to [`Store::cleared`](super::Store::cleared).
    Removed { what: Keepsake, at: Timestamp, rule: Rule },
}

impl Change {
    const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "start",
            Self::Priority(_) => "change its priority",
            Self::State(_) => "change state",
            Self::CancelAsked => "be canceled",
            Self::Requeued => "wait again",
            Self::Ended { .. } => "end",
            Self::Kept(_) => "be kept",
            Self::Measured { .. } => "be measured",
            Self::Removed { .. } => "lose that",
        }
    }

    /// What is learned from a job that ends by this.
    pub(super) fn take_samples(&mut self) -> Vec<Sample> {
        match self {
            Self::Ended { samples, .. } => std::mem::take(samples),
            Self::Started { .. }
            | Self::Priority(_)
            | Self::State(_)
            | Self::CancelAsked
            | Self::Requeued
            | Self::Kept(_)
            | Self::Measured { .. }
            | Self::Removed { .. } => Vec::new(),
        }
    }

    /// Makes `job` what it is after this change, or leaves it as it was and says why not.
    ///
    /// # Errors
    /// [`StoreError::Ended`] when the job is over, [`StoreError::NotAllowed`] when its state knows
    /// no such change.
    pub(super) fn apply(self, job: &mut Job) -> Result<(), StoreError> {
        let refused = StoreError::NotAllowed { id: job.id, state: job.state, change: self.name() };
        let has_ended = job.state == JobState::Ended;
        match self {
            Self::Kept(kept) => job.holdings.kept = kept,
            Self::Measured { .. } | Self::Removed { .. } if !has_ended => return Err(refused),
            Self::Measured { video_bytes, results_bytes } => {
                if !job.holdings.measured {
                    job.holdings.measured = true;
                    job.holdings.video_bytes = video_bytes;
                    job.holdings.results_bytes = results_bytes;
                }
            }
            Self::Removed { what, at, rule } => {
                let is_there = job.holdings.holds(what);
                let is_kept = job.holdings.kept.is_some() && rule != Rule::NotInBackup;
                if !is_there || is_kept || what == Keepsake::Record {
                    return Err(refused);
                }
                job.holdings.remove(what, at, rule);
            }
            _ if has_ended => return Err(StoreError::Ended(job.id)),
            Self::Started { .. } | Self::Priority(_) if job.state != JobState::Waiting => {
                return Err(refused);
            }
            Self::Started { at, device, decision } => {
                job.state = JobState::Preparing;
                job.started = Some(at);
                job.device = device;
                job.decision = decision;
            }
            Self::Priority(priority) => job.priority = priority,
            Self::State(state) => {
                if !job.state.is_active() || !state.is_active() {
                    return Err(refused);
                }
                job.state = state;
            }
            Self::CancelAsked => job.cancel_asked = true,
            Self::Requeued => {
                if !job.state.is_active() {
                    return Err(refused);
                }
                job.state = JobState::Waiting;
                job.started = None;
                job.device = None;
                job.decision = None;
            }
            Self::Ended { at, verdict, cause, backend, load, parts, samples: _ } => {
                job.state = JobState::Ended;
                job.ended = Some(at);
                job.verdict = Some(verdict);
                job.cause = cause;
                job.backend = backend;
                job.load_at_end = load;
                job.parts = parts;
            }
        }
        Ok(())
    }
}
