//! `GET /disk` and `GET /api/disk`: what the disk holds, what will come of it, what goes next.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    disk_plot,
    errors::{PageError, Problem},
    layout::{self, Frame, Tab, job_url},
    params::{NoParams, Params},
    state::Web,
};
use crate::{
    config::Retention,
    decide::{forecast::Outcome, retention::age_limit},
    markup::{Moment, size, words},
    model::{Age, DiskSample, Keepsake},
    store::Saved,
    upkeep::{self, DiskReport, Next},
};

const MIB: u64 = 1 << 20;

/// `GET /disk`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    let report = upkeep::report(&web.store, &web.data, web.retention).await?;
    Ok(Html(render(&report, &web.moment()).into_string()))
}

/// `GET /api/disk`
#[utoipa::path(
    get,
    path = "/disk",
    tag = "Box",
    responses((status = 200, description = "What the disk holds", body = Disk)),
)]
pub(super) async fn json(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let report = upkeep::report(&web.store, &web.data, web.retention).await?;
    Ok(Json(answer(&report)).into_response())
}

pub(super) fn render(report: &DiskReport, moment: &Moment) -> Markup {
    let DiskReport { now, next, .. } = report;
    let content = html! {
        header.head {
            h1 { "Disk" }
            p { (outlook(report)) }
            @if report.is_backup_under_way {
                p.hint { "A backup is being made; nothing is removed meanwhile." }
            }
        }
        (disk_plot::plot(report, moment))
        div.columns {
            div.aside {
                section { h2 { "Held" }
                    dl.facts {
                        @for (name, bytes) in kinds(now) { div { dt { (name) } dd { (size(bytes)) } } }
                        div { dt { "Free" } dd { (size(now.free)) " of " (size(report.disk)) } }
                        div { dt { "Added a day" } dd {
                            @match report.forecast.daily {
                                Some(daily) => (size(daily.videos + daily.results)),
                                None => "not known yet",
                            }
                        } }
                        div { dt { "Kept" } dd { (words::count(report.kept_jobs, "job")) } }
                        div { dt { "Screens" } dd { (screens(&report.saved)) } }
                    }
                }
            }
            div.body {
                section { h2 { "Rules" }
                    ul { @for rule in rules(&report.keep) { li { (rule) } } }
                    p.hint { "A job that somebody keeps (" code { "sutler keep 7" } ") loses nothing." }
                }
                section { h2 { "Goes next" }
                    @if next.is_empty() { p.empty { "Nothing will be removed for its age." } }
                    @else { table.jobs {
                        thead { tr {
                            th scope="col" { "What" } th scope="col" { "Job" }
                            th.figure scope="col" { "Frees" } th scope="col" { "When" }
                        } }
                        tbody { @for one in next { tr {
                            td { (one.what) }
                            td.main { a href=(job_url(one.job)) { "job " (one.job) } }
                            td.figure { (size(one.bytes)) }
                            td data-label="When" { (moment.ago(one.at)) }
                        } } }
                    } }
                }
            }
        }
    };
    layout::page(&Frame::new("Disk", Tab::Disk), &content)
}

