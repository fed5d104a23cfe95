//! The task that owns the queue: hears of every change, has it decided, and makes it so.
//!
//! It alone starts jobs, so nothing else turns `waiting` into `preparing`. The start is durable
//! before the wish for an engine is sent: a crash in between leaves a job that is preparing
//! without an engine, which `supervise` finds and puts back with [`Change::Requeued`]. Ends are
//! written by `supervise` and heard of here as changes in the store.
//!
//! The store is the truth. A change only says which job to read again, and an owner that has
//! missed some reads everything again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{
    mpsc::{self, OwnedPermit},
    watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    handle::{Handle, Refused, Request},
    queue::Queue,
    standing::Standing,
};
use crate::{
    clock,
    config::Order,
    decide::{Dependency, Lab, Start, dependency},
    gauges,
    model::{Cause, Code, Job, JobId, JobState, Must, Verdict, Who, spoken},
    store::{Change, Changed, Changes, Heard, Store, StoreError, TOGETHER},
    supervise::Wish,
};

/// Before the store is asked again after its disk has refused.
const AGAIN: Duration = Duration::from_secs(5);

/// Requests that may wait; the next one waits outside.
const REQUESTS: usize = 64;

/// Waiting jobs whose order is published.
const FIRST: usize = 1_000;

/// Ended jobs that are looked at to know who has had what of the box lately.
const REMEMBERED: usize = 2_000;

