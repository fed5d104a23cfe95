//! What every picture of a job is made of: words, times, badges, steps, screens with areas drawn
//! over them, the timeline.
//!
//! Pure: views in, markup out. Pages and reports share it; where a thing leads to is theirs to say,
//! through [`Links`].

mod badge;
mod cause;
mod facts;
mod icon;
mod links;
mod measures;
mod moment;
mod papers;
#[cfg(test)]
pub(crate) mod samples;
mod screen;
mod steps;
mod style;
mod timeline;
mod timeouts;
mod vtt;
pub mod words;

pub use badge::{badge, device_badge, outcome_mark, progress, state_badge, verdict_badge};
pub use cause::cause;
pub use facts::{facts, removed};
pub use icon::icon;
pub use links::{Links, Seek};
pub use measures::{Group, Known, Unit, Usual, Usuals, known, measures};
pub use moment::{Moment, position, size, span};
pub use papers::{Tail, backend, definition, logs, notes, slow};
pub use screen::{Scale, candidates, expected, patterns, picture};
pub use steps::{drawn, evidence, shot_anchor, steps};
pub use style::STYLE;
pub use timeline::{anchor, dashed, timeline};
pub use timeouts::timeouts;
pub use vtt::{log_vtt, steps_vtt};
