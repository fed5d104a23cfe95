//! `GET /thresholds` and `/api/thresholds`: what jobs are held to, and the data behind it.
//!
//! Setting is for operators; the page only shows. What is known of a job of that name is shown to
//! those who may see a job of it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    api::called,
    errors::{PageError, Problem, WebError},
    guard::Asks,
    params::Params,
    state::Web,
    threshold_pages::{self, JobRow},
};
use crate::{
    clock,
    decide::access::{Act, may},
    insight::{Held, Insight, words},
    model::{Identity, LimitMode, Measure, Scope, Series, SetLimit, SetThreshold, Spot},
    store::MeasuredJob,
};

/// Jobs on a page, and in an answer.
const JOBS: usize = 100;
/// Factors whose past is told.
pub(super) const FACTORS: [f64; 3] = [2.0, 3.0, 5.0];
/// Quantiles that are told.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    job: Option<String>,
    device_type: Option<String>,
    /// The last of the page before, by name and device type.
    after: Option<String>,
    after_device_type: Option<String>,
}

impl Which {
    fn place(&self) -> Option<MeasuredJob> {
        let job = self.after.clone()?;
        let device_type = self.after_device_type.clone().unwrap_or_default();
        Some(MeasuredJob { job, device_type })
    }
}

/// `GET /thresholds`: the jobs, or one of them.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Which>,
) -> Result<Html<String>, PageError> {
    let markup = match &asked.job {
        Some(job) => {
            let held = held(&web, &who, job, asked.device_type.as_deref()).await?;
            if held.is_empty() {
                return Err(WebError::NotFound("job with anything measured").into());
            }
            threshold_pages::job(job, &held)
        }
        None => {
            let (rows, next) = overview(&web, &who, asked.place()).await?;
            let set = all_set(&web, &who).await?;
            threshold_pages::jobs(&rows, &set, next.as_ref(), &web.moment())
        }
    };
    Ok(Html(markup.into_string()))
}

/// What is known of the jobs of a name; nothing for whom may see none of them.
async fn held(
    web: &Web,
    who: &Identity,
    job: &str,
    device_type: Option<&str>,
) -> Result<Vec<Held>, WebError> {
    if web.knows(who, job).await? {
        Ok(web.insight.of_job(job, device_type).await?)
    } else {
        Ok(Vec::new())
    }
}

/// All that is set, but for jobs of a name that `who` may not know.
async fn all_set(web: &Web, who: &Identity) -> Result<Vec<(Scope, SetThreshold)>, WebError> {
    let mut set = web.insight.set().await?;
    let names = set.iter().filter_map(|(scope, _)| scope.job.as_deref());
    let known = web.known_names(who, names).await?;
    set.retain(|(scope, _)| scope.job.as_ref().is_none_or(|job| known.contains(job)));
    Ok(set)
}

/// A page of jobs, each with what it takes as a whole, and where the next page begins.
async fn overview(
    web: &Web,
    who: &Identity,
    mut after: Option<MeasuredJob>,
) -> Result<(Vec<JobRow>, Option<MeasuredJob>), WebError> {
    let insight = &web.insight;
    let mut jobs = Vec::new();
    while jobs.len() <= JOBS {
        let found = insight.jobs(after, JOBS + 1).await?;
        let known = web.known_names(who, found.iter().map(|one| &*one.job)).await?;
        after = found.last().filter(|_| found.len() > JOBS).cloned();
        jobs.extend(found.into_iter().filter(|one| known.contains(&one.job)));
        if after.is_none() {
            break;
        }
    }
    let more = jobs.len() > JOBS;
    jobs.truncate(JOBS);
    let next = jobs.last().filter(|_| more).cloned();
    let mut rows = Vec::with_capacity(jobs.len());
    for MeasuredJob { job, device_type } in jobs {
        let series = Series {
            job: job.clone(),
            device_type: device_type.clone(),
            measure: Measure::JobTime,
            spot: Spot::default(),
        };
        let whole = insight.one(series).await?;
        rows.push(JobRow { job, device_type, whole });
    }
    Ok((rows, next))
}

