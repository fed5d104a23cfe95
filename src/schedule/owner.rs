//! The task that owns the queue: hears of every change, has it decided, and makes it so.
//!
//! It alone starts jobs, so nothing else turns `waiting` into `preparing`. The start is durable
//! before the wish for an engine is sent: a crash in between leaves a job that is preparing
//! without an engine, which `supervise` finds and puts back with [`Change::Requeued`]. Ends are
//! written by `supervise` and heard of here as changes in the store.
//!
//! The store is the truth. A change only says which job to read again, and an owner that has
//! missed some reads everything again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::{
    broadcast::{self, error::RecvError, error::TryRecvError},
    mpsc::{self, OwnedPermit},
    watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    handle::{Handle, Refused, Request, WaitReasons},
    queue::Queue,
};
use crate::{
    clock,
    decide::{Lends, Reason},
    gauges,
    model::{Cause, Code, Job, JobId, JobState, Verdict, Who},
    store::{Change, Changed, Store, StoreError},
    supervise::Wish,
};

/// Before the store is asked again after its disk has refused.
const AGAIN: Duration = Duration::from_secs(5);

/// Requests that may wait; the next one waits outside.
const REQUESTS: usize = 64;

pub struct Owner {
    store: Store,
    changes: broadcast::Receiver<Changed>,
    lends: Lends,
    wishes: mpsc::Sender<Wish>,
    /// While it says something nothing starts, and every waiting job says the same.
    hold: watch::Receiver<Option<String>>,
    requests: mpsc::Receiver<Request>,
    reasons: watch::Sender<WaitReasons>,
    queue: Queue,
    /// The queue may lack changes and has to be read anew.
    stale: bool,
}

/// It was asked to stop, or the one who takes the wishes is gone.
struct Over;

