//! Why a job waits, in facts and in words.

use std::fmt;

use jiff::Timestamp;

use crate::model::JobId;

/// Why a waiting job does not start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing starts on this box now, and why.
    Held { why: String },
    /// This box has no such device type; more memory or time will not help.
    NoSuchDevice { device_type: String },
    /// The device type lacks a tag the job asks for.
    NoSuchTag { device_type: String, tag: String },
    /// As many machines of this type run as may.
    DeviceBusy { device_type: String, machines: u32 },
    /// More than this box has, even when nothing else runs.
    NeverFits { resource: Resource, needs: u32, lends: u32 },
    /// It is next: nothing that could make it start later is started before it.
    Reserved { resource: Resource, needs: u32, free: u32, expected: Timestamp },
    /// Less is free than it needs, and a better job is next.
    Short { resource: Resource, needs: u32, free: u32 },
    /// It would fit, but might not end before a better job can start.
    Behind { job: JobId },
}

/// What a box has only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// In MiB.
    Memory,
    Cores,
    /// Guests at the same time.
    Machines,
}

/// An amount of a resource with its unit.
struct Amount(Resource, u32);

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(resource, amount) = *self;
        match (resource, amount) {
            (Resource::Memory, 0..1024) => write!(f, "{amount} MiB"),
            (Resource::Memory, _) if amount % 1024 == 0 => write!(f, "{} GiB", amount / 1024),
            (Resource::Memory, _) => write!(f, "{:.1} GiB", f64::from(amount) / 1024.0),
            (Resource::Cores, 1) => f.write_str("1 core"),
            (Resource::Cores, _) => write!(f, "{amount} cores"),
            (Resource::Machines, 1) => f.write_str("1 machine"),
            (Resource::Machines, _) => write!(f, "{amount} machines"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { why } => write!(f, "held: {why}"),
            Self::NoSuchDevice { device_type } => {
                write!(f, "this box has no device of type {device_type}")
            }
            Self::NoSuchTag { device_type, tag } => {
                write!(f, "no {device_type} of this box has the tag {tag}")
            }
            Self::DeviceBusy { device_type, machines } => {
                write!(f, "every {device_type} is busy ({})", Amount(Resource::Machines, *machines))
            }
            Self::NeverFits { resource, needs, lends } => write!(
                f,
                "needs {}, this box lends {}",
                Amount(*resource, *needs),
                Amount(*resource, *lends)
            ),
            Self::Reserved { resource: Resource::Machines, expected, .. } => {
                write!(f, "next: waits for a free machine, expected by {}", clock(*expected))
            }
            Self::Reserved { resource, needs, free, expected } => write!(
                f,
                "next: needs {}, {} free, expected by {}",
                Amount(*resource, *needs),
                Amount(*resource, *free),
                clock(*expected)
            ),
            Self::Short { resource: Resource::Machines, .. } => {
                f.write_str("waits for a free machine")
            }
            Self::Short { resource, needs, free } => {
                write!(f, "needs {}, {} free", Amount(*resource, *needs), Amount(*resource, *free))
            }
            Self::Behind { job } => {
                write!(f, "would fit, but may not end before job {job} can start")
            }
        }
    }
}

/// To the minute, in UTC: a reason is text and does not know where its reader is.
fn clock(at: Timestamp) -> jiff::fmt::strtime::Display<'static> {
    at.strftime("%Y-%m-%d %H:%M UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_a_person_would_say_them() {
        let expected = Timestamp::from_second(1_700_000_000).unwrap();
        let (memory, cores) = (Resource::Memory, Resource::Cores);
        for (reason, words) in [
            (Reason::Held { why: "qemu is not installed".into() }, "held: qemu is not installed"),
            (
                Reason::NeverFits { resource: memory, needs: 65_536, lends: 20_480 },
                "needs 64 GiB, this box lends 20 GiB",
            ),
            (
                Reason::NeverFits { resource: cores, needs: 8, lends: 1 },
                "needs 8 cores, this box lends 1 core",
            ),
            (
                Reason::Reserved { resource: memory, needs: 1536, free: 512, expected },
                "next: needs 1.5 GiB, 512 MiB free, expected by 2023-11-14 22:13 UTC",
            ),
            (
                Reason::Short { resource: Resource::Machines, needs: 1, free: 0 },
                "waits for a free machine",
            ),
            (
                Reason::Behind { job: JobId(12) },
                "would fit, but may not end before job 12 can start",
            ),
        ] {
            assert_eq!(reason.to_string(), words);
        }
    }
}
