//! What is asked of devices.

use jiff::Timestamp;
use redb::ReadTransaction;

use super::{
    record::{decode_device, decode_event, decode_state, decode_type},
    rows::{DEVICES, LOG, STATES, TYPES},
};
use crate::{
    model::{DeviceEvent, DeviceOrigin, DeviceState, DeviceStatus, DeviceType},
    store::{
        StoreError,
        table::{Rows as _, Snapshot as _},
    },
};

/// Every device, by name.
pub(in crate::store) fn all(txn: &ReadTransaction) -> Result<Vec<DeviceStatus>, StoreError> {
    let devices = txn.table(DEVICES)?;
    let states = txn.table(STATES)?;
    let types = txn.table(TYPES)?;
    let mut found = Vec::new();
    for entry in devices.range::<&str>(..)? {
        let (name, bytes) = entry?;
        let (device, origin) = decode_device(name.value(), bytes.value())?;
        let state = states.get(name.value())?;
        let state = state.map(|bytes| decode_state(name.value(), bytes.value())).transpose()?;
        let kind = types.get(device.device_type.as_str())?;
        let kind = kind.map(|bytes| decode_type(&device.device_type, bytes.value())).transpose()?;
        let kind = kind.map_or_else(|| DeviceType::plain(&device.device_type), |(kind, _)| kind);
        let state = state.unwrap_or_else(|| DeviceState::new("", Timestamp::UNIX_EPOCH));
        found.push(DeviceStatus { device, origin, kind, state });
    }
    Ok(found)
}

/// Every device type, by name.
pub(in crate::store) fn types(
    txn: &ReadTransaction,
) -> Result<Vec<(DeviceType, DeviceOrigin)>, StoreError> {
    let table = txn.table(TYPES)?;
    let mut found = Vec::new();
    for entry in table.range::<&str>(..)? {
        let (name, bytes) = entry?;
        found.push(decode_type(name.value(), bytes.value())?);
    }
    Ok(found)
}

/// What has happened to a device, newest first, before a time.
pub(in crate::store) fn log(
    txn: &ReadTransaction,
    device: &str,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Vec<DeviceEvent>, StoreError> {
    let table = txn.table(LOG)?;
    let until = before.map_or(i64::MAX, Timestamp::as_microsecond);
    let lines = table.range((device, i64::MIN, 0)..(device, until, 0))?;
    let mut found = Vec::new();
    for entry in lines.rev().take(limit) {
        let (key, bytes) = entry?;
        found.push(decode_event(device, key.value().1, bytes.value())?);
    }
    Ok(found)
}
