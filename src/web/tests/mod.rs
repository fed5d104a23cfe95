//! The web as its readers see it: whole pages rendered from fixed data.

mod pages;
mod samples;
