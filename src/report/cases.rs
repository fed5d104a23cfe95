//! What of a job counts as a test, and how it went: what JUnit and TAP tell. Pure.
//!
//! A suite for the job with its parts, one for each module, one for each row of steps that stand
//! alone. Whoever reads only cases must not take a bad job for a good one: a job whose cases do not
//! show its verdict gets one more that does.

use std::{collections::HashSet, time::Duration};

use super::files::readable;
use crate::model::{Cause, ItemRun, Job, Outcome, Part, Run, StepRun, Verdict, Who};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suite {
    pub name: String,
    pub cases: Vec<Case>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// One of its kind in its suite.
    pub name: String,
    /// As events have it; none for what is no step.
    pub path: Option<String>,
    pub took: Duration,
    pub fate: Fate,
    /// Why, when it did not simply pass.
    pub words: String,
    /// What shows it.
    pub evidence: Vec<String>,
}

/// How a case went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Passed,
    /// Went wrong as somebody has said it may: a workaround, or a module whose failure is ignored.
    Known,
    /// What was tested is wrong.
    Failed,
    /// It could not be tested.
    Broken,
    Skipped,
}

pub(super) fn suites(job: &Job, run: &Run) -> Vec<Suite> {
    let mut suites = vec![Suite { name: "job".into(), cases: parts(job, run) }];
    for items in run.items.chunk_by(|a, b| a.module.is_none() && b.module.is_none()) {
        let module = items[0].module.as_ref();
        let name = module.map_or_else(|| "steps".into(), |module| line(&module.name));
        let steps = items.iter().flat_map(|item: &ItemRun| &item.steps);
        suites.push(Suite { name, cases: steps.map(|step| case(step, job, run)).collect() });
    }
    let fates: Vec<_> =
        suites.iter().flat_map(|suite| &suite.cases).map(|case| case.fate).collect();
    let is_good = matches!(job.verdict, Some(Verdict::Passed | Verdict::Softfailed));
    let is_shown = fates.iter().any(|fate| matches!(fate, Fate::Failed | Fate::Broken));
    if fates.is_empty() || !(is_good || is_shown) {
        suites[0].cases.push(verdict(job));
    }
    suites.retain(|suite| !suite.cases.is_empty());
    name_apart(suites.iter_mut().map(|suite| &mut suite.name));
    for suite in &mut suites {
        name_apart(suite.cases.iter_mut().map(|case| &mut case.name));
    }
    suites
}

/// The parts of the job but its test, which is told step by step.
fn parts(job: &Job, run: &Run) -> Vec<Case> {
    let parts = run.parts.iter().filter(|part| part.part != Part::Test);
    parts
        .map(|part| {
            let fate = match part.result {
                Some(Outcome::Ok) => Fate::Passed,
                Some(Outcome::Softfail) => Fate::Known,
                Some(Outcome::Skip | Outcome::NotRun) => Fate::Skipped,
                Some(Outcome::Fail) | None => stopped(job),
            };
            let here = cause_at(job, |cause| {
                cause.place.step.is_none() && cause.place.part == Some(part.part)
            });
            let own = line(&part.name);
            let name = part.part.name();
            Case {
                name: if own == name { own } else { format!("{name} {own}") },
                path: None,
                took: part.took.unwrap_or_default(),
                fate,
                words: words("", here, fate, job),
                evidence: evidence(here),
            }
        })
        .collect()
}

fn case(step: &StepRun, job: &Job, run: &Run) -> Case {
    let here = cause_at(job, |cause| cause.place.step.as_ref() == Some(&step.path));
    let fate = match step.result {
        Some(Outcome::Ok) => Fate::Passed,
        Some(Outcome::Softfail) => Fate::Known,
        Some(Outcome::Skip | Outcome::NotRun) => Fate::Skipped,
        Some(Outcome::Fail) => failed(job.verdict, here),
        None if run.end.is_some() => stopped(job),
        None => Fate::Skipped,
    };
    Case {
        name: line(&format!("{} {}", step.verb, step.subject)),
        path: Some(step.path.clone()),
        took: step.took.unwrap_or_default(),
        fate,
        words: words(&step.words, here, fate, job),
        evidence: evidence(here),
    }
}

/// A step failed. `here` is the cause of the job's end when it lies in this step.
fn failed(verdict: Option<Verdict>, here: Option<&Cause>) -> Fate {
    match (verdict, here) {
        (Some(Verdict::Passed | Verdict::Softfailed), _) => Fate::Known,
        (Some(Verdict::Canceled | Verdict::Skipped), Some(_)) => Fate::Skipped,
        (Some(Verdict::Incomplete | Verdict::TimedOut | Verdict::TooSlow), Some(_)) => Fate::Broken,
        (Some(_), Some(cause)) if cause.who != Who::Guest && cause.who != Who::Author => {
            Fate::Broken
        }
        (_, _) => Fate::Failed,
    }
}

/// Something was cut off when the job ended.
fn stopped(job: &Job) -> Fate {
    match job.verdict {
        Some(Verdict::Canceled | Verdict::Skipped) | None => Fate::Skipped,
        Some(Verdict::Failed) => Fate::Failed,
        Some(
            Verdict::Passed
            | Verdict::Softfailed
            | Verdict::Incomplete
            | Verdict::TimedOut
            | Verdict::TooSlow,
        ) => Fate::Broken,
    }
}

/// The case that is the whole job.
fn verdict(job: &Job) -> Case {
    let fate = match job.verdict {
        Some(Verdict::Passed) => Fate::Passed,
        Some(Verdict::Softfailed) => Fate::Known,
        Some(Verdict::Failed) => Fate::Failed,
        Some(Verdict::Incomplete | Verdict::TimedOut | Verdict::TooSlow) => Fate::Broken,
        Some(Verdict::Canceled | Verdict::Skipped) | None => Fate::Skipped,
    };
    let took = job.ended.and_then(|ended| job.running_time(ended)).unwrap_or_default();
    Case {
        name: "verdict".into(),
        path: None,
        took,
        fate,
        words: words("", job.cause.as_ref(), fate, job),
        evidence: evidence(job.cause.as_ref()),
    }
}

fn cause_at(job: &Job, is_here: impl FnOnce(&Cause) -> bool) -> Option<&Cause> {
    job.cause.as_ref().filter(|cause| is_here(cause))
}

fn words(own: &str, here: Option<&Cause>, fate: Fate, job: &Job) -> String {
    if fate == Fate::Passed {
        return String::new();
    }
    match (here, &job.cause, job.verdict) {
        (Some(cause), _, _) => line(&cause.words),
        (None, _, _) if !own.is_empty() => line(own),
        (None, Some(cause), _) if fate != Fate::Known => line(&cause.words),
        (None, _, None) => "the job has not ended".into(),
        (None, _, Some(verdict)) => format!("the job ended as {verdict}"),
    }
}

fn evidence(here: Option<&Cause>) -> Vec<String> {
    here.iter().flat_map(|cause| &cause.evidence.lines).map(|text| line(text)).collect()
}

/// One line of text that any program can read: no escape sequences, no control characters.
pub(super) fn line(text: &str) -> String {
    let plain = readable(text.as_bytes());
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Programs tell cases apart by name, and a test may press the same key twice.
fn name_apart<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen = HashSet::new();
    for name in names {
        let plain = name.clone();
        for number in 2.. {
            if seen.insert(name.clone()) {
                break;
            }
            *name = format!("{plain} ({number})");
        }
    }
}
