//! The handbook: pages that travel in the binary, for the appliance's own page and the terminal.
//!
//! Pages are Markdown in `assets/handbook`. Where one says `{{name}}` on a line of its own, text is
//! put in that is written from the program's own tables, so that it cannot be out of date. Every
//! example in them is run by `tests/handbook.rs`.

mod book;
mod markdown;
mod search;
mod tables;

pub use book::{CommandText, Handbook, Page};
pub use markdown::{Html, Section};
pub use search::Hit;
