//! Result screens: PNG files named by what they show, each written once.

use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{CaptureError, SCREENS_FOLDER};
use crate::{
    model::Digest,
    picture::{Picture, write_image},
};

/// A result screen that is in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedScreen {
    /// Of the picture as a PPM file: size and pixels, whatever the PNG's compression.
    pub sha256: Digest,
    /// Relative to the job's folder.
    pub file: String,
}

/// Writes a screen into `screens/` of the job's folder, unless it is there. Takes some ten
/// milliseconds: call it through [`tasks::blocking`](crate::tasks::blocking).
///
/// # Errors
/// When the folder or the file cannot be written.
pub fn save_screen(folder: &Path, picture: &Picture) -> Result<SavedScreen, CaptureError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let sha256 = screen_hash(picture);
    let file = format!("{SCREENS_FOLDER}/{sha256}.png");
    let path = folder.join(&file);
    if !path.exists() {
        let screens = folder.join(SCREENS_FOLDER);
        let refused = |source: io::Error| CaptureError::File { path: path.clone(), source };
        fs::create_dir_all(&screens).map_err(refused)?;
        // Two callers may save the same screen at once: each writes its own file, one name wins.
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = screens.join(format!(".{turn}-{}.png", std::process::id()));
        write_image(&own, picture)?;
        fs::rename(&own, &path).map_err(refused)?;
    }
    Ok(SavedScreen { sha256, file })
}

/// Names a screen by what it shows: the hash of its PPM file.
pub(super) fn screen_hash(picture: &Picture) -> Digest {
    let mut ppm = format!("P6\n{} {}\n255\n", picture.width(), picture.height()).into_bytes();
    ppm.extend_from_slice(picture.rgb());
    Digest::of(&ppm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::read_image;

    #[test]
    fn a_screen_is_written_once_however_often_it_occurs() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Picture::filled(8, 4, [1, 2, 3]);
        let first = save_screen(folder.path(), &picture).unwrap();
        let path = folder.path().join(&first.file);
        assert_eq!(read_image(&path).unwrap(), picture);
        fs::write(&path, "still here").unwrap();
        assert_eq!(save_screen(folder.path(), &picture).unwrap(), first);
        assert_eq!(fs::read_to_string(&path).unwrap(), "still here");
        let turned = save_screen(folder.path(), &Picture::filled(4, 8, [1, 2, 3])).unwrap();
        assert_ne!(turned, first, "the same bytes in another shape are another screen");
        assert_eq!(fs::read_dir(folder.path().join(SCREENS_FOLDER)).unwrap().count(), 2);
    }
}
