//! Devices, their types, how they are and what has happened to them. The records here never change,
//! as nothing in `record` does.
//!
//! How a device is changes in the transaction of the job that shows it, so the two never disagree.

use std::{path::PathBuf, time::Duration};

use bincode::{Decode, Encode};
use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};

use super::{
    StoreError,
    error::disk,
    record::{CONFIG, named, whole},
};
use crate::{
    decide::health::{Learned, after_job, is_put_off},
    model::{
        Architecture, Device, DeviceEvent, DeviceHealth, DeviceOrigin, DeviceState, DeviceStatus,
        DeviceType, HealthCheck, Job, JobId,
    },
};

/// Name to a device type (`TypeV1`).
pub(super) const TYPES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("device-types-1");
/// Name to a device (`DeviceV1`).
pub(super) const DEVICES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("devices-1");
/// Name of a device to how it is (`StateV1`); it stays when the device is taken away.
pub(super) const STATES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("device-states-1");
/// (device, time in microseconds since 1970, 0) to what happened (`EventV1`).
pub(super) const LOG: TableDefinition<'_, (&str, i64, u32), &[u8]> =
    TableDefinition::new("device-log-1");

/// Lines of the log of one device that are kept.
const LOG_LINES: usize = 1_000;
/// Who it is that says what the devices file says.
const FILE: &str = "the file";

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

/// What may be asked of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceChange {
    /// What the devices file says now, all of it; where nobody has named a device, the box itself.
    File {
        types: Vec<DeviceType>,
        devices: Vec<Device>,
        usual: Device,
    },
    Type {
        kind: DeviceType,
    },
    Put {
        device: Device,
    },
    /// Where it was the last one, the box itself is one again.
    Remove {
        name: String,
        usual: Device,
    },
    Health {
        name: String,
        health: DeviceHealth,
        why: String,
    },
}

/// Open for writing.
pub(super) struct Devices<'txn> {
    types: Table<'txn, &'static str, &'static [u8]>,
    devices: Table<'txn, &'static str, &'static [u8]>,
    states: Table<'txn, &'static str, &'static [u8]>,
    log: Table<'txn, (&'static str, i64, u32), &'static [u8]>,
}

