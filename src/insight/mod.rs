//! What is known of jobs from those that ran before: what they are held to, and what happened to
//! them over time.
//!
//! The store keeps what was measured and what somebody has set, `decide::threshold` chooses; here
//! both come together, for a job that starts, for a page and for a command.

mod statistics;
mod thresholds;
pub mod words;

pub use statistics::{Statistics, Sum, day_of, since};
pub use thresholds::{Held, Insight, MOST_LIMITS, MOST_SERIES, Past};

#[cfg(test)]
mod tests;
