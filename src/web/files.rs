//! `GET /jobs/{id}/files/{path}`: what a job left, as it is.
//!
//! Only names on the list are served, so no address reaches outside the job's folder, and nothing a
//! guest has written is ever shown as a page: its text is text, in a sandbox of its own.

use std::{fs::File, io, io::Read, os::unix::fs::FileExt, path::Path, sync::Arc};

use axum::{
    extract::{Path as InAddress, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use rustix::fs::{Mode, OFlags};

use super::{
    errors::{PageError, WebError},
    params::number,
    ranged::{self, Whole},
    state::Web,
};
use crate::{markup::Tail, model::Digest, supervise::JobFolder, tasks};

/// The definition, out of the record.
const DEFINITION: &str = "job.yaml";
/// The recording, in a job's folder.
pub(super) const VIDEO: &str = JobFolder::VIDEO;
/// The guest's screen as it was last, while somebody watches.
pub(super) const LAST: &str = "last.png";
/// Bytes of a text shown on a job's page.
const TAIL: u64 = 16 << 10;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A screen named by its hash, which never changes.
    Screen,
    Text,
    Lines,
    Json,
    Video,
}

impl Kind {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Screen => "image/png",
            Self::Text => "text/plain; charset=utf-8",
            Self::Lines => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Video => "video/mp4",
        }
    }
}

/// Whether a name is on the list.
fn kind(name: &str) -> Option<Kind> {
    if let Some(screen) = name.strip_prefix("screens/") {
        let hash = screen.strip_suffix(".png")?;
        return hash.parse::<Digest>().is_ok().then_some(Kind::Screen);
    }
    if let Some(number) = name.strip_prefix("serial").and_then(|rest| rest.strip_suffix(".txt")) {
        let digits = (1..=2).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        return digits.then_some(Kind::Text);
    }
    match name {
        JobFolder::EVENTS => Some(Kind::Lines),
        JobFolder::LOG | "qemu.log" => Some(Kind::Text),
        "result.json" => Some(Kind::Json),
        VIDEO => Some(Kind::Video),
        _ => None,
    }
}

/// `GET /jobs/{id}/files/{path}`
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    InAddress((id, name)): InAddress<(String, String)>,
    request: HeaderMap,
) -> Result<Response, PageError> {
    let id = number(&id)?;
    if name == DEFINITION {
        let job = web.store.job(id).await?.ok_or(WebError::NotFound("job"))?;
        let mut response = job.definition.into_response();
        dress(response.headers_mut(), Kind::Text, &format!("job-{id}-{DEFINITION}"));
        return Ok(response);
    }
    let kind = kind(&name).ok_or(WebError::NotFound("file"))?;
    let path = web.folder(id).file(&name);
    let whole = tasks::blocking(move || open(&path).and_then(Whole::new)).await.map_err(missing)?;
    let mut response = ranged::serve(&request, Arc::new(whole), kind.content_type())?;
    let short = name.rsplit('/').next().unwrap_or_default();
    dress(response.headers_mut(), kind, &format!("job-{id}-{short}"));
    Ok(response)
}

fn dress(headers: &mut HeaderMap, kind: Kind, name: &str) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.content_type()));
    if kind == Kind::Screen {
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, kept);
        return;
    }
    let policy = HeaderValue::from_static("sandbox; default-src 'none'; media-src 'self'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    if let Ok(value) = HeaderValue::try_from(format!("inline; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
}

/// Opens a file for reading; a link in its place is refused.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

pub(super) fn missing(error: io::Error) -> WebError {
    let is_link = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let is_gone = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    if is_link || is_gone { WebError::NotFound("file") } else { WebError::File(error) }
}

/// The files of a folder that are on the list and not screens, by name. Reads the disk.
pub(super) fn listed(folder: &JobFolder) -> io::Result<Vec<(String, u64)>> {
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

/// The ends of the texts among `files`. Reads the disk.
pub(super) fn tails(folder: &JobFolder, files: &[(String, u64)]) -> io::Result<Vec<Tail>> {
    let texts = files.iter().filter(|(name, _)| kind(name) == Some(Kind::Text));
    texts.map(|(name, _)| tail(folder, name)).collect()
}

fn tail(folder: &JobFolder, name: &str) -> io::Result<Tail> {
    let mut file = open(&folder.file(name))?;
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL);
    let mut bytes = Vec::new();
    if from == 0 {
        Read::by_ref(&mut file).take(TAIL).read_to_end(&mut bytes)?;
    } else {
        bytes.resize(usize::try_from(size - from).map_err(io::Error::other)?, 0);
        file.read_exact_at(&mut bytes, from)?;
    }
    Ok(Tail { name: name.into(), size, text: readable(&bytes), cut: from > 0 })
}

/// Console bytes as text: without colours, cursor movements and other control characters.
fn readable(bytes: &[u8]) -> String {
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
        assert!(matches!(missing(open(&link).unwrap_err()), WebError::NotFound(_)));
        assert!(open(&folder.path().join("engine.log")).is_err());
        let folder = JobFolder::at(folder.path().into());
        assert_eq!(listed(&folder).unwrap(), []);
    }
}
