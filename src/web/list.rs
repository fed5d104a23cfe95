//! `GET /api/jobs` and `GET /api/jobs.csv`: the jobs a filter means, a page at a time.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    csv::{self, Cell},
    errors::{Problem, WebError},
    guard::Asks,
    listing::{ListParams, Listing, Said, TableParams, Whose},
    params::Params,
    records::Summary,
    sight::Unseen,
    state::Web,
};
use crate::{
    clock,
    model::{Cursor, Identity, Job},
    store::JobPage,
};

/// Jobs in an answer where no limit is named, and at most.
const LIMIT: usize = 50;
pub(super) const MOST: usize = 500;
/// Lines of a table, likewise.
pub(super) const MOST_LINES: usize = 10_000;
/// Pages a table may take: a filter that hardly finds anything ends it early.
const MOST_PAGES: usize = 100;

/// Some jobs, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Jobs<'a> {
    jobs: Vec<Summary<'a>>,
    /// The cursor of the next page; none when this was the last.
    next: Option<String>,
    /// Whether the page ended early because looking on would have taken too long. The next goes on.
    partial: bool,
    /// How many there are in all, where that is counted.
    total: Option<u64>,
}

/// `GET /api/jobs`: what has not ended as the queue has it, then the newest ends.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "Jobs",
    params(ListParams),
    responses(
        (status = 200, description = "Some of the jobs, and where the next are", body = Jobs),
    ),
)]
pub(super) async fn json(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(said): Params<Said>,
) -> Result<Response, Problem> {
    let mut listing = Listing::read(said, MOST)?;
    listing.limit.get_or_insert(LIMIT);
    let page = page(&web, &who, &listing, Whose::All, Unseen::Veiled, None).await?;
    let (queue, now) = (web.schedule.standing(), clock::now());
    let reasons: Vec<_> = page.jobs.iter().map(|job| queue.reason(job)).collect();
    let jobs = page.jobs.iter().zip(&reasons);
    let answer = Jobs {
        jobs: jobs.map(|(job, why)| Summary::new(job, why.as_deref(), now)).collect(),
        next: page.next.as_ref().map(|cursor| cursor.write(listing.sort())),
        partial: page.is_cut,
        total: page.in_all,
    };
    Ok(Json(answer).into_response())
}

/// A page of a list, for whoever asks.
pub(super) async fn page(
    web: &Web,
    who: &Identity,
    listing: &Listing,
    usually: Whose,
    unseen: Unseen,
    cursor: Option<Cursor>,
) -> Result<JobPage, WebError> {
    let mut asked = listing.asked(who, usually)?;
    asked.cursor = cursor.or(asked.cursor);
    web.list(who, asked, unseen).await
}

const CSV: [(HeaderName, &str); 2] = [
    (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
    (header::CONTENT_DISPOSITION, "attachment; filename=\"sutler-jobs.csv\""),
];

const HEAD: &str = "number,uuid,name,state,verdict,who,cause,words,rule,device_type,device,tags,\
                    submitter,group,priority,submitted,started,ended,running_s,metadata,settings\r\n";

/// `GET /api/jobs.csv`: the same as a table. Where there are more lines, `Link` has the rest.
#[utoipa::path(
    get,
    path = "/jobs.csv",
    tag = "Jobs",
    params(TableParams),
    responses(
        (
            status = 200,
            description = "A line for each job; the Link header has the rest where there are more",
            body = String,
            content_type = "text/csv",
        ),
    ),
)]
pub(super) async fn csv(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(said): Params<Said>,
) -> Result<Response, Problem> {
    let mut listing = Listing::read(said, MOST_LINES)?;
    let lines = listing.limit.unwrap_or(MOST_LINES);
    let (mut text, mut left, mut cursor) = (HEAD.to_owned(), lines, None);
    let now = clock::now();
    for _ in 0..MOST_PAGES {
        listing.limit = Some(left.min(MOST));
        let page = page(&web, &who, &listing, Whose::All, Unseen::LeftOut, cursor.take()).await?;
        for job in &page.jobs {
            text += &line(job, now);
        }
        left -= page.jobs.len();
        cursor = page.next;
        if cursor.is_none() || left == 0 {
            break;
        }
    }
    listing.limit = Some(lines);
    let mut response = (CSV, text).into_response();
    if let Some(cursor) = cursor {
        let link = format!("<{}>; rel=\"next\"", listing.next("/api/jobs.csv", &cursor));
        if let Ok(link) = link.try_into() {
            response.headers_mut().insert(header::LINK, link);
        }
    }
    Ok(response)
}

fn line(job: &Job, now: jiff::Timestamp) -> String {
    let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let pairs = |pairs| serde_json::to_string(pairs).unwrap_or_default();
    let (id, uuid, tags) = (job.id.0, job.uuid.to_string(), job.tags.join(" "));
    let cause = job.cause.as_ref();
    let (submitted, started) = (job.submitted.to_string(), time(job.started));
    let (ended, metadata, settings) = (time(job.ended), pairs(&job.metadata), pairs(&job.settings));
    csv::row(&[
        Cell::Whole(id),
        Cell::Text(&uuid),
        Cell::Text(&job.name),
        Cell::Text(job.state.name()),
        Cell::Text(job.verdict.map_or("", crate::model::Verdict::name)),
        Cell::Text(cause.map_or("", |cause| cause.who.name())),
        Cell::Text(cause.map_or("", |cause| cause.code.name())),
        Cell::Text(cause.map_or("", |cause| &cause.words)),
        Cell::Text(job.known_failure.as_deref().unwrap_or_default()),
        Cell::Text(&job.device_type),
        Cell::Text(job.device.as_deref().unwrap_or_default()),
        Cell::Text(&tags),
        Cell::Text(&job.submitter.name),
        Cell::Text(job.group.as_deref().unwrap_or_default()),
        Cell::Whole(job.priority.0.into()),
        Cell::Text(&submitted),
        Cell::Text(&started),
        Cell::Text(&ended),
        job.running_time(now).map(|time| time.as_secs_f64()).into(),
        Cell::Text(&metadata),
        Cell::Text(&settings),
    ])
}
