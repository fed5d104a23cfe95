//! What of ended jobs is kept.

use std::time::Duration;

/// What of ended jobs is kept, and for how long; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Videos, the largest part.
    pub videos: Option<Duration>,
    /// The rest of a job's folder: screens, consoles, the log of events.
    pub results: Option<Duration>,
    /// The record in the store: verdict, cause, times. What history is made of.
    pub records: Option<Duration>,
    /// When the disk of the data folder has less free than this, the oldest go before their time.
    pub least_free_mib: u64,
    /// What the folders of all ended jobs may take together.
    pub most_mib: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            videos: Some(30 * DAY),
            results: Some(180 * DAY),
            records: None,
            least_free_mib: 4096,
            most_mib: None,
        }
    }
}
