//! Commands.
//!
//! [`Cli`] is what a person writes; each command has a file of its own. Those about jobs ask the
//! running appliance through its socket ([`client`]) and hand what it answers ([`answers`]) to pure
//! functions that make text of it ([`render`]), so that what a person reads is tested without an
//! appliance. Results go to standard output, progress and complaints to standard error.

mod answers;
mod args;
mod audit;
mod backup;
mod bulk;
mod cancel;
mod client;
mod config;
mod device;
mod disk;
mod doctor;
mod encode_video;
mod engine;
mod error;
mod filter;
mod follow;
mod generate;
mod handbook;
mod jobs;
mod keep;
mod known;
mod limit;
mod lines;
mod local;
mod log;
mod logs;
mod needle;
mod new;
mod output;
mod plan;
mod priority;
mod progress;
mod render;
mod report;
mod resubmit;
mod retry;
mod run;
mod schema;
mod serve;
mod server;
mod show;
mod shrink_screens;
mod stats;
mod stop_jobs;
mod store;
mod submit;
mod threshold;
mod token;
mod user;
mod validate;
mod wait;

pub use args::{Cli, commands};
pub use serve::{Appliance, Ready};
