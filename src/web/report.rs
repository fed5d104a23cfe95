//! `GET /jobs/{id}/report.html`, `.xml` and `.tap`, and `GET /api/jobs/{id}/report?format=`: a
//! job's results as one file.
//!
//! A report is made anew each time it is asked for. It has limits of its own and is held in memory
//! whole, so only a few are made at a time.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{
    errors::{PageError, Problem, WebError},
    guard::Asks,
    params::{NoParams, Params, Path, number},
    state::Web,
};
use crate::{
    model::{Identity, Job},
    report::{self, Format, Video},
    tasks,
};

static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// A report brings its own policy, which allows less than that of our pages but for its own inline
/// style and script; nobody may frame it.
const FRAMED: &str = "frame-ancestors 'none'";

type Page = Result<Response, PageError>;

/// What becomes of the video in the report for people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    video: Video,
}

/// `GET /jobs/{id}/report.html`
pub(super) async fn html(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(Wanted { video }): Params<Wanted>,
) -> Page {
    page(&web, &who, &id, Format::Html, video).await
}

/// `GET /jobs/{id}/report.xml`
pub(super) async fn junit(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Page {
    page(&web, &who, &id, Format::Junit, Video::None).await
}

/// `GET /jobs/{id}/report.tap`
pub(super) async fn tap(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Page {
    page(&web, &who, &id, Format::Tap, Video::None).await
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[param(inline)]
    format: Format,
    #[serde(default)]
    #[param(inline)]
    video: Video,
}

/// `GET /api/jobs/{id|uuid}/report`
#[utoipa::path(
    get,
    path = "/jobs/{id}/report",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7"), Asked),
    responses(
        (
            status = 200,
            description = "Its results as one file",
            content((String = "text/html"), (String = "application/xml"), (String = "text/plain")),
        ),
    ),
)]
pub(super) async fn file(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(Asked { format, video }): Params<Asked>,
) -> Result<Response, Problem> {
    let job = web.find(&who, &name).await?;
    Ok(answer(&web, job, format, video).await?)
}

async fn page(web: &Web, who: &Identity, id: &str, format: Format, video: Video) -> Page {
    let job = web.seen(who, number(id)?).await?;
    Ok(answer(web, job, format, video).await?)
}

async fn answer(web: &Web, job: Job, format: Format, video: Video) -> Result<Response, WebError> {
    let _permit = AT_ONCE.acquire().await.expect("it is never closed");
    let (id, folder, moment) = (job.id, web.folder(job.id), web.moment());
    let written =
        tasks::lasting(move || report::write(job, &folder, moment, format, video)).await?;
    let mut response = Response::new(Body::from(written.text));
    let name = format!("inline; filename=\"sutler-job-{id}.{}\"", format.ending());
    let policy = written.policy.map(|policy| format!("{policy}; {FRAMED}"));
    let told = [
        (header::CONTENT_TYPE, Some(format.content_type().to_owned())),
        (header::CONTENT_DISPOSITION, Some(name)),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    for (header, value) in told {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            response.headers_mut().insert(header, value);
        }
    }
    Ok(response)
}
