//! What is measured of a running job, and the limits it is held to.

use serde::{Deserialize, Serialize};

/// The closed list of what a limit can be for. Times are in milliseconds, shares in percent.
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
pub enum Measure {
    /// From the start of the engine to the end of the last action.
    JobTime,
    /// Of one part, such as a boot; [`Spot::module`] is the part's name.
    PartTime,
    /// Of one module of a screen test.
    ModuleTime,
    /// Of one step.
    StepTime,
    /// From a key sent to the next changed screen.
    KeyToScreen,
    /// From the first byte of a screen update to the frame made of it.
    FrameLag,
    /// Of one search for needles.
    MatchTime,
    /// How long the guest's processors were ready to run and the host gave them none, as a share
    /// of the time.
    GuestWait,
}

impl Measure {
    pub const ALL: [Self; 8] = [
        Self::JobTime,
        Self::PartTime,
        Self::ModuleTime,
        Self::StepTime,
        Self::KeyToScreen,
        Self::FrameLag,
        Self::MatchTime,
        Self::GuestWait,
    ];

    /// The name used in JSON, in commands and on pages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobTime => "job_time",
            Self::PartTime => "part_time",
            Self::ModuleTime => "module_time",
            Self::StepTime => "step_time",
            Self::KeyToScreen => "key_to_screen",
            Self::FrameLag => "frame_lag",
            Self::MatchTime => "match_time",
            Self::GuestWait => "guest_wait",
        }
    }

    /// `ms` or `%`.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::JobTime
            | Self::PartTime
            | Self::ModuleTime
            | Self::StepTime
            | Self::KeyToScreen
            | Self::FrameLag
            | Self::MatchTime => "ms",
            Self::GuestWait => "%",
        }
    }

    /// The measure with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

/// Where in a test something was measured. Names, not paths: they stay when steps are added before
/// them. An empty name stands for the whole of it.
#[derive(
    Debug,
    Clone,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub struct Spot {
    /// Of the module, or of the part where the measure is of parts.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub module: String,
    /// Verb and subject of the step: `assert_screen installer-language`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
}

/// What happens when something is above its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitMode {
    /// Nothing; it is not even looked at.
    Off,
    /// It is told, and the job goes on.
    Watch,
    /// It is told, and the job ends as too slow.
    Stop,
}

impl LimitMode {
    pub const ALL: [Self; 3] = [Self::Off, Self::Watch, Self::Stop];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Watch => "watch",
            Self::Stop => "stop",
        }
    }

    /// The mode with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Where a limit comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOrigin {
    /// `quantile` (0 to 1) of what `runs` good runs came to, times `factor`.
    Learned {
        quantile: f64,
        factor: f64,
        runs: u64,
        typical: f64,
        /// That came to less than the least there is, which is the limit then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        at_floor: bool,
    },
    /// Somebody set it.
    Set { by: String },
}

/// A limit an engine holds its job to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    pub measure: Measure,
    #[serde(default)]
    pub spot: Spot,
    /// In the measure's unit.
    pub value: f64,
    pub mode: LimitMode,
    pub origin: LimitOrigin,
}

/// Whom a slow job is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slowness {
    /// The host was busy: the guest waited for processors, memory or the disk.
    Host,
    /// The host had room, and the guest took its time all the same.
    Guest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_json_says() {
        for measure in Measure::ALL {
            assert_eq!(serde_json::json!(measure), measure.name());
            assert_eq!(Measure::named(measure.name()), Some(measure));
        }
        for mode in LimitMode::ALL {
            assert_eq!(serde_json::json!(mode), mode.name());
        }
    }
}
