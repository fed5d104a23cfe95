//! The words everyone shares: plain types without behaviour that needs the outside world.
//!
//! Everything here is data that has already been checked. Text is turned into it at the edges
//! (`job_file`, `store`, `web`), and nothing in here does I/O or asks for the time.

mod definition;
mod event;
mod holdings;
mod id;
mod job;
mod known;
mod measure;
mod needle;
pub mod problem;
pub mod quantity;
mod run;
mod series;
mod verdict;

pub use definition::*;
pub use event::*;
pub use holdings::*;
pub use id::*;
pub use job::*;
pub use known::*;
pub use measure::*;
pub use needle::*;
pub use run::*;
pub use series::*;
pub use verdict::*;
