//! What the service manager is told: that the page answers, what goes on, that we live, that we
//! are closing. Where none has started us, nobody is told anything.

use std::{env, time::Duration};

use sd_notify::NotifyState;
use tokio::{
    sync::watch,
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    model::JobState,
    store::{Counts, Store},
};

/// Names the socket of the service manager.
const SOCKET: &str = "NOTIFY_SOCKET";

/// A crowd of changes is told of once in this time.
const CALM: Duration = Duration::from_secs(1);
/// How often it is looked at whether all is as it was told, where no watchdog asks for more.
const AGAIN: Duration = Duration::from_secs(600);

/// The page answers.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("closing; running jobs go on")]);
}

/// Tells what goes on until `stop`. Each telling comes after an answer of the store, so a watchdog
/// sees when nothing is answered any more.
pub(super) async fn keep_told(
    store: Store,
    mut hold: watch::Receiver<Option<String>>,
    stop: CancellationToken,
) {
    if env::var_os(SOCKET).is_none() {
        return;
    }
    // Twice in the time it gives us, as sd_watchdog_enabled(3) has it.
    let every = sd_notify::watchdog_enabled().map_or(AGAIN, |limit| limit / 2);
    let mut again = interval(every);
    let mut changes = store.changes();
    let tell_all = async {
        loop {
            tokio::select! {
                _ = again.tick() => {}
                // Also one that was missed is a change, and the store never goes before us.
                _ = changes.recv() => {}
                Ok(()) = hold.changed() => {}
            }
            // What has changed until now is in the answer; what changes from here on wakes us again.
            changes = store.changes();
            let words = match store.counts().await {
                Ok(counts) => status(&counts, hold.borrow_and_update().as_deref()),
                Err(error) => format!("the store does not answer: {error}"),
            };
            tell(&[NotifyState::Status(&words), NotifyState::Watchdog]);
            sleep(CALM.min(every)).await;
        }
    };
    stop.run_until_cancelled(tell_all).await;
}

/// `2 running, 5 waiting`
fn status(counts: &Counts, hold: Option<&str>) -> String {
    let (active, waiting) = (counts.active(), counts.state(JobState::Waiting));
    let held = hold.map(|why| format!("; nothing starts: {why}")).unwrap_or_default();
    format!("{active} running, {waiting} waiting{held}")
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
