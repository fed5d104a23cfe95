//! Devices and their types.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{DeviceHealth, JobId};

/// `GET /api/devices`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceList {
    pub devices: Vec<Device>,
}

/// A device and how it is.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Device {
    pub name: String,
    pub device_type: String,
    pub architecture: String,
    pub tags: Vec<String>,
    pub memory_mib: Option<u32>,
    pub cores: Option<u32>,
    pub at_once: Option<u32>,
    pub description: String,
    pub origin: String,
    pub health: DeviceHealth,
    pub why: String,
    pub by: String,
    pub since: Timestamp,
    pub last_used: Option<Timestamp>,
    pub last_check: Option<Timestamp>,
    pub jobs_since_check: u32,
    pub checking: Option<JobId>,
    pub running: Vec<JobId>,
}

/// `GET /api/devices/{name}/log`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceLog {
    pub log: Vec<DeviceLine>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceLine {
    pub at: Timestamp,
    pub health: DeviceHealth,
    pub words: String,
    pub by: String,
}

/// `POST /api/devices-file/reload`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DevicesFile {
    pub file: String,
    pub device_types: u64,
    pub devices: u64,
    pub changed: bool,
}

/// `GET /api/device-types`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceTypes {
    pub device_types: Vec<DeviceKind>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceKind {
    pub name: String,
    pub architecture: String,
    pub origin: String,
    pub description: String,
    pub health_check: Option<DeviceCheck>,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeviceCheck {
    pub job: String,
    pub every_s: Option<u64>,
    pub after_jobs: Option<u32>,
}
