//! What an engine tells, and what it can be told.
//!
//! Events are lines of `events.jsonl` in the job's folder. They stay readable by later versions:
//! fields are added with a default, never changed; an event this version does not know reads as
//! [`Fact::Unknown`].

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Candidate, Cause, Digest, HostLoad, Limit, LimitMode, LimitOrigin, ModuleFlags, Outcome,
    PowerAction, Slowness, Spot, Verdict,
};

/// Version of this language. Grows when an old reader would misunderstand a new event.
pub const PROTOCOL: u32 = 1;

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: u64,
    /// Microseconds since the engine started; never goes back.
    pub mono_us: u64,
    pub wall: Timestamp,
    #[serde(flatten)]
    pub fact: Fact,
}

impl Event {
    pub const fn since_start(&self) -> Duration {
        Duration::from_micros(self.mono_us)
    }
}

/// The parts of a job's life, in their order.
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
pub enum Part {
    Fetch,
    Deploy,
    Boot,
    Test,
    Collect,
}

impl Part {
    /// In the order in which they come.
    pub const ALL: [Self; 5] = [Self::Fetch, Self::Deploy, Self::Boot, Self::Test, Self::Collect];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Deploy => "deploy",
            Self::Boot => "boot",
            Self::Test => "test",
            Self::Collect => "collect",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Fact {
    /// The first event: who is speaking.
    Hello {
        version: String,
        protocol: u32,
        pid: u32,
    },
    PartStarted {
        part: Part,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expected_ms: Option<u64>,
    },
    PartEnded {
        part: Part,
        name: String,
        result: Outcome,
        took_ms: u64,
    },
    /// `path` is `action/item` (both from 0).
    ModuleStarted {
        path: String,
        name: String,
        flags: ModuleFlags,
        steps: u32,
    },
    ModuleEnded {
        path: String,
        name: String,
        result: Outcome,
    },
    /// `path` is `action/item` or, in a module, `action/item/step`.
    StepStarted {
        path: String,
        verb: String,
        subject: String,
    },
    StepEnded {
        path: String,
        result: Outcome,
        took_ms: u64,
        /// Why, when it is not ok.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        words: String,
    },
    /// A result screen was kept, for the step that runs.
    Screen {
        path: String,
        frame: u64,
        sha256: Digest,
        file: String,
        width: u32,
        height: u32,
    },
    /// What a search came to, on the screen told just before: best candidate first.
    Match {
        path: String,
        tags: String,
        /// Name of the needle that matched.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needle: Option<String>,
        candidates: Vec<Candidate>,
    },
    /// A result a test reports by itself.
    Case {
        suite: String,
        name: String,
        result: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        measurement: Option<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
    },
    Info {
        title: String,
        text: String,
        result: Outcome,
    },
    /// A console has grown to `offset` bytes.
    Console {
        stream: String,
        file: String,
        offset: u64,
    },
    Log {
        level: Level,
        text: String,
    },
    /// Once a second: numbers by name.
    Measure {
        values: std::collections::BTreeMap<String, f64>,
    },
    /// A measure is above its limit. Told again while it goes on.
    Slow {
        measure: String,
        value: f64,
        limit: f64,
        #[serde(default)]
        spot: Spot,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<LimitMode>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<LimitOrigin>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slowness: Option<Slowness>,
    },
    /// Steps done and to do, of the whole job.
    Progress {
        done: u32,
        total: u32,
    },
    Paused,
    Resumed,
    /// A file is complete.
    File {
        path: String,
        size: u64,
        sha256: Digest,
    },
    /// The last event.
    Ended {
        verdict: Verdict,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Cause>,
        backend: serde_json::Map<String, serde_json::Value>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        load: Option<HostLoad>,
    },
    /// From a later version.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

/// What an engine can be told: lines of JSON on its socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// End in good order with the verdict `canceled`; a second one ends at once.
    Cancel {
        by: String,
    },
    /// End at once.
    Kill,
    /// `last.png` is wanted, or no longer.
    Watch {
        on: bool,
    },
    Pause,
    Resume,
    Input {
        input: Input,
    },
    /// These limits hold from now on, and no others.
    Limits {
        limits: Vec<Limit>,
    },
    #[serde(other)]
    Unknown,
}

/// A person's hand on the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    Keys(String),
    Text(String),
    Click { x: u16, y: u16 },
    Power(PowerAction),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object_and_later_ones_still_read() {
        let event = Event {
            seq: 7,
            mono_us: 1_500_000,
            wall: Timestamp::UNIX_EPOCH,
            fact: Fact::Progress { done: 1, total: 5 },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(
            line,
            r#"{"seq":7,"mono_us":1500000,"wall":"1970-01-01T00:00:00Z","event":"progress","done":1,"total":5}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);

        let later = line.replace("progress", "weather").replace("done", "sun");
        assert_eq!(serde_json::from_str::<Event>(&later).unwrap().fact, Fact::Unknown);
        let wider = line.replace("\"done\"", "\"wind\":3,\"done\"");
        assert_eq!(serde_json::from_str::<Event>(&wider).unwrap().fact, event.fact);
    }
}
