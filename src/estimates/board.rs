//! What the keeper has last said, for everyone who wants to read it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::watch, time::timeout};

use super::{Past, keeper::Lent};
use crate::{
    clock,
    decide::{
        Queued, Waiting,
        outlook::{Scene, Takes, Underway, behind, outlook},
        progress::{Planned, Progress, progress},
    },
    model::{Foretold, JobId, Outlook, Run},
    tasks,
};

/// What is expected of one job.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// Its place among those that wait, from 1.
    pub position: Option<u64>,
    /// None while nothing starts, when it waits for the end of another job, or when it can never run
    /// on this box.
    pub outlook: Option<Outlook>,
    /// It waits so far back that only the work before it was counted.
    pub is_coarse: bool,
    /// The job whose end it waits for, before it is its turn.
    pub after: Option<JobId>,
    pub takes: Takes,
    pub at_most: Duration,
    pub past: Arc<Past>,
    /// Of a job that has started: its parts.
    pub planned: Arc<[Planned]>,
}

impl Estimate {
    /// How far its run has come.
    pub fn progress(&self, run: &Run, now: Timestamp) -> Progress {
        progress(&self.planned, run, run.until(Some(now)))
    }

    /// Where it is known from, in a few words.
    pub fn basis(&self) -> String {
        self.past.basis.words(self.at_most)
    }
}

/// What was expected of all jobs at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    pub at: Timestamp,
    /// How often the queue had been played by then.
    pub played: u64,
    pub(super) jobs: HashMap<JobId, Estimate>,
    pub(super) behind: Behind,
    pub(super) play: Play,
}

/// The jobs that wait behind those that are played.
#[derive(Debug, Clone, Default)]
pub(super) struct Behind {
    pub from: Option<Foretold>,
    pub machines: u32,
    pub jobs: HashMap<JobId, Far>,
}

/// A job that is not played.
#[derive(Debug, Clone)]
pub(super) struct Far {
    /// In the whole queue.
    pub position: u64,
    /// The work before it that is not played either.
    pub ahead: Takes,
    pub takes: Takes,
    pub at_most: Duration,
    /// Of its device type.
    pub past: Arc<Past>,
}

/// What was played, to be played once more with one job added.
#[derive(Debug, Clone, Default)]
pub(super) struct Play {
    pub waiting: Arc<[(Queued, Takes)]>,
    pub underway: Arc<[Underway]>,
    pub scene: Option<Scene>,
    pub is_held: bool,
}

/// A job that has not been submitted.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub queued: Queued,
    pub takes: Takes,
}

impl Snapshot {
    /// None of a job that it does not know: one that has ended, or has come in since.
    pub fn get(&self, id: JobId) -> Option<Estimate> {
        if let Some(known) = self.jobs.get(&id) {
            return Some(known.clone());
        }
        let Far { position, ahead, takes, at_most, past } = self.behind.jobs.get(&id)?.clone();
        let machines = self.behind.machines;
        let outlook = self.behind.from.map(|from| behind(from, ahead, machines, takes));
        let (position, planned) = (Some(position), Arc::from([]));
        let (is_coarse, after) = (true, None);
        Some(Estimate { position, outlook, is_coarse, after, takes, at_most, past, planned })
    }
}

#[cfg(test)]
impl Snapshot {
    /// One that says this of a job, too.
    pub fn with(mut self, id: JobId, estimate: Estimate) -> Self {
        self.jobs.insert(id, estimate);
        self
    }
}

#[cfg(test)]
impl Estimate {
    /// Of a job whose parts usually take these times, in seconds, and at most twice as long.
    pub fn sample(
        outlook: Outlook,
        basis: super::Basis,
        parts: &[(crate::model::Part, u64)],
    ) -> Self {
        use crate::model::Part;
        let takes = |seconds| {
            let usual = Duration::from_secs(seconds);
            Takes { usual, long: usual * 2 }
        };
        let planned = parts.iter().map(|(part, seconds)| Planned {
            part: *part,
            name: if *part == Part::Test { "screen" } else { part.name() }.into(),
            takes: Some(takes(*seconds)),
        });
        Self {
            position: None,
            outlook: Some(outlook),
            is_coarse: false,
            after: None,
            takes: takes(parts.iter().map(|(_, seconds)| seconds).sum()),
            at_most: Duration::from_secs(900),
            past: Arc::new(Past::sample(basis)),
            planned: planned.collect(),
        }
    }
}

/// Reads what was last said. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(super) told: watch::Receiver<Arc<Snapshot>>,
    pub(super) lent: Lent,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Handle {
    pub fn now(&self) -> Arc<Snapshot> {
        self.told.borrow().clone()
    }

    /// What is expected of a job that has just come in. Nothing when it is not said in time.
    pub async fn soon(&self, id: JobId, patience: Duration) -> Option<Estimate> {
        let mut told = self.told.clone();
        let known = timeout(patience, told.wait_for(|told| told.get(id).is_some())).await;
        known.ok()?.ok()?.get(id)
    }

    /// Told when something else is expected.
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.told.clone()
    }

    /// Where a job would stand in the queue, and what would come of it, were it submitted now.
    pub async fn if_submitted(&self, wanted: Wanted) -> (u64, Option<Outlook>) {
        let told = self.now();
        let Play { waiting, underway, scene, is_held } = told.play.clone();
        let scene = scene.unwrap_or_else(|| (self.lent)());
        let id = wanted.queued.id;
        let mut line = Waiting::new(scene.order);
        waiting.iter().for_each(|(queued, _)| line.insert(queued));
        line.insert(&wanted.queued);
        let place = line.best(&scene.shares).position(|one| one == id).unwrap_or(waiting.len());
        let position = place as u64 + 1;
        // Behind all that were played, it would be behind those after them, too.
        let (at_end, later) = (place == waiting.len(), told.behind.jobs.len() as u64);
        if is_held {
            return (position + if at_end { later } else { 0 }, None);
        }
        if let (true, Some(from), 1..) = (at_end, told.behind.from, later) {
            let all = told.behind.jobs.values();
            let last = all.max_by_key(|far| far.position);
            let ahead = last.map_or(Takes::NONE, |far| far.ahead.and(far.takes));
            let outlook = behind(from, ahead, told.behind.machines, wanted.takes);
            return (position + later, Some(outlook));
        }
        let play = move || {
            let mut all = waiting.to_vec();
            all.push((wanted.queued, wanted.takes));
            outlook(clock::now(), &all, &underway, &scene).remove(&id)
        };
        (position, tasks::blocking(play).await)
    }
}
