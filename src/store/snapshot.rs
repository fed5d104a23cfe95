//! A copy of the store as it was at one moment, made while it is in use.
//!
//! One read transaction is copied table by table into a new file, and committed there at once, so
//! the copy is whole or it is none. What is added to the store meanwhile is not in it.

use std::{fs, path::Path};

use redb::{
    Builder, Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition,
    Value, WriteTransaction,
};

use super::{
    StoreError,
    audience::AUDIENCES,
    definitions::{REFS, TEXTS},
    devices::{DEVICES, LOG, STATES, TYPES},
    error::disk,
    estimates::{ACCURACY, ESTIMATES, TIMES},
    idempotency::{KEYS, KEYS_BY_TIME},
    known::{
        BY_RULE, BY_SIZE, FAILURES, GROUPED, GROUPS, MARKS, NOT_RETRIED, PENDING, RESUBMITTED,
        RETRIED, RETRIES, RETRY_DAYS, RULES,
    },
    measures::{SERIES, SERIES_BY_DAY},
    migrate::META,
    occurrences::OCCURRENCES,
    people::{BY_ACCOUNT, DEEDS, FORMER, INVITATIONS, SESSIONS, TOKENS, USERS},
    tables::{
        BUNDLES, BY_END, BY_INTAKE, BY_STATE, BY_UUID, COUNTS, HOLDINGS, JOBS, REMOVABLE, REMOVING,
        SAMPLES, UNMEASURED, UNSHELVED,
    },
    terms::{BY_TERM, TERMS},
    thresholds::THRESHOLDS,
};

/// Memory for the copying; most of it goes through in order and is not looked at again.
const CACHE: usize = 16 << 20;

/// Copies all tables into a new file at `to`, which must not exist.
pub(super) fn copy(from: &Database, to: &Path) -> Result<(), StoreError> {
    let doing = "copied";
    let source = from.begin_read().map_err(disk(doing))?;
    // redb would open what is there and add to it.
    fs::File::create_new(to).map_err(|error| disk(doing)(redb::Error::Io(error)))?;
    let made = Builder::new().set_cache_size(CACHE).create(to);
    let mut target = made.map_err(disk(doing))?;
    let txn = target.begin_write().map_err(disk(doing))?;
    table(&source, &txn, JOBS)?;
    table(&source, &txn, TEXTS)?;
    table(&source, &txn, REFS)?;
    table(&source, &txn, KEYS)?;
    table(&source, &txn, KEYS_BY_TIME)?;
    table(&source, &txn, DEVICES)?;
    table(&source, &txn, TYPES)?;
    table(&source, &txn, STATES)?;
    table(&source, &txn, LOG)?;
    table(&source, &txn, BY_STATE)?;
    table(&source, &txn, BY_END)?;
    table(&source, &txn, TERMS)?;
    table(&source, &txn, BY_TERM)?;
    table(&source, &txn, BY_UUID)?;
    table(&source, &txn, BY_INTAKE)?;
    table(&source, &txn, HOLDINGS)?;
    table(&source, &txn, REMOVABLE)?;
    table(&source, &txn, REMOVING)?;
    table(&source, &txn, UNMEASURED)?;
    table(&source, &txn, UNSHELVED)?;
    table(&source, &txn, BUNDLES)?;
    table(&source, &txn, SAMPLES)?;
    table(&source, &txn, COUNTS)?;
    known(&source, &txn)?;
    table(&source, &txn, SERIES)?;
    table(&source, &txn, SERIES_BY_DAY)?;
    table(&source, &txn, ESTIMATES)?;
    table(&source, &txn, ACCURACY)?;
    table(&source, &txn, TIMES)?;
    table(&source, &txn, OCCURRENCES)?;
    table(&source, &txn, THRESHOLDS)?;
    people(&source, &txn)?;
    table(&source, &txn, META)?;
    drop(source);
    txn.commit().map_err(disk(doing))?;
    target.compact().map_err(disk(doing))?;
    Ok(())
}

fn people(source: &ReadTransaction, txn: &WriteTransaction) -> Result<(), StoreError> {
    table(source, txn, USERS)?;
    table(source, txn, BY_ACCOUNT)?;
    table(source, txn, FORMER)?;
    table(source, txn, SESSIONS)?;
    table(source, txn, TOKENS)?;
    table(source, txn, INVITATIONS)?;
    table(source, txn, DEEDS)?;
    table(source, txn, AUDIENCES)
}

fn known(source: &ReadTransaction, txn: &WriteTransaction) -> Result<(), StoreError> {
    table(source, txn, RULES)?;
    table(source, txn, FAILURES)?;
    table(source, txn, MARKS)?;
    table(source, txn, BY_RULE)?;
    table(source, txn, GROUPS)?;
    table(source, txn, GROUPED)?;
    table(source, txn, BY_SIZE)?;
    table(source, txn, RETRIES)?;
    table(source, txn, RETRIED)?;
    table(source, txn, RESUBMITTED)?;
    table(source, txn, PENDING)?;
    table(source, txn, RETRY_DAYS)?;
    table(source, txn, NOT_RETRIED)
}

fn table<K: Key + 'static, V: Value + 'static>(
    from: &ReadTransaction,
    to: &WriteTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), StoreError> {
    let source = from.open_table(definition).map_err(disk("copied"))?;
    let mut target = to.open_table(definition).map_err(disk("copied"))?;
    for entry in source.iter().map_err(disk("copied"))? {
        let (key, value) = entry.map_err(disk("copied"))?;
        target.insert(key.value(), value.value()).map_err(disk("copied"))?;
    }
    Ok(())
}
