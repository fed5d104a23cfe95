//! What moves a job forward in the queue, and back.

use std::time::Duration;

/// Who of the waiting jobs is the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// A job that has waited for so much longer is as good as one with a priority of one point more.
    pub point: Duration,
    /// Points that whoever has had all of the box lately is behind one who has had nothing.
    pub share: u8,
    /// What somebody has had counts half after this time.
    pub half_life: Duration,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            point: Duration::from_secs(15 * 60),
            share: 20,
            half_life: Duration::from_secs(24 * 3600),
        }
    }
}
