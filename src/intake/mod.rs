//! The inbox, and what is submitted.
