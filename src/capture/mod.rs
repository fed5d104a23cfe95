//! What is kept of the screen: the video, result screens, the live picture.
//!
//! ```text
//! engine process                                     encoder process (`sutler encode-video`)
//! Recorder::offer -> spool/00000007.ppm  --{"frame":7,..}-->  Film: Planes -> Encoder -> boxes
//!        room in the spool <-- file deleted <--{"durable":7}--  video.mp4, part by part
//! ```
//!
//! Video is made in a process of its own, so that every thread of rav1e runs at idle priority, a
//! crash of it costs only the video, and its memory and processor time are not the engine's. Frames
//! wait as PPM files in a spool of bounded size; when that is full, pictures are left out and
//! counted, and nothing ever waits for the encoder. Readers of a growing `video.mp4` need only
//! [`GrowingVideo`].

mod canvas;
mod container;
mod encoder;
mod error;
mod film;
mod growing;
mod live;
mod pace;
mod process;
mod recorder;
mod screens;
mod shrink;
mod spool;

pub use canvas::Canvas;
pub use error::CaptureError;
pub use growing::{GrowingVideo, VirtualFile};
pub use live::LivePicture;
pub use process::encode_video;
pub use recorder::{EncoderCommand, Recorder, RecorderReport};
pub use screens::{SavedScreen, save_screen};
pub use shrink::{ShrinkOrder, Shrunk, shrink_screen, shrink_screens};

/// The video, in the job's folder.
pub const VIDEO_FILE: &str = "video.mp4";
/// The live picture, in the job's folder.
pub const LIVE_FILE: &str = "last.png";
/// Result screens, in the job's folder.
pub const SCREENS_FOLDER: &str = "screens";
