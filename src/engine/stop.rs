//! Why a run must end before its time, and who may say so.
//!
//! The first reason stands. A later one only makes the end faster: a second request to cancel, or
//! a kill, takes away the grace everything else is given.

use tokio::sync::watch;

use crate::model::{Cause, Code, Timeout, Verdict, Who};

/// Why the run must end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reason {
    Canceled {
        by: String,
    },
    JobTimeout {
        limit: Timeout,
    },
    /// The machine is no longer what the job needs.
    Machine(Cause),
    /// A limit was exceeded that stops.
    TooSlow(Cause),
}

impl Reason {
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Canceled { .. } => Verdict::Canceled,
            Self::JobTimeout { .. } => Verdict::TimedOut,
            Self::Machine(_) => Verdict::Incomplete,
            Self::TooSlow(_) => Verdict::TooSlow,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Canceled { by } => {
                Cause::new(Who::Author, Code::Canceled, format!("canceled by {by}"))
            }
            Self::JobTimeout { limit } => {
                Cause::new(Who::Author, Code::JobTimeout, format!("the job used up its {limit}"))
            }
            Self::Machine(cause) | Self::TooSlow(cause) => cause.clone(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Wanted {
    reason: Option<Reason>,
    at_once: bool,
}

/// Asks the run to end. Clones ask the same run.
#[derive(Debug, Clone)]
pub(super) struct Stopper(watch::Sender<Wanted>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Wanted::default()))
    }

    /// Ends the run in good order; when it is ending already, at once.
    pub(super) fn stop(&self, reason: Reason) {
        self.0.send_modify(|wanted| {
            let asked_again = matches!(reason, Reason::Canceled { .. });
            match wanted.reason {
                None => wanted.reason = Some(reason),
                Some(_) => wanted.at_once |= asked_again,
            }
        });
    }

    /// Ends the run at once.
    pub(super) fn kill(&self, by: &str) {
        self.0.send_modify(|wanted| {
            wanted.at_once = true;
            wanted.reason.get_or_insert_with(|| Reason::Canceled { by: by.into() });
        });
    }

    /// The reason, as soon as there is one.
    pub(super) async fn wanted(&self) -> Reason {
        let mut wanted = self.0.subscribe();
        let found = wanted.wait_for(|wanted| wanted.reason.is_some()).await;
        let reason = found.ok().and_then(|wanted| wanted.reason.clone());
        reason.expect("the sender lives in self, and the condition was waited for")
    }

    /// Returns when there is no time left for good order.
    pub(super) async fn at_once(&self) {
        let mut wanted = self.0.subscribe();
        let _ = wanted.wait_for(|wanted| wanted.at_once).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_reason_stands_and_a_second_cancel_hurries() {
        let stopper = Stopper::new();
        let limit = Timeout::of_setting(Duration::from_secs(90), "timeouts.job");
        stopper.stop(Reason::JobTimeout { limit });
        assert!(!stopper.0.borrow().at_once);
        stopper.stop(Reason::Canceled { by: "ada".into() });
        assert!(stopper.0.borrow().at_once);
        let reason = stopper.0.borrow().reason.clone().unwrap();
        assert_eq!(reason.verdict(), Verdict::TimedOut);
        let words = "the job used up its 1 min 30 s (from this box's settings, timeouts.job)";
        assert_eq!(reason.cause().words, words);
    }
}
