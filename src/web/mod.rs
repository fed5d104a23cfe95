//! Pages and the JSON API: everything the appliance shows.
//!
//! A handler fetches one view and renders it; rendering is pure. Pages work as links without
//! script, and the script only asks for them again when an event stream says so. Nothing here
//! changes a job: what may be asked for (submit, cancel) goes through the seams in [`Web`].
//!
//! ```text
//! request -> guard (host, who asks, headers) -> handler -> sight -> Store, JobFolder -> view -> render
//! ```

mod account;
mod actions;
mod addresses;
mod api;
mod assets;
mod audit;
mod body;
mod bulk;
mod bulk_pages;
mod compose;
mod csv;
mod device_forms;
mod device_pages;
mod devices;
mod diff;
mod disk;
mod disk_plot;
mod doctor;
mod errors;
mod estimates;
mod events;
mod failures;
mod files;
mod follow;
mod form;
mod guard;
mod handbook;
mod history;
mod hosts;
mod job;
mod known;
mod layout;
mod list;
mod listing;
mod live;
mod login;
mod metrics;
mod misread;
mod openapi;
mod pages;
mod params;
mod place;
mod plan;
mod queue;
mod ranged;
mod records;
mod report;
mod router;
mod runs;
mod series;
mod sight;
mod state;
mod statistics;
mod statistics_page;
mod step;
mod submit;
mod tail;
#[cfg(test)]
mod tests;
mod threshold_pages;
mod threshold_plot;
mod thresholds;
mod timeouts;
mod tokens;
mod user_pages;
mod users;
mod video;
mod watching;

pub use errors::WebError;
pub use guard::Access;
pub use login::Logins;
pub use router::router;
pub use runs::Runs;
pub use state::{
    About, Activity, Compose, ComposeRequest, Composed, DevicesRefused, DevicesTaken, Doctor,
    Queue, ReloadDevices, Submit, SubmitRefused, SubmitRequest, Submitted, TryCheck, Watch, Web,
    Wishes,
};
pub use watching::Watchers;
