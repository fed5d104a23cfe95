//! The words everyone shares: plain types without behaviour that needs the outside world.
//!
//! Everything here is data that has already been checked. Text is turned into it at the edges
//! (`job_file`, `store`, `web`), and nothing in here does I/O or asks for the time.

mod counted;
mod definition;
mod device;
mod estimate;
mod event;
mod filter;
mod gauge;
mod holdings;
mod id;
mod job;
mod known;
mod listing;
mod measure;
mod needle;
pub mod problem;
pub mod quantity;
mod run;
mod sample;
mod threshold;
mod time_series;
mod timeout;
mod user;
mod verdict;

pub use counted::*;
pub use definition::*;
pub use device::*;
pub use estimate::*;
pub use event::*;
pub use filter::*;
pub use gauge::*;
pub use holdings::*;
pub use id::*;
pub use job::*;
pub use known::*;
pub use listing::*;
pub use measure::*;
pub use needle::*;
pub use run::*;
pub use sample::*;
pub use threshold::*;
pub use time_series::*;
pub use timeout::*;
pub use user::*;
pub use verdict::*;
