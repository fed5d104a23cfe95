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
//! behind are told the work before them over the machines there are. A job that waits for the end of
//! another is played as if that came out well.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    Basis, Past,
    board::{Behind, Estimate, Far, Handle, Play, Snapshot},
};
use crate::{
    clock::{self, Stopwatch},
    config::Order,
    decide::{
        self, Queued, Running, Shares,
        outlook::{Scene, Takes, Underway, Upcoming, outlook},
        progress::Planned,
    },
    job_file::{Options, read},
    model::{After, Definition, Foretold, Job, JobId, JobState, Outlook, Stage},
    schedule::Standing,
    store::{Changed, Changes, Heard, Store, StoreError, TOGETHER},
    tasks,
};

/// Waiting jobs that are played.
pub const AHEAD: usize = 1_000;
/// After a play, at least.
const REST: Duration = Duration::from_millis(50);
/// After a play, at least so many times what it took with all that it needed.
const SHARE: u32 = 4;
/// When nothing has happened, and time alone has gone on.
const AGAIN: Duration = Duration::from_secs(10);
/// Names whose past is remembered; beyond, all are read again.
const MOST_PASTS: usize = 20_000;
/// Before the store is asked again after its disk has refused.
const REFUSED: Duration = Duration::from_secs(5);

/// Plays the queue and tells what comes of it.
pub struct Keeper {
    store: Store,
    changes: Changes,
    /// What this box gives to jobs, in which order, and whether anything starts.
    standings: watch::Receiver<Arc<Standing>>,
    told: watch::Sender<Arc<Snapshot>>,
    queue: Queue,
    active: BTreeMap<JobId, Active>,
    pasts: HashMap<(String, String), Arc<Past>>,
    devices: HashMap<String, Arc<Past>>,
    /// It may lack changes and has to be read anew.
    stale: bool,
}

/// The jobs that wait, and their order.
struct Queue {
    jobs: BTreeMap<JobId, Waiting>,
    line: decide::Waiting,
}

/// A job that waits.
struct Waiting {
    name: String,
    device_type: String,
    queued: Queued,
    /// The jobs whose ends it waits for, before it is anybody's turn.
    after: Vec<JobId>,
    /// The store has what was first said of it.
    is_kept: bool,
}

/// A job that has an engine.
struct Active {
    name: String,
    device_type: String,
    started: Timestamp,
    running: Running,
    definition: Option<Definition>,
    is_kept: bool,
}

impl Keeper {
    pub fn new(store: Store, standings: watch::Receiver<Arc<Standing>>) -> (Self, Handle) {
        let order = standings.borrow().scene().order;
        let (told, heard) = watch::channel(Arc::default());
        let handle = Handle::new(heard, standings.clone());
        let keeper = Self {
            changes: store.changes_together(),
            store,
            queue: Queue::new(order),
            standings,
            told,
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
            let is_idle = self.queue.jobs.is_empty() && self.active.is_empty();
            tokio::select! {
                heard = self.changes.next() => self.heard(heard).await,
                // Devices are others, or in another state; or it has decided since the last play.
                Ok(()) = self.standings.changed() => {}
                () = tokio::time::sleep(AGAIN), if !is_idle => {}
            }
        }
        let rest = self.changes.so_far();
        self.heard(rest).await;
    }

    async fn heard(&mut self, heard: Heard) {
        self.stale |= heard.missed;
        let mut read = BTreeSet::new();
        for Changed { id, state, .. } in heard.changed {
            if state == JobState::Ended {
                read.remove(&id);
                self.ended(id);
            } else if !(state.is_active() && self.active.contains_key(&id)) {
                read.insert(id);
            }
            // One that is known to run is left alone: from where to where does not matter.
        }
        let ids: Vec<JobId> = read.into_iter().collect();
        for some in ids.chunks(TOGETHER) {
            let Ok(jobs) = self.store.as_they_are(some.to_vec()).await else {
                self.stale = true;
                return;
            };
            for (id, job) in jobs {
                match job {
                    Some(job) => self.note(job).await,
                    None => drop(self.forget(id)),
                }
            }
        }
    }

