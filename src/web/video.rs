//! `GET /jobs/{id}/video.mp4?fragments=K`: the recording as far as it went when the page was made.
//!
//! How far that is stands in the address, so that what it names stays the same while the file
//! grows.

use std::{io, path::Path, sync::Arc, time::Duration};

use axum::{
    extract::{Path as InAddress, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{
    errors::PageError,
    files::{self, VIDEO},
    params::{Params, number},
    ranged::{self, Whole},
    state::Web,
};
use crate::{
    model::{JobId, StepRun},
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
    pub(super) fn find(job: JobId, path: &Path) -> io::Result<Option<Self>> {
        let length = path.metadata().map_or(0, |file| file.len());
        let url = format!("/jobs/{job}/video.mp4?fragments=0");
        Ok((length > 0).then_some(Self { url, epoch: Duration::ZERO }))
    }

    /// Where in the video a step begins, in seconds.
    pub(super) fn place(&self, step: &StepRun) -> String {
        format!("{:.1}", step.started.saturating_sub(self.epoch).as_secs_f64())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fragments {
    #[serde(rename = "fragments")]
    _fragments: usize,
}

/// `GET /jobs/{id}/video.mp4`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    InAddress(id): InAddress<String>,
    Params(Fragments { .. }): Params<Fragments>,
    request: HeaderMap,
) -> Result<Response, PageError> {
    let path = web.folder(number(&id)?).file(VIDEO);
    let whole = tasks::blocking(move || files::open(&path).and_then(Whole::new)).await;
    let whole = whole.map_err(files::missing)?;
    Ok(ranged::serve(&request, Arc::new(whole), "video/mp4")?)
}
