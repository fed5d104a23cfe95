//! What the box tells Prometheus, in its text format 0.0.4.
//!
//! A registry is filled anew for each answer from what the store and the box say at that moment:
//! nothing is kept here, and nothing is global. All of it costs the same for any number of jobs.
//! `prometheus-client` writes OpenMetrics only, the exporter of `metrics` keeps state of its own.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use prometheus::{Counter, CounterVec, Gauge, GaugeVec, Opts, Registry, TextEncoder};

use super::{
    errors::Problem,
    params::{NoParams, Params},
    state::Web,
};
use crate::{
    clock,
    model::{Acceleration, JobState, Verdict, WayIn, Who},
    store::{Commits, Counts, FILE, Tally, Totals},
    tasks,
};

const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let data = web.data.clone();
    let (counts, tally) = (web.store.counts().await?, web.store.tally().await?);
    let seen = Seen {
        counts,
        tally,
        oldest_waiting: web.store.oldest_waiting().await?,
        commits: web.store.commits(),
        totals: web.store.totals().await?,
        disk: tasks::blocking(move || Disk::look(&data)).await?,
        refused: web.about.refused.load(Ordering::Relaxed),
        is_held: web.about.hold.borrow().is_some(),
        acceleration: *web.about.acceleration.borrow(),
        uptime: web.about.since.elapsed(),
        now: clock::now(),
    };
    Ok(([(header::CONTENT_TYPE, TYPE)], render(&seen)).into_response())
}

/// All that is told.
struct Seen {
    counts: Counts,
    tally: Tally,
    /// When the job that waits longest was submitted.
    oldest_waiting: Option<Timestamp>,
    commits: Commits,
    totals: Totals,
    disk: Disk,
    refused: u64,
    is_held: bool,
    acceleration: Option<Acceleration>,
    uptime: Duration,
    now: Timestamp,
}

/// In bytes.
struct Disk {
    store: u64,
    size: u64,
    free: u64,
}

impl Disk {
    fn look(data: &Path) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(data)?;
        Ok(Self {
            store: fs::metadata(data.join(FILE))?.len(),
            size: disk.f_blocks.saturating_mul(disk.f_frsize),
            free: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }
}

fn render(seen: &Seen) -> String {
    let Seen { counts, tally, commits, totals, disk, .. } = seen;
    let page = Page::default();
    page.gauges(
        ("sutler_build_info", "Always 1; what runs here."),
        "version",
        [(env!("CARGO_PKG_VERSION"), 1)],
    );
    page.gauge(
        "sutler_uptime_seconds",
        "Since the appliance was started.",
        seen.uptime.as_secs_f64(),
    );
    page.gauges(
        ("sutler_jobs", "Jobs by the state they are in."),
        "state",
        JobState::ALL.map(|state| (state.name(), counts.state(state))),
    );
    page.gauge("sutler_engines_running", "Jobs that have an engine.", real(counts.active()));
    let waited = seen.oldest_waiting.map_or(0.0, |at| seen.now.duration_since(at).as_secs_f64());
    page.gauge(
        "sutler_queue_oldest_seconds",
        "How long the job has waited that waits longest; 0 when none waits.",
        waited.max(0.0),
    );
    page.gauge(
        "sutler_queue_held",
        "1 while nothing is started because the box is not well.",
        f64::from(u8::from(seen.is_held)),
    );
    page.counters(
        ("sutler_jobs_submitted_total", "Jobs that were accepted, by the door they came in by."),
        "way_in",
        WayIn::ALL.map(|way_in| (way_in.name(), tally.submitted(way_in))),
    );
    page.counters(
        ("sutler_jobs_ended_total", "Jobs that have ended, by verdict."),
        "verdict",
        Verdict::ALL.map(|verdict| (verdict.name(), tally.ended(verdict))),
    );
    page.counters(
        ("sutler_job_causes_total", "Jobs that did not simply pass, by who has to act."),
        "who",
        Who::ALL.map(|who| (who.name(), tally.caused(who))),
    );
    page.counter(
        "sutler_inbox_refused_total",
        "Files the inbox refused since the appliance was started.",
        real(seen.refused),
    );
    page.counter("sutler_store_commits_total", "Commits of the store.", real(commits.count));
    page.counter(
        "sutler_store_commit_seconds_total",
        "Time these commits took, nearly all of it the disk's flush.",
        commits.time.as_secs_f64(),
    );
    page.gauge("sutler_store_size_bytes", "Size of the store's file.", real(disk.store));
    page.gauge("sutler_data_size_bytes", "Size of the disk of the data folder.", real(disk.size));
    page.gauge("sutler_data_free_bytes", "What is free on it for the appliance.", real(disk.free));
    page.gauges(
        ("sutler_jobs_held_bytes", "What ended jobs hold on the disk, as far as it is measured."),
        "what",
        [("videos", totals.videos), ("results", totals.results), ("bundles", totals.bundles)],
    );
    page.gauges(
        ("sutler_acceleration", "1 for how guests run here; all 0 while that is found out."),
        "kind",
        [Acceleration::Kvm, Acceleration::Tcg]
            .map(|kind| (kind.name(), u64::from(seen.acceleration == Some(kind)))),
    );
    page.text()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn real(number: u64) -> f64 {
    number as f64
}

/// A page that is being written. Names and labels are ours, so nothing can be refused.
#[derive(Default)]
struct Page(Registry);

const OURS: &str = "names and labels of the page are well formed and each is used once";

impl Page {
    fn gauge(&self, name: &str, help: &str, value: f64) {
        let gauge = Gauge::new(name, help).expect(OURS);
        gauge.set(value);
        self.0.register(Box::new(gauge)).expect(OURS);
    }

    fn counter(&self, name: &str, help: &str, value: f64) {
        let counter = Counter::new(name, help).expect(OURS);
        counter.inc_by(value);
        self.0.register(Box::new(counter)).expect(OURS);
    }

    fn gauges<'a>(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let gauges = GaugeVec::new(Opts::new(name, help), &[label]).expect(OURS);
        values.into_iter().for_each(|(of, value)| gauges.with_label_values(&[of]).set(real(value)));
        self.0.register(Box::new(gauges)).expect(OURS);
    }

    fn counters<'a>(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        let counters = CounterVec::new(Opts::new(name, help), &[label]).expect(OURS);
        let add = |(of, value)| counters.with_label_values(&[of]).inc_by(real(value));
        values.into_iter().for_each(add);
        self.0.register(Box::new(counters)).expect(OURS);
    }

    fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0.gather()).expect(OURS)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_parse::{Sample, Scrape, Value};

    use super::*;

    fn seen() -> Seen {
        Seen {
            counts: Counts::default(),
            tally: Tally::default(),
            oldest_waiting: Some("2026-01-31T12:00:00Z".parse().unwrap()),
            totals: Totals { videos: 300, results: 20, bundles: 1, ..Totals::default() },
            commits: Commits { count: 3, time: Duration::from_millis(1_500) },
            disk: Disk { store: 1 << 20, size: 1 << 40, free: 1 << 39 },
            refused: 7,
            is_held: true,
            acceleration: Some(Acceleration::Tcg),
            uptime: Duration::from_secs(60),
            now: "2026-01-31T12:01:30Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_page_names_explains_and_types_every_value() {
        insta::assert_snapshot!(render(&seen()));
    }

    #[test]
    fn a_parser_of_prometheus_reads_what_is_told() {
        let text = render(&seen());
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).unwrap();
        let value = |name: &str, label: Option<(&str, &str)>| {
            let sample = scrape.samples.iter().find(|sample| {
                let has = |(label, value)| sample.labels.get(label) == Some(value);
                sample.metric == name && label.is_none_or(has)
            });
            let sample = sample.unwrap_or_else(|| panic!("no {name}"));
            let (Value::Gauge(value) | Value::Counter(value)) = sample.value else {
                panic!("{name}: {:?}", sample.value)
            };
            value
        };
        for (name, label, expected) in [
            ("sutler_queue_oldest_seconds", None, 90.0),
            ("sutler_queue_held", None, 1.0),
            ("sutler_inbox_refused_total", None, 7.0),
            ("sutler_store_commit_seconds_total", None, 1.5),
            ("sutler_data_free_bytes", None, 549_755_813_888.0),
            ("sutler_acceleration", Some(("kind", "tcg")), 1.0),
            ("sutler_acceleration", Some(("kind", "kvm")), 0.0),
            ("sutler_jobs_ended_total", Some(("verdict", "passed")), 0.0),
        ] {
            assert!((value(name, label) - expected).abs() < 1e-9, "{name}");
        }
        let without_help = |sample: &&Sample| !scrape.docs.contains_key(&sample.metric);
        assert_eq!(scrape.samples.iter().find(without_help), None);
    }
}
