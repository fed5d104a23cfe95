//! One serial port: everything it says goes to a file, its newest part can be searched.
//!
//! A guest may say more than this host can keep. The file ends at [`MAX_FILE`] with a line that
//! says so, the searchable tail holds [`TAIL`], and a console that cannot be written any more
//! (a full disk) is still read and searched.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use regex::bytes::{Regex, RegexBuilder};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
};

use super::ansi::Stripper;
use crate::tasks::{self, Tasks};

/// Of what a console said, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// Bytes that can be searched.
const TAIL: usize = 1 << 20;
const READ: usize = 64 << 10;

/// A place in what a console has said, without its escape sequences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(pub u64);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub start: Position,
    /// Where to go on searching.
    pub end: Position,
    /// Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// How much a console has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes it sent.
    pub received: u64,
    /// Bytes of them in the file.
    pub kept: u64,
    /// End of what can be searched.
    pub position: Position,
    /// Nothing more will come.
    pub ended: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    #[error("could not make {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{text:?} is not an expression that can be searched for")]
    Pattern { text: String, source: regex::Error },
    #[error("the serial console has ended")]
    Ended,
}

/// An expression, checked. `.` does not match the end of a line, and matching takes time linear in
/// what is searched.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    pub fn new(text: &str) -> Result<Self, SerialError> {
        let built = RegexBuilder::new(text).size_limit(1 << 20).build();
        built.map(Self).map_err(|source| SerialError::Pattern { text: text.into(), source })
    }
}

/// A serial console, for any number of listeners.
#[derive(Debug, Clone)]
pub struct Serial {
    tail: Arc<Mutex<Tail>>,
    growth: watch::Receiver<Growth>,
    writes: mpsc::Sender<Vec<u8>>,
}

impl Serial {
    /// Takes over the connection and makes the file, replacing an old one.
    pub async fn start(
        stream: UnixStream,
        file: &Path,
        tasks: &Tasks,
    ) -> Result<Self, SerialError> {
        let path = file;
        let file = File::create(path)
            .await
            .map_err(|source| SerialError::File { path: path.into(), source })?;
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (growth, grown) = watch::channel(Growth::default());
        let (writes, to_write) = mpsc::channel(16);
        let (from_guest, to_guest) = stream.into_split();
        let reader = Reader { from_guest, file: Some(file), tail: tail.clone(), growth };
        let stop = tasks.stop.clone();
        tasks.spawn(async move { stop.run_until_cancelled_owned(reader.run()).await });
        let stop = tasks.stop.clone();
        tasks.spawn(
            async move { stop.run_until_cancelled_owned(write_all(to_guest, to_write)).await },
        );
        Ok(Self { tail, growth: grown, writes })
    }

    /// Changes with every byte; for events and pages.
    pub fn growth(&self) -> watch::Receiver<Growth> {
        self.growth.clone()
    }

    /// The end of what has been said.
    pub fn position(&self) -> Position {
        self.growth.borrow().position
    }

    /// Looks once. What has left the tail is not found any more.
    pub async fn search(&self, pattern: &Pattern, from: Position) -> Option<Found> {
        let (text, start) = self.tail.lock().expect("nobody panics with the tail").copy(from);
        let pattern = pattern.clone();
        tasks::blocking(move || {
            let found = pattern.0.find(&text)?;
            Some(Found {
                start: Position(start + found.start() as u64),
                end: Position(start + found.end() as u64),
                text: String::from_utf8_lossy(found.as_bytes()).into_owned(),
            })
        })
        .await
    }

    /// Waits until the expression is found, or `None` when the console has ended without. Dropping
    /// the future loses nothing: a deadline is the caller's.
    pub async fn wait_for(&self, pattern: &Pattern, from: Position) -> Option<Found> {
        let mut growth = self.growth.clone();
        loop {
            let ended = growth.borrow_and_update().ended;
            if let Some(found) = self.search(pattern, from).await {
                return Some(found);
            }
            if ended || growth.changed().await.is_err() {
                // The reader may have said its last between the search and the look.
                return if ended { None } else { self.search(pattern, from).await };
            }
        }
    }

    /// Newest lines, oldest first, for a cause's evidence.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let end = self.position().0;
        let from = Position(end.saturating_sub(count as u64 * 200));
        let (text, _) = self.tail.lock().expect("nobody panics with the tail").copy(from);
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    /// Says something to the guest. Waits while the guest does not listen.
    pub async fn write(&self, bytes: &[u8]) -> Result<(), SerialError> {
        self.writes.send(bytes.to_vec()).await.map_err(|_| SerialError::Ended)
    }
}

async fn write_all(mut to_guest: OwnedWriteHalf, mut writes: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = writes.recv().await {
        if let Err(error) = to_guest.write_all(&bytes).await {
            tracing::debug!(%error, "the serial console has ended");
            return;
        }
    }
    // Nobody will write any more, but the guest goes on speaking: the half is not shut down.
    to_guest.forget();
}

/// The newest part of the text.
#[derive(Debug, Default)]
struct Tail {
    text: Vec<u8>,
    /// Position of the first byte of `text`.
    start: u64,
    stripper: Stripper,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) -> Position {
        self.stripper.strip(bytes, &mut self.text);
        // Cut seldom: each cut moves the whole tail.
        if self.text.len() > 2 * TAIL {
            let gone = self.text.len() - TAIL;
            self.text.drain(..gone);
            self.start += gone as u64;
        }
        Position(self.start + self.text.len() as u64)
    }

    /// What is left from a position on, and where that begins.
    fn copy(&self, from: Position) -> (Vec<u8>, u64) {
        let skipped = usize::try_from(from.0.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let skipped = skipped.min(self.text.len());
        (self.text[skipped..].to_vec(), self.start + skipped as u64)
    }
}

struct Reader {
    from_guest: OwnedReadHalf,
    /// `None` when it is full or cannot be written.
    file: Option<File>,
    tail: Arc<Mutex<Tail>>,
    growth: watch::Sender<Growth>,
}

impl Reader {
    async fn run(mut self) {
        let mut buffer = vec![0; READ];
        loop {
            let count = match self.from_guest.read(&mut buffer).await {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    tracing::debug!(%error, "the serial console has ended");
                    break;
                }
            };
            let bytes = &buffer[..count];
            let kept = self.growth.borrow().kept;
            let newly_kept = match self.keep(bytes, kept).await {
                Ok(newly_kept) => newly_kept,
                Err(error) => {
                    tracing::warn!(%error, "what the serial console says is not kept any more");
                    self.file = None;
                    0
                }
            };
            let position = self.tail.lock().expect("nobody panics with the tail").push(bytes);
            self.growth.send_modify(|growth| {
                growth.received += count as u64;
                growth.kept += newly_kept;
                growth.position = position;
            });
        }
        self.growth.send_modify(|growth| growth.ended = true);
    }

    /// Writes what still has room and returns how much that was.
    async fn keep(&mut self, bytes: &[u8], kept: u64) -> io::Result<u64> {
        let Some(file) = &mut self.file else { return Ok(0) };
        let room = usize::try_from(MAX_FILE - kept).unwrap_or(usize::MAX);
        let count = bytes.len().min(room);
        file.write_all(&bytes[..count]).await?;
        if count < bytes.len() {
            let line = format!("\n[sutler keeps {} MiB; the rest is dropped]\n", MAX_FILE >> 20);
            file.write_all(line.as_bytes()).await?;
        }
        // Without it tokio keeps the bytes to itself.
        file.flush().await?;
        if count < bytes.len() {
            self.file = None;
        }
        Ok(count as u64)
    }
}

#[cfg(test)]
mod tests;
