//! How everyone else uses the store.

use std::{
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use jiff::Timestamp;
use redb::ReadTransaction;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

use super::{
    Accuracy, Change, Changed, Changes, Commits, Counts, DeviceChange, DeviceTimes, HistoryKey,
    HistoryPage, Inconsistency, JobPage, JobsAsked, Leftover, Measured, MeasuredJob, Occurrence,
    Reader, Saved, StoreError, Tally, Totals, Unmeasured, check,
    commits::CommitLog,
    devices, estimates,
    file::{Open, StoreFile},
    list, measures, occurrences,
    people::LastRead,
    read, snapshot, tally, terms, thresholds,
    times::{KnownTimes, known_times},
    writer::{Command, Outcome, Work, WriterThread},
};
use crate::{
    decide::retention::Oldest,
    model::{
        Deed, DeviceEvent, DeviceOrigin, DeviceStatus, DeviceType, Digest, DiskSample, Field,
        Foresight, Job, JobId, JobState, Keepsake, NewJob, Outlook, Scope, Series, SetThreshold,
        Shelved, Stage,
    },
    tasks,
};

/// Jobs that are read together, where there may be many.
pub const TOGETHER: usize = 64;

/// Requests that may wait for the writer; the next one waits outside.
const WAITING: usize = 256;

/// Changes a listener may lag behind before it misses some.
const UNHEARD: usize = 1024;

/// How the file is opened.
#[derive(Debug, Clone, Copy)]
pub struct StoreSettings {
    /// Pages kept in memory.
    pub cache_bytes: usize,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20 }
    }
}

/// What became of a new job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    pub id: JobId,
    pub uuid: Uuid,
    /// False when this very submission (same inbox file, or same uuid) is in the store already;
    /// then these are the names it got the first time.
    pub fresh: bool,
}

/// Sends to the writer and reads by itself. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    file: Arc<StoreFile>,
    commands: mpsc::Sender<Command>,
    changes: broadcast::Sender<Changed>,
    devices: watch::Receiver<u64>,
    pub(super) users: LastRead,
    commits: Arc<CommitLog>,
}

/// The writer thread, for the one who closes it.
#[derive(Debug)]
pub struct Writer {
    commands: mpsc::Sender<Command>,
    thread: JoinHandle<()>,
}

impl Store {
    /// Opens the file, or makes it, and starts the writer thread. Blocks.
    ///
    /// # Errors
    /// [`StoreError::AlreadyOpen`], [`StoreError::NewerLayout`], or the disk's refusal.
    pub fn open(path: &Path, settings: StoreSettings) -> Result<(Self, Writer), StoreError> {
        let file = path.to_path_buf();
        let open = move || redb::Builder::new().set_cache_size(settings.cache_bytes).create(&file);
        Self::open_with(path, Box::new(open))
    }

