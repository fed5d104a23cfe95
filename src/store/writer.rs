//! The thread that writes: takes what waits, makes it one transaction, commits, then answers.
//!
//! What is refused (the job has ended) is found out before anything of it is written, so one
//! refusal never spoils its neighbours. What the disk refuses fails the whole group, and everyone
//! in it hears so.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use redb::Database;
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{
    Change, Changed, Leftover, StoreError,
    commits::CommitLog,
    devices::DeviceChange,
    error::disk,
    file::StoreFile,
    known::{self, KnownWork},
    people::PeopleWork,
    record::Stored,
    table::Writing,
    tables::Tables,
};
use crate::{
    clock::Stopwatch,
    model::{
        Deed, Digest, DiskSample, Holdings, Job, JobId, JobState, NewJob, Outlook, Scope,
        SetThreshold, Shelved, Stage, Verdict,
    },
};

/// Requests that share one commit at most: bounds how long the first of them waits.
const GROUP: usize = 256;
/// While many ask at once a group waits for those of them who are on their way: a commit costs about as
/// much for one request as for a dozen, and takes longer than this. So long for the next one,
const GATHER: Duration = Duration::from_millis(1);
/// and so long for all of them.
const GATHER_ALL: Duration = Duration::from_millis(5);

pub(super) enum Command {
    /// Whoever drops the other end of the answer gets what was asked all the same.
    Do(Box<Work>, oneshot::Sender<Result<Outcome, StoreError>>),
    Close,
}

pub(super) enum Work {
    Submit {
        job: Box<NewJob>,
        /// Noted of it when it is new, and from when on earlier ones are kept.
        deed: Option<(Deed, Timestamp)>,
    },
    Change(JobId, Change),
    MeasuredBundle(Digest, u64),
    Cleared(Leftover),
    Forget(JobId),
    Shelved(JobId, Shelved),
    Sample {
        sample: DiskSample,
        drop: Vec<i64>,
    },
    Known(KnownWork),
    People(PeopleWork),
    SetThreshold(Scope, Option<SetThreshold>),
    Unlearn {
        job: String,
        device_type: Option<String>,
    },
    Devices {
        change: DeviceChange,
        by: String,
        now: Timestamp,
    },
    Foretell(Vec<(JobId, Stage, Outlook)>),
}

/// What has come of a request.
#[expect(clippy::large_enum_variant, reason = "each is moved once and none is kept")]
pub(super) enum Outcome {
    /// The job as it is now; not new when it was so before.
    Job { job: Job, new: bool },
    /// Done, and nobody is told: it is no change of a job that could be seen.
    Done,
    /// The same, with where to go on.
    Part(Option<(i64, u64)>),
    /// The same of so many jobs.
    Count(u64),
    /// The same; whether it was otherwise before.
    Set(bool),
}

/// Requests that share a commit, and who waits for what comes of them.
type Group = Vec<(Work, oneshot::Sender<Result<Outcome, StoreError>>)>;

pub(super) struct WriterThread {
    pub file: Arc<StoreFile>,
    pub commands: mpsc::Receiver<Command>,
    pub changes: broadcast::Sender<Changed>,
    /// Counts the changes of devices.
    pub devices: watch::Sender<u64>,
    /// The same of users.
    pub users: watch::Sender<u64>,
    pub commits: Arc<CommitLog>,
}

impl Outcome {
    /// Whether it changed anything.
    const fn is_new(&self) -> bool {
        !matches!(self, Self::Job { new: false, .. } | Self::Set(false))
    }

    /// Of a request that is about a job.
    pub(super) fn job(self) -> (Job, bool) {
        match self {
            Self::Job { job, new } => (job, new),
            Self::Done | Self::Part(_) | Self::Count(_) | Self::Set(_) => {
                unreachable!("submissions, changes and retries answer with the job")
            }
        }
    }

    /// Of a request that sets something: whether it was otherwise before.
    pub(super) fn set(self) -> bool {
        match self {
            Self::Set(changed) => changed,
            Self::Job { .. } | Self::Done | Self::Part(_) | Self::Count(_) => {
                unreachable!("what sets something answers whether it was otherwise")
            }
        }
    }
}

