//! Reads off once a second what the guest, the host and we ourselves are doing.
//!
//! One look reads some sixteen small files of `/proc`. What the kernel does not tell is absent.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
    rc::{Rc, Weak},
    time::Duration,
};

use super::narrator::millis;
use crate::{
    capture::Recorder,
    decide::{
        slowness::Lately,
        thinning::{Values, spacing, together},
    },
    gauges::{HostReading, Process, ProcessReading, Timings, Window},
    model::{Gauge, Operation},
    vm::{DiskUse, Monitor},
};

/// The seconds that say what the host is doing when a job is slow or ends.
const LATELY: usize = 10;

/// A running guest as the meter sees it.
pub(super) struct Subject {
    process: Process,
    monitor: Monitor,
    /// Weak: whoever closes the recorder must be the last to have it.
    recorder: Weak<Recorder>,
    /// Kept up by whoever asks QEMU.
    disk: Rc<Cell<Option<DiskPace>>>,
}

/// How fast the guest's disks answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DiskPace {
    /// The share of the time for which requests were under way. Percent.
    pub(super) wait: f64,
    /// What a request took on the mean; none when none was done.
    pub(super) latency: Option<Duration>,
}

impl DiskPace {
    pub(super) fn between(last: DiskUse, now: DiskUse, span: Duration) -> Self {
        let took = now.took.saturating_sub(last.took);
        let wait = 100.0 * took.as_secs_f64() / span.as_secs_f64().max(0.001);
        let requests = now.requests.saturating_sub(last.requests);
        let latency = took.checked_div(u32::try_from(requests).unwrap_or(u32::MAX));
        // Several may be under way at once.
        Self { wait: wait.min(100.0), latency }
    }
}

impl Subject {
    pub(super) fn new(
        pid: u32,
        monitor: Monitor,
        recorder: Weak<Recorder>,
        disk: Rc<Cell<Option<DiskPace>>>,
    ) -> Self {
        Self { process: Process::new(pid), monitor, recorder, disk }
    }
}

/// What one look came to.
#[derive(Default)]
pub(super) struct Look {
    pub(super) values: Values,
    /// What was timed since the last look.
    pub(super) timed: BTreeMap<Operation, Window>,
    /// QEMU's process is stopped from outside.
    pub(super) is_stopped: bool,
    /// What the guest's processors ran; 100 is one core.
    pub(super) ran: Option<f64>,
}

/// Everything read at one moment.
struct Reading {
    at: Duration,
    host: HostReading,
    us: ProcessReading,
    guest: Option<ProcessReading>,
    encoder: Option<ProcessReading>,
    dropped: Option<u64>,
}

pub(super) struct Meter {
    timings: Timings,
    us: Process,
    last: Option<Reading>,
    /// Newest last: the values, and whether QEMU's process was stopped.
    lately: VecDeque<(Values, bool)>,
    untold: Vec<Values>,
    told_at: Duration,
    has_guest: bool,
    /// How many seconds the guest waited this share of for a processor, in whole percent.
    waited: [u32; 101],
}

impl Meter {
    pub(super) fn new(timings: Timings) -> Self {
        Self {
            timings,
            us: Process::new(std::process::id()),
            last: None,
            lately: VecDeque::new(),
            untold: Vec::new(),
            told_at: Duration::ZERO,
            has_guest: false,
            waited: [0; 101],
        }
    }

    /// Looks at everything.
    pub(super) fn look(&mut self, subject: Option<&mut Subject>) -> Look {
        let recorder = subject.as_ref().and_then(|subject| subject.recorder.upgrade());
        let disk = subject.as_ref().and_then(|subject| subject.disk.get());
        let now = self.read(subject, recorder.as_deref());
        let timed = self.timings.take_window();
        let last = self.last.take();
        let mut look = match &last {
            Some(last) => compare(last, &now, &timed),
            None => Look::default(),
        };
        look.values.extend(now.host.values());
        if let Some(recorder) = &recorder {
            look.values.insert(Gauge::EncodeLag, ms(recorder.lag()));
        }
        if let Some(DiskPace { wait, latency }) = disk.filter(|_| now.guest.is_some()) {
            look.values.insert(Gauge::DiskWait, wait);
            look.values.extend(latency.map(|latency| (Gauge::DiskLatency, ms(latency))));
        }
        look.is_stopped = now.guest.as_ref().is_some_and(is_stopped);
        look.timed = timed;
        self.has_guest = now.guest.is_some();
        self.last = Some(now);
        self.keep(&look);
        look
    }

