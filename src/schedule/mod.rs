//! The owner of the queue: carries out what `decide::plan` chooses. Beside it, the one who makes the
//! retries that `decide::retry` has decided on.

mod devices;
mod handle;
mod owner;
mod queue;
mod retries;
#[cfg(test)]
mod samples;
mod standing;

pub use devices::{Devices, MakeCheck};
pub use handle::{Handle, Refused};
pub use owner::Owner;
pub use retries::Retries;
pub use standing::Standing;
