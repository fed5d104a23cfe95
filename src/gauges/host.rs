//! What the host is doing.

use std::fs;

use serde_json::{Map, Value};

use super::parse::{self, Ticks};
use crate::model::{Gauge, HostLoad};

/// The host at one moment. What its kernel does not tell is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HostReading {
    pub load1: Option<f64>,
    pub memory_available_mib: Option<u64>,
    /// Shares of the last ten seconds in which some task waited for it, percent.
    pub cpu_pressure10: Option<f64>,
    pub io_pressure10: Option<f64>,
    pub memory_pressure10: Option<f64>,
    ticks: Option<Ticks>,
}

impl HostReading {
    /// Reads six small files.
    pub fn now() -> Self {
        let read = |path| fs::read_to_string(path).ok();
        let pressure = |of| parse::pressure10(&read(format!("/proc/pressure/{of}"))?);
        let file = |path: &str| read(path.to_owned());
        Self {
            load1: file("/proc/loadavg").as_deref().and_then(parse::load1),
            memory_available_mib: file("/proc/meminfo")
                .as_deref()
                .and_then(parse::memory_available_mib),
            cpu_pressure10: pressure("cpu"),
            io_pressure10: pressure("io"),
            memory_pressure10: pressure("memory"),
            ticks: file("/proc/stat").as_deref().and_then(parse::ticks),
        }
    }

    /// Share of all processors' time since `before` that went to others below this host, percent.
    pub fn steal_since(&self, before: &Self) -> Option<f64> {
        let (now, before) = (self.ticks?, before.ticks?);
        let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // Some kernels let it go back a little.
        let stolen = now.stolen.saturating_sub(before.stolen);
        Some(100.0 * stolen as f64 / all as f64)
    }

    /// The values of the closed list that one look can tell.
    pub fn values(&self) -> impl Iterator<Item = (Gauge, f64)> {
        let values = [
            (Gauge::HostLoad1, self.load1),
            (Gauge::MemoryAvailable, self.memory_available_mib.map(|mib| mib as f64)),
            (Gauge::CpuPressure, self.cpu_pressure10),
            (Gauge::IoPressure, self.io_pressure10),
            (Gauge::MemoryPressure, self.memory_pressure10),
        ];
        values.into_iter().filter_map(|(series, value)| Some((series, value?)))
    }

    /// What the record of a job keeps.
    #[expect(clippy::cast_possible_truncation, reason = "a load and a percentage are small")]
    pub fn load(&self) -> HostLoad {
        HostLoad {
            load1: self.load1.unwrap_or_default() as f32,
            memory_available_mib: self.memory_available_mib.unwrap_or_default(),
            cpu_pressure10: self.cpu_pressure10.map(|percent| percent as f32),
        }
    }
}

/// The load now; what the kernel does not tell is zero or absent.
pub fn load() -> HostLoad {
    HostReading::now().load()
}

/// The host now as `backend.host` has it: by the names of the closed list.
pub fn picture() -> Map<String, Value> {
    HostReading::now()
        .values()
        .map(|(series, value)| (series.name().into(), value.into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steal_is_a_share_of_what_passed() {
        let at = |stolen, all| HostReading {
            ticks: Some(Ticks { stolen, all }),
            ..HostReading::default()
        };
        for (case, before, now, want) in [
            ("a quarter", at(10, 1000), at(60, 1200), Some(25.0)),
            ("none", at(10, 1000), at(10, 1200), Some(0.0)),
            ("gone back", at(10, 1000), at(9, 1200), Some(0.0)),
            ("no time passed", at(10, 1000), at(10, 1000), None),
            ("not told", HostReading::default(), at(10, 1000), None),
        ] {
            assert_eq!(now.steal_since(&before), want, "{case}");
        }
    }

    #[test]
    fn what_is_not_told_is_not_among_the_values() {
        let reading = HostReading { load1: Some(0.5), ..HostReading::default() };
        assert_eq!(reading.values().collect::<Vec<_>>(), [(Gauge::HostLoad1, 0.5)]);
        assert_eq!(reading.load().cpu_pressure10, None);
        assert!(picture().contains_key("host_load1"), "every Linux tells its load");
    }
}
