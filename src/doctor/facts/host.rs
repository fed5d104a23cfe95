//! Memory, account, limits and clock of the host.

use std::{fs, path::Path, process::Stdio, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rustix::process::{Resource, getrlimit};
use tokio::{process::Command, time::timeout};

use crate::clock::{self, Stopwatch};

/// How long the answer about a kept clock is good for.
pub(super) const TIME_KEPT_FOR: Duration = Duration::from_secs(600);
/// `timedatectl` starts a service to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clocks that are kept are moved by less than this between two looks.
const JUMP: SignedDuration = SignedDuration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) struct Memory {
    pub(in crate::doctor) total_mib: u64,
    /// What can be had without swapping; unknown where there is no `/proc`.
    pub(in crate::doctor) available_mib: Option<u64>,
}

pub(super) fn available_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = field(&text, "MemAvailable")?.trim_end_matches("kB").trim().parse::<u64>().ok()?;
    Some(kib >> 10)
}

/// Who we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Account {
    pub(in crate::doctor) name: String,
    pub(in crate::doctor) uid: u32,
    pub(in crate::doctor) groups: Vec<String>,
    /// As `umask` prints it.
    pub(in crate::doctor) umask: Option<String>,
}

impl Account {
    pub(super) fn look() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let numbers = field(&status, "Groups").unwrap_or_default();
        let name = |number: &str| {
            let group = number.parse().ok().and_then(uzers::get_group_by_gid);
            group.map_or_else(|| number.to_owned(), |group| group.name().to_string_lossy().into())
        };
        Self {
            name: uzers::get_user_by_uid(uid)
                .map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into()),
            uid,
            groups: numbers.split_whitespace().map(name).collect(),
            umask: field(&status, "Umask").map(String::from),
        }
    }
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let value = |line: &'t str| line.strip_prefix(name)?.strip_prefix(':');
    text.lines().find_map(value).map(str::trim)
}

/// Files that may be open at once, soft limit; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) struct Open {
    pub(in crate::doctor) most: Option<u64>,
    pub(in crate::doctor) could_be: Option<u64>,
}

impl Open {
    pub(super) fn look() -> Self {
        let limit = getrlimit(Resource::Nofile);
        Self { most: limit.current, could_be: limit.maximum }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) struct ClockFacts {
    pub(in crate::doctor) now: Timestamp,
    pub(in crate::doctor) kept: KeptTime,
    /// How far the wall clock has gone astray from the steady one since the first look.
    pub(in crate::doctor) jumped: Option<SignedDuration>,
}

/// Whether something keeps the clock right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) enum KeptTime {
    Synchronized,
    NotSynchronized,
    /// Nobody here can say: no systemd.
    Unknown,
}

/// Asks the service that knows, whichever of them keeps the clock.
pub(super) async fn kept_time() -> KeptTime {
    if !Path::new("/run/systemd/system").exists() {
        return KeptTime::Unknown;
    }
    let mut command = Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]).stdin(Stdio::null());
    command.kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.stdout.trim_ascii() == b"yes" => KeptTime::Synchronized,
        Ok(Ok(output)) if output.stdout.trim_ascii() == b"no" => KeptTime::NotSynchronized,
        Ok(Ok(_) | Err(_)) | Err(_) => KeptTime::Unknown,
    }
}

/// The same moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    steady: Stopwatch,
    wall: Timestamp,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { steady: Stopwatch::start(), wall: clock::now() }
    }

    /// How far the wall clock has gone from the steady one, where that is more than a correction.
    pub(super) fn jumped(&self) -> Option<SignedDuration> {
        let steady = SignedDuration::try_from(self.steady.elapsed()).ok()?;
        let astray = clock::now().duration_since(self.wall) - steady;
        (astray.abs() >= JUMP).then_some(astray)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "Name:\tsutler\nUmask:\t0022\nGroups:\t4 27 \n";
        assert_eq!(field(text, "Umask"), Some("0022"));
        assert_eq!(field(text, "Groups"), Some("4 27"));
        assert_eq!(field(text, "Group"), None);
    }

    #[test]
    fn a_clock_that_goes_on_has_not_jumped() {
        assert_eq!(Moment::now().jumped(), None);
        let set = Moment { wall: clock::now() - SignedDuration::from_hours(1), ..Moment::now() };
        assert!(set.jumped().is_some_and(|by| by.as_secs() >= 3599));
    }
}
