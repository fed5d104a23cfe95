//! Power cuts and full disks, on a disk made of memory.
//!
//! A cut keeps what was flushed and, of the rest, nothing but the header: the cruellest order a
//! real disk may choose.

use std::{
    io::{Error, ErrorKind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::{Builder, StorageBackend};

use uuid::Uuid;

use super::{
    known::{ON, failure, rule},
    sample::{at, ended, job, wait},
};
use crate::{
    config::Retry,
    model::{JobId, JobState, Measure, Sample, Spot, Verdict},
    store::{Change, Store, StoreError, Submitted, Writer},
};

#[derive(Debug, Default)]
struct Disk {
    live: Vec<u8>,
    durable: Vec<u8>,
    header: Vec<u8>,
    syncs: u64,
    /// From this flush on nothing becomes durable, though the disk says so.
    cut_at: Option<u64>,
    /// Flushes and writes are refused.
    full: bool,
}

impl Disk {
    fn has_power(&self) -> bool {
        self.cut_at.is_none_or(|cut| self.syncs < cut)
    }
}

/// A disk that outlives the databases on it.
#[derive(Debug, Clone, Default)]
struct Backend(Arc<Mutex<Disk>>);

impl Backend {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    /// What is found when power comes back.
    fn after_the_cut(&self, with_header: bool) -> Self {
        let disk = self.disk();
        let mut live = disk.durable.clone();
        if with_header && live.len() >= disk.header.len() {
            live[..disk.header.len()].copy_from_slice(&disk.header);
        }
        Self(Arc::new(Mutex::new(Disk { durable: live.clone(), live, ..Disk::default() })))
    }

    fn open(&self) -> Result<(Store, Writer), StoreError> {
        let backend = self.clone();
        let open = move || Builder::new().create_with_backend(backend.clone());
        Store::open_with(Path::new("memory"), Box::new(open))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> Result<u64, Error> {
        Ok(self.disk().live.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let from = usize::try_from(offset).unwrap();
        let disk = self.disk();
        let bytes = disk.live.get(from..from + out.len()).ok_or(ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        self.disk().live.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut disk = self.disk();
        if disk.full {
            return Err(ErrorKind::StorageFull.into());
        }
        disk.syncs += 1;
        if disk.has_power() {
            disk.durable = disk.live.clone();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut disk = self.disk();
        if disk.full {
            return Err(ErrorKind::StorageFull.into());
        }
        let from = usize::try_from(offset).unwrap();
        let end = from + data.len();
        if disk.live.len() < end {
            disk.live.resize(end, 0);
        }
        disk.live[from..end].copy_from_slice(data);
        if offset == 0 && disk.has_power() {
            disk.header = data.to_vec();
        }
        Ok(())
    }
}

/// Does what a busy hour does and returns what was acknowledged before the cut.
async fn busy(store: &Store, backend: &Backend) -> Vec<(JobId, JobState)> {
    let mut acknowledged = Vec::new();
    let mut note = |id: JobId, state| {
        if backend.disk().has_power() {
            acknowledged.push((id, state));
        }
    };
    for n in 1..=6 {
        let mut big = job(n, 50);
        big.definition = "x".repeat(20_000);
        let Submitted { id, .. } = store.submit(big).await.unwrap();
        note(id, JobState::Waiting);
        if n % 2 == 0 {
            store
                .change(id, Change::Started { at: at(n), device: None, decision: None })
                .await
                .unwrap();
            note(id, JobState::Preparing);
            store.change(id, taught(n)).await.unwrap();
            note(id, JobState::Ended);
        }
    }
    acknowledged
}

/// The end of a job that was slow and is learned from.
fn taught(seconds: u64) -> Change {
    let mut change = ended(seconds, Verdict::Passed);
    if let Change::Ended { samples, backend, .. } = &mut change {
        samples.push(Sample { measure: Measure::JobTime, spot: Spot::default(), value: 1e3 });
        let events = serde_json::json!([{ "measure": "job_time" }]);
        backend.insert("slow_events".into(), events);
    }
    change
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_flush() {
    wait(async {
        let whole = Backend::default();
        let (store, writer) = whole.open().unwrap();
        let first = whole.disk().syncs;
        busy(&store, &whole).await;
        let last = whole.disk().syncs;
        writer.close().await;

        for cut in first + 1..=last + 1 {
            let backend = Backend::default();
            let (store, writer) = backend.open().unwrap();
            backend.disk().cut_at = Some(cut);
            let acknowledged = busy(&store, &backend).await;
            let images = [backend.after_the_cut(false), backend.after_the_cut(true)];
            writer.close().await;
            for image in images {
                let (store, writer) = image.open().unwrap();
                store.check_consistent().unwrap();
                for (id, state) in &acknowledged {
                    let job = store.job(*id).await.unwrap().unwrap();
                    assert!(job.state >= *state, "job {id} at cut {cut} of {last}");
                }
                // What is learned is of exactly the jobs that have ended.
                let ended = store.counts().await.unwrap().state(JobState::Ended);
                let learned = store.measured_jobs(None, 99).await.unwrap().len();
                let counted = store.occurrences(0, 1).await.unwrap();
                let counted: u64 = counted.iter().map(|row| row.count).sum();
                assert_eq!((learned as u64, counted), (ended, ended), "at cut {cut} of {last}");
                // And it goes on.
                assert!(store.submit(job(99, 50)).await.unwrap().fresh);
                store.check_consistent().unwrap();
                writer.close().await;
            }
        }
    });
}

/// A job that fails for a known reason and is retried twice, each retry failing again: what was
/// acknowledged before the cut, as (retries made, retries decided on).
async fn retried(store: &Store, backend: &Backend) -> (u64, u64) {
    let mut acknowledged = (0, 0);
    store.put_rule(rule("r", "x"), true).await.unwrap();
    let settings = Retry { most: 2, ..ON };
    let mut id = store.submit(job(1, 50)).await.unwrap().id;
    for n in 1..=3 {
        let told = Some(failure("x"));
        store.end(id, ended(n, Verdict::Failed), told, settings).await.unwrap();
        acknowledged.1 = if backend.disk().has_power() { n.min(2) } else { acknowledged.1 };
        if n < 3 {
            id = store.retry_due(id, Uuid::from_u128(u128::from(n) + 50)).await.unwrap().id;
            acknowledged.0 = if backend.disk().has_power() { n } else { acknowledged.0 };
        }
    }
    acknowledged
}

#[test]
fn a_power_cut_at_any_flush_loses_no_retry_and_makes_none_twice() {
    wait(async {
        let whole = Backend::default();
        let (store, writer) = whole.open().unwrap();
        let first = whole.disk().syncs;
        retried(&store, &whole).await;
        let last = whole.disk().syncs;
        writer.close().await;

        for cut in first + 1..=last + 1 {
            let backend = Backend::default();
            let (store, writer) = backend.open().unwrap();
            backend.disk().cut_at = Some(cut);
            let (made, decided) = retried(&store, &backend).await;
            let images = [backend.after_the_cut(false), backend.after_the_cut(true)];
            writer.close().await;
            for image in images {
                let (store, writer) = image.open().unwrap();
                store.check_consistent().unwrap();
                let jobs = store.last_job().await.unwrap().0;
                let waiting = store.pending_retries(9).await.unwrap();
                let there = jobs.saturating_sub(1);
                assert!(there >= made, "{there} of {made} at cut {cut} of {last}");
                let known = there + waiting.len() as u64;
                assert!((decided..=2).contains(&known), "{known} of {decided} at cut {cut}");
                assert_eq!(store.retries_today().await.unwrap(), known, "each counts once");
                // The next appliance goes on where this one was, to the same number.
                finish(&store).await;
                let jobs = store.last_job().await.unwrap().0;
                assert!(jobs == 0 || jobs == 3 || known == 0, "{jobs} jobs at cut {cut}");
                store.check_consistent().unwrap();
                writer.close().await;
            }
        }
    });
}

/// Makes what is due and lets it fail until nothing is due any more.
async fn finish(store: &Store) {
    let settings = Retry { most: 2, ..ON };
    let mut n = 100;
    loop {
        let waiting = store.pick_in(JobState::Waiting, 9, |job| job.id).await.unwrap();
        let due = store.pending_retries(9).await.unwrap();
        if waiting.is_empty() && due.is_empty() {
            return;
        }
        for id in waiting {
            let told = Some(failure("x"));
            store.end(id, ended(n, Verdict::Failed), told, settings).await.unwrap();
        }
        for due in due {
            store.retry_due(due.job, Uuid::from_u128(u128::from(n))).await.unwrap();
            n += 1;
        }
    }
}

#[test]
fn a_disk_that_was_full_is_used_again_without_a_restart() {
    wait(async {
        let backend = Backend::default();
        let (store, writer) = backend.open().unwrap();
        let kept = store.submit(job(1, 50)).await.unwrap().id;

        backend.disk().full = true;
        for _ in 0..2 {
            let error = store.submit(job(2, 50)).await.unwrap_err();
            assert!(error.is_passing(), "{error}");
        }
        backend.disk().full = false;
        // Whatever became of the failed ones, asking again makes one job.
        store.submit(job(2, 50)).await.unwrap();
        store.submit(job(2, 50)).await.unwrap();
        assert_eq!(store.counts().await.unwrap().all(), 2);
        assert_eq!(store.job(kept).await.unwrap().unwrap().state, JobState::Waiting);
        store.check_consistent().unwrap();
        writer.close().await;
    });
}
