//! Which jobs are on a page of the plan: those behind the place at which the page before ended.
//!
//! The plan changes while somebody pages through it, so a place names a job. Running jobs stand by
//! their starts, which never change. A waiting job is looked for where it is now: whatever comes in,
//! starts or ends, nothing that stays behind it is left out, and nothing that stays before it comes
//! twice. Only a job that moves past that very place, because a priority or somebody's use of the box
//! has changed, comes on neither page or on both. When the job itself waits no longer, the next page
//! begins with the first that waits: some come twice then, and none is left out.

use std::{fmt, str::FromStr};

use crate::model::{Job, JobId};

/// A job's place in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Running { started_us: i64, id: JobId },
    Waiting(JobId),
}

impl Place {
    /// Of a job that has an engine.
    pub(super) fn of_running(job: &Job) -> Self {
        let started = job.started.unwrap_or(job.submitted);
        Self::Running { started_us: started.as_microsecond(), id: job.id }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { started_us, id } => write!(f, "running:{started_us}-{id}"),
            Self::Waiting(id) => write!(f, "waiting:{id}"),
        }
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan has no such place as {found:?}; take `next` of the page before")]
pub(super) struct NotAPlace {
    found: String,
}

impl FromStr for Place {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let read = || match text.split_once(':')? {
            ("running", place) => {
                let (started, id) = place.rsplit_once('-')?;
                Some(Self::Running { started_us: started.parse().ok()?, id: id.parse().ok()? })
            }
            ("waiting", id) => Some(Self::Waiting(id.parse().ok()?)),
            _ => None,
        };
        read().ok_or_else(|| NotAPlace { found: text.chars().take(80).collect() })
    }
}

/// Part of a plan.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub running: &'a [Place],
    pub waiting: &'a [JobId],
    /// Where the next one begins; none when this was the last.
    pub next: Option<Place>,
    /// Waiting jobs that come later.
    pub more: usize,
}

/// At most `limit` jobs behind `after`. The running ones come by their starts, those that wait best
/// first.
pub(super) fn piece<'a>(
    running: &'a [Place],
    waiting: &'a [JobId],
    after: Option<Place>,
    limit: usize,
) -> Piece<'a> {
    let (running, waiting) = match after {
        None => (running, waiting),
        Some(Place::Waiting(id)) => {
            let at = waiting.iter().position(|one| *one == id);
            (&running[running.len()..], &waiting[at.map_or(0, |at| at + 1)..])
        }
        Some(place) => (&running[running.partition_point(|one| *one <= place)..], waiting),
    };
    let (shown, left) = running.split_at(limit.min(running.len()));
    let (first, later) = waiting.split_at((limit - shown.len()).min(waiting.len()));
    let last = first.last().map(|id| Place::Waiting(*id)).or_else(|| shown.last().copied());
    let next = last.filter(|_| !left.is_empty() || !later.is_empty());
    Piece { running: shown, waiting: first, next, more: later.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(numbers: &[u64]) -> Vec<JobId> {
        numbers.iter().copied().map(JobId).collect()
    }

    fn started(started_us: i64, id: u64) -> Place {
        Place::Running { started_us, id: JobId(id) }
    }

    #[test]
    fn a_place_reads_what_it_writes() {
        for (place, text) in [
            (started(-5, u64::MAX), "running:-5-18446744073709551615"),
            (started(1_700_000_000_000_000, 7), "running:1700000000000000-7"),
            (Place::Waiting(JobId(7)), "waiting:7"),
        ] {
            assert_eq!(place.to_string(), text);
            assert_eq!(text.parse(), Ok(place));
        }
        for bad in ["", "7", "running:7", "running:x-7", "waiting:", "waiting:50-7", "ended:1-7"] {
            let refused = bad.parse::<Place>().unwrap_err().to_string();
            assert!(refused.contains("no such place"), "{refused}");
        }
    }

    #[test]
    fn pages_of_any_length_have_every_job_once() {
        let running = [started(10, 4), started(10, 9), started(12, 1)];
        let waiting = ids(&[7, 3, 8, 2]);
        for limit in 1..9 {
            let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let piece = piece(&running, &waiting, after, limit);
                found.extend(piece.running.iter().copied());
                found.extend(piece.waiting.iter().copied().map(Place::Waiting));
                assert_eq!(piece.more, 4 - found.len().saturating_sub(3).min(4));
                pages += 1;
                after = piece.next;
                if after.is_none() {
                    break;
                }
            }
            let all = running.iter().copied().chain(waiting.iter().copied().map(Place::Waiting));
            assert_eq!(found, all.collect::<Vec<_>>());
            assert_eq!(pages, 7_usize.div_ceil(limit));
        }
    }

    #[test]
    fn what_changes_between_two_pages_leaves_out_nothing_that_stays() {
        let running = [started(10, 4), started(12, 1)];
        let at = |id| Some(Place::Waiting(JobId(id)));
        for (case, waiting, after, behind) in [
            ("jobs before it have started", vec![8, 2], at(8), vec![2]),
            ("jobs have come in before it", vec![9, 7, 3, 8, 2], at(8), vec![2]),
            ("it has moved itself", vec![7, 8, 3, 2], at(8), vec![3, 2]),
            ("it has started", vec![7, 3, 2], at(8), vec![7, 3, 2]),
        ] {
            let waiting = ids(&waiting);
            let piece = piece(&running, &waiting, after, 9);
            assert_eq!((piece.running, piece.waiting), (&[][..], &*ids(&behind)), "{case}");
        }
        // One that ran has ended, and one has started since.
        let running = [started(12, 1), started(20, 7)];
        let piece = piece(&running, &[], Some(started(10, 4)), 9);
        assert_eq!((piece.running, piece.next), (&running[..], None));
    }
}
