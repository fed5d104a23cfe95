//! The one embedded store.
