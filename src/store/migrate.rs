//! Which layout a file has, and the steps from an older one to today's.
//!
//! The layout is the number in the `meta` table, whose own form never changes. A file of a later
//! layout is refused by name: what it says would be misread. A step and the new number are one
//! transaction, so a file is of one layout or of the next and never between.

use std::path::Path;

use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::{
    StoreError,
    error::disk,
    record::{self, Stored},
    table::Writing,
    tables::{FIRST_JOBS, Tables},
};
use crate::{
    decide::signature,
    model::{Counted, Failure, JobId, samples_of_parts},
};

/// Facts about the file: `layout`.
pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout this sutler writes.
///
/// | layout | what came with it |
/// | --- | --- |
/// | 1 | jobs, their indexes and counts |
/// | 2 | what jobs hold on disk, which bundles they refer to, samples of the disk's use |
/// | 3 | known failures and groups of unknown ones, retries; what jobs took, thresholds, what happened to jobs by day; whose screens are not on the shelf yet |
/// | 4 | why known failures are not retried; what rules find later is counted |
/// | 5 | what jobs wait for and why they were started; definitions kept once each; devices; users, sessions, tokens, invitations, what was done; for whom the names of jobs are no secret; what ended jobs are found by; what was foretold of jobs and how right it was; what parts take by device type |
/// | 6 | what ended jobs are sorted by: how long they ran |
pub(super) const LAYOUT: u64 = 6;

/// Jobs of an older layout that are learned from: those that ended last.
const LEARN_FROM: usize = 50_000;

/// Makes a new file's tables, brings those of an older layout to today's.
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
        Some(LAYOUT) => return txn.abort().map_err(disk("opened")),
        Some(found) if found > LAYOUT => {
            return Err(StoreError::NewerLayout { path: path.into(), found, known: LAYOUT });
        }
        Some(5) => adopt_running_times(&mut Tables::open(Writing::all(&txn))?)?,
        Some(found @ 1..5) => {
            let tables = &mut Tables::open(Writing::all(&txn))?;
            adopt_records(&txn, tables)?;
            if found < 2 {
                adopt_jobs(tables)?;
            }
            if found < 3 {
                adopt_failures(tables)?;
                adopt_durations(tables)?;
                adopt_screens(tables)?;
            }
            if found == 3 {
                adopt_late_marks(tables)?;
            }
            adopt_audiences(tables)?;
            adopt_terms(tables)?;
            if found > 2 {
                adopt_device_times(tables)?;
            }
        }
        // The first layout has no older one: without a number the file is new.
        Some(_) | None => drop(Tables::open(Writing::all(&txn))?),
    }
    let mut meta = txn.open_table(META).map_err(disk("opened"))?;
    meta.insert("layout", LAYOUT).map_err(disk("opened"))?;
    drop(meta);
    txn.commit().map_err(disk("opened"))
}

/// Every job there is, oldest first.
fn each<'txn>(
    tables: &mut Tables<'txn>,
    mut adopt: impl FnMut(&mut Tables<'txn>, &Stored) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut from = 0;
    while let Some(stored) = tables.next_stored(from)? {
        adopt(tables, &stored)?;
        from = stored.job.id.0 + 1;
    }
    Ok(())
}

/// Layouts before 5 kept a job's definition in its record, and its record in another table. The old
/// record goes when the new one is there, so the file does not hold all of them twice.
fn adopt_records(txn: &WriteTransaction, tables: &mut Tables<'_>) -> Result<(), StoreError> {
    let mut old = txn.open_table(FIRST_JOBS).map_err(disk("opened"))?;
    while let Some((id, bytes)) = old.pop_first().map_err(disk("opened"))? {
        let id = JobId(id.value());
        tables.adopt_record(&record::decode_first(id, bytes.value())?)?;
    }
    drop(old);
    txn.delete_table(FIRST_JOBS).map_err(disk("opened"))?;
    Ok(())
}

/// Layout 1 knew nothing of sizes and of who refers to which bundle. The sizes are found out later,
/// as those of any job that has just ended.
fn adopt_jobs(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, stored| tables.adopt(&stored.job))
}

/// Layouts before 3 grouped no failures. What the record says of one is enough for that; its log and
/// console are not looked for.
fn adopt_failures(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, Stored { job, .. }| match Failure::of_record(job) {
        Some(failure) => tables.known.keep(job, signature(&failure), &failure, &[]),
        None => Ok(()),
    })
}

/// Layout 3 did not count what rules found later.
fn adopt_late_marks(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    for (id, rule) in tables.known.late_marks()? {
        if let Some(stored) = tables.stored(id)? {
            tables.happened(&stored.job, &[Counted::Known { rule }])?;
        }
    }
    Ok(())
}

/// Layouts before 5 showed every job to everybody. From now on a name is known to those who may see
/// a job of it.
fn adopt_audiences(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, stored| tables.adopt_audience(&stored.job))?;
    tables.adopt_names()
}

/// Layout 2 kept every screen in its job's folder. They are put on the shelf later, as those of any
/// job that has just ended.
fn adopt_screens(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, stored| tables.adopt_screens(&stored.job))
}

/// Layouts before 5 found ended jobs by nothing but their ends.
fn adopt_terms(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, stored| tables.adopt_terms(&stored.job))
}

/// Layout 5 sorted ended jobs by nothing that is a length of time.
fn adopt_running_times(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    each(tables, |tables, stored| tables.adopt_duration(&stored.job))
}

/// Layouts before 3 kept nothing of a job's times but those of its parts, in its record.
fn adopt_durations(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    // Oldest first, as they would have been fed.
    for id in tables.ended_last(LEARN_FROM)?.into_iter().rev() {
        let stored = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?;
        tables.learn(&stored.job, &samples_of_parts(&stored.job.parts))?;
    }
    Ok(())
}

/// Layouts 3 and 4 kept no times of parts by device type, which the records have. Those before them
/// are learned from as a whole.
fn adopt_device_times(tables: &mut Tables<'_>) -> Result<(), StoreError> {
    for id in tables.ended_last(LEARN_FROM)? {
        let stored = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?;
        tables.adopt_times(&stored.job)?;
    }
    Ok(())
}
