//! When jobs will start and end, how far they are, and how right that was.
//!
//! What a job takes is known from its past ([`Past`]): its own good runs, else those of its name on
//! another device type, else all jobs of its device type, else its time limit. One task, the
//! [`Keeper`], plays the queue forward with that whenever something has happened, away from the
//! async threads, and publishes one [`Snapshot`]; pages, submissions and commands read it and cost
//! nothing. What it first says of a job, and what it says when the job starts, it gives the store,
//! which compares both with what came.
//!
//! ```text
//! store changes ─▶ Keeper ── decide::outlook ──▶ watch ──▶ Handle (pages, API)
//!                    └── first said of each job ──▶ store
//! ```

mod board;
mod keeper;
mod past;
#[cfg(test)]
mod tests;

pub use board::{Estimate, Handle, Snapshot, Wanted};
pub use keeper::{AHEAD, Keeper};
pub use past::{Basis, Past};
