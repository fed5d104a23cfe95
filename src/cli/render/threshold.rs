//! Thresholds and what is counted, as tables and as a small picture.

use std::{fmt::Write as _, time::Duration};

use serde_json::Value;

use super::words::{clean, columns, duration};
use crate::{
    cli::answers::{
        Bin, Counts, Explained, Overview, SumOf, Threshold, Thresholds, TimesOf, WasSet,
    },
    insight::words::amount,
    model::{LimitOrigin, Measure, SetLimit},
};

/// Rows of the picture, and columns of its widest.
const ROWS: usize = 12;
const COLUMNS: usize = 50;

/// Every job with its time as a whole, and what is set by hand.
pub(in crate::cli) fn overview(overview: &Overview) -> String {
    let mut text = if overview.jobs.is_empty() {
        "No job has ended yet that something was measured of.\n".into()
    } else {
        let head = ["JOB", "DEVICE TYPE", "GOOD RUNS", "USUALLY", "LIMIT", "ABOVE IT"];
        let row = |job: &crate::cli::answers::JobTime| {
            let [runs, usually, limit, mode] =
                job.job_time.as_ref().map_or_else(Default::default, figures);
            [clean(&job.job), clean(&job.device_type), runs, usually, limit, mode]
        };
        columns(head, overview.jobs.iter().map(row))
    };
    text += &set(&overview.set);
    text
}

/// All of one job.
pub(in crate::cli) fn thresholds(all: &Thresholds) -> String {
    if all.thresholds.is_empty() {
        return "Nothing is known of a job of this name.\n".into();
    }
    let head = ["MEASURE", "GOOD RUNS", "USUALLY", "LIMIT", "ABOVE IT", "FROM", "WHERE"];
    let row = |one: &Threshold| {
        let [runs, usually, limit, mode] = figures(one);
        [one.measure.name().into(), runs, usually, limit, mode, origin(one), place(one)]
    };
    columns(head, all.thresholds.iter().map(row))
}

fn figures(one: &Threshold) -> [String; 4] {
    let value = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| amount(one.measure, v));
    let mode = one.mode.name().into();
    [one.good_runs.to_string(), value(one.typical), value(one.limit), mode]
}

fn origin(one: &Threshold) -> String {
    match (&one.origin, &one.limit_set_by) {
        (Some(LimitOrigin::Set { by }), _) => format!("set by {}", clean(by)),
        (Some(LimitOrigin::Learned { factor, .. }), Some(by)) => {
            format!("{factor} x learned, by {}", clean(by))
        }
        (Some(LimitOrigin::Learned { factor, .. }), None) => format!("{factor} x learned"),
        (None, _) => format!("in {} runs", one.lacking_runs),
    }
}

fn place(one: &Threshold) -> String {
    let names = [&one.module, &one.step].into_iter().filter(|name| !name.is_empty());
    let names: Vec<_> = names.map(|name| clean(name)).collect();
    if names.is_empty() { "the whole job".into() } else { names.join(" / ") }
}

fn set(set: &[WasSet]) -> String {
    if set.is_empty() {
        return String::new();
    }
    let row = |one: &WasSet| {
        let limit = match one.set.limit {
            Some(SetLimit::Value(value)) => amount(one.scope.measure, value),
            Some(SetLimit::Factor(factor)) => format!("{factor} x learned"),
            None => "-".into(),
        };
        let mode = one.set.mode.map_or("-", |mode| mode.name()).into();
        [one.scope.measure.name().into(), limit, mode, clean(&one.set.by), clean(&one.words)]
    };
    "\nSet by hand:\n".to_owned()
        + &columns(["MEASURE", "LIMIT", "ABOVE IT", "BY", "FOR"], set.iter().map(row))
}

/// The data behind thresholds.
pub(in crate::cli) fn explained_thresholds(explained: &Explained) -> String {
    let mut text = String::new();
    for one in &explained.thresholds {
        let told = &one.threshold;
        let measure = told.measure;
        let device_type = clean(&told.device_type);
        let _ = writeln!(text, "{}, {} on {device_type}", measure.name(), place(told));
        let _ = writeln!(text, "  {}\n", clean(&told.words));
        let quantiles = one.quantiles.iter().filter_map(|(name, value)| Some((name, (*value)?)));
        for (name, value) in quantiles {
            let _ = writeln!(text, "  {name:<4} {:>10}", amount(measure, value));
        }
        let _ = writeln!(text, "\n{}", histogram(measure, &one.bins, told.limit));
        for past in &one.past {
            let _ = writeln!(
                text,
                "  A factor of {} is {}; it would have stopped {} of {} good runs.",
                past.factor,
                amount(measure, past.limit),
                past.above,
                told.good_runs
            );
        }
        text.push('\n');
    }
    text
}

/// How many good runs took how long, on a logarithmic scale. An arrow is at the row of the limit.
fn histogram(measure: Measure, bins: &[Bin], limit: Option<f64>) -> String {
    const LEAST: f64 = 0.1;
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return String::new() };
    let log = |value: f64| value.max(LEAST).log10();
    let (from, to) = (log(first.value), log(last.value) + 1e-9);
    let each = ((to - from) / ROWS as f64).max(0.02);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a row")]
    let row = |value: f64| (((log(value) - from) / each).max(0.0) as usize).min(ROWS - 1);
    let mut rows = vec![0_u64; row(last.value) + 1];
    bins.iter().for_each(|bin| rows[row(bin.value)] += bin.count);
    let most = rows.iter().copied().max().unwrap_or(1).max(1) as f64;
    let mut text = String::new();
    for (index, count) in rows.iter().enumerate() {
        let (low, high) = (from + index as f64 * each, from + (index + 1) as f64 * each);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "columns")]
        let width = (*count as f64 / most * COLUMNS as f64).ceil() as usize;
        let is_here = limit.is_some_and(|limit| (low..high).contains(&log(limit)));
        let mark = if is_here { " <- limit" } else { "" };
        let low = amount(measure, 10_f64.powf(low));
        let _ = writeln!(text, "  {low:>10}  {} {count}{mark}", "#".repeat(width));
    }
    if let Some(limit) = limit.filter(|limit| log(*limit) >= from + rows.len() as f64 * each) {
        let _ = writeln!(text, "  {:>10}  <- limit", amount(measure, limit));
    }
    text
}

