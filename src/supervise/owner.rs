//! The owner of the engines: starts what the queue wishes, follows each to its end, and writes what
//! became of it into the store.
//!
//! ```text
//! store: started ── launch ── follow ──────────── processes gone ── store: ended
//!                      └ cannot ─────────────────────────────────── store: ended (incomplete)
//!      └ no guest can be started here: the queue is held ───────── store: waiting again
//! appliance restarts:  engine lives ── follow …
//!                      engine gone, never began ── store: waiting again
//!                      engine gone ── processes ended ── store: ended
//! ```
//!
//! A job is ended in the store only when none of its processes is left, so what the queue believes
//! to be free is free.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::{
    Ending, Engine, Follower, JobFolder, close_log, failure::failure, find_engine, launch,
    launch::LaunchError, settle,
};
use crate::{
    clock,
    config::Retry,
    gauges,
    model::{
        Cause, Code, Command, EngineOrder, Failure, Job, JobId, JobState, Run, Verdict, Who,
        samples,
    },
    store::{Change, Store, StoreError},
};

/// Commands that may wait for one engine; whoever sends more waits.
const COMMANDS: usize = 16;
/// Between tries to write an end into a store that refuses (a full disk).
const STORE_AGAIN: Duration = Duration::from_secs(2);

/// What the queue wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Start this job, which the store has as started.
    Start { job: Box<Job> },
    /// End this job, which the store has as to be canceled.
    Cancel { job: JobId, by: String },
}

/// Makes the order for a job from its record and from what is known of its likes, or says why there
/// can be none.
pub type Prepare =
    Arc<dyn Fn(&Job) -> BoxFuture<'static, Result<EngineOrder, Box<Cause>>> + Send + Sync>;

#[derive(Debug, Clone)]
struct LiveJob {
    commands: mpsc::Sender<Command>,
    seq: watch::Receiver<u64>,
}

type Live = BTreeMap<JobId, LiveJob>;

/// Asked when a job ended for want of something this box should have: whether the box, as it is now,
/// could start no guest at all. Where it could not, the queue is held when the answer comes.
pub type BlameBox = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Speaks to running engines.
#[derive(Debug, Clone)]
pub struct Handle {
    live: watch::Receiver<Live>,
}

impl Handle {
    /// The number of a running job's newest event, to be waited on.
    pub fn activity(&self, job: JobId) -> Option<watch::Receiver<u64>> {
        self.live.borrow().get(&job).map(|live| live.seq.clone())
    }

    /// Sends a command to a running job's engine. A job without an engine hears nothing.
    pub async fn send(&self, job: JobId, command: Command) {
        let commands = self.live.borrow().get(&job).map(|live| live.commands.clone());
        if let Some(commands) = commands {
            // Closed: the engine has ended meanwhile.
            let _ = commands.send(command).await;
        }
    }
}

/// Owns every engine of this appliance.
pub struct Supervisor {
    data: PathBuf,
    store: Store,
    prepare: Prepare,
    live: watch::Sender<Live>,
    followers: JoinSet<JobId>,
    ends: Ends,
}

/// Who writes the ends of jobs.
#[derive(Clone)]
struct Ends {
    store: Store,
    blame_box: BlameBox,
    retry: Retry,
}

impl Supervisor {
    /// `retry` says how failed jobs are retried where a rule says nothing else.
    pub fn new(
        data: PathBuf,
        store: Store,
        prepare: Prepare,
        blame_box: BlameBox,
        retry: Retry,
    ) -> (Self, Handle) {
        let (live, seen) = watch::channel(Live::new());
        let ends = Ends { store: store.clone(), blame_box, retry };
        let supervisor = Self { data, store, prepare, live, followers: JoinSet::new(), ends };
        (supervisor, Handle { live: seen })
    }

    /// Finds the engines an earlier appliance started, and settles the jobs whose engine is gone.
    /// The queue must not start anything before this is done.
    pub async fn reattach(&mut self) -> Result<(), StoreError> {
        // All of them before the first is followed: followed, it may go on to a state not read yet,
        // and would be followed twice.
        let mut begun = Vec::new();
        for state in [JobState::Preparing, JobState::Running, JobState::Collecting] {
            begun.extend(self.store.jobs_in(state, usize::MAX).await?);
        }
        for job in begun {
            let folder = JobFolder::new(&self.data, job.id);
            let span = span(&job);
            self.find_again(job, folder).instrument(span).await;
        }
        Ok(())
    }