    /// Takes in a job as it is now.
    async fn note(&mut self, job: Job) {
        let is_kept = self.queue.jobs.get(&job.id).is_some_and(|waiting| waiting.is_kept);
        self.forget(job.id);
        match job.state {
            JobState::Waiting => {
                let queued = Queued::of(&job);
                let Job { id, name, device_type, conditions, .. } = job;
                let after = conditions.after.iter().map(|after| after.job).collect();
                let waiting = Waiting { name, device_type, queued, after, is_kept };
                self.queue.insert(id, waiting);
            }
            JobState::Preparing | JobState::Running | JobState::Collecting => {
                let text = job.definition.clone();
                // Its parts are needed, and no longer who has said how long they may take.
                let read = move || read(&text, "job.yaml", Options::default()).ok();
                let definition = tasks::blocking(read).await.map(|read| read.definition);
                let started = job.started.unwrap_or(job.submitted);
                let running = Running::of(&job);
                let Job { id, name, device_type, .. } = job;
                let active =
                    Active { name, device_type, started, running, definition, is_kept: false };
                self.active.insert(id, active);
            }
            // It has ended before we looked.
            JobState::Ended => self.learned(&job.name, &job.device_type),
        }
    }

    fn ended(&mut self, id: JobId) {
        if let Some(Active { name, device_type, .. }) = self.forget(id) {
            self.learned(&name, &device_type);
        }
    }

    /// A job waits and runs no more. Returns what it was when it ran.
    fn forget(&mut self, id: JobId) -> Option<Active> {
        self.queue.remove(id);
        self.active.remove(&id)
    }

    /// A job of that name has ended, and has taught something.
    fn learned(&mut self, name: &str, device_type: &str) {
        self.devices.remove(device_type);
        self.pasts.retain(|(of_name, of_type), past| {
            let (is_its, is_here) = (of_name == name, of_type == device_type);
            match past.basis {
                Basis::Job { .. } => !(is_its && is_here),
                // Told by others of its name, or of its device type.
                Basis::OtherDevice { .. } | Basis::DeviceType { .. } | Basis::Limit => {
                    !(is_its || is_here)
                }
            }
        });
    }

