//! Decides which waiting jobs start now and on which device, and why the others wait.
//!
//! The best job comes first; its device is, of those that fit and are idle, the one that has been used
//! least recently. A job whose device does not exist, is out of service or busy, or that no box of this
//! size can ever hold, holds nobody up. The first job that only waits for memory, cores or a machine gets
//! a reservation: it will start when enough running jobs are expected to have ended, and until then
//! others start only if they are expected to end by that time. There is one reservation, for the best
//! such job; every job becomes the best in its turn.
//!
//! Expected ends are upper bounds (start and job timeout), so the reserved job never starts later than it
//! would have if nothing had been started before it. `schedule` carries the [`Plan`] out. Why somebody
//! waits is not part of it: a [`Standing`] says so when it is asked, so that a decision costs what it
//! starts and not what waits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{Chosen, Demand, Device, Lab, Open, Reason, Resource, Shares, Waiting, waiting::Head};
use crate::model::{Job, JobId, Needs};

/// A job that has an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub needs: Needs,
    /// None for one that was started by a version that knew no devices.
    pub device: Option<String>,
    pub expected_end: Timestamp,
}

impl Running {
    /// Expected to end when its time is up, at the latest.
    pub fn of(job: &Job) -> Self {
        let from = job.started.unwrap_or(job.submitted);
        let expected_end = after(from, job.needs.at_most);
        Self { needs: job.needs, device: job.device.clone(), expected_end }
    }
}

/// A job that starts now.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub id: JobId,
    pub device: String,
    pub why: Chosen,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// In this order.
    pub start: Vec<Start>,
    /// When a reason will be out of date though nothing has happened.
    pub wake_at: Option<Timestamp>,
    pub standing: Standing,
}

/// Decides about all of `waiting`.
pub fn plan<'a>(
    now: Timestamp,
    waiting: &Waiting,
    shares: &Shares,
    running: impl IntoIterator<Item = &'a Running>,
    lab: &Arc<Lab>,
) -> Plan {
    let mut standing = Standing { house: House::of(now, running, lab), reserved: None };
    let Standing { house, reserved } = &mut standing;
    let mut start = Vec::new();
    let mut shares = shares.of_now();
    // Without a device nobody can start, and nobody is waited for.
    let mut heads = waiting.heads(&shares, |class| house.has_idle_for(class));
    let least = waiting.least();
    // Once somebody is next, only who fits into what is left can still start.
    while !house.idle.is_empty() && (reserved.is_none() || house.free.has(least)) {
        let Some(head) = heads.next(&shares) else { break };
        let demand = head.demand();
        // What cannot start now cannot start later in this decision, nor can what stands behind it.
        let Some(device) = house.device_for(demand) else {
            if !house.has_idle_for(head.class()) {
                heads.close(&head);
            }
            continue;
        };
        let end = after(now, demand.needs.at_most);
        if house.free.short_of(&demand.needs).is_some() {
            reserved.get_or_insert_with(|| (head.id, house.frees(&demand.needs)));
            continue;
        }
        if reserved.is_some_and(|(_, at)| end > at) {
            continue;
        }
        start.push(house.take(device, &head, end, shares.of(head.submitter())));
        shares.charge(head.submitter(), now, cost(&demand.needs, demand.needs.at_most));
        heads.step_up(&head, &shares);
    }
    let wake_at = reserved.map(|(_, at)| at).filter(|at| *at > now);
    Plan { start, wake_at, standing }
}

/// Why a job can never run on a box, whatever becomes free; none when it can.
pub fn never(lab: &Arc<Lab>, demand: &Demand) -> Option<Reason> {
    let empty = House::of(Timestamp::UNIX_EPOCH, [], lab);
    empty.suiting(demand).is_empty().then(|| empty.unsuitable(demand)).or_else(|| {
        let (resource, needs, lends) = Free::all_of(lab).short_of(&demand.needs)?;
        Some(Reason::NeverFits { resource, needs, lends })
    })
}

/// What a job of these needs costs its submitter for so long, in core-seconds.
pub fn cost(needs: &Needs, time: Duration) -> f64 {
    f64::from(needs.cores.max(1)) * time.as_secs_f64()
}

/// As late as there is a time, where it is too far away.
pub(super) fn after(from: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    from.checked_add(time).unwrap_or(Timestamp::MAX)
}

/// How things stand after a decision.
#[derive(Debug, Clone)]
pub struct Standing {
    house: House,
    /// Who is next, and when there is room for it at the latest.
    reserved: Option<(JobId, Timestamp)>,
}

