//! Pure choices: given the time and the facts, they return what to do.

pub mod forecast;
mod plan;
mod reason;
pub mod retention;

pub use plan::{DeviceType, Lends, Plan, Queued, Running, plan};
pub use reason::{Reason, Resource};
