//! A job's record: all that is kept of it once it is accepted.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Cause, Digest, Holdings, JobId, Verdict};

/// How far a job has come.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum JobState {
    Waiting = 0,
    Preparing = 1,
    Running = 2,
    Collecting = 3,
    Ended = 4,
}

impl JobState {
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Preparing, Self::Running, Self::Collecting, Self::Ended];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Collecting => "collecting",
            Self::Ended => "ended",
        }
    }

    /// Has an engine: started and not ended.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Preparing | Self::Running | Self::Collecting)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// 0 (low) to 100 (high); 50 when a job says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Priority(pub u8);

impl Priority {
    pub const LOW: Self = Self(0);
    pub const MEDIUM: Self = Self(50);
    pub const HIGH: Self = Self(100);
}

impl Priority {
    /// Points, if there are as many.
    pub fn of_points(points: u8) -> Option<Self> {
        (points <= Self::HIGH.0).then_some(Self(points))
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a priority is low, medium, high or 0 to 100")]
pub struct NotAPriority;

impl std::str::FromStr for Priority {
    type Err = NotAPriority;

    fn from_str(text: &str) -> Result<Self, NotAPriority> {
        match text {
            "low" => Ok(Self::LOW),
            "medium" => Ok(Self::MEDIUM),
            "high" => Ok(Self::HIGH),
            points => points.parse().ok().and_then(Self::of_points).ok_or(NotAPriority),
        }
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self::MEDIUM
    }
}

/// The door a job came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayIn {
    Inbox,
    /// The `sutler` command, or another program that speaks to the API.
    Command,
    /// A form of a page.
    Page,
    /// The appliance itself: a health check.
    Appliance,
}

impl WayIn {
    pub const ALL: [Self; 4] = [Self::Inbox, Self::Command, Self::Page, Self::Appliance];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Command => "command",
            Self::Page => "page",
            Self::Appliance => "appliance",
        }
    }
}

/// Who sent a job: the owner of the file, or the peer of the socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Submitter {
    /// None for somebody who has no account on the box.
    pub uid: Option<u32>,
    /// Account name at the time of submission; the number when the box knows no name.
    pub name: String,
}

/// Who may see a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Public,
    Personal,
    Group(Vec<String>),
}

/// Where a job comes from, when it is not the first of its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Lineage {
    pub resubmitted_from: Option<JobId>,
    pub retried_from: Option<JobId>,
    /// Name of the rule that retried it.
    pub retried_by: Option<String>,
    pub cloned_from: Option<String>,
    pub proxied_for: Option<String>,
}

/// What the queue must know to start a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Needs {
    pub memory_mib: u32,
    pub cores: u32,
    /// The longest it may take, from its job timeout.
    pub at_most: Duration,
}

/// What else must hold before a job starts, beyond its place in the queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// No other device will do.
    pub device: Option<String>,
    /// It finds out whether that device is well.
    pub health_check: bool,
    /// All of them.
    pub after: Vec<After>,
    /// It ends when it has waited for so long.
    pub queue_timeout: Option<Duration>,
}

/// A job that another one waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    pub job: JobId,
    pub must: Must,
}

/// What must become of the job that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Must {
    /// Passed or softfailed; if it ends otherwise, what waits for it is skipped.
    Pass,
    /// However it ends.
    End,
}

impl Must {
    pub const ALL: [Self; 2] = [Self::Pass, Self::End];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::End => "end",
        }
    }
}

/// Load of the host, as read from `/proc` when the job ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HostLoad {
    pub load1: f32,
    pub memory_available_mib: u64,
    /// Share of the last ten seconds in which some task waited for a processor, percent.
    pub cpu_pressure10: Option<f32>,
}

/// How long one part of a job took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartDuration {
    pub part: super::Part,
    pub name: String,
    pub millis: u64,
}

/// One job of this box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    /// Version 7: sorts by time of submission.
    pub uuid: Uuid,
    pub name: String,
    /// The definition, verbatim.
    pub definition: String,
    pub definition_hash: Digest,
    /// The folder below `bundles/` that holds what came with it.
    pub bundle: Digest,
    pub submitter: Submitter,
    pub way_in: WayIn,
    pub submitted: Timestamp,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub priority: Priority,
    pub device_type: String,
    pub tags: Vec<String>,
    pub settings: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
    pub visibility: Visibility,
    pub stream: Option<String>,
    pub group: Option<String>,
    /// A further place results are to be sent to.
    pub server: Option<String>,
    pub needs: Needs,
    pub conditions: Conditions,
    pub state: JobState,
    /// Somebody asked for it to be stopped; the engine may still be at it.
    pub cancel_asked: bool,
    pub verdict: Option<Verdict>,
    pub cause: Option<Cause>,
    /// What the engine said of itself at the end: a JSON object.
    pub backend: serde_json::Map<String, serde_json::Value>,
    pub lineage: Lineage,
    pub device: Option<String>,
    /// Why it was started when it was, and there, in words.
    pub decision: Option<String>,
    pub parts: Vec<PartDuration>,
    /// The first rule, by name, that knows why it failed: at its end, or since.
    pub known_failure: Option<String>,
    pub load_at_end: Option<HostLoad>,
    pub holdings: Holdings,
}

impl Job {
    /// From start to end, or to `now` while it runs.
    pub fn running_time(&self, now: Timestamp) -> Option<Duration> {
        let until = self.ended.unwrap_or(now);
        self.started.map(|from| until.duration_since(from).try_into().unwrap_or_default())
    }
}

/// A job that has been checked and copied but has no number yet; the store gives it one.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    pub uuid: Uuid,
    pub name: String,
    pub definition: String,
    pub definition_hash: Digest,
    pub bundle: Digest,
    pub submitter: Submitter,
    pub way_in: WayIn,
    pub submitted: Timestamp,
    pub priority: Priority,
    pub device_type: String,
    pub tags: Vec<String>,
    pub settings: BTreeMap<String, String>,
    pub metadata: BTreeMap<String, String>,
    pub visibility: Visibility,
    pub stream: Option<String>,
    pub needs: Needs,
    pub conditions: Conditions,
    pub lineage: Lineage,
    /// What makes an inbox file one job however often it is seen; the command has none.
    pub intake_key: Option<IntakeKey>,
    /// What makes a submission that is sent again the same job.
    pub idempotency: Option<Idempotency>,
}

/// By what a submission is known when its sender, not having heard the answer, sends it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The sender's own; two senders may have the same.
    pub key: String,
    /// What comes later is another job.
    pub within: Duration,
    /// What it must ask for again, where the key is no more than a name. Without, the key itself says all,
    /// and what has been canceled since is meant anew.
    pub said: Option<String>,
}

/// The inbox file a job came from: committed with the job, so that a crash before the file is
/// removed does not make a second one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntakeKey {
    pub device: u64,
    pub inode: u64,
    pub ctime_ns: i128,
    pub hash: Digest,
}
