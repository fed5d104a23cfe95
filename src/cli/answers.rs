//! What the appliance answers, as far as commands read it. More may be in it: answers grow.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use crate::config::Timeouts;
use crate::decide::{outlook::Takes, progress};
use crate::model::{
    Cause, Deed, DeviceHealth, DiskSample, Failure, FailureGroup, JobId, JobState, Keepsake, Kept,
    KnownRule, LimitMode, LimitOrigin, Measure, Outcome, Part, PendingRetry, Removal, Scope,
    Session, SetThreshold, Spot, Stage, Submitter, Token, User, Verdict,
};

/// `GET /api/jobs`
#[derive(Debug, Deserialize)]
pub(super) struct JobList {
    pub jobs: Vec<Job>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// A job in a list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Job {
    pub number: JobId,
    pub uuid: Uuid,
    /// Path of its page.
    pub url: String,
    pub name: String,
    pub state: JobState,
    pub verdict: Option<Verdict>,
    pub cause: Option<Cause>,
    /// Why it waits.
    pub reason: Option<String>,
    pub cancel_asked: bool,
    pub submitter: Submitter,
    pub way_in: String,
    pub submitted: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub running_ms: Option<u64>,
    #[serde(default)]
    pub kept: Option<Kept>,
    /// The rule that knows why it failed.
    #[serde(default)]
    pub known_failure: Option<String>,
}

impl Job {
    pub(super) fn running(&self) -> Option<Duration> {
        self.running_ms.map(Duration::from_millis)
    }
}

