//! The task that plays the queue forward whenever something has happened, and publishes what comes
//! of it.
//!
//! It keeps a few words of each job that waits or runs, as the store tells them, and reads the past
//! of each name once until a job of it ends. Much that happens at once is played once: after a play
//! it rests, at least [`REST`] and several times as long as the play took, so however long the
//! queue is most of a core stays free. While jobs run or wait, time alone changes what is expected,
//! and it plays again after [`AGAIN`].
//!
//! A play costs as much as the square of the queue. Only the first [`AHEAD`] jobs are played; those
//! behind are told the work before them over the machines there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{
    broadcast::{
        self,
        error::{RecvError, TryRecvError},
    },
    watch,
};
use tokio_util::sync::CancellationToken;

use super::{
    Basis, Past,
    board::{Behind, Estimate, Far, Handle, Play, Snapshot},
};
use crate::{
    clock::{self, Stopwatch},
    decide::{
        self, Queued, Running,
        outlook::{Scene, Takes, Underway, outlook},
        progress::Planned,
    },
    job_file::{Options, read},
    model::{Definition, Foretold, Job, JobId, JobState, Outlook, Stage},
    store::{Changed, Store, StoreError},
    tasks,
};

/// Waiting jobs that are played.
pub const AHEAD: usize = 1_000;
/// After a play, at least.
const REST: Duration = Duration::from_millis(50);
/// After a play, at least so many times what it took.
const SHARE: u32 = 4;
/// When nothing has happened, and time alone has gone on.
const AGAIN: Duration = Duration::from_secs(10);
/// Names whose past is remembered; beyond, all are read again.
const MOST_PASTS: usize = 20_000;
/// Before the store is asked again after its disk has refused.
const REFUSED: Duration = Duration::from_secs(5);

/// What this box gives to jobs now, and in which order.
pub type Lent = Arc<dyn Fn() -> Scene + Send + Sync>;

/// Plays the queue and tells what comes of it.
pub struct Keeper {
    store: Store,
    changes: broadcast::Receiver<Changed>,
    lent: Lent,
    /// While it says something nothing starts.
    hold: watch::Receiver<Option<String>>,
    told: watch::Sender<Arc<Snapshot>>,
    waiting: BTreeMap<JobId, Waiting>,
    /// The same in their order.
    line: decide::Waiting,
    active: BTreeMap<JobId, Active>,
    pasts: HashMap<(String, String), Arc<Past>>,
    devices: HashMap<String, Arc<Past>>,
    /// It may lack changes and has to be read anew.
    stale: bool,
}

/// A job that waits.
struct Waiting {
    name: String,
    device_type: String,
    at_most: Duration,
    queued: Queued,
    /// The store has what was first said of it.
    is_kept: bool,
}

/// A job that has an engine.
struct Active {
    name: String,
    device_type: String,
    started: Timestamp,
    running: Running,
    at_most: Duration,
    definition: Option<Definition>,
    is_kept: bool,
}

impl Keeper {
    pub fn new(store: Store, lent: Lent, hold: watch::Receiver<Option<String>>) -> (Self, Handle) {
        let (told, heard) = watch::channel(Arc::default());
        let handle = Handle { told: heard, lent: lent.clone() };
        let keeper = Self {
            changes: store.changes(),
            store,
            line: decide::Waiting::new(lent().order),
            lent,
            hold,
            told,
            waiting: BTreeMap::new(),
            active: BTreeMap::new(),
            pasts: HashMap::new(),
            devices: HashMap::new(),
            stale: true,
        };
        (keeper, handle)
    }

