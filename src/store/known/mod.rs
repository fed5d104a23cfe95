//! Failures: rules that know them, groups of those that no rule knows, and retries.
//!
//! A failure is marked or grouped in the transaction that ends its job, so the two never disagree.

mod check;
mod handle;
mod read;
mod record;
mod tables;
mod work;

pub(super) use check::consistent;
pub use read::{Made, Mark, RuleDays, Standing};
pub(super) use tables::{
    BY_RULE, BY_SIZE, FAILURES, GROUPED, GROUPS, KnownTables, MARKS, NOT_RETRIED, PENDING,
    RESUBMITTED, RETRIED, RETRIES, RETRY_DAYS, RULES, first_mark,
};
pub(super) use work::{KnownWork, carry_out};
