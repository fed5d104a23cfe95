//! Decides whom a slow job is put down to: the host that kept the guest waiting, or the guest.
//!
//! The best evidence is direct: how long the guest's processors were ready to run and did not.
//! Pressure of the whole host says less, for our own video encoder waits for processors on purpose
//! and counts as well; it is asked only where the direct evidence is missing.

use std::collections::BTreeMap;

use crate::model::{Gauge, Slowness};

/// From here on waiting is felt, percent.
const WAIT: f64 = 15.0;
const STEAL: f64 = 10.0;
const CPU_PRESSURE: f64 = 40.0;
const IO_PRESSURE: f64 = 25.0;
/// A disk that keeps a guest waiting for this share of the time,
const DISK_WAIT: f64 = 50.0;
/// and takes so many milliseconds for a request: a fast disk that is read without end is busy too.
const DISK_LATENCY: f64 = 100.0;
const MEMORY_PRESSURE: f64 = 10.0;
/// A guest that uses less than this of a core waits for something.
const IDLE: f64 = 30.0;
/// A guest that uses more than this of a core has work.
const BUSY: f64 = 80.0;

/// The last seconds of a job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lately {
    /// Means, or the largest of what [`Gauge::is_peak`]. What the host does not tell is absent.
    pub values: BTreeMap<Gauge, f64>,
    /// In some of them QEMU's process was stopped from outside.
    pub stopped: bool,
    /// A guest runs.
    pub has_guest: bool,
}

/// Whom slowness is put down to, and why, as the end of a sentence.
pub fn slowness(lately: &Lately) -> (Slowness, String) {
    let value = |series| lately.values.get(&series).copied();
    let above = |series, limit| value(series).filter(|value| *value >= limit);
    let host = |words: String| (Slowness::Host, format!("the host was slow: {words}"));
    if lately.stopped {
        return host("QEMU's process was stopped from outside".into());
    }
    if let Some(wait) = above(Gauge::GuestWait, WAIT) {
        return host(format!(
            "the guest's processors were ready and had to wait {wait:.0} % of the time"
        ));
    }
    if let Some(steal) = above(Gauge::Steal, STEAL) {
        return host(format!("a hypervisor below it took {steal:.0} % of its processors"));
    }
    if let Some(pressure) = above(Gauge::MemoryPressure, MEMORY_PRESSURE) {
        return host(format!("it was short of memory {pressure:.0} % of the time"));
    }
    if let Some(wait) = above(Gauge::DiskWait, DISK_WAIT)
        && let Some(latency) = above(Gauge::DiskLatency, DISK_LATENCY)
    {
        return host(format!(
            "the guest's disk kept it waiting {wait:.0} % of the time, {latency:.0} ms a request"
        ));
    }
    let is_idle = value(Gauge::GuestCpu).is_none_or(|cpu| cpu < IDLE);
    if let Some(pressure) = above(Gauge::IoPressure, IO_PRESSURE).filter(|_| is_idle) {
        return host(format!("its disk kept something waiting {pressure:.0} % of the time"));
    }
    let unknown = value(Gauge::GuestWait).is_none();
    if let Some(pressure) = above(Gauge::CpuPressure, CPU_PRESSURE).filter(|_| unknown) {
        return host(format!("it was short of processors {pressure:.0} % of the time"));
    }
    if !lately.has_guest {
        return (Slowness::Host, "no guest ran yet: the host was making it ready".into());
    }
    let words = match value(Gauge::GuestCpu) {
        Some(cpu) if cpu >= BUSY => {
            format!("the host had room, and the guest was at work ({cpu:.0} % of a core)")
        }
        Some(cpu) if cpu < IDLE => {
            format!("the host had room, and the guest did little ({cpu:.0} % of a core)")
        }
        Some(cpu) => format!("the host had room; the guest used {cpu:.0} % of a core"),
        None => "the host had room".into(),
    };
    (Slowness::Guest, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_host_is_told_from_a_slow_guest() {
        use Gauge::{
            CpuPressure, DiskLatency, DiskWait, GuestCpu, GuestWait, IoPressure, MemoryPressure,
            Steal,
        };
        use Slowness::{Guest, Host};
        for (case, values, stopped, who, words) in [
            (
                "a hog on every core: the guest waits and still gets half a core",
                vec![(GuestWait, 48.0), (GuestCpu, 51.0), (CpuPressure, 70.0)],
                false,
                Host,
                "48 %",
            ),
            (
                "a disk that answers slowly, and firmware that asks it again and again",
                vec![(DiskWait, 96.0), (DiskLatency, 480.0), (GuestCpu, 100.0)],
                false,
                Host,
                "96 % of the time, 480 ms a request",
            ),
            (
                "a fast disk that is read without end",
                vec![(DiskWait, 99.0), (DiskLatency, 0.3), (GuestCpu, 20.0)],
                false,
                Guest,
                "did little",
            ),
            (
                "stopped and continued: it waits for nothing, for it is not ready",
                vec![(GuestWait, 0.2), (GuestCpu, 4.0), (CpuPressure, 1.0)],
                true,
                Host,
                "stopped from outside",
            ),
            (
                "our own encoder waits at idle priority, the guest does not",
                vec![(GuestWait, 1.5), (GuestCpu, 99.0), (CpuPressure, 85.0)],
                false,
                Guest,
                "99 % of a core",
            ),
            (
                "the same where the kernel tells nothing of threads",
                vec![(GuestCpu, 60.0), (CpuPressure, 85.0)],
                false,
                Host,
                "85 %",
            ),
            (
                "an overcommitted hypervisor below",
                vec![(GuestWait, 2.0), (Steal, 35.0), (GuestCpu, 60.0)],
                false,
                Host,
                "35 %",
            ),
            (
                "a disk that does not keep up while the guest waits for it",
                vec![(GuestWait, 0.5), (IoPressure, 88.0), (GuestCpu, 6.0)],
                false,
                Host,
                "disk",
            ),
            (
                "somebody else's disk load, and a guest that computes",
                vec![(GuestWait, 0.5), (IoPressure, 60.0), (GuestCpu, 97.0)],
                false,
                Guest,
                "97 %",
            ),
            (
                "a host that swaps",
                vec![(GuestWait, 4.0), (MemoryPressure, 44.0), (GuestCpu, 20.0)],
                false,
                Host,
                "memory",
            ),
            (
                "a guest that waits for a server of its own",
                vec![(GuestWait, 0.1), (CpuPressure, 0.0), (IoPressure, 0.3), (GuestCpu, 2.0)],
                false,
                Guest,
                "did little",
            ),
            ("nothing is known", vec![], false, Guest, "had room"),
        ] {
            let lately = Lately { values: values.into_iter().collect(), stopped, has_guest: true };
            let (found, why) = slowness(&lately);
            assert_eq!(found, who, "{case}: {why}");
            assert!(why.contains(words), "{case}: {why}");
        }
        let (found, why) = slowness(&Lately::default());
        assert_eq!(found, Host, "without a guest: {why}");
    }
}