impl<'txn> Devices<'txn> {
    pub(super) fn open(txn: &'txn WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            types: txn.open_table(TYPES).map_err(disk("written"))?,
            devices: txn.open_table(DEVICES).map_err(disk("written"))?,
            states: txn.open_table(STATES).map_err(disk("written"))?,
            log: txn.open_table(LOG).map_err(disk("written"))?,
        })
    }

    /// Whether anything is otherwise now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchDevice`], [`StoreError::FromFile`], [`StoreError::BoxItself`], or the disk's
    /// refusal.
    pub(super) fn change(
        &mut self,
        change: &DeviceChange,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match change {
            DeviceChange::File { types, devices, usual } => {
                self.take_file(types, devices, usual, now)
            }
            DeviceChange::Type { kind } => {
                if self.is_files_type(&kind.name)? == Some(true) {
                    return Err(StoreError::FromFile { name: kind.name.clone() });
                }
                self.put_type(kind, DeviceOrigin::Command, by, now)
            }
            DeviceChange::Put { device } => {
                self.changeable(&device.name)?;
                self.drop_default(by, now)?;
                if self.kind(&device.device_type)?.is_none() {
                    let kind = DeviceType::plain(&device.device_type);
                    self.put_type(&kind, DeviceOrigin::Command, by, now)?;
                }
                self.put(device, DeviceOrigin::Command, by, now)
            }
            DeviceChange::Remove { name, usual } => {
                let name = name.clone();
                match self.device(&name)?.map(|(_, origin)| origin) {
                    None => return Err(StoreError::NoSuchDevice { name }),
                    Some(DeviceOrigin::File) => return Err(StoreError::FromFile { name }),
                    Some(DeviceOrigin::Default) => return Err(StoreError::BoxItself { name }),
                    Some(DeviceOrigin::Command) => {}
                }
                self.remove(&name, "it was taken away", by, now)?;
                self.put_default(usual, now)?;
                Ok(true)
            }
            DeviceChange::Health { name, health, why } => {
                if self.device(name)?.is_none() {
                    return Err(StoreError::NoSuchDevice { name: name.clone() });
                }
                let before = self.state(name, by, now)?;
                // Who asks for a check that nobody runs has it run, said in the same words or not.
                let asks = *health == DeviceHealth::Unknown && before.checking.is_none();
                let new = asks || before.health != *health || before.why != *why;
                if new {
                    self.becomes(name, before, *health, why, by, now)?;
                }
                Ok(new)
            }
        }
    }

    /// What the file no longer names goes; what it names is as it says.
    fn take_file(
        &mut self,
        types: &[DeviceType],
        devices: &[Device],
        usual: &Device,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut changed = self.take_types(types, devices, now)?;
        for name in names(&self.devices)? {
            let from = self.device(&name)?.map(|(_, origin)| origin);
            let is_named = devices.iter().any(|device| device.name == name);
            if from == Some(DeviceOrigin::File) && !is_named {
                self.remove(&name, "the devices file no longer names it", FILE, now)?;
                changed = true;
            }
        }
        for device in devices {
            changed |= self.put(device, DeviceOrigin::File, FILE, now)?;
        }
        if devices.is_empty() {
            return Ok(changed | self.put_default(usual, now)?);
        }
        self.drop_default(FILE, now)?;
        Ok(changed)
    }

    /// The types of the file are those it describes, and plain ones for its devices of a type that nobody
    /// describes.
    fn take_types(
        &mut self,
        types: &[DeviceType],
        devices: &[Device],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut types = types.to_vec();
        for Device { device_type, .. } in devices {
            let is_named = types.iter().any(|kind| kind.name == *device_type);
            if !is_named && self.is_files_type(device_type)?.unwrap_or(true) {
                types.push(DeviceType::plain(device_type));
            }
        }
        let mut changed = false;
        for kind in &types {
            changed |= self.put_type(kind, DeviceOrigin::File, FILE, now)?;
        }
        for name in names(&self.types)? {
            let is_named = types.iter().any(|kind| kind.name == name);
            if !is_named && self.is_files_type(&name)? == Some(true) {
                // What still is of this type is of a plain one now.
                self.put_type(&DeviceType::plain(&name), DeviceOrigin::File, FILE, now)?;
                self.types.remove(name.as_str()).map_err(disk("written"))?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// None when there is no such type.
    fn is_files_type(&self, name: &str) -> Result<Option<bool>, StoreError> {
        Ok(self.kind(name)?.map(|(_, origin)| origin == DeviceOrigin::File))
    }

    /// Once somebody names a device, the box is no device of itself any more.
    fn drop_default(&mut self, by: &str, now: Timestamp) -> Result<(), StoreError> {
        for name in names(&self.devices)? {
            if self.device(&name)?.is_some_and(|(_, from)| from == DeviceOrigin::Default) {
                self.remove(&name, "other devices are named now", by, now)?;
            }
        }
        Ok(())
    }

    /// As long as nobody names a device, the box itself is one.
    fn put_default(&mut self, usual: &Device, now: Timestamp) -> Result<bool, StoreError> {
        for name in names(&self.devices)? {
            if self.device(&name)?.is_some_and(|(_, from)| from != DeviceOrigin::Default) {
                return Ok(false);
            }
        }
        if self.kind(&usual.device_type)?.is_none() {
            let kind = DeviceType::plain(&usual.device_type);
            self.put_type(&kind, DeviceOrigin::Default, "sutler", now)?;
        }
        self.put(usual, DeviceOrigin::Default, "sutler", now)
    }

    fn changeable(&self, name: &str) -> Result<(), StoreError> {
        match self.device(name)? {
            Some((_, DeviceOrigin::File)) => Err(StoreError::FromFile { name: name.into() }),
            Some((_, DeviceOrigin::Command | DeviceOrigin::Default)) | None => Ok(()),
        }
    }

    fn put_type(
        &mut self,
        kind: &DeviceType,
        origin: DeviceOrigin,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let before = self.kind(&kind.name)?.map(|(kind, _)| kind);
        if before.unwrap_or_else(|| DeviceType::plain(&kind.name)) != *kind {
            self.note_type(&kind.name, by, now)?;
        }
        let bytes = encode(&TypeV1::of(kind, origin));
        let before = self.types.insert(kind.name.as_str(), bytes.as_slice());
        Ok(before.map_err(disk("written"))?.is_none_or(|before| before.value() != bytes))
    }

    /// What is said of a type holds for each of its devices.
    fn note_type(&mut self, kind: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let words = format!("its type {kind} was changed");
        for name in names(&self.devices)? {
            if self.device(&name)?.is_some_and(|(device, _)| device.device_type == kind) {
                let health = self.state(&name, by, now)?.health;
                self.note(&name, now, health, &words, by)?;
            }
        }
        Ok(())
    }

    fn put(
        &mut self,
        device: &Device,
        origin: DeviceOrigin,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let name = device.name.as_str();
        let bytes = encode(&DeviceV1::of(device, origin));
        let was = self.device(name)?.map(|(device, _)| device.device_type);
        let before = self.devices.insert(name, bytes.as_slice()).map_err(disk("written"))?;
        let changed = before.is_none_or(|before| before.value() != bytes);
        if changed {
            let mut state = self.state(name, by, now)?;
            let words = if was.is_none() { "it was added" } else { "it was changed" };
            // What checks another type says nothing of it, and may never come to run.
            if was.is_some_and(|was| was != device.device_type) {
                (state.checking, state.last_check) = (None, None);
            }
            self.note(name, now, state.health, words, by)?;
            self.put_state(name, &state)?;
        }
        Ok(changed)
    }

    fn remove(
        &mut self,
        name: &str,
        words: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // A check that still waits does not keep one of that name from being checked later.
        let state = DeviceState { checking: None, ..self.state(name, by, now)? };
        self.note(name, now, state.health, words, by)?;
        self.put_state(name, &state)?;
        self.devices.remove(name).map_err(disk("written"))?;
        Ok(())
    }

    /// A job has been started on a device.
    pub(super) fn started(&mut self, job: &Job) -> Result<(), StoreError> {
        let (Some(name), Some(at)) = (&job.device, job.started) else { return Ok(()) };
        let Some(mut state) = self.stored_state(name)? else { return Ok(()) };
        state.last_used = Some(at);
        self.put_state(name, &state)
    }

    /// A health check is waiting for its device.
    pub(super) fn checking(&mut self, job: &Job) -> Result<(), StoreError> {
        let Some(name) = &job.conditions.device else { return Ok(()) };
        let Some(mut state) = self.stored_state(name)? else { return Ok(()) };
        state.checking = Some(job.id);
        let words = format!("health check {} was submitted", job.id);
        self.note(name, job.submitted, state.health, &words, &job.submitter.name)?;
        self.put_state(name, &state)
    }

    /// A job has ended: on a device, or before it came to one. Whether that matters to anybody but the
    /// device's page.
    pub(super) fn ended(&mut self, job: &Job) -> Result<bool, StoreError> {
        let asked = job.conditions.device.as_ref().filter(|_| job.conditions.health_check);
        let (Some(name), Some(at)) = (asked.or(job.device.as_ref()), job.ended) else {
            return Ok(false);
        };
        let Some(mut state) = self.stored_state(name)? else { return Ok(false) };
        let kind = match self.device(name)? {
            Some((device, _)) => self.kind(&device.device_type)?.map(|(kind, _)| kind),
            None => None,
        };
        let kind = kind.unwrap_or_else(|| DeviceType::plain(&job.device_type));
        let learned = after_job(&state, &kind, job);
        let matters = learned.is_some() || kind.health_check.is_some();
        if job.conditions.health_check {
            // Somebody may have had it run again meanwhile.
            let is_latest = state.checking == Some(job.id);
            state.checking = state.checking.filter(|_| !is_latest);
            let is_put_off = is_latest && is_put_off(job);
            if is_put_off {
                let id = job.id;
                let words = format!(
                    "health check {id} was canceled; the next one is run when it is due, or when \
                     somebody asks"
                );
                self.note(name, at, state.health, &words, &format!("job {id}"))?;
            }
            // One that never came to its end says nothing: the next one will.
            if learned.is_some() || is_put_off {
                state.last_check = Some(at);
                state.jobs_since_check = 0;
            }
        } else {
            state.jobs_since_check = state.jobs_since_check.saturating_add(1);
        }
        match learned {
            Some(Learned { health, why }) => {
                let by = format!("job {}", job.id);
                self.becomes(name, state, health, &why, &by, at)?;
            }
            None => self.put_state(name, &state)?,
        }
        Ok(matters)
    }

    fn becomes(
        &mut self,
        name: &str,
        mut state: DeviceState,
        health: DeviceHealth,
        why: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        (state.health, state.since) = (health, now);
        (state.why, state.by) = (why.into(), by.into());
        self.note(name, now, health, why, by)?;
        self.put_state(name, &state)
    }

    /// No two lines are of the same time: where one page of them ends, the next begins.
    fn note(
        &mut self,
        name: &str,
        now: Timestamp,
        health: DeviceHealth,
        words: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let record = EventV1 { health: health.name().into(), words: words.into(), by: by.into() };
        let mut at = now.as_microsecond();
        while self.log.get((name, at, 0)).map_err(disk("read"))?.is_some() {
            at += 1;
        }
        self.log.insert((name, at, 0), encode(&record).as_slice()).map_err(disk("written"))?;
        let all = (name, i64::MIN, 0)..=(name, i64::MAX, u32::MAX);
        let too_old = {
            let mut lines = self.log.range(all).map_err(disk("read"))?.rev();
            lines.nth(LOG_LINES).transpose().map_err(disk("read"))?.map(|(key, _)| {
                let (_, at, number) = key.value();
                (at, number)
            })
        };
        if let Some((at, number)) = too_old {
            self.log.remove((name, at, number)).map_err(disk("written"))?;
        }
        Ok(())
    }

    fn device(&self, name: &str) -> Result<Option<(Device, DeviceOrigin)>, StoreError> {
        let bytes = self.devices.get(name).map_err(disk("read"))?;
        bytes.map(|bytes| decode_device(name, bytes.value())).transpose()
    }

    fn kind(&self, name: &str) -> Result<Option<(DeviceType, DeviceOrigin)>, StoreError> {
        let bytes = self.types.get(name).map_err(disk("read"))?;
        bytes.map(|bytes| decode_type(name, bytes.value())).transpose()
    }

    fn stored_state(&self, name: &str) -> Result<Option<DeviceState>, StoreError> {
        let bytes = self.states.get(name).map_err(disk("read"))?;
        bytes.map(|bytes| decode_state(name, bytes.value())).transpose()
    }

    fn state(&self, name: &str, by: &str, now: Timestamp) -> Result<DeviceState, StoreError> {
        Ok(self.stored_state(name)?.unwrap_or_else(|| DeviceState::new(by, now)))
    }

    fn put_state(&mut self, name: &str, state: &DeviceState) -> Result<(), StoreError> {
        let bytes = encode(&StateV1::of(state));
        self.states.insert(name, bytes.as_slice()).map_err(disk("written"))?;
        Ok(())
    }
}

/// Every device, by name.
pub(super) fn all(txn: &ReadTransaction) -> Result<Vec<DeviceStatus>, StoreError> {
    let devices = txn.open_table(DEVICES).map_err(disk("read"))?;
    let states = txn.open_table(STATES).map_err(disk("read"))?;
    let types = txn.open_table(TYPES).map_err(disk("read"))?;
    let mut found = Vec::new();
    for entry in devices.range::<&str>(..).map_err(disk("read"))? {
        let (name, bytes) = entry.map_err(disk("read"))?;
        let (device, origin) = decode_device(name.value(), bytes.value())?;
        let state = states.get(name.value()).map_err(disk("read"))?;
        let state = state.map(|bytes| decode_state(name.value(), bytes.value())).transpose()?;
        let kind = types.get(device.device_type.as_str()).map_err(disk("read"))?;
        let kind = kind.map(|bytes| decode_type(&device.device_type, bytes.value())).transpose()?;
        let kind = kind.map_or_else(|| DeviceType::plain(&device.device_type), |(kind, _)| kind);
        let state = state.unwrap_or_else(|| DeviceState::new("", Timestamp::UNIX_EPOCH));
        found.push(DeviceStatus { device, origin, kind, state });
    }
    Ok(found)
}

/// Every device type, by name.
pub(super) fn types(txn: &ReadTransaction) -> Result<Vec<(DeviceType, DeviceOrigin)>, StoreError> {
    let table = txn.open_table(TYPES).map_err(disk("read"))?;
    let mut found = Vec::new();
    for entry in table.range::<&str>(..).map_err(disk("read"))? {
        let (name, bytes) = entry.map_err(disk("read"))?;
        found.push(decode_type(name.value(), bytes.value())?);
    }
    Ok(found)
}

/// What has happened to a device, newest first, before a time.
pub(super) fn log(
    txn: &ReadTransaction,
    device: &str,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<DeviceEvent>, StoreError> {
    let table = txn.open_table(LOG).map_err(disk("read"))?;
    let until = before.map_or(i64::MAX, Timestamp::as_microsecond);
    let lines = table.range((device, i64::MIN, 0)..(device, until, 0)).map_err(disk("read"))?;
    let mut found = Vec::new();
    for entry in lines.rev().take(limit) {
        let (key, bytes) = entry.map_err(disk("read"))?;
        found.push(decode_event(device, key.value().1, bytes.value())?);
    }
    Ok(found)
}

fn names(table: &Table<'_, &'static str, &'static [u8]>) -> Result<Vec<String>, StoreError> {
    let names = table.range::<&str>(..).map_err(disk("read"))?;
    names.map(|entry| Ok(entry.map_err(disk("read"))?.0.value().to_owned())).collect()
}

fn encode<R: Encode>(record: &R) -> Vec<u8> {
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

impl TypeV1 {
    fn of(kind: &DeviceType, origin: DeviceOrigin) -> Self {
        Self {
            architecture: kind.architecture.name().into(),
            description: kind.description.clone(),
            check: kind.health_check.as_ref().map(|check| CheckV1 {
                job: check.job.display().to_string(),
                every_us: check.every.map(|every| every.as_micros().try_into().unwrap_or(u64::MAX)),
                after_jobs: check.after_jobs,
            }),
            origin: origin.name().into(),
        }
    }
}

fn decode_type(name: &str, bytes: &[u8]) -> Result<(DeviceType, DeviceOrigin), StoreError> {
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

impl DeviceV1 {
    fn of(device: &Device, origin: DeviceOrigin) -> Self {
        Self {
            device_type: device.device_type.clone(),
            tags: device.tags.iter().cloned().collect(),
            memory_mib: device.memory_mib,
            cores: device.cores,
            at_once: device.at_once,
            description: device.description.clone(),
            origin: origin.name().into(),
        }
    }
}

fn decode_device(name: &str, bytes: &[u8]) -> Result<(Device, DeviceOrigin), StoreError> {
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

impl StateV1 {
    fn of(state: &DeviceState) -> Self {
        Self {
            health: state.health.name().into(),
            why: state.why.clone(),
            by: state.by.clone(),
            since_us: state.since.as_microsecond(),
            last_used_us: state.last_used.map(Timestamp::as_microsecond),
            last_check_us: state.last_check.map(Timestamp::as_microsecond),
            jobs_since_check: state.jobs_since_check,
            checking: state.checking.map(|job| job.0),
        }
    }
}

fn decode_state(name: &str, bytes: &[u8]) -> Result<DeviceState, StoreError> {
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

fn decode_event(device: &str, at_us: i64, bytes: &[u8]) -> Result<DeviceEvent, StoreError> {
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
