//! What is read off while something runs: how long operations take, and what the kernel tells of
//! processes and of the host.
//!
//! Cheap enough for every frame and every second: an operation costs one lock and one addition to a
//! sketch of fixed size, a look at a guest and its host a dozen small files of `/proc`. What the
//! readings mean is decided elsewhere.

mod host;
mod parse;
mod process;
mod timings;

pub use host::{HostReading, load, picture};
pub use process::{CpuShare, Process, ProcessReading};
pub use timings::{Timings, Window};
