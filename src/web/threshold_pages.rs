//! Thresholds as pages: the jobs there are, and one of them with the data behind each limit.

use maud::{Markup, html};

use super::{
    layout::{self, Frame, Tab},
    threshold_plot,
    thresholds::FACTORS,
};
use crate::{
    insight::{Held, words as told},
    markup::{Moment, words},
    model::{Measure, Scope, SetLimit, SetThreshold, Spot},
    proto::query,
    store::MeasuredJob,
};

/// Plots on one page.
const MOST_PLOTS: usize = 200;
/// Characters of an author's name.
const NAME: usize = 160;

/// One job in the list.
pub(super) struct JobRow {
    pub job: String,
    pub device_type: String,
    /// What it takes as a whole.
    pub whole: Option<Held>,
}

pub(super) fn jobs(
    rows: &[JobRow],
    set: &[(Scope, SetThreshold)],
    next: Option<&MeasuredJob>,
    moment: &Moment,
) -> Markup {
    let content = html! {
        header.head {
            h1 { "Thresholds" }
            p { "How long jobs usually take, and what they are held to. Limits are learned from \
                 jobs that went well; "
                a href="/handbook/slow-jobs" { "the handbook" } " says how." }
        }
        section { h2 { "Jobs" }
            @if rows.is_empty() { p.empty { "No job has ended yet that something was measured of." } }
            @else { table.jobs {
                thead { tr {
                    th scope="col" { "Job" } th scope="col" { "Device type" }
                    th.figure scope="col" { "Good runs" } th.figure scope="col" { "Usually" }
                    th.figure scope="col" { "Limit" } th scope="col" { "Above it" }
                } }
                tbody { @for row in rows { tr {
                    td.main { a.job href=(job_url(&row.job, &row.device_type)) {
                        bdi { (words::shorten(&row.job, NAME)) }
                    } }
                    td data-label="Device type" { bdi { (words::shorten(&row.device_type, NAME)) } }
                    (figures(row.whole.as_ref()))
                } } }
            } }
            @if let Some(MeasuredJob { job, device_type }) = next {
                @let pairs = [("after", Some(&**job)), ("after_device_type", Some(&**device_type))];
                p.more { a href=(query::address("/thresholds", &pairs)) { "More jobs" } }
            }
        }
        (all_set(set, moment))
    };
    layout::page(&Frame::new("Thresholds", Tab::Thresholds), &content)
}

fn figures(whole: Option<&Held>) -> Markup {
    let measure = Measure::JobTime;
    let value = |value: Option<f64>| value.map_or_else(|| "–".into(), |v| told::amount(measure, v));
    html! {
        td.figure data-label="Good runs" { (whole.map_or(0, |held| held.good.count())) }
        td.figure data-label="Usually" { (value(whole.and_then(Held::typical))) }
        @let limit = whole.and_then(|held| held.threshold.limit.as_ref());
        td.figure data-label="Limit" { (value(limit.map(|(limit, _)| *limit))) }
        td data-label="Above it" { (whole.map_or("–", mode)) }
    }
}

const fn mode(held: &Held) -> &'static str {
    match held.threshold.mode {
        crate::model::LimitMode::Off => "off",
        crate::model::LimitMode::Watch => "watched",
        crate::model::LimitMode::Stop => "stopped",
    }
}

fn all_set(set: &[(Scope, SetThreshold)], moment: &Moment) -> Markup {
    html! {
        section { h2 { "Set by hand" }
            @if set.is_empty() {
                p.empty { "Nothing is set by hand. An operator sets a limit with "
                          code { "sutler threshold set" } "." }
            } @else { table.jobs {
                thead { tr {
                    th scope="col" { "For" } th scope="col" { "Measure" } th.figure scope="col" { "Limit" }
                    th scope="col" { "Above it" } th scope="col" { "By" } th scope="col" { "When" }
                } }
                tbody { @for (scope, set) in set { tr {
                    td.main { bdi { (words::shorten(&told::scope_words(scope), NAME)) } }
                    td data-label="Measure" { (told::title(scope.measure)) }
                    td.figure data-label="Limit" { (limit_words(scope.measure, set.limit)) }
                    td data-label="Above it" { (set.mode.map_or("–", |mode| mode.name())) }
                    td data-label="By" { bdi { (words::shorten(&set.by, NAME)) } }
                    td data-label="When" { (moment.ago(set.at)) }
                } } }
            } }
        }
    }
}

