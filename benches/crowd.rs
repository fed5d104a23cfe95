//! The appliance while a hundred thousand jobs wait: how soon it answers, how fast its queue and its plan
//! are, how fast one more job is taken in, and what all of that takes of the memory.

use std::{fs, path::Path};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use sutler::{
    clock::Stopwatch,
    store::{self, Store, StoreSettings},
};

use crate::support::{
    browser::Browser,
    figures::{Aim, Figure, Figures, Spread},
    million, must, processes,
    sutler::Appliance,
    work_folder,
};

const WAITING: u64 = 100_000;
/// Requests at a time, as many as share a commit.
const STEP: usize = 256;
const SUBMITTED: usize = 50;

pub(crate) fn run() {
    let mut figures = Figures::new("crowd");
    let folder = work_folder("crowd");
    let data = &folder.join("data");
    fs::create_dir_all(data).expect("a bench can write to its folder");
    // Nothing is to start.
    Appliance::start(data, "").device(&["maintenance", "local", "a bench"]);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    runtime.block_on(fill(&data.join(store::FILE)));

    let since = Stopwatch::start();
    let appliance = Appliance::start(data, "");
    let mut browser = Browser::open(&appliance.address);
    browser.get("/");
    let started = Spread::once(since.elapsed().as_secs_f64() * 1000.0);
    figures.push(Figure::new("start to first page, 100,000 jobs wait", "ms", started));
    let style = browser.find("/", "/assets/", ".css");
    let floor = Spread::p99(&browser.times(&style));
    let plan: serde_json::Value =
        serde_json::from_slice(&browser.get("/api/plan")).expect("the API speaks JSON");
    let next = plan["next"].as_str().expect("there are more");
    for (what, path) in [
        ("queue page", "/"),
        ("JSON, the plan", "/api/plan"),
        ("JSON, a later page of the plan", &format!("/api/plan?cursor={next}")),
        ("page of a job that waits", "/jobs/90000"),
    ] {
        let figure = Figure::new(format!("{what}, p99"), "ms", Spread::p99(&browser.times(path)));
        figures.push(figure.beside("a static file", floor).aim(Aim::AtMost(10.0)));
    }
    let job = folder.join("job.yaml");
    let mut times = Vec::new();
    for number in 0..SUBMITTED {
        fs::write(&job, one_more(number)).expect("a bench can write to its folder");
        let since = Stopwatch::start();
        must(appliance.command("submit").arg(&job));
        times.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    figures.push(Figure::new("`sutler submit` of one more, p50", "ms", Spread::of(&times)));
    figures.push(Figure::new("the same, p99", "ms", Spread::p99(&times)));
    let memory = Spread::once(processes::pss_mib(appliance.pid()));
    figures.push(Figure::new("memory after all of that", "MiB", memory));
    figures.finish();
}

fn one_more(number: usize) -> String {
    format!(
        "job_name: one more, {number}\n\
         actions:\n\
         - boot:\n    method: qemu\n    guest: {{ memory: 256M }}\n\
         - test:\n    screen:\n      steps:\n      - save_screenshot\n",
    )
}

/// Jobs as the million has them, that have not begun.
async fn fill(path: &Path) {
    let settings = StoreSettings { cache_bytes: 512 << 20 };
    let (store, writer) = Store::open(path, settings).expect("the store opens");
    let now = Timestamp::now();
    let all: Vec<u64> = (0..WAITING).collect();
    for some in all.chunks(STEP) {
        let at = |n: u64| now - SignedDuration::from_secs(i64::try_from(WAITING - n).unwrap_or(0));
        let given = join_all(some.iter().map(|n| {
            let mut job = million::job(*n, at(*n));
            job.tags.clear();
            store.submit(job)
        }));
        for given in given.await {
            given.expect("kept");
        }
    }
    writer.close().await;
}
