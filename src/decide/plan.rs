//! Decides which waiting jobs start now, and why the others wait.
//!
//! The queue comes best first. A job whose device does not exist or is busy, or that no box of
//! this size can ever hold, holds nobody up. The first job that only waits for memory, cores or a
//! machine gets a reservation: it will start when enough running jobs are expected to have ended,
//! and until then others start only if they are expected to end by that time. There is one
//! reservation, for the best such job: with one for each, a hundred thousand waiting jobs would
//! be a hundred thousand times the work, and every job becomes the best in its turn.
//!
//! Expected ends are upper bounds (start and job timeout), so the reserved job never starts later
//! than it would have if nothing had been started before it. `schedule` carries the [`Plan`] out.

use std::{collections::HashMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Reason, Resource};
use crate::model::{Job, JobId, Needs};

/// What this box gives to jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lends {
    pub memory_mib: u32,
    pub cores: u32,
    /// Guests at the same time, of all types together.
    pub machines: u32,
    pub device_types: Vec<DeviceType>,
}

/// One kind of machine this box can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceType {
    pub name: String,
    /// The name counts as one more.
    pub tags: Vec<String>,
    /// Guests of this type at the same time.
    pub machines: u32,
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub id: JobId,
    pub needs: Needs,
    pub device_type: String,
    pub tags: Vec<String>,
}

impl Queued {
    /// What a decision needs of a job that waits.
    pub fn of(job: &Job) -> Self {
        let (device_type, tags) = (job.device_type.clone(), job.tags.clone());
        Self { id: job.id, needs: job.needs, device_type, tags }
    }
}

/// A job that has an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub needs: Needs,
    pub device_type: String,
    pub expected_end: Timestamp,
}

impl Running {
    /// Expected to end when its time is up, at the latest.
    pub fn of(job: &Job) -> Self {
        let from = job.started.unwrap_or(job.submitted);
        let expected_end = after(from, job.needs.at_most);
        Self { needs: job.needs, device_type: job.device_type.clone(), expected_end }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub start: Vec<JobId>,
    /// For each of the others, in the queue's order.
    pub reasons: Vec<(JobId, Reason)>,
    /// When a reason will be out of date though nothing has happened.
    pub wake_at: Option<Timestamp>,
}

/// Decides about all of `waiting`, best first.
pub fn plan<'a>(
    now: Timestamp,
    waiting: impl IntoIterator<Item = &'a Queued>,
    running: &[Running],
    lends: &Lends,
) -> Plan {
    let mut house = House::of(running, lends);
    let mut reserved: Option<(JobId, Timestamp)> = None;
    let mut plan = Plan::default();
    for job in waiting {
        let end = after(now, job.needs.at_most);
        let reason = match (house.refuses(job), house.short_of(&job.needs), reserved) {
            (Some(reason), _, _) => reason,
            (None, None, Some((first, at))) if end > at => Reason::Behind { job: first },
            (None, None, _) => {
                house.take(job, end);
                plan.start.push(job.id);
                continue;
            }
            (None, Some((resource, needs, free)), Some(_)) => {
                Reason::Short { resource, needs, free }
            }
            (None, Some((resource, needs, free)), None) => {
                let expected = house.frees(&job.needs, now);
                reserved = Some((job.id, expected));
                plan.wake_at = Some(expected).filter(|at| *at > now);
                Reason::Reserved { resource, needs, free, expected }
            }
        };
        plan.reasons.push((job.id, reason));
    }
    plan
}

/// As late as there is a time, where it is too far away.
pub(super) fn after(from: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    from.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[derive(Debug, Clone, Copy)]
struct Free {
    memory_mib: u32,
    cores: u32,
    machines: u32,
}

impl Free {
    fn short_of(self, needs: &Needs) -> Option<(Resource, u32, u32)> {
        [
            (Resource::Memory, needs.memory_mib, self.memory_mib),
            (Resource::Cores, needs.cores, self.cores),
            (Resource::Machines, 1, self.machines),
        ]
        .into_iter()
        .find(|(_, needs, free)| needs > free)
    }

    /// More may be out than is lent: the keeper may have lowered it meanwhile.
    const fn without(self, needs: &Needs) -> Self {
        Self {
            memory_mib: self.memory_mib.saturating_sub(needs.memory_mib),
            cores: self.cores.saturating_sub(needs.cores),
            machines: self.machines.saturating_sub(1),
        }
    }
}

/// The box as it fills up.
struct House<'a> {
    lends: &'a Lends,
    types: HashMap<&'a str, &'a DeviceType>,
    free: Free,
    /// Machines out, by device type.
    busy: HashMap<String, u32>,
    ends: Vec<(Timestamp, Needs)>,
}

impl<'a> House<'a> {
    fn of(running: &[Running], lends: &'a Lends) -> Self {
        let whole =
            Free { memory_mib: lends.memory_mib, cores: lends.cores, machines: lends.machines };
        let mut busy = HashMap::new();
        for job in running {
            *busy.entry(job.device_type.clone()).or_default() += 1;
        }
        Self {
            lends,
            types: lends.device_types.iter().map(|kind| (kind.name.as_str(), kind)).collect(),
            free: running.iter().fold(whole, |free, job| free.without(&job.needs)),
            busy,
            ends: running.iter().map(|job| (job.expected_end, job.needs)).collect(),
        }
    }

    /// Why this job cannot run here now, whatever memory and cores are free.
    fn refuses(&self, job: &Queued) -> Option<Reason> {
        let device_type = || job.device_type.clone();
        let Some(kind) = self.types.get(job.device_type.as_str()) else {
            return Some(Reason::NoSuchDevice { device_type: device_type() });
        };
        if let Some(tag) =
            job.tags.iter().find(|tag| **tag != kind.name && !kind.tags.contains(tag))
        {
            return Some(Reason::NoSuchTag { device_type: device_type(), tag: tag.clone() });
        }
        let empty = Free {
            memory_mib: self.lends.memory_mib,
            cores: self.lends.cores,
            machines: self.lends.machines,
        };
        if let Some((resource, needs, lends)) = empty.short_of(&job.needs) {
            return Some(Reason::NeverFits { resource, needs, lends });
        }
        let busy = self.busy.get(&job.device_type).copied().unwrap_or(0);
        (busy >= kind.machines)
            .then(|| Reason::DeviceBusy { device_type: device_type(), machines: kind.machines })
    }

    fn short_of(&self, needs: &Needs) -> Option<(Resource, u32, u32)> {
        self.free.short_of(needs)
    }

    fn take(&mut self, job: &Queued, end: Timestamp) {
        self.free = self.free.without(&job.needs);
        *self.busy.entry(job.device_type.clone()).or_default() += 1;
        self.ends.push((end, job.needs));
    }

    /// When these needs will fit if every running job takes as long as it may. One that has taken
    /// longer counts as about to end.
    fn frees(&self, needs: &Needs, now: Timestamp) -> Timestamp {
        let mut ends = self.ends.clone();
        ends.sort_by_key(|(end, _)| *end);
        // From the last end backwards: the box is empty then, and fills up as we go.
        let mut free = Free {
            memory_mib: self.lends.memory_mib,
            cores: self.lends.cores,
            machines: self.lends.machines,
        };
        for (end, other) in ends.into_iter().rev() {
            free = free.without(&other);
            if free.short_of(needs).is_some() {
                return end.max(now);
            }
        }
        now
    }
}

#[cfg(test)]
mod tests;
