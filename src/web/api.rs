//! The JSON API: records, status, and asking for a job to end.

use std::{
    collections::BTreeMap,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    errors::{Problem, WebError},
    guard::Asks,
    params::{NoParams, Params, Path},
    records::{Record, millis},
    sight::foretold,
    state::Web,
    timeouts,
};
use crate::{
    clock,
    config::Timeouts,
    decide::access::{Act, may},
    model::{Acceleration, Identity, Job, JobId, JobState, Kept, Verdict, with_causes},
    store::Change,
    upkeep,
};

/// A job that was asked to stop.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Asked {
    number: JobId,
    uuid: Uuid,
    stops: Stops,
}

/// How a job stops that somebody does not want any more.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stops {
    /// It waits and will not start.
    BeforeItStarts,
    /// Its engine ends what it does, and collects what there is.
    Soon,
    /// It had been asked before.
    AtOnce,
}

impl Stops {
    pub(super) fn of(job: &Job) -> Self {
        match (job.state, job.cancel_asked) {
            (JobState::Waiting, _) => Self::BeforeItStarts,
            (_, false) => Self::Soon,
            (_, true) => Self::AtOnce,
        }
    }
}

/// Whether somebody wants a job kept now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeptNow<'a> {
    number: JobId,
    uuid: Uuid,
    kept: Option<&'a Kept>,
}

/// A copy of the store, and the data folder it belongs to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Snapshot<'a> {
    #[schema(value_type = String)]
    path: &'a FilePath,
    #[schema(value_type = String)]
    data: &'a FilePath,
}

/// What the box says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status<'a> {
    version: &'static str,
    /// Jobs in each state; those that have ended are counted for administrators only.
    #[schema(value_type = BTreeMap<String, u64>)]
    states: BTreeMap<&'static str, u64>,
    /// Ended jobs of each verdict, for administrators: others may not see all of them.
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    verdicts: Option<BTreeMap<&'static str, u64>>,
    /// None while it is being found out.
    acceleration: Option<Acceleration>,
    #[schema(value_type = String)]
    data: &'a FilePath,
    #[schema(value_type = String)]
    inbox: &'a FilePath,
    listen: &'a [String],
    /// Jobs may read below these.
    #[schema(value_type = Vec<String>)]
    roots: Vec<&'a FilePath>,
    timeouts: SetTimeouts,
}

/// How long jobs may take that do not say; null is what is built in.
#[derive(Debug, Serialize, ToSchema)]
struct SetTimeouts {
    job_ms: Option<u64>,
    action_ms: Option<u64>,
    /// Of a step that waits for something to come.
    step_ms: Option<u64>,
    /// For its turn; null is as long as it takes.
    queue_ms: Option<u64>,
    /// No job is given more.
    most_ms: u64,
}

impl From<Timeouts> for SetTimeouts {
    fn from(Timeouts { job, action, step, queue, most }: Timeouts) -> Self {
        let [job_ms, action_ms, step_ms, queue_ms] =
            [job, action, step, queue].map(|time| time.map(millis));
        Self { job_ms, action_ms, step_ms, queue_ms, most_ms: millis(most) }
    }
}

/// `GET /api/jobs/{id|uuid}`
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7")),
    responses((status = 200, description = "All there is of the job", body = Record)),
)]
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
    let limited = timeouts::of_job(&web, &job).await;
    let now = clock::now();
    let estimate = foretold(&web.estimates.now(), &job, now);
    let expected = (limited.as_slice(), estimate.as_ref());
    let record = Record::new(&job, reason.as_deref(), &run, &standing, expected, now);
    Ok(Json(record).into_response())
}

/// `POST /api/jobs/{id|uuid}/cancel`
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7")),
    responses((status = 202, description = "It was asked to stop", body = Asked)),
)]
pub(super) async fn cancel(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    web.schedule.cancel(job.id, called(&who), true).await?;
    let asked = Asked { number: job.id, uuid: job.uuid, stops: Stops::of(&job) };
    Ok((StatusCode::ACCEPTED, Json(asked)).into_response())
}

/// `POST /api/jobs/{id|uuid}/keep`
#[utoipa::path(
    post,
    path = "/jobs/{id}/keep",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7")),
    responses((status = 200, description = "Retention leaves it alone now", body = KeptNow)),
)]
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
#[utoipa::path(
    post,
    path = "/jobs/{id}/release",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7")),
    responses((status = 200, description = "Retention may take it again", body = KeptNow)),
)]
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
    let kept = job.holdings.kept.as_ref();
    Ok(Json(KeptNow { number: job.id, uuid: job.uuid, kept }).into_response())
}

/// As others will read who it was.
pub(super) fn called(who: &Identity) -> String {
    who.name().unwrap_or_default().to_owned()
}

/// `POST /api/store/snapshot`, for administrators: makes a copy of the store
/// for a backup. Until whoever asked removes it, retention rests.
#[utoipa::path(
    post,
    path = "/store/snapshot",
    tag = "Box",
    responses((status = 201, description = "A copy was made", body = Snapshot)),
)]
pub(super) async fn snapshot(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Backup)?;
    let path = upkeep::snapshot(&web.store, &web.data)
        .await
        .map_err(|error| WebError::Unavailable(with_causes(&error)))?;
    Ok((StatusCode::CREATED, Json(Snapshot { path: &path, data: &web.data })).into_response())
}

/// `GET /api/status`
#[utoipa::path(
    get,
    path = "/status",
    tag = "Box",
    responses((status = 200, description = "What the box says of itself", body = Status)),
)]
pub(super) async fn status(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let counts = web.store.counts().await?;
    let of_all = who.is_administrator();
    let states = JobState::ALL.into_iter().filter(|state| of_all || *state != JobState::Ended);
    let verdicts = Verdict::ALL.map(|verdict| (verdict.name(), counts.verdict(verdict)));
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        states: states.map(|state| (state.name(), counts.state(state))).collect(),
        verdicts: of_all.then(|| verdicts.into()),
        acceleration: *web.about.acceleration.borrow(),
        data: &web.data,
        inbox: &web.inbox,
        listen: &web.about.listen,
        roots: web.about.roots.iter().map(PathBuf::as_path).collect(),
        timeouts: web.timeouts.into(),
    };
    Ok(Json(status).into_response())
}

/// An address that does not answer that method. What it does answer is in `Allow`.
pub(super) async fn not_so() -> Problem {
    WebError::OtherMethod.into()
}

/// An address below `/api` that is none.
pub(super) async fn nothing() -> Problem {
    WebError::NotFound("address").into()
}