    async fn find_again(&mut self, job: Job, folder: JobFolder) {
        match find_engine(&folder, job.uuid).await {
            Ok(Some(engine)) => {
                tracing::info!("found its engine again");
                self.follow(job, folder, engine);
            }
            Ok(None) => self.settle(&job, &folder).await,
            Err(error) => {
                tracing::error!(%error, "lost its engine");
                self.settle(&job, &folder).await;
            }
        }
    }

    /// Carries out wishes until told to stop. Engines go on when this returns.
    pub async fn run(mut self, mut wishes: mpsc::Receiver<Wish>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                wish = wishes.recv() => match wish {
                    Some(Wish::Start { job }) => self.start(*job).await,
                    Some(Wish::Cancel { job, by }) => self.cancel(job, by).await,
                    None => return,
                },
                Some(ended) = self.followers.join_next() => match ended {
                    Ok(job) => {
                        self.live.send_modify(|live| drop(live.remove(&job)));
                    }
                    Err(error) => tracing::error!(%error, "the follower of a job failed"),
                },
            }
        }
    }

    async fn start(&mut self, job: Job) {
        let folder = JobFolder::new(&self.data, job.id);
        let launched = (self.prepare)(&job).await.and_then(|order| {
            launch(&folder, &order).map_err(|error| Box::new(not_started(&error)))
        });
        match launched {
            Ok(child) => self.follow(job, folder, Engine::Child(child)),
            Err(cause) => {
                let (verdict, cause) = (Verdict::Incomplete, Some(*cause));
                let ending = Ending { verdict, cause, run: Run::default(), never_began: true };
                // Not in here: a store that refuses must not keep the others waiting.
                let ends = self.ends.clone();
                let span = span(&job);
                let ended = async move {
                    ends.end_or_wait_again(job.id, &folder, ending).await;
                    job.id
                };
                self.followers.spawn(ended.instrument(span));
            }
        }
    }

    async fn cancel(&self, job: JobId, by: String) {
        let commands = self.live.borrow().get(&job).map(|live| live.commands.clone());
        if let Some(commands) = commands {
            let _ = commands.send(Command::Cancel { by }).await;
        }
    }

    fn follow(&mut self, job: Job, folder: JobFolder, engine: Engine) {
        let (commands, heard) = mpsc::channel(COMMANDS);
        let (seq, seq_seen) = watch::channel(0);
        let (state, states) = watch::channel(job.state);
        let live = LiveJob { commands, seq: seq_seen };
        self.live.send_modify(|all| drop(all.insert(job.id, live)));
        let follower = Follower {
            folder: folder.clone(),
            uuid: job.uuid,
            at_most: job.needs.at_most,
            commands: heard,
            seq,
            state,
        };
        let ends = self.ends.clone();
        let span = span(&job);
        let follow = async move {
            let mut ending = follow_states(&ends.store, job.id, follower, engine, states).await;
            // A job is over only when none of its processes is left, so this does not give up.
            let ending = loop {
                match ending {
                    Ok(ending) => break ending,
                    Err(error) => tracing::error!(%error, "lost it, trying again"),
                }
                sleep(STORE_AGAIN).await;
                ending = settle(&folder, job.uuid).await;
            };
            ends.end_or_wait_again(job.id, &folder, ending).await;
            job.id
        };
        self.followers.spawn(follow.instrument(span));
    }

    /// Ends a job whose engine is gone, or lets it wait again when it never began.
    async fn settle(&self, job: &Job, folder: &JobFolder) {
        let ending = match settle(folder, job.uuid).await {
            Ok(ending) => ending,
            Err(error) => {
                tracing::error!(%error, "could not settle the job");
                return;
            }
        };
        if ending.never_began && !job.cancel_asked {
            if let Err(error) = wait_again(&self.store, job.id, folder).await {
                tracing::error!(%error, "could not put it back into the queue");
            }
            return;
        }
        self.ends.end_or_wait_again(job.id, folder, ending).await;
    }
}

