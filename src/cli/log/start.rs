//! Which process writes what of its log where.

use std::{env, io, path::Path};

use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt,
};

use super::journal::{Journal, SOCKET};
use crate::{
    config::{Log, LogForm},
    model::{EngineLog, EngineOrder},
};

/// Names what standard error is, when systemd has connected it to the journal.
const STREAM: &str = "JOURNAL_STREAM";

/// Starts the log of the appliance, and says in which form it is.
///
/// # Errors
/// When it is to go to the journal and there is none.
pub(in crate::cli) fn appliance(log: &Log) -> io::Result<LogForm> {
    let form = match log.form {
        LogForm::Auto if is_journaled() => LogForm::Journald,
        LogForm::Auto => LogForm::Text,
        form @ (LogForm::Text | LogForm::Json | LogForm::Journald) => form,
    };
    let layer = match form {
        LogForm::Auto | LogForm::Text => text().boxed(),
        LogForm::Json => fmt::layer().json().with_writer(io::stderr).boxed(),
        LogForm::Journald => Journal::open(Path::new(SOCKET))?.boxed(),
    };
    start(&log.level, vec![layer]);
    Ok(form)
}

/// Starts the log of an engine: text, into the file that is kept with the job, and the journal when
/// the appliance writes there.
pub(in crate::cli) fn engine(order: &EngineOrder) {
    let mut layers = vec![text().boxed()];
    // An engine that finds no journal has its file.
    if order.log.to_journal
        && let Ok(journal) = Journal::open(Path::new(SOCKET))
    {
        layers.push(journal.about(order.job, order.uuid).boxed());
    }
    start(&order.log.level, layers);
}

/// Starts the log of a command, of which there is little.
pub(in crate::cli) fn others() {
    start(&EngineLog::default().level, vec![text().boxed()]);
}

fn start(level: &str, layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>) {
    let level: Targets = level.parse().unwrap_or_default();
    tracing_subscriber::registry().with(layers.with_filter(level)).init();
}

fn text() -> impl Layer<Registry> + Send + Sync {
    fmt::layer().with_writer(io::stderr).with_ansi(false)
}

/// Whether what we write to standard error is read by journald.
fn is_journaled() -> bool {
    let Ok(stderr) = rustix::fs::fstat(io::stderr()) else { return false };
    env::var(STREAM).is_ok_and(|stream| stream == format!("{}:{}", stderr.st_dev, stderr.st_ino))
}
