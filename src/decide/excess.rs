//! An exceeded limit in a sentence, for causes, pages and commands.

use crate::model::{LimitOrigin, Measure, Slowness, Spot};

/// `the step assert_screen x of module y has taken 31.2 s; the limit is 30 s, set by ada`.
///
/// `measure` is a name, for an event may be of a later version.
pub fn excess(
    measure: &str,
    value: f64,
    limit: f64,
    spot: &Spot,
    origin: Option<&LimitOrigin>,
) -> String {
    let Some(known) = Measure::named(measure) else {
        return format!("{measure} is {}, the limit is {}", rounded(value), rounded(limit));
    };
    let what = subject(known, spot);
    let (value, limit) = (amount(known, value), amount(known, limit));
    let origin = origin.map(|origin| format!(", {}", origin_words(origin))).unwrap_or_default();
    format!("{what} {value}; the limit is {limit}{origin}")
}

/// Whom it is put down to.
pub const fn whose(slowness: Slowness) -> &'static str {
    match slowness {
        Slowness::Host => "the host was slow",
        Slowness::Guest => "the host had room, the guest was slow",
    }
}

/// Where a limit comes from.
pub fn origin_words(origin: &LimitOrigin) -> String {
    match origin {
        LimitOrigin::Set { by } => format!("set by {by}"),
        LimitOrigin::Learned { runs, at_floor: true, .. } => {
            format!("the least there is; {runs} good runs stayed well below")
        }
        LimitOrigin::Learned { quantile, factor, runs, .. } => format!(
            "learned: {} times what {} % of {runs} good runs stayed below",
            rounded(*factor),
            rounded(quantile * 100.0)
        ),
    }
}

/// A value with its unit: `800 ms`, `31.2 s`, `12 min 5 s`, `43 %`.
pub fn amount(measure: Measure, value: f64) -> String {
    match (measure.unit(), value) {
        ("ms", ..1000.0) => format!("{value:.0} ms"),
        ("ms", ..120_000.0) => format!("{} s", rounded(value / 1000.0)),
        ("ms", _) => {
            let seconds = (value / 1000.0).round();
            let (minutes, rest) = ((seconds / 60.0).floor(), seconds % 60.0);
            if rest == 0.0 { format!("{minutes} min") } else { format!("{minutes} min {rest} s") }
        }
        (unit, _) => format!("{value:.0} {unit}"),
    }
}

fn subject(measure: Measure, spot: &Spot) -> String {
    match measure {
        Measure::JobTime => "the job has taken".into(),
        Measure::PartTime => format!("the part {} has taken", spot.module),
        Measure::ModuleTime => format!("the module {} has taken", spot.module),
        Measure::StepTime if spot.module.is_empty() => format!("the step {} has taken", spot.step),
        Measure::StepTime => {
            format!("the step {} of module {} has taken", spot.step, spot.module)
        }
        Measure::KeyToScreen => "the screen answers a key only after".into(),
        Measure::FrameLag => "the pixels of a frame take".into(),
        Measure::MatchTime => "a search for needles takes".into(),
        Measure::GuestWait => "the host keeps the guest's processors waiting, of all time,".into(),
    }
}

/// With a tenth where there is one.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excess_reads_as_a_person_would_say_it() {
        let spot = |module: &str, step: &str| Spot { module: module.into(), step: step.into() };
        let set = LimitOrigin::Set { by: "ada".into() };
        let learned = |at_floor| LimitOrigin::Learned {
            quantile: 0.95,
            factor: 2.5,
            runs: 20,
            typical: 12_000.0,
            at_floor,
        };
        let (least, learned) = (learned(true), learned(false));
        for (measure, value, limit, spot, origin, words) in [
            (
                "step_time",
                31_240.0,
                30_000.0,
                spot("country", "assert_screen norway"),
                Some(&set),
                "the step assert_screen norway of module country has taken 31.2 s; the limit is 30 \
                 s, set by ada",
            ),
            (
                "step_time",
                11_000.0,
                10_000.0,
                spot("", "send_key ret"),
                Some(&least),
                "the step send_key ret has taken 11 s; the limit is 10 s, the least there is; 20 \
                 good runs stayed well below",
            ),
            (
                "step_time",
                900.0,
                500.0,
                spot("", "send_key ret"),
                None,
                "the step send_key ret has taken 900 ms; the limit is 500 ms",
            ),
            (
                "job_time",
                725_000.0,
                600_000.0,
                spot("", ""),
                Some(&learned),
                "the job has taken 12 min 5 s; the limit is 10 min, learned: 2.5 times what 95 % of \
                 20 good runs stayed below",
            ),
            (
                "part_time",
                61_000.0,
                60_000.0,
                spot("boot", ""),
                None,
                "the part boot has taken 61 s; the limit is 60 s",
            ),
            (
                "guest_wait",
                43.4,
                20.0,
                spot("", ""),
                None,
                "the host keeps the guest's processors waiting, of all time, 43 %; the limit is 20 %",
            ),
            ("weather", 1.25, 1.0, spot("", ""), None, "weather is 1.3, the limit is 1"),
        ] {
            assert_eq!(excess(measure, value, limit, &spot, origin), words);
        }
    }
}
