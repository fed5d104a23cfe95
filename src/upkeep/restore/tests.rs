use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use tempfile::{TempDir, tempdir};
use uuid::Uuid;

use super::*;
use crate::{
    model::Digest,
    store::Writer,
    supervise::JobFolder,
    upkeep::{self, Contents, Without, samples::new_job},
};

/// A data folder in use.
struct Place {
    folder: TempDir,
    store: Store,
    writer: Writer,
}

impl Place {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let bundle = Digest::of(b"bundle").to_string();
        for name in ["jobs", "staging", &format!("bundles/{bundle}")] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("bundles").join(bundle).join("job.yaml"), "x").unwrap();
        let path = folder.path().join(store::FILE);
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        Self { folder, store, writer }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A job that has started and written something, and, if so asked, ended.
    async fn job(&self, has_ended: bool) -> JobId {
        run(&self.store, self.path(), has_ended).await
    }

    async fn backup(&self, without: Without) -> PathBuf {
        let file = self.path().join(format!("{}.tar.zst", Uuid::new_v4()));
        let snapshot = upkeep::snapshot(&self.store, self.path()).await.unwrap();
        let (copy, writer) = Store::open(&snapshot, StoreSettings::default()).unwrap();
        let (jobs, last) = (copy.counts().await.unwrap().all(), copy.last_job().await.unwrap());
        writer.close().await;
        let contents = Contents::list(self.path(), last, without).unwrap();
        let manifest = Manifest::new(clock::now(), jobs, without);
        let out = File::create_new(&file).unwrap();
        let mut told = 0;
        let count = &mut |bytes| told += bytes;
        upkeep::write(out, self.path(), &snapshot, &contents, manifest, count).unwrap();
        assert!(told >= contents.bytes());
        fs::remove_file(snapshot).unwrap();
        file
    }
}

async fn run(store: &Store, data: &Path, has_ended: bool) -> JobId {
    let id = store.submit(new_job(Digest::of(b"bundle"), clock::now())).await.unwrap().id;
    let started = Change::Started { at: clock::now(), device: None, decision: None };
    store.change(id, started).await.unwrap();
    let folder = JobFolder::new(data, id);
    fs::create_dir(folder.path()).unwrap();
    fs::write(folder.file(JobFolder::EVENTS), format!("events of {id}")).unwrap();
    fs::write(folder.file(JobFolder::VIDEO), vec![7; 9_000]).unwrap();
    fs::write(folder.file("disk.qcow2"), "only while it runs").unwrap();
    if has_ended {
        let ended = Change::Ended {
            at: clock::now(),
            verdict: Verdict::Passed,
            cause: None,
            backend: serde_json::Map::new(),
            load: None,
            parts: Vec::new(),
            samples: Vec::new(),
        };
        store.change(id, ended).await.unwrap();
        let measured = Change::Measured { video_bytes: 9_000, results_bytes: 20 };
        store.change(id, measured).await.unwrap();
    }
    id
}