/// What jobs are held to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThresholdList {
    /// What holds where nobody has set anything else.
    #[schema(value_type = Object)]
    settings: Value,
    /// What somebody has set.
    #[schema(value_type = Vec<Object>)]
    set: Vec<Value>,
    /// All that the named job is held to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    thresholds: Option<Vec<Value>>,
    /// Jobs that something is known of, where none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    jobs: Option<Vec<Value>>,
    /// Where the next page of them begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    next: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Explained {
    #[schema(value_type = Vec<Object>)]
    thresholds: Vec<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NowSet {
    #[schema(value_type = Vec<Object>)]
    set: Vec<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NowReset {
    #[schema(value_type = Vec<Object>)]
    reset: Vec<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Forgotten {
    /// Series.
    forgotten: usize,
}

/// `GET /api/thresholds`: those of one job, or the jobs there are and what is set.
#[utoipa::path(
    get,
    path = "/thresholds",
    tag = "Thresholds",
    params(Which),
    responses((status = 200, description = "What jobs are held to", body = ThresholdList)),
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Which>,
) -> Result<Response, Problem> {
    let (settings, set) = (settings(&web.insight), set(&web, &who).await?);
    let mut answer = ThresholdList { settings, set, thresholds: None, jobs: None, next: None };
    match &asked.job {
        Some(job) => {
            let held = held(&web, &who, job, asked.device_type.as_deref()).await?;
            answer.thresholds = Some(held.iter().map(summary).collect());
        }
        None => {
            let (rows, next) = overview(&web, &who, asked.place()).await?;
            let next = next.map(|n| json!({ "after": n.job, "after_device_type": n.device_type }));
            answer.next = Some(next.into());
            answer.jobs = Some(rows.iter().map(row).collect());
        }
    }
    Ok(Json(answer).into_response())
}

fn row(row: &JobRow) -> Value {
    let whole = row.whole.as_ref().map(summary);
    json!({ "job": row.job, "device_type": row.device_type, "job_time": whole })
}

fn settings(insight: &Insight) -> Value {
    let settings = insight.settings();
    json!({
        "mode": settings.mode, "quantile": settings.quantile, "factor": settings.factor,
        "runs": settings.runs, "floor_ms": settings.floor.as_secs_f64() * 1e3,
    })
}

async fn set(web: &Web, who: &Identity) -> Result<Vec<Value>, WebError> {
    let all = all_set(web, who).await?;
    Ok(all.iter().map(|(scope, set)| told(scope, Some(set))).collect())
}

fn told(scope: &Scope, set: Option<&SetThreshold>) -> Value {
    json!({ "scope": scope, "words": words::scope_words(scope), "set": set })
}

/// A threshold with the numbers behind it, values in the measure's unit.
fn summary(held: &Held) -> Value {
    let Held { series, threshold, good, .. } = held;
    let by = |set: &Option<(Scope, String)>| set.as_ref().map(|(_, by)| by.clone());
    json!({
        "job": series.job,
        "device_type": series.device_type,
        "measure": series.measure,
        "unit": series.measure.unit(),
        "module": series.spot.module,
        "step": series.spot.step,
        "runs": held.runs,
        "good_runs": good.count(),
        "min": good.min(),
        "typical": held.typical(),
        "high": held.high,
        "max": good.max(),
        "mode": threshold.mode,
        "mode_set_by": by(&threshold.mode_set),
        "limit": threshold.limit.as_ref().map(|(limit, _)| limit),
        "origin": threshold.limit.as_ref().map(|(_, origin)| origin),
        "limit_set_by": by(&threshold.limit_set),
        "lacking_runs": threshold.lacking_runs,
        "above_limit": held.above_limit(),
        "words": words::explained(held),
    })
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[param(inline)]
    measure: Measure,
    job: String,
    device_type: Option<String>,
    module: Option<String>,
    step: Option<String>,
    /// A factor whose past is to be told, beside the usual ones.
    factor: Option<f64>,
}

/// `GET /api/thresholds/explain`: one threshold with its quantiles, its distribution and what
/// factors would have stopped. Where no device type is named, of each that there is.
#[utoipa::path(
    get,
    path = "/thresholds/explain",
    tag = "Thresholds",
    params(Asked),
    responses((status = 200, description = "The data behind one limit", body = Explained)),
)]
pub(super) async fn explain(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let held = held(&web, &who, &asked.job, asked.device_type.as_deref()).await?;
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|w| w == name);
    let fits = |held: &&Held| {
        held.series.measure == asked.measure
            && is(&asked.module, &held.series.spot.module)
            && is(&asked.step, &held.series.spot.step)
    };
    let found: Vec<_> = held.iter().filter(fits).map(|held| whole(held, asked.factor)).collect();
    if found.is_empty() {
        return Err(WebError::NotFound("measure of this job").into());
    }
    Ok(Json(Explained { thresholds: found }).into_response())
}

fn whole(held: &Held, factor: Option<f64>) -> Value {
    let mut told = summary(held);
    let quantile = |(name, at): (&str, f64)| (name.to_owned(), json!(held.good.quantile(at)));
    told["quantiles"] = Value::Object(QUANTILES.into_iter().map(quantile).collect());
    let bins = held.good.bins();
    told["bins"] =
        bins.iter().map(|bin| json!({ "value": bin.value, "count": bin.count })).collect();
    let factors = FACTORS.into_iter().chain(factor.filter(|factor| !FACTORS.contains(factor)));
    let past = factors
        .filter_map(|factor| held.past(factor))
        .map(|past| json!({ "factor": past.factor, "limit": past.limit, "above": past.above }));
    told["past"] = past.collect();
    told
}

