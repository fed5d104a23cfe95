//! Why a job waits, in facts and in words.

use std::fmt;

use jiff::Timestamp;

use crate::model::{JobId, Must};

/// Why a waiting job does not start now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Nothing starts on this box now, and why.
    Held { why: String },
    /// This box has no such device type; more memory or time will not help.
    NoSuchDevice { device_type: String },
    /// It asks for a device that is not here.
    NotThere { device: String },
    /// No device of the type has a tag the job asks for.
    NoSuchTag { device_type: String, tag: String },
    /// One device has the memory it needs, another the cores, none has both.
    NoOneDevice { device_type: String },
    /// No device it could run on takes jobs now; why one of them does not.
    OutOfService { device: String, why: String, others: usize },
    /// Whether the device is well is being found out.
    Unchecked { device: String },
    /// As many machines run as may on all devices of the type.
    DeviceBusy { device_type: String, machines: u32 },
    /// As many machines run as may on the devices that would do; others of the type would not.
    TheseBusy { device: String, others: usize, machines: u32 },
    /// More than this box has, even when nothing else runs.
    NeverFits { resource: Resource, needs: u32, lends: u32 },
    /// The box has as much, and no device of the type with all its tags.
    NoDeviceFits { device_type: String, resource: Resource, needs: u32, lends: u32 },
    /// It is next: nothing that could make it start later is started before it.
    Reserved { resource: Resource, needs: u32, free: u32, expected: Timestamp },
    /// Less is free than it needs, and a better job is next.
    Short { resource: Resource, needs: u32, free: u32 },
    /// It would fit, but might not end before a better job can start.
    Behind { job: JobId },
    /// Another job must have ended before.
    After { job: JobId, must: Must },
}

/// Why a job was started when it was, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chosen {
    /// 0 to 1: what of the box its submitter had had lately.
    pub share: f64,
    /// Devices that would have done.
    pub idle: usize,
    /// When the chosen one was last used.
    pub last_used: Option<Timestamp>,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = self.share * 100.0;
        write!(f, "first in the queue; its submitter has had {share:.0} % of the box lately; ")?;
        match (self.idle, self.last_used) {
            (1, _) => f.write_str("its device was the only one that was idle"),
            (idle, None) => write!(f, "of {idle} idle devices this one had never been used"),
            (idle, Some(at)) => write!(
                f,
                "of {idle} idle devices this one had not been used for the longest, since {}",
                clock(at)
            ),
        }
    }
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

/// What is needed beside what there is: exact where they would look the same.
fn beside(resource: Resource, needs: u32, is: u32) -> [String; 2] {
    let words = [needs, is].map(|amount| Amount(resource, amount).to_string());
    if words[0] == words[1] && needs != is {
        return [needs, is].map(|amount| format!("{amount} MiB"));
    }
    words
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { why } => write!(f, "held: {why}"),
            Self::NoSuchDevice { device_type } => {
                write!(f, "this box has no device of type {device_type}")
            }
            Self::NotThere { device } => write!(f, "this box has no device {device}"),
            Self::NoSuchTag { device_type, tag } => {
                write!(f, "no {device_type} of this box has the tag {tag}")
            }
            Self::NoOneDevice { device_type } => {
                write!(f, "no one {device_type} has both the memory and the cores it needs")
            }
            Self::OutOfService { device, why, others: 0 } => {
                write!(f, "{device} is out of service: {why}")
            }
            Self::OutOfService { device, why, others } => {
                write!(f, "{device} and {others} more are out of service: {why}")
            }
            Self::Unchecked { device } => {
                write!(f, "whether {device} is well is being found out")
            }
            Self::After { job, must: Must::Pass } => write!(f, "waits for job {job} to pass"),
            Self::After { job, must: Must::End } => write!(f, "waits for job {job} to end"),
            Self::DeviceBusy { device_type, machines } => {
                write!(f, "every {device_type} is busy ({})", Amount(Resource::Machines, *machines))
            }
            Self::TheseBusy { device, others: 0, machines } => {
                write!(f, "{device} is busy ({})", Amount(Resource::Machines, *machines))
            }
            Self::TheseBusy { device, others, machines } => {
                let machines = Amount(Resource::Machines, *machines);
                write!(f, "{device} and {others} more are busy ({machines})")
            }
            Self::NeverFits { resource, needs, lends } => {
                let [needs, lends] = beside(*resource, *needs, *lends);
                write!(f, "needs {needs}, this box lends {lends}")
            }
            Self::NoDeviceFits { device_type, resource, needs, lends } => {
                let [needs, lends] = beside(*resource, *needs, *lends);
                write!(f, "needs {needs}, and the largest {device_type} it may run on has {lends}")
            }
            Self::Reserved { resource: Resource::Machines, expected, .. } => {
                write!(f, "next: waits for a free machine, expected by {}", clock(*expected))
            }
            Self::Reserved { resource, needs, free, expected } => {
                let [needs, free] = beside(*resource, *needs, *free);
                write!(f, "next: needs {needs}, {free} free, expected by {}", clock(*expected))
            }
            Self::Short { resource: Resource::Machines, .. } => {
                f.write_str("waits for a free machine")
            }
            Self::Short { resource, needs, free } => {
                let [needs, free] = beside(*resource, *needs, *free);
                write!(f, "needs {needs}, {free} free")
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
                Reason::NoDeviceFits {
                    device_type: "board".into(),
                    resource: memory,
                    needs: 4_096,
                    lends: 2_048,
                },
                "needs 4 GiB, and the largest board it may run on has 2 GiB",
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
                Reason::Short { resource: memory, needs: 3900, free: 3840 },
                "needs 3900 MiB, 3840 MiB free",
            ),
            (
                Reason::TheseBusy { device: "pc-2".into(), others: 0, machines: 1 },
                "pc-2 is busy (1 machine)",
            ),
            (
                Reason::TheseBusy { device: "pc-2".into(), others: 2, machines: 4 },
                "pc-2 and 2 more are busy (4 machines)",
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
