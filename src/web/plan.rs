//! What is to come of jobs, on pages and as `GET /api/plan`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    errors::{Problem, WebError},
    guard::Asks,
    params::Params,
    place::{Piece, Place, piece},
    records::{Summary, millis},
    sight::{foretold, veil},
    state::Web,
};
use crate::{
    clock,
    decide::{
        outlook::Takes,
        progress::{PartProgress, Progress, Standing},
    },
    estimates::{Basis, Estimate},
    markup::{Moment, span},
    model::{Foretold, JobId, JobState, Outlook, Part},
};

/// Jobs in an answer where no limit is named, and at most.
const LISTED: usize = 200;
const MOST: usize = 500;
/// Closer together, two times are one.
const MINUTE: Duration = Duration::from_secs(60);

/// When a job is expected to end, or must at the latest.
pub(super) fn ends(estimate: Option<&Estimate>, moment: &Moment) -> Markup {
    let outlook = estimate.and_then(|estimate| Some((estimate, estimate.outlook?)));
    html! {
        @if let Some((estimate, Outlook { end, .. })) = outlook {
            @if estimate.past.basis == Basis::Limit {
                span.hint { "ends " (moment.expected(end.usual)) " at the latest" }
            } @else {
                span.hint title=(estimate.basis()) {
                    "expected to end " (moment.expected(end.usual)) (up_to(end))
                }
            }
        }
    }
}

/// When a waiting job usually starts.
pub(super) fn starts(estimate: Option<&Estimate>, moment: &Moment) -> Markup {
    let after = estimate.and_then(|estimate| estimate.after);
    let after = after.map(|job| html! { span.hint { "after job " (job) } });
    let Some((estimate, Outlook { start, .. })) =
        estimate.and_then(|estimate| Some((estimate, estimate.outlook?)))
    else {
        return after.unwrap_or_else(|| html! { span.hint { "not known" } });
    };
    html! {
        span title=(estimate.basis()) {
            @if estimate.is_coarse { "about " }
            (moment.expected(start.usual))
        }
        span.hint { (up_to(start)) }
        @if let Some(after) = after { " " (after) }
    }
}

/// How much later it may get, where that is worth a word.
fn up_to(Foretold { usual, late }: Foretold) -> Markup {
    let apart = Duration::try_from(late.duration_since(usual)).unwrap_or_default();
    html! { @if apart >= MINUTE { ", or up to " (span(apart)) " later" } }
}

/// How far a job is, as a bar; the title tells from what that is known.
pub(super) fn bar(estimate: &Estimate, progress: &Progress) -> Markup {
    html! {
        @if let Some(percent) = progress.percent {
            span.progress title=(estimate.basis()) {
                progress data-forward value=(percent) max="100"
                    aria-label=(format!("{percent} % of what is expected")) {}
                span.amount { (percent) " %" }
            }
        }
        @if progress.is_long { p.slow { "Longer than usual." } }
    }
}

/// Each part with its own bar.
pub(super) fn parts(progress: &Progress) -> Markup {
    html! {
        table.parts {
            thead { tr {
                th scope="col" { "Part" } th scope="col" { "How far" }
                th.figure scope="col" { "So far" } th.figure scope="col" { "Usually" }
                th.figure scope="col" { "At most" }
            } }
            tbody { @for part in &progress.parts { tr {
                th scope="row" { bdi { (part.name) } }
                td data-label="How far" { (how_far(part)) }
                td.figure data-label="So far" {
                    @if part.standing != Standing::ToCome { (span(part.took)) }
                }
                td.figure data-label="Usually" {
                    @match part.takes {
                        Some(takes) => (span(takes.usual)),
                        None => span.hint { "not known" },
                    }
                }
                td.figure data-label="At most" {
                    @if let Some(takes) = part.takes { (span(takes.long)) }
                }
            } } }
        }
        p.hint { "At most is what 95 of 100 good runs stayed within." }
    }
}

fn how_far(part: &PartProgress) -> Markup {
    let bar = |percent: u8| {
        html! {
            span.progress {
                progress data-forward value=(percent) max="100"
                    aria-label=(format!("{}: {percent} %", part.name)) {}
                span.amount { (percent) " %" }
            }
        }
    };
    match part.standing {
        Standing::ToCome => html! { span.hint { "to come" } },
        Standing::Runs { percent: Some(percent) } => html! {
            (bar(percent))
            @if part.is_long() { span.slow { "longer than usual" } }
        },
        Standing::Runs { percent: None } => html! { "runs" },
        Standing::Over => html! { (bar(100)) },
    }
}

/// A length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Lasting {
    /// Half of the runs stay within.
    usual_ms: u64,
    /// Nearly all do.
    long_ms: u64,
}

impl From<Takes> for Lasting {
    fn from(Takes { usual, long }: Takes) -> Self {
        Self { usual_ms: millis(usual), long_ms: millis(long) }
    }
}

/// What is expected of a job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ahead {
    /// Its place among those that wait, from 1.
    position: Option<u64>,
    /// It waits so far back that only the work before it was counted.
    coarse: bool,
    /// The job whose end it waits for, before it is its turn.
    after: Option<JobId>,
    takes: Lasting,
    /// Whose runs tell: those of this `job`, of its name on an `other_device`, of all on its
    /// `device_type`, or none, and then its time `limit` stands in.
    from: &'static str,
    /// How many those are.
    runs: u64,
    /// The same in words.
    words: String,
    /// None while nothing starts, of one that can never run here, and where it is not known of one that it
    /// waits for.
    start: Option<Foretold>,
    end: Option<Foretold>,
}

