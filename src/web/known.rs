//! Known failures and retries in the JSON API. A rule belongs to whoever made it, and only operators
//! may have jobs retried by themselves. Rules know every failure; of the jobs they know, each reader
//! is told those they may see.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    api::called,
    body::read,
    errors::{Problem, WebError, refused},
    failures::{Asked, FailuresView, command},
    guard::{About, Asks},
    layout::job_url,
    params::{NoParams, Params, Path},
    records::Summary,
    state::Web,
};
use crate::{
    clock,
    decide::{
        access::{Act, may},
        known::{self, Matcher},
    },
    model::{
        Failure, FailureGroup, Identity, JobId, KnownRule, Pattern, PendingRetry, RuleRetry, Touch,
        quantity,
    },
};

/// Jobs that are listed at most. An answer says when there are more.
const JOBS: usize = 2_000;

/// A rule, how often it has matched on each of the last days (UTC, the last is today), and its latest
/// jobs.
#[derive(Debug, Serialize, ToSchema)]
struct RuleTold<'a> {
    #[serde(flatten)]
    rule: &'a KnownRule,
    days: &'a [u64],
    jobs: &'a [JobId],
}

/// How failed jobs are retried where a rule says nothing else, and what is to be.
#[derive(Debug, Serialize, ToSchema)]
struct RetriesTold<'a> {
    automatic: bool,
    most: u64,
    backoff_s: u64,
    per_day: u64,
    /// Retries the box has decided on today.
    today: u64,
    pending: &'a [PendingRetry],
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KnownTold<'a> {
    rules: Vec<RuleTold<'a>>,
    retry: RetriesTold<'a>,
}

/// Failures of one kind that no rule knows.
#[derive(Debug, Serialize, ToSchema)]
struct GroupTold<'a> {
    #[serde(flatten)]
    group: &'a FailureGroup,
    /// The last of them.
    failure: &'a Failure,
    /// The command that makes it known.
    command: String,
    jobs: &'a [JobId],
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupsTold<'a> {
    /// The largest first.
    groups: Vec<GroupTold<'a>>,
    /// How many there are of the failures you may see; none where there are too many to look at all.
    all: Option<u64>,
}

/// A job in short with its retries.
#[derive(Debug, Serialize, ToSchema)]
struct JobTold<'a> {
    #[serde(flatten)]
    job: Summary<'a>,
    retried_as: Vec<JobId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RuleJobs {
    rule: KnownRule,
    /// Newest first.
    #[schema(value_type = Vec<JobTold>)]
    jobs: Vec<Value>,
    /// There are more than these.
    more: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tried {
    /// Failures it was tried on, of those you may see.
    looked: usize,
    matched: usize,
    /// Of very many the latest.
    #[schema(value_type = Vec<JobTold>)]
    jobs: Vec<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    pub removed: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Applied {
    rule: String,
    marked: u64,
}

/// The job that runs another once more.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    number: JobId,
    uuid: Uuid,
    url: String,
    retried_from: JobId,
}

/// `GET /api/known`: rules with what they matched lately, and what is retried.
#[utoipa::path(
    get,
    path = "/known",
    tag = "Failures",
    responses((status = 200, description = "Rules, and what is retried", body = KnownTold)),
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let view = FailuresView::fetch(&web, &who, &Asked::default()).await?;
    let rules: Vec<_> = view
        .rules
        .iter()
        .map(|(rule, days)| RuleTold { rule, days: &days.days, jobs: &days.jobs })
        .collect();
    let settings = view.settings;
    let retry = RetriesTold {
        automatic: settings.automatic,
        most: settings.most.into(),
        backoff_s: settings.backoff.as_secs(),
        per_day: settings.per_day.into(),
        today: view.today,
        pending: &view.pending,
    };
    Ok(Json(KnownTold { rules, retry }).into_response())
}

