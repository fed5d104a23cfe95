//! `POST /api/jobs`: a bundle comes in through the socket, is kept in a file until it is whole, and
//! is handed to intake.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::{
    errors::{Problem, WebError},
    guard::Access,
    layout::job_url,
    params::Params,
    state::{SubmitRefused, SubmitRequest, Web},
};

/// Largest bundle. What is larger belongs in a folder jobs may read.
pub(super) const LIMIT: u64 = 512 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default)]
    strict: bool,
}

/// A file that is gone when this is.
struct Upload(PathBuf);

impl Drop for Upload {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// `POST /api/jobs`
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    Extension(access): Extension<Access>,
    Params(Asked { strict }): Params<Asked>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let submitter = access.submitter()?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind != Some("application/x-tar") {
        let words = "a bundle is sent with Content-Type: application/x-tar".to_owned();
        return Err(WebError::BadRequest(words).into());
    }
    let upload = receive(&web, body).await?;
    let tar = upload.0.clone();
    let job = (web.submit)(SubmitRequest { tar, submitter, strict }).await?;
    let url = job_url(job.id);
    let answer = json!({ "number": job.id, "uuid": job.uuid, "url": url });
    Ok((StatusCode::CREATED, [(header::LOCATION, url)], Json(answer)).into_response())
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
            SubmitRefused::Unavailable { why } => Self::Unavailable(why),
        }
    }
}
