//! Which layout a file has. Steps from an older one to today's belong here.
//!
//! The layout is the number in the `meta` table, whose own form never changes. A file of a later
//! layout is refused by name: what it says would be misread.

use std::path::Path;

use redb::{Database, ReadableTable, TableDefinition};

use super::{StoreError, error::disk, tables::Tables};

/// Facts about the file: `layout`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout this sutler writes.
pub(super) const LAYOUT: u64 = 1;

/// Makes a new file's tables, leaves those of today's layout alone.
///
/// # Errors
/// [`StoreError::NewerLayout`], or the disk's refusal.
pub(super) fn prepare(db: &Database, path: &Path) -> Result<(), StoreError> {
    let mut txn = db.begin_write().map_err(disk("opened"))?;
    txn.set_quick_repair(true);
    let found = {
        let meta = txn.open_table(META).map_err(disk("opened"))?;
        meta.get("layout").map_err(disk("opened"))?.map(|layout| layout.value())
    };
    match found {
        Some(found) if found > LAYOUT => {
            Err(StoreError::NewerLayout { path: path.into(), found, known: LAYOUT })
        }
        Some(_) => txn.abort().map_err(disk("opened")),
        // The first layout has no older one: without a number the file is new.
        None => {
            Tables::open(&txn)?;
            let mut meta = txn.open_table(META).map_err(disk("opened"))?;
            meta.insert("layout", LAYOUT).map_err(disk("opened"))?;
            drop(meta);
            txn.commit().map_err(disk("opened"))
        }
    }
}
