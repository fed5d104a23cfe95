//! The built thing, driven as a user would: one binary, so that what is large is linked once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails, helpers included")]

mod access;
mod acknowledged;
mod api;
mod backups;
mod commands;
mod desk;
mod doctor;
mod guest;
mod handbook;
mod job_files;
mod kill_loop;
mod layers;
mod machine;
mod measures;
mod needles;
mod new;
mod package;
mod pages;
mod people;
mod queue_month;
mod queueing;
mod reports;
mod retries;
mod runs;
mod schema;
mod settings;
mod shelf;
mod store;
mod support;
mod thresholds;
mod video;