    pub(super) fn open_with(path: &Path, open: Open) -> Result<(Self, Writer), StoreError> {
        let file = Arc::new(StoreFile::open(path, open)?);
        let (sender, commands) = mpsc::channel(WAITING);
        let (changes, _) = broadcast::channel(UNHEARD);
        let commits = Arc::new(CommitLog::default());
        let (device_changes, devices) = watch::channel(0);
        let (user_changes, users) = watch::channel(0);
        let users = LastRead::new(users);
        let store = Self { file, commands: sender.clone(), changes, devices, users, commits };
        let writer = WriterThread {
            file: store.file.clone(),
            commands,
            changes: store.changes.clone(),
            devices: device_changes,
            users: user_changes,
            commits: store.commits.clone(),
        };
        let refused = |error| super::error::disk("opened")(redb::Error::Io(error));
        // It only waits with it, for requests.
        let waits = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let waits = waits.map_err(refused)?;
        let thread = thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || waits.block_on(writer.run()))
            .map_err(refused)?;
        Ok((store, Writer { commands: sender, thread }))
    }

    /// Makes a checked job durable and gives it a number. Asked twice with the same inbox file or
    /// uuid, it is one job.
    ///
    /// # Errors
    /// [`StoreError::Disk`] or [`StoreError::Closed`]; the job is then not known to be kept, and
    /// the same may be asked again.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        self.enter(job, None).await
    }

    /// The same, and notes of a new job in the same commit that it was submitted, on its number. Of
    /// what was noted earlier a little is forgotten each time, if it is older than `keep_from`.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn submit_noted(
        &self,
        job: NewJob,
        deed: Deed,
        keep_from: Timestamp,
    ) -> Result<Submitted, StoreError> {
        self.enter(job, Some((deed, keep_from))).await
    }

    async fn enter(
        &self,
        job: NewJob,
        deed: Option<(Deed, Timestamp)>,
    ) -> Result<Submitted, StoreError> {
        let (job, new) = self.ask(Work::Submit { job: Box::new(job), deed }).await?.job();
        Ok(Submitted { id: job.id, uuid: job.uuid, fresh: new })
    }

    /// Changes a job and returns it as it is then.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::Ended`], [`StoreError::NotAllowed`] when the change
    /// does not fit, or the disk's refusal.
    pub async fn change(&self, id: JobId, change: Change) -> Result<Job, StoreError> {
        Ok(self.ask(Work::Change(id, change)).await?.job().0)
    }

    /// Changes devices or their types. Whether anything is otherwise now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchDevice`], [`StoreError::NoSuchDeviceType`], [`StoreError::TypeInUse`],
    /// [`StoreError::FromFile`], [`StoreError::BoxItself`], or the disk's refusal.
    pub async fn change_devices(
        &self,
        change: DeviceChange,
        by: String,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self.ask(Work::Devices { change, by, now }).await?.set())
    }

    /// Every device, by name.
    pub async fn devices(&self) -> Result<Vec<DeviceStatus>, StoreError> {
        self.read(devices::all).await
    }

    /// Every device type, by name.
    pub async fn device_types(&self) -> Result<Vec<(DeviceType, DeviceOrigin)>, StoreError> {
        self.read(devices::types).await
    }

    /// What has happened to a device, newest first, before a time.
    pub async fn device_log(
        &self,
        device: String,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<DeviceEvent>, StoreError> {
        self.read(move |txn| devices::log(txn, &device, before, limit)).await
    }

    /// Hears when what there is to run jobs on may be otherwise.
    pub fn device_changes(&self) -> watch::Receiver<u64> {
        self.devices.clone()
    }

    /// Those of these jobs that there are, in this order.
    pub async fn jobs_of(&self, ids: Vec<JobId>) -> Result<Vec<Job>, StoreError> {
        self.read(move |txn| read::jobs_of(txn, &ids)).await
    }

    /// Each of these jobs as it is now; none of one that is not there any more. For more of them, ask
    /// [`TOGETHER`] at a time: they come with their definitions.
    pub async fn as_they_are(
        &self,
        ids: Vec<JobId>,
    ) -> Result<Vec<(JobId, Option<Job>)>, StoreError> {
        self.read(move |txn| read::as_they_are(txn, &ids)).await
    }

    /// Notes that files which [`Change::Removed`] has announced are gone.
    pub async fn cleared(&self, leftover: Leftover) -> Result<(), StoreError> {
        self.ask(Work::Cleared(leftover)).await.map(drop)
    }

    /// Takes a job out of the store whose files are gone. Nobody is told: it has ended long ago.
    ///
    /// # Errors
    /// [`StoreError::Holds`] when it has not ended, is kept, or files of it may be there.
    pub async fn forget(&self, id: JobId) -> Result<(), StoreError> {
        self.ask(Work::Forget(id)).await.map(drop)
    }

    pub async fn measured_bundle(&self, bundle: Digest, bytes: u64) -> Result<(), StoreError> {
        self.ask(Work::MeasuredBundle(bundle, bytes)).await.map(drop)
    }

    /// Notes that the screens of a job are on the shelf. Nobody is told: it shows nothing else.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`] when it has been forgotten, or the disk's refusal.
    pub async fn shelved(&self, id: JobId, shelved: Shelved) -> Result<(), StoreError> {
        self.ask(Work::Shelved(id, shelved)).await.map(drop)
    }

    /// Keeps a sample of the disk's use, and drops those of the times in `drop`.
    pub async fn sample(&self, sample: DiskSample, drop: &[Timestamp]) -> Result<(), StoreError> {
        let drop = drop.iter().map(|at| at.as_second()).collect();
        self.ask(Work::Sample { sample, drop }).await.map(std::mem::drop)
    }

    /// Sets what holds for a scope from now on, or (none) takes back what was set for it. Whether
    /// that was otherwise before.
    pub async fn set_threshold(
        &self,
        scope: Scope,
        set: Option<SetThreshold>,
    ) -> Result<bool, StoreError> {
        Ok(self.ask(Work::SetThreshold(scope, set)).await?.set())
    }

    /// Forgets what was learned of the jobs of a name, on one device type or on all.
    pub async fn unlearn(
        &self,
        job: String,
        device_type: Option<String>,
    ) -> Result<(), StoreError> {
        self.ask(Work::Unlearn { job, device_type }).await.map(drop)
    }

    /// Keeps what was foretold of jobs, to be compared with what comes. What was said first of a job
    /// at a stage stands, and of one that has ended nothing is kept any more.
    pub async fn foretell(&self, all: Vec<(JobId, Stage, Outlook)>) -> Result<(), StoreError> {
        self.ask(Work::Foretell(all)).await.map(drop)
    }

    /// What was foretold of a job.
    pub async fn foresight(&self, id: JobId) -> Result<Foresight, StoreError> {
        self.read(move |txn| estimates::of_job(txn, id)).await
    }

    /// How right what was foretold has been, by device type and stage.
    pub async fn accuracies(&self) -> Result<Vec<(String, Stage, Accuracy)>, StoreError> {
        self.read(estimates::accuracies).await
    }

    /// What parts of jobs take on a device type, whatever the jobs are.
    pub async fn device_times(&self, device_type: String) -> Result<DeviceTimes, StoreError> {
        self.read(move |txn| estimates::device_times(txn, &device_type)).await
    }

    /// What tells how long the jobs of a name take on a device type.
    pub async fn known_times(
        &self,
        job: String,
        device_type: String,
    ) -> Result<KnownTimes, StoreError> {
        self.read(move |txn| known_times(txn, &job, &device_type)).await
    }

    /// A job, and what tells how long it takes.
    pub async fn job_and_times(&self, id: JobId) -> Result<Option<(Job, KnownTimes)>, StoreError> {
        self.read(move |txn| {
            let Some(job) = read::job(txn, id)? else { return Ok(None) };
            let times = known_times(txn, &job.name, &job.device_type)?;
            Ok(Some((job, times)))
        })
        .await
    }

    /// All thresholds that somebody has set.
    pub async fn thresholds(&self) -> Result<Vec<(Scope, SetThreshold)>, StoreError> {
        self.read(thresholds::all).await
    }

    /// At most `limit` series of the jobs of a name, on one device type or on all.
    pub async fn measured(
        &self,
        job: String,
        device_type: Option<String>,
        limit: usize,
    ) -> Result<Vec<Measured>, StoreError> {
        self.read(move |txn| measures::of_job(txn, &job, device_type.as_deref(), limit)).await
    }

    /// What is known of one series.
    pub async fn measured_one(&self, series: Series) -> Result<Option<Measured>, StoreError> {
        self.read(move |txn| measures::one(txn, &series)).await
    }

    /// At most `limit` jobs that something is known of, by name, from behind `after` on.
    pub async fn measured_jobs(
        &self,
        after: Option<MeasuredJob>,
        limit: usize,
    ) -> Result<Vec<MeasuredJob>, StoreError> {
        self.read(move |txn| measures::jobs(txn, after.as_ref(), limit)).await
    }

    /// What happened to jobs on the days from `first` to `last` (since 1970, UTC), oldest first.
    pub async fn occurrences(&self, first: u32, last: u32) -> Result<Vec<Occurrence>, StoreError> {
        self.read(move |txn| occurrences::between(txn, first, last)).await
    }

    /// What the jobs hold, in bytes.
    pub async fn totals(&self) -> Result<Totals, StoreError> {
        self.read(read::totals).await
    }

    /// At most `limit` of what retention may take.
    /// What is kept, not measured or of a job that has not ended is not among it.
    pub async fn removable(&self, what: Keepsake, limit: usize) -> Result<Oldest, StoreError> {
        self.read(move |txn| read::removable(txn, what, limit)).await
    }

    /// At most `limit` removals whose files may still be there.
    pub async fn leftovers(&self, limit: usize) -> Result<Vec<Leftover>, StoreError> {
        self.read(move |txn| read::leftovers(txn, limit)).await
    }

    /// At most `limit` ended jobs whose folders have not been measured.
    pub async fn unmeasured(&self, limit: usize) -> Result<Vec<Unmeasured>, StoreError> {
        self.read(move |txn| read::unmeasured(txn, limit)).await
    }

    /// At most `limit` ended and measured jobs whose screens are not on the shelf, oldest first.
    pub async fn unshelved(&self, limit: usize) -> Result<Vec<JobId>, StoreError> {
        self.read(move |txn| read::unshelved(txn, limit)).await
    }

    /// What keeping screens once and small has come to.
    pub async fn saved(&self) -> Result<Saved, StoreError> {
        self.read(read::saved).await
    }

    /// Those of `bundles` that no job refers to. A job that is being taken in refers to its bundle
    /// only a moment later.
    pub async fn unreferred(&self, bundles: Vec<Digest>) -> Result<Vec<Digest>, StoreError> {
        self.read(move |txn| read::unreferred(txn, bundles)).await
    }

    /// The disk's use over time, oldest first.
    pub async fn samples(&self) -> Result<Vec<DiskSample>, StoreError> {
        self.read(read::samples).await
    }

    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(move |txn| read::job(txn, id)).await
    }

    pub async fn job_by_uuid(&self, uuid: Uuid) -> Result<Option<Job>, StoreError> {
        self.read(move |txn| read::job_by_uuid(txn, uuid.as_u128())).await
    }

    /// At most `limit` jobs in `state`: higher priority first, then the older one.
    pub async fn jobs_in(&self, state: JobState, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.pick_in(state, limit, |job| job).await
    }

    /// As [`Store::jobs_in`], keeping of each job only what `pick` takes: a hundred thousand
    /// waiting jobs need not be in memory with their definitions.
    pub async fn pick_in<T: Send + 'static>(
        &self,
        state: JobState,
        limit: usize,
        pick: impl Fn(Job) -> T + Send + 'static,
    ) -> Result<Vec<T>, StoreError> {
        self.read(move |txn| read::jobs_in(txn, state, limit, pick)).await
    }

    /// The numbers of all jobs in `state`, in the order of [`Store::jobs_in`].
    pub async fn numbers_in(&self, state: JobState) -> Result<Vec<JobId>, StoreError> {
        self.read(move |txn| read::numbers_in(txn, state)).await
    }

    /// At most `limit` ended jobs, newest end first, from `before` on backwards.
    pub async fn history(
        &self,
        before: Option<HistoryKey>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        self.read(move |txn| read::history(txn, before, limit, |_| true)).await
    }

    /// The same of those that `is` holds for.
    pub async fn history_where(
        &self,
        before: Option<HistoryKey>,
        limit: usize,
        is: impl Fn(&Job) -> bool + Send + 'static,
    ) -> Result<HistoryPage, StoreError> {
        self.read(move |txn| read::history(txn, before, limit, is)).await
    }

    /// Those of `ids` whose jobs are there and `is` holds for, in their order.
    pub async fn jobs_where(
        &self,
        ids: Vec<JobId>,
        is: impl Fn(&Job) -> bool + Send + 'static,
    ) -> Result<Vec<JobId>, StoreError> {
        self.read(move |txn| read::jobs_where(txn, ids, is)).await
    }

    /// Some of the jobs that are asked for and may be seen.
    pub async fn list(&self, asked: JobsAsked, reader: Reader) -> Result<JobPage, StoreError> {
        self.read(move |txn| list::list(txn, &asked, &reader)).await
    }

    /// At most `limit` values that ended jobs have of a field, each with how many have it.
    pub async fn values(
        &self,
        field: Field,
        key: String,
        limit: usize,
    ) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(move |txn| terms::values(txn, field, &key, limit)).await
    }

    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.read(read::counts).await
    }

    /// How many jobs there have ever been.
    pub async fn tally(&self) -> Result<Tally, StoreError> {
        self.read(tally::read).await
    }

    /// When the job that waits longest was submitted.
    pub async fn oldest_waiting(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(read::oldest_waiting).await
    }

    /// The highest number ever given to a job; 0 before the first.
    pub async fn last_job(&self) -> Result<JobId, StoreError> {
        self.read(read::last_job).await
    }

    /// Told after each commit. A listener that lags misses some and reads the store again.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    /// The same for a listener that looks at all that has changed together.
    pub fn changes_together(&self) -> Changes {
        Changes::new(self.changes())
    }

    /// Walks every table, compares it with the jobs and says how many there are. Blocks, and takes
    /// as long as there are jobs.
    ///
    /// # Errors
    /// The first disagreement found.
    pub fn check_consistent(&self) -> Result<u64, Inconsistency> {
        let mut found = Ok(0);
        self.file.with(|database| {
            found = check::consistent(&read::begin(database)?);
            Ok(())
        })?;
        found
    }

    /// Copies the store as it is now into a new file. Blocks as long as the copying takes; the store
    /// is used meanwhile as ever.
    ///
    /// # Errors
    /// What the disk refused.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        self.file.with(|database| snapshot::copy(database, path))
    }

    /// Gives back room that the file at `path` does not need any more; nobody may use it. Blocks.
    ///
    /// # Errors
    /// [`StoreError::AlreadyOpen`], or the disk's refusal.
    pub fn compact(path: &Path, settings: StoreSettings) -> Result<(), StoreError> {
        let opened = redb::Builder::new().set_cache_size(settings.cache_bytes).open(path);
        let mut database = opened.map_err(|error| super::file::refused(path, error))?;
        while database.compact().map_err(super::error::disk("compacted"))? {}
        Ok(())
    }

    /// The commits since the file was opened.
    pub fn commits(&self) -> Commits {
        self.commits.read()
    }

    pub(super) async fn ask(&self, work: Work) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Do(Box::new(work), answer);
        self.commands.send(command).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let file = self.file.clone();
        tasks::blocking(move || file.with(|database| ask(&read::begin(database)?))).await
    }
}

impl Writer {
    /// Carries out what has been asked so far, closes the file and ends the thread. Everyone who
    /// asks later is told [`StoreError::Closed`].
    ///
    /// # Panics
    /// When the thread has.
    pub async fn close(self) {
        // A thread that is gone already has closed the file.
        let _ = self.commands.send(Command::Close).await;
        tasks::blocking(|| self.thread.join()).await.expect("the writer does not panic");
    }
}