async fn restore_file(file: &Path, data: &Path) -> Result<Restored, RestoreError> {
    restore(File::open(file).unwrap(), data, &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_a_backup_under_load_is_in_it() {
    let place = Place::new();
    let running = place.job(false).await;
    let enough = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let load = {
        let (enough, acknowledged) = (enough.clone(), acknowledged.clone());
        let (store, data) = (place.store.clone(), place.path().to_path_buf());
        async move {
            while !enough.load(Ordering::Relaxed) {
                let id = run(&store, &data, true).await;
                acknowledged.lock().unwrap().push(id);
            }
        }
    };
    let backup = async {
        while acknowledged.lock().unwrap().len() < 20 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.lock().unwrap().clone();
        let file = place.backup(Without::default()).await;
        enough.store(true, Ordering::Relaxed);
        (before, file)
    };
    let ((), (before, file)) = tokio::join!(load, backup);

    let data = place.path().join("restored");
    let restored = restore_file(&file, &data).await.unwrap();
    let (store, writer) = Store::open(&data.join(store::FILE), StoreSettings::default()).unwrap();
    for id in before {
        let (was, is) = (place.store.job(id).await.unwrap(), store.job(id).await.unwrap());
        assert_eq!(was, is, "job {id}");
        let events = JobFolder::new(&data, id).file(JobFolder::EVENTS);
        assert_eq!(fs::read_to_string(events).unwrap(), format!("events of {id}"));
        assert!(!JobFolder::new(&data, id).file("disk.qcow2").exists());
    }
    assert!(restored.cut_off.contains(&running));
    let cut_off = store.job(running).await.unwrap().unwrap();
    assert_eq!((cut_off.state, cut_off.verdict), (JobState::Ended, Some(Verdict::Incomplete)));
    assert_eq!(cut_off.cause.unwrap().code, Code::Restored);
    let bundle = Digest::of(b"bundle").to_string();
    assert!(data.join("bundles").join(bundle).join("job.yaml").exists());
    // It goes on where it stopped.
    assert!(
        store.submit(new_job(Digest::of(b"bundle"), clock::now())).await.unwrap().id.0
            > store.counts().await.unwrap().all() - 1
    );
    writer.close().await;
    place.writer.close().await;
}

#[tokio::test]
async fn a_backup_that_is_cut_or_changed_is_refused_and_leaves_no_store() {
    let place = Place::new();
    place.job(true).await;
    let whole = fs::read(place.backup(Without::default()).await).unwrap();
    place.writer.close().await;
    let file = place.folder.path().join("damaged");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let cut = |part: usize| whole[..whole.len() * part / 10].to_vec();
    for (case, bytes) in [
        ("empty", Vec::new()),
        ("cut early", cut(1)),
        ("cut late", cut(9)),
        ("its last byte missing", whole[..whole.len() - 1].to_vec()),
        ("a bit turned", changed),
    ] {
        fs::write(&file, bytes).unwrap();
        let data = place.folder.path().join(case);
        let refused = restore_file(&file, &data).await;
        assert!(refused.is_err(), "{case}");
        assert!(fs::read_dir(&data).unwrap().next().is_none(), "{case}");
    }
}

#[tokio::test]
async fn what_is_left_out_is_told_on_the_job() {
    let place = Place::new();
    let id = place.job(true).await;
    for (without, video, results) in [
        (Without { videos: true, results: false }, false, true),
        (Without { videos: true, results: true }, false, false),
    ] {
        let file = place.backup(without).await;
        let data = place.path().join(format!("restored-{results}"));
        restore_file(&file, &data).await.unwrap();
        let folder = JobFolder::new(&data, id);
        assert_eq!(folder.file(JobFolder::VIDEO).exists(), video);
        assert_eq!(folder.file(JobFolder::EVENTS).exists(), results);
        let (store, writer) =
            Store::open(&data.join(store::FILE), StoreSettings::default()).unwrap();
        let removed = store.job(id).await.unwrap().unwrap().holdings.removed;
        assert_eq!(removed[0].rule, Rule::NotInBackup);
        assert_eq!(removed[0].what == Keepsake::Video, results);
        writer.close().await;
    }
    place.writer.close().await;
}

#[tokio::test]
async fn a_screen_of_two_jobs_is_copied_once_and_is_one_file_again() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let name = format!("{}.png", Digest::of(b"screen"));
    let shelf = format!("screens/{}/{name}", &name[..2]);
    let mut names = vec![shelf.clone()];
    fs::create_dir_all(place.path().join(&shelf).parent().unwrap()).unwrap();
    let noise: Vec<u8> =
        (0..50_000_u64).map(|n| ((n * n * 2_654_435_761) >> 16).to_le_bytes()[0]).collect();
    fs::write(place.path().join(&shelf), &noise).unwrap();
    for _ in 0..6 {
        let id = place.job(true).await;
        names.push(format!("jobs/{id}/screens/{name}"));
        let own = place.path().join(names.last().unwrap());
        fs::create_dir_all(own.parent().unwrap()).unwrap();
        fs::hard_link(place.path().join(&shelf), own).unwrap();
    }
    let file = place.backup(Without::default()).await;
    assert!(fs::metadata(&file).unwrap().len() < 100_000, "once, not seven times");
    let data = place.path().join("restored");
    let restored = restore_file(&file, &data).await.unwrap();
    let inodes: std::collections::BTreeSet<_> =
        names.iter().map(|name| fs::metadata(data.join(name)).unwrap().ino()).collect();
    assert_eq!(inodes.len(), 1);
    assert_eq!(fs::read(data.join(&shelf)).unwrap(), noise);
    let told = restored.manifest.files.iter().filter(|entry| entry.path.ends_with(&name));
    assert_eq!(told.count(), 7, "every name is checked");
    place.writer.close().await;
}

#[tokio::test]
async fn no_name_is_given_to_a_file_from_elsewhere() {
    let place = tempdir().unwrap();
    let secret = place.path().join("secret");
    fs::write(&secret, "x").unwrap();
    for target in [secret.to_str().unwrap(), "jobs/1/events.jsonl"] {
        let file = place.path().join("hostile.tar.zst");
        let mut tar = tar::Builder::new(zstd::Encoder::new(Vec::new(), 1).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_entry_type(tar::EntryType::Link);
        tar.append_link(&mut header, "jobs/1/screens/x.png", target).unwrap();
        fs::write(&file, tar.into_inner().unwrap().finish().unwrap()).unwrap();
        let data = place.path().join("restored");
        let refused = restore_file(&file, &data).await;
        assert!(matches!(refused, Err(RestoreError::Foreign { .. })), "{target}: {refused:?}");
        fs::remove_dir_all(data).unwrap();
    }
}

#[tokio::test]
async fn nothing_is_restored_over_anything() {
    let place = Place::new();
    let file = place.backup(Without::default()).await;
    let refused = restore_file(&file, place.path()).await;
    assert!(matches!(refused, Err(RestoreError::NotEmpty { .. })));
    place.writer.close().await;
}

#[test]
fn a_backup_writes_only_where_backups_do() {
    for fine in ["sutler.redb", "jobs/7/events.jsonl", "bundles/x/job.yaml", "screens/aa/x.png"] {
        assert!(allowed(fine).is_ok(), "{fine}");
    }
    for foreign in ["/etc/passwd", "../x", "jobs/../../x", "jobs/./x/..", "acceleration.json", ""] {
        assert!(allowed(foreign).is_err(), "{foreign}");
    }
}
