//! How fast the store takes jobs in, durable each of them, beside what the disk flushes; and how
//! fast it opens and reads when there are a million.

use std::{path::Path, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use sutler::{
    clock::Stopwatch,
    model::{JobId, JobState},
    store::{self, HistoryKey, Store, StoreSettings},
};

use crate::support::{
    disk::{flushes, per_second},
    figures::{Aim, Figure, Figures, Spread},
    million, work_folder,
};

/// How long each number of senders sends.
const LONG: Duration = Duration::from_secs(5);
const READS: u64 = 1_000;

pub(crate) fn run() {
    let mut figures = Figures::new("store");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(submissions(&mut figures));
    // Making it takes a runtime of its own.
    let million = million::data().join(store::FILE);
    runtime.block_on(reads(&million, &mut figures));
    figures.finish();
}

async fn submissions(figures: &mut Figures) {
    let folder = work_folder("store");
    let (store, writer) =
        Store::open(&folder.join(store::FILE), StoreSettings::default()).expect("a new store");
    for senders in [1, 16, 256] {
        let flushes = Spread::once(flushes(&folder));
        let rate = Spread::once(rate(&store, senders).await);
        let what = format!("durable submissions, {senders} at a time");
        let figure = Figure::new(what, "/s", rate).beside("fsync of this disk", flushes);
        figures.push(if senders == 16 { figure.aim(Aim::AtLeast(5_000.0)) } else { figure });
    }
    writer.close().await;
}

async fn rate(store: &Store, senders: u64) -> f64 {
    let since = Stopwatch::start();
    let since = &since;
    let sent = join_all((0..senders).map(|sender| async move {
        let mut sent = 0;
        while since.elapsed() < LONG {
            let job = million::job(sender * 1_000_000 + sent, Timestamp::now());
            store.submit(job).await.expect("the disk has room");
            sent += 1;
        }
        sent
    }))
    .await;
    per_second(sent.into_iter().sum(), since.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a file")]
async fn reads(path: &Path, figures: &mut Figures) {
    let bytes = std::fs::metadata(path).expect("the filled store").len();
    let each = Spread::once(bytes as f64 / million::JOBS as f64);
    figures.push(Figure::new("a job in the store of a million, all indexes", "B", each));
    let mut opened = Vec::new();
    for _ in 0..5 {
        let since = Stopwatch::start();
        let (store, writer) =
            Store::open(path, StoreSettings::default()).expect("the filled store");
        store.counts().await.expect("it reads");
        opened.push(millis(&since));
        writer.close().await;
    }
    figures.push(Figure::new("open a store of a million jobs", "ms", Spread::of(&opened)));

    let (store, writer) = Store::open(path, StoreSettings::default()).expect("the filled store");
    let depth = store.history(None, 1).await.expect("it reads").jobs;
    let middle = depth.first().and_then(|job| job.ended).unwrap_or_default()
        - jiff::SignedDuration::from_hours(24 * 14);
    let (mut jobs, mut front, mut deep, mut queue) = (vec![], vec![], vec![], vec![]);
    for n in 0..READS {
        let id = JobId(1 + n * 7_919 % million::JOBS);
        jobs.push(timed(store.job(id)).await);
        front.push(timed(store.history(None, 50)).await);
        deep.push(timed(store.history(Some(HistoryKey::before(middle)), 50)).await);
        queue.push(timed(store.jobs_in(JobState::Waiting, 100)).await);
    }
    for (what, times) in [
        ("read a job of a million, p99", jobs),
        ("read 50 newest ends of a million, p99", front),
        ("read 50 ends from the middle of a million, p99", deep),
        ("read an empty queue beside a million, p99", queue),
    ] {
        figures.push(Figure::new(what, "ms", Spread::p99(&times)).aim(Aim::AtMost(10.0)));
    }
    writer.close().await;
}

async fn timed<T>(work: impl Future<Output = T>) -> f64 {
    let since = Stopwatch::start();
    work.await;
    millis(&since)
}

fn millis(since: &Stopwatch) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
