//! Engine processes: start, follow, reattach, stop, clean.

mod folder;

pub use folder::JobFolder;