/// `GET /api/failures`: failures no rule knows, by kind.
#[utoipa::path(
    get,
    path = "/failures",
    tag = "Failures",
    params(Asked),
    responses((status = 200, description = "Failures no rule knows, by kind", body = GroupsTold)),
)]
pub(super) async fn groups(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let view = FailuresView::fetch(&web, &who, &asked).await?;
    let mut groups = Vec::new();
    for one in &view.groups {
        groups.push(GroupTold {
            group: &one.group,
            failure: &one.failure,
            command: command(&one.failure),
            jobs: &one.jobs,
        });
    }
    Ok(Json(GroupsTold { groups, all: view.all_groups }).into_response())
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Since {
    /// How long ago, as `30d`; all of the past where it is not given.
    since: Option<String>,
}

impl Since {
    fn time(&self) -> Result<Timestamp, WebError> {
        let Some(text) = &self.since else { return Ok(Timestamp::MIN) };
        let refused = || {
            let found: String = text.chars().take(40).collect();
            WebError::BadRequest(format!("since: a length of time as 30d, not {found:?}"))
        };
        let ago = quantity::duration(text).ok_or_else(refused)?;
        let ago = SignedDuration::try_from(ago).map_err(|_| refused())?;
        Ok(clock::now().checked_sub(ago).unwrap_or(Timestamp::MIN))
    }
}

/// `GET /api/known/{name}`: one rule and the jobs it has marked, newest first.
#[utoipa::path(
    get,
    path = "/known/{name}",
    tag = "Failures",
    params(
        ("name" = String, Path, description = "Name of the rule", example = "slow-mirror"),
        Since,
    ),
    responses((status = 200, description = "A rule and its jobs", body = RuleJobs)),
)]
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(asked): Params<Since>,
) -> Result<Response, Problem> {
    let rule = rule(&web, &name).await?;
    let mut ids = web.store.known_jobs(&name, asked.time()?, JOBS + 1).await?;
    let more = ids.len() > JOBS;
    ids.truncate(JOBS);
    let jobs = told(&web, &who, ids).await?;
    Ok(Json(RuleJobs { rule, jobs, more }).into_response())
}

/// `POST /api/failures/try`: what a pattern would match of what is kept.
#[utoipa::path(
    post,
    path = "/failures/try",
    tag = "Failures",
    request_body(content = Pattern),
    params(Since),
    responses((status = 200, description = "What the pattern would match", body = Tried)),
)]
pub(super) async fn try_pattern(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Since>,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Rule)?;
    let pattern: Pattern = read(body).await?;
    Matcher::new(&pattern).map_err(WebError::from)?;
    let (ids, looked) = web.try_pattern(&who, pattern, asked.time()?).await?;
    let matched = ids.len();
    // Of very many the latest are told.
    let ids = ids.into_iter().rev().take(JOBS).collect();
    let jobs = told(&web, &who, ids).await?;
    Ok(Json(Tried { looked, matched, jobs }).into_response())
}

/// Jobs in short, each with its retries.
async fn told(web: &Web, who: &Identity, ids: Vec<JobId>) -> Result<Vec<Value>, WebError> {
    let now = clock::now();
    let mut jobs = Vec::with_capacity(ids.len());
    for id in ids {
        let job = match web.seen(who, id).await {
            Ok(job) => job,
            Err(WebError::NoSuchJob(_)) => continue,
            Err(error) => return Err(error),
        };
        let retried_as = web.visible(who, web.store.retried_as(id).await?).await?;
        jobs.push(json!(JobTold { job: Summary::new(&job, None, now), retried_as }));
    }
    Ok(jobs)
}

/// A rule as somebody sends it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SentRule)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    name: String,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    bug: Option<String>,
    #[serde(default = "on")]
    enabled: bool,
    pattern: Pattern,
    #[serde(default)]
    retry: RuleRetry,
}

const fn on() -> bool {
    true
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    /// Change the one of that name, if there is one.
    #[serde(default)]
    replace: bool,
}

