//! Pictures of a screen: what was on it, what changed, and how it is written to a file.

mod file;
mod frame;

pub use file::{PictureError, read_image, write_image};
pub use frame::{Frame, Picture, Rect, psnr};
