//! What the keeper has last said, for everyone who wants to read it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Past;
use crate::{
    clock,
    decide::{
        Queued, Waiting,
        outlook::{Takes, Underway, Upcoming, behind, outlook},
        progress::{Planned, Progress, progress},
    },
    model::{Foretold, JobId, Outlook, Priority, Run},
    schedule::Standing,
    tasks,
};

/// Jobs that wait, beside which one more is played while somebody waits for it; that takes less than a
/// millisecond.
const SHORT: usize = 100;

/// What is expected of one job.
#[derive(Debug, Clone)]
pub struct Estimate {
    /// Its place among those that wait, from 1.
    pub position: Option<u64>,
    /// None while nothing starts, when it waits for the end of a job of which that is not known, or when
    /// it can never run on this box.
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
    /// When the last that is played starts; none while nothing does.
    pub from: Option<Foretold>,
    pub machines: u32,
    pub jobs: HashMap<JobId, Far>,
    /// Of all of them.
    pub work: Takes,
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
    /// Also those that wait for the end of another.
    pub waiting: Arc<[Upcoming]>,
    /// How many of them do not.
    pub in_line: u64,
    pub underway: Arc<[Underway]>,
}

/// A job that has not been played.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub queued: Queued,
    /// The jobs that have not ended of those whose ends it waits for.
    pub after: Vec<JobId>,
    pub past: Arc<Past>,
}

impl Wanted {
    fn upcoming(&self) -> Upcoming {
        let takes = self.past.takes(self.queued.demand.needs.at_most);
        Upcoming { queued: self.queued.clone(), takes, after: self.after.clone() }
    }

    /// What is known of it by itself.
    fn estimate(&self) -> Estimate {
        let at_most = self.queued.demand.needs.at_most;
        Estimate {
            position: None,
            outlook: None,
            is_coarse: false,
            after: self.after.first().copied(),
            takes: self.past.takes(at_most),
            at_most,
            past: self.past.clone(),
            planned: Arc::from([]),
        }
    }
}

impl Snapshot {
    /// As it is read `now`. None of a job that it does not know: one that has ended, or has come in
    /// since.
    pub fn get(&self, id: JobId, now: Timestamp) -> Option<Estimate> {
        let mut estimate = self.said(id)?;
        let has_started = estimate.position.is_none() && estimate.after.is_none();
        estimate.outlook = estimate.outlook.map(|said| said.read_at(now, has_started));
        Some(estimate)
    }

