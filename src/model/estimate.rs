//! What was foretold of a job, and how right it turned out.

use jiff::{SignedDuration, Timestamp};
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

impl Outlook {
    /// The same for whoever reads it later: what has not come by then is not in the past. Of a job that
    /// has not started, all is put off by as much.
    #[must_use]
    pub fn read_at(self, now: Timestamp, has_started: bool) -> Self {
        let Self { start, end } = self;
        let not_before = |foretold: Foretold, first: Timestamp| {
            let usual = foretold.usual.max(first);
            Foretold { usual, late: foretold.late.max(usual) }
        };
        if has_started {
            return Self { start, end: not_before(end, now) };
        }
        let delay = now.duration_since(start.usual).max(SignedDuration::ZERO);
        let delayed = end.usual.checked_add(delay).unwrap_or(Timestamp::MAX);
        Self { start: not_before(start, now), end: not_before(end, delayed) }
    }
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

    #[test]
    fn what_has_not_come_is_not_in_the_past() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let from_to = |usual, late| Foretold { usual: at(usual), late: at(late) };
        let said = Outlook { start: from_to(10, 20), end: from_to(30, 60) };
        for (now, has_started, start, end) in [
            (5, false, (10, 20), (30, 60)),
            (15, false, (15, 20), (35, 60)),
            (50, false, (50, 50), (70, 70)),
            (15, true, (10, 20), (30, 60)),
            (40, true, (10, 20), (40, 60)),
            (99, true, (10, 20), (99, 99)),
        ] {
            let want = Outlook { start: from_to(start.0, start.1), end: from_to(end.0, end.1) };
            assert_eq!(said.read_at(at(now), has_started), want, "{now} {has_started}");
        }
    }

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
