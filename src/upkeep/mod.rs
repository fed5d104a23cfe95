//! What keeps the appliance healthy for years: sizes are found out, what is too old or too much is
//! removed, and the disk's use is written down.
//!
//! ```text
//! a job has ended ─▶ measure ─▶ decide::retention ─▶ store: removed, and why
//!                                                       └─▶ files go ─▶ store: they are gone
//! ```
//!
//! The store has it first: whatever crashes in between, the next start finds there what is left to
//! be removed, and a page never shows files as kept that are half gone. All work on files is done
//! in small steps by one thread of the lowest priority.
//!
//! Beside that, and in no hurry, result screens are made smaller and kept once for all jobs
//! (`shelver`, `shelf`).

mod backup;
mod files;
mod owner;
mod report;
mod restore;
#[cfg(test)]
mod samples;
mod shelf;
mod shelver;

pub use backup::{BackupError, Contents, Manifest, Without, snapshot, write};
pub use owner::{Upkeep, UpkeepError};
pub use report::{DiskReport, Next, report};
pub use restore::{RestoreError, Restored, restore};
pub use shelver::Shelver;