/// `POST /api/jobs/{id}/cancel`
#[derive(Debug, Deserialize)]
pub(super) struct Canceled {
    pub stops: Stops,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stops {
    BeforeItStarts,
    Soon,
    AtOnce,
}

/// `POST /api/jobs/bulk`
#[derive(Debug, Deserialize)]
pub(super) struct Bulk {
    pub results: Vec<BulkResult>,
}

/// What has come of one of many.
#[derive(Debug, Deserialize)]
pub(super) struct BulkResult {
    pub number: JobId,
    pub words: String,
    #[serde(default)]
    pub refused: bool,
    pub resubmitted_as: Option<JobId>,
}

/// `GET /api/devices`
#[derive(Debug, Deserialize)]
pub(super) struct DeviceList {
    pub devices: Vec<Device>,
}

/// A device and how it is.
#[derive(Debug, Deserialize)]
pub(super) struct Device {
    pub name: String,
    pub device_type: String,
    pub architecture: String,
    pub tags: Vec<String>,
    pub memory_mib: Option<u32>,
    pub cores: Option<u32>,
    pub at_once: Option<u32>,
    pub description: String,
    pub origin: String,
    pub health: DeviceHealth,
    pub why: String,
    pub by: String,
    pub since: Timestamp,
    pub last_used: Option<Timestamp>,
    pub last_check: Option<Timestamp>,
    pub jobs_since_check: u32,
    pub checking: Option<JobId>,
    pub running: Vec<JobId>,
}

/// `GET /api/devices/{name}/log`
#[derive(Debug, Deserialize)]
pub(super) struct DeviceLog {
    pub log: Vec<DeviceLine>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeviceLine {
    pub at: Timestamp,
    pub health: DeviceHealth,
    pub words: String,
    pub by: String,
}

/// `POST /api/devices-file/reload`
#[derive(Debug, Deserialize)]
pub(super) struct DevicesFile {
    pub file: String,
    pub device_types: u64,
    pub devices: u64,
    pub changed: bool,
}

/// `GET /api/device-types`
#[derive(Debug, Deserialize)]
pub(super) struct DeviceTypes {
    pub device_types: Vec<DeviceKind>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeviceKind {
    pub name: String,
    pub architecture: String,
    pub origin: String,
    pub description: String,
    pub health_check: Option<DeviceCheck>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeviceCheck {
    pub job: String,
    pub every_s: Option<u64>,
    pub after_jobs: Option<u32>,
}

/// `GET /api/plan`
#[derive(Debug, Deserialize)]
pub(super) struct PlanAnswer {
    pub now: Timestamp,
    /// Why nothing starts.
    pub hold: Option<String>,
    pub jobs: Vec<Planned>,
    /// Waiting jobs that come later.
    pub more: u64,
    /// The cursor of the next page; none when this was the last.
    #[serde(default)]
    pub next: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Planned {
    #[serde(flatten)]
    pub job: Job,
    pub expected: Option<Expected>,
}

/// When a job starts and ends.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Expected {
    /// Its place among those that wait.
    #[serde(default)]
    pub position: Option<u64>,
    /// The job whose end it waits for.
    #[serde(default)]
    pub after: Option<JobId>,
    pub start: Option<Foretold>,
    pub end: Option<Foretold>,
    /// Where it is known from.
    pub words: String,
}

/// `GET /api/estimates`
#[derive(Debug, Deserialize)]
pub(super) struct Estimates {
    pub never: Option<String>,
    pub expected: Expected,
    pub series: Vec<Suggested>,
}

/// What good runs took, and the timeout that this suggests.
#[derive(Debug, Deserialize)]
pub(super) struct Suggested {
    pub measure: Measure,
    pub spot: Spot,
    pub p99_ms: Option<f64>,
    pub suggested_ms: Option<u64>,
}

impl Suggested {
    pub(super) fn p99(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.p99_ms? / 1e3).ok()
    }
}

/// How far a job is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Underway {
    pub expected: Option<Expected>,
    pub progress: Option<Progress>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    pub parts: Vec<PartExpected>,
}

/// A part of a job, and what it takes.
#[derive(Debug, Deserialize)]
pub(super) struct PartExpected {
    pub part: Part,
    pub name: String,
    pub usual_ms: Option<u64>,
    pub long_ms: Option<u64>,
}

impl PartExpected {
    pub(super) fn planned(self) -> progress::Planned {
        let time = Duration::from_millis;
        let takes = self.usual_ms.zip(self.long_ms);
        let takes = takes.map(|(usual, long)| Takes { usual: time(usual), long: time(long) });
        progress::Planned { part: self.part, name: self.name, takes }
    }
}

/// `GET /api/estimates/accuracy`
#[derive(Debug, Deserialize)]
pub(super) struct AccuracyAnswer {
    pub accuracy: Vec<AccuracyOf>,
}

/// How right what was foretold on a device type at one stage was.
#[derive(Debug, Deserialize)]
pub(super) struct AccuracyOf {
    pub device_type: String,
    pub foretold_when: Stage,
    pub start: Missed,
    pub end: Missed,
}

/// By how much moments were missed; below nothing is too early.
#[derive(Debug, Deserialize)]
pub(super) struct Missed {
    pub jobs: u64,
    pub in_time: u64,
    pub p5_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Foretold {
    pub usual: Timestamp,
    pub late: Timestamp,
}

/// `GET /api/jobs/{id}`
#[derive(Debug, Deserialize)]
pub(super) struct Record {
    #[serde(flatten)]
    pub job: Job,
    #[serde(default)]
    pub definition: String,
    pub run: Run,
    #[serde(default)]
    pub removed: Vec<Removal>,
    #[serde(default)]
    pub standing: Standing,
    #[serde(default)]
    pub expected: Option<Expected>,
}

/// Where a job stands among failures and retries.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Standing {
    pub marks: Vec<Mark>,
    pub group: Option<FailureGroup>,
    pub made: Option<Made>,
    pub retried_as: Vec<JobId>,
    pub resubmitted_as: Vec<JobId>,
    pub pending: Option<PendingRetry>,
    pub not_retried: Option<String>,
}

/// A rule that has marked a job.
#[derive(Debug, Deserialize)]
pub(super) struct Mark {
    pub rule: String,
    pub bug: Option<String>,
}

/// How a retry came to be.
#[derive(Debug, Deserialize)]
pub(super) struct Made {
    pub from: JobId,
    /// The rule, or the account that asked.
    pub by: String,
}

/// `GET /api/known`
#[derive(Debug, Deserialize)]
pub(super) struct KnownList {
    pub rules: Vec<Counted>,
    pub retry: Retrying,
}

/// A rule, and how often it has matched.
#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    #[serde(flatten)]
    pub rule: KnownRule,
    /// A number a day, the last is today.
    pub days: Vec<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Retrying {
    pub per_day: u32,
    pub today: u64,
    pub pending: Vec<PendingRetry>,
}

/// `GET /api/known/{name}`
#[derive(Debug, Deserialize)]
pub(super) struct KnownJobs {
    pub rule: KnownRule,
    /// Newest first.
    pub jobs: Vec<KnownJob>,
    /// These are the newest, and there are more.
    #[serde(default)]
    pub more: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct KnownJob {
    #[serde(flatten)]
    pub job: Job,
    pub retried_as: Vec<JobId>,
}

/// `POST /api/failures/try`
#[derive(Debug, Deserialize)]
pub(super) struct Tried {
    pub looked: u64,
    pub matched: u64,
    pub jobs: Vec<KnownJob>,
}

/// `POST /api/known/{name}/apply`
#[derive(Debug, Deserialize)]
pub(super) struct Applied {
    pub marked: u64,
}

/// `GET /api/failures`
#[derive(Debug, Deserialize)]
pub(super) struct Groups {
    pub groups: Vec<Group>,
}

/// Failures of one kind, and the last of them.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    #[serde(flatten)]
    pub group: FailureGroup,
    pub failure: Failure,
    /// What makes it known.
    pub command: String,
}

/// `POST /api/jobs/{id}/retry`
#[derive(Debug, Deserialize)]
pub(super) struct Retried {
    pub number: JobId,
    pub retried_from: JobId,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub items: Vec<Item>,
}

/// A module with its steps, or a step that stands alone.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    pub module: Option<Module>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Module {
    pub name: String,
    /// None while it runs.
    pub result: Option<Outcome>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub verb: String,
    pub subject: String,
    pub took_ms: Option<u64>,
    pub result: Option<Outcome>,
    /// Why, when it is not ok.
    pub words: String,
}

/// `GET /api/disk`
#[derive(Debug, Deserialize)]
pub(super) struct Disk {
    pub now: DiskSample,
    pub disk: u64,
    pub kept_jobs: u64,
    pub screens: Screens,
    pub forecast: Forecast,
    pub rules: Vec<String>,
    pub next: Vec<Next>,
    pub backup_under_way: bool,
}

/// What keeping screens once and small has come to.
#[derive(Debug, Deserialize)]
pub(super) struct Screens {
    pub screens: u64,
    pub shared: u64,
    pub bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Forecast {
    pub words: String,
}

/// What goes when its time has come.
#[derive(Debug, Deserialize)]
pub(super) struct Next {
    pub job: JobId,
    pub what: Keepsake,
    pub at: Timestamp,
    pub bytes: u64,
}

/// `GET /api/thresholds`
#[derive(Debug, Default, Deserialize)]
pub(super) struct Overview {
    pub jobs: Vec<JobTime>,
    pub set: Vec<WasSet>,
    pub next: Option<NextJob>,
}

/// A job with its time as a whole.
#[derive(Debug, Deserialize)]
pub(super) struct JobTime {
    pub job: String,
    pub device_type: String,
    pub job_time: Option<Threshold>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NextJob {
    pub after: String,
    pub after_device_type: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct WasSet {
    pub scope: Scope,
    pub words: String,
    pub set: SetThreshold,
}

/// `GET /api/thresholds?job=…`
#[derive(Debug, Deserialize)]
pub(super) struct Thresholds {
    pub thresholds: Vec<Threshold>,
}

/// Values are in the measure's unit.
#[derive(Debug, Deserialize)]
pub(super) struct Threshold {
    pub device_type: String,
    pub measure: Measure,
    pub module: String,
    pub step: String,
    pub good_runs: u64,
    pub typical: Option<f64>,
    pub mode: LimitMode,
    pub limit: Option<f64>,
    pub origin: Option<LimitOrigin>,
    pub limit_set_by: Option<String>,
    pub lacking_runs: u64,
    pub words: String,
}

/// `GET /api/thresholds/explain`
#[derive(Debug, Deserialize)]
pub(super) struct Explained {
    pub thresholds: Vec<WithData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WithData {
    #[serde(flatten)]
    pub threshold: Threshold,
    pub quantiles: BTreeMap<String, Option<f64>>,
    pub bins: Vec<Bin>,
    pub past: Vec<Past>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Bin {
    pub value: f64,
    pub count: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Past {
    pub factor: f64,
    pub limit: f64,
    pub above: u64,
}

/// `GET /api/statistics`
#[derive(Debug, Deserialize)]
pub(super) struct Counts {
    pub first: String,
    pub last: String,
    pub by_subject: Vec<SumOf>,
    pub by_job: Vec<TimesOf>,
    pub by_device_type: Vec<TimesOf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct SumOf {
    pub kind: String,
    pub name: String,
    pub jobs: u64,
    pub seconds: u64,
}

/// How often something happened to the jobs of a name, or of a device type.
#[derive(Debug, Deserialize)]
pub(super) struct TimesOf {
    pub kind: String,
    pub name: String,
    pub times: u64,
}

/// `POST /api/jobs`
#[derive(Debug, Deserialize)]
pub(super) struct Submitted {
    pub number: JobId,
    /// Path of its page.
    pub url: String,
    /// Nothing when that was not known at once.
    #[serde(default)]
    pub expected: Option<Expected>,
}

/// `GET /api/users`
#[derive(Debug, Deserialize)]
pub(super) struct UserList {
    pub users: Vec<User>,
}

/// `GET /api/users/{name}`
#[derive(Debug, Deserialize)]
pub(super) struct UserRecord {
    #[serde(flatten)]
    pub user: User,
    #[serde(default)]
    pub tokens: Vec<Token>,
    #[serde(default)]
    pub sessions: Vec<Session>,
}

/// `POST /api/users`, `POST /api/users/{name}/invite`
#[derive(Debug, Deserialize)]
pub(super) struct Invited {
    pub name: String,
    pub invitation: Invitation,
}

#[derive(Debug, Deserialize)]
pub(super) struct Invitation {
    pub url: String,
    pub expires: Timestamp,
}

/// `GET /api/tokens`
#[derive(Debug, Deserialize)]
pub(super) struct TokenList {
    pub tokens: Vec<Token>,
}

/// `POST /api/tokens`
#[derive(Debug, Deserialize)]
pub(super) struct NewToken {
    /// The secret itself.
    pub token: String,
    #[serde(flatten)]
    pub of: Token,
}

/// `GET /api/audit`
#[derive(Debug, Deserialize)]
pub(super) struct DeedList {
    pub deeds: Vec<Deed>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}

/// `GET /api/status`
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Status {
    pub data: std::path::PathBuf,
    /// Folders its jobs may read from.
    pub roots: Vec<std::path::PathBuf>,
    /// Addresses its pages are at.
    pub listen: Vec<String>,
    /// An older one does not tell; then those that are built in.
    #[serde(default)]
    pub timeouts: SetTimeouts,
}

/// How long jobs may take that do not say.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct SetTimeouts {
    job_ms: Option<u64>,
    action_ms: Option<u64>,
    step_ms: Option<u64>,
    queue_ms: Option<u64>,
    most_ms: Option<u64>,
}

impl From<SetTimeouts> for Timeouts {
    fn from(SetTimeouts { job_ms, action_ms, step_ms, queue_ms, most_ms }: SetTimeouts) -> Self {
        let [job, action, step, queue, most] =
            [job_ms, action_ms, step_ms, queue_ms, most_ms].map(|ms| ms.map(Duration::from_millis));
        Self { job, action, step, queue, most: most.unwrap_or(Self::MOST) }
    }
}

impl Status {
    /// The whole address of a page.
    pub(super) fn page(&self, path: &str) -> Option<String> {
        let at = self.listen.first()?;
        let scheme = if at.contains("://") { "" } else { "http://" };
        Some(format!("{scheme}{}{path}", at.trim_end_matches('/')))
    }
}

/// Why a request was refused (RFC 9457).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Problem {
    pub status: u16,
    pub detail: String,
    /// One for each thing wrong with a job file.
    #[serde(default)]
    pub problems: Vec<Fault>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Fault {
    pub line: usize,
    pub column: usize,
    #[serde(default)]
    pub path: String,
    pub found: String,
    pub expected: String,
    #[serde(default)]
    pub help: Option<String>,
}
