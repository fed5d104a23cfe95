//! What those may do who are no users.

use std::path::Path;

use super::{Knob, Said, nearest};
use crate::model::{Role, problem::listed};

const NONE: &str = "none";

/// A role, or none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Granted(pub Option<Role>);

impl Knob for Granted {
    fn expected() -> String {
        format!("one of {}", listed(words()))
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        match said.text()? {
            NONE => Some(Self(None)),
            name => Role::named(name).map(|role| Self(Some(role))),
        }
    }

    fn help(said: &Said) -> Option<String> {
        nearest(said.text()?, words())
    }
}

fn words() -> impl Iterator<Item = &'static str> {
    [NONE].into_iter().chain(Role::ALL.into_iter().map(Role::name))
}

/// Somebody nobody knows only ever looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Anonymous(pub Option<Role>);

impl Knob for Anonymous {
    fn expected() -> String {
        "one of none and guest".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        match said.text()? {
            NONE => Some(Self(None)),
            name => (name == Role::Guest.name()).then_some(Self(Some(Role::Guest))),
        }
    }

    fn help(said: &Said) -> Option<String> {
        nearest(said.text()?, [NONE, Role::Guest.name()])
    }
}
