//! What can go wrong with the store, and who has to act.

use std::{path::PathBuf, sync::Arc};

use crate::model::{JobId, JobState, no_job};

/// Cheap to clone: one failed commit answers everyone who was in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("{}", no_job(.0))]
    NoSuchJob(JobId),
    #[error("job {0} has ended and never changes again")]
    Ended(JobId),
    #[error("job {0} still holds files, or is kept, and cannot be forgotten")]
    Holds(JobId),
    #[error("there is no known failure {name}")]
    NoSuchRule { name: String },
    #[error("there is a known failure {name} already")]
    RuleThere { name: String },
    #[error("there are {most} known failures, and no more can be kept; remove one first")]
    TooManyRules { most: u64 },
    #[error("job {0} has not ended yet")]
    NotEnded(JobId),
    #[error("what came with job {0} was removed; it has to be submitted again")]
    NoBundle(JobId),
    #[error(
        "the idempotency key came with something else, which is job {0}; a new submission has a new key"
    )]
    KeyUsed(JobId),
    #[error("there is no device {name}")]
    NoSuchDevice { name: String },
    #[error("there is no device type {name}")]
    NoSuchDeviceType { name: String },
    #[error("{device} is of the device type {name}, which goes when no device is of it any more")]
    TypeInUse { name: String, device: String },
    #[error("{name} is in the devices file; change it there")]
    FromFile { name: String },
    #[error(
        "{name} is this box itself, which is a device as long as no other is named; \
         put it into maintenance, or add another"
    )]
    BoxItself { name: String },
    #[error("no retry of job {0} is due")]
    NotDue(JobId),
    #[error("job {id} is {state} and cannot {change}")]
    NotAllowed { id: JobId, state: JobState, change: &'static str },
    #[error("another sutler serve uses this data folder ({} is open)", path.display())]
    AlreadyOpen { path: PathBuf },
    #[error(
        "{} has layout {found}, this sutler knows layouts up to {known}: \
         a newer sutler wrote it",
        path.display()
    )]
    NewerLayout { path: PathBuf, found: u64, known: u64 },
    /// The disk refused (full, gone, read-only). What was asked is not known to be durable; the
    /// same may be asked again, and the file is opened anew for it.
    #[error("the store could not be {doing}")]
    Disk { doing: &'static str, source: Arc<redb::Error> },
    #[error("record of {what} in the store is damaged")]
    Damaged { what: String, source: Option<Arc<dyn std::error::Error + Send + Sync>> },
    #[error(transparent)]
    Person(#[from] super::PersonRefused),
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The same request may succeed later without anybody changing it.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Disk { .. } => true,
            Self::NoSuchJob(_)
            | Self::Person(_)
            | Self::Ended(_)
            | Self::Holds(_)
            | Self::NotAllowed { .. }
            | Self::NoSuchRule { .. }
            | Self::RuleThere { .. }
            | Self::TooManyRules { .. }
            | Self::NotEnded(_)
            | Self::NoBundle(_)
            | Self::NotDue(_)
            | Self::KeyUsed(_)
            | Self::NoSuchDevice { .. }
            | Self::NoSuchDeviceType { .. }
            | Self::TypeInUse { .. }
            | Self::FromFile { .. }
            | Self::BoxItself { .. }
            | Self::AlreadyOpen { .. }
            | Self::NewerLayout { .. }
            | Self::Damaged { .. }
            | Self::Closed => false,
        }
    }
}

/// Two tables that do not agree: a fault of ours, or of the disk.
#[derive(Debug, thiserror::Error)]
pub enum Inconsistency {
    #[error("{table} does not agree with the jobs: {what}")]
    Table { table: &'static str, what: String },
    #[error("the tables could not be read")]
    Unreadable { source: StoreError },
}

/// Turns redb's refusal into ours.
pub(super) fn disk<E: Into<redb::Error>>(doing: &'static str) -> impl Fn(E) -> StoreError {
    move |error| StoreError::Disk { doing, source: Arc::new(error.into()) }
}
