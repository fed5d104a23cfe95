//! How a job ended, and why: verdicts, and the closed list of causes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a job came to. Only an ended job has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Ran to the end, all well.
    Passed,
    /// Passed with a known workaround.
    Softfailed,
    /// Ran to the end, something tested is wrong.
    Failed,
    /// Could not run to the end.
    Incomplete,
    /// A part used up its time.
    TimedOut,
    /// Stopped by a threshold.
    TooSlow,
    /// Somebody asked.
    Canceled,
    /// Something it depends on did not pass, or it was replaced.
    Skipped,
}

impl Verdict {
    pub const ALL: [Self; 8] = [
        Self::Passed,
        Self::Softfailed,
        Self::Failed,
        Self::Incomplete,
        Self::TimedOut,
        Self::TooSlow,
        Self::Canceled,
        Self::Skipped,
    ];

    /// The name used in JSON, on pages and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Softfailed => "softfailed",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::TimedOut => "timed_out",
            Self::TooSlow => "too_slow",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
        }
    }

    /// The exit code of `sutler run` and `sutler wait`. 2 (wrong usage) and 69 (no appliance) are
    /// not verdicts.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Passed | Self::Softfailed => 0,
            Self::Failed => 1,
            Self::Incomplete => 3,
            Self::TimedOut => 4,
            Self::TooSlow => 5,
            Self::Canceled | Self::Skipped => 6,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who has to act so that the next run ends better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The author of the job or its needles.
    Author,
    /// The keeper of this box.
    Lab,
    /// The host the box runs on: memory, disk, load.
    Host,
    /// The maker of the system under test.
    Guest,
    /// The makers of Sutler.
    Sutler,
}

impl Who {
    pub const ALL: [Self; 5] = [Self::Author, Self::Lab, Self::Host, Self::Guest, Self::Sutler];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Lab => "lab",
            Self::Host => "host",
            Self::Guest => "guest",
            Self::Sutler => "sutler",
        }
    }
}

/// The closed list of reasons. Every end that did not pass has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A screen that was expected did not come.
    NoMatch,
    /// Text that was expected on a serial console did not come.
    NoSerialMatch,
    /// A needle that stands for a known workaround matched.
    Workaround,
    /// A step could not be carried out as written.
    BadStep,
    /// No needle has the tags a step names.
    NoNeedles,
    /// A file the job needs is missing, unreadable or not the one it names.
    BadFile,
    /// A path lies outside what jobs may read.
    ForbiddenPath,
    /// QEMU refused its arguments or could not be started.
    QemuNotStarted,
    /// QEMU ended while the job still needed it.
    QemuDied,
    /// The guest powered itself off while the job still needed it.
    GuestOff,
    /// The guest reported a panic.
    GuestPanicked,
    /// What it was to wait for did not come about.
    NotMet,
    /// It waited in the queue for as long as it was to.
    QueueTimeout,
    /// The whole job used up its time.
    JobTimeout,
    /// One action used up its time.
    ActionTimeout,
    /// A limit was exceeded that stops.
    TooSlow,
    /// QEMU was stopped, held the guest or did not answer, and nobody had asked for that.
    GuestFrozen,
    /// The guest reset itself again and again, and no step passed.
    ResetLoop,
    /// Somebody asked for the job to be stopped.
    Canceled,
    /// The engine ended without saying why: killed, crashed, or the host went down.
    EngineDied,
    /// The engine could not be started.
    EngineNotStarted,
    /// The host ran out of disk or memory, or refused a file.
    HostResources,
    /// A tool the job needs is not installed on this box.
    MissingTool,
    /// It ran when the backup was made that this store was restored from.
    Restored,
    /// A fault of ours.
    Internal,
}

impl Code {
    pub const ALL: [Self; 25] = [
        Self::NoMatch,
        Self::NoSerialMatch,
        Self::Workaround,
        Self::BadStep,
        Self::NoNeedles,
        Self::BadFile,
        Self::ForbiddenPath,
        Self::QemuNotStarted,
        Self::QemuDied,
        Self::GuestOff,
        Self::GuestPanicked,
        Self::NotMet,
        Self::QueueTimeout,
        Self::JobTimeout,
        Self::ActionTimeout,
        Self::TooSlow,
        Self::GuestFrozen,
        Self::ResetLoop,
        Self::Canceled,
        Self::EngineDied,
        Self::EngineNotStarted,
        Self::HostResources,
        Self::MissingTool,
        Self::Restored,
        Self::Internal,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::NoMatch => "no_match",
            Self::NoSerialMatch => "no_serial_match",
            Self::Workaround => "workaround",
            Self::BadStep => "bad_step",
            Self::NoNeedles => "no_needles",
            Self::BadFile => "bad_file",
            Self::ForbiddenPath => "forbidden_path",
            Self::QemuNotStarted => "qemu_not_started",
            Self::QemuDied => "qemu_died",
            Self::GuestOff => "guest_off",
            Self::GuestPanicked => "guest_panicked",
            Self::NotMet => "not_met",
            Self::QueueTimeout => "queue_timeout",
            Self::JobTimeout => "job_timeout",
            Self::ActionTimeout => "action_timeout",
            Self::TooSlow => "too_slow",
            Self::GuestFrozen => "guest_frozen",
            Self::ResetLoop => "reset_loop",
            Self::Canceled => "canceled",
            Self::EngineDied => "engine_died",
            Self::EngineNotStarted => "engine_not_started",
            Self::HostResources => "host_resources",
            Self::MissingTool => "missing_tool",
            Self::Restored => "restored",
            Self::Internal => "internal",
        }
    }
}

/// Where in the job it happened. Absent parts were not reached or do not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<super::Part>,
    /// Index of the action in the definition, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<u32>,
    /// Path of the step, as its events have it (`2/0` is the first step of the third item).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What somebody would want to look at first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evidence {
    /// Last lines of a log or console, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// A result screen, relative to the job's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<String>,
    /// Another file, relative to the job's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Why a job did not simply pass: who has to act, what happened, where, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cause {
    pub who: Who,
    pub code: Code,
    /// One sentence for a person.
    pub words: String,
    #[serde(default, rename = "where")]
    pub place: Place,
    #[serde(default)]
    pub evidence: Evidence,
}

impl Cause {
    pub fn new(who: Who, code: Code, words: impl Into<String>) -> Self {
        Self {
            who,
            code,
            words: words.into(),
            place: Place::default(),
            evidence: Evidence::default(),
        }
    }
}

/// An error and everything behind it, in one line: `could not read x: no such file`.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        words += &format!(": {deeper}");
        source = deeper.source();
    }
    words
}

/// The result of a step, a module or a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Softfail,
    Fail,
    Skip,
    NotRun,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Softfail => "softfail",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::NotRun => "not_run",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_json_says() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::json!(verdict), verdict.name());
        }
        for code in Code::ALL {
            assert_eq!(serde_json::json!(code), code.name());
        }
    }
}
