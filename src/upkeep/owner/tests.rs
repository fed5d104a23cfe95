use std::{fs, path::Path};

use tempfile::{TempDir, tempdir};

use super::*;
use crate::{
    job_file::bundle::{Limits, Source, accept},
    model::*,
    store::{StoreSettings, Writer},
    supervise::JobFolder,
    upkeep::samples::new_job,
};

/// A data folder with jobs that ended some days ago.
struct Place {
    folder: TempDir,
    store: Store,
    writer: Writer,
}

const FOREVER: Retention =
    Retention { videos: None, results: None, records: None, least_free_mib: 0, most_mib: None };

fn days(days: u64) -> Option<Duration> {
    Some(Duration::from_secs(days * 86_400))
}

impl Place {
    async fn new() -> Self {
        let folder = tempdir().unwrap();
        for name in ["jobs", "bundles", "staging"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let path = folder.path().join(store::FILE);
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        let place = Self { folder, store, writer };
        for days_ago in [40, 20, 1] {
            place.add(days_ago).await;
        }
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A job of a bundle of its own, with a video and results.
    async fn add(&self, days_ago: i64) -> JobId {
        let source = self.path().join(format!("job-{days_ago}"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("job.yaml"), format!("job_name: {days_ago}\n")).unwrap();
        fs::write(source.join("disk.img"), "x").unwrap();
        let bundles = self.path().join("bundles");
        let accepted = accept(Source::Folder(source), &bundles, Limits::default()).unwrap();
        let at = clock::now() - SignedDuration::from_hours(24 * days_ago);
        let id = self.store.submit(new_job(accepted.bundle, at)).await.unwrap().id;
        let folder = JobFolder::new(self.path(), id);
        fs::create_dir_all(folder.path()).unwrap();
        fs::write(folder.file(JobFolder::VIDEO), vec![1; 500_000]).unwrap();
        fs::write(folder.file(JobFolder::EVENTS), vec![1; 5_000]).unwrap();
        let end = Change::Ended {
            at,
            verdict: Verdict::Passed,
            cause: None,
            backend: serde_json::Map::new(),
            load: None,
            parts: Vec::new(),
            samples: Vec::new(),
        };
        self.store.change(id, end).await.unwrap();
        id
    }

    /// One round of upkeep, as after a start.
    async fn round(&self, keep: Retention) -> Timestamp {
        let stop = CancellationToken::new();
        let data = self.path().to_path_buf();
        let mut upkeep = Upkeep::new(self.store.clone(), data, keep, stop).unwrap();
        let again = upkeep.round().await.unwrap();
        upkeep.background.close().await;
        self.store.check_consistent().unwrap();
        again
    }

    /// `1v 1r` for a job 1 with a video and results.
    fn there(&self) -> String {
        let mut found = Vec::new();
        for id in 1..9 {
            let folder = JobFolder::new(self.path(), JobId(id));
            for (file, mark) in [(JobFolder::VIDEO, 'v'), (JobFolder::EVENTS, 'r')] {
                if folder.file(file).exists() {
                    found.push(format!("{id}{mark}"));
                }
            }
        }
        found.join(" ")
    }

    fn bundles(&self) -> usize {
        fs::read_dir(self.path().join("bundles")).unwrap().count()
    }

    /// Nobody has come for any bundle for long.
    fn age_bundles(&self) {
        for entry in fs::read_dir(self.path().join("bundles")).unwrap() {
            let folder = fs::File::open(entry.unwrap().path()).unwrap();
            folder.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_too_old_goes_with_its_bundle_and_the_record_says_why() {
    let place = Place::new().await;
    assert_eq!(place.there(), "1v 1r 2v 2r 3v 3r");
    let month = Retention { videos: days(10), results: days(30), ..FOREVER };
    let again = place.round(month).await;
    assert_eq!(place.there(), "2r 3v 3r");
    let expected = clock::now() + SignedDuration::from_hours(24 * 9);
    assert!(again.duration_since(expected).abs() < SignedDuration::from_mins(1), "{again}");

    let job = place.store.job(JobId(2)).await.unwrap().unwrap();
    let removal = job.holdings.removal(Keepsake::Video).unwrap();
    assert_eq!(removal.rule, Rule::age(Duration::from_secs(10 * 86_400)));
    assert!(removal.bytes >= 500_000);
    let totals = place.store.totals().await.unwrap();
    assert!(totals.videos >= 500_000 && totals.videos < 600_000, "{totals:?}");
    assert!(totals.added_videos >= 1_500_000, "{totals:?}");

    // Its bundle came a moment ago and stays; nobody comes for it, and it goes.
    assert_eq!(place.bundles(), 3);
    place.age_bundles();
    place.round(month).await;
    assert_eq!(place.bundles(), 2);
    place.writer.close().await;
}

#[tokio::test]
async fn a_kept_job_stays_whatever_its_age_until_it_is_released() {
    let place = Place::new().await;
    let kept = Kept { by: "ada".into(), at: clock::now() };
    place.store.change(JobId(1), Change::Kept(Some(kept))).await.unwrap();
    let nothing = Retention { results: Some(Duration::ZERO), most_mib: Some(0), ..FOREVER };
    place.round(nothing).await;
    assert_eq!(place.there(), "1v 1r");
    place.store.change(JobId(1), Change::Kept(None)).await.unwrap();
    place.round(nothing).await;
    assert_eq!(place.there(), "");
    place.writer.close().await;
}

#[tokio::test]
async fn the_oldest_videos_go_before_their_time_when_there_is_too_much() {
    let place = Place::new().await;
    let one_mib = Retention { most_mib: Some(1), ..FOREVER };
    place.round(one_mib).await;
    assert_eq!(place.there(), "1r 2v 2r 3v 3r");
    let job = place.store.job(JobId(1)).await.unwrap().unwrap();
    assert_eq!(job.holdings.removed[0].rule, Rule::Most { limit_mib: 1 });
    place.writer.close().await;
}

#[tokio::test]
async fn what_a_crash_left_half_removed_is_finished_at_the_next_start() {
    let place = Place::new().await;
    place.round(FOREVER).await;
    // Durable, and then the power went.
    let rule = Rule::Most { limit_mib: 1 };
    for (id, what) in [(1, Keepsake::Video), (2, Keepsake::Results)] {
        let change = Change::Removed { what, at: clock::now(), rule };
        place.store.change(JobId(id), change).await.unwrap();
    }
    fs::remove_file(JobFolder::new(place.path(), JobId(2)).file(JobFolder::VIDEO)).unwrap();
    assert_eq!(place.there(), "1v 1r 2r 3v 3r");
    place.round(FOREVER).await;
    assert_eq!(place.there(), "1r 3v 3r");
    assert!(place.store.leftovers(9).await.unwrap().is_empty());
    place.writer.close().await;
}

#[tokio::test]
async fn records_go_when_their_time_has_come_and_all_their_files_with_them() {
    let place = Place::new().await;
    place.round(Retention { records: days(30), ..FOREVER }).await;
    assert_eq!(place.there(), "2v 2r 3v 3r");
    assert_eq!(place.store.job(JobId(1)).await.unwrap(), None);
    assert_eq!(place.store.counts().await.unwrap().all(), 2);
    place.writer.close().await;
}

#[tokio::test]
async fn nothing_is_removed_while_a_backup_copies_it() {
    let place = Place::new().await;
    let snapshot = place.path().join("staging").join(format!("{}x", files::SNAPSHOT));
    fs::write(&snapshot, "").unwrap();
    let nothing = Retention { results: Some(Duration::ZERO), ..FOREVER };
    place.round(nothing).await;
    assert_eq!(place.there(), "1v 1r 2v 2r 3v 3r");
    fs::remove_file(snapshot).unwrap();
    place.round(nothing).await;
    assert_eq!(place.there(), "");
    place.writer.close().await;
}

#[tokio::test]
async fn the_use_of_the_disk_is_written_down_and_thinned_out() {
    let place = Place::new().await;
    place.round(FOREVER).await;
    place.round(FOREVER).await;
    let samples = place.store.samples().await.unwrap();
    assert_eq!(samples.len(), 1, "once an hour");
    let now = clock::now();
    let past: Vec<_> = (0..24 * 500)
        .map(|hours| DiskSample { at: now - SignedDuration::from_hours(hours), ..samples[0] })
        .rev()
        .collect();
    let dropped = superfluous(now, &past);
    let left = past.len() - dropped.len();
    assert!((400..=400 + 3 + 48).contains(&left), "{left}");
    place.writer.close().await;
}
