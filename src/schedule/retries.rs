//! The task that makes retries when they are due.
//!
//! That a job will be retried, and when, is decided and made durable in the transaction that ends
//! it. What is left to do here is to wait, and to have the store take the waiting retry away and make
//! the job, in one transaction again: however often this is killed in between, there is one retry
//! for each that was decided on. One that was due while no appliance ran is made at the next start.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    clock,
    model::{JobState, PendingRetry},
    store::{Store, StoreError},
};

/// Retries looked at at a time.
const STEP: usize = 16;
/// Before the store is asked again after its disk has refused.
const AGAIN: Duration = Duration::from_secs(5);

pub struct Retries {
    store: Store,
}

impl Retries {
    pub const fn new(store: Store) -> Self {
        Self { store }
    }

    /// Until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        // What changes from here on is heard: the store is asked after the subscription.
        let mut changes = self.store.changes();
        loop {
            let next = match self.make_due(clock::now()).await {
                Ok(next) => next,
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "no retries yet");
                    Some(clock::now() + AGAIN)
                }
            };
            let due = clock::until(next);
            tokio::pin!(due);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = &mut due => break,
                    changed = changes.recv() => match changed {
                        Ok(changed) if changed.state == JobState::Ended => break,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_)) => break,
                        // We hold a store ourselves, so there is always a sender.
                        Err(RecvError::Closed) => return,
                    },
                }
            }
        }
    }

    /// Makes every retry that is due at `now`, and says when the next one is.
    async fn make_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let pending = self.store.pending_retries(STEP).await?;
            let Some(first) = pending.first() else { return Ok(None) };
            if first.due > now {
                return Ok(Some(first.due));
            }
            // One that cannot be made keeps nobody else waiting.
            let mut made = Ok(());
            for due in pending.iter().filter(|pending| pending.due <= now) {
                made = made.and(self.make(due).await);
            }
            made?;
        }
    }

    async fn make(&self, due: &PendingRetry) -> Result<(), StoreError> {
        let PendingRetry { job, rule, .. } = due;
        match self.store.retry_due(*job, Uuid::now_v7()).await {
            Ok(retry) => {
                tracing::info!(%job, retry = %retry.id, %rule, "retried");
                Ok(())
            }
            // Somebody was faster, or has taken the job away meanwhile.
            Err(StoreError::NotDue(_) | StoreError::NoSuchJob(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
