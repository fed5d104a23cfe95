//! The doctor: what this box is like, what is wrong with it, and what to do about it.
//!
//! ```text
//! facts ──▶ checks ──▶ findings ──▶ hold
//! look      judge                   whether guests can be started at all
//! ```
//!
//! [`Looker`] looks and judges nothing; `checks` judge and look at nothing. The command looks
//! once. The appliance has a [`Keeper`], which looks again as long as it runs and holds the queue
//! while a finding says that no guest could be started: a job must not fail for that.

mod checks;
mod facts;
mod finding;
mod keeper;

pub use checks::Bounds;
pub use facts::{Looker, Viewer};
pub use finding::{Finding, State};
pub use keeper::{Handle, Keeper, Report};
