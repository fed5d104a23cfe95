//! What can go wrong when the screen is kept. None of it fails a job.

use std::{io, path::PathBuf};

use crate::picture::PictureError;

#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("could not start the video encoder {}", program.display())]
    Spawn { program: PathBuf, source: io::Error },
    #[error("could not use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error("no line of the recorder: {line:?}")]
    Order { line: String, source: serde_json::Error },
    #[error("the line to the recorder is broken")]
    Pipe { source: io::Error },
    #[error("the encoder refuses its settings: {words}")]
    Settings { words: String },
    #[error("the encoder failed at picture {number}: {words}")]
    Encode { number: u64, words: String },
    #[error("could not write a box of the video")]
    Box { source: mp4_atom::Error },
}