async fn follow_states(
    store: &Store,
    job: JobId,
    follower: Follower,
    engine: Engine,
    mut states: watch::Receiver<JobState>,
) -> std::io::Result<Ending> {
    let follow = follower.follow(engine);
    tokio::pin!(follow);
    loop {
        tokio::select! {
            ending = &mut follow => return ending,
            Ok(()) = states.changed() => {
                let state = *states.borrow_and_update();
                if let Err(error) = store.change(job, Change::State(state)).await {
                    tracing::warn!(%error, "could not record the state");
                }
            }
        }
    }
}

impl Ends {
    /// Ends a job, unless this box is so broken that no guest could have started: then the queue is
    /// held by now, and the job goes back to where it was, as if it had never been taken.
    async fn end_or_wait_again(&self, job: JobId, folder: &JobFolder, ending: Ending) {
        let store = &self.store;
        let is_canceled = store.job(job).await.ok().flatten().is_some_and(|job| job.cancel_asked);
        let may_wait = ending.may_be_the_boxs() && (self.blame_box)().await;
        if may_wait && !ending.has_tested() && !is_canceled {
            match wait_again(store, job, folder).await {
                Ok(()) => {
                    tracing::warn!(%job, "waits again: this box could not start its guest");
                    return;
                }
                Err(error) => tracing::error!(%job, %error, "could not put it back into the queue"),
            }
        }
        self.end(job, folder, ending).await;
    }

    async fn end(&self, job: JobId, folder: &JobFolder, mut ending: Ending) {
        let Some(record) = self.record(job).await else { return };
        if ending.run.end.is_none() && record.cancel_asked {
            // The engine did not get to say it, but this is why it is gone.
            let words = "canceled; the engine did not end by itself and was killed";
            ending.verdict = Verdict::Canceled;
            ending.cause = Some(Cause::new(Who::Author, Code::Canceled, words));
        }
        // Of an engine that could not say it, this is how the host was when we heard of its end.
        let load = crate::tasks::blocking(gauges::load).await;
        if let Err(error) = close_log(folder, &ending, load) {
            tracing::warn!(%error, "could not close the event log");
        }
        crate::engine::clear_away(folder.path());
        let failure = failure(&record, &ending, folder);
        let parts = ending.run.part_durations();
        let samples = samples(&ending.run);
        let (at, backend, load) = match ending.run.end {
            Some(end) => (end.wall, end.backend, end.load.or(Some(load))),
            None => {
                let host = crate::tasks::blocking(gauges::picture).await;
                let backend = [("host".to_owned(), host.into())].into_iter().collect();
                (clock::now(), backend, Some(load))
            }
        };
        let (verdict, cause) = (ending.verdict, ending.cause);
        let ended = Change::Ended { at, verdict, cause, backend, load, parts, samples };
        self.write(job, ended, failure).await;
    }

    /// Tries until the store can be read. None when it is closed, or has no such job.
    async fn record(&self, job: JobId) -> Option<Job> {
        loop {
            match self.store.job(job).await {
                Ok(record) => return record,
                Err(StoreError::Closed) => return None,
                Err(error) => tracing::error!(%error, "could not read the job, trying again"),
            }
            sleep(STORE_AGAIN).await;
        }
    }

    /// Tries until the store has it: an end is never lost.
    async fn write(&self, job: JobId, ended: Change, failure: Option<Failure>) {
        loop {
            match self.store.end(job, ended.clone(), failure.clone(), self.retry).await {
                Ok(_) | Err(StoreError::Ended(_)) => return,
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(%error, "could not record the end, trying again"),
            }
            sleep(STORE_AGAIN).await;
        }
    }
}

/// What it left is removed first: its next engine begins anew.
async fn wait_again(store: &Store, job: JobId, folder: &JobFolder) -> Result<(), StoreError> {
    if let Err(error) = fs::remove_dir_all(folder.path())
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%job, %error, "could not remove the unused folder");
    }
    store.change(job, Change::Requeued).await.map(drop)
}

/// Whatever is logged inside is about this job.
fn span(job: &Job) -> Span {
    tracing::info_span!("job", job = %job.id, job_uuid = %job.uuid)
}

fn not_started(error: &LaunchError) -> Cause {
    let who = match error {
        LaunchError::Folder { .. } | LaunchError::Spawn { .. } => Who::Host,
        LaunchError::Running { .. } => Who::Sutler,
    };
    let mut words = error.to_string();
    let source = std::error::Error::source(error);
    if let Some(source) = source {
        words += &format!(": {source}");
    }
    Cause::new(who, Code::EngineNotStarted, words)
}
