//! Needles, and where they are on a screen.
//!
//! os-autoinst's needle files and its verdicts: a set is read from a folder ([`NeedleSet`]), and a
//! screen is searched for some of them ([`search`]).

mod matcher;
mod needle_file;
mod needle_set;
#[cfg(test)]
mod properties;
mod screen;

pub use needle_file::{NeedleFileError, NeedleNote};
pub use needle_set::{LoadedNeedle, NeedleSet, Refused, VisionError, Warning};
pub use screen::{PreparedScreen, search};
