//! `sutler doctor`: whether this box can run jobs, and what to do where it cannot.

mod checks;
mod command;
mod facts;

pub(super) use command::{Args, run};
