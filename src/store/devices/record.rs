//! Devices as the store keeps them. What is written here never changes, as nothing in the store's
//! `record` does.

use std::{path::PathBuf, time::Duration};

use bincode::{Decode, Encode};
use jiff::Timestamp;

use crate::{
    model::{
        Architecture, Device, DeviceEvent, DeviceHealth, DeviceOrigin, DeviceState, DeviceType,
        HealthCheck, JobId,
    },
    store::{
        StoreError,
        record::{CONFIG, named, whole},
    },
};

#[derive(Encode, Decode)]
struct TypeV1 {
    architecture: String,
    description: String,
    check: Option<CheckV1>,
    origin: String,
}

#[derive(Encode, Decode)]
struct CheckV1 {
    job: String,
    every_us: Option<u64>,
    after_jobs: Option<u32>,
}

#[derive(Encode, Decode)]
struct DeviceV1 {
    device_type: String,
    tags: Vec<String>,
    memory_mib: Option<u32>,
    cores: Option<u32>,
    at_once: Option<u32>,
    description: String,
    origin: String,
}

#[derive(Encode, Decode)]
struct StateV1 {
    health: String,
    why: String,
    by: String,
    since_us: i64,
    last_used_us: Option<i64>,
    last_check_us: Option<i64>,
    jobs_since_check: u32,
    checking: Option<u64>,
}

#[derive(Encode, Decode)]
struct EventV1 {
    health: String,
    words: String,
    by: String,
}

fn encode<R: Encode>(record: &R) -> Vec<u8> {
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

pub(super) fn encode_type(kind: &DeviceType, origin: DeviceOrigin) -> Vec<u8> {
    let record = TypeV1 {
        architecture: kind.architecture.name().into(),
        description: kind.description.clone(),
        check: kind.health_check.as_ref().map(|check| CheckV1 {
            job: check.job.display().to_string(),
            every_us: check.every.map(|every| every.as_micros().try_into().unwrap_or(u64::MAX)),
            after_jobs: check.after_jobs,
        }),
        origin: origin.name().into(),
    };
    encode(&record)
}

pub(super) fn decode_type(
    name: &str,
    bytes: &[u8],
) -> Result<(DeviceType, DeviceOrigin), StoreError> {
    whole(
        bytes,
        || format!("device type {name}"),
        |record: TypeV1| {
            let health_check = record.check.map(|check| HealthCheck {
                job: PathBuf::from(check.job),
                every: check.every_us.map(Duration::from_micros),
                after_jobs: check.after_jobs,
            });
            let kind = DeviceType {
                name: name.into(),
                architecture: named(Architecture::ALL, Architecture::name, &record.architecture)?,
                description: record.description,
                health_check,
            };
            Some((kind, named(DeviceOrigin::ALL, DeviceOrigin::name, &record.origin)?))
        },
    )
}

pub(super) fn encode_device(device: &Device, origin: DeviceOrigin) -> Vec<u8> {
    let record = DeviceV1 {
        device_type: device.device_type.clone(),
        tags: device.tags.iter().cloned().collect(),
        memory_mib: device.memory_mib,
        cores: device.cores,
        at_once: device.at_once,
        description: device.description.clone(),
        origin: origin.name().into(),
    };
    encode(&record)
}

pub(super) fn decode_device(
    name: &str,
    bytes: &[u8],
) -> Result<(Device, DeviceOrigin), StoreError> {
    whole(
        bytes,
        || format!("device {name}"),
        |record: DeviceV1| {
            let device = Device {
                name: name.into(),
                device_type: record.device_type,
                tags: record.tags.into_iter().collect(),
                memory_mib: record.memory_mib,
                cores: record.cores,
                at_once: record.at_once,
                description: record.description,
            };
            Some((device, named(DeviceOrigin::ALL, DeviceOrigin::name, &record.origin)?))
        },
    )
}

pub(super) fn encode_state(state: &DeviceState) -> Vec<u8> {
    let record = StateV1 {
        health: state.health.name().into(),
        why: state.why.clone(),
        by: state.by.clone(),
        since_us: state.since.as_microsecond(),
        last_used_us: state.last_used.map(Timestamp::as_microsecond),
        last_check_us: state.last_check.map(Timestamp::as_microsecond),
        jobs_since_check: state.jobs_since_check,
        checking: state.checking.map(|job| job.0),
    };
    encode(&record)
}

pub(super) fn decode_state(name: &str, bytes: &[u8]) -> Result<DeviceState, StoreError> {
    whole(
        bytes,
        || format!("the state of device {name}"),
        |record: StateV1| {
            let time =
                |us: Option<i64>| us.map(|us| Timestamp::from_microsecond(us).unwrap_or_default());
            Some(DeviceState {
                health: DeviceHealth::named(&record.health)?,
                why: record.why,
                by: record.by,
                since: time(Some(record.since_us))?,
                last_used: time(record.last_used_us),
                last_check: time(record.last_check_us),
                jobs_since_check: record.jobs_since_check,
                checking: record.checking.map(JobId),
            })
        },
    )
}

pub(super) fn encode_event(health: DeviceHealth, words: &str, by: &str) -> Vec<u8> {
    encode(&EventV1 { health: health.name().into(), words: words.into(), by: by.into() })
}

pub(super) fn decode_event(
    device: &str,
    at_us: i64,
    bytes: &[u8],
) -> Result<DeviceEvent, StoreError> {
    whole(
        bytes,
        || format!("the log of device {device}"),
        |record: EventV1| {
            Some(DeviceEvent {
                at: Timestamp::from_microsecond(at_us).ok()?,
                device: device.into(),
                health: DeviceHealth::named(&record.health)?,
                words: record.words,
                by: record.by,
            })
        },
    )
}
