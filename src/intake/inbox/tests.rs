use std::{
    collections::BTreeMap,
    io::{Read, Seek, Write},
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::{TempDir, tempdir};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::{
    intake::{Content, Explanation, Found, take::Point},
    model::{
        Conditions, Digest, IntakeKey, Job, JobId, JobState, Lineage, Needs, NewJob, Priority,
        Visibility, WayIn,
    },
    store::{Store, StoreError, StoreSettings, Submitted, Writer},
    tasks::Tasks,
};

/// Takes a file's first line, or `job.yaml` of a folder, for the job's name. Refuses what begins
/// with `bad`, and everything while there is no `room`.
#[derive(Clone)]
struct Names {
    room: Arc<AtomicBool>,
    store: Store,
}

impl Examine for Names {
    async fn enter(&self, job: NewJob) -> Result<Submitted, StoreError> {
        self.store.submit(job).await
    }

    fn examine(&self, found: Found) -> Result<NewJob, Explanation> {
        let mut text = String::new();
        let read = match found.content {
            Content::File(mut file) => file.read_to_string(&mut text).map(drop),
            Content::Folder => {
                fs::read_to_string(found.path.join("job.yaml")).map(|read| text = read)
            }
        };
        read.map_err(|error| Explanation::Refused(error.to_string()))?;
        if text.starts_with("bad") {
            return Err(Explanation::Refused(format!("line 1: {text:?} is bad")));
        }
        if !self.room.load(Ordering::Relaxed) {
            return Err(Explanation::NotNow("no room".into()));
        }
        Ok(NewJob {
            uuid: Uuid::now_v7(),
            name: text.clone(),
            definition_hash: Digest::of(text.as_bytes()),
            definition: text,
            bundle: Digest::of(b"x"),
            submitter: found.submitter,
            way_in: WayIn::Command,
            submitted: crate::clock::now(),
            priority: Priority::MEDIUM,
            device_type: "qemu".into(),
            tags: vec![],
            settings: BTreeMap::new(),
            metadata: BTreeMap::new(),
            visibility: Visibility::Public,
            stream: None,
            needs: Needs { memory_mib: 1, cores: 1, at_most: Duration::from_secs(1) },
            conditions: Conditions::default(),
            lineage: Lineage::default(),
            idempotency: None,
            intake_key: None,
        })
    }
}

/// An inbox and a store, which outlive the appliance that serves them.
struct Lab {
    folder: TempDir,
    store: Store,
    writer: Writer,
    room: Arc<AtomicBool>,
}

/// An appliance that serves the inbox.
struct Served {
    stop: CancellationToken,
    done: JoinHandle<Result<(), Died>>,
    trouble: watch::Receiver<Option<String>>,
}

impl Served {
    async fn stop(self) {
        self.stop.cancel();
        self.done.await.unwrap().unwrap();
    }
}

impl Lab {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let settings = StoreSettings { cache_bytes: 1 << 20 };
        let (store, writer) = Store::open(&folder.path().join("store"), settings).unwrap();
        fs::create_dir(folder.path().join("inbox")).unwrap();
        Self { folder, store, writer, room: Arc::new(AtomicBool::new(true)) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("inbox").join(name)
    }

    fn serve(&self, fault: Option<Point>) -> Served {
        let settings = InboxSettings { folder: self.path(""), keep_rejected: 1000 };
        let names = Names { room: self.room.clone(), store: self.store.clone() };
        let mut inbox = Inbox::open_with(settings, names, Faults(fault)).unwrap();
        inbox.settle = Settle::new(Duration::from_millis(50));
        let trouble = inbox.trouble();
        let stop = CancellationToken::new();
        let done = Tasks::new(stop.clone()).spawn(inbox.serve(stop.clone()));
        Served { stop, done, trouble }
    }

    /// Moves a whole file in, as well-behaved programs do.
    fn drop_file(&self, name: &str, text: &str) {
        let outside = self.folder.path().join(name);
        fs::write(&outside, text).unwrap();
        fs::rename(outside, self.path(name)).unwrap();
    }

    async fn jobs(&self) -> Vec<Job> {
        self.store.jobs_in(JobState::Waiting, usize::MAX).await.unwrap()
    }

    async fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.jobs().await.into_iter().map(|job| job.name).collect();
        names.sort();
        names
    }

    async fn until_jobs(&self, count: u64) {
        let waiting = JobState::Waiting;
        let come = || async { self.store.counts().await.unwrap().state(waiting) == count };
        until(|| async { come().await && self.is_empty() }).await;
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.path("")).unwrap().all(|entry| entry.unwrap().file_name() == "rejected")
    }

    fn why(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("rejected").join(format!("{name}.why.txt"))).ok()
    }

    async fn close(self) {
        self.store.check_consistent().unwrap();
        self.writer.close().await;
    }
}

