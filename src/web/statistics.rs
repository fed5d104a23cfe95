//! `GET /statistics` and `/api/statistics`: what happened to jobs over time and what they were
//! measured to take, as a page, as JSON and as CSV.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{Html, IntoResponse, Response},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    csv::{self, Cell},
    errors::{PageError, Problem, WebError},
    guard::Asks,
    params::Params,
    state::Web,
    statistics_page,
};
use crate::{
    clock,
    insight::{Held, Statistics, Sum, day_of, since},
    model::{Identity, quantity},
    store::{MeasuredJob, Occurrence},
};

/// What is shown unless another time is named.
const USUAL_DAYS: u32 = 30;

const CSV: [(header::HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
    (header::CONTENT_DISPOSITION, "attachment; filename=\"sutler-statistics.csv\""),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Time {
    /// `30d`
    since: Option<String>,
}

/// `GET /statistics`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(Time { since }): Params<Time>,
) -> Result<Html<String>, PageError> {
    let days = days(since.as_deref())?;
    let statistics = statistics(&web, &who, days).await?;
    let accuracy = web.store.accuracies().await?;
    Ok(Html(statistics_page::render(&statistics, &accuracy).into_string()))
}

/// What happened to jobs of the names that `who` may know. The others do not count either: whoever
/// writes a rule could count what is in jobs that they do not see.
async fn statistics(web: &Web, who: &Identity, days: u32) -> Result<Statistics, WebError> {
    let mut statistics = Statistics::read(&web.store, clock::now(), days).await?;
    let known = web.known_names(who, statistics.rows.iter().map(|row| &*row.job)).await?;
    statistics.rows.retain(|row| known.contains(&row.job));
    Ok(statistics)
}

#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    /// What happened to jobs, by day.
    #[default]
    Counts,
    /// What jobs were measured to take, by series.
    Measures,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    #[param(inline)]
    of: What,
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// Of counts: `30d`.
    since: Option<String>,
    /// Of measures: of jobs of this name only.
    job: Option<String>,
}

/// `GET /api/statistics`
#[utoipa::path(
    get,
    path = "/statistics",
    tag = "Thresholds",
    params(Asked),
    responses(
        (
            status = 200,
            description = "What happened to jobs, or what they take",
            content((Value = "application/json"), (String = "text/csv")),
        ),
    ),
)]
pub(super) async fn export(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let fault = |words: &str| Problem(WebError::BadRequest(words.into()));
    match asked.of {
        What::Counts if asked.job.is_some() => Err(fault("job: counts are of all jobs")),
        What::Measures if asked.since.is_some() => Err(fault("since: measures have no dates")),
        What::Counts => {
            let days = days(asked.since.as_deref())?;
            let statistics = statistics(&web, &who, days).await?;
            Ok(match asked.format {
                Format::Json => Json(counts(&statistics)).into_response(),
                Format::Csv => (CSV, counts_csv(&statistics)).into_response(),
            })
        }
        What::Measures => Ok(measures(web, who, asked.job, asked.format)),
    }
}

fn days(said: Option<&str>) -> Result<u32, WebError> {
    let Some(text) = said else { return Ok(USUAL_DAYS) };
    let time = quantity::duration(text);
    let bad = || WebError::BadRequest(format!("since: {text:?} is no length of time, as 30d is"));
    time.map(since).ok_or_else(bad)
}

fn counts(statistics: &Statistics) -> Value {
    let rows = statistics.rows.iter().map(|row| {
        let Occurrence { day, what, device_type, job, count, seconds } = row;
        json!({
            "day": day_of(*day), "kind": what.kind(), "subject": what.subject(),
            "device_type": device_type, "job": job, "jobs": count, "seconds": seconds,
        })
    });
    let subjects = statistics.by(|r| (r.what.kind(), r.what.subject().to_owned()));
    let subjects = subjects.into_iter().map(|((kind, name), Sum { jobs, seconds })| {
        json!({ "kind": kind, "name": name, "jobs": jobs, "seconds": seconds })
    });
    // A job may be in several rows, so these are not numbers of jobs.
    let times = |sums: Vec<((&str, String), Sum)>| -> Value {
        let told = |((kind, name), Sum { jobs, .. }): ((&str, String), Sum)| json!({ "kind": kind, "name": name, "times": jobs });
        sums.into_iter().map(told).collect()
    };
    json!({
        "first": day_of(statistics.first),
        "last": day_of(statistics.last),
        "rows": rows.collect::<Vec<_>>(),
        "by_subject": subjects.collect::<Vec<_>>(),
        "by_job": times(statistics.by(|r| (r.what.kind(), r.job.clone()))),
        "by_device_type": times(statistics.by(|r| (r.what.kind(), r.device_type.clone()))),
    })
}

