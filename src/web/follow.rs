//! One job as it goes on: its event lines and what the store says of it, until it is over.

use std::{io, sync::Arc};

use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    errors::WebError,
    state::Web,
    tail::{Line, Tail},
};
use crate::{
    model::{Identity, JobId, JobState},
    store::Changed,
};

/// What a follower hears.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Lines(Vec<Line>),
    /// The job's record has changed.
    Changed,
}

pub(super) struct Follow {
    web: Arc<Web>,
    who: Identity,
    job: JobId,
    tail: Tail,
    changes: broadcast::Receiver<Changed>,
    state: JobState,
    /// The last line has been handed over.
    is_over: bool,
}

impl Follow {
    /// Follows a job from event `from` on.
    ///
    /// # Errors
    /// [`WebError::NoSuchJob`] when there is no such job, or `who` may not see it.
    pub(super) async fn new(
        web: Arc<Web>,
        who: Identity,
        job: JobId,
        from: u64,
    ) -> Result<Self, WebError> {
        // Before the job is read, or a change between the two would be missed.
        let changes = web.store.changes();
        let state = web.seen(&who, job).await?.state;
        let tail = Tail::new(&web, job, from);
        Ok(Self { web, who, job, tail, changes, state, is_over: false })
    }

    /// What there is to hear now or next; `None` when there will be no more. Not to be dropped
    /// half-way: lines would be lost.
    pub(super) async fn next(&mut self) -> io::Result<Option<Told>> {
        loop {
            if let Some(lines) = self.now().await? {
                return Ok(Some(Told::Lines(lines)));
            }
            if self.is_over {
                return Ok(None);
            }
            let change = if self.state == JobState::Waiting {
                Some(self.changes.recv().await)
            } else {
                tokio::select! {
                    change = self.changes.recv() => Some(change),
                    () = self.tail.grown() => None,
                }
            };
            match change {
                None => {}
                Some(Ok(change)) if change.id != self.job => {}
                Some(Ok(change)) => {
                    self.state = change.state;
                    return Ok(Some(Told::Changed));
                }
                Some(Err(RecvError::Lagged(_))) => {
                    self.look_up().await?;
                    return Ok(Some(Told::Changed));
                }
                Some(Err(RecvError::Closed)) => return Ok(None),
            }
        }
    }

    /// The lines there are already.
    pub(super) async fn now(&mut self) -> io::Result<Option<Vec<Line>>> {
        // What was written before the end became known is read after it.
        let was_ended = self.state == JobState::Ended;
        let lines = self.tail.read().await?;
        self.is_over |= lines.last().map_or(was_ended, |line| line.is_last);
        Ok((!lines.is_empty()).then_some(lines))
    }

    async fn look_up(&mut self) -> io::Result<()> {
        self.state = match self.web.seen(&self.who, self.job).await {
            Ok(job) => job.state,
            Err(WebError::NoSuchJob(_)) => JobState::Ended,
            Err(error) => return Err(io::Error::other(error)),
        };
        Ok(())
    }
}
