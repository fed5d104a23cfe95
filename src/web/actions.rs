//! What may be asked for of a job: another priority, or the same once more.

use std::{borrow::Cow, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use uuid::Uuid;

use super::{
    body::{self, read},
    errors::{Problem, WebError, refused},
    estimates,
    guard::{About, Asks},
    layout::job_url,
    params::{NoParams, Params, Path},
    plan::Ahead,
    state::{ComposeRequest, Composed, Web, Wishes},
    submit::{self, Key},
};
use crate::{
    decide::access::{Act, Denied, may},
    job_file::MAX_TEXT,
    model::{Job, JobId, NotAPriority, Priority, WayIn},
    store::Change,
};

/// A priority, written as a word or in points.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Written")]
pub(super) struct AskedPriority(pub Priority);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Written {
    Points(i64),
    Word(String),
}

impl TryFrom<Written> for AskedPriority {
    type Error = NotAPriority;

    fn try_from(written: Written) -> Result<Self, NotAPriority> {
        let read = match written {
            Written::Points(points) => {
                u8::try_from(points).ok().and_then(Priority::of_points).ok_or(NotAPriority)
            }
            Written::Word(word) => word.parse(),
        };
        read.map(Self)
    }
}

impl utoipa::ToSchema for AskedPriority {
    fn name() -> Cow<'static, str> {
        "AskedPriority".into()
    }
}

impl utoipa::PartialSchema for AskedPriority {
    fn schema() -> RefOr<Schema> {
        let points = ObjectBuilder::new().schema_type(Type::Integer);
        let points = points.minimum(Some(Priority::LOW.0)).maximum(Some(Priority::HIGH.0));
        let word = ObjectBuilder::new().schema_type(Type::String);
        let word = word.enum_values(Some(["low", "medium", "high"]));
        utoipa::openapi::OneOfBuilder::new().item(points).item(word).into()
    }
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetPriority {
    priority: AskedPriority,
}

/// A job with its priority.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Prioritised {
    number: JobId,
    uuid: Uuid,
    #[schema(value_type = u8, maximum = 100)]
    priority: Priority,
}

/// `POST /api/jobs/{id|uuid}/priority`: moves a waiting job in the queue.
#[utoipa::path(
    post,
    path = "/jobs/{id}/priority",
    tag = "Jobs",
    request_body(content = SetPriority),
    params(
        ("id" = String, Path, description = "Number or uuid of the job", example = "7"),
    ),
    responses((status = 200, description = "Its priority now", body = Prioritised)),
)]
pub(super) async fn priority(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let job = web.decidable(&who, &name).await?;
    let SetPriority { priority: AskedPriority(priority) } = read(body).await?;
    let job = prioritise(&web, &job, priority).await?;
    let answer = Prioritised { number: job.id, uuid: job.uuid, priority: job.priority };
    let mut response = Json(answer).into_response();
    response.extensions_mut().insert(About(format!("{}: {}", job.id, job.priority.0)));
    Ok(response)
}

pub(super) async fn prioritise(web: &Web, job: &Job, priority: Priority) -> Result<Job, WebError> {
    web.store.change(job.id, Change::Priority(priority)).await.map_err(refused)
}

#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedAgain {
    /// Another definition, for what the job came with.
    definition: Option<String>,
}

/// The job that runs another once more.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Resubmitted {
    number: JobId,
    uuid: Uuid,
    url: String,
    resubmitted_from: JobId,
    /// The same was asked for before, and this is what came of it then.
    repeated: bool,
    /// When it is expected to start and end, where that was found out in a moment.
    expected: Option<Ahead>,
}

/// `POST /api/jobs/{id|uuid}/resubmit`: the same job once more for whoever asks, with its own definition
/// or another one. No body asks for its own.
#[utoipa::path(
    post,
    path = "/jobs/{id}/resubmit",
    tag = "Jobs",
    request_body(content = Option<AskedAgain>),
    params(
        ("id" = String, Path, description = "Number or uuid of the job", example = "7"),
        Key,
    ),
    responses(
        (status = 201, description = "The same once more", body = Resubmitted),
        (status = 200, description = "It had been asked for before", body = Resubmitted),
    ),
)]
pub(super) async fn resubmit(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Submit)?;
    let key = submit::key(&headers)?;
    let submitter = who.submitter().ok_or(Denied::Unnamed)?;
    let from = web.find(&who, &name).await?;
    let rights = web.people.rights(who.clone()).await?;
    let bytes = axum::body::to_bytes(body, 2 * MAX_TEXT).await;
    let bytes = bytes.map_err(|_| WebError::BadRequest("the definition is too long".into()))?;
    let AskedAgain { definition } = match bytes.is_empty() {
        true => AskedAgain::default(),
        false => body::parse::<Option<_>>(&bytes)?.unwrap_or_default(),
    };
    let resubmitted_from = from.id;
    let request = ComposeRequest {
        text: definition.unwrap_or_else(|| from.definition.clone()),
        from: Some(from),
        submitter,
        rights,
        way_in: WayIn::Command,
        wishes: Wishes { key, ..Wishes::default() },
        only_check: false,
    };
    let Composed::Submitted(job) = (web.compose)(request).await? else {
        unreachable!("it was not only to be checked");
    };
    let url = job_url(job.id);
    let expected = estimates::of_taken(&web, &who, job.id).await;
    let (number, uuid, repeated) = (job.id, job.uuid, !job.fresh);
    let answer =
        Resubmitted { number, uuid, url: url.clone(), resubmitted_from, repeated, expected };
    let status = if repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, [(header::LOCATION, url)], Json(answer)).into_response())
}
