//! How long a job may take, beside what its past tells.

use std::time::Duration;

use super::words::{clean, columns};
use crate::{
    cli::answers::{Estimates, Suggested},
    decide::timeouts::{Oddity, oddity},
    model::{Limited, Measure, spoken},
};

/// A line for everything that has a time of its own, and a warning for each time that is odd.
/// Without a past, what the file and the settings say is all there is to tell.
pub(in crate::cli) fn timeouts(limited: &[Limited], past: Option<&Estimates>) -> String {
    let said = |one: &Limited| {
        [clean(&one.what), spoken(one.timeout.value), one.timeout.origin.to_string()]
    };
    let Some(past) = past else {
        return columns(["OF", "TIMEOUT", "SAID BY"], limited.iter().map(said));
    };
    let rows = limited.iter().map(|one| {
        let [what, timeout, origin] = said(one);
        let known = of(one, past);
        let took = known.and_then(Suggested::p99).map_or_else(String::new, spoken);
        let suggested = known.and_then(|known| known.suggested_ms).map(Duration::from_millis);
        [what, timeout, took, suggested.map_or_else(String::new, spoken), origin]
    });
    let mut text = columns(["OF", "TIMEOUT", "99 OF 100 TOOK", "SUGGESTED", "SAID BY"], rows);
    for warning in warnings(limited, past) {
        text += &format!("warning: {warning}\n");
    }
    text
}

/// Times that are odd for what the past tells.
pub(in crate::cli) fn warnings(limited: &[Limited], past: &Estimates) -> Vec<String> {
    let warning = |one: &Limited| {
        let known = of(one, past)?;
        // What was seen once or twice is no past to go by.
        let (p99, suggested) = (known.p99()?, Duration::from_millis(known.suggested_ms?));
        let why = match oddity(one.timeout.value, p99)? {
            Oddity::TooShort => "good runs took longer",
            Oddity::TooLong if one.measure == Measure::JobTime => {
                "a job that hangs would hold its machine for as long"
            }
            // What waits in vain long before the job ends, ends with the job.
            Oddity::TooLong => return None,
        };
        let (what, timeout) = (clean(&one.what), spoken(one.timeout.value));
        Some(format!(
            "the {what} has {timeout}, and 99 of 100 good runs took {}: {why}; {} would do",
            spoken(p99),
            spoken(suggested)
        ))
    };
    limited.iter().filter_map(warning).collect()
}

fn of<'p>(one: &Limited, past: &'p Estimates) -> Option<&'p Suggested> {
    past.series.iter().find(|known| known.measure == one.measure && known.spot == one.spot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Spot, Timeout, TimeoutOrigin};

    fn limited(what: &str, measure: Measure, spot: Spot, seconds: u64) -> Limited {
        let origin = TimeoutOrigin::JobFile { key: "timeouts.job".into(), line: 3 };
        let timeout = Timeout { value: Duration::from_secs(seconds), origin };
        Limited { what: what.into(), path: None, measure, spot, timeout }
    }

    #[test]
    fn a_time_stands_beside_what_good_runs_took() {
        let spot = Spot::of_step("", "assert_screen", "lan\u{1b}guage");
        let all = [
            limited("job", Measure::JobTime, Spot::default(), 7_200),
            limited("action boot", Measure::PartTime, Spot::of_module("boot"), 300),
            limited("step assert_screen lan\u{1b}guage", Measure::StepTime, spot.clone(), 30),
        ];
        assert_eq!(
            timeouts(&all[..1], None),
            "OF   TIMEOUT  SAID BY\njob  2 h      from the job file, line 3\n"
        );
        let series = |measure: Measure, spot: &Spot, p99: f64, suggested: Option<u64>| {
            serde_json::json!({ "measure": measure, "spot": spot, "runs": 12, "p50_ms": p99,
                                "p99_ms": p99, "suggested_ms": suggested })
        };
        let past = serde_json::json!({
            "expected": { "position": 1, "from": "job", "runs": 12, "words": "from 12 runs",
                          "start": null, "end": null },
            "series": [
                series(Measure::JobTime, &Spot::default(), 60_000.0, Some(90_000)),
                series(Measure::StepTime, &spot, 41_000.0, Some(90_000)),
            ],
        });
        let past: Estimates = serde_json::from_value(past).unwrap();
        insta::assert_snapshot!(timeouts(&all, Some(&past)), @r"
        OF                            TIMEOUT  99 OF 100 TOOK  SUGGESTED   SAID BY
        job                           2 h      1 min           1 min 30 s  from the job file, line 3
        action boot                   5 min                                from the job file, line 3
        step assert_screen lan�guage  30 s     41 s            1 min 30 s  from the job file, line 3
        warning: the job has 2 h, and 99 of 100 good runs took 1 min: a job that hangs would hold its machine for as long; 1 min 30 s would do
        warning: the step assert_screen lan�guage has 30 s, and 99 of 100 good runs took 41 s: good runs took longer; 1 min 30 s would do
        ");
    }
}
