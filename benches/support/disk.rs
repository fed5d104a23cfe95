//! What the disk gives: the limit beside what has to be durable.

use std::{
    fs::File,
    io::{Seek as _, Write as _},
    path::Path,
    time::Duration,
};

use sutler::clock::Stopwatch;

/// How often a second four kilobytes become durable.
pub(crate) fn flushes(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("flush")).expect("a bench can write to its folder");
    let page = [7; 4096];
    file.write_all(&page).and_then(|()| file.sync_all()).expect("the disk has room");
    let since = Stopwatch::start();
    let mut flushed = 0;
    while since.elapsed() < Duration::from_secs(2) {
        file.rewind().and_then(|()| file.write_all(&page)).expect("the disk has room");
        file.sync_data().expect("the disk flushes");
        flushed += 1;
    }
    per_second(flushed, since.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub(crate) fn per_second(amount: u64, time: Duration) -> f64 {
    amount as f64 / time.as_secs_f64()
}
