//! Images made ready for a guest.
