//! The one file everything is kept in: jobs, their indexes and the counts of them.
//!
//! One named thread writes. It groups what waits into one transaction, commits, and only then
//! answers, so an answer means durable. Readers get a snapshot each and never wait for it. A file
//! has one owner: a second appliance on the same data folder is refused.
//!
//! ```text
//! Store ──bounded channel──▶ writer thread ──one transaction──▶ store.redb
//!   │                            └──after the commit──▶ answers, then `changes()`
//!   └──tasks::blocking──▶ read transaction
//! ```
//!
//! The end of a job is also learned from, in the transaction that records it (`measures`,
//! `occurrences`): what was learned stays when the job is forgotten.
//!
//! Ended jobs are found by what they have (`terms`), several things at once (`list`).
//!
//! What a change may do to a job is decided in `change`. The record of a job that has ended never
//! changes again; what is left of its files does, and has a record of its own (`holdings`), with an
//! index of what retention may take, so that finding it never walks all jobs.

mod audience;
mod change;
mod changes;
mod check;
mod commits;
mod counts;
mod definitions;
mod devices;
mod disk;
mod error;
mod estimates;
mod file;
mod handle;
mod history;
mod holdings;
mod idempotency;
mod known;
mod list;
mod measures;
mod migrate;
mod occurrences;
mod people;
mod read;
mod record;
mod sketch;
mod snapshot;
mod table;
mod tables;
mod tally;
mod terms;
#[cfg(test)]
mod tests;
mod thresholds;
mod times;
mod writer;

pub use change::Change;
pub use changes::{Changed, Changes, Heard};
pub use commits::Commits;
pub use counts::Counts;
pub use devices::DeviceChange;
pub use disk::{Leftover, Saved, Totals, Unmeasured};
pub use error::{Inconsistency, StoreError};
pub use estimates::{Accuracy, DeviceTimes, Misses};
pub use handle::{Store, StoreSettings, Submitted, TOGETHER, Writer};
pub use history::{HistoryKey, HistoryPage, NotAHistoryKey};
pub use idempotency::LONGEST as LONGEST_IDEMPOTENCY;
pub use known::{Made, Mark, RuleDays, Standing};
pub use list::{JobPage, JobsAsked, Reader};
pub use measures::{Measured, MeasuredJob};
pub use occurrences::Occurrence;
pub use people::{
    DeedKey, DeedPage, Directory, NotADeedKey, PersonRefused, UserChange, id_of_token,
};
pub use sketch::{Bin, RELATIVE_ERROR, Sketch};
pub use tally::Tally;
pub use times::KnownTimes;

/// Name of the store's file in the data folder.
pub const FILE: &str = "sutler.redb";