pub struct Owner {
    store: Store,
    changes: Changes,
    /// What there is to run jobs on, as it changes.
    labs: watch::Receiver<Arc<Lab>>,
    /// The same, with what we have started since.
    lab: Arc<Lab>,
    order: Order,
    wishes: mpsc::Sender<Wish>,
    /// While it says something nothing starts, and every waiting job says the same.
    hold: watch::Receiver<Option<String>>,
    requests: mpsc::Receiver<Request>,
    standing: watch::Sender<Arc<Standing>>,
    queue: Queue,
    /// The queue may lack changes and has to be read anew.
    stale: bool,
    /// Devices, or the health checks that wait for them, are others than when they were last compared.
    compare: bool,
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
        mut labs: watch::Receiver<Arc<Lab>>,
        order: Order,
        wishes: mpsc::Sender<Wish>,
        hold: watch::Receiver<Option<String>>,
    ) -> Result<(Self, Handle), StoreError> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let lab = labs.borrow_and_update().clone();
        let first = Standing { hold: hold.borrow().clone(), ..Standing::new(lab.clone(), order) };
        let (standing, published) = watch::channel(Arc::new(first));
        let mut owner = Self {
            changes: store.changes_together(),
            store,
            labs,
            lab,
            order,
            wishes,
            hold,
            requests,
            standing,
            queue: Queue::new(order),
            stale: true,
            compare: true,
        };
        owner.read_all().await?;
        Ok((owner, Handle { requests: sender, standing: published }))
    }

    /// Until `stop`, or until nobody takes the wishes any more.
    pub async fn run(mut self, stop: CancellationToken) {
        if self.cancel_again(&stop).await.is_err() {
            return;
        }
        self.remember().await;
        loop {
            let Ok(wake_at) = self.start_what_may(&stop).await else { return };
            let wake = clock::until(wake_at);
            tokio::select! {
                () = stop.cancelled() => return,
                heard = self.changes.next() => self.heard(heard).await,
                Some(request) = self.requests.recv() => {
                    if self.answer(request, &stop).await.is_err() {
                        return;
                    }
                }
                Ok(()) = self.hold.changed() => {}
                Ok(()) = self.labs.changed() => {
                    self.lab = self.labs.borrow_and_update().clone();
                    self.compare = true;
                }
                () = wake => {}
            }
            let rest = self.changes.so_far();
            self.heard(rest).await;
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
        let overdue = self.end_overdue().await;
        let mut wake_at = overdue.into_iter().chain(self.end_lost_checks().await).min();
        let held = self.hold.borrow_and_update().clone();
        if held.is_some() {
            self.publish(|standing| Standing { hold: held, ..standing });
            return Ok(wake_at);
        }
        let plan = self.queue.plan(clock::now(), &self.lab);
        wake_at = wake_at.into_iter().chain(plan.wake_at).min();
        let mut not_started = BTreeMap::new();
        for start in plan.start {
            let (id, room) = (start.id, self.room(stop).await?);
            match self.started(start).await {
                Ok(Some(job)) => drop(room.send(Wish::Start { job: Box::new(job) })),
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%id, error = &error as &dyn std::error::Error, "not started");
                    not_started.insert(id, format!("could not be started yet: {error}"));
                    wake_at = Some(clock::now() + AGAIN);
                }
            }
        }
        let decided = Some(plan.standing);
        self.publish(|standing| Standing { decided, not_started, ..standing });
        Ok(wake_at)
    }

    /// Ends what has waited for as long as it was to. Returns when the next one will have.
    async fn end_overdue(&mut self) -> Option<Timestamp> {
        let now = clock::now();
        for id in self.queue.overdue(now) {
            let limit = self.store.job(id).await.ok().flatten();
            let limit = limit.and_then(|job| job.conditions.queue_timeout).map(spoken);
            let limit = limit.unwrap_or_else(|| "time".into());
            let words = format!("it was not started in the {limit} of its queue timeout");
            let cause = Cause::new(Who::Lab, Code::QueueTimeout, words);
            if let Err(error) = self.end_waiting(id, Verdict::TimedOut, cause).await {
                tracing::error!(%id, error = &error as &dyn std::error::Error, "not ended");
                return Some(now + AGAIN);
            }
        }
        self.queue.next_deadline()
    }

    /// Ends the health checks whose devices are gone. Returns when to try again what could not be done.
    async fn end_lost_checks(&mut self) -> Option<Timestamp> {
        if !std::mem::take(&mut self.compare) {
            return None;
        }
        // As it is now: a device is published before its check is submitted.
        let lab = self.labs.borrow().clone();
        for (id, words) in self.queue.lost_checks(&lab) {
            let cause = Cause::new(Who::Lab, Code::NotMet, words);
            if let Err(error) = self.end_waiting(id, Verdict::Canceled, cause).await {
                tracing::error!(%id, error = &error as &dyn std::error::Error, "not ended");
                self.compare = true;
                return Some(clock::now() + AGAIN);
            }
        }
        None
    }

    /// Ends a job that has no engine. One that does not wait any more is left alone.
    async fn end_waiting(
        &mut self,
        id: JobId,
        verdict: Verdict,
        cause: Cause,
    ) -> Result<(), StoreError> {
        let change = Change::Ended {
            at: clock::now(),
            verdict,
            cause: Some(cause),
            backend: [("host".to_owned(), gauges::picture().into())].into_iter().collect(),
            load: Some(gauges::load()),
            parts: Vec::new(),
            samples: Vec::new(),
        };
        let waits = self.store.job(id).await?.is_some_and(|job| job.state == JobState::Waiting);
        if waits {
            self.store.change(id, change).await?;
        }
        self.queue.forget(id, clock::now());
        Ok(())
    }

    /// Room for one wish. Whoever takes them may be busy, but that must not keep us from stopping.
    async fn room(&self, stop: &CancellationToken) -> Result<OwnedPermit<Wish>, Over> {
        tokio::select! {
            () = stop.cancelled() => Err(Over),
            room = self.wishes.clone().reserve_owned() => room.map_err(|_| Over),
        }
    }

    /// Makes the start durable. None when the job does not wait any more.
    async fn started(&mut self, start: Start) -> Result<Option<Job>, StoreError> {
        let Start { id, device, why } = start;
        let (at, decision) = (clock::now(), Some(why.to_string()));
        let change = Change::Started { at, device: Some(device.clone()), decision };
        match self.store.change(id, change).await {
            Ok(job) => {
                self.queue.runs(&job);
                let devices = &mut Arc::make_mut(&mut self.lab).devices;
                if let Some(used) = devices.iter_mut().find(|one| one.name == device) {
                    used.last_used = Some(at);
                }
                Ok(Some(job))
            }
            Err(
                StoreError::Ended(_) | StoreError::NotAllowed { .. } | StoreError::NoSuchJob(_),
            ) => {
                self.read([id].into()).await;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn answer(&mut self, request: Request, stop: &CancellationToken) -> Result<(), Over> {
        let Request::Cancel { job, by, hurry, answer } = request;
        let done = match self.cancel(job, &by, hurry).await {
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

    async fn cancel(
        &mut self,
        id: JobId,
        by: &str,
        hurry: bool,
    ) -> Result<Option<Wish>, StoreError> {
        let job = self.store.job(id).await?.ok_or(StoreError::NoSuchJob(id))?;
        if job.state == JobState::Waiting {
            let words = format!("canceled by {by} before it started");
            let cause = Cause::new(Who::Author, Code::Canceled, words);
            self.end_waiting(id, Verdict::Canceled, cause).await?;
            return Ok(None);
        }
        if job.cancel_asked && !hurry && job.state != JobState::Ended {
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

    async fn heard(&mut self, heard: Heard) {
        self.stale |= heard.missed;
        let mut read = BTreeSet::new();
        for Changed { id, state, .. } in heard.changed {
            if state == JobState::Ended {
                self.queue.forget(id, clock::now());
                read.remove(&id);
                read.extend(self.queue.waits_for(id));
            } else if !(state.is_active() && self.queue.is_running(id)) {
                read.insert(id);
            }
            // One that is running here too is left alone: from where to where does not matter.
        }
        self.read(read).await;
    }

    /// Takes in these jobs as they are now.
    async fn read(&mut self, ids: BTreeSet<JobId>) {
        let mut left: Vec<JobId> = ids.iter().copied().collect();
        let mut asked = ids;
        while !left.is_empty() {
            let some = left.split_off(left.len().saturating_sub(TOGETHER));
            let Ok(jobs) = self.store.as_they_are(some).await else {
                self.stale = true;
                return;
            };
            for (id, job) in jobs {
                let Some(job) = job else {
                    self.queue.forget(id, clock::now());
                    continue;
                };
                self.stale |= self.note(&job).await.is_err();
                // Whoever waited for a job waits for its retry now.
                if let Some(from) = job.lineage.retried_from {
                    let wait = self.queue.waits_for(from).into_iter();
                    left.extend(wait.filter(|waiting| asked.insert(*waiting)));
                }
            }
        }
    }

    /// Takes in a job as it is now.
    async fn note(&mut self, job: &Job) -> Result<(), StoreError> {
        match job.state {
            JobState::Waiting => self.note_waiting(job).await?,
            JobState::Preparing | JobState::Running | JobState::Collecting => self.queue.runs(job),
            JobState::Ended => self.queue.forget(job.id, clock::now()),
        }
        Ok(())
    }

    /// One whose dependency has broken ends here.
    async fn note_waiting(&mut self, job: &Job) -> Result<(), StoreError> {
        self.compare |= job.conditions.health_check;
        let mut found = Vec::new();
        for after in &job.conditions.after {
            let stands = self.store.stands(after.job, after.must == Must::Pass).await?;
            found.push((*after, stands));
        }
        match dependency(&found) {
            Dependency::Met => self.queue.wait(job, None),
            Dependency::Waits(after) => self.queue.wait(job, Some(after)),
            Dependency::Broken(broken) => {
                self.end_waiting(job.id, Verdict::Skipped, broken.cause()).await?;
            }
        }
        Ok(())
    }

    /// Who has had the box lately, from the jobs that ended last.
    async fn remember(&mut self) {
        let Ok(page) = self.store.history(None, REMEMBERED).await else { return };
        let now = clock::now();
        for job in page.jobs.into_iter().rev() {
            if let Some(time) = job.running_time(now) {
                self.queue.remember(&job, time);
            }
        }
    }

    async fn read_all(&mut self) -> Result<(), StoreError> {
        // What changes from here on is heard once more: the store is asked after the subscription.
        self.changes = self.store.changes_together();
        self.queue = self.queue.anew();
        for state in JobState::ALL.into_iter().filter(|state| *state != JobState::Ended) {
            let slim = |job| Job { definition: String::new(), ..job };
            for job in self.store.pick_in(state, usize::MAX, slim).await? {
                self.note(&job).await?;
            }
        }
        self.stale = false;
        Ok(())
    }

    fn publish(&self, decided: impl FnOnce(Standing) -> Standing) {
        let standing = Standing {
            blocked: self.queue.blocked(),
            first: self.queue.first(FIRST),
            shares: self.queue.shares().clone(),
            ..Standing::new(self.lab.clone(), self.order)
        };
        self.standing.send_replace(Arc::new(decided(standing)));
    }
}

#[cfg(test)]
mod tests;
