//! One job: its verdict, why, and every step.

use std::{fmt::Write as _, time::Duration};

use jiff::tz::TimeZone;

use super::{
    plan,
    words::{clean, duration, size, time},
};
use crate::{
    cli::answers::{Job, Record, Standing, Status, Step},
    clock,
    model::{Cause, Outcome, Verdict},
};

/// All a person wants to know of a job.
pub(in crate::cli) fn record(record: &Record, status: &Status, zone: &TimeZone) -> String {
    let job = &record.job;
    let mut text = format!("Job {}: {}\n\n", job.number, clean(&job.name));
    let mut fact = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<10} {words}");
    };
    match job.verdict {
        Some(verdict) => fact("verdict", verdict.to_string()),
        None if job.cancel_asked => fact("state", format!("{}, asked to stop", job.state)),
        None => fact("state", job.state.to_string()),
    }
    if let Some(reason) = &job.reason {
        fact("waits", clean(reason));
    }
    if let Some(expected) = &record.expected {
        fact("expected", plan::expected(expected, clock::now(), zone));
    }
    if let Some(cause) = &job.cause {
        fact("because", because(cause));
    }
    for (name, words) in standing(record, zone) {
        fact(name, words);
    }
    let by = format!("by {} ({})", clean(&job.submitter.name), clean(&job.way_in));
    fact("submitted", format!("{} {by}", time(job.submitted, zone)));
    if let Some(started) = job.started {
        fact("started", time(started, zone));
    }
    if let Some(decision) = &job.decision {
        fact("why then", clean(decision));
    }
    if let Some(ended) = job.ended {
        let took =
            job.running().map_or_else(String::new, |took| format!(" after {}", duration(took)));
        fact("ended", time(ended, zone) + &took);
    }
    if let Some(kept) = &job.kept {
        fact("kept", format!("by {} since {}", clean(&kept.by), time(kept.at, zone)));
    }
    for removal in &record.removed {
        let (what, at) = (removal.what, time(removal.at, zone));
        fact("removed", format!("{what} ({}) {at}: {}", size(removal.bytes), removal.rule));
    }
    if let Some(page) = status.page(&job.url) {
        fact("page", page);
    }
    fact("results", status.data.join("jobs").join(job.number.to_string()).display().to_string());
    fact("uuid", job.uuid.to_string());
    if !record.run.items.is_empty() {
        text.push('\n');
    }
    for item in &record.run.items {
        if let Some(module) = &item.module {
            let _ = writeln!(text, "  {:<8} {}", outcome(module.result), clean(&module.name));
        }
        let indent = if item.module.is_some() { "  " } else { "" };
        for step in &item.steps {
            text += &line(step, indent);
        }
    }
    text
}

/// Where it stands among failures and retries.
fn standing(record: &Record, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let Standing { marks, group, made, retried_as, resubmitted_as, pending, not_retried } =
        &record.standing;
    let mut facts = Vec::new();
    for mark in marks {
        let bug = mark.bug.as_ref().map_or_else(String::new, |bug| format!(", {}", clean(bug)));
        facts.push(("known", clean(&mark.rule) + &bug));
    }
    if let Some(group) = group {
        facts.push(("unknown", format!("{} like this: sutler known groups", group.count)));
    }
    if let Some(made) = made {
        facts.push(("retry of", format!("job {}, by {}", made.from, clean(&made.by))));
    }
    for retry in retried_as {
        facts.push(("retried as", format!("job {retry}")));
    }
    for job in resubmitted_as {
        facts.push(("sent again", format!("job {job}")));
    }
    if let Some(pending) = pending {
        let (due, rule) = (time(pending.due, zone), clean(&pending.rule));
        facts.push(("retry due", format!("{due}, by rule {rule}")));
    }
    if let (Some(why), true) = (not_retried, retried_as.is_empty()) {
        facts.push(("no retry", clean(why)));
    }
    facts
}

/// What `wait` ends with.
pub(in crate::cli) fn end(job: &Job) -> String {
    let verdict = job.verdict.map_or("not known yet", |verdict| verdict.name());
    let took = job.running().map_or_else(String::new, |took| format!(" after {}", duration(took)));
    let text = format!("job {}: {verdict}{took}\n", job.number);
    text + job.cause.as_ref().map(reasons).unwrap_or_default().as_str()
}

/// What `run` ends with.
pub(in crate::cli) fn verdict(verdict: Verdict, cause: Option<&Cause>) -> String {
    format!("{verdict}\n") + cause.map(reasons).unwrap_or_default().as_str()
}

fn reasons(cause: &Cause) -> String {
    let mut text = format!("  {}\n", because(cause));
    for line in &cause.evidence.lines {
        let _ = writeln!(text, "  | {}", clean(line));
    }
    text
}

