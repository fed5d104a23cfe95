//! `POST /api/jobs`: a bundle comes in, is kept in a file until it is whole, and is handed on; or a
//! definition by itself, which may also only be looked at.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    errors::{Problem, WebError},
    estimates,
    guard::{Asks, NothingToNote, of_submitted},
    layout::job_url,
    params::Params,
    plan::Ahead,
    state::{ComposeRequest, Composed, SubmitRefused, SubmitRequest, Web, Wishes},
};
use crate::{
    decide::access::{Act, Denied, may},
    job_file::MAX_TEXT,
    model::{After, JobId, Must, Priority, WayIn},
};

/// Largest bundle. What is larger belongs in a folder jobs may read.
pub(super) const LIMIT: u64 = 512 << 20;

/// A job that has been taken in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    number: JobId,
    uuid: Uuid,
    /// Path of its page.
    url: String,
    /// The same was sent before, and this is what it was made of then.
    repeated: bool,
    /// When it is expected to start and end, where that can be told.
    expected: Option<Ahead>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Warnings are errors.
    #[serde(default)]
    strict: bool,
    /// Numbers of jobs that must have passed, with commas between them.
    after: Option<String>,
    /// Numbers of jobs that must have ended.
    after_ended: Option<String>,
    priority: Option<String>,
    /// Only say what would become of it. Of a definition by itself.
    #[serde(default)]
    check: bool,
}

/// A definition that could be submitted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checked {
    name: String,
    /// Why it would wait now; none when it would start at once.
    waits: Option<String>,
    expected: Ahead,
}

/// What an answer with 200 has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the two answers")]
pub(super) enum Accepted {
    Taken(Taken),
    Checked(Checked),
}

/// By which a sender knows a submission that it may have to send twice.
pub(super) const KEY: &str = "idempotency-key";

/// The same for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it only describes the header")]
pub(super) struct Key {
    /// Made up by the sender, a new one for each new wish. What comes with it once more within a day does
    /// nothing twice; with another wish it is refused (409).
    #[param(rename = "Idempotency-Key", min_length = 1, max_length = 255, pattern = "^[ -~]+$")]
    idempotency_key: Option<String>,
}

/// Bytes of such a key.
const LONGEST_KEY: usize = 255;
/// Jobs that one may wait for.
const MOST_AFTER: usize = 50;

/// A file that is gone when this is.
struct Upload(PathBuf);

impl Drop for Upload {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `POST /api/jobs`
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "Jobs",
    request_body(
        content(
            (Vec<u8> = "application/x-tar"), (String = "application/yaml"),
            (serde_json::Value = "application/json"),
        ),
        description = "A bundle, or a definition by itself",
    ),
    params(Asked, Key),
    responses(
        (status = 201, description = "It was taken in", body = Taken),
        (status = 200, description = "It had been taken in before, or (check) could be", body = Accepted),
    ),
)]
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Submit)?;
    let submitter = who.submitter().ok_or(Denied::Unnamed)?;
    let rights = web.people.rights(who.clone()).await?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let (way_in, only_check) = (WayIn::Command, asked.check);
    let wishes = asked.wishes(&headers)?;
    let job = match kind {
        Some("application/x-tar") if only_check => {
            let words = "check: takes a definition by itself, and no bundle".to_owned();
            return Err(WebError::BadRequest(words).into());
        }
        Some("application/x-tar") => {
            let upload = receive(&web, body).await?;
            let tar = upload.0.clone();
            (web.submit)(SubmitRequest { tar, submitter, rights, way_in, wishes }).await?
        }
        Some("application/yaml" | "application/json") => {
            let text = definition(body).await?;
            let from = None;
            let request =
                ComposeRequest { from, text, submitter, rights, way_in, wishes, only_check };
            match (web.compose)(request).await? {
                Composed::Submitted(job) => job,
                Composed::Fine { job, waits } => {
                    let skipped = estimates::skipped(&web, &who, &job.conditions.after).await?;
                    let waits = skipped.or(waits);
                    let expected = estimates::of_new(&web, &who, &job).await?;
                    let expected = Ahead::from(&expected);
                    let mut response =
                        Json(Checked { name: job.name, waits, expected }).into_response();
                    response.extensions_mut().insert(NothingToNote);
                    return Ok(response);
                }
            }
        }
        Some(_) | None => return Err(WebError::MediaType.into()),
    };
    let url = job_url(job.id);
    let expected = estimates::of_taken(&web, &who, job.id).await;
    let (number, uuid, repeated) = (job.id, job.uuid, !job.fresh);
    let taken = Taken { number, uuid, url: url.clone(), repeated, expected };
    // Sent again, it is what it was made of the first time.
    let status = if job.fresh { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, url)];
    Ok(of_submitted((status, location, Json(taken)).into_response(), &job))
}

