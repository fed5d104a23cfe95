//! What the host was doing, from `/proc`.

use std::fs;

use crate::model::HostLoad;

/// The load now; what the kernel does not tell is zero or absent.
pub(super) fn load() -> HostLoad {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    parse(&read("/proc/loadavg"), &read("/proc/meminfo"), &read("/proc/pressure/cpu"))
}

fn parse(loadavg: &str, meminfo: &str, pressure: &str) -> HostLoad {
    let available_kib = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok());
    HostLoad {
        load1: loadavg.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0),
        memory_available_mib: available_kib.unwrap_or(0) / 1024,
        cpu_pressure10: pressure
            .strip_prefix("some avg10=")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_read_from_the_kernels_files() {
        let pressure = "some avg10=1.53 avg60=0.87 avg300=0.73 total=1\nfull avg10=0.00";
        let found =
            parse("0.50 0.40 0.30 1/100 99", "MemTotal: 9 kB\nMemAvailable: 4096 kB", pressure);
        let want = HostLoad { load1: 0.5, memory_available_mib: 4, cpu_pressure10: Some(1.53) };
        assert_eq!(found, want);
        assert_eq!(parse("", "", "").cpu_pressure10, None);
    }
}
