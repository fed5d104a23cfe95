//! Known failures, groups of the others, and retries.

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use super::words::{clean, duration, time};
use crate::{
    cli::answers::{Groups, KnownJob, KnownJobs, KnownList, Tried},
    model::{JobId, KnownRule, Pattern},
};

/// Jobs that are listed; of more the number is told.
const LISTED: usize = 20;

/// A line for each rule, and what is retried.
pub(in crate::cli) fn rules(list: &KnownList, zone: &TimeZone) -> String {
    if list.rules.is_empty() {
        return "No failure is known yet. What there is: sutler known groups\n".into();
    }
    let mut text = String::new();
    let width = list.rules.iter().map(|one| one.rule.name.len()).max().unwrap_or(0);
    for one in &list.rules {
        let rule = &one.rule;
        let count: u64 = one.days.iter().sum();
        let retried = rule.retry.words(duration);
        let mut line = format!("{:width$}  {count:>5} in 30 d  retried {retried}", rule.name);
        if !rule.enabled {
            line += "  (off)";
        }
        if let Some(bug) = &rule.bug {
            let _ = write!(line, "  {}", clean(bug));
        }
        let _ = writeln!(text, "{line}");
    }
    let retry = &list.retry;
    let _ = writeln!(text, "\nRetries today: {} of at most {}", retry.today, retry.per_day);
    for pending in &retry.pending {
        let (due, rule) = (time(pending.due, zone), clean(&pending.rule));
        let _ = writeln!(text, "  job {} at {due}, by rule {rule}", pending.job);
    }
    text
}

/// One rule and its jobs.
pub(in crate::cli) fn rule(answer: &KnownJobs, since: &str, zone: &TimeZone) -> String {
    let KnownRule { name, owner, notes, bug, created, changed, enabled, pattern, .. } =
        &answer.rule;
    let mut text = format!("Known failure {name}{}\n\n", if *enabled { "" } else { " (off)" });
    let mut fact = |name: &str, words: String| {
        let _ = writeln!(text, "  {name:<12} {words}");
    };
    for (name, value) in parts(pattern) {
        fact(name, clean(&value));
    }
    if let Some(bug) = bug {
        fact("bug", clean(bug));
    }
    if !notes.is_empty() {
        fact("notes", clean(notes));
    }
    fact("retried", answer.rule.retry.words(duration));
    fact("owner", clean(owner));
    fact("made", format!("{} by {}", time(created.at, zone), clean(&created.by)));
    if changed != created {
        fact("changed", format!("{} by {}", time(changed.at, zone), clean(&changed.by)));
    }
    let (count, least) = (answer.jobs.len(), if answer.more { "more than " } else { "" });
    let _ = writeln!(text, "\nJobs of the last {since}: {least}{count}");
    text + &jobs(&answer.jobs, count, zone)
}

/// What was made, and what may be done with it.
pub(in crate::cli) fn added(rule: &KnownRule) -> String {
    let name = &rule.name;
    format!(
        "{name} is known from now on\n\
         What it matches of the past: sutler known try {name}\n\
         Mark that, too: sutler known apply {name}\n"
    )
}

/// What a pattern would match.
pub(in crate::cli) fn tried(answer: &Tried, since: &str, zone: &TimeZone) -> String {
    let Tried { matched, looked, jobs: found } = answer;
    format!("{matched} of {looked} failures of the last {since}\n")
        + &jobs(found, usize::try_from(*matched).unwrap_or(usize::MAX), zone)
}

/// Failures nobody knows, the most frequent first.
pub(in crate::cli) fn groups(answer: &Groups, zone: &TimeZone) -> String {
    if answer.groups.is_empty() {
        return "There is no failure that no rule knows.\n".into();
    }
    let mut text = String::new();
    for one in &answer.groups {
        let (group, failure) = (&one.group, &one.failure);
        let last = time(group.last, zone);
        let _ = writeln!(
            text,
            "{:>5} x  {}  [{}]\n         last job {}, {last}\n         {}",
            group.count,
            clean(&failure.words),
            failure.code.name(),
            group.sample,
            clean(&one.command)
        );
    }
    text
}

/// Which jobs would be retried, and which not.
pub(in crate::cli) fn preview(jobs: &[String], left_out: &[JobId]) -> String {
    let mut text = match jobs {
        [] => "No job would be retried.\n".to_owned(),
        jobs => format!("Would be retried: {}\n", jobs.join(" ")),
    };
    if !left_out.is_empty() {
        let names: Vec<_> = left_out.iter().map(JobId::to_string).collect();
        let _ = writeln!(text, "Have been already: {}", names.join(" "));
    }
    text
}

/// The first of so many.
fn jobs(jobs: &[KnownJob], count: usize, zone: &TimeZone) -> String {
    let mut text = String::new();
    for KnownJob { job, retried_as } in jobs.iter().take(LISTED) {
        let ended = job.ended.map(|at| time(at, zone)).unwrap_or_default();
        let retried: String =
            retried_as.iter().map(|retry| format!(", retried as {retry}")).collect();
        let verdict = job.verdict.map_or("", |verdict| verdict.name());
        let _ = writeln!(
            text,
            "  {:>6}  {ended}  {verdict:<10}  {}{retried}",
            job.number,
            clean(&job.name)
        );
    }
    let rest = count.saturating_sub(jobs.len().min(LISTED));
    if rest > 0 {
        let _ = writeln!(text, "  and {rest} more");
    }
    text
}

