//! The owner of the queue: carries out what `decide::plan` chooses. Beside it, the one who makes the
//! retries that `decide::retry` has decided on.

mod handle;
mod owner;
mod queue;
mod retries;

pub use handle::{Handle, Refused, WaitReasons};
pub use owner::Owner;
pub use retries::Retries;
