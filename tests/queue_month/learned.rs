//! What is known of each kind of test from its good runs, and how right that was.

use std::time::Duration;

use sutler::{decide::outlook::Takes, estimates::Past, store::DeviceTimes};

use super::work::Kind;

/// What a run was expected to take, and from how many before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    pub takes: Takes,
    pub runs: u64,
}

struct Known {
    times: DeviceTimes,
    at_most: Duration,
    expected: Expected,
}

/// Of good runs of a known kind, how many took no longer than was expected.
#[derive(Default)]
pub(super) struct Hits {
    pub of: u64,
    pub usual: u64,
    pub long: u64,
}

pub(super) struct Learned {
    kinds: Vec<Known>,
    pub hits: Hits,
}

impl Known {
    fn new(at_most: Duration) -> Self {
        let times = DeviceTimes::default();
        Self { expected: expected(&times, at_most), times, at_most }
    }
}

impl Learned {
    pub(super) fn new(kinds: &[Kind]) -> Self {
        let kinds = kinds.iter().map(|kind| Known::new(kind.demand.needs.at_most)).collect();
        Self { kinds, hits: Hits::default() }
    }

    pub(super) fn expected(&self, kind: usize) -> Expected {
        self.kinds[kind].expected
    }

    /// A good run has taken so many seconds.
    pub(super) fn learn(&mut self, kind: usize, time: i64, was: Expected) {
        if was.runs > 0 {
            let within = |limit: Duration| u64::from(time as f64 <= limit.as_secs_f64());
            self.hits.of += 1;
            self.hits.usual += within(was.takes.usual);
            self.hits.long += within(was.takes.long);
        }
        let known = &mut self.kinds[kind];
        known.times.whole.add(time as f64 * 1e3);
        known.expected = expected(&known.times, known.at_most);
    }
}

/// As the appliance tells it from the times of a device type; here they are those of a kind.
fn expected(times: &DeviceTimes, at_most: Duration) -> Expected {
    let past = Past::of_device(times);
    Expected { takes: past.takes(at_most), runs: past.basis.runs() }
}
