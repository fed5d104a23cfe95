//! The appliance as a browser finds it: how soon it answers, how fast its pages are with a million
//! jobs in the store, and what it takes of the memory.

use std::{fs, thread, time::Duration};

use sutler::clock::Stopwatch;

use crate::support::{
    browser::Browser,
    figures::{Aim, Figure, Figures, Spread},
    million, processes,
    sutler::Appliance,
    work_folder,
};

const STARTS: usize = 10;
const BROWSERS: usize = 8;
/// How long they ask.
const LONG: Duration = Duration::from_secs(3);

pub(crate) fn run() {
    let mut figures = Figures::new("appliance");
    let empty = work_folder("appliance").join("data");
    let first = Aim::AtMost(100.0);
    let started: Vec<_> = (0..STARTS).map(|_| start(&empty)).collect();
    let figure = Figure::new("start to first page", "ms", Spread::of(&started)).aim(first);
    figures.push(figure);
    {
        let appliance = Appliance::start(&empty, "");
        let mut browser = Browser::open(&appliance.address);
        browser.get("/");
        let memory = Spread::once(processes::pss_mib(appliance.pid()));
        figures.push(Figure::new("idle memory", "MiB", memory).aim(Aim::AtMost(40.0)));
    }

    let data = million::data();
    let started: Vec<_> = (0..STARTS).map(|_| start(&data)).collect();
    let figure = Figure::new("start to first page, a million jobs", "ms", Spread::of(&started));
    figures.push(figure.aim(first));

    let appliance = Appliance::start(&data, "");
    let mut browser = Browser::open(&appliance.address);
    let style = browser.find("/", "/assets/", ".css");
    let deep = {
        let list = browser.get("/api/jobs?state=ended&limit=1");
        let list: serde_json::Value = serde_json::from_slice(&list).expect("the API speaks JSON");
        let next = list["next"].as_str().expect("there are more").to_owned();
        let (order, place) = next.split_once(':').expect("a cursor begins with its order");
        let (at, _) = place.rsplit_once('-').expect("a place is a time and a number");
        let weeks = 14 * 86_400_000_000_i64;
        format!("cursor={order}:{}-0", at.parse::<i64>().expect("a time") - weeks)
    };
    // One job in 977, and one in nearly 20000.
    let rare = "metadata=build%3D20230123";
    let two = format!("/history?verdict=timed_out&{rare}");
    let rare_at_depth = format!("/history?{rare}&{deep}");
    let (rare, deep) = (format!("/history?{rare}"), format!("/history?{deep}"));
    let with_log = format!("/jobs/{}", million::WITH_LOG);
    let floor = browser.times(&style);
    let floor = (Spread::of(&floor), Spread::p99(&floor));
    for (what, path) in [
        ("queue page", "/"),
        ("history, newest", "/history"),
        ("history, at depth", deep.as_str()),
        ("history, what passed", "/history?verdict=passed"),
        ("history, a rare build", rare.as_str()),
        ("history, a rare build at depth", rare_at_depth.as_str()),
        ("history, a verdict of a rare build", two.as_str()),
        ("history, by build", "/history?sort=-metadata.build"),
        ("history, by number", "/history?sort=number"),
        ("history, a name anywhere", "/history?name=*build%2020230123"),
        ("job page", "/jobs/123456"),
        ("job page, 300 steps", with_log.as_str()),
        ("disk page", "/disk"),
        ("JSON, 50 jobs", "/api/jobs?limit=50"),
        ("JSON, a job", "/api/jobs/123456"),
        ("JSON, a job of 300 steps", &format!("/api{with_log}")),
    ] {
        let times = browser.times(path);
        let (median, p99) = (Spread::of(&times), Spread::p99(&times));
        let beside = "a static file";
        figures.push(Figure::new(format!("{what}, p50"), "ms", median).beside(beside, floor.0));
        let p99 = Figure::new(format!("{what}, p99"), "ms", p99).beside(beside, floor.1);
        figures.push(p99.aim(Aim::AtMost(10.0)));
    }
    let beside = ("a static file", Spread::once(rate(&appliance.address, &style)));
    for (what, path) in
        [("queue page", "/"), ("history, newest", "/history"), ("job page", "/jobs/123456")]
    {
        let rate = Spread::once(rate(&appliance.address, path));
        let figure = Figure::new(format!("{what}, {BROWSERS} browsers at once"), "/s", rate);
        figures.push(figure.beside(beside.0, beside.1));
    }
    let memory = Spread::once(processes::pss_mib(appliance.pid()));
    figures.push(Figure::new("memory after all of that", "MiB", memory));
    figures.finish();
}

/// Milliseconds from the start of the process to the last byte of the first page.
fn start(data: &std::path::Path) -> f64 {
    fs::create_dir_all(data).expect("a bench can write to its folder");
    let since = Stopwatch::start();
    let appliance = Appliance::start(data, "");
    let page = Browser::open(&appliance.address).get("/");
    let took = since.elapsed().as_secs_f64() * 1000.0;
    assert!(page.ends_with(b"</html>"), "the page is whole");
    took
}

/// Pages a second that several browsers get together.
fn rate(address: &str, path: &str) -> f64 {
    let since = Stopwatch::start();
    let ask = || {
        let mut browser = Browser::open(address);
        let mut pages = 0_u32;
        while since.elapsed() < LONG {
            browser.get(path);
            pages += 1;
        }
        pages
    };
    let pages: u32 = thread::scope(|scope| {
        let browsers: Vec<_> = (0..BROWSERS).map(|_| scope.spawn(ask)).collect();
        browsers.into_iter().map(|browser| browser.join().expect("it does not panic")).sum()
    });
    f64::from(pages) / since.elapsed().as_secs_f64()
}
