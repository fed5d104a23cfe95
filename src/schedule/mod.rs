//! The owner of the queue: carries out what `decide::plan` chooses.

mod handle;

pub use handle::{Handle, Refused, WaitReasons};