fn limit_words(measure: Measure, limit: Option<SetLimit>) -> String {
    match limit {
        None => "–".into(),
        Some(SetLimit::Value(value)) => told::amount(measure, value),
        Some(SetLimit::Factor(factor)) => format!("{factor} × learned"),
    }
}

/// One job: every series of it with its plot.
pub(super) fn job(name: &str, held: &[Held]) -> Markup {
    let title = format!("Thresholds of {}", words::shorten(name, 80));
    let shown = &held[..held.len().min(MOST_PLOTS)];
    let content = html! {
        (layout::crumbs(&html! {
            a href="/thresholds" { "Thresholds" }
            span aria-current="page" { bdi { (words::shorten(name, NAME)) } }
        }))
        header.head {
            h1 { "Thresholds of " bdi { (words::shorten(name, NAME)) } }
            p { "Each plot counts the good runs by what they took, on a scale that grows tenfold \
                 with every step." }
        }
        @for measure in Measure::ALL {
            @let of_it: Vec<_> =
                shown.iter().filter(|held| held.series.measure == measure).collect();
            @if !of_it.is_empty() {
                section.thresholds { h2 { (told::title(measure)) }
                    @for held in of_it { (one(held)) }
                }
            }
        }
        @if held.len() > shown.len() {
            p.hint { (words::count((held.len() - shown.len()) as u64, "more threshold"))
                     " are listed by " code { "sutler threshold list" } "." }
        }
    };
    layout::page(&Frame::new(&title, Tab::Thresholds), &content)
}

fn one(held: &Held) -> Markup {
    let measure = held.series.measure;
    html! {
        article.threshold {
            h3 { (place(&held.series.spot)) span.hint { bdi { (held.series.device_type) } } }
            (threshold_plot::plot(held))
            p { (words::shorten(&told::explained(held), 600)) }
            @if let Some(above) = held.above_limit() {
                p.hint { (above) " of " (words::count(held.good.count(), "good run"))
                         " took longer; " (words::count(held.runs, "run")) " in all." }
            }
            @if held.past(1.0).is_some() {
                table.jobs {
                    thead { tr {
                        th.figure scope="col" { "Factor" } th.figure scope="col" { "Limit" }
                        th.figure scope="col" { "Would have stopped" }
                    } }
                    tbody { @for past in FACTORS.into_iter().filter_map(|by| held.past(by)) { tr {
                        td.figure data-label="Factor" { (past.factor) }
                        td.figure data-label="Limit" { (told::amount(measure, past.limit)) }
                        td.figure data-label="Would have stopped" {
                            (past.above) " of " (held.good.count())
                        }
                    } } }
                }
            }
            p.hint { "Set it: " code { (words::shorten(&told::command(&held.series, "--factor 3"), 700)) } }
        }
    }
}

/// Where in the test it is.
fn place(Spot { module, step }: &Spot) -> Markup {
    html! {
        @match (module.is_empty(), step.is_empty()) {
            (true, true) => "The whole job ",
            (false, true) => { bdi { (words::shorten(module, NAME)) } " " },
            (true, false) => { code { (words::shorten(step, NAME)) } " " },
            (false, false) => {
                bdi { (words::shorten(module, NAME)) } " · " code { (words::shorten(step, NAME)) } " "
            },
        }
    }
}

fn job_url(job: &str, device_type: &str) -> String {
    query::address("/thresholds", &[("job", Some(job)), ("device_type", Some(device_type))])
}
