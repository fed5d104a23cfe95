//! What the web is given: everything it reads, and the few things it may ask for.
//!
//! The web owns no job. It reads snapshots, and what it asks for goes through the seams here, which
//! `app` fills; so pages can be tested without a queue or an engine.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
};

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use uuid::Uuid;

use super::{login::Logins, runs::Runs, watching::Watchers};
use crate::{
    clock,
    config::{DevicesFileError, Retention, Retry, Timeouts},
    decide::access::Rights,
    doctor::{self, Report},
    estimates,
    handbook::Handbook,
    insight::Insight,
    markup::Moment,
    model::{
        Acceleration, After, Device, DeviceStatus, DeviceType, Job, JobId, NewJob, Priority, Run,
        Submitter, WayIn,
    },
    people::People,
    schedule::{self, Refused, Standing},
    store::{Store, StoreError},
    supervise::JobFolder,
    tasks::Tasks,
};

/// What the web needs of the queue's owner.
pub trait Queue: Send + Sync {
    /// How the queue stands.
    fn standing(&self) -> Arc<Standing>;
    /// See [`schedule::Handle::cancel`].
    fn cancel(
        &self,
        job: JobId,
        by: String,
        hurry: bool,
    ) -> BoxFuture<'static, Result<(), Refused>>;
}

impl Queue for schedule::Handle {
    fn standing(&self) -> Arc<Standing> {
        Self::standing(self)
    }

    fn cancel(
        &self,
        job: JobId,
        by: String,
        hurry: bool,
    ) -> BoxFuture<'static, Result<(), Refused>> {
        let handle = self.clone();
        Box::pin(async move { Self::cancel(&handle, job, by, hurry).await })
    }
}

/// What the web needs of the appliance's doctor.
pub trait Doctor: Send + Sync {
    /// See [`doctor::Handle::report`].
    fn report(&self) -> BoxFuture<'static, Option<Arc<Report>>>;
}

impl Doctor for doctor::Handle {
    fn report(&self) -> BoxFuture<'static, Option<Arc<Report>>> {
        let handle = self.clone();
        Box::pin(async move { Self::report(&handle).await })
    }
}

/// Tells an engine that `last.png` is wanted (true) or no longer (false).
pub type Watch = Arc<dyn Fn(JobId, bool) + Send + Sync>;

/// Where to hear that a job's event log has grown; `None` when nobody follows that job here.
pub type Activity = Arc<dyn Fn(JobId) -> Option<watch::Receiver<u64>> + Send + Sync>;

/// Takes a bundle in.
pub type Submit = Arc<
    dyn Fn(SubmitRequest) -> BoxFuture<'static, Result<Submitted, SubmitRefused>> + Send + Sync,
>;

/// Takes a text in, or looks what would become of it.
pub type Compose = Arc<
    dyn Fn(ComposeRequest) -> BoxFuture<'static, Result<Composed, SubmitRefused>> + Send + Sync,
>;

/// Looks whether one of these devices, which are all there are of a type, could ever be checked as the
/// type says; where there is none yet, whether one could. Says why not.
pub type TryCheck = Arc<
    dyn Fn(DeviceType, Vec<DeviceStatus>) -> BoxFuture<'static, Result<(), String>> + Send + Sync,
>;

/// Makes the devices those that the devices file has now.
pub type ReloadDevices =
    Arc<dyn Fn() -> BoxFuture<'static, Result<DevicesTaken, DevicesRefused>> + Send + Sync>;

