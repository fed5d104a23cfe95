//! `sutler encode-video`: the encoder's process of an engine. Not for people.

use std::{
    io::{self, BufReader},
    path::PathBuf,
};

use crate::capture::{Canvas, CaptureError, encode_video};

/// Encode the frames named on standard input into a video.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {
    /// Size of the video, for example 1024x768
    #[arg(long, default_value_t)]
    canvas: Canvas,
    /// The job's folder
    folder: PathBuf,
}

/// # Errors
/// When the video cannot be made; what is in the file by then can be played.
pub(super) fn run(args: Args) -> Result<(), CaptureError> {
    encode_video(&args.folder, args.canvas, BufReader::new(io::stdin()), io::stdout().lock())
}
