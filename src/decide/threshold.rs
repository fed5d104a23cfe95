//! Decides what limit a series of values is held to.
//!
//! What somebody has set counts before what was learned, and what was set for the more specific
//! scope before the rest ([`Scope::weight`]); mode and limit are looked for each by itself, so
//! `stop` may be set for a job whose limits stay learned. A learned limit is a quantile of the good
//! runs times a factor, and there is none before enough of them.
//!
//! With no more runs than there usually are, the quantile is that of the slowest but one: of ten
//! runs, 0.99 is the ninth. One run that went well and took too long does not make a limit.

use std::time::Duration;

use crate::{
    config::Thresholds,
    model::{Limit, LimitMode, LimitOrigin, Measure, Scope, Series, SetLimit, SetThreshold, Spot},
};

/// An operation of milliseconds is not slow before this.
const OPERATION_FLOOR_MS: f64 = 1_000.0;

/// On a host that does anything else besides, a guest waits some of the time.
const WAIT_FLOOR_PERCENT: f64 = 25.0;

/// What good runs came to, in the measure's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learned {
    /// How many they are.
    pub runs: u64,
    /// The middle one.
    pub typical: f64,
    /// The one at the settings' quantile.
    pub high: f64,
}

/// What holds for a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    pub mode: LimitMode,
    /// The limit and where it comes from; none where nobody has set one and too little is known.
    pub limit: Option<(f64, LimitOrigin)>,
    /// Who has set the mode, and for what; none when it comes from the settings.
    pub mode_set: Option<(Scope, String)>,
    /// For what the limit or the factor was set.
    pub limit_set: Option<(Scope, String)>,
    /// Good runs that are lacking before a limit is learned.
    pub lacking_runs: u64,
    /// The limit would be lower if it were not for the least there may be.
    pub is_at_floor: bool,
}

impl Threshold {
    /// The limit as an engine is given it; none where there is nothing to look at. One that somebody
    /// has switched off is given as well, for it silences those for wider places.
    pub fn order(&self, measure: Measure, spot: Spot) -> Option<Limit> {
        let off = || {
            let (_, by) = self.mode_set.clone().filter(|_| self.mode == LimitMode::Off)?;
            Some((0.0, LimitOrigin::Set { by }))
        };
        let (value, origin) = match self.mode {
            LimitMode::Off => off()?,
            LimitMode::Watch | LimitMode::Stop => self.limit.clone()?,
        };
        Some(Limit { measure, spot, value, mode: self.mode, origin })
    }
}

/// What holds for `series`, of which so much is known and for which so much is set.
pub fn threshold(
    series: &Series,
    learned: Option<Learned>,
    set: &[(Scope, SetThreshold)],
    settings: &Thresholds,
) -> Threshold {
    let mut covering: Vec<_> = set.iter().filter(|(scope, _)| scope.covers(series)).collect();
    covering.sort_by_key(|(scope, _)| std::cmp::Reverse(scope.weight()));
    let by = |scope: &Scope, set: &SetThreshold| (scope.clone(), set.by.clone());
    let mode = covering.iter().find_map(|(scope, set)| Some((set.mode?, by(scope, set))));
    let limit = covering.iter().find_map(|(scope, set)| Some((set.limit?, by(scope, set))));

    let runs = learned.map_or(0, |learned| learned.runs);
    let mut threshold = Threshold {
        mode: mode.as_ref().map_or(settings.mode, |(mode, _)| *mode),
        limit: None,
        mode_set: mode.map(|(_, by)| by),
        limit_set: limit.as_ref().map(|(_, by)| by.clone()),
        lacking_runs: u64::from(settings.runs).saturating_sub(runs),
        is_at_floor: false,
    };
    let factor = match limit {
        Some((SetLimit::Value(value), (_, by))) => {
            threshold.limit = Some((value, LimitOrigin::Set { by }));
            return threshold;
        }
        Some((SetLimit::Factor(factor), _)) => factor,
        None => settings.factor,
    };
    if let Some(Learned { runs, typical, high }) = learned.filter(|_| threshold.lacking_runs == 0) {
        let least = floor(series.measure, settings);
        threshold.is_at_floor = high * factor < least;
        let (quantile, at_floor) = (settings.quantile, threshold.is_at_floor);
        let origin = LimitOrigin::Learned { quantile, factor, runs, typical, at_floor };
        threshold.limit = Some(((high * factor).max(least), origin));
    }
    threshold
}

