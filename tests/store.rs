//! The store as a library user sees it: files that earlier builds wrote are read by this one.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use jiff::Timestamp;
use sutler::{
    model::{
        Cause, Code, Conditions, Digest, DiskSample, Evidence, HostLoad, IntakeKey, Job, JobId,
        JobState, Keepsake, Kept, Lineage, Needs, NewJob, Part, PartDuration, Place, Priority,
        Rule, Submitter, Verdict, Visibility, WayIn, Who, samples_of_parts,
    },
    store::{Change, Leftover, Store, StoreSettings},
};
use tempfile::tempdir;
use uuid::Uuid;

fn golden(layout: u32) -> PathBuf {
    let name = format!("tests/golden/store-layout-{layout}.redb.zst");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn at(seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds).unwrap() * 1_000_000 + 123_456;
    Timestamp::from_microsecond(1_700_000_000_000_000 + micros).unwrap()
}

/// Job number `n` of the golden store, with something in every field.
fn new(n: u64) -> NewJob {
    let pairs = |name: &str, value: &str| BTreeMap::from([(name.into(), format!("{value} {n}"))]);
    let from_inbox = n % 2 == 1;
    NewJob {
        uuid: Uuid::from_u128(0x018b_cfe5_6800_7000_8000_0000_0000_0000 + u128::from(n)),
        name: format!("golden job {n}"),
        definition: format!("job_name: golden job {n}\n# zażółć\n"),
        definition_hash: Digest::of(b"definition"),
        bundle: Digest::of(b"bundle"),
        submitter: Submitter { uid: Some(1000), name: "ada".into() },
        way_in: if from_inbox { WayIn::Inbox } else { WayIn::Command },
        submitted: at(n),
        priority: Priority(u8::try_from(n * 7 % 101).unwrap()),
        device_type: "qemu-x86_64".into(),
        tags: vec!["uefi".into()],
        settings: pairs("LANG_ROW", "English"),
        metadata: pairs("build", "20230607"),
        visibility: match n % 3 {
            0 => Visibility::Public,
            1 => Visibility::Personal,
            _ => Visibility::Group(vec!["lab".into()]),
        },
        stream: Some("/public/team/installer/".into()),
        needs: Needs { memory_mib: 1024, cores: 2, at_most: Duration::from_secs(900) },
        conditions: Conditions::default(),
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: from_inbox.then(|| IntakeKey {
            device: 64_769,
            inode: n,
            ctime_ns: 1_700_000_000_123_456_789,
            hash: Digest::of(b"file"),
        }),
    }
}

/// The end of the job that gets `verdict`.
fn end(n: u64, verdict: Verdict) -> Change {
    const CODES: [Code; 4] =
        [Code::NoMatch, Code::JobTimeout, Code::HostResources, Code::EngineDied];
    let index = usize::try_from(n).unwrap();
    let cause = Cause {
        who: [Who::Author, Who::Lab, Who::Host, Who::Guest, Who::Sutler][index % 5],
        code: CODES[index % 4],
        words: "the installer asked nothing".into(),
        place: Place { part: Some(Part::Test), action: Some(2), step: Some("2/0".into()) },
        evidence: Evidence {
            lines: vec!["last line".into()],
            screen: Some("screens/1.png".into()),
            file: None,
        },
    };
    let mut backend = serde_json::Map::new();
    backend.insert("acceleration".into(), "tcg".into());
    let parts: Vec<_> = [Part::Fetch, Part::Deploy, Part::Boot, Part::Test, Part::Collect]
        .map(|part| PartDuration { part, name: part.name().into(), millis: n })
        .into();
    Change::Ended {
        at: at(1000 + n),
        verdict,
        cause: (verdict != Verdict::Passed).then_some(cause),
        backend,
        load: Some(HostLoad {
            load1: 0.5,
            memory_available_mib: 4096,
            cpu_pressure10: Some(12.25),
        }),
        samples: samples_of_parts(&parts),
        parts,
    }
}

async fn fill(store: &Store) {
    for (n, state) in (1..).zip(JobState::ALL) {
        let id = store.submit(new(n)).await.unwrap().id;
        if state.is_active() {
            let device = Some("qemu-x86_64".into());
            store
                .change(id, Change::Started { at: at(100 + n), device, decision: None })
                .await
                .unwrap();
            store.change(id, Change::State(state)).await.unwrap();
            store.change(id, Change::CancelAsked).await.unwrap();
        }
    }
    // The last of those is the first that ends.
    for (n, verdict) in (5..).zip(Verdict::ALL) {
        store.submit(new(n)).await.unwrap();
        store.change(JobId(n), end(n, verdict)).await.unwrap();
    }
}

/// What came with layout 2: holdings in every form.
async fn fill_holdings(store: &Store) {
    let kept = Kept { by: "ada".into(), at: at(2000) };
    for id in [JobId(1), JobId(5)] {
        store.change(id, Change::Kept(Some(kept.clone()))).await.unwrap();
    }
    for n in 5..=9 {
        let measured = Change::Measured { video_bytes: n * 1000, results_bytes: n };
        store.change(JobId(n), measured).await.unwrap();
    }
    store.measured_bundle(Digest::of(b"bundle"), 4096).await.unwrap();
    let rules = [
        Rule::Age { limit_s: 86_400 },
        Rule::LeastFree { limit_mib: 4096 },
        Rule::Most { limit_mib: 1 },
        Rule::NotInBackup,
    ];
    for (n, rule) in (6..).zip(rules) {
        let what = if n % 2 == 0 { Keepsake::Video } else { Keepsake::Results };
        store.change(JobId(n), Change::Removed { what, at: at(3000 + n), rule }).await.unwrap();
    }
    store.cleared(Leftover { job: JobId(6), what: Keepsake::Video }).await.unwrap();
    let sample = DiskSample {
        at: Timestamp::from_second(1_700_000_000).unwrap(),
        videos: 1,
        results: 2,
        bundles: 3,
        store: 4,
        free: 5,
        added_videos: 6,
        added_results: 7,
    };
    store.sample(sample, &[]).await.unwrap();
}