impl Owner {
    /// Reads the queue. What the store has as preparing, running or collecting counts as running.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn new(
        store: Store,
        lends: Lends,
        wishes: mpsc::Sender<Wish>,
        hold: watch::Receiver<Option<String>>,
    ) -> Result<(Self, Handle), StoreError> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let (reasons, published) = watch::channel(WaitReasons::default());
        let changes = store.changes();
        let queue = Queue::default();
        let lent = Arc::new(lends.clone());
        let mut owner =
            Self { store, changes, lends, wishes, hold, requests, reasons, queue, stale: true };
        owner.read_all().await?;
        Ok((owner, Handle { requests: sender, reasons: published, lends: lent }))
    }

    /// Until `stop`, or until nobody takes the wishes any more.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.cancel_again(&stop).await.is_err() {
            return;
        }
        loop {
            let Ok(wake_at) = self.start_what_may(&stop).await else { return };
            let wake = until(wake_at);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = self.changes.recv() => self.heard(changed).await,
                Some(request) = self.requests.recv() => {
                    if self.answer(request, &stop).await.is_err() {
                        return;
                    }
                }
                Ok(()) = self.hold.changed() => {}
                () = wake => {}
            }
            self.hear_the_rest().await;
        }
    }

    /// Decides, and starts what may start. Returns when to decide again if nothing happens.
    async fn start_what_may(
        &mut self,
        stop: &CancellationToken,
    ) -> Result<Option<Timestamp>, Over> {
        if self.stale
            && let Err(error) = self.read_all().await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the queue is not known");
            return Ok(Some(clock::now() + AGAIN));
        }
        let held = self.hold.borrow_and_update().clone();
        if let Some(why) = held {
            let words = Reason::Held { why }.to_string();
            let reasons = self.queue.waiting().map(|id| (id, words.clone())).collect();
            self.publish(reasons);
            return Ok(None);
        }
        let plan = self.queue.plan(clock::now(), &self.lends);
        let mut reasons: BTreeMap<_, _> =
            plan.reasons.into_iter().map(|(id, why)| (id, why.to_string())).collect();
        let mut wake_at = plan.wake_at;
        for id in plan.start {
            let room = self.room(stop).await?;
            match self.started(id).await {
                Ok(Some(job)) => drop(room.send(Wish::Start { job: Box::new(job) })),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%id, error = &error as &dyn std::error::Error, "not started");
                    reasons.insert(id, format!("could not be started yet: {error}"));
                    wake_at = Some(clock::now() + AGAIN);
                }
            }
        }
        self.publish(reasons);
        Ok(wake_at)
    }

    /// Room for one wish. Whoever takes them may be busy, but that must not keep us from stopping.
    async fn room(&self, stop: &CancellationToken) -> Result<OwnedPermit<Wish>, Over> {
        tokio::select! {
            () = stop.cancelled() => Err(Over),
            room = self.wishes.clone().reserve_owned() => room.map_err(|_| Over),
        }
    }

    /// Makes the start durable. None when the job does not wait any more.
    async fn started(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        let change = Change::Started { at: clock::now(), device: None };
        match self.store.change(id, change).await {
            Ok(job) => {
                self.queue.note(&job);
                Ok(Some(job))
            }
            Err(
                StoreError::Ended(_) | StoreError::NotAllowed { .. } | StoreError::NoSuchJob(_),
            ) => {
                self.read(id).await;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn answer(&mut self, request: Request, stop: &CancellationToken) -> Result<(), Over> {
        let Request::Cancel { job, by, answer } = request;
        let done = match self.cancel(job, &by).await {
            Ok(None) => Ok(()),
            Ok(Some(wish)) => {
                self.room(stop).await?.send(wish);
                Ok(())
            }
            Err(StoreError::NoSuchJob(id)) => Err(Refused::NoSuchJob(id)),
            Err(StoreError::Ended(id)) => Err(Refused::Ended(id)),
            Err(StoreError::Closed) => Err(Refused::Closing),
            Err(error) => {
                tracing::error!(%job, error = &error as &dyn std::error::Error, "not canceled");
                Err(Refused::NotDurable)
            }
        };
        // Whoever asked may have gone; the job is canceled all the same.
        let _ = answer.send(done);
        Ok(())
    }

    async fn cancel(&mut self, id: JobId, by: &str) -> Result<Option<Wish>, StoreError> {
        let job = self.store.job(id).await?.ok_or(StoreError::NoSuchJob(id))?;
        if job.state == JobState::Waiting {
            let words = format!("canceled by {by} before it started");
            let change = Change::Ended {
                at: clock::now(),
                verdict: Verdict::Canceled,
                cause: Some(Cause::new(Who::Author, Code::Canceled, words)),
                backend: [("host".to_owned(), gauges::picture().into())].into_iter().collect(),
                load: Some(gauges::load()),
                parts: Vec::new(),
                samples: Vec::new(),
            };
            let job = self.store.change(id, change).await?;
            self.queue.note(&job);
            return Ok(None);
        }
        self.store.change(id, Change::CancelAsked).await?;
        Ok(Some(Wish::Cancel { job: id, by: by.into() }))
    }

    /// A cancel that was durable when the last appliance ended may not have been carried out.
    async fn cancel_again(&mut self, stop: &CancellationToken) -> Result<(), Over> {
        for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
            let asked = |job: Job| job.cancel_asked.then_some(job.id);
            let Ok(jobs) = self.store.pick_in(state, usize::MAX, asked).await else { continue };
            for job in jobs.into_iter().flatten() {
                let by = "somebody before the restart".into();
                self.room(stop).await?.send(Wish::Cancel { job, by });
            }
        }
        Ok(())
    }

    /// Takes in all that has changed meanwhile, so that a crowd of jobs is decided about once.
    async fn hear_the_rest(&mut self) {
        loop {
            match self.changes.try_recv() {
                Ok(changed) => self.heard(Ok(changed)).await,
                Err(TryRecvError::Lagged(_)) => self.stale = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    async fn heard(&mut self, changed: Result<Changed, RecvError>) {
        match changed {
            Ok(Changed { id, state: JobState::Ended, .. }) => self.queue.forget(id),
            // It is running here too, and from where to where does not matter.
            Ok(Changed { id, state, .. }) if state.is_active() && self.queue.is_running(id) => {}
            Ok(Changed { id, .. }) => self.read(id).await,
            Err(RecvError::Lagged(_)) => self.stale = true,
            // We hold a store ourselves, so there is always a sender.
            Err(RecvError::Closed) => {}
        }
    }

    async fn read(&mut self, id: JobId) {
        match self.store.job(id).await {
            Ok(Some(job)) => self.queue.note(&job),
            Ok(None) => self.queue.forget(id),
            Err(_) => self.stale = true,
        }
    }

    async fn read_all(&mut self) -> Result<(), StoreError> {
        // What changes from here on is heard once more: the store is asked after the subscription.
        self.changes = self.store.changes();
        let mut queue = Queue::default();
        for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Ended) {
            let slim = |job| Job { definition: String::new(), ..job };
            for job in self.store.pick_in(state, usize::MAX, slim).await? {
                queue.note(&job);
            }
        }
        self.queue = queue;
        self.stale = false;
        Ok(())
    }

    fn publish(&self, reasons: BTreeMap<JobId, String>) {
        self.reasons.send_if_modified(|published| {
            let new = **published != reasons;
            if new {
                *published = Arc::new(reasons);
            }
            new
        });
    }
}

/// Never, when there is no time to wait for.
async fn until(at: Option<Timestamp>) {
    match at {
        Some(at) => {
            let left = at.duration_since(clock::now());
            tokio::time::sleep(left.try_into().unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
