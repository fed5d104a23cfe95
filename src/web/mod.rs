//! Pages and the JSON API: everything the appliance shows.
//!
//! A handler fetches one view and renders it; rendering is pure. Pages work as links without
//! script, and the script only asks for them again when an event stream says so. Nothing here
//! changes a job.

mod assets;
mod errors;
mod facts;
mod history;
mod job;
mod layout;
mod live;
mod moment;
mod queue;
mod screen;
mod step;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;
mod video;
mod words;

pub use errors::WebError;