    fn read(&self, subject: Option<&mut Subject>, recorder: Option<&Recorder>) -> Reading {
        // The number of a process that has ended may be another's.
        let guest = subject
            .filter(|subject| !subject.monitor.has_ended())
            .map(|subject| subject.process.look_at_guest());
        let encoder = recorder.filter(|recorder| recorder.trouble().borrow().is_none());
        Reading {
            at: self.timings.clock().elapsed(),
            host: HostReading::now(),
            us: self.us.look(),
            guest,
            encoder: encoder.map(|recorder| Process::new(recorder.encoder_pid()).look()),
            dropped: recorder.map(Recorder::dropped),
        }
    }

    fn keep(&mut self, look: &Look) {
        if self.lately.len() == LATELY {
            self.lately.pop_front();
        }
        self.lately.push_back((look.values.clone(), look.is_stopped));
        if let Some(wait) = look.values.get(&Gauge::GuestWait) {
            self.waited[percent(*wait)] += 1;
        }
        if self.has_guest {
            self.untold.push(look.values.clone());
        }
    }

    /// What the last seconds came to.
    pub(super) fn lately(&self) -> Lately {
        Lately {
            values: together(self.lately.iter().map(|(values, _)| values)),
            stopped: self.lately.iter().any(|(_, stopped)| *stopped),
            has_guest: self.has_guest,
        }
    }

    /// What share of a second the guest waited for a processor at most, in 95 of 100 seconds of the
    /// whole run. Percent; none before the first second.
    pub(super) fn waited(&self) -> Option<f64> {
        let seconds: u32 = self.waited.iter().sum();
        let within = u64::from(seconds) * 95 / 100;
        let mut so_far = 0;
        let found = self.waited.iter().zip(0_u32..).find(|(count, _)| {
            so_far += u64::from(**count);
            so_far > within
        });
        found.map(|(_, percent)| percent.into())
    }

    /// The values to be told now, by name, when it is time to; of a guest only.
    pub(super) fn take_due(&mut self) -> Option<BTreeMap<String, f64>> {
        let now = self.timings.clock().elapsed();
        // Ticks come a little early and late.
        let due = self.told_at + spacing(now).saturating_sub(Duration::from_millis(500));
        if self.untold.is_empty() || now < due {
            return None;
        }
        self.told_at = now;
        Some(by_name(&together(&std::mem::take(&mut self.untold))))
    }
}