/// What is to be set or reset, and for what.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// None: every measure.
    #[param(inline)]
    measure: Option<Measure>,
    job: Option<String>,
    device_type: Option<String>,
    module: Option<String>,
    step: Option<String>,
    /// In the measure's unit.
    value: Option<f64>,
    factor: Option<f64>,
    #[param(inline)]
    mode: Option<LimitMode>,
}

impl Wanted {
    /// A scope for each measure that is meant. Where none is named, those that have a module and a
    /// step if such are named.
    fn scopes(&self) -> Result<Vec<Scope>, WebError> {
        let scope = |measure| Scope {
            measure,
            device_type: self.device_type.clone(),
            job: self.job.clone(),
            module: self.module.clone(),
            step: self.step.clone(),
        };
        let bad = |words: String| WebError::BadRequest(words);
        match self.measure {
            Some(measure) => {
                let scope = scope(measure);
                scope.check().map_err(|fault| bad(fault.to_string()))?;
                Ok(vec![scope])
            }
            None => {
                let all = Measure::ALL.into_iter().map(scope);
                let fit: Vec<_> = all.filter(|scope| scope.check().is_ok()).collect();
                (!fit.is_empty()).then_some(fit).ok_or_else(|| bad("no measure fits that".into()))
            }
        }
    }

    fn limit(&self) -> Result<Option<SetLimit>, WebError> {
        const FAULT: &str = "a limit is a value above 0 or a factor from 1 to 1000, not both";
        let limit = match (self.value, self.factor) {
            (None, None) => return Ok(None),
            (Some(value), None) if value > 0.0 && value <= 1e12 => Some(SetLimit::Value(value)),
            (None, Some(factor)) if (1.0..=1e3).contains(&factor) => Some(SetLimit::Factor(factor)),
            (Some(_) | None, Some(_) | None) => None,
        };
        limit.map(Some).ok_or_else(|| WebError::BadRequest(FAULT.into()))
    }
}

/// `POST /api/thresholds`, for operators.
#[utoipa::path(
    post,
    path = "/thresholds",
    tag = "Thresholds",
    params(Wanted),
    responses((status = 200, description = "What is set now", body = NowSet)),
)]
pub(super) async fn set_one(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    may(&who, Act::Limits)?;
    let (scopes, limit) = (wanted.scopes()?, wanted.limit()?);
    if limit.is_none() && wanted.mode.is_none() {
        return Err(WebError::BadRequest("name a limit, a mode or both".into()).into());
    }
    if limit.is_some() && wanted.measure.is_none() {
        return Err(WebError::BadRequest("a limit is of one measure: name it".into()).into());
    }
    let mut now = Vec::new();
    for scope in scopes {
        let (by, at) = (called(&who), clock::now());
        let set = web.insight.change(scope.clone(), wanted.mode, limit, by, at).await?;
        now.push(told(&scope, Some(&set)));
    }
    (web.limits_changed)();
    Ok(Json(NowSet { set: now }).into_response())
}

/// `DELETE /api/thresholds`, for operators: what was set for exactly
/// this scope.
#[utoipa::path(
    delete,
    path = "/thresholds",
    tag = "Thresholds",
    params(Wanted),
    responses((status = 200, description = "What is not set any more", body = NowReset)),
)]
pub(super) async fn reset(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(wanted): Params<Wanted>,
) -> Result<Response, Problem> {
    may(&who, Act::Limits)?;
    let mut gone = Vec::new();
    for scope in wanted.scopes()? {
        if web.insight.reset(scope.clone()).await? {
            gone.push(told(&scope, None));
        }
    }
    (web.limits_changed)();
    Ok(Json(NowReset { reset: gone }).into_response())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Learned {
    job: String,
    device_type: Option<String>,
}

/// `DELETE /api/thresholds/learned`, for operators: forgets what the
/// runs of a job have taught, for when what it does or the box has changed.
#[utoipa::path(
    delete,
    path = "/thresholds/learned",
    tag = "Thresholds",
    params(Learned),
    responses((status = 200, description = "How much was forgotten", body = Forgotten)),
)]
pub(super) async fn unlearn(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(Learned { job, device_type }): Params<Learned>,
) -> Result<Response, Problem> {
    may(&who, Act::Limits)?;
    if !web.knows(&who, &job).await? {
        return Err(WebError::NotFound("job with anything measured").into());
    }
    let forgotten = web.insight.of_job(&job, device_type.as_deref()).await?.len();
    web.insight.unlearn(job, device_type).await?;
    (web.limits_changed)();
    Ok(Json(Forgotten { forgotten }).into_response())
}
