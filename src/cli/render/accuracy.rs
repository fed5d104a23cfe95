//! How right past estimates were.

use std::time::Duration;

use super::words::{clean, columns};
use crate::{
    cli::answers::{AccuracyAnswer, AccuracyOf, Missed},
    model::{Stage, spoken},
};

/// A line for each moment that was foretold, by device type.
pub(in crate::cli) fn accuracy(answer: &AccuracyAnswer) -> String {
    let rows =
        answer.accuracy.iter().flat_map(|AccuracyOf { device_type, foretold_when, start, end }| {
            let row = |what: &str, missed: &Missed| {
                let share = 100 * missed.in_time / missed.jobs.max(1);
                [
                    clean(device_type),
                    what.to_owned(),
                    missed.jobs.to_string(),
                    format!("{share} %"),
                    by(missed.p50_ms),
                    format!("{} to {}", by(missed.p5_ms), by(missed.p95_ms)),
                ]
            };
            match foretold_when {
                Stage::Submitted => vec![
                    (start.jobs > 0).then(|| row("start, when it came in", start)),
                    (end.jobs > 0).then(|| row("end, when it came in", end)),
                ],
                // Its start is no secret any more.
                Stage::Started => vec![(end.jobs > 0).then(|| row("end, when it started", end))],
            }
        });
    let rows: Vec<_> = rows.flatten().collect();
    if rows.is_empty() {
        return "No job has ended yet whose start or end was foretold.\n".into();
    }
    let head = ["DEVICE TYPE", "FORETOLD", "JOBS", "IN TIME", "MISSED BY", "NINE OF TEN"];
    columns(head, rows.into_iter())
}

/// With its sign: what came too early is below nothing.
fn by(millis: Option<f64>) -> String {
    let Some(millis) = millis else { return "-".into() };
    let time = Duration::try_from_secs_f64(millis.abs() / 1e3).unwrap_or_default();
    let words =
        spoken(if time.as_secs() >= 10 { Duration::from_secs(time.as_secs()) } else { time });
    if millis < 0.0 && words != "0 s" { format!("-{words}") } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_has_a_sign() {
        let missed = |jobs: u64, p5: f64, p95: f64| {
            serde_json::json!({ "jobs": jobs, "in_time": jobs - jobs / 4, "p5_ms": p5,
                                "p50_ms": 1_500.0, "p95_ms": p95 })
        };
        let of = |stage: &str, jobs: u64| {
            serde_json::json!({ "device_type": "qemu-x86_64", "foretold_when": stage,
                                "start": missed(jobs, -62_000.0, 4e6),
                                "end": missed(jobs, -20.0, 95_400.0) })
        };
        let answer = serde_json::json!({ "accuracy": [of("submitted", 8), of("started", 4)] });
        let answer: AccuracyAnswer = serde_json::from_value(answer).unwrap();
        insta::assert_snapshot!(accuracy(&answer), @r"
        DEVICE TYPE  FORETOLD                JOBS  IN TIME  MISSED BY  NINE OF TEN
        qemu-x86_64  start, when it came in  8     75 %     1.5 s      -1 min 2 s to 1 h 6 min 40 s
        qemu-x86_64  end, when it came in    8     75 %     1.5 s      0 s to 1 min 35 s
        qemu-x86_64  end, when it started    4     75 %     1.5 s      0 s to 1 min 35 s
        ");
        let nothing = accuracy(&AccuracyAnswer { accuracy: vec![] });
        assert_eq!(nothing, "No job has ended yet whose start or end was foretold.\n");
    }
}
