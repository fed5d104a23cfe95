//! What happened to jobs over time: a plot by day, and what it adds up to.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    estimates,
    layout::{self, Frame, Tab},
};
use crate::{
    insight::{Statistics, Sum, day_of, words as told},
    markup::{span, words},
    model::{Counted, Stage},
    proto::query,
    store::{Accuracy, Occurrence},
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 22.0;
/// Days drawn one by one; more are drawn some together.
const BARS: usize = 120;
/// Rows of a table.
const ROWS: usize = 50;
const NAME: usize = 160;

/// In the order in which they stand on each other.
const KINDS: [(&str, &str); 3] = [
    ("slow", "slow, and went on"),
    ("stopped", "stopped as too slow"),
    ("known", "failed for a known reason"),
];

const TIMES: [(&str, &str); 4] =
    [("7d", "7 days"), ("30d", "30 days"), ("90d", "90 days"), ("365d", "a year")];

pub(super) fn render(statistics: &Statistics, accuracy: &[(String, Stage, Accuracy)]) -> Markup {
    let content = html! {
        header.head {
            h1 { "Statistics" }
            p { (sentence(statistics)) }
            nav.crumbs aria-label="How far back" {
                @for (since, name) in TIMES {
                    a href=(query::address("/statistics", &[("since", Some(since))])) { (name) }
                }
            }
        }
        @if statistics.rows.is_empty() {
            p.empty { "No job was slow in this time, and none failed for a known reason." }
        } @else {
            (plot(statistics))
            (table(statistics, "By measure and rule", true, |row| subject(&row.what)))
            (table(statistics, "By job", false, |row| row.job.clone()))
            (table(statistics, "By device type", false, |row| row.device_type.clone()))
        }
        (estimates::table(accuracy))
        section { h2 { "As files" }
            ul {
                li { "What happened, by day: " (file("counts", "csv")) ", " (file("counts", "json")) }
                li { "What jobs take, by measure: " (file("measures", "csv")) ", " (file("measures", "json")) }
            }
            p.hint { "On the box: " code { "sutler stats --since 90d --csv" } }
        }
    };
    layout::page(&Frame::new("Statistics", Tab::Statistics), &content)
}

fn sentence(statistics: &Statistics) -> String {
    let sums = statistics.by(|row| row.what.kind());
    let sum = |kind| sums.iter().find(|(one, _)| *one == kind).map_or(0, |(_, sum)| sum.jobs);
    let days = words::count(u64::from(statistics.last - statistics.first) + 1, "day");
    format!(
        "In the last {days}: slow and went on {}, stopped as too slow {}, failed for a known reason {}.",
        words::count(sum("slow"), "time"),
        words::count(sum("stopped"), "time"),
        words::count(sum("known"), "time"),
    )
}

fn subject(what: &Counted) -> String {
    match what {
        Counted::Slow { measure } | Counted::Stopped { measure } => told::title(*measure).into(),
        Counted::Known { rule } => rule.clone(),
    }
}

fn file(of: &'static str, format: &'static str) -> Markup {
    let address = query::address("/api/statistics", &[("of", Some(of)), ("format", Some(format))]);
    html! { a href=(address) { (format.to_uppercase()) } }
}

/// What was added up by its name. How long the jobs ran is only told where each counts once.
fn table(
    statistics: &Statistics,
    title: &str,
    once: bool,
    name: impl Fn(&Occurrence) -> String,
) -> Markup {
    let sums = statistics.by(|row| (row.what.kind(), name(row)));
    html! {
        section { h2 { (title) }
            table.jobs {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "What happened" }
                    th.figure scope="col" { @if once { "Jobs" } @else { "Times" } }
                    @if once { th.figure scope="col" { "They ran for" } }
                } }
                tbody { @for ((kind, name), Sum { jobs, seconds }) in sums.iter().take(ROWS) { tr {
                    td.main { bdi { (words::shorten(name, NAME)) } }
                    td data-label="What happened" { (kind_words(kind)) }
                    td.figure data-label=(if once { "Jobs" } else { "Times" }) { (jobs) }
                    @if once {
                        td.figure data-label="They ran for" { (span(Duration::from_secs(*seconds))) }
                    }
                } } }
            }
            @if sums.len() > ROWS { p.hint { (sums.len() - ROWS) " more are in the file." } }
        }
    }
}

fn kind_words(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, _)| *name == kind).map_or("", |(_, words)| words)
}

/// A bar for each day, or for each few days, the kinds upon each other.
fn plot(statistics: &Statistics) -> Markup {
    let kinds = KINDS.map(|(kind, _)| statistics.daily(|row| row.what.kind() == kind));
    let each = kinds[0].len().div_ceil(BARS).max(1);
    let kinds = kinds
        .map(|days| days.chunks(each).map(|some| some.iter().sum::<u64>()).collect::<Vec<_>>());
    let count = kinds[0].len();
    let total = |at: usize| kinds.iter().map(|days| days[at]).sum::<u64>();
    let most = (0..count).map(total).max().unwrap_or(0).max(1);
    let width = (WIDTH - LEFT) / count as f64;
    let ground = HEIGHT - BOTTOM;
    let height = |jobs: u64| jobs as f64 / most as f64 * (ground - TOP);
    let bar = if each > 1 { format!("{each} days") } else { "a day".into() };
    let label = format!("A bar for {bar}, at most {most} high. {}", sentence(statistics));
    html! {
        figure.plot {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
                line.grid x1=(LEFT) x2=(WIDTH) y1=(TOP) y2=(TOP) {}
                line.grid x1=(LEFT) x2=(WIDTH) y1=(ground) y2=(ground) {}
                text.amount x=(LEFT - 8.0) y=(TOP + 4.0) text-anchor="end" { (most) }
                text.amount x=(LEFT - 8.0) y=(ground + 4.0) text-anchor="end" { "0" }
                @for at in 0..count {
                    @let below = |kind: usize| kinds[..kind].iter().map(|days| days[at]).sum::<u64>();
                    @for (kind, (name, _)) in KINDS.iter().enumerate().filter(|(kind, _)| kinds[*kind][at] > 0) {
                        @let top = height(below(kind) + kinds[kind][at]);
                        rect class=(name) x=(number(LEFT + at as f64 * width)) y=(number(ground - top))
                            width=(number((width - 1.0).max(1.0)))
                            height=(number(height(kinds[kind][at]))) {}
                    }
                }
                text.time x=(LEFT) y=(HEIGHT - 6.0) { (day_of(statistics.first)) }
                text.time x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { (day_of(statistics.last)) }
            }
            figcaption.hint {
                "A bar for " (bar) " in which jobs ended (UTC), from below: slow, stopped, known. \
                 A job counts once for each measure and each rule."
            }
        }
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}
