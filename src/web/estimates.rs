//! `GET /api/estimates`: what a job would take that has not been submitted, when it would start, and
//! what timeouts its past suggests; `GET /api/estimates/accuracy`: how right what was foretold has
//! been.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    errors::{Problem, WebError},
    guard::Asks,
    params::{NoParams, Params},
    plan::{Ahead, Lasting},
    records::millis,
    state::Web,
    submit,
};
use crate::{
    clock,
    config::Timeouts,
    decide::{Broken, Demand, Dependency, Queued, outlook::Takes, timeouts::suggest},
    estimates::{Estimate, Past, Wanted},
    insight::Held,
    job_file::DEVICE_TYPE,
    markup::{span, words},
    model::{
        After, Identity, JobId, JobState, Measure, Needs, NewJob, Part, Priority, Spot, Stage,
    },
    store::{Accuracy, Misses},
};

/// Enough of a past to tell somebody to change a timeout.
const ENOUGH: u64 = 3;
/// Bytes of a name that is asked about; no job has a longer one.
const LONGEST_NAME: usize = 1_000;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// The name of the job.
    job: String,
    /// Without one it is the usual one.
    device_type: Option<String>,
    /// Tags its device must have, with commas between them.
    tags: Option<String>,
    /// 0 to 100; medium, when nothing is said.
    priority: Option<u8>,
    memory_mib: Option<u32>,
    cores: Option<u32>,
    /// Its timeout.
    #[param(format = "uint64")]
    at_most_ms: Option<u64>,
    /// Where its results are to belong.
    stream: Option<String>,
    /// Numbers of jobs that must have passed, with commas between them.
    after: Option<String>,
    /// Numbers of jobs that must have ended.
    after_ended: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Foreseen {
    job: String,
    device_type: String,
    /// Why it would be refused, or never run; none where it could.
    never: Option<String>,
    expected: Ahead,
    /// How long jobs of the device type have waited for their turn.
    queue: Option<Lasting>,
    parts: Vec<PartLasting>,
    /// What its parts and steps took, and the timeouts that this suggests.
    series: Vec<Suggested>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartLasting {
    part: Part,
    name: String,
    usual_ms: Option<u64>,
    long_ms: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Suggested {
    measure: Measure,
    spot: Spot,
    /// Good ones.
    runs: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    /// None before there were enough runs.
    suggested_ms: Option<u64>,
}

/// `GET /api/estimates`
#[utoipa::path(
    get,
    path = "/estimates",
    tag = "Box",
    params(Asked),
    responses((status = 200, description = "What such a job would take, and when it would start", body = Foreseen)),
)]
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let after = submit::after(asked.after.as_deref(), asked.after_ended.as_deref())?;
    let Asked { job, device_type, tags, priority, memory_mib, cores, at_most_ms, .. } = asked;
    if job.is_empty() || job.len() > LONGEST_NAME {
        let words = format!("job: the name of a job, at most {LONGEST_NAME} bytes");
        return Err(WebError::BadRequest(words).into());
    }
    if priority.is_some_and(|priority| priority > 100) {
        return Err(WebError::BadRequest("priority: a number from 0 to 100".into()).into());
    }
    let device_type = device_type.unwrap_or_else(|| DEVICE_TYPE.into());
    let usual = web.timeouts.job.unwrap_or(Timeouts::JOB);
    let at_most = at_most_ms.map_or(usual, Duration::from_millis).min(web.timeouts.most);
    let needs = Needs {
        memory_mib: memory_mib.unwrap_or_default(),
        cores: cores.unwrap_or_default(),
        at_most,
    };
    let demand = Demand {
        device_type: device_type.clone(),
        tags: tags.iter().flat_map(|tags| tags.split(',')).map(str::to_owned).collect(),
        device: None,
        health_check: false,
        needs,
    };
    let never = match never(&web, &who, asked.stream.as_deref(), &after, &demand).await {
        Err(error @ WebError::NoSuchJob(_)) => Some(format!("after: {error}")),
        other => other?,
    };
    let queued = Queued {
        // A number that no job has.
        id: JobId(u64::MAX),
        demand,
        submitter: who.name().unwrap_or_default().to_owned(),
        submitted: clock::now(),
        priority: priority.map_or(Priority::MEDIUM, Priority),
    };
    let after = if never.is_none() { &*after } else { &[] };
    let estimate = foresee(&web, &who, &job, queued, after).await?;
    let past = &estimate.past;
    let held = match web.knows(&who, &job).await? {
        true => web.insight.of_job(&job, Some(&device_type)).await?,
        false => Vec::new(),
    };
    let parts = past.parts().into_iter().map(|planned| {
        let of = |takes: Takes| (millis(takes.usual), millis(takes.long));
        let (usual_ms, long_ms) = planned.takes.map(of).unzip();
        PartLasting { part: planned.part, name: planned.name, usual_ms, long_ms }
    });
    let parts = parts.collect();
    let queue = past.queue().map(Lasting::from);
    let expected = Ahead::from(&estimate);
    let series = held.iter().filter_map(suggested).collect();
    Ok(Json(Foreseen { job, device_type, never, expected, queue, parts, series }).into_response())
}

