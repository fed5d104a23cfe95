//! What is kept of the screen: video, result screens, the live picture.
