//! Needles, and where they are on a screen.
//!
//! os-autoinst's needle files and its verdicts: a set is read from a folder ([`NeedleSet`]), a
//! screen is searched for some of them ([`find`], [`search`]), and a waiting step asks [`Lookout`]
//! which frames are worth a search, and how wide a one.

mod bounds;
mod crew;
mod gray;
mod landmarks;
mod lookout;
mod matcher;
mod needle_file;
mod needle_set;
mod place;
#[cfg(test)]
mod properties;
mod screen;

pub use landmarks::{Unrest, landmarks};
pub use lookout::{Look, Lookout, NARROW};
pub use needle_file::{NeedleFileError, NeedleNote};
pub use needle_set::{LoadedNeedle, NeedleSet, Refused, VisionError, Warning};
pub use screen::{find, nearest, search};
