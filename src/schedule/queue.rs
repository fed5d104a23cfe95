//! What the queue's owner keeps in memory: of each waiting and running job only what a decision
//! needs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    config::Order,
    decide::{Demand, Lab, Plan, Queued, Running, Shares, Waiting, cost, health::lost, plan},
    model::{After, Job, JobId, Needs},
};

/// As the store had them when they were last read.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    order: Order,
    waiting: Waiting,
    /// Jobs that wait for the end of another, and of which.
    blocked: Arc<BTreeMap<JobId, After>>,
    /// (who is waited for, who waits)
    waited_for: BTreeSet<(JobId, JobId)>,
    /// When jobs have waited for as long as they were to.
    deadlines: BTreeSet<(Timestamp, JobId)>,
    deadline_of: HashMap<JobId, Timestamp>,
    /// Health checks that wait for their devices.
    checks: BTreeMap<JobId, Demand>,
    running: BTreeMap<JobId, Held>,
    shares: Shares,
}

/// What a job holds that has an engine.
#[derive(Debug, Clone)]
struct Held {
    running: Running,
    submitter: String,
    started: Timestamp,
}

impl Queue {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            waiting: Waiting::new(order),
            blocked: Arc::default(),
            waited_for: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            deadline_of: HashMap::new(),
            checks: BTreeMap::new(),
            running: BTreeMap::new(),
            shares: Shares::new(order.half_life),
        }
    }

    /// An empty one that remembers who has had what.
    pub(super) fn anew(&self) -> Self {
        let mut shares = self.shares.clone();
        for held in self.running.values() {
            let Needs { at_most, .. } = held.running.needs;
            shares.charge(&held.submitter, held.started, -cost(&held.running.needs, at_most));
        }
        Self { shares, ..Self::new(self.order) }
    }

    /// Somebody has had the box before we began to look.
    pub(super) fn remember(&mut self, job: &Job, time: Duration) {
        if let Some(started) = job.started {
            self.shares.charge(&job.submitter.name, started, cost(&job.needs, time));
        }
    }

    /// Takes in a job that waits as it is now, for the end of another one if there is one to wait for.
    pub(super) fn wait(&mut self, job: &Job, for_end_of: Option<After>) {
        self.forget_waiting(job.id);
        if let Some(timeout) = job.conditions.queue_timeout
            && let Ok(at) = job.submitted.checked_add(timeout)
        {
            self.deadlines.insert((at, job.id));
            self.deadline_of.insert(job.id, at);
        }
        if job.conditions.health_check {
            self.checks.insert(job.id, Demand::of(job));
        }
        match for_end_of {
            Some(after) => {
                Arc::make_mut(&mut self.blocked).insert(job.id, after);
                self.waited_for.insert((after.job, job.id));
            }
            None => self.waiting.insert(&Queued::of(job)),
        }
    }

    /// Takes in a job that has an engine. What it may cost is on its submitter's account from now on.
    pub(super) fn runs(&mut self, job: &Job) {
        self.forget_waiting(job.id);
        let (running, submitter) = (Running::of(job), job.submitter.name.clone());
        let started = job.started.unwrap_or(job.submitted);
        if self.running.contains_key(&job.id) {
            return;
        }
        self.shares.charge(&submitter, started, cost(&job.needs, job.needs.at_most));
        self.running.insert(job.id, Held { running, submitter, started });
    }

    /// A job waits and runs no more. What it has not used is given back.
    pub(super) fn forget(&mut self, id: JobId, now: Timestamp) {
        self.forget_waiting(id);
        if let Some(Held { running, submitter, started }) = self.running.remove(&id) {
            let used = now.duration_since(started).try_into().unwrap_or(Duration::ZERO);
            let unused = running.needs.at_most.saturating_sub(used);
            self.shares.charge(&submitter, started, -cost(&running.needs, unused));
        }
    }

    fn forget_waiting(&mut self, id: JobId) {
        self.waiting.remove(id);
        self.checks.remove(&id);
        if let Some(after) = self.blocked.get(&id).copied() {
            self.waited_for.remove(&(after.job, id));
            Arc::make_mut(&mut self.blocked).remove(&id);
        }
        if let Some(at) = self.deadline_of.remove(&id) {
            self.deadlines.remove(&(at, id));
        }
    }

    pub(super) fn is_running(&self, id: JobId) -> bool {
        self.running.contains_key(&id)
    }

    /// Jobs that may go on now that this one has ended.
    pub(super) fn waits_for(&self, id: JobId) -> Vec<JobId> {
        let all = (id, JobId(0))..=(id, JobId(u64::MAX));
        self.waited_for.range(all).map(|(_, waiting)| *waiting).collect()
    }

    /// Jobs that have waited for as long as they were to.
    pub(super) fn overdue(&self, now: Timestamp) -> Vec<JobId> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    /// Health checks that wait and can never run on their devices, each with why.
    pub(super) fn lost_checks(&self, lab: &Lab) -> Vec<(JobId, String)> {
        if self.checks.is_empty() {
            return Vec::new();
        }
        let devices: HashMap<_, _> =
            lab.devices.iter().map(|device| (device.name.as_str(), device)).collect();
        let of = |check: &Demand| devices.get(check.device.as_deref()?).copied();
        let lost = self.checks.iter().map(|(id, check)| Some((*id, lost(check, of(check))?)));
        lost.flatten().collect()
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(super) fn blocked(&self) -> Arc<BTreeMap<JobId, After>> {
        self.blocked.clone()
    }

    pub(super) const fn shares(&self) -> &Shares {
        &self.shares
    }

    /// The first jobs of the queue, best first.
    pub(super) fn first(&self, limit: usize) -> Vec<JobId> {
        self.waiting.best(&self.shares).take(limit).collect()
    }

    pub(super) fn plan(&self, now: Timestamp, lab: &Arc<Lab>) -> Plan {
        let running = self.running.values().map(|held| &held.running);
        plan(now, &self.waiting, &self.shares, running, lab)
    }
}
