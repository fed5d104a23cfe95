//! Pure choices: given the time and the facts, they return what to do.

mod plan;
mod reason;

pub use plan::{DeviceType, Lends, Plan, Queued, Running, plan};
pub use reason::{Reason, Resource};
