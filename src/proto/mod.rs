//! Bytes to messages and back, without I/O.
//!
//! Every codec is fed what arrived, asked for messages until there is none, and emptied of what
//! it wants to say. The shell that owns the socket is in `vm`.

pub mod keymap;
pub mod qmp;
pub mod query;
pub mod rfb;
