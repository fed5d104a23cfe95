//! How the queue stands, for everyone who shows it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config::Order,
    decide::{self, Demand, Lab, Reason, Shares, outlook::Scene},
    model::{After, Job, JobId, JobState, NewJob},
};

/// As the newest decision left it.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Why nothing starts, while that is so.
    pub(super) hold: Option<String>,
    pub(super) decided: Option<decide::Standing>,
    pub(super) blocked: Arc<BTreeMap<JobId, After>>,
    /// Jobs that were to start and could not be written down.
    pub(super) not_started: BTreeMap<JobId, String>,
    /// The first jobs of the queue, best first.
    pub(super) first: Vec<JobId>,
    pub(super) lab: Arc<Lab>,
    pub(super) shares: Shares,
    pub(super) order: Order,
}

impl Standing {
    /// Before there is a decision.
    pub fn new(lab: Arc<Lab>, order: Order) -> Self {
        Self {
            hold: None,
            decided: None,
            blocked: Arc::default(),
            not_started: BTreeMap::new(),
            first: Vec::new(),
            lab,
            shares: Shares::new(order.half_life),
            order,
        }
    }

    /// Why a job waits, in words for a person. None for one that does not wait, or that nothing keeps:
    /// it came after the decision.
    pub fn reason(&self, job: &Job) -> Option<String> {
        if job.state != JobState::Waiting {
            return None;
        }
        if let Some(why) = self.not_started.get(&job.id) {
            return Some(why.clone());
        }
        if let Some(After { job, must }) = self.blocked.get(&job.id).copied() {
            return Some(Reason::After { job, must }.to_string());
        }
        if let Some(why) = &self.hold {
            return Some(Reason::Held { why: why.clone() }.to_string());
        }
        let reason = self.decided.as_ref()?.reason(job.id, &Demand::of(job));
        reason.map(|reason| reason.to_string())
    }

    /// Why no device there is could ever run such a job; none when one could, be it out of service now.
    pub fn never(&self, demand: &Demand) -> Option<Reason> {
        decide::never(&self.lab, demand)
    }

    /// Why a job would wait if it came now.
    pub fn would_wait(&self, job: &NewJob) -> Option<String> {
        if let Some(why) = &self.hold {
            return Some(Reason::Held { why: why.clone() }.to_string());
        }
        if let Some(After { job, must }) = job.conditions.after.first().copied() {
            return Some(Reason::After { job, must }.to_string());
        }
        // No job has this number.
        let reason = self.decided.as_ref()?.reason(JobId(0), &Demand::of_new(job));
        reason.map(|reason| reason.to_string())
    }

    /// One under which nothing starts.
    #[cfg(test)]
    pub(crate) fn held(self, why: &str) -> Self {
        Self { hold: Some(why.to_owned()), ..self }
    }

    /// One in which a job says so.
    #[cfg(test)]
    pub(crate) fn saying(mut self, id: JobId, words: &str) -> Self {
        self.not_started.insert(id, words.to_owned());
        self
    }

    /// The first jobs of the queue, best first; not of all, where many wait.
    pub fn first(&self) -> &[JobId] {
        &self.first
    }

    /// Whether nothing starts for now.
    pub const fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Where to play the queue forward from.
    pub fn scene(&self) -> Scene {
        let (lab, shares, order) = (self.lab.clone(), self.shares.clone(), self.order);
        Scene { lab, shares, order, blocked: self.blocked.clone() }
    }
}