/// What was set or taken back, in words.
pub(in crate::cli) fn scopes(told: &Value) -> String {
    let one = |told: &Value| {
        let words = clean(told["words"].as_str().unwrap_or_default());
        format!("{} of {words}", told["scope"]["measure"].as_str().unwrap_or_default())
    };
    let all: Vec<_> = told.as_array().into_iter().flatten().map(one).collect();
    all.join("; ")
}

/// What happened to jobs.
pub(in crate::cli) fn counts(counts: &Counts) -> String {
    let mut text = format!("From {} to {} (UTC).\n", counts.first, counts.last);
    if counts.by_subject.is_empty() {
        return text + "No job was slow, and none failed for a known reason.\n";
    }
    let row = |sum: &SumOf| {
        let cost = duration(Duration::from_secs(sum.seconds));
        [clean(&sum.kind), sum.jobs.to_string(), cost, clean(&sum.name)]
    };
    text.push('\n');
    let head = ["WHAT", "JOBS", "THEY RAN FOR", "BY MEASURE OR RULE"];
    text += &columns(head, counts.by_subject.iter().map(row));
    // A job counts once for each measure and each rule.
    for (title, all) in [("BY JOB", &counts.by_job), ("BY DEVICE TYPE", &counts.by_device_type)] {
        let row = |of: &TimesOf| [clean(&of.kind), of.times.to_string(), clean(&of.name)];
        text.push('\n');
        text += &columns(["WHAT", "TIMES", title], all.iter().map(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn threshold(more: &Value) -> Value {
        let mut told = json!({
            "job": "installer", "device_type": "qemu-x86_64", "measure": "step_time",
            "module": "coun\u{1b}[2Jtry", "step": "send_key ret", "good_runs": 25,
            "typical": 42_000.0, "mode": "watch", "limit": 189_000.0,
            "origin": {"learned": {"quantile": 0.99, "factor": 3.0, "runs": 25, "typical": 42e3}},
            "limit_set_by": null, "lacking_runs": 0, "words": "Because of that.",
        });
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told
    }

    #[test]
    fn thresholds_of_a_job_are_a_table() {
        let all = json!({ "thresholds": [
            threshold(&json!({})),
            threshold(&json!({ "measure": "job_time", "module": "", "step": "", "mode": "stop",
                "limit": 60_000.0, "origin": {"set": {"by": "ada"}}, "limit_set_by": "ada" })),
            threshold(&json!({ "measure": "guest_wait", "module": "", "step": "", "typical": 2.5,
                "limit": null, "origin": null, "lacking_runs": 3 })),
        ]});
        let all = serde_json::from_value(all).unwrap();
        insta::assert_snapshot!(thresholds(&all));
    }

    #[test]
    fn all_jobs_are_a_table_and_what_is_set_by_hand_another() {
        let all = json!({
            "jobs": [
                { "job": "installer", "device_type": "qemu", "job_time": threshold(&json!({})) },
                { "job": "new", "device_type": "qemu", "job_time": null },
            ],
            "set": [{
                "scope": { "measure": "job_time", "job": "installer" },
                "words": "job \"installer\"",
                "set": { "limit": { "factor": 2.5 }, "mode": "stop", "by": "ada",
                         "at": "2026-01-31T12:05:09Z" },
            }],
            "next": null,
        });
        let all = serde_json::from_value(all).unwrap();
        insta::assert_snapshot!(overview(&all));
    }

    #[test]
    fn the_data_behind_a_threshold_is_a_picture() {
        let bins = [(38e3, 2), (40e3, 5), (42e3, 12), (44e3, 5), (63e3, 1)];
        let bins: Vec<_> = bins.iter().map(|(v, n)| json!({ "value": v, "count": n })).collect();
        let mut told = threshold(&json!({}));
        told["bins"] = bins.into();
        told["quantiles"] = json!({ "p50": 42e3, "p99": 44e3 });
        told["past"] = json!([{ "factor": 2.0, "limit": 88e3, "above": 1 }]);
        let explained = serde_json::from_value(json!({ "thresholds": [told] })).unwrap();
        insta::assert_snapshot!(explained_thresholds(&explained));
    }

    #[test]
    fn what_happened_is_counted() {
        let sum = json!([{ "kind": "slow", "name": "job_time", "jobs": 3, "seconds": 4000 }]);
        let times = json!([{ "kind": "slow", "name": "installer", "times": 4 }]);
        let counted = json!({ "first": "2026-01-01", "last": "2026-01-30", "rows": [],
            "by_subject": sum, "by_job": times, "by_device_type": times });
        let counted: Counts = serde_json::from_value(counted).unwrap();
        insta::assert_snapshot!(counts(&counted));
        let nothing = Counts { by_subject: vec![], ..counted };
        assert!(counts(&nothing).contains("No job was slow"));
    }
}