impl WriterThread {
    /// Until it is closed or every handle is gone. What is in the channel by then is carried out. Blocks
    /// between two requests, so it has a thread of its own.
    pub(super) async fn run(mut self) {
        // Who was answered last, and who waited by then: as many may be about to ask.
        let mut asking = 0;
        while let Some(first) = self.commands.recv().await {
            let mut group = Group::new();
            self.take(first, &mut group);
            self.gather(&mut group, asking.min(GROUP)).await;
            asking = group.len();
            if !group.is_empty() {
                asking += self.carry_out(group);
            }
        }
        self.file.close();
    }

    fn take(&mut self, command: Command, group: &mut Group) {
        match command {
            Command::Do(work, answer) => group.push((*work, answer)),
            Command::Close => self.commands.close(),
        }
    }

    /// Takes what waits, and waits for more until as many have asked as may. Whoever asks alone never
    /// waits for this.
    async fn gather(&mut self, group: &mut Group, asking: usize) {
        while group.len() < GROUP
            && let Ok(command) = self.commands.try_recv()
        {
            self.take(command, group);
        }
        let all = Instant::now() + GATHER_ALL;
        while group.len() < asking {
            let next = all.min(Instant::now() + GATHER);
            match timeout_at(next, self.commands.recv()).await {
                Ok(Some(command)) => self.take(command, group),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Returns how many were waiting when it was done, and had not been answered.
    fn carry_out(&self, group: Group) -> usize {
        let (work, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let since = Stopwatch::start();
        let Written { outcomes, devices_changed, users_changed } =
            match self.file.with(|database| write(database, work)) {
                Ok(written) => written,
                Err(error) => {
                    let source = &error as &dyn std::error::Error;
                    tracing::error!(error = source, "nothing was written");
                    let outcomes = answers.iter().map(|_| Err(error.clone())).collect();
                    // What of users has changed may be there all the same: they are read anew.
                    Written { outcomes, devices_changed: false, users_changed: true }
                }
            };
        if outcomes.iter().flatten().any(Outcome::is_new) {
            self.commits.add(since.elapsed());
        }
        if devices_changed {
            self.devices.send_modify(|changes| *changes += 1);
        }
        if users_changed {
            self.users.send_modify(|changes| *changes += 1);
        }
        let waiting = self.commands.len();
        // Nobody may be listening, to the changes or for the answer: that is fine.
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            if let Ok(Outcome::Job { job, new: true }) = &outcome {
                let changed = Changed { id: job.id, state: job.state, verdict: job.verdict };
                let _ = self.changes.send(changed);
            }
            let _ = answer.send(outcome);
        }
        waiting
    }
}

/// What has come of a group, in its order.
struct Written {
    outcomes: Vec<Result<Outcome, StoreError>>,
    devices_changed: bool,
    users_changed: bool,
}

/// # Errors
/// What the disk refused; then it is not known whether any of it is durable.
fn write(database: &Database, work: Vec<Work>) -> Result<Written, StoreError> {
    let mut txn = database.begin_write().map_err(disk("written"))?;
    txn.set_quick_repair(true);
    let mut tables = Tables::open(Writing::as_needed(&txn))?;
    let mut outcomes = Vec::with_capacity(work.len());
    for one in work {
        outcomes.push(match carry_out(&mut tables, one) {
            Err(error @ StoreError::Disk { .. }) => return Err(error),
            outcome => outcome,
        });
    }
    let (devices_changed, users_changed) = (tables.devices_changed(), tables.people.users_changed);
    drop(tables);
    if outcomes.iter().flatten().any(Outcome::is_new) {
        txn.commit().map_err(disk("written"))?;
    } else {
        txn.abort().map_err(disk("written"))?;
    }
    Ok(Written { outcomes, devices_changed, users_changed })
}

fn carry_out(tables: &mut Tables<'_>, work: Work) -> Result<Outcome, StoreError> {
    match work {
        Work::Submit { job, deed } => submit(tables, *job, deed),
        Work::Change(id, change) => {
            let (job, new) = change_job(tables, id, change, |_, _| Ok(()))?;
            Ok(Outcome::Job { job, new })
        }
        Work::MeasuredBundle(bundle, bytes) => {
            tables.measure_bundle(bundle, bytes).map(|()| Outcome::Done)
        }
        Work::Cleared(Leftover { job, what }) => tables.cleared(job, what).map(|()| Outcome::Done),
        Work::Shelved(id, shelved) => {
            let stored = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?;
            tables.shelved(&stored, &shelved).map(|()| Outcome::Done)
        }
        Work::Forget(id) => {
            let stored = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?;
            // Whoever waits for its retry hears that there will be none.
            Ok(match tables.forget(&stored)? {
                true => Outcome::Job { job: stored.job, new: true },
                false => Outcome::Done,
            })
        }
        Work::Sample { sample, drop } => tables.sample(&sample, &drop).map(|()| Outcome::Done),
        Work::Known(work) => known::carry_out(tables, work),
        Work::People(work) => tables.people.carry_out(work),
        Work::SetThreshold(scope, set) => {
            tables.set_threshold(&scope, set.as_ref()).map(Outcome::Set)
        }
        Work::Devices { change, by, now } => {
            tables.change_devices(&change, &by, now).map(Outcome::Set)
        }
        Work::Foretell(all) => {
            let mut is_new = false;
            for (id, stage, outlook) in all {
                // What is said after the end is not foretold.
                if tables.stored(id)?.is_some_and(|stored| stored.job.ended.is_none()) {
                    is_new |= tables.foretell(id, stage, outlook)?;
                }
            }
            Ok(Outcome::Set(is_new))
        }
        Work::Unlearn { job, device_type } => {
            tables.unlearn(&job, device_type.as_deref()).map(|()| Outcome::Done)
        }
    }
}

/// Changes a job and learns from one that ends. `mark` may add to what the change has made of it.
/// Returns the job as it is now, and whether it was otherwise before.
pub(super) fn change_job(
    tables: &mut Tables<'_>,
    id: JobId,
    mut change: Change,
    mark: impl FnOnce(&Tables<'_>, &mut Job) -> Result<(), StoreError>,
) -> Result<(Job, bool), StoreError> {
    let before = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?;
    let mut now = before.clone();
    let samples = change.take_samples();
    change.apply(&mut now.job)?;
    mark(tables, &mut now.job)?;
    now.round();
    let new = now != before;
    if new {
        tables.put(Some(&before), &now)?;
        if now.job.ended.is_some() && before.job.ended.is_none() {
            tables.learn(&now.job, &samples)?;
        }
    }
    Ok((now.job, new))
}

fn submit(
    tables: &mut Tables<'_>,
    new: NewJob,
    deed: Option<(Deed, Timestamp)>,
) -> Result<Outcome, StoreError> {
    if let Some(id) = tables.known(&new)? {
        let known = tables.stored(id)?.ok_or(StoreError::NoSuchJob(id))?.job;
        if (known.bundle, known.definition_hash) != (new.bundle, new.definition_hash) {
            return Err(StoreError::KeyUsed(id));
        }
        let meant_anew = new.idempotency.as_ref().is_some_and(|asked| asked.said.is_none())
            && known.verdict == Some(Verdict::Canceled);
        if !meant_anew {
            return Ok(Outcome::Job { job: known, new: false });
        }
    }
    // What it came with may have been removed since it was looked at.
    if let Some(from) = new.lineage.resubmitted_from
        && tables.bundle(new.bundle)?.is_none()
    {
        return Err(StoreError::NoBundle(from));
    }
    let (id, intake_key) = (tables.next_id()?, new.intake_key);
    tables.note_key(&new, id)?;
    let mut stored = Stored { job: waiting(id, new), intake_key };
    stored.round();
    tables.put(None, &stored)?;
    if let Some((deed, keep_from)) = deed {
        tables.people.did(&Deed { on: id.to_string(), ..deed }, keep_from)?;
    }
    Ok(Outcome::Job { job: stored.job, new: true })
}

/// A new job as its record begins.
pub(super) fn waiting(id: JobId, new: NewJob) -> Job {
    Job {
        id,
        uuid: new.uuid,
        name: new.name,
        definition: new.definition,
        definition_hash: new.definition_hash,
        bundle: new.bundle,
        submitter: new.submitter,
        way_in: new.way_in,
        submitted: new.submitted,
        started: None,
        ended: None,
        priority: new.priority,
        device_type: new.device_type,
        tags: new.tags,
        settings: new.settings,
        metadata: new.metadata,
        visibility: new.visibility,
        stream: new.stream,
        group: None,
        server: None,
        needs: new.needs,
        conditions: new.conditions,
        state: JobState::Waiting,
        cancel_asked: false,
        verdict: None,
        cause: None,
        backend: serde_json::Map::new(),
        lineage: new.lineage,
        device: None,
        decision: None,
        parts: Vec::new(),
        known_failure: None,
        load_at_end: None,
        holdings: Holdings::default(),
    }
}
