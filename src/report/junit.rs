//! JUnit XML, as Jenkins and its like read it: <https://llg.cubic.org/docs/junit/>.
//!
//! The format knows nothing between passed and failed. A known failure (a workaround matched, or
//! a module whose failure is ignored) must not turn a build red, so it passes, and its output says
//! what it is.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::{
    cases::{Case, Fate, Suite, line, suites},
    files::readable,
    results::Results,
};
use crate::{markup::size, model::Job};

pub(super) fn render(results: &Results) -> String {
    let name = line(&results.job.name);
    let mut report = Report::new(name.as_str());
    let mut whole = Duration::ZERO;
    for (index, suite) in suites(&results.job, &results.run).iter().enumerate() {
        let mut out = suite_of(&name, suite);
        whole += out.time.unwrap_or_default();
        if index == 0 {
            for (name, value) in properties(&results.job) {
                out.add_property(Property::new(name, line(&value)));
            }
            if !results.tails.is_empty() {
                out.set_system_out(texts(results));
            }
        }
        report.add_test_suite(out);
    }
    report.set_time(whole);
    report.to_string().expect("a string takes all that is written")
}

fn suite_of(job: &str, suite: &Suite) -> TestSuite {
    let mut out = TestSuite::new(suite.name.as_str());
    out.set_time(suite.cases.iter().map(|case| case.took).sum());
    // Readers cut a class name at its dots.
    let class = [job, &suite.name].map(|name| name.replace('.', "_")).join(".");
    out.add_test_cases(suite.cases.iter().map(|case| {
        let mut out = case_of(case);
        out.set_classname(class.as_str());
        out
    }));
    out
}

fn case_of(case: &Case) -> TestCase {
    let mut status = match case.fate {
        Fate::Passed | Fate::Known => TestCaseStatus::success(),
        Fate::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Fate::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        Fate::Skipped => TestCaseStatus::skipped(),
    };
    if !matches!(case.fate, Fate::Passed | Fate::Known) {
        status.set_message(case.words.as_str());
    }
    if matches!(case.fate, Fate::Failed | Fate::Broken) {
        status.set_type(if case.fate == Fate::Failed { "failed" } else { "incomplete" });
        let step = case.path.iter().map(|path| format!("step {path}"));
        let lines: Vec<_> = step.chain(case.evidence.iter().cloned()).collect();
        status.set_description(lines.join("\n"));
    }
    let mut out = TestCase::new(case.name.as_str(), status);
    out.set_time(case.took);
    if case.fate == Fate::Known {
        out.set_system_out(format!("known failure: {}", case.words));
    }
    out
}

/// What a job is, as names and values.
fn properties(job: &Job) -> Vec<(String, String)> {
    let own = [
        ("sutler.job", (job.id.0 > 0).then(|| job.id.to_string())),
        ("sutler.uuid", Some(job.uuid.to_string())),
        ("sutler.verdict", job.verdict.map(|verdict| verdict.to_string())),
        ("sutler.cause.who", job.cause.as_ref().map(|cause| cause.who.name().into())),
        ("sutler.cause.code", job.cause.as_ref().map(|cause| cause.code.name().into())),
        ("sutler.device_type", Some(job.device_type.clone())),
        ("sutler.submitted", Some(job.submitted.to_string())),
        ("sutler.started", job.started.map(|at| at.to_string())),
        ("sutler.ended", job.ended.map(|at| at.to_string())),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let named = |kind: &'static str| {
        move |(name, value): (&String, &String)| (format!("{kind}.{}", line(name)), value.clone())
    };
    own.chain(job.metadata.iter().map(named("metadata")))
        .chain(job.settings.iter().map(named("settings")))
        .collect()
}

/// Consoles and logs, one after the other.
fn texts(results: &Results) -> String {
    let mut text = String::new();
    for tail in &results.tails {
        let cut = if tail.cut { ", only its end" } else { "" };
        text += &format!("== {} ({}{cut})\n", tail.name, size(tail.size));
        text += &readable(tail.text.as_bytes());
        text += "\n";
    }
    text
}
