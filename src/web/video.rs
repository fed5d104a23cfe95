//! `GET /jobs/{id}/video.mp4?fragments=K`: the recording as far as it went when the page was made.
//!
//! How far that is stands in the address, so what it names stays the same while the file grows, and
//! a player can seek in it.
//!
//! `GET /jobs/{id}/steps.vtt` and `log.vtt`: the run in step with it, as far as it has come now.

use std::{io, ops::Range, path::Path, sync::Arc, time::Duration};

use axum::{
    extract::{Path as InAddress, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError},
    guard::Asks,
    params::{NoParams, Params, number},
    ranged::{self, Ranged},
    state::Web,
};
use crate::{
    capture::{CaptureError, GrowingVideo, VIDEO_FILE, VirtualFile},
    markup::{log_vtt, steps_vtt},
    model::{Identity, JobId, JobState, Run},
    tasks,
};

/// A video as a page knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Video {
    pub url: String,
    /// The engine's clock at the video's first picture.
    pub epoch: Duration,
}

impl Video {
    /// What can be played now, if anything. Reads the disk.
    pub(super) fn find(job: JobId, path: &Path) -> Result<Option<Self>, CaptureError> {
        let growing = GrowingVideo::scan(path)?;
        let count = growing.pictures();
        let url = format!("/jobs/{job}/video.mp4?fragments={count}");
        Ok((count > 0).then(|| Self { url, epoch: growing.epoch() }))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fragments {
    fragments: usize,
}

/// `GET /jobs/{id}/video.mp4`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    InAddress(id): InAddress<String>,
    Params(Fragments { fragments }): Params<Fragments>,
    request: HeaderMap,
) -> Result<Response, PageError> {
    let job = web.seen(&who, number(&id)?).await?;
    let path = web.folder(job.id).file(VIDEO_FILE);
    let view = tasks::blocking(move || GrowingVideo::scan(&path)?.view(fragments)).await;
    let view = view.map_err(io::Error::other)?.ok_or(WebError::NotFound("video"))?;
    Ok(ranged::serve(&request, Arc::new(view), "video/mp4")?)
}

/// `GET /jobs/{id}/steps.vtt`
pub(super) async fn steps(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    InAddress(id): InAddress<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, PageError> {
    let Filmed { run, epoch, until } = filmed(&web, &who, number(&id)?).await?;
    Ok(vtt(steps_vtt(&run, epoch, until)))
}

/// `GET /jobs/{id}/log.vtt`
pub(super) async fn log(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    InAddress(id): InAddress<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, PageError> {
    let Filmed { run, epoch, .. } = filmed(&web, &who, number(&id)?).await?;
    Ok(vtt(log_vtt(&run, epoch)))
}

/// A run and where its video begins on its clock.
struct Filmed {
    run: Arc<Run>,
    epoch: Duration,
    /// How far the run has come.
    until: Duration,
}

async fn filmed(web: &Web, who: &Identity, id: JobId) -> Result<Filmed, WebError> {
    let job = web.seen(who, id).await?;
    let run = web.run(id).await?;
    let path = web.folder(id).file(VIDEO_FILE);
    let video = tasks::blocking(move || Video::find(id, &path)).await.map_err(io::Error::other)?;
    let epoch = video.ok_or(WebError::NotFound("video"))?.epoch;
    let goes_on = job.state != JobState::Ended;
    let until = run.until(goes_on.then(|| web.moment().now));
    Ok(Filmed { run, epoch, until })
}

fn vtt(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/vtt; charset=utf-8")], text).into_response()
}

impl Ranged for VirtualFile {
    fn length(&self) -> u64 {
        self.len()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        Self::read(self, range)
    }
}
