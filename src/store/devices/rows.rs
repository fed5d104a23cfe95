//! The tables of devices, open for writing: what stands in them, row by row.

use jiff::Timestamp;
use redb::TableDefinition;

use super::record::{decode_device, decode_state, decode_type, encode_event, encode_state};
use crate::{
    model::{Device, DeviceHealth, DeviceOrigin, DeviceState, DeviceType},
    store::{
        StoreError,
        table::{Rows as _, Table, Writing},
    },
};

/// Name to a device type (`TypeV1`).
pub(in crate::store) const TYPES: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("device-types-1");
/// Name to a device (`DeviceV1`).
pub(in crate::store) const DEVICES: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("devices-1");
/// Name of a device to how it is (`StateV1`); it stays when the device is taken away.
pub(in crate::store) const STATES: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("device-states-1");
/// (device, time in microseconds since 1970, 0) to what happened (`EventV1`).
pub(in crate::store) const LOG: TableDefinition<'_, (&str, i64, u32), &[u8]> =
    TableDefinition::new("device-log-1");

/// Lines of the log of one device that are kept.
const LOG_LINES: usize = 1_000;

/// Open for writing.
pub(in crate::store) struct Devices<'txn> {
    pub(super) types: Table<'txn, &'static str, &'static [u8]>,
    pub(super) devices: Table<'txn, &'static str, &'static [u8]>,
    pub(super) states: Table<'txn, &'static str, &'static [u8]>,
    pub(super) log: Table<'txn, (&'static str, i64, u32), &'static [u8]>,
}

impl<'txn> Devices<'txn> {
    pub(in crate::store) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self {
            types: txn.table(TYPES)?,
            devices: txn.table(DEVICES)?,
            states: txn.table(STATES)?,
            log: txn.table(LOG)?,
        })
    }

    pub(super) fn becomes(
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
    pub(super) fn note(
        &mut self,
        name: &str,
        now: Timestamp,
        health: DeviceHealth,
        words: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let record = encode_event(health, words, by);
        let mut at = now.as_microsecond();
        while self.log.get((name, at, 0))?.is_some() {
            at += 1;
        }
        self.log.insert((name, at, 0), record.as_slice())?;
        let all = (name, i64::MIN, 0)..=(name, i64::MAX, u32::MAX);
        let too_old = {
            let mut lines = self.log.range(all)?.rev();
            lines.nth(LOG_LINES).transpose()?.map(|(key, _)| {
                let (_, at, number) = key.value();
                (at, number)
            })
        };
        if let Some((at, number)) = too_old {
            self.log.remove((name, at, number))?;
        }
        Ok(())
    }

    pub(super) fn device(&self, name: &str) -> Result<Option<(Device, DeviceOrigin)>, StoreError> {
        let bytes = self.devices.get(name)?;
        bytes.map(|bytes| decode_device(name, bytes.value())).transpose()
    }

    pub(super) fn kind(
        &self,
        name: &str,
    ) -> Result<Option<(DeviceType, DeviceOrigin)>, StoreError> {
        let bytes = self.types.get(name)?;
        bytes.map(|bytes| decode_type(name, bytes.value())).transpose()
    }

    pub(super) fn stored_state(&self, name: &str) -> Result<Option<DeviceState>, StoreError> {
        let bytes = self.states.get(name)?;
        bytes.map(|bytes| decode_state(name, bytes.value())).transpose()
    }

    pub(super) fn state(
        &self,
        name: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<DeviceState, StoreError> {
        Ok(self.stored_state(name)?.unwrap_or_else(|| DeviceState::new(by, now)))
    }

    pub(super) fn put_state(&mut self, name: &str, state: &DeviceState) -> Result<(), StoreError> {
        let bytes = encode_state(state);
        self.states.insert(name, bytes.as_slice())?;
        Ok(())
    }
}

pub(super) fn names(
    table: &Table<'_, &'static str, &'static [u8]>,
) -> Result<Vec<String>, StoreError> {
    let names = table.range::<&str>(..)?;
    names.map(|entry| Ok(entry?.0.value().to_owned())).collect()
}
