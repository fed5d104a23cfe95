//! Makes result screens smaller without changing a pixel.
//!
//! An engine writes its screens fast and large. Long after, when nobody waits, a process of its own
//! (`sutler shrink-screens`) at idle priority writes them again as small as they get: lines in, files
//! and lines out. A process, as for the video, so that its memory is given back, a crash in it costs
//! one screen, and the kernel runs it only when nobody else wants the processor: a thread of the
//! appliance could only be nice.
//!
//! A screen is named by the hash of its pixels. It is compared before and after, so that a file that
//! is not what its name says is never taken for good, and no error of the optimiser is kept.

use std::{
    fs::{self, File},
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{CaptureError, screens::screen_hash};
use crate::{model::Digest, picture::read_image};

/// Of oxipng's presets 0 to 6. Seven installer screens of 1024x768, compressed fast as ours are,
/// shrank from 139 kB to 67 kB with 1, in half a second each; to 65 kB with 2 in three times that,
/// and to 61 kB with 4 in five times that, on a busy machine.
const PRESET: u8 = 1;

/// A line to the process: make a small file `to` of the screen in `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShrinkOrder {
    pub from: PathBuf,
    /// Written anew, and flushed to the disk.
    pub to: PathBuf,
    /// What the screen shows, as its name says.
    pub sha256: Digest,
}

/// A line from the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shrunk {
    /// The new file is there, and smaller.
    Smaller { bytes: u64 },
    /// It is as small as it gets; nothing was written.
    Smallest,
    /// It is not what its name says, or cannot be used; nothing was written.
    Refused { words: String },
}

/// Carries out `orders`, a line each, until they end. Blocks for as long.
///
/// # Errors
/// When a line cannot be understood, or nobody hears the answers.
pub fn shrink_screens(orders: impl BufRead, mut answers: impl Write) -> Result<(), CaptureError> {
    for line in orders.lines() {
        let line = line.map_err(|source| CaptureError::Pipe { source })?;
        let order: ShrinkOrder = serde_json::from_str(&line).map_err(|source| {
            CaptureError::Order { line: line.chars().take(200).collect(), source }
        })?;
        let mut answer =
            serde_json::to_string(&shrink_screen(&order)).expect("an answer is plain data");
        answer.push('\n');
        answers
            .write_all(answer.as_bytes())
            .and_then(|()| answers.flush())
            .map_err(|source| CaptureError::Pipe { source })?;
    }
    Ok(())
}

/// Carries out one order. Takes some tenths of a second.
pub fn shrink_screen(order: &ShrinkOrder) -> Shrunk {
    match smaller(order) {
        Ok(Some(bytes)) => Shrunk::Smaller { bytes },
        Ok(None) => Shrunk::Smallest,
        Err(words) => {
            // It may never have been made.
            let _ = fs::remove_file(&order.to);
            Shrunk::Refused { words }
        }
    }
}

/// Length of the smaller file.
fn smaller(order: &ShrinkOrder) -> Result<Option<u64>, String> {
    let ShrinkOrder { from, to, sha256 } = order;
    shows(from, *sha256)?;
    let before = fs::read(from).map_err(|error| error.to_string())?;
    let options = oxipng::Options::from_preset(PRESET);
    let after = oxipng::optimize_from_memory(&before, &options);
    let after = after.map_err(|error| error.to_string())?;
    if after.len() >= before.len() {
        return Ok(None);
    }
    write(to, &after).map_err(|error| error.to_string())?;
    shows(to, *sha256)?;
    Ok(Some(after.len() as u64))
}

/// Whether a file shows what its name says.
fn shows(path: &Path, sha256: Digest) -> Result<(), String> {
    let picture = read_image(path).map_err(|error| crate::model::with_causes(&error))?;
    match screen_hash(&picture) == sha256 {
        true => Ok(()),
        false => Err("it does not show what its name says".into()),
    }
}

fn write(to: &Path, bytes: &[u8]) -> io::Result<()> {
    // One that was left behind may have other names by now: it is never written over.
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = File::create_new(to)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        capture::save_screen,
        picture::{Picture, write_image},
    };

    /// Rows of different greys with dots on them, as text is.
    fn picture() -> Picture {
        let mut picture = Picture::filled(320, 200, [240, 240, 240]);
        for y in 0..200 {
            let shade = u8::try_from(y).unwrap();
            picture.row_mut(0, y, 160).fill(shade);
            picture.row_mut(y * 7 % 300, y, 1).copy_from_slice(&[200, 0, shade]);
        }
        picture
    }

    fn order(folder: &Path) -> ShrinkOrder {
        let saved = save_screen(folder, &picture()).unwrap();
        ShrinkOrder {
            from: folder.join(saved.file),
            to: folder.join("small.png"),
            sha256: saved.sha256,
        }
    }

    #[test]
    fn a_screen_gets_smaller_and_shows_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let order = order(folder.path());
        let before = fs::metadata(&order.from).unwrap().len();
        let Shrunk::Smaller { bytes } = shrink_screen(&order) else { panic!("not smaller") };
        assert!(bytes < before, "{bytes} of {before}");
        assert_eq!(fs::metadata(&order.to).unwrap().len(), bytes);
        assert_eq!(read_image(&order.to).unwrap(), picture());
        let again = ShrinkOrder { from: order.to, to: folder.path().join("x.png"), ..order };
        assert_eq!(shrink_screen(&again), Shrunk::Smallest);
        assert!(!again.to.exists());
    }

    #[test]
    fn what_is_not_what_its_name_says_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let order = order(folder.path());
        let is_refused = || matches!(shrink_screen(&order), Shrunk::Refused { .. });
        write_image(&order.from, &Picture::filled(320, 200, [0, 0, 0])).unwrap();
        assert!(is_refused(), "another picture");
        fs::write(&order.from, "\u{89}PNG nonsense").unwrap();
        assert!(is_refused(), "no picture");
        fs::remove_file(&order.from).unwrap();
        assert!(is_refused(), "nothing");
        assert!(!order.to.exists());
    }

    #[test]
    fn orders_are_answered_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let good = order(folder.path());
        let bad = ShrinkOrder { from: "/nowhere.png".into(), ..good.clone() };
        let line = |order| serde_json::to_string(order).unwrap() + "\n";
        let orders = line(&bad) + &line(&good);
        let mut answers = Vec::new();
        shrink_screens(orders.as_bytes(), &mut answers).unwrap();
        let answers = String::from_utf8(answers).unwrap();
        let read: Vec<Shrunk> =
            answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(matches!(read[..], [Shrunk::Refused { .. }, Shrunk::Smaller { .. }]), "{answers}");
        assert!(shrink_screens(&b"nonsense\n"[..], Vec::new()).is_err());
    }
}
