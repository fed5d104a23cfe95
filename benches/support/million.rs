//! A data folder with as many jobs as a busy lab leaves in years, made once and used again.
//!
//! The jobs take the way real ones take, so the file is as an appliance leaves it: submitted, ended,
//! measured, a few hundred to a commit. All ended within the last weeks, so that retention has
//! nothing to do while something is measured.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sutler::{
    model::{
        Candidate, Cause, Code, Conditions, Digest, Event, Fact, JobId, Level, Lineage, Needs,
        NewJob, Outcome, Part, PartDuration, Priority, Submitter, Verdict, Visibility, WayIn, Who,
        samples_of_parts,
    },
    store::{self, Change, Store, StoreSettings},
};
use uuid::Uuid;

pub(crate) const JOBS: u64 = 1_000_000;

/// Seconds between two ends.
const APART: i64 = 2;
/// Requests at a time, as many as share a commit.
const STEP: usize = 256;
/// Jobs come from this many bundles.
const BUNDLES: u64 = 500;
/// The one job that has left an event log, which is a long one.
pub(crate) const WITH_LOG: JobId = JobId(JOBS - 100);
/// Its steps; the installer scenario has 26.
const STEPS: u64 = 300;

const DEFINITION: &str = include_str!("../../assets/demo/installer/job.yaml");

/// The data folder. Anything in it may be changed by an appliance that runs on it.
pub(crate) fn data() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join("million");
    let whole = folder.join("whole");
    if !whole.exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written");
        println!("filling a store with {JOBS} jobs, once");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        runtime.block_on(fill(&folder.join(store::FILE)));
        write_log(&folder);
        fs::write(whole, "").expect("the target folder can be written");
    }
    folder
}

async fn fill(path: &Path) {
    let settings = StoreSettings { cache_bytes: 512 << 20 };
    let (store, writer) = Store::open(path, settings).expect("a new store");
    let last = Timestamp::now();
    let mut n = 0;
    while n < JOBS {
        let some: Vec<u64> = (n..JOBS.min(n + STEP as u64)).collect();
        n += some.len() as u64;
        let at =
            |n: u64| last - SignedDuration::from_secs(APART * i64::try_from(JOBS - n).unwrap_or(0));
        let given = join_all(some.iter().map(|n| store.submit(job(*n, at(*n))))).await;
        let ids: Vec<JobId> = given.into_iter().map(|given| given.expect("kept").id).collect();
        let ends = ids.iter().map(|id| store.change(*id, end(id.0, at(id.0))));
        join_all(ends).await.into_iter().for_each(|done| drop(done.expect("ended")));
        let measured = Change::Measured { video_bytes: 3 << 20, results_bytes: 200 << 10 };
        let sizes = ids.iter().map(|id| store.change(*id, measured.clone()));
        join_all(sizes).await.into_iter().for_each(|done| drop(done.expect("measured")));
    }
    writer.close().await;
}

/// Number `n` of the jobs.
pub(crate) fn job(n: u64, submitted: Timestamp) -> NewJob {
    let bundle = Digest::of(&(n % BUNDLES).to_le_bytes());
    NewJob {
        uuid: Uuid::new_v4(),
        name: format!("debian installer asks the right questions, build {}", 20_230_000 + n % 977),
        definition: DEFINITION.into(),
        definition_hash: Digest::of(DEFINITION.as_bytes()),
        bundle,
        submitter: Submitter {
            uid: Some(1000),
            name: ["ada", "grace", "linus"][index(n, 3)].into(),
        },
        way_in: WayIn::Command,
        submitted,
        priority: Priority(u8::try_from(n * 7 % 101).unwrap_or(50)),
        device_type: "qemu-x86_64".into(),
        tags: vec!["uefi".into()],
        settings: BTreeMap::from([("LANG_ROW".into(), "English".into())]),
        metadata: BTreeMap::from([("build".into(), (20_230_000 + n % 977).to_string())]),
        visibility: Visibility::Public,
        stream: Some("/public/team/installer/".into()),
        needs: Needs { memory_mib: 1024, cores: 1, at_most: Duration::from_secs(900) },
        conditions: Conditions::default(),
        lineage: Lineage::default(),
        idempotency: None,
        intake_key: None,
    }
}

fn end(n: u64, at: Timestamp) -> Change {
    let verdict = match n % 20 {
        0 => Verdict::Incomplete,
        1 | 2 => Verdict::Failed,
        3 => Verdict::TimedOut,
        _ => Verdict::Passed,
    };
    let words = "no needle with tags installer-country matched within 30 s";
    let parts = [Part::Deploy, Part::Boot, Part::Test, Part::Collect];
    let parts: Vec<_> =
        parts.map(|part| PartDuration { part, name: part.name().into(), millis: n }).into();
    Change::Ended {
        at,
        verdict,
        cause: (verdict != Verdict::Passed).then(|| Cause::new(Who::Guest, Code::NoMatch, words)),
        backend: serde_json::Map::from_iter([("acceleration".into(), "kvm".into())]),
        load: None,
        samples: samples_of_parts(&parts),
        parts,
    }
}

fn index(n: u64, of: u64) -> usize {
    usize::try_from(n % of).unwrap_or(0)
}

/// A long run's log, as an engine writes it.
fn write_log(data: &Path) {
    let folder = data.join("jobs").join(WITH_LOG.to_string());
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let mut facts =
        vec![Fact::PartStarted { part: Part::Test, name: "screen".into(), expected_ms: None }];
    for n in 0..STEPS {
        let path = format!("2/{n}");
        let shown = Digest::of(&n.to_le_bytes());
        facts.push(Fact::StepStarted {
            path: path.clone(),
            verb: "assert_screen".into(),
            subject: "installer-language".into(),
        });
        facts.push(Fact::Log { level: Level::Info, text: format!("looking for number {n}") });
        facts.push(Fact::Screen {
            path: path.clone(),
            frame: n,
            sha256: shown,
            file: format!("screens/{shown}.png"),
            width: 800,
            height: 600,
        });
        facts.push(Fact::Match {
            path: path.clone(),
            needle: Some("installer-language".into()),
            tags: "installer-language".into(),
            candidates: (0..3).map(candidate).collect(),
        });
        facts.push(Fact::Console {
            stream: "serial0".into(),
            file: "serial0.txt".into(),
            offset: n * 100,
        });
        facts.push(Fact::StepEnded {
            path,
            result: Outcome::Ok,
            took_ms: 500,
            words: String::new(),
        });
        facts.push(Fact::Progress { done: u32::try_from(n).unwrap_or(0), total: 300 });
    }
    let mut log = fs::File::create(folder.join("events.jsonl")).expect("the folder can be written");
    for (fact, seq) in facts.into_iter().zip(1..) {
        let event = Event { seq, mono_us: seq * 90_000, wall: Timestamp::now(), fact };
        let line = serde_json::to_string(&event).expect("plain data always prints");
        writeln!(log, "{line}").expect("the folder can be written");
    }
    fs::write(folder.join("serial0.txt"), "login: \n".repeat(4_000)).expect("as above");
}

fn candidate(n: u32) -> Candidate {
    Candidate {
        needle: format!("installer-language-{n}"),
        hash: Digest::of(b"needle"),
        ok: n == 0,
        error: 0.01,
        areas: Vec::new(),
        tags: vec!["installer-language".into()],
        workaround: None,
        expected: None,
    }
}