    async fn read_all(&mut self) -> Result<(), StoreError> {
        // What changes from here on is heard once more: the store is asked after the subscription.
        self.changes = self.store.changes_together();
        self.queue = Queue::new(self.standings.borrow().scene().order);
        self.active.clear();
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

    /// Plays, tells, and has kept what was said first. Returns how long that took without the keeping.
    async fn refresh(&mut self) -> Result<Duration, StoreError> {
        let since = Stopwatch::start();
        if self.stale {
            self.read_all().await?;
        }
        if self.pasts.len() > MOST_PASTS {
            self.pasts.clear();
        }
        let standing = self.standings.borrow_and_update().clone();
        let turn = self.turn(standing.scene(), standing.is_held()).await?;
        let snapshot = tasks::blocking(move || turn.play()).await;
        let played = self.told.borrow().played + 1;
        let took = since.elapsed();
        let snapshot = Arc::new(Snapshot { played, ..snapshot });
        self.told.send_replace(snapshot.clone());
        self.keep(&snapshot).await?;
        Ok(took)
    }

    /// All that one play needs.
    async fn turn(&mut self, scene: Scene, is_held: bool) -> Result<Turn, StoreError> {
        let Line { ahead, behind, blocked } = self.line_up(&scene).await;
        let first = ahead.iter().chain(blocked.iter().map(|(id, _)| id).take(AHEAD));
        let names: Vec<_> = first
            .filter_map(|id| self.queue.jobs.get(id))
            .map(|job| (job.name.clone(), job.device_type.clone()))
            .chain(self.active.values().map(|job| (job.name.clone(), job.device_type.clone())))
            .collect();
        for name in names {
            self.learn(name).await?;
        }
        for device_type in behind.keys() {
            self.learn_device(device_type).await?;
        }
        let past = |name: &str, device_type: &str| {
            self.pasts[&(name.to_owned(), device_type.to_owned())].clone()
        };
        let jobs = &self.queue.jobs;
        let played = |job: &Waiting| (job.queued.clone(), past(&job.name, &job.device_type));
        let waiting = ahead.iter().filter_map(|id| jobs.get(id)).map(played);
        let blocked = blocked.into_iter().take(AHEAD).filter_map(|(id, after)| {
            let (queued, past) = played(jobs.get(&id)?);
            Some((after, queued, past))
        });
        let active = self.active.iter().map(|(id, job)| {
            let past = past(&job.name, &job.device_type);
            let planned = job.definition.as_ref().map(|definition| past.plan(definition));
            let takes = past.takes(job.running.needs.at_most);
            let underway =
                Underway { id: *id, running: job.running.clone(), started: job.started, takes };
            (underway, past, planned.unwrap_or_default())
        });
        let (waiting, blocked, active) = (waiting.collect(), blocked.collect(), active.collect());
        let behind = behind.into_iter();
        let behind =
            behind.map(|(device_type, jobs)| (self.devices[&device_type].clone(), jobs)).collect();
        Ok(Turn { waiting, active, behind, blocked, scene, is_held })
    }

    /// Puts the whole queue in order, which takes its time where it is long: elsewhere, and nobody
    /// changes it meanwhile.
    async fn line_up(&mut self, scene: &Scene) -> Line {
        let queue = std::mem::replace(&mut self.queue, Queue::new(scene.order));
        let running: BTreeSet<JobId> = self.active.keys().copied().collect();
        let (shares, blocked) = (scene.shares.clone(), scene.blocked.clone());
        let (queue, line) = tasks::blocking(move || {
            let line = queue.line_up(&shares, &blocked, &running);
            (queue, line)
        })
        .await;
        self.queue = queue;
        line
    }

    async fn learn_device(&mut self, device_type: &str) -> Result<(), StoreError> {
        if !self.devices.contains_key(device_type) {
            let times = self.store.device_times(device_type.to_owned()).await?;
            self.devices.insert(device_type.to_owned(), Arc::new(Past::of_device(&times)));
        }
        Ok(())
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
        let waiting = self.queue.jobs.iter_mut().filter(|(_, job)| !job.is_kept);
        for (id, job) in waiting.take(AHEAD) {
            if let Some(outlook) = said.get(*id, said.at).and_then(|said| said.outlook) {
                job.is_kept = true;
                all.push((*id, Stage::Submitted, outlook));
            }
        }
        for (id, job) in self.active.iter_mut().filter(|(_, job)| !job.is_kept) {
            if let Some(outlook) = said.get(*id, said.at).and_then(|said| said.outlook) {
                job.is_kept = true;
                all.push((*id, Stage::Started, outlook));
            }
        }
        if all.is_empty() { Ok(()) } else { self.store.foretell(all).await }
    }
}

impl Queue {
    fn new(order: Order) -> Self {
        Self { jobs: BTreeMap::new(), line: decide::Waiting::new(order) }
    }

    fn insert(&mut self, id: JobId, job: Waiting) {
        self.line.insert(&job.queued);
        self.jobs.insert(id, job);
    }

    fn remove(&mut self, id: JobId) {
        if self.jobs.remove(&id).is_some() {
            self.line.remove(id);
        }
    }

