//! `GET /jobs/{id}/files/{path}`: what a job left, as it is.
//!
//! Only names on the list are served, so no address reaches outside the job's folder, and nothing a
//! guest has written is ever shown as a page: its text is text, in a sandbox of its own.

use std::{io, sync::Arc};

use axum::{
    extract::{Path as InAddress, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};

use super::{
    errors::{PageError, WebError},
    guard::Asks,
    params::number,
    ranged::{self, Whole},
    state::Web,
};
use crate::{
    report::files::{FileKind, kind, open},
    tasks,
};

/// The definition, out of the record.
const DEFINITION: &str = "job.yaml";
/// The guest's screen as it was last, while somebody watches.
pub(super) const LAST: &str = "last.png";
/// Bytes of a text shown on a job's page.
pub(super) const TAIL: u64 = 16 << 10;

const fn content_type(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Screen => "image/png",
        FileKind::Text => "text/plain; charset=utf-8",
        FileKind::Lines => "application/x-ndjson",
        FileKind::Json => "application/json",
        FileKind::Video => "video/mp4",
    }
}

/// `GET /jobs/{id}/files/{path}`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    InAddress((id, name)): InAddress<(String, String)>,
    request: HeaderMap,
) -> Result<Response, PageError> {
    let id = number(&id)?;
    let job = web.seen(&who, id).await?;
    if name == DEFINITION {
        let mut response = job.definition.into_response();
        dress(response.headers_mut(), FileKind::Text, &format!("job-{id}-{DEFINITION}"));
        return Ok(response);
    }
    let kind = kind(&name).ok_or(WebError::NotFound("file"))?;
    let path = web.folder(id).file(&name);
    let whole = tasks::blocking(move || open(&path).and_then(Whole::new)).await.map_err(missing)?;
    let mut response = ranged::serve(&request, Arc::new(whole), content_type(kind))?;
    let short = name.rsplit('/').next().unwrap_or_default();
    dress(response.headers_mut(), kind, &format!("job-{id}-{short}"));
    Ok(response)
}

fn dress(headers: &mut HeaderMap, kind: FileKind, name: &str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(kind)));
    if kind == FileKind::Screen {
        let kept = HeaderValue::from_static("private, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, kept);
        return;
    }
    let policy = HeaderValue::from_static("sandbox; default-src 'none'; media-src 'self'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if let Ok(value) = HeaderValue::try_from(format!("inline; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}

pub(super) fn missing(error: io::Error) -> WebError {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let is_gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    if is_link || is_gone { WebError::NotFound("file") } else { WebError::File(error) }
}
