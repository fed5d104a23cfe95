//! Verdicts, states and results: a shape and a word, never colour alone.

use maud::{Markup, html};

use super::{icon::icon, words};
use crate::model::{DeviceHealth, Job, JobState, Outcome, Verdict};

/// Verdict of an ended job, state of any other.
pub fn badge(job: &Job) -> Markup {
    match job.verdict {
        Some(verdict) => verdict_badge(verdict),
        None => state_badge(job.state),
    }
}

pub fn verdict_badge(verdict: Verdict) -> Markup {
    html! {
        span class=(format!("badge {}", verdict.name())) {
            (icon(verdict.name())) span { (words::verdict(verdict)) }
        }
    }
}

pub fn state_badge(state: JobState) -> Markup {
    html! {
        span class=(format!("badge {}", state.name())) {
            (icon(state.name())) span { (words::state(state)) }
        }
    }
}

/// How a device is.
pub fn device_badge(health: DeviceHealth) -> Markup {
    // The shapes of verdicts and states that mean as much.
    let like = match health {
        DeviceHealth::Good => Verdict::Passed.name(),
        DeviceHealth::Unknown => JobState::Waiting.name(),
        DeviceHealth::Bad => Verdict::Failed.name(),
        DeviceHealth::Maintenance => Verdict::Softfailed.name(),
        DeviceHealth::Retired => Verdict::Canceled.name(),
    };
    html! { span class=(format!("badge {like}")) { (icon(like)) span { (health) } } }
}

/// Result of a step or module; a step that runs has none yet.
pub fn outcome_mark(outcome: Option<Outcome>) -> Markup {
    let (class, word) = match outcome {
        Some(outcome) => (outcome.name(), words::outcome(outcome)),
        None => ("running", "running"),
    };
    html! { span class=(format!("mark {class}")) { (icon(class)) span { (word) } } }
}

/// How far something is, as a bar and in numbers.
pub fn progress(done: u32, total: u32) -> Markup {
    let label = format!("{done} of {total} steps");
    html! {
        span.progress {
            progress value=(done) max=(total.max(1)) aria-label=(label) {}
            span.amount { (done) " of " (total) " steps" }
        }
    }
}
