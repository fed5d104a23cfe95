//! Needles, and where they are on a screen.