    /// Until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let whole = async {
            loop {
                let rest = match self.refresh().await {
                    Ok(took) => REST.max(took * SHARE),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "it is not known what is to come of jobs");
                        self.stale = true;
                        REFUSED
                    }
                };
                // What happens meanwhile is played together.
                tokio::time::sleep(rest).await;
                self.something_happens().await;
            }
        };
        stop.run_until_cancelled(whole).await;
    }

    async fn something_happens(&mut self) {
        if !self.stale {
            let is_idle = self.waiting.is_empty() && self.active.is_empty();
            tokio::select! {
                changed = self.changes.recv() => self.heard(changed).await,
                Ok(()) = self.hold.changed() => {}
                () = tokio::time::sleep(AGAIN), if !is_idle => {}
            }
        }
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
            Ok(Changed { id, state: JobState::Ended, .. }) => {
                self.forget(id, true);
            }
            // From where to where does not matter.
            Ok(Changed { id, state, .. }) if state.is_active() && self.active.contains_key(&id) => {
            }
            Ok(Changed { id, .. }) => match self.store.job(id).await {
                Ok(Some(job)) => self.note(job).await,
                Ok(None) => self.forget(id, false),
                Err(_) => self.stale = true,
            },
            Err(RecvError::Lagged(_)) => self.stale = true,
            // We hold a store ourselves, so there is always a sender.
            Err(RecvError::Closed) => {}
        }
    }

    /// Takes in a job as it is now.
    async fn note(&mut self, job: Job) {
        let is_kept = self.waiting.get(&job.id).is_some_and(|waiting| waiting.is_kept);
        self.forget(job.id, false);
        match job.state {
            JobState::Waiting => {
                let queued = Queued::of(&job);
                let (id, at_most) = (job.id, job.needs.at_most);
                let Job { name, device_type, .. } = job;
                self.line.insert(&queued);
                let waiting = Waiting { name, device_type, at_most, queued, is_kept };
                self.waiting.insert(id, waiting);
            }
            JobState::Preparing | JobState::Running | JobState::Collecting => {
                let text = job.definition.clone();
                // Its parts are needed, and no longer who has said how long they may take.
                let read = move || read(&text, "job.yaml", Options::default()).ok();
                let definition = tasks::blocking(read).await.map(|read| read.definition);
                let started = job.started.unwrap_or(job.submitted);
                let (running, at_most) = (Running::of(&job), job.needs.at_most);
                let Job { id, name, device_type, .. } = job;
                let active = Active {
                    name,
                    device_type,
                    started,
                    running,
                    at_most,
                    definition,
                    is_kept: false,
                };
                self.active.insert(id, active);
            }
            JobState::Ended => {}
        }
    }

    /// A job that has ended has taught something.
    fn forget(&mut self, id: JobId, has_ended: bool) {
        if self.waiting.remove(&id).is_some() {
            self.line.remove(id);
        }
        if let Some(active) = self.active.remove(&id)
            && has_ended
        {
            let device_type = active.device_type;
            self.devices.remove(&device_type);
            // What has no past of its own is told by those of its device type.
            self.pasts.retain(|(name, of), past| {
                let has_own = matches!(past.basis, Basis::Job { .. });
                *of != device_type || (*name != active.name && has_own)
            });
        }
    }

    async fn read_all(&mut self) -> Result<(), StoreError> {
        // What changes from here on is heard once more: the store is asked after the subscription.
        self.changes = self.store.changes();
        self.waiting.clear();
        self.active.clear();
        self.line = decide::Waiting::new((self.lent)().order);
        self.pasts.clear();
        self.devices.clear();
        let slim = |job| Job { definition: String::new(), ..job };
        for job in self.store.pick_in(JobState::Waiting, usize::MAX, slim).await? {
            self.note(job).await;
        }
        for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
            for job in self.store.jobs_in(state, usize::MAX).await? {
                self.note(job).await;
            }
        }
        self.stale = false;
        Ok(())
    }

    /// Plays, tells, and has kept what was said first. Returns how long the play took.
    async fn refresh(&mut self) -> Result<Duration, StoreError> {
        if self.stale {
            self.read_all().await?;
        }
        if self.pasts.len() > MOST_PASTS {
            self.pasts.clear();
        }
        let hold = self.hold.borrow_and_update().clone();
        let turn = self.turn(hold.is_some()).await?;
        let (snapshot, took) = tasks::blocking(move || {
            let since = Stopwatch::start();
            let snapshot = turn.play();
            (snapshot, since.elapsed())
        })
        .await;
        let played = self.told.borrow().played + 1;
        let snapshot = Arc::new(Snapshot { played, ..snapshot });
        self.told.send_replace(snapshot.clone());
        self.keep(&snapshot).await?;
        Ok(took)
    }

    /// All that one play needs.
    async fn turn(&mut self, is_held: bool) -> Result<Turn, StoreError> {
        let scene = (self.lent)();
        let line: Vec<_> = self.line.best(&scene.shares).collect();
        let (ahead, behind) = line.split_at(line.len().min(AHEAD));
        let mut waiting = Vec::with_capacity(ahead.len());
        let names: Vec<_> = ahead
            .iter()
            .filter_map(|id| self.waiting.get(id))
            .map(|job| (job.name.clone(), job.device_type.clone()))
            .chain(self.active.values().map(|job| (job.name.clone(), job.device_type.clone())))
            .collect();
        for name in names {
            self.learn(name).await?;
        }
        let past = |name: &str, device_type: &str| {
            self.pasts[&(name.to_owned(), device_type.to_owned())].clone()
        };
        for job in ahead.iter().filter_map(|id| self.waiting.get(id)) {
            let past = past(&job.name, &job.device_type);
            waiting.push((job.at_most, job.queued.clone(), past));
        }
        let active = self.active.iter().map(|(id, job)| {
            let past = past(&job.name, &job.device_type);
            let planned = job.definition.as_ref().map(|definition| past.plan(definition));
            let takes = past.takes(job.at_most);
            let underway =
                Underway { id: *id, running: job.running.clone(), started: job.started, takes };
            (underway, job.at_most, past, planned.unwrap_or_default())
        });
        let active = active.collect();
        let behind = behind.iter().filter_map(|id| Some((*id, self.waiting.get(id)?)));
        let behind: Vec<_> =
            behind.map(|(id, job)| (id, job.device_type.clone(), job.at_most)).collect();
        for (_, device_type, _) in &behind {
            if !self.devices.contains_key(device_type) {
                let times = self.store.device_times(device_type.clone()).await?;
                let past = Arc::new(Past::of_device(&times));
                self.devices.insert(device_type.clone(), past);
            }
        }
        let behind = behind.into_iter().map(|(id, device_type, at_most)| {
            let past = self.devices[&device_type].clone();
            (id, at_most, past)
        });
        let behind = behind.collect();
        Ok(Turn { waiting, active, behind, scene, is_held })
    }

    async fn learn(&mut self, name: (String, String)) -> Result<(), StoreError> {
        if !self.pasts.contains_key(&name) {
            let past = Past::read(&self.store, &name.0, &name.1).await?;
            self.pasts.insert(name, Arc::new(past));
        }
        Ok(())
    }

    /// Gives the store what was first said of jobs, at most as many at a time as are played.
    async fn keep(&mut self, said: &Snapshot) -> Result<(), StoreError> {
        let mut all: Vec<(JobId, Stage, Outlook)> = Vec::new();
        let waiting = self.waiting.iter_mut().filter(|(_, job)| !job.is_kept);
        for (id, job) in waiting.take(AHEAD) {
            if let Some(outlook) = said.get(*id).and_then(|said| said.outlook) {
                job.is_kept = true;
                all.push((*id, Stage::Submitted, outlook));
            }
        }
        for (id, job) in self.active.iter_mut().filter(|(_, job)| !job.is_kept) {
            if let Some(outlook) = said.get(*id).and_then(|said| said.outlook) {
                job.is_kept = true;
                all.push((*id, Stage::Started, outlook));
            }
        }
        if all.is_empty() { Ok(()) } else { self.store.foretell(all).await }
    }
}

