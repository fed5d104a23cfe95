//! The one clock. Everything that decides is handed a time; only shells ask here.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Wall-clock time, for records and people.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Waits until then; for ever, when there is no time to wait for.
pub async fn until(at: Option<Timestamp>) {
    match at {
        Some(at) => {
            let left = at.duration_since(now());
            tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

/// A clock that started at zero and never goes back, for everything that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The instant at which this clock will show `at`, for tokio's timers.
    pub fn instant(&self, at: Duration) -> tokio::time::Instant {
        (self.0 + at).into()
    }
}