async fn definition(body: Body) -> Result<String, WebError> {
    let bytes = axum::body::to_bytes(body, MAX_TEXT).await;
    let bytes = bytes.map_err(|_| WebError::TooLong { limit: MAX_TEXT })?;
    String::from_utf8(bytes.into()).map_err(|_| WebError::BadRequest("it is not UTF-8".into()))
}

impl Asked {
    fn wishes(&self, headers: &HeaderMap) -> Result<Wishes, WebError> {
        let priority = self.priority.as_deref().map(str::parse::<Priority>).transpose();
        let priority = priority.map_err(|wrong| WebError::BadRequest(wrong.to_string()))?;
        let after = after(self.after.as_deref(), self.after_ended.as_deref())?;
        Ok(Wishes { strict: self.strict, after, priority, key: key(headers)? })
    }
}

/// The jobs to wait for, as a query names them.
pub(super) fn after(passed: Option<&str>, ended: Option<&str>) -> Result<Vec<After>, WebError> {
    let mut found = Vec::new();
    for (text, must) in [(passed, Must::Pass), (ended, Must::End)] {
        for number in text.iter().flat_map(|text| text.split(',')) {
            let job = number.trim().parse().map_err(|_| {
                let words = format!("after: {number:?} is no number of a job");
                WebError::BadRequest(words.chars().take(120).collect())
            })?;
            found.push(After { job, must });
        }
    }
    if found.len() > MOST_AFTER {
        return Err(WebError::BadRequest(format!("after: at most {MOST_AFTER} jobs")));
    }
    Ok(found)
}

/// The key that came with a request.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>, WebError> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let text = key.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    let refused = || WebError::BadRequest(format!("{KEY}: 1 to {LONGEST_KEY} characters of ASCII"));
    text.map(|key| Some(key.to_owned())).ok_or_else(refused)
}

async fn receive(web: &Web, body: Body) -> Result<Upload, WebError> {
    let staging = web.data.join("staging");
    tokio::fs::create_dir_all(&staging).await?;
    let upload = Upload(staging.join(format!("upload-{}.tar", Uuid::new_v4())));
    let mut file = tokio::fs::File::create_new(&upload.0).await?;
    let (mut stream, mut length) = (body.into_data_stream(), 0);
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| WebError::BadRequest("the bundle was cut off".into()))?;
        length += piece.len() as u64;
        if length > LIMIT {
            return Err(WebError::TooLarge { limit_mib: LIMIT >> 20 });
        }
        file.write_all(&piece).await?;
    }
    file.flush().await?;
    Ok(upload)
}

impl From<SubmitRefused> for WebError {
    fn from(refused: SubmitRefused) -> Self {
        match refused {
            SubmitRefused::Invalid { problems } => Self::Invalid { problems },
            SubmitRefused::KeyUsed { why } => Self::Conflict(why),
            SubmitRefused::Unavailable { why } => Self::Unavailable(why),
        }
    }
}
