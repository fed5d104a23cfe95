//! What people and the devices file say of devices and their types, made so.

use jiff::Timestamp;

use super::{
    record::{encode_device, encode_type},
    rows::{Devices, names},
};
use crate::{
    model::{Device, DeviceHealth, DeviceOrigin, DeviceState, DeviceType},
    store::StoreError,
};

/// Who it is that says what the devices file says.
const FILE: &str = "the file";

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
    /// As long as a device is of it, it stays.
    RemoveType {
        name: String,
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

impl Devices<'_> {
    /// Whether anything is otherwise now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchDevice`], [`StoreError::NoSuchDeviceType`], [`StoreError::TypeInUse`],
    /// [`StoreError::FromFile`], [`StoreError::BoxItself`], or the disk's refusal.
    pub(in crate::store) fn change(
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
            DeviceChange::RemoveType { name } => self.remove_type(name.clone()),
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
                self.types.remove(name.as_str())?;
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
        let bytes = encode_type(kind, origin);
        let before = self.types.insert(kind.name.as_str(), bytes.as_slice());
        Ok(before?.is_none_or(|before| before.value() != bytes))
    }

    fn remove_type(&mut self, name: String) -> Result<bool, StoreError> {
        match self.is_files_type(&name)? {
            None => return Err(StoreError::NoSuchDeviceType { name }),
            Some(true) => return Err(StoreError::FromFile { name }),
            Some(false) => {}
        }
        for device in names(&self.devices)? {
            if self.device(&device)?.is_some_and(|(one, _)| one.device_type == name) {
                return Err(StoreError::TypeInUse { name, device });
            }
        }
        self.types.remove(name.as_str())?;
        Ok(true)
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
        let bytes = encode_device(device, origin);
        let was = self.device(name)?.map(|(device, _)| device.device_type);
        let before = self.devices.insert(name, bytes.as_slice())?;
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
        self.devices.remove(name)?;
        Ok(())
    }
}
