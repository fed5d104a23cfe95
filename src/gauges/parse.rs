//! The kernel's files below `/proc`, read. What is not there or cannot be understood is absent.

use std::time::Duration;

/// The kernel counts processor time in these for every reader (`USER_HZ`).
const TICKS_A_SECOND: u64 = 100;

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R` runs, `S` sleeps, `D` waits for a disk, `T` and `t` are stopped, `Z` has ended.
    pub(super) state: char,
    /// In user and system mode, of all its threads.
    pub(super) cpu: Duration,
}

pub(super) fn stat(text: &str) -> Option<Stat> {
    // After the name, which is in parentheses and may hold anything.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<_> = fields.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    Some(Stat {
        state: fields.first()?.chars().next()?,
        cpu: Duration::from_millis(ticks * 1000 / TICKS_A_SECOND),
    })
}

/// Resident memory of `/proc/PID/status`.
pub(super) fn memory_kib(status: &str) -> Option<u64> {
    named(status, "VmRSS:")
}

/// Of a thread: how long it ran, and how long it was ready to and did not.
pub(super) fn schedstat(text: &str) -> Option<(Duration, Duration)> {
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    Some((Duration::from_nanos(fields.next()??), Duration::from_nanos(fields.next()??)))
}

/// Bytes read from and written to storage, of `/proc/PID/io`.
pub(super) fn io(text: &str) -> Option<(u64, u64)> {
    Some((named(text, "read_bytes:")?, named(text, "write_bytes:")?))
}

fn named(text: &str, name: &str) -> Option<u64> {
    let found = text.lines().find_map(|line| line.strip_prefix(name))?;
    found.split_whitespace().next()?.parse().ok()
}

pub(super) fn load1(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

pub(super) fn memory_available_mib(meminfo: &str) -> Option<u64> {
    named(meminfo, "MemAvailable:").map(|kib| kib / 1024)
}

/// `some avg10` of a file of `/proc/pressure`, in percent.
pub(super) fn pressure10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    line.split_whitespace().find_map(|pair| pair.strip_prefix("avg10="))?.parse().ok()
}

/// Ticks of all processors together since the host started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks {
    pub(super) stolen: u64,
    pub(super) all: u64,
}

/// The first line of `/proc/stat`. A guest's time is in the user's already, so the last two fields
/// are left out.
pub(super) fn ticks(stat: &str) -> Option<Ticks> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace();
    let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Ticks { stolen: *fields.get(7)?, all: fields.iter().take(8).sum() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let line = "12558 (a) b (R) T 12549 12549 9240 0 -1 4194304 100 0 0 0 150 25 9 9 20 0 1 0 \
                    60381 3133440 385 18446744073709551615 1 1";
        let want = Stat { state: 'T', cpu: Duration::from_millis(1750) };
        assert_eq!(stat(line), Some(want));
        for cut in ["", "1 (a", "1 (a) R 1 2", "1 (a) R 1 1 1 1 1 1 1 1 1 1 x 1"] {
            assert_eq!(stat(cut), None, "{cut}");
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_absent() {
        let ms = Duration::from_millis;
        assert_eq!(schedstat("136000000 1090000000 2\n"), Some((ms(136), ms(1090))));
        assert_eq!(schedstat("136000000"), None);
        let text = "rchar: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n";
        assert_eq!(io(text), Some((4096, 8192)));
        assert_eq!(io("rchar: 1\n"), None);
        assert_eq!(memory_kib("Name:\tqemu\nVmRSS:\t  52104 kB\n"), Some(52_104));
        assert_eq!(memory_kib("Name:\tkthreadd\n"), None);
        assert_eq!(load1("0.50 0.40 0.30 1/100 99"), Some(0.5));
        assert_eq!(load1(""), None);
        assert_eq!(memory_available_mib("MemTotal: 9 kB\nMemAvailable:  4096 kB\n"), Some(4));
        assert_eq!(memory_available_mib("MemTotal: 9 kB"), None);
        let pressure = "some avg10=1.53 avg60=0.87 avg300=0.73 total=1\nfull avg10=9.00";
        assert_eq!(pressure10(pressure), Some(1.53));
        assert_eq!(pressure10("full avg10=9.00"), None);
        let stat = "cpu  10 1 9 70 5 0 2 3 40 0\ncpu0 1 1 1 1\n";
        assert_eq!(ticks(stat), Some(Ticks { stolen: 3, all: 100 }));
        assert_eq!(ticks("cpu0 1 1 1"), None);
        assert_eq!(ticks("cpu  1 2 3"), None, "older than steal");
    }
}
