//! Which files of a job's folder readers are shown, and their texts.
//!
//! Only names on the list are opened, and no link in their place, so nothing reaches outside of the
//! folder whatever a guest has made of it.

use std::{fs::File, io, io::Read, os::unix::fs::FileExt, path::Path};

use rustix::fs::{Mode, OFlags};

use crate::{capture::VIDEO_FILE, markup::Tail, model::Digest, supervise::JobFolder};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A screen named by its hash, which never changes.
    Screen,
    Text,
    Lines,
    Json,
    Video,
}

/// Whether a name is on the list.
pub fn kind(name: &str) -> Option<FileKind> {
    if let Some(screen) = name.strip_prefix("screens/") {
        let hash = screen.strip_suffix(".png")?;
        return hash.parse::<Digest>().is_ok().then_some(FileKind::Screen);
    }
    if let Some(number) = name.strip_prefix("serial").and_then(|rest| rest.strip_suffix(".txt")) {
        let digits = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        return digits.then_some(FileKind::Text);
    }
    match name {
        JobFolder::EVENTS => Some(FileKind::Lines),
        JobFolder::LOG | "qemu.log" => Some(FileKind::Text),
        "result.json" => Some(FileKind::Json),
        VIDEO_FILE => Some(FileKind::Video),
        _ => None,
    }
}

/// Opens a file for reading; a link in its place is refused.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The files of a folder that are on the list and not screens, by name. Reads the disk.
pub fn listed(folder: &JobFolder) -> io::Result<Vec<(String, u64)>> {
    let entries = match std::fs::read_dir(folder.path()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // A file may be gone between the listing and this question.
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && kind(&name).is_some() {
            files.push((name, metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// The ends of the texts among `files`, at most `most` bytes of each. Reads the disk.
pub fn tails(folder: &JobFolder, files: &[(String, u64)], most: u64) -> io::Result<Vec<Tail>> {
    let texts = files.iter().filter(|(name, _)| kind(name) == Some(FileKind::Text));
    texts.map(|(name, _)| tail(folder, name, most)).collect()
}

fn tail(folder: &JobFolder, name: &str, most: u64) -> io::Result<Tail> {
    let mut file = open(&folder.file(name))?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(most);
    let mut bytes = Vec::new();
    if from == 0 {
        Read::by_ref(&mut file).take(most).read_to_end(&mut bytes)?;
    } else {
        bytes.resize(usize::try_from(size - from).map_err(io::Error::other)?, 0);
        file.read_exact_at(&mut bytes, from)?;
    }
    Ok(Tail { name: name.into(), size, text: readable(&bytes), cut: from > 0 })
}

/// Console bytes as text: without colours, cursor movements and other control characters.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => match letters.peek() {
                // Control sequence: ends with a letter or one of its neighbours.
                Some('[') => {
                    letters.next();
                    letters.by_ref().find(|letter| ('@'..='~').contains(letter));
                }
                // Operating system command: ends with a bell, or a string terminator.
                Some(']') => {
                    letters.by_ref().find(|letter| matches!(letter, '\u{7}' | '\u{1b}' | '\n'));
                    letters.next_if_eq(&'\\');
                }
                Some('(' | ')') => {
                    letters.next();
                    letters.next();
                }
                Some(_) => {
                    letters.next();
                }
                None => {}
            },
            '\n' | '\t' => out.push(letter),
            control if control.is_control() => {}
            // No characters by definition; XML forbids them.
            '\u{fffe}' | '\u{ffff}' => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_names_are_files() {
        let screen = format!("screens/{}.png", Digest::of(b""));
        for name in [&screen, "events.jsonl", "engine.log", "serial0.txt", "video.mp4"] {
            assert!(kind(name).is_some(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "../../store.redb",
            "screens",
            "screens/",
            "screens/../events.jsonl",
            "screens/x.png",
            "order.json",
            "engine.sock",
            "engine.lock",
            "serial.txt",
            "serial../x.txt",
            "serial000.txt",
            "EVENTS.JSONL",
            "events.jsonl\0",
            "/etc/passwd",
        ] {
            assert!(kind(name).is_none(), "{name}");
        }
    }

    #[test]
    fn console_bytes_become_readable() {
        for (bytes, text) in [
            (&b"plain\r\nlines\n"[..], "plain\nlines\n"),
            (b"\x1b[1;31mred\x1b[0m", "red"),
            (b"\x1b]0;title\x07shell", "shell"),
            (b"\x1b]0;title\x1b\\shell", "shell"),
            (b"\x1b(Bx\x1b=y\x08\x00z", "xyz"),
            (b"cut \x1b[", "cut "),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(readable(bytes), text);
        }
    }

    #[test]
    fn links_and_folders_are_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("secret");
        std::fs::write(&target, "x").unwrap();
        let link = folder.path().join("serial0.txt");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        std::fs::create_dir(folder.path().join("engine.log")).unwrap();
        assert!(open(&target).is_ok());
        assert!(open(&link).is_err());
        assert!(open(&folder.path().join("engine.log")).is_err());
        let folder = JobFolder::at(folder.path().into());
        assert_eq!(listed(&folder).unwrap(), []);
    }
}
