//! A job's results as one file that can be mailed or fed to another program.
//!
//! `results` reads what a job left, `cases` says what of it counts as a test, and a file each makes
//! a text of that: `html` with `media` inside it, `junit`, `tap`. Everything but the reading is
//! pure. What a guest or an author wrote is escaped or stripped where it enters a text.
//!
//! ```text
//! Job, JobFolder -> Results -> cases -> JUnit XML, TAP
//!                          \-> media -> HTML
//! ```

mod cases;
pub mod files;
mod format;
mod html;
mod junit;
mod local;
mod media;
mod results;
mod tap;
#[cfg(test)]
mod tests;

pub use format::{Format, Written, write};
pub use local::{DEFINITION, NoResults, job_of};
pub use media::Video;
