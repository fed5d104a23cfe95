//! Devices, their types, how they are and what has happened to them.
//!
//! How a device is changes in the transaction of the job that shows it, so the two never disagree.

mod change;
mod jobs;
mod read;
mod record;
mod rows;

pub use change::DeviceChange;
pub(super) use read::{all, log, types};
pub(super) use rows::{DEVICES, Devices, LOG, STATES, TYPES};