    /// All jobs in order, while those that run are `running`. What is `blocked` was so when jobs were
    /// last decided about.
    fn line_up(
        &self,
        shares: &Shares,
        blocked: &BTreeMap<JobId, After>,
        running: &BTreeSet<JobId>,
    ) -> Line {
        let has_not_ended = |id: &&JobId| self.jobs.contains_key(*id) || running.contains(*id);
        // Where the decision says another one than the job itself, that is a retry of one of these.
        let waits_for = |id: JobId, job: &Waiting| {
            let decided = blocked.get(&id).map(|after| after.job);
            let others =
                job.after.iter().filter(has_not_ended).filter(|one| Some(**one) != decided);
            decided.into_iter().chain(others.copied()).collect::<Vec<_>>()
        };
        let mut line = Line { ahead: Vec::new(), behind: BTreeMap::new(), blocked: Vec::new() };
        let mut place = 0;
        for id in self.line.best(shares) {
            let job = &self.jobs[&id];
            let after = waits_for(id, job);
            if !after.is_empty() {
                line.blocked.push((id, after));
                continue;
            }
            place += 1;
            if line.ahead.len() < AHEAD {
                line.ahead.push(id);
                continue;
            }
            let of_type = match line.behind.get_mut(&job.device_type) {
                Some(of_type) => of_type,
                None => line.behind.entry(job.device_type.clone()).or_default(),
            };
            of_type.push((place, id, job.queued.demand.needs.at_most));
        }
        line
    }
}

/// The queue in order.
struct Line {
    /// Those that are played, best first.
    ahead: Vec<JobId>,
    /// Those behind them by device type.
    behind: BTreeMap<String, Vec<FarBehind>>,
    /// Those that wait for the ends of others, and of which.
    blocked: Vec<(JobId, Vec<JobId>)>,
}

/// A job that is too far behind to be played: its place, its number, its time limit.
type FarBehind = (u64, JobId, Duration);

/// What one play needs, taken away from the keeper to be played elsewhere.
struct Turn {
    waiting: Vec<(Queued, Arc<Past>)>,
    active: Vec<(Underway, Arc<Past>, Vec<Planned>)>,
    /// By device type, each with its place.
    behind: Vec<(Arc<Past>, Vec<FarBehind>)>,
    /// With the jobs whose ends each waits for.
    blocked: Vec<(Vec<JobId>, Queued, Arc<Past>)>,
    scene: Scene,
    is_held: bool,
}

impl Turn {
    fn play(self) -> Snapshot {
        let Self { waiting, active, behind, blocked, scene, is_held } = self;
        let at = clock::now();
        let takes = |queued: &Queued, past: &Past| past.takes(queued.demand.needs.at_most);
        let in_line = waiting.len() as u64;
        let waiting = waiting.into_iter().map(|(queued, past)| (Vec::new(), queued, past));
        let waiting: Vec<_> = waiting.chain(blocked).collect();
        let queue: Vec<_> = waiting
            .iter()
            .map(|(after, queued, past)| Upcoming {
                takes: takes(queued, past),
                queued: queued.clone(),
                after: after.clone(),
            })
            .collect();
        let underway: Vec<_> = active.iter().map(|(underway, ..)| underway.clone()).collect();
        let outlooks =
            if is_held { BTreeMap::new() } else { outlook(at, &queue, &underway, &scene) };
        // The last that starts of those that are played; where none does, the last that ends.
        let starts = queue.iter().filter_map(|one| Some(outlooks.get(&one.queued.id)?.start));
        let from = starts.reduce(later).unwrap_or(Foretold { usual: at, late: at });
        let from = (!is_held).then_some(from);
        let mut jobs = HashMap::with_capacity(queue.len() + active.len());
        for ((after, queued, past), place) in waiting.into_iter().zip(1..) {
            let estimate = Estimate {
                position: after.is_empty().then_some(place),
                outlook: outlooks.get(&queued.id).copied(),
                is_coarse: false,
                after: after.first().copied(),
                takes: takes(&queued, &past),
                at_most: queued.demand.needs.at_most,
                past,
                planned: Arc::from([]),
            };
            jobs.insert(queued.id, estimate);
        }
        for (underway, past, planned) in active {
            let estimate = Estimate {
                position: None,
                outlook: outlooks.get(&underway.id).copied(),
                is_coarse: false,
                after: None,
                takes: underway.takes,
                at_most: underway.running.needs.at_most,
                past,
                planned: planned.into(),
            };
            jobs.insert(underway.id, estimate);
        }
        let behind = behind.into_iter().flat_map(|(past, jobs)| {
            jobs.into_iter().map(move |(place, id, at_most)| (place, id, at_most, past.clone()))
        });
        let mut behind: Vec<_> = behind.collect();
        behind.sort_by_key(|(place, ..)| *place);
        let mut ahead = Takes::NONE;
        let mut far = HashMap::with_capacity(behind.len());
        for (position, id, at_most, past) in behind {
            let takes = past.takes(at_most);
            far.insert(id, Far { position, ahead, takes, at_most, past });
            ahead = ahead.and(takes);
        }
        Snapshot {
            at,
            played: 0,
            jobs,
            behind: Behind { from, machines: scene.lab.machines, jobs: far, work: ahead },
            play: Play { waiting: queue.into(), in_line, underway: underway.into() },
        }
    }
}

fn later(one: Foretold, other: Foretold) -> Foretold {
    Foretold { usual: one.usual.max(other.usual), late: one.late.max(other.late) }
}