/// What no learned limit is below.
pub fn floor(measure: Measure, settings: &Thresholds) -> f64 {
    match measure {
        Measure::JobTime | Measure::PartTime | Measure::ModuleTime | Measure::StepTime => {
            millis(settings.floor)
        }
        Measure::KeyToScreen | Measure::FrameLag | Measure::MatchTime => OPERATION_FLOOR_MS,
        Measure::GuestWait => WAIT_FLOOR_PERCENT,
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn series(measure: Measure, module: &str, step: &str) -> Series {
        Series {
            job: "installer".into(),
            device_type: "qemu-x86_64".into(),
            measure,
            spot: Spot { module: module.into(), step: step.into() },
        }
    }

    fn scope(job: Option<&str>, device_type: Option<&str>, step: Option<&str>) -> Scope {
        Scope {
            job: job.map(str::to_owned),
            device_type: device_type.map(str::to_owned),
            step: step.map(str::to_owned),
            ..Scope::all(Measure::StepTime)
        }
    }

    fn set(
        scope: Scope,
        mode: Option<LimitMode>,
        limit: Option<SetLimit>,
        by: &str,
    ) -> (Scope, SetThreshold) {
        (scope, SetThreshold { mode, limit, by: by.into(), at: Timestamp::UNIX_EPOCH })
    }

    #[test]
    fn what_is_learned_holds_once_there_are_enough_runs() {
        let settings = Thresholds::default();
        let learned = |runs, high| Some(Learned { runs, typical: high / 2.0, high });
        for (case, measure, learned, limit, lacking, at_floor) in [
            ("nothing is known", Measure::JobTime, None, None, 10, false),
            ("too few", Measure::JobTime, learned(9, 60e3), None, 1, false),
            ("just enough", Measure::JobTime, learned(10, 60e3), Some(180e3), 0, false),
            ("a short step", Measure::StepTime, learned(10, 5.0), Some(10e3), 0, true),
            ("a key", Measure::KeyToScreen, learned(99, 80.0), Some(1e3), 0, true),
            ("a slow key", Measure::KeyToScreen, learned(99, 800.0), Some(2_400.0), 0, false),
            ("waiting", Measure::GuestWait, learned(10, 2.0), Some(25.0), 0, true),
        ] {
            let found = threshold(&series(measure, "", ""), learned, &[], &settings);
            assert_eq!(found.limit.as_ref().map(|(value, _)| *value), limit, "{case}");
            assert_eq!((found.lacking_runs, found.is_at_floor), (lacking, at_floor), "{case}");
            assert_eq!((found.mode, found.mode_set), (LimitMode::Watch, None), "{case}");
            if let Some((_, origin)) = found.limit {
                let Learned { runs, typical, .. } = learned.unwrap();
                let expected = LimitOrigin::Learned {
                    quantile: 0.99,
                    factor: 3.0,
                    runs,
                    typical,
                    at_floor: found.is_at_floor,
                };
                assert_eq!(origin, expected, "{case}");
            }
        }
    }

    #[test]
    fn what_is_set_for_the_more_specific_counts_and_each_part_of_it_by_itself() {
        use LimitMode::{Off, Stop, Watch};
        use SetLimit::{Factor, Value};
        let (any, job) = (scope(None, None, None), scope(Some("installer"), None, None));
        let device = scope(None, Some("qemu-x86_64"), None);
        let step = scope(None, None, Some("assert_screen grub"));
        let other = scope(Some("memtest"), None, None);
        let learned = Some(Learned { runs: 20, typical: 20e3, high: 30e3 });
        for (case, all, mode, limit, by) in [
            ("nothing", vec![], Watch, Some(90e3), None),
            (
                "for another job",
                vec![set(other, Some(Off), Some(Value(1.0)), "eve")],
                Watch,
                Some(90e3),
                None,
            ),
            (
                "a mode alone leaves the limit learned",
                vec![set(job.clone(), Some(Stop), None, "ada")],
                Stop,
                Some(90e3),
                None,
            ),
            (
                "a factor alone leaves the mode",
                vec![set(any.clone(), None, Some(Factor(2.0)), "ada")],
                Watch,
                Some(60e3),
                Some("ada"),
            ),
            (
                "a job counts more than a device type, whatever their order",
                vec![
                    set(job.clone(), None, Some(Value(5.0)), "ada"),
                    set(device, Some(Off), Some(Value(6.0)), "bob"),
                ],
                Off,
                Some(5.0),
                Some("ada"),
            ),
            (
                "a step counts more than a job",
                vec![
                    set(job, Some(Stop), Some(Value(5.0)), "ada"),
                    set(step, Some(Off), Some(Factor(4.0)), "bob"),
                    set(any, Some(Watch), Some(Value(7.0)), "eve"),
                ],
                Off,
                Some(120e3),
                Some("bob"),
            ),
        ] {
            let series = series(Measure::StepTime, "", "assert_screen grub");
            let found = threshold(&series, learned, &all, &Thresholds::default());
            assert_eq!(found.mode, mode, "{case}");
            assert_eq!(found.limit.as_ref().map(|(value, _)| *value), limit, "{case}");
            let set_by = found.limit_set.as_ref().map(|(_, by)| by.as_str());
            assert_eq!(set_by, by, "{case}");
            let order = found.order(series.measure, series.spot).unwrap();
            assert_eq!(order.mode, mode, "{case}");
        }
    }

    #[test]
    fn a_set_value_needs_no_runs_and_knows_no_floor() {
        let all = [set(scope(None, None, None), None, Some(SetLimit::Value(5.0)), "ada")];
        let series = series(Measure::StepTime, "m", "s");
        let found = threshold(&series, None, &all, &Thresholds::default());
        assert_eq!(found.limit, Some((5.0, LimitOrigin::Set { by: "ada".into() })));
        assert!(!found.is_at_floor);
        let ordered = found.order(series.measure, series.spot.clone()).unwrap();
        assert_eq!((ordered.spot, ordered.value), (series.spot, 5.0));
    }
}
