//! A list of jobs.

use jiff::tz::TimeZone;

use super::words::{clean, columns, duration, time};
use crate::{
    cli::answers::{BulkResult, Job, JobList},
    markup::words,
    model::{JobState, no_job},
};

const HEAD: [&str; 6] = ["JOB", "RESULT", "SUBMITTED", "TIME", "BY", "NAME"];

/// A line for each job, in columns as wide as what is in them. The name comes last and has the rest
/// of the line.
pub(in crate::cli) fn jobs(list: &JobList, zone: &TimeZone) -> String {
    if list.jobs.is_empty() {
        return "There are no such jobs.\n".into();
    }
    let mut text = columns(HEAD, list.jobs.iter().map(|job| row(job, zone)));
    if let Some(next) = &list.next {
        let next = clean(next).replace('\'', r"'\''");
        text += &format!("There are more: the same with --all, or from --cursor='{next}' on\n");
    }
    text
}

fn row(job: &Job, zone: &TimeZone) -> [String; 6] {
    let result = match (job.verdict, job.state) {
        (Some(verdict), _) => verdict.to_string(),
        (None, state) if job.cancel_asked => format!("{state}, stopping"),
        (None, state) => state.to_string(),
    };
    let mut name = clean(&job.name);
    if let (JobState::Waiting, Some(reason)) = (job.state, &job.reason) {
        name += &format!(" ({})", clean(reason));
    }
    if job.kept.is_some() {
        name += " (kept)";
    }
    if let Some(rule) = &job.known_failure {
        name += &format!(" (known: {})", clean(rule));
    }
    [
        job.number.to_string(),
        result,
        time(job.submitted, zone),
        job.running().map_or_else(String::new, duration),
        clean(&job.submitter.name),
        name,
    ]
}

/// What has come of each of many.
pub(in crate::cli) fn bulk(results: &[BulkResult]) -> String {
    if results.is_empty() {
        return "no job is meant\n".into();
    }
    results.iter().map(|one| told(one) + "\n").collect()
}

/// What comes of one of many. A reason often begins with its number, too.
fn told(one: &BulkResult) -> String {
    // It has no other name, and nothing comes of it.
    if one.words == no_job(one.number) {
        return one.words.clone();
    }
    let job = format!("job {}", one.number);
    let words = one.words.strip_prefix(&format!("{job} ")).unwrap_or(&one.words);
    let new = one.resubmitted_as.map(|new| format!(", as job {new}")).unwrap_or_default();
    format!("{job}: {}{new}", clean(words))
}

/// Jobs of each kind that a preview names.
const NAMED: usize = 10;

/// What would become of many, the first of them by their numbers.
pub(in crate::cli) fn bulk_preview(results: &[BulkResult]) -> String {
    let (refused, done): (Vec<_>, Vec<_>) = results.iter().partition(|one| one.refused);
    let mut text = String::new();
    for (jobs, heading) in [(done, "meant"), (refused, "left alone")] {
        if jobs.is_empty() {
            continue;
        }
        text += &format!("{}, {heading}:\n", jobs_counted(jobs.len()));
        for one in jobs.iter().take(NAMED) {
            text += &format!("  {}\n", told(one));
        }
        if let more @ 1.. = jobs.len().saturating_sub(NAMED) {
            text += &format!("  and {more} more\n");
        }
    }
    text
}

pub(in crate::cli) fn jobs_counted(jobs: usize) -> String {
    words::count(jobs as u64, "job")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_counts_all_and_names_the_first() {
        let told = |number: u64, words: &str, refused| BulkResult {
            number: crate::model::JobId(number),
            words: words.into(),
            refused,
            resubmitted_as: None,
        };
        let mut all: Vec<_> =
            (1..=12).map(|n| told(n, "ends before it has started", false)).collect();
        all.insert(3, told(99, "job 99 has ended already", true));
        insta::assert_snapshot!(bulk_preview(&all), @r"
        12 jobs, meant:
          job 1: ends before it has started
          job 2: ends before it has started
          job 3: ends before it has started
          job 4: ends before it has started
          job 5: ends before it has started
          job 6: ends before it has started
          job 7: ends before it has started
          job 8: ends before it has started
          job 9: ends before it has started
          job 10: ends before it has started
          and 2 more
        1 job, left alone:
          job 99: has ended already
        ");
        assert_eq!(bulk_preview(&[]), "");
        let new = Some(crate::model::JobId(12));
        let again = BulkResult { resubmitted_as: new, ..told(7, "runs once more", false) };
        assert_eq!(bulk(&[again]), "job 7: runs once more, as job 12\n");
    }

    #[test]
    fn a_list_shows_what_became_of_each_job_and_why_one_waits() {
        let job = |number: u64, name: &str, more: serde_json::Value| {
            let mut job = serde_json::json!({
                "number": number, "uuid": uuid::Uuid::nil(), "url": format!("/jobs/{number}"),
                "name": name, "state": "ended", "verdict": null, "cause": null,
                "cancel_asked": false, "submitter": {"uid": 1000, "name": "ada"},
                "way_in": "inbox", "submitted": "2026-01-31T12:05:09Z",
                "started": null, "ended": null, "running_ms": null,
            });
            job.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            job
        };
        let list = serde_json::json!({
            "jobs": [
                job(12, "memtest", serde_json::json!({"state": "waiting", "reason": "1 GiB of memory is free"})),
                job(11, "installer", serde_json::json!({"state": "running", "running_ms": 65_000, "cancel_asked": true})),
                job(9, "inst\u{1b}[2Jaller", serde_json::json!({"verdict": "softfailed", "running_ms": 185_000})),
                job(8, "install", serde_json::json!({"verdict": "failed", "known_failure": "slow-mirror"})),
            ],
            "next": "k-9",
        });
        let list = serde_json::from_value(list).unwrap();
        insta::assert_snapshot!(jobs(&list, &TimeZone::UTC), @r"
        JOB  RESULT             SUBMITTED            TIME       BY   NAME
        12   waiting            2026-01-31 12:05:09             ada  memtest (1 GiB of memory is free)
        11   running, stopping  2026-01-31 12:05:09  1 min 5 s  ada  installer
        9    softfailed         2026-01-31 12:05:09  3 min 5 s  ada  inst�[2Jaller
        8    failed             2026-01-31 12:05:09             ada  install (known: slow-mirror)
        There are more: the same with --all, or from --cursor='k-9' on
        ");
    }
}
