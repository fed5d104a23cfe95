//! Pure choices: given the time and the facts, they return what to do.

pub mod access;
pub mod attempts;
mod dependency;
pub mod excess;
pub mod forecast;
pub mod health;
pub mod known;
mod lab;
pub mod outlook;
mod plan;
pub mod progress;
mod reason;
pub mod retention;
pub mod retry;
mod shares;
mod signature;
pub mod slowness;
pub mod stall;
pub mod thinning;
pub mod threshold;
pub mod timeouts;
mod waiting;
pub mod watch;

pub use dependency::{Broken, Dependency, Stands, dependency};
pub use lab::{Demand, Device, Lab, Open};
pub use plan::{Plan, Running, Standing, Start, cost, never, plan};
pub use reason::{Chosen, Reason, Resource};
pub use shares::Shares;
pub use signature::{normal, signature};
pub use waiting::{Queued, Waiting};
