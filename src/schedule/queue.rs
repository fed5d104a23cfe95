//! What the queue's owner keeps in memory: of each waiting and running job only what a decision
//! needs.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::{
    decide::{Lends, Plan, Queued, Running, plan},
    model::{Job, JobId, JobState},
};

/// (255 - priority, number): best first.
type Place = (u8, JobId);

/// As the store had them when they were last read.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: BTreeMap<Place, Queued>,
    places: HashMap<JobId, Place>,
    running: BTreeMap<JobId, Running>,
}

impl Queue {
    /// Takes in a job as it is now; what was known of it before is forgotten.
    pub(super) fn note(&mut self, job: &Job) {
        self.forget(job.id);
        if job.state == JobState::Waiting {
            let place = (u8::MAX - job.priority.0, job.id);
            self.places.insert(job.id, place);
            self.waiting.insert(place, Queued::of(job));
        } else if job.state.is_active() {
            self.running.insert(job.id, Running::of(job));
        }
    }

    pub(super) fn forget(&mut self, id: JobId) {
        if let Some(place) = self.places.remove(&id) {
            self.waiting.remove(&place);
        }
        self.running.remove(&id);
    }

    pub(super) fn is_running(&self, id: JobId) -> bool {
        self.running.contains_key(&id)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = JobId> {
        self.waiting.values().map(|job| job.id)
    }

    pub(super) fn plan(&self, now: Timestamp, lends: &Lends) -> Plan {
        let running: Vec<_> = self.running.values().cloned().collect();
        plan(now, self.waiting.values(), &running, lends)
    }
}