fn kinds(now: &DiskSample) -> [(&'static str, u64); 4] {
    [
        ("Videos", now.videos),
        ("Results", now.results),
        ("Bundles", now.bundles),
        ("Store", now.store),
    ]
}

/// What keeping screens once and small has come to.
fn screens(saved: &Saved) -> String {
    let Saved { screens, shared, bytes } = *saved;
    let all = words::count(screens, "screen");
    format!("{all}, {shared} of them kept already for another job; {} saved", size(bytes))
}

/// What will come of it, in one sentence.
pub(super) fn outlook(report: &DiskReport) -> String {
    let DiskReport { now, keep, forecast, .. } = report;
    let rate = forecast.daily.map_or(0, |daily| daily.videos + daily.results);
    let floor = size(keep.least_free_mib.saturating_mul(MIB));
    match forecast.outcome {
        Outcome::Unknown => {
            "It is too early to foretell anything: that takes an hour of history.".into()
        }
        Outcome::Below { bytes } => {
            format!(
                "At {} a day, jobs will hold no more than {} within a year.",
                size(rate),
                size(bytes)
            )
        }
        Outcome::Short { at } if at <= now.at => {
            format!("The disk has less than {floor} free: the oldest goes before its time.")
        }
        Outcome::Short { at } => format!(
            "At {} a day, the disk has less than {floor} free in {}; from then on the oldest goes \
             before its time.",
            size(rate),
            days(now.at, at)
        ),
        Outcome::Full { at } => {
            format!("At {} a day, the disk is full in {}.", size(rate), days(now.at, at))
        }
    }
}

fn days(from: Timestamp, to: Timestamp) -> String {
    let days = to.duration_since(from).as_hours() / 24;
    words::count(days.unsigned_abs(), "day")
}

/// Retention in words, a sentence a rule.
pub(super) fn rules(keep: &Retention) -> Vec<String> {
    let mut rules = Vec::new();
    for (what, [goes, stays]) in [
        (Keepsake::Video, ["A video goes when it is", "A video stays, whatever its age."]),
        (
            Keepsake::Results,
            ["Results of a job go when they are", "Results of a job stay, whatever their age."],
        ),
        (
            Keepsake::Record,
            ["The record of a job goes when it is", "The record of a job stays, whatever its age."],
        ),
    ] {
        rules.push(match age_limit(keep, what) {
            Some(limit) => format!("{goes} older than {}.", Age(limit)),
            None => stays.into(),
        });
    }
    if keep.least_free_mib > 0 {
        let free = size(keep.least_free_mib.saturating_mul(MIB));
        rules.push(format!("When the disk has less than {free} free, the oldest videos go before their time, then the oldest results."));
    }
    if let Some(most) = keep.most_mib {
        let most = size(most.saturating_mul(MIB));
        rules.push(format!("When ended jobs take more than {most} together, the same."));
    }
    rules
}

/// Bytes that are added in a day.
#[derive(Debug, Serialize, ToSchema)]
struct Daily {
    videos: u64,
    results: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct HeldThen {
    at: Timestamp,
    bytes: u64,
}

/// What will come of it.
#[derive(Debug, Serialize, ToSchema)]
struct DiskForecast {
    /// `unknown`, `below`, `short` or `full`.
    outcome: &'static str,
    bytes: Option<u64>,
    at: Option<Timestamp>,
    words: String,
    held: Vec<HeldThen>,
}

/// What the disk holds, what will come of it, what goes next.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Disk<'a> {
    now: DiskSample,
    /// Bytes of the whole disk.
    disk: u64,
    kept_jobs: u64,
    /// What keeping screens once and small has come to.
    screens: Saved,
    daily: Option<Daily>,
    forecast: DiskForecast,
    /// Retention in words.
    rules: Vec<String>,
    /// What goes next by age, soonest first.
    next: &'a [Next],
    /// Oldest first.
    history: &'a [DiskSample],
    backup_under_way: bool,
}

fn answer(report: &DiskReport) -> Disk<'_> {
    let DiskReport { now, forecast, .. } = report;
    let (outcome, bytes, at) = match forecast.outcome {
        Outcome::Unknown => ("unknown", None, None),
        Outcome::Below { bytes } => ("below", Some(bytes), None),
        Outcome::Short { at } => ("short", None, Some(at)),
        Outcome::Full { at } => ("full", None, Some(at)),
    };
    let held = forecast.held.iter().map(|(at, bytes)| HeldThen { at: *at, bytes: *bytes });
    let words = outlook(report);
    Disk {
        now: *now,
        disk: report.disk,
        kept_jobs: report.kept_jobs,
        screens: report.saved,
        daily: forecast.daily.map(|day| Daily { videos: day.videos, results: day.results }),
        forecast: DiskForecast { outcome, bytes, at, words, held: held.collect() },
        rules: rules(&report.keep),
        next: &report.next,
        history: &report.history,
        backup_under_way: report.is_backup_under_way,
    }
}
