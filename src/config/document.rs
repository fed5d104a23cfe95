//! What was written in one place: a file, the environment, the flags.
//!
//! Each is a text with lines, so that a mistake in any of them is shown the same way, beside the
//! line it is about.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{Key, knob::Said};
use crate::model::problem::{Place, Problem, Problems};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        path: PathBuf,
        line: usize,
    },
    /// The name of the variable.
    Environment(String),
    /// The flag as it is written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A key with what was written for it.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: &'static Key,
    pub said: Said,
    pub origin: Origin,
    pub place: Place,
    /// Of each entry of a list that has a place of its own.
    pub places: Vec<Place>,
}

/// All that was written in one place.
#[derive(Debug)]
pub struct Document {
    /// Its path, or in words what it is.
    pub name: String,
    pub text: Arc<str>,
    /// What relative paths in it start from.
    pub(super) base: PathBuf,
    pub(super) entries: Vec<Entry>,
    pub(super) problems: Vec<Problem>,
}

impl Document {
    /// What is wrong with it; `None` when that is nothing.
    pub(super) fn into_problems(mut self) -> Option<Problems> {
        self.problems.sort_by_key(|problem| problem.place.offset);
        let Self { name, text, problems: list, .. } = self;
        (!list.is_empty()).then_some(Problems { name, text, list, omitted: 0 })
    }
}
