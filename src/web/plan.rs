//! `GET /api/plan`: what is to come of the jobs that run and wait, as far as their past tells.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    errors::{Problem, WebError},
    guard::Asks,
    params::{NoParams, Params},
    records::Summary,
    sight::veil,
    state::Web,
};
use crate::{
    clock,
    decide::{
        Queued, Running,
        outlook::{Foretold, Outlook, Takes, Underway, outlook},
    },
    markup::{Moment, span, words},
    model::{Job, JobId, JobState, Measure, Series, Spot},
};

/// Waiting jobs that are looked ahead for; the play costs as much as their square.
pub(super) const AHEAD: usize = 200;
/// Closer together, two times are one.
const MINUTE: Duration = Duration::from_secs(60);
/// Nearly all of the good runs.
const NEARLY_ALL: f64 = 0.95;

/// When a running job usually ends, or must at the latest.
pub(super) fn ends(ahead: Option<(Outlook, u64)>, moment: &Moment) -> Markup {
    html! {
        @match ahead {
            Some((Outlook { end, .. }, 0)) => {
                span.hint { "ends " (moment.ago(end.usual)) " at the latest" }
            }
            Some((Outlook { end, .. }, runs)) => {
                span.hint title=(format!("as {} before it", words::count(runs, "good run"))) {
                    "usually ends " (moment.ago(end.usual))
                }
            }
            None => {}
        }
    }
}

/// When a waiting job usually starts.
pub(super) fn starts(ahead: Option<(Outlook, u64)>, moment: &Moment) -> Markup {
    let Some((Outlook { start: Foretold { usual, late }, .. }, _)) = ahead else {
        return html! { span.hint { "not known" } };
    };
    let apart = Duration::try_from(late.duration_since(usual)).unwrap_or_default();
    html! {
        (moment.ago(usual))
        @if apart >= MINUTE { span.hint { ", or up to " (span(apart)) " later" } }
    }
}

/// What is to come of jobs.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<JobId, (Outlook, u64)>);

impl Ahead {
    /// Of `active` and `waiting` jobs, the latter best first. Nothing while nothing starts.
    pub(super) async fn of(web: &Web, active: &[&Job], waiting: &[Job]) -> Result<Self, WebError> {
        if web.about.hold.borrow().is_some() {
            return Ok(Self::default());
        }
        let mut past = Past::default();
        let (mut underway, mut queued, mut known) = (Vec::new(), Vec::new(), HashMap::new());
        for job in active {
            let (takes, runs) = past.of(web, job).await?;
            known.insert(job.id, runs);
            let started = job.started.unwrap_or(job.submitted);
            underway.push(Underway { id: job.id, running: Running::of(job), started, takes });
        }
        for job in waiting.iter().take(AHEAD) {
            let (takes, runs) = past.of(web, job).await?;
            known.insert(job.id, runs);
            queued.push((Queued::of(job), takes));
        }
        let all = outlook(clock::now(), &queued, &underway, &web.schedule.standing().scene());
        Ok(Self(all.into_iter().map(|(id, one)| (id, (one, known[&id]))).collect()))
    }

    /// What is to come of a job, and from how many good runs that is known. From none it is what the
    /// job's time limit allows.
    pub(super) fn get(&self, id: JobId) -> Option<(Outlook, u64)> {
        self.0.get(&id).copied()
    }

    #[cfg(test)]
    pub(super) fn with(mut self, id: JobId, outlook: Outlook, runs: u64) -> Self {
        self.0.insert(id, (outlook, runs));
        self
    }
}

/// Jobs that run and wait, and what is to come of them.
struct Whole {
    /// The first to start first.
    active: Vec<Job>,
    /// Best first.
    waiting: Vec<Job>,
    ahead: Ahead,
}

impl Whole {
    async fn of(web: &Web) -> Result<Self, WebError> {
        let mut active = Vec::new();
        for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
            active.extend(web.unveiled(state, AHEAD).await?);
        }
        active.sort_by_key(|job| (job.started, job.id));
        let waiting = web.unveiled_queue(AHEAD).await?;
        let ahead = Ahead::of(web, &active.iter().collect::<Vec<_>>(), &waiting).await?;
        Ok(Self { active, waiting, ahead })
    }
}

/// What is to come of one job.
pub(super) async fn of_job(web: &Web, job: &Job) -> Result<Option<(Outlook, u64)>, WebError> {
    if job.state == JobState::Ended {
        return Ok(None);
    }
    Ok(Whole::of(web).await?.ahead.get(job.id))
}

/// How long jobs took, each name asked for once.
#[derive(Default)]
struct Past(HashMap<(String, String), Option<(Takes, u64)>>);

impl Past {
    async fn of(&mut self, web: &Web, job: &Job) -> Result<(Takes, u64), WebError> {
        let name = (job.name.clone(), job.device_type.clone());
        let found = match self.0.get(&name) {
            Some(found) => *found,
            None => {
                let found = look_up(web, job).await?;
                self.0.insert(name, found);
                found
            }
        };
        Ok(found.unwrap_or_else(|| (Takes::unknown(job.needs.at_most), 0)))
    }
}

async fn look_up(web: &Web, job: &Job) -> Result<Option<(Takes, u64)>, WebError> {
    let (name, device_type) = (job.name.clone(), job.device_type.clone());
    let (measure, spot) = (Measure::JobTime, Spot::default());
    let held = web.insight.one(Series { job: name, device_type, measure, spot }).await?;
    let time = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).ok();
    let takes = held.and_then(|held| {
        let (usual, long) = (held.good.quantile(0.5)?, held.good.quantile(NEARLY_ALL)?);
        Some((Takes { usual: time(usual)?, long: time(long)? }, held.good.count()))
    });
    Ok(takes)
}

/// What half of the good runs stay within, and what nearly all do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ForetoldTime)]
struct Time {
    usual: Timestamp,
    late: Timestamp,
}

impl From<Foretold> for Time {
    fn from(Foretold { usual, late }: Foretold) -> Self {
        Self { usual, late }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExpectedTimes)]
struct Expected {
    start: Time,
    end: Time,
    /// Good runs it is known from.
    runs: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PlannedJob<'a> {
    #[serde(flatten)]
    job: Summary<'a>,
    /// None for one that cannot run here, and while nothing starts.
    expected: Option<Expected>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan<'a> {
    now: Timestamp,
    /// Why nothing starts.
    hold: Option<String>,
    /// Running ones first, then those that wait, best first.
    jobs: Vec<PlannedJob<'a>>,
    /// Waiting jobs that are not among them.
    more: u64,
}

/// `GET /api/plan`
#[utoipa::path(
    get,
    path = "/plan",
    tag = "Box",
    responses((status = 200, description = "When jobs are expected to start and end", body = Plan)),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let Whole { active, waiting, ahead } = Whole::of(&web).await?;
    let in_all = web.store.counts().await?.state(JobState::Waiting);
    let more = in_all.saturating_sub(waiting.len() as u64);
    let (queue, now) = (web.schedule.standing(), clock::now());
    let all = active.into_iter().chain(waiting);
    let all: Vec<_> = all.map(|job| (queue.reason(&job), veil(&who, job))).collect();
    let jobs = all.iter().map(|(reason, job)| {
        let expected = ahead.get(job.id).map(|(outlook, runs)| Expected {
            start: outlook.start.into(),
            end: outlook.end.into(),
            runs,
        });
        PlannedJob { job: Summary::new(job, reason.as_deref(), now), expected }
    });
    let jobs = jobs.collect();
    let hold = web.about.hold.borrow().clone();
    Ok(Json(Plan { now, hold, jobs, more }).into_response())
}