fn because(cause: &Cause) -> String {
    let mut text = clean(&cause.words);
    if let Some(step) = &cause.place.step {
        let _ = write!(text, ", step {}", clean(step));
    }
    let _ = write!(text, " [{}: {}]", cause.who.name(), cause.code.name());
    text
}

fn line(step: &Step, indent: &str) -> String {
    let what = format!("{indent}{} {}", step.verb, step.subject);
    let took = step.took_ms.map_or_else(String::new, |ms| duration(Duration::from_millis(ms)));
    let mut text =
        format!("  {:<8} {:<50} {took:>9}", outcome(step.result), clean(what.trim_end()));
    if !step.words.is_empty() {
        let _ = write!(text, "\n           {indent}  {}", clean(&step.words));
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

const fn outcome(result: Option<Outcome>) -> &'static str {
    match result {
        Some(Outcome::NotRun) => "not run",
        Some(result) => result.name(),
        None => "...",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed() -> Record {
        let step = |verb: &str, subject: &str, took: Option<u64>, result: &str, words: &str| {
            serde_json::json!({
                "path": "2/0/0", "verb": verb, "subject": subject, "started_ms": 0,
                "took_ms": took, "result": result, "words": words, "screens": [],
            })
        };
        serde_json::from_value(serde_json::json!({
            "number": 7, "uuid": uuid::Uuid::nil(), "url": "/jobs/7", "name": "installer",
            "state": "ended", "verdict": "failed", "cancel_asked": false,
            "cause": {
                "who": "guest", "code": "no_match", "words": "no needle matched in 120 s",
                "where": {"part": "test", "action": 2, "step": "2/0/1"},
                "evidence": {"lines": ["best: installer-location, 71 %"]},
            },
            "submitter": {"uid": 1000, "name": "ada"}, "way_in": "inbox",
            "submitted": "2026-01-31T12:05:09Z", "started": "2026-01-31T12:05:10Z",
            "decision": "first in the queue; its device was the only one that was idle",
            "ended": "2026-01-31T12:08:15Z", "running_ms": 185_000, "definition": "…",
            "standing": {
                "marks": [{"rule": "slow-mirror", "later": true, "bug": "https://bugs.example/7"}],
                "group": null, "made": {"from": 5, "depth": 1, "by": "ada"}, "retried_as": [8, 9],
                "pending": {"job": 7, "due": "2026-01-31T12:10:00Z", "rule": "slow-mirror"},
            },
            "run": {"seq": 9, "items": [
                {"module": {"path": "2/0", "name": "localisation", "result": "fail"}, "steps": [
                    step("assert_screen", "installer-language", Some(64_000), "ok", ""),
                    step("assert_screen", "installer-location", Some(120_000), "fail", "no needle matched"),
                ]},
                {"module": null, "steps": [step("save_screenshot", "", None, "not_run", "")]},
            ]},
        }))
        .unwrap()
    }

    fn status() -> Status {
        Status {
            data: "/lab".into(),
            listen: vec!["127.0.0.1:8470".into()],
            roots: Vec::new(),
            timeouts: Default::default(),
        }
    }

    #[test]
    fn a_record_says_what_became_of_the_job_why_and_where_to_look() {
        insta::assert_snapshot!(record(&failed(), &status(), &TimeZone::UTC), @r"
        Job 7: installer

          verdict    failed
          because    no needle matched in 120 s, step 2/0/1 [guest: no_match]
          known      slow-mirror, https://bugs.example/7
          retry of   job 5, by ada
          retried as job 8
          retried as job 9
          retry due  2026-01-31 12:10:00, by rule slow-mirror
          submitted  2026-01-31 12:05:09 by ada (inbox)
          started    2026-01-31 12:05:10
          why then   first in the queue; its device was the only one that was idle
          ended      2026-01-31 12:08:15 after 3 min 5 s
          page       http://127.0.0.1:8470/jobs/7
          results    /lab/jobs/7
          uuid       00000000-0000-0000-0000-000000000000

          fail     localisation
          ok         assert_screen installer-language                 1 min 4 s
          fail       assert_screen installer-location                 2 min 0 s
                       no needle matched
          not run  save_screenshot
        ");
    }

    #[test]
    fn a_known_failure_that_is_not_retried_says_why() {
        let mut record = failed();
        record.standing.pending = None;
        record.standing.retried_as.clear();
        record.standing.not_retried = Some("retrying by itself is off".into());
        let text = super::record(&record, &status(), &TimeZone::UTC);
        assert!(text.contains("\n  no retry   retrying by itself is off\n"), "{text}");
    }

    #[test]
    fn the_end_is_one_line_and_the_evidence() {
        insta::assert_snapshot!(end(&failed().job), @r"
        job 7: failed after 3 min 5 s
          no needle matched in 120 s, step 2/0/1 [guest: no_match]
          | best: installer-location, 71 %
        ");
    }
}
