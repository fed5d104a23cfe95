//! Definition text to model, with an explanation when it is wrong.
//!
//! [`read()`] is pure: text in, [`Definition`](crate::model::Definition) or [`Problems`] out, all of
//! them at once, each with its line. `node` parses YAML or JSON into a tree that knows its places,
//! `reader` walks it, and one file for each block says what may stand there. Nobody else names a
//! key of the job file.

mod actions;
mod admit;
pub mod bundle;
pub mod check;
pub mod diff;
mod form;
mod guest;
mod keys;
mod needle_tags;
mod new_job;
mod node;
pub mod qemu_arguments;
mod read;
mod reader;
mod reference;
mod schema;
mod screen;
mod steps;
mod template;
mod value;
mod variables;
mod verbs;
mod words;

pub use admit::{Admission, MaySubmit, Refusal};
pub use keys::valid_keys;
pub use new_job::{Arrival, needs, to_new_job};
pub use node::MAX_TEXT;
pub use read::{DEVICE_TYPE, Options, Read, VISIBILITY, read, read_bytes};
pub use reference::{job_file_reference, steps_reference};
pub use schema::{SCHEMA_PATH, schema};
pub use screen::MOST_STEPS;
pub use steps::{
    ASSERT_TIMEOUT, CHECK_TIMEOUT, SERIAL_TIMEOUT, SIMILARITY_DB, STILL, STILL_TIMEOUT,
    TYPE_INTERVAL,
};
pub use template::FirstJob;
pub use value::{LONGEST, memory_mib};

pub use crate::model::problem::{Explained, Place, Problem, Problems, Severity};
