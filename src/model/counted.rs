//! What is counted over time of the jobs that end.

use serde_json::Value;

use super::{Job, Measure, Verdict};

/// Something about a job that is worth counting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// It was above a limit of this measure, and went on.
    Slow { measure: Measure },
    /// A limit of this measure stopped it.
    Stopped { measure: Measure },
    /// It failed for a reason that a rule of this name knows.
    Known { rule: String },
}

impl Counted {
    /// `slow`, `stopped` or `known`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::Stopped { .. } => "stopped",
            Self::Known { .. } => "known",
        }
    }

    /// The measure or the rule.
    pub fn subject(&self) -> &str {
        match self {
            Self::Slow { measure } | Self::Stopped { measure } => measure.name(),
            Self::Known { rule } => rule,
        }
    }

    /// The opposite of [`Counted::kind`] and [`Counted::subject`].
    pub fn named(kind: &str, subject: &str) -> Option<Self> {
        match kind {
            "slow" => Some(Self::Slow { measure: Measure::named(subject)? }),
            "stopped" => Some(Self::Stopped { measure: Measure::named(subject)? }),
            "known" => Some(Self::Known { rule: subject.into() }),
            _ => None,
        }
    }

    /// What happened to an ended job: the rule it was marked with at its end, and what it says of
    /// itself: `slow_events` of its backend, a list of objects with a `measure`, and for one that was
    /// stopped `slow.measure`. Each measure counts once; the one that stopped it is not counted as
    /// watched, too.
    pub fn of(job: &Job) -> Vec<Self> {
        let measure = |told: &Value| Measure::named(told.get("measure")?.as_str()?);
        let told = job.backend.get("slow").filter(|_| job.verdict == Some(Verdict::TooSlow));
        let stopped = told.and_then(measure);
        let events = job.backend.get("slow_events").and_then(Value::as_array);
        let mut slow: Vec<_> = events.into_iter().flatten().filter_map(measure).collect();
        slow.sort_unstable();
        slow.dedup();
        slow.retain(|measure| Some(*measure) != stopped);
        let slow = slow.into_iter().map(|measure| Self::Slow { measure });
        let known = job.known_failure.iter().map(|rule| Self::Known { rule: rule.clone() });
        slow.chain(stopped.map(|measure| Self::Stopped { measure })).chain(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::markup::samples;

    #[test]
    fn each_measure_counts_once_and_the_one_that_stopped_it_as_that() {
        let slow = |measure| Counted::Slow { measure };
        let stopped = |measure| Counted::Stopped { measure };
        let events = json!([
            { "measure": "step_time" }, { "measure": "key_to_screen" }, { "measure": "step_time" },
            { "measure": "weather" }, 7,
        ]);
        let by_step = json!({ "measure": "step_time", "value": 9.0 });
        for (case, verdict, backend, want) in [
            ("nothing told", Verdict::Passed, json!({}), vec![]),
            ("of another form", Verdict::TooSlow, json!({ "slow": 7, "slow_events": {} }), vec![]),
            (
                "watched",
                Verdict::Passed,
                json!({ "slow_events": events }),
                vec![slow(Measure::StepTime), slow(Measure::KeyToScreen)],
            ),
            (
                "stopped",
                Verdict::TooSlow,
                json!({ "slow_events": events, "slow": by_step }),
                vec![slow(Measure::KeyToScreen), stopped(Measure::StepTime)],
            ),
            (
                "slow, but failed for another reason",
                Verdict::Failed,
                json!({ "slow": by_step }),
                vec![],
            ),
        ] {
            let mut job = samples::ended(1, "x", verdict, 1);
            job.backend = backend.as_object().unwrap().clone();
            assert_eq!(Counted::of(&job), want, "{case}");
        }
    }

    #[test]
    fn what_is_counted_is_named_and_found_by_its_name() {
        for counted in [
            Counted::Slow { measure: Measure::JobTime },
            Counted::Stopped { measure: Measure::GuestWait },
            Counted::Known { rule: "fsck asks".into() },
        ] {
            assert_eq!(Counted::named(counted.kind(), counted.subject()), Some(counted));
        }
        assert_eq!(Counted::named("slow", "weather"), None);
    }
}
