//! Serial consoles: what the guest says, kept and searched.

mod ansi;
mod serial;

pub use serial::{Found, Growth, Pattern, Position, Serial, SerialError};
