//! How close to each other frames come into the video.
//!
//! A burst, as when a menu opens, is recorded closely; what changes without end, as a scrolling log
//! or a film, more sparsely, because it would keep a processor busy that the guest may need. This
//! is the generic cell rate algorithm (ITU-T I.371) in its form of virtual scheduling.

use std::time::Duration;

/// Nobody can read ten screens a second.
const GAP: Duration = Duration::from_millis(100);
/// Between frames of what goes on and on: twice as often as os-autoinst looks.
const STEADY: Duration = Duration::from_millis(250);
/// Frames that may follow at [`GAP`] after a rest.
const BURST: u32 = 20;

#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Duration>,
    /// When the next frame would be due at a steady pace.
    due: Duration,
}

impl Pace {
    /// How long a frame from `at` (engine's clock) still waits for its turn.
    pub(super) fn wait(&self, at: Duration) -> Duration {
        let close = self.last.map_or(Duration::ZERO, |last| last + GAP);
        let steady = self.due.saturating_sub(STEADY * BURST);
        close.max(steady).saturating_sub(at)
    }

    /// A frame from `at` comes into the video.
    pub(super) fn take(&mut self, at: Duration) {
        self.last = Some(at);
        self.due = self.due.max(at) + STEADY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When frames are taken from a screen that changes every 20 ms from `from` on.
    fn taken(pace: &mut Pace, from: u64, until: u64) -> Vec<u64> {
        let all = (from..until).step_by(20);
        all.filter(|at| {
            let at = Duration::from_millis(*at);
            let is_due = pace.wait(at).is_zero();
            if is_due {
                pace.take(at);
            }
            is_due
        })
        .collect()
    }

    #[test]
    fn a_burst_is_close_what_goes_on_is_sparse_and_a_rest_makes_room_again() {
        let mut pace = Pace::default();
        let two_seconds = taken(&mut pace, 0, 2_000);
        assert_eq!(two_seconds.len(), 20);
        assert_eq!(two_seconds[..3], [0, 100, 200]);
        let minute = taken(&mut pace, 2_000, 62_000).len();
        assert!((240..260).contains(&minute), "{minute}");
        let after_a_rest = taken(&mut pace, 70_000, 72_000).len();
        assert_eq!(after_a_rest, 20);
    }

    #[test]
    fn the_first_frame_waits_for_nothing() {
        assert_eq!(Pace::default().wait(Duration::ZERO), Duration::ZERO);
    }
}