fn counts_csv(statistics: &Statistics) -> String {
    let mut text = "day,kind,subject,device_type,job,jobs,seconds\r\n".to_owned();
    for Occurrence { day, what, device_type, job, count, seconds } in &statistics.rows {
        text += &csv::row(&[
            Cell::Text(&day_of(*day).to_string()),
            Cell::Text(what.kind()),
            Cell::Text(what.subject()),
            Cell::Text(device_type),
            Cell::Text(job),
            Cell::Whole(*count),
            Cell::Whole(*seconds),
        ]);
    }
    text
}

const MEASURES_HEAD: &str = "job,device_type,measure,unit,module,step,runs,good_runs,min,p50,p90,\
                             p95,p99,max,mean,mode,limit\r\n";

/// All series of jobs that `who` may know, written as they are read: a job at a time, however many
/// there are.
fn measures(web: Arc<Web>, who: Identity, only: Option<String>, format: Format) -> Response {
    let (head, foot) = match format {
        Format::Json => ("{\"measures\":[", "]}\n"),
        Format::Csv => (MEASURES_HEAD, ""),
    };
    let jobs = stream::unfold(Walk { web, who, only, place: None }, next_job);
    let mut is_first = true;
    let rows = jobs.map(move |held: Found| -> Written {
        let mut text = String::new();
        for held in held? {
            match format {
                Format::Csv => text += &measure_csv(&held),
                Format::Json => {
                    let between = if std::mem::take(&mut is_first) { "" } else { "," };
                    text += &format!("{between}{}", measure(&held));
                }
            }
        }
        Ok(text)
    });
    let once = |text: &'static str| stream::once(async move { Written::Ok(text.to_owned()) });
    let body = Body::from_stream(once(head).chain(rows).chain(once(foot)));
    match format {
        Format::Json => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Format::Csv => (CSV, body).into_response(),
    }
}

struct Walk {
    web: Arc<Web>,
    who: Identity,
    only: Option<String>,
    place: Option<MeasuredJob>,
}

type Found = Result<Vec<Held>, WebError>;
type Written = Result<String, WebError>;

impl Walk {
    /// What is known of the jobs of a name; nothing for whom may see none of them.
    async fn held(&self, job: &str, device_type: Option<&str>) -> Found {
        if !self.web.knows(&self.who, job).await? {
            return Ok(Vec::new());
        }
        Ok(self.web.insight.of_job(job, device_type).await?)
    }
}

async fn next_job(mut walk: Walk) -> Option<(Found, Walk)> {
    if let Some(job) = &walk.only {
        if walk.place.is_some() {
            return None;
        }
        let held = walk.held(job, None).await;
        walk.place = Some(MeasuredJob { job: job.clone(), device_type: String::new() });
        return Some((held, walk));
    }
    let next = match walk.web.insight.jobs(walk.place.clone(), 1).await {
        Ok(jobs) => jobs.into_iter().next()?,
        Err(error) => return Some((Err(error.into()), walk)),
    };
    let held = walk.held(&next.job, Some(&next.device_type)).await;
    walk.place = Some(next);
    Some((held, walk))
}

fn measure(held: &Held) -> Value {
    let Held { series, good, .. } = held;
    let count = good.count();
    json!({
        "job": series.job, "device_type": series.device_type, "measure": series.measure,
        "unit": series.measure.unit(), "module": series.spot.module, "step": series.spot.step,
        "runs": held.runs, "good_runs": count, "min": good.min(),
        "p50": good.quantile(0.5), "p90": good.quantile(0.9), "p95": good.quantile(0.95),
        "p99": good.quantile(0.99), "max": good.max(), "mean": mean(held),
        "mode": held.threshold.mode, "limit": held.threshold.limit.as_ref().map(|(limit, _)| limit),
    })
}

fn measure_csv(held: &Held) -> String {
    let Held { series, good, .. } = held;
    csv::row(&[
        Cell::Text(&series.job),
        Cell::Text(&series.device_type),
        Cell::Text(series.measure.name()),
        Cell::Text(series.measure.unit()),
        Cell::Text(&series.spot.module),
        Cell::Text(&series.spot.step),
        Cell::Whole(held.runs),
        Cell::Whole(good.count()),
        good.min().into(),
        good.quantile(0.5).into(),
        good.quantile(0.9).into(),
        good.quantile(0.95).into(),
        good.quantile(0.99).into(),
        good.max().into(),
        mean(held).into(),
        Cell::Text(held.threshold.mode.name()),
        held.threshold.limit.as_ref().map(|(limit, _)| *limit).into(),
    ])
}

fn mean(held: &Held) -> Option<f64> {
    held.good.sum().map(|sum| sum / held.good.count() as f64)
}
