//! A table as the rest of this room uses it: what redb refuses comes as our error, and one to be
//! written is opened when it is first needed. Opening all there are costs a commit more than what
//! most of them are opened for.

use std::{borrow::Borrow, cell::OnceCell, ops::RangeBounds};

use redb::{
    AccessGuard, Key, Range, ReadOnlyTable, ReadTransaction, ReadableTable, ReadableTableMetadata,
    TableDefinition, Value, WriteTransaction,
};

use super::{StoreError, error::disk};

/// One row: its key and its value.
type Row<'a, K, V> = (AccessGuard<'a, K>, AccessGuard<'a, V>);

/// What can be read of a table.
pub(super) trait Rows<K: Key + 'static, V: Value + 'static> {
    fn opened(&self) -> Result<&impl ReadableTable<K, V>, StoreError>;

    fn get<'k>(
        &self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<AccessGuard<'_, V>>, StoreError> {
        self.opened()?.get(key).map_err(disk("read"))
    }

    /// In the order of the keys.
    fn range<'k, R: Borrow<K::SelfType<'k>> + 'k>(
        &self,
        range: impl RangeBounds<R> + 'k,
    ) -> Result<Entries<'_, K, V>, StoreError> {
        self.opened()?.range(range).map(Entries).map_err(disk("read"))
    }

    fn iter(&self) -> Result<Entries<'_, K, V>, StoreError> {
        self.opened()?.iter().map(Entries).map_err(disk("read"))
    }

    fn first(&self) -> Result<Option<Row<'_, K, V>>, StoreError> {
        self.opened()?.first().map_err(disk("read"))
    }

    fn last(&self) -> Result<Option<Row<'_, K, V>>, StoreError> {
        self.opened()?.last().map_err(disk("read"))
    }

    fn len(&self) -> Result<u64, StoreError> {
        self.opened()?.len().map_err(disk("read"))
    }
}

/// Some rows of a table.
pub(super) struct Entries<'a, K: Key + 'static, V: Value + 'static>(Range<'a, K, V>);

impl<'a, K: Key, V: Value> Iterator for Entries<'a, K, V> {
    type Item = Result<Row<'a, K, V>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|row| row.map_err(disk("read")))
    }
}

impl<K: Key, V: Value> DoubleEndedIterator for Entries<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|row| row.map_err(disk("read")))
    }
}

/// A table of a snapshot.
pub(super) struct ReadTable<K: Key + 'static, V: Value + 'static>(ReadOnlyTable<K, V>);

impl<K: Key, V: Value> Rows<K, V> for ReadTable<K, V> {
    fn opened(&self) -> Result<&impl ReadableTable<K, V>, StoreError> {
        Ok(&self.0)
    }
}

/// Gives the tables of a snapshot.
pub(super) trait Snapshot {
    fn table<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<ReadTable<K, V>, StoreError>;
}

impl Snapshot for ReadTransaction {
    fn table<K: Key, V: Value>(
        &self,
        definition: TableDefinition<'_, K, V>,
    ) -> Result<ReadTable<K, V>, StoreError> {
        self.open_table(definition).map(ReadTable).map_err(disk("read"))
    }
}

/// Gives the tables of a transaction that writes.
#[derive(Clone, Copy)]
pub(super) struct Writing<'txn> {
    txn: &'txn WriteTransaction,
    at_once: bool,
}

impl<'txn> Writing<'txn> {
    /// Each is opened when it is needed; of a file that was made by [`Self::all`].
    pub(super) const fn as_needed(txn: &'txn WriteTransaction) -> Self {
        Self { txn, at_once: false }
    }

    /// All are opened, and made where they are not.
    pub(super) const fn all(txn: &'txn WriteTransaction) -> Self {
        Self { txn, at_once: true }
    }

    pub(super) fn table<K: Key, V: Value>(
        self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Table<'txn, K, V>, StoreError> {
        let table = Table { txn: self.txn, definition, opened: OnceCell::new() };
        if self.at_once {
            table.open()?;
        }
        Ok(table)
    }
}

/// A table in a transaction that writes.
pub(super) struct Table<'txn, K: Key + 'static, V: Value + 'static> {
    txn: &'txn WriteTransaction,
    definition: TableDefinition<'static, K, V>,
    opened: OnceCell<redb::Table<'txn, K, V>>,
}

impl<'txn, K: Key, V: Value> Table<'txn, K, V> {
    fn open(&self) -> Result<&redb::Table<'txn, K, V>, StoreError> {
        if let Some(table) = self.opened.get() {
            return Ok(table);
        }
        let table = self.txn.open_table(self.definition).map_err(disk("written"))?;
        Ok(self.opened.get_or_init(|| table))
    }

    fn open_mut(&mut self) -> Result<&mut redb::Table<'txn, K, V>, StoreError> {
        self.open()?;
        Ok(self.opened.get_mut().expect("it has just been opened"))
    }

    /// Returns what was there before.
    pub(super) fn insert<'k, 'v>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
        value: impl Borrow<V::SelfType<'v>>,
    ) -> Result<Option<AccessGuard<'_, V>>, StoreError> {
        self.open_mut()?.insert(key, value).map_err(disk("written"))
    }

    /// Returns what was there.
    pub(super) fn remove<'k>(
        &mut self,
        key: impl Borrow<K::SelfType<'k>>,
    ) -> Result<Option<AccessGuard<'_, V>>, StoreError> {
        self.open_mut()?.remove(key).map_err(disk("written"))
    }
}

impl<K: Key, V: Value> Rows<K, V> for Table<'_, K, V> {
    fn opened(&self) -> Result<&impl ReadableTable<K, V>, StoreError> {
        self.open()
    }
}