    /// As it was said then.
    fn said(&self, id: JobId) -> Option<Estimate> {
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

    fn knows(&self, id: JobId) -> bool {
        self.jobs.contains_key(&id) || self.behind.jobs.contains_key(&id)
    }

    /// What is expected of a job behind all that wait, and those that came `before` it since, by the
    /// work of them.
    fn at_end(&self, before: &[Arc<Upcoming>], wanted: &Wanted) -> Estimate {
        let estimate = wanted.estimate();
        let Behind { from, machines, ref jobs, work } = self.behind;
        let before = before.iter().filter(|one| one.after.is_empty());
        let (more, work) = before.fold((0, work), |(n, work), one| (n + 1, work.and(one.takes)));
        let position = Some(self.play.in_line + jobs.len() as u64 + more + 1);
        let outlook = from.map(|from| behind(from, work, machines, estimate.takes));
        Estimate { position, outlook, is_coarse: true, ..estimate }
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
    told: watch::Receiver<Arc<Snapshot>>,
    standings: watch::Receiver<Arc<Standing>>,
    recent: Arc<Mutex<Recent>>,
}

/// Jobs that have come in and may not have been played yet, each with how often the queue had been by
/// then. Whoever comes in next stands behind them.
#[derive(Debug, Default)]
struct Recent {
    jobs: Vec<(u64, Arc<Upcoming>)>,
    /// The play that they were last held against: not again for each that comes in.
    played: u64,
}

impl Recent {
    /// Those other than this one that the last play did not know, which took in what had come when it
    /// began.
    fn before(&mut self, told: &Snapshot, id: JobId) -> Vec<Arc<Upcoming>> {
        if std::mem::replace(&mut self.played, told.played) != told.played {
            self.jobs
                .retain(|(played, one)| *played + 1 >= told.played && !told.knows(one.queued.id));
        }
        let others = self.jobs.iter().filter(|(_, one)| one.queued.id != id);
        others.map(|(_, one)| one.clone()).collect()
    }

    /// Once, also when it is sent again.
    fn add(&mut self, told: &Snapshot, wanted: &Wanted) {
        if self.jobs.iter().all(|(_, one)| one.queued.id != wanted.queued.id) {
            self.jobs.push((told.played, Arc::new(wanted.upcoming())));
        }
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Handle {
    pub(super) fn new(
        told: watch::Receiver<Arc<Snapshot>>,
        standings: watch::Receiver<Arc<Standing>>,
    ) -> Self {
        Self { told, standings, recent: Arc::default() }
    }

    pub fn now(&self) -> Arc<Snapshot> {
        self.told.borrow().clone()
    }

    /// Told when something else is expected.
    pub fn changes(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.told.clone()
    }

    /// What is expected of a job that has just come in, which may not have been played yet: what it would
    /// be [`if_submitted`](Self::if_submitted); but where the queue is long, what comes in last is not
    /// played.
    pub async fn of_taken(&self, wanted: Wanted) -> Estimate {
        let (told, id) = (self.now(), wanted.queued.id);
        if let Some(played) = told.get(id, clock::now()) {
            return played;
        }
        let before = {
            let mut recent = self.recent();
            let before = recent.before(&told, id);
            recent.add(&told, &wanted);
            before
        };
        let is_last = wanted.queued.priority <= Priority::MEDIUM && wanted.after.is_empty();
        if is_last && told.play.waiting.len() > SHORT {
            return told.at_end(&before, &wanted);
        }
        self.beside(&told, before, &wanted).await
    }

    /// Where a job would stand in the queue, and what would come of it, were it submitted now.
    pub async fn if_submitted(&self, wanted: Wanted) -> Estimate {
        let told = self.now();
        let before = self.recent().before(&told, wanted.queued.id);
        self.beside(&told, before, &wanted).await
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().expect("nobody panics while holding it")
    }

    /// Plays it with the others. `before` has come in since they were played.
    async fn beside(
        &self,
        told: &Snapshot,
        before: Vec<Arc<Upcoming>>,
        wanted: &Wanted,
    ) -> Estimate {
        let Play { waiting, underway, .. } = told.play.clone();
        // As it is now: a device may be out of service since the last play.
        let standing = self.standings.borrow().clone();
        let (scene, is_held) = (standing.scene(), standing.is_held());
        let id = wanted.queued.id;
        let (estimate, upcoming) = (wanted.estimate(), wanted.upcoming());
        let mut position = None;
        if upcoming.after.is_empty() {
            let mut line = Waiting::new(scene.order);
            let recent = before.iter().map(AsRef::as_ref);
            let others = waiting.iter().chain(recent).filter(|one| one.after.is_empty());
            others.chain([&upcoming]).for_each(|one| line.insert(&one.queued));
            let last = line.len() - 1;
            let place = line.best(&scene.shares).position(|one| one == id).unwrap_or(last);
            // Behind all that were played, it would be behind those after them, too.
            if place == last && !told.behind.jobs.is_empty() {
                return told.at_end(&before, wanted);
            }
            position = Some(place as u64 + 1);
        }
        let play = move || {
            let before = before.iter().map(AsRef::as_ref);
            let all: Vec<_> = waiting.iter().chain(before).chain([&upcoming]).cloned().collect();
            outlook(clock::now(), &all, &underway, &scene).remove(&id)
        };
        let outlook = if is_held { None } else { tasks::blocking(play).await };
        Estimate { position, outlook, ..estimate }
    }
}
