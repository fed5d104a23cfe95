//! What was foretold of a job, and how right it turned out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A moment that is foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Foretold {
    pub usual: Timestamp,
    /// It hardly gets later.
    pub late: Timestamp,
}

/// What is to come of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    pub start: Foretold,
    pub end: Foretold,
}

/// When something was foretold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The first thing that was said of the job, when it had just come in.
    Submitted,
    /// When it had just started.
    Started,
}

impl Stage {
    pub const ALL: [Self; 2] = [Self::Submitted, Self::Started];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Started => "started",
        }
    }
}

/// What was foretold of a job and is kept to be compared with what came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Foresight {
    pub submitted: Option<Outlook>,
    pub started: Option<Outlook>,
}

/// By how much a foretold moment was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miss {
    /// From the usual moment to the real one; less than nothing when it came sooner.
    pub micros: i64,
    /// It came by the moment after which it hardly comes.
    pub in_time: bool,
}

impl Foretold {
    /// What it missed when `came` is the real moment.
    pub fn missed(self, came: Timestamp) -> Miss {
        let micros = came.as_microsecond().saturating_sub(self.usual.as_microsecond());
        Miss { micros, in_time: came <= self.late }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_comes_by_the_usual_moment_is_in_time_and_not_late(
            usual in 0_i64..1_000_000_000, more in 0_i64..1_000_000, came in 0_i64..1_000_000_000,
        ) {
            let at = |micros| Timestamp::from_microsecond(micros).unwrap();
            let foretold = Foretold { usual: at(usual), late: at(usual + more) };
            let miss = foretold.missed(at(came));
            prop_assert_eq!(miss.micros, came - usual);
            prop_assert_eq!(miss.in_time, miss.micros <= more);
        }
    }
}
