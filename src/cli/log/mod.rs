//! The log, for the operator: what of it is written, and where to.

mod journal;
mod start;

pub(super) use start::{appliance, engine, others};
