//! One job, in a process of its own.

mod host;
mod journal;
mod outcome;
mod socket;
mod stop;