/// What one play needs, taken away from the keeper to be played elsewhere.
struct Turn {
    waiting: Vec<(Duration, Queued, Arc<Past>)>,
    active: Vec<(Underway, Duration, Arc<Past>, Vec<Planned>)>,
    behind: Vec<(JobId, Duration, Arc<Past>)>,
    scene: Scene,
    is_held: bool,
}

impl Turn {
    fn play(self) -> Snapshot {
        let Self { waiting, active, behind, scene, is_held } = self;
        let at = clock::now();
        let queue: Vec<_> = waiting
            .iter()
            .map(|(at_most, queued, past)| (queued.clone(), past.takes(*at_most)))
            .collect();
        let underway: Vec<_> = active.iter().map(|(underway, ..)| underway.clone()).collect();
        let outlooks =
            if is_held { BTreeMap::new() } else { outlook(at, &queue, &underway, &scene) };
        // The last that starts of those that are played; where none does, the last that ends.
        let starts = queue.iter().filter_map(|(queued, _)| Some(outlooks.get(&queued.id)?.start));
        let from = starts.reduce(later).unwrap_or(Foretold { usual: at, late: at });
        let from = (!is_held && !behind.is_empty()).then_some(from);
        let mut jobs = HashMap::with_capacity(queue.len() + active.len());
        for ((at_most, queued, past), position) in waiting.iter().zip(1..) {
            let at_most = *at_most;
            let estimate = Estimate {
                position: Some(position),
                outlook: outlooks.get(&queued.id).copied(),
                is_coarse: false,
                takes: past.takes(at_most),
                at_most,
                past: past.clone(),
                planned: Arc::from([]),
            };
            jobs.insert(queued.id, estimate);
        }
        for (underway, at_most, past, planned) in active {
            let estimate = Estimate {
                position: None,
                outlook: outlooks.get(&underway.id).copied(),
                is_coarse: false,
                takes: underway.takes,
                at_most,
                past,
                planned: planned.into(),
            };
            jobs.insert(underway.id, estimate);
        }
        let mut ahead = Takes::NONE;
        let mut far = HashMap::with_capacity(behind.len());
        for ((id, at_most, past), position) in behind.into_iter().zip(queue.len() as u64 + 1..) {
            let takes = past.takes(at_most);
            far.insert(id, Far { position, ahead, takes, at_most, past });
            ahead = ahead.and(takes);
        }
        Snapshot {
            at,
            played: 0,
            jobs,
            behind: Behind { from, machines: scene.lab.machines, jobs: far },
            play: Play {
                waiting: queue.into(),
                underway: underway.into(),
                scene: Some(scene),
                is_held,
            },
        }
    }
}

fn later(one: Foretold, other: Foretold) -> Foretold {
    Foretold { usual: one.usual.max(other.usual), late: one.late.max(other.late) }
}