/// `POST /api/known`
#[utoipa::path(
    post,
    path = "/known",
    tag = "Failures",
    request_body(content = Sent),
    params(Put),
    responses((status = 201, description = "The rule as it is kept", body = KnownRule)),
)]
pub(super) async fn put(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(Put { replace }): Params<Put>,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Rule)?;
    let Sent { name, notes, bug, enabled, pattern, retry } = read(body).await?;
    let there = web.store.rules().await?.into_iter().find(|rule| rule.name == name);
    if let Some(there) = &there {
        may(&who, Act::ChangeRule { owner: &there.owner })?;
    }
    if retry.automatic == Some(true) {
        may(&who, Act::AutomaticRetry)?;
    }
    let touch = Touch { at: clock::now(), by: called(&who) };
    let rule = KnownRule {
        name,
        owner: there.map_or_else(|| called(&who), |there| there.owner),
        notes,
        bug,
        created: touch.clone(),
        changed: touch,
        enabled,
        pattern,
        retry,
    };
    known::check(&rule).map_err(WebError::from)?;
    web.store.put_rule(rule.clone(), replace).await.map_err(refused)?;
    let about = About(rule.name.clone());
    let mut response = (StatusCode::CREATED, Json(rule)).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

/// `DELETE /api/known/{name}`
#[utoipa::path(
    delete,
    path = "/known/{name}",
    tag = "Failures",
    params(("name" = String, Path, description = "Name of the rule", example = "slow-mirror")),
    responses((status = 200, description = "It is gone", body = Removed)),
)]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Rule)?;
    may(&who, Act::ChangeRule { owner: &rule(&web, &name).await?.owner })?;
    web.store.remove_rule(&name).await.map_err(refused)?;
    Ok(Json(Removed { removed: name }).into_response())
}

/// `POST /api/known/{name}/apply`: marks what is kept of the past.
#[utoipa::path(
    post,
    path = "/known/{name}/apply",
    tag = "Failures",
    params(("name" = String, Path, description = "Name of the rule", example = "slow-mirror")),
    responses((status = 200, description = "The past is marked", body = Applied)),
)]
pub(super) async fn apply(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let found = rule(&web, &name).await?;
    may(&who, Act::ChangeRule { owner: &found.owner })?;
    if !found.enabled {
        return Err(
            WebError::Conflict(format!("the rule {name} is off, so it matches nothing")).into()
        );
    }
    let before = seen_of(&web, &who, &name).await?;
    let all = web.store.apply_rule(&name).await.map_err(refused)?;
    // How many it marks of what one may not see would tell what is in that.
    let marked = match who.is_administrator() {
        true => all,
        false => seen_of(&web, &who, &name).await?.saturating_sub(before),
    };
    Ok(Json(Applied { rule: name, marked }).into_response())
}

/// How many of the latest jobs that a rule has marked somebody sees.
async fn seen_of(web: &Web, who: &Identity, rule: &str) -> Result<u64, WebError> {
    const LATEST: usize = 10_000;
    let all = web.store.known_jobs(rule, Timestamp::MIN, LATEST).await?;
    Ok(web.visible(who, all).await?.len() as u64)
}

/// `POST /api/jobs/{id|uuid}/retry`
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7")),
    responses((status = 201, description = "It runs once more", body = Retried)),
)]
pub(super) async fn retry(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    let new = web.store.retry(job.id, Uuid::now_v7(), called(&who)).await.map_err(refused)?;
    let url = job_url(new.id);
    let retried = Retried { number: new.id, uuid: new.uuid, url, retried_from: job.id };
    Ok((StatusCode::CREATED, Json(retried)).into_response())
}

async fn rule(web: &Web, name: &str) -> Result<KnownRule, WebError> {
    let found = web.store.rules().await?.into_iter().find(|rule| rule.name == name);
    found.ok_or(WebError::NotFound("known failure"))
}
