//! What may be asked for of a job: another priority, the same once more, and how it differs from that.

use std::{fmt, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use maud::html;
use serde::Deserialize;
use serde_json::json;

use super::{
    errors::{PageError, Problem, WebError, refused},
    guard::Asks,
    known::read,
    layout::{self, Frame, Tab, job_url},
    params::{NoParams, Params, Path, number},
    state::{ComposeRequest, Composed, Web},
};
use crate::{
    decide::access::{Act, Denied, may},
    job_file::{
        MAX_TEXT,
        diff::{Line, diff as differ},
    },
    model::{Job, NotAPriority, Priority, WayIn},
    store::Change,
};

/// How a priority is written: a word or points.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum AskedPriority {
    Points(u8),
    Word(String),
}

impl AskedPriority {
    pub(super) fn read(&self) -> Result<Priority, WebError> {
        let read = match self {
            Self::Points(points) => Priority::of_points(*points).ok_or(NotAPriority),
            Self::Word(word) => word.parse(),
        };
        read.map_err(|wrong| WebError::BadRequest(wrong.to_string()))
    }
}

impl fmt::Display for AskedPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Points(points) => points.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPriority {
    priority: AskedPriority,
}

/// `POST /api/jobs/{id|uuid}/priority`: moves a waiting job in the queue.
#[utoipa::path(
    post,
    path = "/jobs/{id}/priority",
    tag = "Jobs",
    request_body(content = serde_json::Value),
    params(
        ("id" = String, Path, description = "Number or uuid of the job", example = "7"),
    ),
    responses((status = 200, description = "Its priority now", body = serde_json::Value)),
)]
pub(super) async fn priority(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    let SetPriority { priority } = read(body).await?;
    let job = prioritise(&web, &job, priority.read()?).await?;
    let answer = json!({ "number": job.id, "uuid": job.uuid, "priority": job.priority });
    Ok(Json(answer).into_response())
}

pub(super) async fn prioritise(web: &Web, job: &Job, priority: Priority) -> Result<Job, WebError> {
    web.store.change(job.id, Change::Priority(priority)).await.map_err(refused)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedAgain {
    /// Another definition, for what the job came with.
    definition: Option<String>,
}

/// `POST /api/jobs/{id|uuid}/resubmit`: the same job once more for whoever asks, with its own definition
/// or another one. No body asks for its own.
#[utoipa::path(
    post,
    path = "/jobs/{id}/resubmit",
    tag = "Jobs",
    request_body(content = serde_json::Value),
    params(
        ("id" = String, Path, description = "Number or uuid of the job", example = "7"),
    ),
    responses((status = 201, description = "The same once more", body = serde_json::Value)),
)]
pub(super) async fn resubmit(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Submit)?;
    let submitter = who.submitter().ok_or(Denied::Unnamed)?;
    let from = web.find(&who, &name).await?;
    let rights = web.people.rights(who).await?;
    let bytes = axum::body::to_bytes(body, 2 * MAX_TEXT).await;
    let bytes = bytes.map_err(|_| WebError::BadRequest("the definition is too long".into()))?;
    let AskedAgain { definition } = match bytes.is_empty() {
        true => AskedAgain::default(),
        false => serde_json::from_slice(&bytes)
            .map_err(|error| WebError::BadRequest(error.to_string()))?,
    };
    let id = from.id;
    let request = ComposeRequest {
        text: definition.unwrap_or_else(|| from.definition.clone()),
        from: Some(from),
        submitter,
        rights,
        way_in: WayIn::Command,
        only_check: false,
    };
    let Composed::Submitted(job) = (web.compose)(request).await? else {
        unreachable!("it was not only to be checked");
    };
    let url = job_url(job.id);
    let answer = json!({ "number": job.id, "uuid": job.uuid, "url": url, "resubmitted_from": id });
    Ok((StatusCode::CREATED, [(header::LOCATION, url)], Json(answer)).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiffAsked {
    /// The other job; the one it was resubmitted from.
    with: Option<String>,
}

/// `GET /jobs/{id}/diff`: what was changed since the job this one comes from.
pub(super) async fn diff(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(DiffAsked { with }): Params<DiffAsked>,
) -> Result<Html<String>, PageError> {
    let job = web.seen(&who, number(&name)?).await?;
    let other = match with {
        Some(with) => Some(number(&with)?),
        None => job.lineage.resubmitted_from.or(job.lineage.retried_from),
    };
    let other = other.ok_or_else(|| {
        WebError::BadRequest(format!("job {} comes from no other; add ?with=NUMBER", job.id))
    })?;
    let other = web.seen(&who, other).await?;
    let lines = differ(&other.definition, &job.definition);
    let title = format!("Job {} beside job {}", job.id, other.id);
    let content = html! {
        (layout::crumbs(&html! { (layout::job_link(&job)) " / what differs" }))
        header.head {
            h1 { "What differs from job " a href=(job_url(other.id)) { (other.id) } }
        }
        @if lines.is_empty() {
            p.empty { "Nothing: it is the same definition, letter by letter." }
        } @else {
            pre.diff tabindex="0" { @for (line, text) in &lines {
                @match line {
                    Line::Same => { "  " (text) "\n" },
                    Line::Removed => { del { "- " (text) } "\n" },
                    Line::Added => { ins { "+ " (text) } "\n" },
                    Line::Gap => { span.hint { "…" } "\n" },
                }
            } }
        }
    };
    Ok(Html(layout::page(&Frame::new(&title, Tab::Neither), &content).into_string()))
}