fn parts(pattern: &Pattern) -> Vec<(&'static str, String)> {
    let codes: Vec<_> = pattern.codes.iter().map(|code| code.name()).collect();
    let codes = (!codes.is_empty()).then(|| codes.join(" or "));
    let all = [
        ("code", codes),
        ("who", pattern.who.map(|who| who.name().to_owned())),
        ("words", pattern.words.clone()),
        ("log", pattern.log.clone()),
        ("serial", pattern.serial.clone()),
        ("needle", pattern.needle.clone()),
        ("job", pattern.job.clone()),
        ("device type", pattern.device_type.clone()),
    ];
    all.into_iter().filter_map(|(name, part)| Some((name, part?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slow_mirror() -> Value {
        json!({
            "name": "slow-mirror", "owner": "ada", "notes": "twice a week",
            "bug": "https://bugs.example/7",
            "created": {"at": "2026-01-30T08:00:00Z", "by": "ada"},
            "changed": {"at": "2026-01-31T08:00:00Z", "by": "root"},
            "enabled": true, "pattern": {"codes": ["no_match", "job_timeout"], "log": "mir\u{1b}ror"},
            "retry": {"automatic": true, "most": 2, "backoff_s": 90},
        })
    }

    fn job(number: u64, retried_as: &[u64]) -> Value {
        json!({
            "number": number, "uuid": uuid::Uuid::nil(), "url": format!("/jobs/{number}"),
            "name": "installer", "state": "ended", "verdict": "failed", "cause": null,
            "cancel_asked": false, "submitter": {"uid": 1000, "name": "ada"},
            "way_in": "inbox", "submitted": "2026-01-31T12:05:09Z", "started": null,
            "ended": "2026-01-31T12:08:15Z", "running_ms": 1, "retried_as": retried_as,
        })
    }

    #[test]
    fn rules_are_listed_with_what_they_matched() {
        let mut first = slow_mirror();
        first["days"] = json!(vec![1; 30]);
        let mut second = slow_mirror();
        second["name"] = "x".into();
        second["enabled"] = false.into();
        second["bug"] = Value::Null;
        second["retry"] = json!({});
        second["days"] = json!([0, 2]);
        let list = json!({
            "rules": [first, second],
            "retry": {"automatic": false, "most": 1, "backoff_s": 60, "per_day": 20, "today": 3,
                      "pending": [{"job": 7, "due": "2026-01-31T12:09:00Z", "rule": "slow-mirror"}]},
        });
        let list = serde_json::from_value(list).unwrap();
        insta::assert_snapshot!(rules(&list, &TimeZone::UTC), @r"
        slow-mirror     30 in 30 d  retried by itself, at most 2 times, first after 1 min 30 s  https://bugs.example/7
        x                2 in 30 d  retried as set for all  (off)

        Retries today: 3 of at most 20
          job 7 at 2026-01-31 12:09:00, by rule slow-mirror
        ");
    }

    #[test]
    fn a_rule_is_shown_with_its_jobs() {
        let answer = json!({"rule": slow_mirror(), "jobs": [job(9, &[]), job(7, &[8, 11])]});
        let answer = serde_json::from_value(answer).unwrap();
        insta::assert_snapshot!(rule(&answer, "30d", &TimeZone::UTC), @r"
        Known failure slow-mirror

          code         no_match or job_timeout
          log          mir�ror
          bug          https://bugs.example/7
          notes        twice a week
          retried      by itself, at most 2 times, first after 1 min 30 s
          owner        ada
          made         2026-01-30 08:00:00 by ada
          changed      2026-01-31 08:00:00 by root

        Jobs of the last 30d: 2
               9  2026-01-31 12:08:15  failed      installer
               7  2026-01-31 12:08:15  failed      installer, retried as 8, retried as 11
        ");
    }

    #[test]
    fn groups_come_with_the_command_that_makes_them_known() {
        let group = json!({
            "signature": "00000000000000ff", "count": 12, "first": "2026-01-01T00:00:00Z",
            "last": "2026-01-31T12:08:15Z", "sample": 9, "command": "sutler known add x --code no_match",
            "jobs": [9, 7],
            "failure": {
                "verdict": "failed", "who": "guest", "code": "no_match",
                "words": "no needle for desktop matched", "part": "test", "step": null,
                "screen": null, "evidence": [], "log": [], "serial": [], "job": "installer",
                "device_type": "qemu",
            },
        });
        let answer = serde_json::from_value(json!({ "groups": [group] })).unwrap();
        insta::assert_snapshot!(groups(&answer, &TimeZone::UTC), @r"
           12 x  no needle for desktop matched  [no_match]
                 last job 9, 2026-01-31 12:08:15
                 sutler known add x --code no_match
        ");
    }

    #[test]
    fn a_preview_says_who_is_left_out() {
        assert_eq!(preview(&[], &[]), "No job would be retried.\n");
        let said = preview(&["7".into(), "9".into()], &[JobId(8)]);
        assert_eq!(said, "Would be retried: 7 9\nHave been already: 8\n");
    }
}