/// The disk tells a test of nothing, so it has to ask.
async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.expect("it becomes so in time");
}

#[tokio::test]
async fn what_lands_becomes_a_job_of_its_owner() {
    let lab = Lab::new();
    let served = lab.serve(None);
    lab.drop_file("moved.yaml", "moved");
    fs::write(lab.path("written.yaml"), "written").unwrap();
    let folder = lab.folder.path().join("bundle");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("job.yaml"), "folder").unwrap();
    fs::rename(folder, lab.path("bundle")).unwrap();
    lab.until_jobs(3).await;

    assert_eq!(lab.names().await, ["folder", "moved", "written"]);
    let uid = fs::metadata(lab.folder.path()).unwrap().uid();
    for job in lab.jobs().await {
        assert_eq!((job.submitter.uid, job.way_in), (Some(uid), WayIn::Inbox));
    }
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn what_lay_there_before_is_taken_once_it_keeps_still() {
    let lab = Lab::new();
    fs::write(lab.path("early.yaml"), "early").unwrap();
    fs::write(lab.path("half.yaml.part"), "half").unwrap();
    fs::write(lab.path(".hidden"), "hidden").unwrap();
    let served = lab.serve(None);
    until(|| async { !lab.path("early.yaml").exists() }).await;
    assert_eq!(lab.names().await, ["early"]);
    assert!(lab.path("half.yaml.part").exists() && lab.path(".hidden").exists());

    fs::rename(lab.path("half.yaml.part"), lab.path("half.yaml")).unwrap();
    until(|| async { !lab.path("half.yaml").exists() }).await;
    assert_eq!(lab.names().await, ["early", "half"]);
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn a_file_that_is_being_written_is_waited_for() {
    let lab = Lab::new();
    let served = lab.serve(None);
    lab.drop_file("first.yaml", "now it is watched");
    lab.until_jobs(1).await;
    let mut slow = fs::File::create(lab.path("slow.yaml")).unwrap();
    slow.write_all(b"bad half, ").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(lab.path("slow.yaml").exists() && lab.why("slow.yaml").is_none());
    slow.set_len(0).unwrap();
    slow.rewind().unwrap();
    slow.write_all(b"whole").unwrap();
    drop(slow);
    lab.until_jobs(2).await;
    assert_eq!(lab.names().await, ["now it is watched", "whole"]);
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn what_is_refused_is_set_aside_with_the_reason() {
    let lab = Lab::new();
    let served = lab.serve(None);
    lab.drop_file("a.yaml", "bad");
    until(|| async { lab.path("rejected/a.yaml").exists() }).await;
    assert_eq!(lab.why("a.yaml").unwrap(), "line 1: \"bad\" is bad\n");

    symlink("/etc/hostname", lab.path("link.yaml")).unwrap();
    let pipe = rustix::fs::CWD;
    rustix::fs::mknodat(
        pipe,
        lab.path("pipe.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    until(|| async { lab.is_empty() }).await;
    assert!(lab.why("link.yaml").unwrap().contains("symbolic link"));
    assert!(lab.why("pipe.yaml").unwrap().contains("a pipe"));
    assert!(fs::symlink_metadata(lab.path("rejected/link.yaml")).unwrap().is_symlink());
    assert!(lab.jobs().await.is_empty());
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn a_thousand_at_once_are_a_thousand_jobs() {
    let lab = Lab::new();
    let served = lab.serve(None);
    let since = Stopwatch::start();
    for n in 0..1000 {
        lab.drop_file(&format!("{n}.yaml"), &format!("{n}"));
    }
    lab.until_jobs(1000).await;
    eprintln!("took 1000 files in {:?}", since.elapsed());
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn the_same_bytes_dropped_again_are_another_job() {
    let lab = Lab::new();
    let served = lab.serve(None);
    lab.drop_file("a.yaml", "same");
    lab.until_jobs(1).await;
    lab.drop_file("a.yaml", "same");
    lab.until_jobs(2).await;
    served.stop().await;
    lab.close().await;
}

#[tokio::test]
async fn wherever_the_appliance_dies_it_is_one_job() {
    for point in [Point::Examined, Point::Committed, Point::Renamed] {
        let lab = Lab::new();
        let dying = lab.serve(Some(point));
        lab.drop_file("a.yaml", "once");
        assert_eq!(dying.done.await.unwrap(), Err(Died), "{point:?}");
        assert!(!lab.is_empty(), "{point:?}");

        let served = lab.serve(None);
        lab.until_jobs(1).await;
        let jobs = lab.jobs().await;
        assert_eq!(jobs[0].id, JobId(1), "{point:?}");
        served.stop().await;
        lab.close().await;
    }
}

#[tokio::test]
async fn what_cannot_be_kept_stays_until_it_can() {
    let lab = Lab::new();
    lab.room.store(false, Ordering::Relaxed);
    let served = lab.serve(None);
    lab.drop_file("a.yaml", "patient");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(lab.path("a.yaml").exists());
    lab.room.store(true, Ordering::Relaxed);
    lab.until_jobs(1).await;
    served.stop().await;

    let served = lab.serve(None);
    let Lab { folder, writer, .. } = lab;
    writer.close().await;
    let file = folder.path().join("inbox/b.yaml");
    fs::write(&file, "the store is closed").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(file.exists());
    served.stop().await;
}

#[tokio::test]
async fn an_inbox_that_vanishes_is_made_again() {
    let lab = Lab::new();
    let served = lab.serve(None);
    lab.drop_file("a.yaml", "before");
    lab.until_jobs(1).await;
    for round in 2..4 {
        let mut trouble = served.trouble.clone();
        if round == 2 {
            fs::remove_dir_all(lab.path("")).unwrap();
        } else {
            fs::rename(lab.path(""), lab.folder.path().join("elsewhere")).unwrap();
        }
        trouble
            .wait_for(|words| words.as_deref().is_some_and(|w| w.contains("vanished")))
            .await
            .unwrap();
        trouble.wait_for(Option::is_none).await.unwrap();
        lab.drop_file("b.yaml", "after");
        lab.until_jobs(round).await;
    }
    served.stop().await;
    lab.close().await;
}

#[test]
fn another_file_that_took_the_name_is_not_removed() {
    let folder = tempdir().unwrap();
    let (inbox, name) = (folder.path(), std::ffi::OsStr::new("a.yaml"));
    fs::write(inbox.join(name), "another").unwrap();
    let key = IntakeKey { device: 0, inode: 1, ctime_ns: 0, hash: Digest::of(b"") };
    let removed = crate::intake::take::remove(inbox, name, key.inode, Faults::default());
    removed.unwrap().unwrap();
    assert_eq!(fs::read_to_string(inbox.join(name)).unwrap(), "another");

    // Nor when the appliance died in the middle of finding that out.
    fs::rename(inbox.join(name), inbox.join(".taken-1-a.yaml")).unwrap();
    finish_all(inbox).unwrap();
    assert_eq!(fs::read_to_string(inbox.join(name)).unwrap(), "another");
}
