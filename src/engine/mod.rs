//! One job, in a process of its own.
//!
//! An engine is started by the appliance or by `sutler run` in the job's folder, reads `order.json`,
//! and tells everything it does in `events.jsonl`, from `hello` to `ended`. It outlives the
//! appliance; a newer one finds it by its lock (held through standard input) and its mark in the
//! environment. A crash, a leak or a hang in here ends one job and nothing else.
//!
//! It runs on one thread, the process's first: children are bound to the life of the thread that
//! started them, and this one lives as long as the engine. Matching, pictures and files go through
//! [`tasks::blocking`](crate::tasks::blocking); video is encoded by a process of its own.
//!
//! ```text
//! run       actions in order, then putting away      stop      why a run must end
//! guest     machine, recording, surprises            outcome   what results add up to
//! steps     the verbs of a screen test               narrator  what is open, told as it happens
//! watcher   limits, and guests at a stand            meter     what a second came to
//! commands  what the engine is told                  journal   events.jsonl; socket: engine.sock
//! ```

mod commands;
mod guest;
mod journal;
mod meter;
mod narrator;
mod outcome;
mod run;
mod socket;
mod steps;
mod stop;
mod watcher;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::{capture::CaptureError, model::EngineOrder};

/// Why an engine could not even begin to tell.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("could not enter the job's folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("could not read order.json")]
    Order { source: io::Error },
    #[error("could not begin events.jsonl; an engine runs a job only once")]
    Journal { source: io::Error },
    #[error("could not listen at engine.sock")]
    Socket { source: io::Error },
    #[error("could not prepare the live picture")]
    Live { source: CaptureError },
    #[error("could not start the async runtime")]
    Runtime { source: io::Error },
}

/// What a job's folder holds only while it runs.
pub const PASSING: [&str; 8] = [
    "disk.qcow2",
    "uefi-variables.qcow2",
    "engine.sock",
    "qmp.sock",
    "vnc.sock",
    "serial0.sock",
    "last.png",
    "spool",
];

/// Removes what only the running guest needed from a job's folder. What cannot be removed is told
/// and is no reason to fail. Called by the engine, and for an engine that could not.
pub fn clear_away(folder: &Path) {
    for name in PASSING {
        let path = folder.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "could not be removed");
        }
    }
}

/// What the engine in `folder` has to do.
///
/// # Errors
/// [`EngineError::Order`] when there is no such order.
pub fn order(folder: &Path) -> Result<EngineOrder, EngineError> {
    let failed = |source| EngineError::Order { source };
    let order = fs::read(folder.join("order.json")).map_err(failed)?;
    serde_json::from_slice(&order).map_err(|error| failed(io::Error::other(error)))
}

/// Carries out the order in `folder`. Returns when the last event is durable and nothing is left
/// running. Must be called on the process's first thread.
pub fn main(folder: &Path, order: EngineOrder) -> Result<(), EngineError> {
    std::env::set_current_dir(folder)
        .map_err(|source| EngineError::Folder { path: folder.into(), source })?;
    // A session of its own: a signal to whoever started us (Ctrl-C) is not for us. It fails when
    // we lead one already.
    let _ = rustix::process::setsid();
    // What a child leaves behind comes to us, not to a distant init.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    if order.bound_to_parent {
        // `sutler run` was killed: end in good order.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| EngineError::Runtime { source })?;
    tokio::task::LocalSet::new().block_on(&runtime, run::run(order))
}
