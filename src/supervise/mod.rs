//! Engine processes: start, follow, reattach, stop, clean.
//!
//! `launch` starts an engine, `follow` reads what it tells until it is gone, `processes` finds and
//! ends what it left, and `owner` does all of that for every job of the appliance. `stop` ends the
//! engines of an appliance that is gone.

mod failure;
mod folder;
mod follow;
mod launch;
mod owner;
mod processes;
mod stop;
mod wire;

pub use folder::JobFolder;
pub use follow::{Ending, Engine, Follower, close_log, find_engine, settle};
pub use launch::{LaunchError, has_engine, launch};
pub use owner::{BlameBox, Handle, Prepare, Supervisor, Wish};
pub use processes::{JobProcess, MARK, end_all, left_over};
pub use stop::stop_all;