impl Standing {
    /// Who is next and has to wait for room, and when there is room for it at the latest.
    pub const fn reserved(&self) -> Option<(JobId, Timestamp)> {
        self.reserved
    }

    /// Why a job has not started. None when nothing keeps it: it came after the decision.
    pub fn reason(&self, id: JobId, demand: &Demand) -> Option<Reason> {
        let short = self.house.free.short_of(&demand.needs);
        // First of all, as its device may have been lent until its time comes.
        if let (Some((resource, needs, free)), Some((first, expected))) = (short, self.reserved)
            && first == id
        {
            return Some(Reason::Reserved { resource, needs, free, expected });
        }
        if let Some(reason) = self.house.refuses(demand) {
            return Some(reason);
        }
        match (short, self.reserved) {
            (Some((resource, needs, free)), _) => Some(Reason::Short { resource, needs, free }),
            (None, Some((first, at))) if after(self.house.now, demand.needs.at_most) > at => {
                Some(Reason::Behind { job: first })
            }
            (None, _) => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Free {
    memory_mib: u32,
    cores: u32,
    machines: u32,
}

impl Free {
    const fn all_of(lab: &Lab) -> Self {
        Self { memory_mib: lab.memory_mib, cores: lab.cores, machines: lab.machines }
    }

    /// Whether there is room for a machine of so much memory and so many cores.
    const fn has(self, (memory_mib, cores): (u32, u32)) -> bool {
        self.machines > 0 && self.memory_mib >= memory_mib && self.cores >= cores
    }

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

/// One device as it fills up.
#[derive(Debug, Clone, Copy)]
struct Slot {
    busy: u32,
    last_used: Option<Timestamp>,
}

/// The box as it fills up.
#[derive(Debug, Clone)]
struct House {
    now: Timestamp,
    lab: Arc<Lab>,
    free: Free,
    /// As the lab's devices.
    slots: Vec<Slot>,
    /// Open devices that can take another guest.
    idle: Vec<usize>,
    ends: Vec<(Timestamp, Needs)>,
}

impl House {
    fn of<'a>(
        now: Timestamp,
        running: impl IntoIterator<Item = &'a Running>,
        lab: &Arc<Lab>,
    ) -> Self {
        let named: HashMap<&str, usize> =
            lab.devices.iter().zip(0..).map(|(device, at)| (device.name.as_str(), at)).collect();
        let slot = |device: &Device| Slot { busy: 0, last_used: device.last_used };
        let mut house = Self {
            now,
            free: Free::all_of(lab),
            slots: lab.devices.iter().map(slot).collect(),
            idle: Vec::new(),
            ends: Vec::new(),
            lab: lab.clone(),
        };
        for job in running {
            house.free = house.free.without(&job.needs);
            house.ends.push((job.expected_end, job.needs));
            if let Some(at) = job.device.as_ref().and_then(|name| named.get(name.as_str())) {
                house.slots[*at].busy += 1;
            }
        }
        house.idle = (0..house.slots.len()).filter(|at| house.room(*at) > 0).collect();
        house
    }

    /// Guests that a device can take yet.
    fn room(&self, at: usize) -> u32 {
        let device = &self.lab.devices[at];
        match device.open {
            Open::Jobs | Open::HealthChecks => device.at_once.saturating_sub(self.slots[at].busy),
            Open::Nobody { .. } => 0,
        }
    }

    /// The devices that suit a demand, busy or not.
    fn suiting(&self, demand: &Demand) -> Vec<usize> {
        let suits = |at: &usize| self.lab.devices[*at].suits(demand);
        (0..self.lab.devices.len()).filter(suits).collect()
    }

    /// Of the idle devices that will do the one that was used least recently, and of how many.
    fn device_for(&self, demand: &Demand) -> Option<(usize, usize)> {
        let devices = &self.lab.devices;
        let fits = |at: &&usize| devices[**at].is_open_to(demand) && devices[**at].suits(demand);
        let (mut best, mut count) = (None, 0);
        for at in self.idle.iter().filter(fits) {
            let place = (self.slots[*at].last_used, &devices[*at].name);
            if best.is_none_or(|(least, _)| place < least) {
                best = Some((place, *at));
            }
            count += 1;
        }
        best.map(|(_, at)| (at, count))
    }

    /// Whether a device is idle that serves jobs of a class, if not of every size.
    fn has_idle_for(&self, class: &Demand) -> bool {
        let devices = &self.lab.devices;
        self.idle.iter().any(|at| devices[*at].is_open_to(class) && devices[*at].suits(class))
    }

    /// Why this job cannot run here now, whatever memory and cores are free.
    fn refuses(&self, demand: &Demand) -> Option<Reason> {
        let suiting = self.suiting(demand);
        if suiting.is_empty() {
            return Some(self.unsuitable(demand));
        }
        if let Some((resource, needs, lends)) = Free::all_of(&self.lab).short_of(&demand.needs) {
            return Some(Reason::NeverFits { resource, needs, lends });
        }
        let devices = &self.lab.devices;
        let mut open = suiting.iter().filter(|at| devices[**at].is_open_to(demand)).peekable();
        if open.clone().any(|at| self.room(*at) > 0) {
            return None;
        }
        if open.peek().is_none() {
            let device = &devices[suiting[0]];
            return Some(match &device.open {
                Open::Nobody { why } => Reason::OutOfService {
                    device: device.name.clone(),
                    why: why.clone(),
                    others: suiting.len() - 1,
                },
                Open::Jobs | Open::HealthChecks => {
                    Reason::Unchecked { device: device.name.clone() }
                }
            });
        }
        let open: Vec<_> = open.map(|at| &devices[*at]).collect();
        let machines = open.iter().map(|device| device.at_once).sum();
        let of_type = devices.iter().filter(|one| one.device_type == demand.device_type).count();
        Some(if open.len() == of_type {
            Reason::DeviceBusy { device_type: demand.device_type.clone(), machines }
        } else {
            let (device, others) = (open[0].name.clone(), open.len() - 1);
            Reason::TheseBusy { device, others, machines }
        })
    }

    /// Why no device of this box will ever do.
    fn unsuitable(&self, demand: &Demand) -> Reason {
        let device_type = || demand.device_type.clone();
        let of_type = self.lab.devices.iter().filter(|one| one.device_type == demand.device_type);
        let of_type: Vec<_> = of_type.collect();
        if of_type.is_empty() {
            return Reason::NoSuchDevice { device_type: device_type() };
        }
        let named: Vec<_> = of_type
            .into_iter()
            .filter(|one| demand.device.as_ref().is_none_or(|name| *name == one.name))
            .collect();
        if let (Some(device), true) = (&demand.device, named.is_empty()) {
            return Reason::NotThere { device: device.clone() };
        }
        let tagged: Vec<_> =
            named.iter().copied().filter(|one| one.lacks(demand).is_none()).collect();
        if tagged.is_empty() {
            let lacked = named.iter().map(|one| one.lacks(demand));
            let tag = lacked
                .flatten()
                .max_by_key(|tag| named.iter().filter(|one| !one.tags.contains(*tag)).count());
            let tag = tag.cloned().unwrap_or_default();
            return Reason::NoSuchTag { device_type: device_type(), tag };
        }
        let largest = Free {
            memory_mib: tagged.iter().map(|one| one.memory_mib).max().unwrap_or(0),
            cores: tagged.iter().map(|one| one.cores).max().unwrap_or(0),
            machines: 1,
        };
        if let Some((resource, needs, lends)) = Free::all_of(&self.lab).short_of(&demand.needs) {
            return Reason::NeverFits { resource, needs, lends };
        }
        match largest.short_of(&demand.needs) {
            Some((resource, needs, lends)) => {
                Reason::NoDeviceFits { device_type: device_type(), resource, needs, lends }
            }
            // One has the memory, another the cores.
            None => Reason::NoOneDevice { device_type: device_type() },
        }
    }

    /// Puts a job on a device, one of so many that would have done.
    fn take(
        &mut self,
        (at, idle): (usize, usize),
        head: &Head<'_>,
        end: Timestamp,
        share: f64,
    ) -> Start {
        let needs = head.demand().needs;
        let why = Chosen { share, idle, last_used: self.slots[at].last_used };
        self.free = self.free.without(&needs);
        self.slots[at].busy += 1;
        self.slots[at].last_used = Some(self.now);
        if self.room(at) == 0 {
            self.idle.retain(|idle| *idle != at);
        }
        self.ends.push((end, needs));
        Start { id: head.id, device: self.lab.devices[at].name.clone(), why }
    }

    /// When these needs will fit if every running job takes as long as it may. One that has taken
    /// longer counts as about to end.
    fn frees(&self, needs: &Needs) -> Timestamp {
        let mut ends = self.ends.clone();
        ends.sort_by_key(|(end, _)| *end);
        // From the last end backwards: the box is empty then, and fills up as we go.
        let mut free = Free::all_of(&self.lab);
        for (end, other) in ends.into_iter().rev() {
            free = free.without(&other);
            if free.short_of(needs).is_some() {
                return end.max(self.now);
            }
        }
        self.now
    }
}

#[cfg(test)]
mod tests;
