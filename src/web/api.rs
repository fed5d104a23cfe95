//! The JSON API: lists, records, status, and asking for a job to end.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    errors::{Problem, WebError},
    guard::Asks,
    params::{NoParams, Params},
    records::{Record, Summary},
    sight::veil,
    state::Web,
};
use crate::{
    clock,
    decide::access::{Act, may},
    model::{Identity, JobId, JobState, Kept, Verdict, with_causes},
    store::{Change, HistoryPage},
    upkeep,
};

const LIMIT: usize = 50;
const MOST: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    state: Option<JobState>,
    limit: Option<usize>,
    /// Where a page of ended jobs begins, as `next` of the page before says.
    before: Option<String>,
}

/// `GET /api/jobs`: without a state, what has not ended, then the newest ends.
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<List>,
) -> Result<Response, Problem> {
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, MOST);
    let before = match asked.before.as_deref().map(str::parse) {
        None => None,
        Some(Ok(key)) => Some(key),
        Some(Err(error)) => return Err(WebError::BadRequest(format!("before: {error}")).into()),
    };
    let mut jobs = Vec::new();
    let states = match (asked.state, before) {
        (Some(JobState::Ended), _) | (None, Some(_)) => vec![],
        (Some(state), None) => vec![state],
        (Some(_), Some(_)) => {
            let words = "before: only ended jobs have pages".to_owned();
            return Err(WebError::BadRequest(words).into());
        }
        (None, None) => JobState::ALL.into_iter().filter(|s| *s != JobState::Ended).collect(),
    };
    for state in states {
        jobs.extend(web.unveiled(state, limit).await?.into_iter().map(|job| veil(&who, job)));
    }
    jobs.truncate(limit);
    let mut next = None;
    if asked.state.is_none_or(|state| state == JobState::Ended) && jobs.len() < limit {
        let HistoryPage { jobs: ended, next: more } =
            web.history_of(&who, before, limit - jobs.len()).await?;
        jobs.extend(ended);
        next = more.map(|key| key.to_string());
    }
    let (queue, now) = (web.schedule.standing(), clock::now());
    let summaries: Vec<_> = jobs
        .iter()
        .map(|job| json!(Summary::new(job, queue.reason(job).as_deref(), now)))
        .collect();
    Ok(Json(json!({ "jobs": summaries, "next": next })).into_response())
}

/// `GET /api/jobs/{id|uuid}`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.find(&who, &name).await?;
    let run = web.run(job.id).await?;
    let reason = web.schedule.standing().reason(&job);
    let standing = web.standing(&who, job.id).await?;
    Ok(Json(Record::new(&job, reason.as_deref(), &run, &standing, clock::now())).into_response())
}

/// `POST /api/jobs/{id|uuid}/cancel`
pub(super) async fn cancel(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    web.schedule.cancel(job.id, called(&who)).await?;
    let answer = json!({ "number": job.id, "uuid": job.uuid });
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// `POST /api/jobs/{id|uuid}/keep`
pub(super) async fn keep(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    let kept = Kept { by: called(&who), at: clock::now() };
    set_kept(&web, job.id, Some(kept)).await
}

/// `POST /api/jobs/{id|uuid}/release`
pub(super) async fn release(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    set_kept(&web, job.id, None).await
}

async fn set_kept(web: &Web, job: JobId, kept: Option<Kept>) -> Result<Response, Problem> {
    let job = web.store.change(job, Change::Kept(kept)).await?;
    let kept = &job.holdings.kept;
    Ok(Json(json!({ "number": job.id, "uuid": job.uuid, "kept": kept })).into_response())
}

/// As others will read who it was.
pub(super) fn called(who: &Identity) -> String {
    who.name().unwrap_or_default().to_owned()
}

/// `POST /api/store/snapshot`, for administrators: makes a copy of the store
/// for a backup. Until whoever asked removes it, retention rests.
pub(super) async fn snapshot(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Backup)?;
    let path = upkeep::snapshot(&web.store, &web.data)
        .await
        .map_err(|error| WebError::Unavailable(with_causes(&error)))?;
    Ok((StatusCode::CREATED, Json(json!({ "path": path, "data": web.data }))).into_response())
}

/// `GET /api/status`
pub(super) async fn status(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let counts = web.store.counts().await?;
    let states: serde_json::Map<_, _> =
        JobState::ALL.iter().map(|s| (s.name().into(), counts.state(*s).into())).collect();
    let verdicts: serde_json::Map<_, _> =
        Verdict::ALL.iter().map(|v| (v.name().into(), counts.verdict(*v).into())).collect();
    let answer = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "states": states,
        "verdicts": verdicts,
        "acceleration": *web.about.acceleration.borrow(),
        "data": web.data,
        "inbox": web.inbox,
        "listen": web.about.listen,
        "roots": web.about.roots,
    });
    Ok(Json(answer).into_response())
}

/// An address below `/api` that is none.
pub(super) async fn nothing() -> Problem {
    WebError::NotFound("address").into()
}