/// What the golden store says, one line a job.
fn line(job: &Job) -> String {
    let cause = job.cause.as_ref().map_or("", |cause| cause.code.name());
    let verdict = job.verdict.map_or("", Verdict::name);
    let Job { id, state, priority, visibility, cancel_asked, .. } = job;
    let ended = job.ended.map(|at| at.to_string()).unwrap_or_default();
    let Priority(priority) = priority;
    let line =
        format!("{id} {state} {priority} {visibility:?} {cancel_asked} {verdict} {cause} {ended}");
    line.trim_end().into()
}

#[tokio::test]
async fn a_store_of_layout_1_is_read_and_brought_to_today() {
    is_read(1).await;
}

#[tokio::test]
async fn a_store_of_layout_2_is_read() {
    is_read(2).await;
}

#[tokio::test]
async fn a_store_of_layout_3_is_read() {
    is_read(3).await;
}

#[tokio::test]
async fn a_store_of_layout_4_is_read() {
    is_read(4).await;
}

#[tokio::test]
async fn a_store_of_layout_5_is_read() {
    is_read(5).await;
}

async fn is_read(layout: u32) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let packed = fs::File::open(golden(layout)).unwrap();
    fs::write(&path, zstd::decode_all(packed).unwrap()).unwrap();
    let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
    store.check_consistent().unwrap();

    let mut lines = Vec::new();
    for n in 1..=12 {
        lines.push(line(&store.job(JobId(n)).await.unwrap().unwrap()));
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    1 waiting 7 Personal false
    2 preparing 14 Group(["lab"]) true
    3 running 21 Public true
    4 collecting 28 Personal true
    5 ended 35 Group(["lab"]) false passed  2023-11-14T22:30:05.123456Z
    6 ended 42 Public false softfailed host_resources 2023-11-14T22:30:06.123456Z
    7 ended 49 Personal false failed engine_died 2023-11-14T22:30:07.123456Z
    8 ended 56 Group(["lab"]) false incomplete no_match 2023-11-14T22:30:08.123456Z
    9 ended 63 Public false timed_out job_timeout 2023-11-14T22:30:09.123456Z
    10 ended 70 Personal false too_slow host_resources 2023-11-14T22:30:10.123456Z
    11 ended 77 Group(["lab"]) false canceled engine_died 2023-11-14T22:30:11.123456Z
    12 ended 84 Public false skipped no_match 2023-11-14T22:30:12.123456Z
    "#);

    // Failures of the past are grouped, as far as their records go. Later layouts were told of each.
    if layout < 3 {
        let groups = store.failure_groups(99).await.unwrap();
        let samples: Vec<_> = groups.iter().map(|group| (group.count, group.sample.0)).collect();
        assert_eq!(samples, [(1, 10), (1, 9), (1, 8), (1, 7)], "latest first");
        let (_, failure) = store.failure(JobId(8)).await.unwrap().unwrap();
        assert_eq!((failure.code, failure.evidence), (Code::NoMatch, vec!["last line".into()]));
    }

    // The same made anew says the same, to the last field.
    let anew = folder.path().join("anew.redb");
    let (fresh, fresh_writer) = Store::open(&anew, StoreSettings::default()).unwrap();
    fill(&fresh).await;
    if layout > 1 {
        fill_holdings(&fresh).await;
    }
    for n in 1..=12 {
        let id = JobId(n);
        assert_eq!(store.job(id).await.unwrap(), fresh.job(id).await.unwrap(), "job {n}");
    }
    assert_eq!(store.counts().await.unwrap(), fresh.counts().await.unwrap());
    assert_eq!(store.totals().await.unwrap(), fresh.totals().await.unwrap());
    assert_eq!(store.samples().await.unwrap(), fresh.samples().await.unwrap());
    assert_eq!(store.unmeasured(99).await.unwrap(), fresh.unmeasured(99).await.unwrap());
    assert_eq!(store.leftovers(99).await.unwrap(), fresh.leftovers(99).await.unwrap());
    for what in Keepsake::ALL {
        let (old, new) = (store.removable(what, 99).await, fresh.removable(what, 99).await);
        assert_eq!(old.unwrap(), new.unwrap(), "{what}");
    }

    // What no layout before the third kept is learned from the records of its jobs.
    let jobs = fresh.measured_jobs(None, 99).await.unwrap();
    assert_eq!(jobs.len(), Verdict::ALL.len());
    assert_eq!(store.measured_jobs(None, 99).await.unwrap(), jobs);
    for one in jobs {
        let old = store.measured(one.job.clone(), None, 99).await.unwrap();
        let new = fresh.measured(one.job.clone(), None, 99).await.unwrap();
        assert_eq!(old, new, "{one:?}");
    }

    // It goes on where it stopped, and still knows what it has had.
    assert!(!store.submit(new(3)).await.unwrap().fresh);
    assert_eq!(store.submit(new(13)).await.unwrap().id, JobId(13));
    store.check_consistent().unwrap();
    fresh_writer.close().await;
    writer.close().await;
}

#[tokio::test]
#[ignore = "writes the golden file"]
async fn write_the_golden_store() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
    fill(&store).await;
    fill_holdings(&store).await;
    writer.close().await;
    let mut file = redb::Database::open(&path).unwrap();
    file.compact().unwrap();
    drop(file);
    let packed = zstd::encode_all(fs::File::open(&path).unwrap(), 19).unwrap();
    fs::write(golden(6), packed).unwrap();
}
