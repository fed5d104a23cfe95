//! The owner of the queue: carries out what `decide::plan` chooses.

mod handle;
mod owner;
mod queue;

pub use handle::{Handle, Refused, WaitReasons};
pub use owner::Owner;