/// What the devices file has. Where there is none it has nothing.
#[derive(Debug)]
pub struct DevicesTaken {
    pub path: PathBuf,
    pub types: usize,
    pub devices: usize,
    /// Whether anything is otherwise than before.
    pub changed: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum DevicesRefused {
    #[error(transparent)]
    File(#[from] DevicesFileError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A bundle that has arrived whole.
#[derive(Debug)]
pub struct SubmitRequest {
    /// A tar file below `staging/`. It is removed when the answer is there.
    pub tar: PathBuf,
    pub submitter: Submitter,
    pub way_in: WayIn,
    /// What whoever sends it may submit.
    pub rights: Rights,
    pub wishes: Wishes,
}

/// What a sender says beside the job.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Warnings are errors.
    pub strict: bool,
    /// Jobs to wait for beside those the file names.
    pub after: Vec<After>,
    /// Instead of what the file says.
    pub priority: Option<Priority>,
    /// The sender's own name for this submission.
    pub key: Option<String>,
}

/// A definition by itself, or for what another job came with.
#[derive(Debug)]
pub struct ComposeRequest {
    pub from: Option<Job>,
    pub text: String,
    pub submitter: Submitter,
    /// What whoever asks may submit.
    pub rights: Rights,
    pub way_in: WayIn,
    pub wishes: Wishes,
    /// Only say what would become of it.
    pub only_check: bool,
}

/// What has become of a text.
#[derive(Debug)]
pub enum Composed {
    /// It could be submitted.
    Fine {
        job: Box<NewJob>,
        /// Why it would wait now.
        waits: Option<String>,
    },
    Submitted(Submitted),
}

/// What a bundle has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    pub id: JobId,
    pub uuid: Uuid,
    /// False when this very submission has come before.
    pub fresh: bool,
    /// Who submitted it is noted already.
    pub noted: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SubmitRefused {
    /// The job cannot be run as it is written. A JSON list, one entry a problem.
    #[error("the job has problems")]
    Invalid { problems: serde_json::Value },
    /// The sender has used the key for something else.
    #[error("{why}")]
    KeyUsed { why: String },
    /// The box cannot take it now.
    #[error("the job could not be taken in: {why}")]
    Unavailable { why: String },
}

/// What the box says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// `None` while it is being found out, in the first seconds after a boot of the host.
    pub acceleration: watch::Receiver<Option<Acceleration>>,
    /// Addresses it answers on.
    pub listen: Vec<String>,
    /// Jobs may read below these.
    pub roots: Vec<PathBuf>,
    /// Why nothing is started, while that is so.
    pub hold: watch::Receiver<Option<String>>,
    /// The box itself, which is a device while no other is named.
    pub usual: Device,
    /// Files the inbox has refused.
    pub refused: Arc<AtomicU64>,
    /// Runs since the start.
    pub since: clock::Stopwatch,
}

/// Everything a handler can reach.
pub struct Web {
    pub store: Store,
    pub people: People,
    /// What has been tried at the door.
    pub logins: Logins,
    pub schedule: Arc<dyn Queue>,
    /// The data folder; jobs are below `jobs/`.
    pub data: PathBuf,
    pub inbox: PathBuf,
    /// What is kept of ended jobs.
    pub retention: Retention,
    /// How failed jobs are retried where a rule says nothing else.
    pub retry: Retry,
    /// How long jobs may take that do not say.
    pub timeouts: Timeouts,
    /// When jobs will start and end.
    pub estimates: estimates::Handle,
    pub watchers: Watchers,
    /// What jobs teach and are held to.
    pub insight: Insight,
    /// Told when limits have changed: running jobs are to hear of it.
    pub limits_changed: Arc<dyn Fn() + Send + Sync>,
    pub submit: Submit,
    pub compose: Compose,
    pub try_check: TryCheck,
    pub reload_devices: ReloadDevices,
    pub activity: Activity,
    /// Names this box answers to, beside `localhost` and the loopback addresses. Without port.
    pub hosts: Vec<String>,
    pub about: About,
    /// Lately looked at; empty to begin with.
    pub runs: Runs,
    pub doctor: Arc<dyn Doctor>,
    pub handbook: Handbook,
    /// Streams end when these stop.
    pub tasks: Tasks,
    /// In which times are told.
    pub zone: TimeZone,
}

impl Web {
    pub(super) fn folder(&self, job: JobId) -> JobFolder {
        JobFolder::new(&self.data, job)
    }

    /// What a job's events add up to so far.
    pub(super) async fn run(&self, job: JobId) -> io::Result<Arc<Run>> {
        self.runs.get(job, self.folder(job)).await
    }

    pub(super) fn moment(&self) -> Moment {
        Moment { now: clock::now(), zone: self.zone.clone() }
    }
}
