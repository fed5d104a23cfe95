//! Pure choices: given the time and the facts, they return what to do.

pub mod excess;
pub mod forecast;
pub mod known;
pub mod outlook;
mod plan;
mod reason;
pub mod retention;
pub mod retry;
mod signature;
pub mod slowness;
pub mod stall;
pub mod thinning;
pub mod threshold;
pub mod watch;

pub use plan::{DeviceType, Lends, Plan, Queued, Running, plan};
pub use reason::{Reason, Resource};
pub use signature::{normal, signature};