/// Why the box would refuse such a job, or never run it.
async fn never(
    web: &Web,
    who: &Identity,
    stream: Option<&str>,
    after: &[After],
    demand: &Demand,
) -> Result<Option<String>, WebError> {
    if stream.is_some()
        && let Err(denied) = web.people.rights(who.clone()).await?.may_submit(stream)
    {
        return Ok(Some(denied.to_string()));
    }
    if let Some(reason) = web.schedule.standing().never(demand) {
        return Ok(Some(reason.to_string()));
    }
    skipped(web, who, after).await
}

/// Why a job that waits for these would be skipped, in words.
pub(super) async fn skipped(
    web: &Web,
    who: &Identity,
    after: &[After],
) -> Result<Option<String>, WebError> {
    let broken = broken(web, who, after).await?;
    Ok(broken.map(|broken| format!("it would be skipped at once: {broken}")))
}

/// Why a job that waits for these would be skipped.
async fn broken(web: &Web, who: &Identity, after: &[After]) -> Result<Option<Broken>, WebError> {
    Ok(match web.dependency(who, after).await? {
        Dependency::Broken(broken) => Some(broken),
        Dependency::Met | Dependency::Waits(_) => None,
    })
}

/// What would come of a job of that name, were it submitted now.
pub(super) async fn foresee(
    web: &Web,
    who: &Identity,
    name: &str,
    queued: Queued,
    after: &[After],
) -> Result<Estimate, WebError> {
    let past = web.past_of(who, name, &queued.demand.device_type).await?;
    let wanted = wanted(web, who, past, queued, after).await?;
    let estimate = web.estimates.if_submitted(wanted).await;
    // One that would be skipped has no place and never starts.
    Ok(match broken(web, who, after).await? {
        None => estimate,
        Some(_) => Estimate { position: None, outlook: None, ..estimate },
    })
}

/// What is expected of a job that has just come in.
pub(super) async fn of_taken(web: &Web, who: &Identity, id: JobId) -> Option<Ahead> {
    // It is taken in, whatever cannot be found out about it now.
    let (job, past) = web.seen_with_past(who, id).await.ok()?;
    // One that is sent again may have ended, and one is skipped that waits for what can never be.
    let after = &job.conditions.after;
    if job.state == JobState::Ended || broken(web, who, after).await.ok()?.is_some() {
        return None;
    }
    let wanted = wanted(web, who, past, Queued::of(&job), &job.conditions.after).await.ok()?;
    Some(Ahead::from(&web.estimates.of_taken(wanted).await))
}

/// What would come of a job, were it submitted as it is.
pub(super) async fn of_new(web: &Web, who: &Identity, job: &NewJob) -> Result<Estimate, WebError> {
    foresee(web, who, &job.name, Queued::of_new(job), &job.conditions.after).await
}

async fn wanted(
    web: &Web,
    who: &Identity,
    past: Past,
    queued: Queued,
    after: &[After],
) -> Result<Wanted, WebError> {
    let mut open = Vec::new();
    for After { job, .. } in after {
        if web.seen(who, *job).await?.state != JobState::Ended {
            open.push(*job);
        }
    }
    Ok(Wanted { queued, after: open, past: Arc::new(past) })
}

/// What a series suggests. Only times have timeouts.
fn suggested(held: &Held) -> Option<Suggested> {
    let measure = held.series.measure;
    match measure {
        Measure::JobTime | Measure::PartTime | Measure::ModuleTime | Measure::StepTime => {}
        Measure::KeyToScreen | Measure::FrameLag | Measure::MatchTime | Measure::GuestWait => {
            return None;
        }
    }
    let [p50, p99] = [0.5, 0.99].map(|share| held.good.quantile(share));
    let enough = p99.filter(|_| held.good.count() >= ENOUGH);
    let enough = enough.and_then(|p99| Duration::try_from_secs_f64(p99 / 1e3).ok());
    Some(Suggested {
        measure,
        spot: held.series.spot.clone(),
        runs: held.good.count(),
        p50_ms: p50,
        p99_ms: p99,
        suggested_ms: enough.map(suggest).map(millis),
    })
}

