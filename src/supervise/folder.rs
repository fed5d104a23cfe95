//! A job's folder: which file is what, and what its event log says.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::model::{EngineOrder, Event, JobId, Run};

/// `DATA/jobs/<number>/`. Everything a job leaves is in here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFolder(PathBuf);

impl JobFolder {
    /// Name of the event log.
    pub const EVENTS: &str = "events.jsonl";
    /// The recording.
    pub const VIDEO: &str = "video.mp4";
    /// What the engine was told to do.
    pub const ORDER: &str = "order.json";
    /// Held by the engine as long as it lives.
    pub const LOCK: &str = "engine.lock";
    /// Commands go in, wake-ups come out.
    pub const SOCKET: &str = "engine.sock";
    /// The engine's log, for the operator.
    pub const LOG: &str = "engine.log";

    pub fn new(data: &Path, job: JobId) -> Self {
        Self(data.join("jobs").join(job.to_string()))
    }

    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What the engine was told to do.
    pub fn order(&self) -> io::Result<EngineOrder> {
        let order = std::fs::read(self.file(Self::ORDER))?;
        serde_json::from_slice(&order).map_err(io::Error::other)
    }

    /// The whole run so far. A job whose engine has not spoken yet has an empty one.
    pub fn run(&self) -> io::Result<Run> {
        let mut run = Run::default();
        self.read_events(0, |event| run.apply(event))?;
        Ok(run)
    }

    /// Hands over the events from byte `offset` on and returns where the next one will begin. A
    /// last line without its end is left for the next call; a line that is no event is skipped,
    /// for a disk that was full may have cut one.
    pub fn read_events(&self, offset: u64, mut take: impl FnMut(Event)) -> io::Result<u64> {
        let file = match File::open(self.file(Self::EVENTS)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(offset),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(offset))?;
        let mut end = offset;
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(end);
            }
            end += length as u64;
            match serde_json::from_slice(&line) {
                Ok(event) => take(event),
                Err(error) => tracing::warn!(folder = %self.0.display(), %error, "not an event"),
            }
        }
    }
}
