//! How long something may take, and who has said so.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Definition, Item, Measure, Spot, Step, Work};

/// The time something has. As JSON it is a `Duration` with its origin beside it, so an order of an
/// older version, which had none, is read as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    #[serde(flatten)]
    pub value: Duration,
    #[serde(default)]
    pub origin: TimeoutOrigin,
}

/// Who has said how long something may take.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum TimeoutOrigin {
    /// An older version, which did not keep it.
    #[default]
    Untold,
    /// Nobody.
    BuiltIn,
    /// The administrator, by this key of the settings.
    Setting { key: String },
    /// The job's author, by this key on this line.
    JobFile { key: String, line: usize },
    /// Nobody, or the administrator, who allow more: it is as long as the whole job has.
    WholeJob,
}

impl Timeout {
    pub const fn built_in(value: Duration) -> Self {
        Self { value, origin: TimeoutOrigin::BuiltIn }
    }

    pub fn of_setting(value: Duration, key: &str) -> Self {
        Self { value, origin: TimeoutOrigin::Setting { key: key.into() } }
    }
}

impl fmt::Display for TimeoutOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untold => f.write_str("of an older version"),
            Self::BuiltIn => f.write_str("the default"),
            Self::Setting { key } => write!(f, "from this box's settings, {key}"),
            Self::JobFile { line, .. } => write!(f, "from the job file, line {line}"),
            Self::WholeJob => f.write_str("as long as the whole job has"),
        }
    }
}

/// `2 min (from the job file, line 31)`
impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", spoken(self.value), self.origin)
    }
}

/// A length of time as a person would say it: `90 s` is `1 min 30 s`.
pub fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{} s", (time.as_secs_f64() * 10.0).round() / 10.0),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, 0) => format!("{hours} h"),
        (hours, minutes, 0) => format!("{hours} h {minutes} min"),
        (hours, minutes, seconds) => format!("{hours} h {minutes} min {seconds} s"),
    }
}

/// The time that a part of a job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// `job`, `action boot`, `step assert_screen installer-language`.
    pub what: String,
    /// Of a step, as events name it: `2/0`.
    pub path: Option<String>,
    /// What its history is kept as.
    pub measure: Measure,
    pub spot: Spot,
    pub timeout: Timeout,
}

impl Definition {
    /// What of the job has a time of its own: the job, each action, each step that waits, in the
    /// order of the file.
    pub fn limited(&self) -> Vec<Limited> {
        let mut found = vec![Limited {
            what: "job".into(),
            path: None,
            measure: Measure::JobTime,
            spot: Spot::default(),
            timeout: self.timeouts.job.clone(),
        }];
        for (number, action) in self.actions.iter().enumerate() {
            let name = action.work.name();
            found.push(Limited {
                what: format!("action {name}"),
                path: None,
                measure: Measure::PartTime,
                spot: Spot::of_module(name),
                timeout: action.timeout.clone(),
            });
            let Work::Test(test) = &action.work else { continue };
            for (item, number) in
                test.screen.items.iter().zip(0..).map(|(item, at)| (item, format!("{number}/{at}")))
            {
                match item {
                    Item::Step(step) => found.extend(Limited::of_step("", number, step)),
                    Item::Module(module) => {
                        let steps = module.steps.iter().enumerate();
                        found.extend(steps.filter_map(|(at, step)| {
                            Limited::of_step(&module.name, format!("{number}/{at}"), step)
                        }));
                    }
                }
            }
        }
        found
    }
}

impl Limited {
    fn of_step(module: &str, path: String, step: &Step) -> Option<Self> {
        let timeout = step.timeout()?.clone();
        let (verb, subject) = (step.verb(), step.subject());
        Some(Self {
            what: format!("step {verb} {subject}").trim_end().to_owned(),
            path: Some(path),
            measure: Measure::StepTime,
            spot: Spot::of_step(module, verb, &subject),
            timeout,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (millis, words) in [
            (0, "0 s"),
            (2_500, "2.5 s"),
            (90_000, "1 min 30 s"),
            (120_000, "2 min"),
            (3_600_000, "1 h"),
            (5_400_000, "1 h 30 min"),
            (3_601_000, "1 h 0 min 1 s"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn the_time_of_an_older_order_is_read_without_an_origin() {
        let older = serde_json::json!(Duration::from_millis(1_500));
        let read: Timeout = serde_json::from_value(older).unwrap();
        let expected = Duration::from_millis(1_500);
        assert_eq!(read, Timeout { value: expected, origin: TimeoutOrigin::Untold });
        let origin = TimeoutOrigin::JobFile { key: "timeouts.job".into(), line: 3 };
        let timeout = Timeout { value: expected, origin };
        let written = serde_json::to_value(&timeout).unwrap();
        assert_eq!(written["secs"], 1, "an older version reads it as a time");
        assert_eq!(serde_json::from_value::<Timeout>(written).unwrap(), timeout);
    }
}