/// Values by their names, to a hundredth.
pub(super) fn by_name(values: &Values) -> BTreeMap<String, f64> {
    let told = |(series, value): (&Gauge, &f64)| {
        (series.name().to_owned(), (value * 100.0).round() / 100.0)
    };
    values.iter().map(told).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
fn percent(share: f64) -> usize {
    share.clamp(0.0, 100.0).round() as usize
}

const fn is_stopped(reading: &ProcessReading) -> bool {
    matches!(reading.state, Some('T' | 't'))
}

fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

/// What went on between two readings.
fn compare(last: &Reading, now: &Reading, timed: &BTreeMap<Operation, Window>) -> Look {
    let span = now.at.saturating_sub(last.at);
    if millis(span) == 0 {
        return Look::default();
    }
    let rate = |count: f64| count / span.as_secs_f64();
    let mut look = Look::default();
    let mut put = |series, value: Option<f64>| {
        if let Some(value) = value {
            look.values.insert(series, value);
        }
    };
    put(Gauge::EngineCpu, now.us.share_since(&last.us, span).cpu);
    put(Gauge::Steal, now.host.steal_since(&last.host));
    if let Some((now, last)) = now.encoder.as_ref().zip(last.encoder.as_ref()) {
        put(Gauge::EncoderCpu, now.share_since(last, span).cpu);
    }
    if let Some((now, last)) = now.dropped.zip(last.dropped) {
        put(Gauge::FramesDropped, Some(rate(now.saturating_sub(last) as f64)));
    }
    if let Some(guest) = &now.guest {
        let frames = timed.get(&Operation::FrameLag).map_or(0, |window| window.count);
        put(Gauge::Frames, Some(rate(frames.into())));
        put(Gauge::GuestMemory, guest.memory_mib);
    }
    for (series, operation) in [
        (Gauge::FrameLag, Operation::FrameLag),
        (Gauge::CaptureLag, Operation::CaptureLag),
        (Gauge::MatchTime, Operation::MatchTime),
        (Gauge::KeyToScreen, Operation::KeyToScreen),
    ] {
        put(series, timed.get(&operation).map(|window| ms(window.max)));
    }
    let mut ran = None;
    if let Some((guest, last)) = now.guest.as_ref().zip(last.guest.as_ref()) {
        let share = guest.share_since(last, span);
        put(Gauge::GuestCpu, share.cpu);
        put(Gauge::GuestWait, share.wait);
        let (read, written) = guest.storage_since(last, span).unzip();
        put(Gauge::DiskRead, read);
        put(Gauge::DiskWrite, written);
        ran = share.ran;
    }
    Look { ran, ..look }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stopwatch;

    #[test]
    fn a_meter_without_a_guest_knows_the_host_and_tells_nothing() {
        let timings = Timings::new(Stopwatch::start());
        let mut meter = Meter::new(timings.clone());
        meter.look(None);
        timings.add(Operation::MatchTime, Duration::from_millis(250));
        // Spins until the clock has gone on, so that there is a span.
        while timings.clock().elapsed() < Duration::from_millis(20) {}
        let look = meter.look(None);
        assert!(look.values.contains_key(&Gauge::HostLoad1), "{:?}", look.values);
        assert_eq!(look.values.get(&Gauge::MatchTime), Some(&250.0));
        assert!(!look.values.contains_key(&Gauge::GuestCpu));
        assert!(!look.values.contains_key(&Gauge::KeyToScreen), "no key, no value");
        assert_eq!((meter.take_due(), meter.lately().has_guest), (None, false));
        assert_eq!(meter.lately().values.get(&Gauge::MatchTime), Some(&250.0));
    }

    #[test]
    fn the_wait_of_a_run_is_that_of_nearly_all_its_seconds() {
        let mut meter = Meter::new(Timings::new(Stopwatch::start()));
        assert_eq!(meter.waited(), None);
        for wait in [2.4; 96].into_iter().chain([80.0; 4]) {
            meter.keep(&Look { values: [(Gauge::GuestWait, wait)].into(), ..Look::default() });
        }
        assert_eq!(meter.waited(), Some(2.0));
        (0..9).for_each(|_| {
            meter.keep(&Look { values: [(Gauge::GuestWait, 130.0)].into(), ..Look::default() });
        });
        assert_eq!(meter.waited(), Some(100.0));
    }

    #[test]
    fn a_disk_is_as_busy_and_as_fast_as_its_requests_say() {
        let requests = |requests, took| DiskUse { requests, took: Duration::from_millis(took) };
        let second = Duration::from_secs(1);
        for (last, now, wait, latency) in [
            ((7, 900), (7, 900), 0.0, None),
            ((7, 900), (11, 1_300), 40.0, Some(100)),
            ((7, 900), (8, 9_900), 100.0, Some(9_000)),
            ((7, 900), (0, 0), 0.0, None),
        ] {
            let pace = DiskPace::between(requests(last.0, last.1), requests(now.0, now.1), second);
            let latency = latency.map(Duration::from_millis);
            assert_eq!(pace, DiskPace { wait, latency }, "{last:?} {now:?}");
        }
    }

    #[test]
    fn values_are_told_by_name_and_to_a_hundredth() {
        let values = [(Gauge::GuestCpu, 12.345_678)].into();
        assert_eq!(by_name(&values), [("guest_cpu".to_owned(), 12.35)].into());
    }
}