impl From<&Estimate> for Ahead {
    fn from(estimate: &Estimate) -> Self {
        Self {
            position: estimate.position,
            coarse: estimate.is_coarse,
            after: estimate.after,
            takes: estimate.takes.into(),
            from: estimate.past.basis.name(),
            runs: estimate.past.basis.runs(),
            words: estimate.basis(),
            start: estimate.outlook.map(|outlook| outlook.start),
            end: estimate.outlook.map(|outlook| outlook.end),
        }
    }
}

/// How far a running job is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Underway {
    /// Of what is expected; none where nothing is known of any of its parts.
    percent: Option<u8>,
    longer_than_usual: bool,
    parts: Vec<PartUnderway>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartUnderway {
    part: Part,
    name: String,
    /// `to_come`, `runs` or `over`.
    state: &'static str,
    percent: Option<u8>,
    took_ms: u64,
    usual_ms: Option<u64>,
    long_ms: Option<u64>,
    longer_than_usual: bool,
}

impl From<&Progress> for Underway {
    fn from(progress: &Progress) -> Self {
        let parts = progress.parts.iter().map(PartUnderway::from).collect();
        Self { percent: progress.percent, longer_than_usual: progress.is_long, parts }
    }
}

impl From<&PartProgress> for PartUnderway {
    fn from(part: &PartProgress) -> Self {
        let (state, percent) = match part.standing {
            Standing::ToCome => ("to_come", Some(0)),
            Standing::Runs { percent } => ("runs", percent),
            Standing::Over => ("over", Some(100)),
        };
        Self {
            part: part.part,
            name: part.name.clone(),
            state,
            percent,
            took_ms: millis(part.took),
            usual_ms: part.takes.map(|takes| millis(takes.usual)),
            long_ms: part.takes.map(|takes| millis(takes.long)),
            longer_than_usual: part.is_long(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct PlannedJob<'a> {
    #[serde(flatten)]
    job: Summary<'a>,
    /// None for one that cannot run here or may not be seen, and while nothing starts.
    expected: Option<Ahead>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Plan<'a> {
    now: Timestamp,
    /// Why nothing starts.
    hold: Option<String>,
    /// Running ones first, then those that wait, best first.
    jobs: Vec<PlannedJob<'a>>,
    /// Waiting jobs that come later.
    more: usize,
    /// The cursor of the next page; none when this was the last.
    next: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Where to go on: `next` of the page before.
    cursor: Option<String>,
    /// At most this many jobs.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
}

impl Asked {
    fn read(self) -> Result<(Option<Place>, usize), WebError> {
        let after = self.cursor.as_deref().map(str::parse).transpose();
        let after = after.map_err(|error| WebError::BadRequest(format!("cursor: {error}")))?;
        let limit = self.limit.unwrap_or(LISTED);
        if !(1..=MOST).contains(&limit) {
            let words = format!("limit: a number from 1 to {MOST}, not {limit}");
            return Err(WebError::BadRequest(words));
        }
        Ok((after, limit))
    }
}

/// `GET /api/plan`: what runs and what waits, a page at a time. The plan changes between two pages: a
/// job that stays behind the last one of a page is on a later one, and one that stays before it does
/// not come again. When that one has started or ended, those that wait come from the first on.
#[utoipa::path(
    get,
    path = "/plan",
    tag = "Box",
    params(Asked),
    responses((status = 200, description = "When jobs are expected to start and end", body = Plan)),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let (after, limit) = asked.read()?;
    // First those that wait: one that starts meanwhile is found twice and not missed.
    let waiting = web.queue().await?;
    let mut active = Vec::new();
    for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
        active.extend(web.unveiled(state, usize::MAX).await?);
    }
    active.sort_by_key(Place::of_running);
    let running: Vec<_> = active.iter().map(Place::of_running).collect();
    let Piece { running, waiting, next, more } = piece(&running, &waiting, after, limit);
    let mut waiting = web.unveiled_of(waiting.to_vec()).await?;
    let is_active = |id| active.iter().any(|job| job.id == id);
    waiting.retain(|job| job.state != JobState::Ended && !is_active(job.id));
    active.retain(|job| running.contains(&Place::of_running(job)));
    let (queue, now) = (web.schedule.standing(), clock::now());
    let estimates = web.estimates.now();
    let all = active.into_iter().chain(waiting);
    let all: Vec<_> = all.map(|job| (queue.reason(&job), veil(&who, job))).collect();
    let jobs = all.iter().map(|(reason, job)| {
        // Of one that can never run nothing is expected.
        let estimate = foretold(&estimates, job, now).filter(|estimate| estimate.outlook.is_some());
        let expected = estimate.as_ref().map(Ahead::from);
        PlannedJob { job: Summary::new(job, reason.as_deref(), now), expected }
    });
    let jobs = jobs.collect();
    let hold = web.about.hold.borrow().clone();
    let next = next.map(|place| place.to_string());
    Ok(Json(Plan { now, hold, jobs, more, next }).into_response())
}
