//! Thresholds that somebody has set. `ThresholdV1` never changes, as nothing in `record` does.

use bincode::{Decode, Encode};
use jiff::Timestamp;
use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError,
    record::{CONFIG, named, whole},
    table::{Rows as _, Snapshot as _, Table},
};
use crate::model::{LimitMode, Measure, Scope, SetLimit, SetThreshold};

/// (measure, device type, job name, module, step); each name after an `=`, or nothing for any.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// What a threshold is for to what was set (`ThresholdV1`).
pub(super) const THRESHOLDS: TableDefinition<'_, Key<'_>, &[u8]> =
    TableDefinition::new("thresholds-1");

#[derive(Encode, Decode)]
struct ThresholdV1 {
    mode: Option<String>,
    limit: Option<LimitV1>,
    by: String,
    at_us: i64,
}

#[derive(Encode, Decode)]
enum LimitV1 {
    Value(f64),
    Factor(f64),
}

/// Sets what holds for a scope, or takes back what was set for it. Whether anything has changed.
pub(super) fn set(
    table: &mut Table<'_, Key<'static>, &'static [u8]>,
    scope: &Scope,
    set: Option<&SetThreshold>,
) -> Result<bool, StoreError> {
    let written =
        |name: &Option<String>| name.as_ref().map_or_else(String::new, |n| format!("={n}"));
    let names = [&scope.device_type, &scope.job, &scope.module, &scope.step].map(written);
    let [device_type, job, module, step] = &names;
    let key = (scope.measure.name(), &**device_type, &**job, &**module, &**step);
    let Some(set) = set else {
        return Ok(table.remove(key)?.is_some());
    };
    let bytes = encode(set);
    let before = table.insert(key, bytes.as_slice())?;
    Ok(before.is_none_or(|before| before.value() != bytes))
}

fn encode(set: &SetThreshold) -> Vec<u8> {
    let record = ThresholdV1 {
        mode: set.mode.map(|mode| mode.name().into()),
        limit: set.limit.map(|limit| match limit {
            SetLimit::Value(value) => LimitV1::Value(value),
            SetLimit::Factor(factor) => LimitV1::Factor(factor),
        }),
        by: set.by.clone(),
        at_us: set.at.as_microsecond(),
    };
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

/// All that is set, by measure. One of a measure that only a later version knows is left out.
pub(super) fn all(txn: &ReadTransaction) -> Result<Vec<(Scope, SetThreshold)>, StoreError> {
    let table = txn.table(THRESHOLDS)?;
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (key, bytes) = entry?;
        let (measure, device_type, job, module, step) = key.value();
        let set = decode(bytes.value())?;
        let name = |written: &str| written.strip_prefix('=').map(str::to_owned);
        if let Some(measure) = Measure::named(measure) {
            let [device_type, job, module, step] = [device_type, job, module, step].map(name);
            found.push((Scope { measure, device_type, job, module, step }, set));
        }
    }
    Ok(found)
}

fn decode(bytes: &[u8]) -> Result<SetThreshold, StoreError> {
    whole(
        bytes,
        || "a threshold".to_owned(),
        |record: ThresholdV1| {
            let mode = match record.mode {
                Some(mode) => Some(named(LimitMode::ALL, LimitMode::name, &mode)?),
                None => None,
            };
            let limit = record.limit.map(|limit| match limit {
                LimitV1::Value(value) => SetLimit::Value(value),
                LimitV1::Factor(factor) => SetLimit::Factor(factor),
            });
            let at = Timestamp::from_microsecond(record.at_us).ok()?;
            Some(SetThreshold { mode, limit, by: record.by, at })
        },
    )
}