#[derive(Debug, Serialize, ToSchema)]
struct Accuracies {
    accuracy: Vec<AccuracyOf>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AccuracyOf {
    device_type: String,
    foretold_when: Stage,
    start: Missed,
    end: Missed,
}

/// By how much moments were missed; below nothing is sooner than usual.
#[derive(Debug, Serialize, ToSchema)]
struct Missed {
    jobs: u64,
    /// How many came by the later moment that was foretold.
    in_time: u64,
    p5_ms: Option<f64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
}

/// `GET /api/estimates/accuracy`
#[utoipa::path(
    get,
    path = "/estimates/accuracy",
    tag = "Box",
    responses((status = 200, description = "How right what was foretold has been", body = Accuracies)),
)]
pub(super) async fn accuracy(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let all = web.store.accuracies().await?;
    let accuracy = all.into_iter().map(|(device_type, foretold_when, accuracy)| AccuracyOf {
        device_type,
        foretold_when,
        start: Missed::from(&accuracy.start),
        end: Missed::from(&accuracy.end),
    });
    Ok(Json(Accuracies { accuracy: accuracy.collect() }).into_response())
}

impl From<&Misses> for Missed {
    fn from(misses: &Misses) -> Self {
        Self {
            jobs: misses.count(),
            in_time: misses.in_time,
            p5_ms: misses.quantile(0.05),
            p50_ms: misses.quantile(0.5),
            p95_ms: misses.quantile(0.95),
        }
    }
}

/// How right what was foretold has been, for the page of statistics.
pub(super) fn table(all: &[(String, Stage, Accuracy)]) -> Markup {
    let rows = all.iter().flat_map(|(device_type, stage, accuracy)| {
        [("start", &accuracy.start), ("end", &accuracy.end)]
            .map(|(moment, misses)| (device_type, *stage, moment, misses))
    });
    // At its start a job's start is no secret any more.
    let rows = rows.filter(|(_, stage, moment, misses)| {
        misses.count() > 0 && (*stage, *moment) != (Stage::Started, "start")
    });
    let rows: Vec<_> = rows.collect();
    html! {
        section #estimates { h2 { "How right estimates were" }
            @if rows.is_empty() {
                p.empty { "No job has ended yet whose start or end was foretold." }
            } @else {
                table.jobs {
                    thead { tr {
                        th scope="col" { "Device type" } th scope="col" { "What was foretold" }
                        th.figure scope="col" { "Jobs" }
                        th.figure scope="col" { "In time" }
                        th.figure scope="col" { "Missed by, in the middle" }
                        th.figure scope="col" { "Nine of ten, from" }
                        th.figure scope="col" { "to" }
                    } }
                    tbody { @for (device_type, stage, moment, misses) in rows { tr {
                        td.main { code { (words::shorten(device_type, 40)) } }
                        td data-label="What was foretold" { (what(stage, moment)) }
                        td.figure data-label="Jobs" { (misses.count()) }
                        td.figure data-label="In time" { (share(misses)) " %" }
                        td.figure data-label="Missed by, in the middle" { (miss(misses, 0.5)) }
                        td.figure data-label="Nine of ten, from" { (miss(misses, 0.05)) }
                        td.figure data-label="to" { (miss(misses, 0.95)) }
                    } } }
                }
                p.hint {
                    "In time is what came by the later moment of the two that were foretold. Less \
                     than nothing came sooner than usual. Ends are those of jobs that went well."
                }
            }
        }
    }
}

const fn what(stage: Stage, moment: &str) -> &'static str {
    match (stage, moment.as_bytes()) {
        (Stage::Submitted, b"start") => "the start, when it came in",
        (Stage::Submitted, _) => "the end, when it came in",
        (Stage::Started, _) => "the end, when it started",
    }
}

fn share(misses: &Misses) -> u64 {
    100 * misses.in_time / misses.count().max(1)
}

fn miss(misses: &Misses, at: f64) -> Markup {
    let millis = misses.quantile(at).unwrap_or_default();
    let time = Duration::try_from_secs_f64(millis.abs() / 1e3).unwrap_or_default();
    html! { @if millis < 0.0 && time.as_secs() > 0 { "−" } (span(time)) }
}
