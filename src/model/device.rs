//! What this box has to run jobs on.

use std::{collections::BTreeSet, fmt, path::PathBuf, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::JobId;

/// What processor guests have. This version runs one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Architecture {
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
}

impl Architecture {
    pub const ALL: [Self; 1] = [Self::X86_64];

    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
        }
    }
}

/// A kind of device. Its name counts as a tag of each of its devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceType {
    pub name: String,
    pub architecture: Architecture,
    pub description: String,
    pub health_check: Option<HealthCheck>,
}

impl DeviceType {
    /// One of which nothing is said.
    pub fn plain(name: &str) -> Self {
        let (architecture, description) = (Architecture::X86_64, String::new());
        Self { name: name.into(), architecture, description, health_check: None }
    }
}

/// The job that finds out whether a device is well, and when it is run of itself. It is run as well
/// when somebody asks, and after a job that the lab or the host has let down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// A job file, or a folder with one.
    pub job: PathBuf,
    pub every: Option<Duration>,
    pub after_jobs: Option<u32>,
}

/// A place where guests run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Device {
    pub name: String,
    pub device_type: String,
    pub tags: BTreeSet<String>,
    /// The largest guest it can be; none is what the box lends.
    pub memory_mib: Option<u32>,
    pub cores: Option<u32>,
    /// Guests at the same time; none is as many as the box lends.
    pub at_once: Option<u32>,
    pub description: String,
}

impl Device {
    /// One that lends all that the box does.
    pub fn plain(name: &str, device_type: &str) -> Self {
        let (name, device_type) = (name.into(), device_type.into());
        let (tags, description) = (BTreeSet::new(), String::new());
        Self { name, device_type, tags, memory_mib: None, cores: None, at_once: None, description }
    }
}

/// Where a device or a type comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceOrigin {
    /// The devices file, which alone can change it.
    File,
    Command,
    /// Nobody has named a device: the box itself is the one there is.
    Default,
}

impl DeviceOrigin {
    pub const ALL: [Self; 3] = [Self::File, Self::Command, Self::Default];

    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Command => "command",
            Self::Default => "default",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeviceHealth {
    Good,
    /// Nobody knows. Where there is a health check, only that runs.
    Unknown,
    Bad,
    /// Somebody works on it.
    Maintenance,
    /// It will not come back.
    Retired,
}

impl DeviceHealth {
    pub const ALL: [Self; 5] =
        [Self::Good, Self::Unknown, Self::Bad, Self::Maintenance, Self::Retired];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Bad => "bad",
            Self::Maintenance => "maintenance",
            Self::Retired => "retired",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.name() == name)
    }
}

impl fmt::Display for DeviceHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a device is, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DeviceState {
    pub health: DeviceHealth,
    /// In words.
    pub why: String,
    /// Who said so: a person, or the job that has shown it.
    pub by: String,
    pub since: Timestamp,
    /// When a job was last started on it.
    pub last_used: Option<Timestamp>,
    /// When a health check of it last ended, or was canceled.
    pub last_check: Option<Timestamp>,
    pub jobs_since_check: u32,
    /// The health check that waits or runs.
    pub checking: Option<JobId>,
}

impl DeviceState {
    /// Of a device that is new.
    pub fn new(by: &str, now: Timestamp) -> Self {
        Self {
            health: DeviceHealth::Unknown,
            why: "it is new".into(),
            by: by.into(),
            since: now,
            last_used: None,
            last_check: None,
            jobs_since_check: 0,
            checking: None,
        }
    }
}

/// A device with all there is to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceStatus {
    pub device: Device,
    pub origin: DeviceOrigin,
    pub kind: DeviceType,
    pub state: DeviceState,
}

/// A line of the log of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DeviceEvent {
    pub at: Timestamp,
    pub device: String,
    /// How it was after it.
    pub health: DeviceHealth,
    pub words: String,
    pub by: String,
}
