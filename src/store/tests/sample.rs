//! Jobs to put into a store, and runtimes to do it with.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    model::{
        Cause, Code, Conditions, Digest, IntakeKey, Lineage, Needs, NewJob, Priority, Submitter,
        Verdict, Visibility, WayIn, Who,
    },
    store::{Change, Store, StoreSettings, Writer},
};

pub(super) fn open(path: &Path) -> (Store, Writer) {
    Store::open(path, StoreSettings { cache_bytes: 1 << 20 }).unwrap()
}

/// Job number `n` of a test: two of the same number are the same submission.
pub(super) fn job(n: u64, priority: u8) -> NewJob {
    NewJob {
        uuid: Uuid::from_u128(u128::from(n)),
        name: format!("job {n}"),
        definition: "job_name: x\n".into(),
        definition_hash: Digest::of(b"x"),
        bundle: Digest::of(b"bundle"),
        submitter: Submitter { uid: Some(1000), name: "ada".into() },
        way_in: WayIn::Inbox,
        submitted: at(n),
        priority: Priority(priority),
        device_type: "qemu-x86_64".into(),
        tags: vec!["uefi".into()],
        settings: BTreeMap::from([("LANG_ROW".into(), "English".into())]),
        metadata: BTreeMap::new(),
        visibility: Visibility::Group(vec!["lab".into()]),
        stream: None,
        needs: Needs { memory_mib: 1024, cores: 1, at_most: Duration::from_secs(900) },
        conditions: Conditions::default(),
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: Some(key(n)),
    }
}

pub(super) fn key(n: u64) -> IntakeKey {
    IntakeKey { device: 1, inode: n, ctime_ns: i128::from(n), hash: Digest::of(b"x") }
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(seconds).unwrap()).unwrap()
}

pub(super) fn ended(seconds: u64, verdict: Verdict) -> Change {
    let mut backend = serde_json::Map::new();
    backend.insert("acceleration".into(), "tcg".into());
    Change::Ended {
        at: at(seconds),
        verdict,
        cause: (verdict != Verdict::Passed)
            .then(|| Cause::new(Who::Author, Code::NoMatch, "no needle matched")),
        backend,
        load: None,
        parts: Vec::new(),
        samples: Vec::new(),
    }
}

/// Runs a future on a runtime of its own, for tests that are not async themselves.
pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
