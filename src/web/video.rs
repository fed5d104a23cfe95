//! `GET /jobs/{id}/video.mp4?fragments=K`: the recording as far as it went when the page was made.
//!
//! How far that is stands in the address, so what it names stays the same while the file grows, and
//! a player can seek in it.

use std::{io, ops::Range, path::Path, sync::Arc, time::Duration};

use axum::{
    extract::{Path as InAddress, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError},
    params::{Params, number},
    ranged::{self, Ranged},
    state::Web,
};
use crate::{
    capture::{CaptureError, GrowingVideo, VIDEO_FILE, VirtualFile},
    model::JobId,
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
    InAddress(id): InAddress<String>,
    Params(Fragments { fragments }): Params<Fragments>,
    request: HeaderMap,
) -> Result<Response, PageError> {
    let path = web.folder(number(&id)?).file(VIDEO_FILE);
    let view = tasks::blocking(move || GrowingVideo::scan(&path)?.view(fragments)).await;
    let view = view.map_err(io::Error::other)?.ok_or(WebError::NotFound("video"))?;
    Ok(ranged::serve(&request, Arc::new(view), "video/mp4")?)
}

impl Ranged for VirtualFile {
    fn length(&self) -> u64 {
        self.len()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        Self::read(self, range)
    }
}
