//! The engine's voice: `events.jsonl`, append-only, one event a line.
//!
//! The file is the truth. Whoever is connected to the engine's socket is only woken, with the
//! number of the newest event, and reads the file. An event that cannot be written (disk full)
//! does not end the job: the failure is remembered and told with the end.

use std::{
    cell::RefCell,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
    rc::Rc,
};

use tokio::sync::watch;

use crate::{
    clock::{self, Stopwatch},
    model::{Event, Fact, Level},
};

/// Writes events. Cheap to clone; stays on the engine's main thread.
#[derive(Clone)]
pub(super) struct Journal(Rc<RefCell<Inner>>);

struct Inner {
    file: File,
    clock: Stopwatch,
    seq: u64,
    newest: watch::Sender<u64>,
    lost: u64,
    /// The last write was cut: the next line begins anew.
    is_torn: bool,
}

impl Journal {
    /// Begins the log of a run. Fails when there is one already: an engine runs a job once.
    pub(super) fn begin(path: &Path, clock: Stopwatch) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        let (newest, _) = watch::channel(0);
        Ok(Self(Rc::new(RefCell::new(Inner {
            file,
            clock,
            seq: 0,
            newest,
            lost: 0,
            is_torn: false,
        }))))
    }

    /// The number of the newest event, for whoever passes wake-ups on.
    pub(super) fn newest(&self) -> watch::Receiver<u64> {
        self.0.borrow().newest.subscribe()
    }

    pub(super) fn clock(&self) -> Stopwatch {
        self.0.borrow().clock
    }

    pub(super) fn tell(&self, fact: Fact) {
        let mut inner = self.0.borrow_mut();
        let mono_us = u64::try_from(inner.clock.elapsed().as_micros()).unwrap_or(u64::MAX);
        let event = Event { seq: inner.seq + 1, mono_us, wall: clock::now(), fact };
        // A cut line must not swallow the next event; readers pass over empty ones.
        let mut line = if inner.is_torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut line, &event).expect("events have string keys only");
        line.push(b'\n');
        match inner.file.write_all(&line) {
            Ok(()) => {
                inner.seq += 1;
                inner.is_torn = false;
                let seq = inner.seq;
                inner.newest.send_replace(seq);
            }
            Err(error) => {
                tracing::error!(%error, "an event could not be written");
                inner.lost += 1;
                inner.is_torn = true;
            }
        }
    }

    pub(super) fn log(&self, level: Level, text: impl Into<String>) {
        self.tell(Fact::Log { level, text: text.into() });
    }

    /// Events that could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.0.borrow().lost
    }

    /// Makes everything told so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.borrow().file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_numbered_without_gaps_and_a_log_begins_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let journal = Journal::begin(&path, Stopwatch::start()).unwrap();
        let newest = journal.newest();
        journal.log(Level::Info, "a");
        journal.tell(Fact::Paused);
        let text = std::fs::read_to_string(&path).unwrap();
        let events: Vec<Event> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((*newest.borrow(), journal.lost()), (2, 0));
        assert!(Journal::begin(&path, Stopwatch::start()).is_err());
    }
}
