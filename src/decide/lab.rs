//! What there is to run jobs on, as a decision sees it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{
    config::Lends,
    model::{DeviceHealth, DeviceStatus, Needs},
};

/// What this box gives to jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lab {
    pub memory_mib: u32,
    pub cores: u32,
    /// Guests at the same time, on all devices together.
    pub machines: u32,
    pub devices: Vec<Device>,
}

/// A place where guests run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    pub device_type: String,
    /// The device type counts as one more.
    pub tags: BTreeSet<String>,
    /// The largest guest it can be.
    pub memory_mib: u32,
    pub cores: u32,
    /// Guests at the same time.
    pub at_once: u32,
    pub open: Open,
    /// When a job was last started on it.
    pub last_used: Option<Timestamp>,
}

/// To whom a device is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Open {
    Jobs,
    /// Nobody knows whether it is well; only the job that finds out may run.
    HealthChecks,
    /// And why, in words.
    Nobody {
        why: String,
    },
}

/// What a job asks of the box and of its device. Jobs that ask for the same are alike in all but
/// their place in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Demand {
    pub device_type: String,
    /// All of them must be on the device.
    pub tags: BTreeSet<String>,
    /// No other device will do.
    pub device: Option<String>,
    pub health_check: bool,
    pub needs: Needs,
}

impl Lab {
    /// What a box that lends so much can do with its devices.
    pub fn of(lends: Lends, devices: &[DeviceStatus]) -> Self {
        let Lends { memory_mib, cores, machines } = lends;
        let devices = devices.iter().map(|status| Device::of(status, lends)).collect();
        Self { memory_mib, cores, machines, devices }
    }
}

impl Device {
    fn of(DeviceStatus { device, kind, state, .. }: &DeviceStatus, lends: Lends) -> Self {
        let open = match state.health {
            DeviceHealth::Unknown if kind.health_check.is_some() => Open::HealthChecks,
            DeviceHealth::Good | DeviceHealth::Unknown => Open::Jobs,
            DeviceHealth::Bad | DeviceHealth::Maintenance | DeviceHealth::Retired => {
                let why = format!("{} ({}): {}", state.health, state.by, state.why);
                Open::Nobody { why }
            }
        };
        Self {
            name: device.name.clone(),
            device_type: device.device_type.clone(),
            tags: device.tags.clone(),
            memory_mib: device.memory_mib.unwrap_or(lends.memory_mib),
            cores: device.cores.unwrap_or(lends.cores),
            at_once: device.at_once.unwrap_or(lends.machines),
            open,
            last_used: state.last_used,
        }
    }

    /// Whether a job that asks for this may ever run on it, whoever else does.
    pub(super) fn suits(&self, demand: &Demand) -> bool {
        demand.needs.memory_mib <= self.memory_mib
            && demand.needs.cores <= self.cores
            && self.device_type == demand.device_type
            && demand.device.as_ref().is_none_or(|name| *name == self.name)
            && self.lacks(demand).is_none()
    }

    /// The first tag a job asks for that is not on this device.
    pub(super) fn lacks<'a>(&self, demand: &'a Demand) -> Option<&'a String> {
        demand.tags.iter().find(|tag| **tag != self.device_type && !self.tags.contains(*tag))
    }

    pub(super) const fn is_open_to(&self, demand: &Demand) -> bool {
        match self.open {
            Open::Jobs => true,
            Open::HealthChecks => demand.health_check,
            Open::Nobody { .. } => false,
        }
    }
}
