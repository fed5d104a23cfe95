//! The inbox: what is dropped into a folder becomes a job, or is set aside with the reason.
//!
//! ```text
//! watch (notify) ──hints──▶ inbox ──▶ settle: is it whole yet?
//!                             │
//!                             └─▶ take: look ─▶ Examine ─▶ store ─▶ remove
//!                                       └──────────┴──▶ reject: aside, with the reason
//! ```
//!
//! Nothing is lost or run twice: the key of a file is durable with its job before the file is
//! removed, so one that is found again after a crash is the same job; one that cannot be kept now
//! (the disk is full) stays where it is and is tried again. What a file means is not known here:
//! `job_file` is asked through [`Examine`].

mod examine;
mod inbox;
mod look;
mod reject;
mod settle;
mod take;
mod watch;

pub use examine::{Content, Examine, Explanation, Found};
pub use inbox::{Inbox, InboxError, InboxSettings};
