//! The Test Anything Protocol, version 14: <https://testanything.org/tap-version-14-specification.html>.
//!
//! One flat list, which readers of version 13 understand as well. A known failure is `not ok` with
//! the directive `TODO`, which by the specification fails nothing. What is said of a case goes into
//! a block of YAML; its values are written as JSON strings, which YAML reads, so that nothing
//! anybody wrote can end the block.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    cases::{Case, Fate, line, suites},
    results::Results,
};

pub(super) fn render(results: &Results) -> String {
    let job = &results.job;
    let suites = suites(job, &results.run);
    let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
    let count = cases.clone().count();
    let verdict = job.verdict.map_or("has not ended", |verdict| verdict.name());
    let mut text = format!("TAP version 14\n1..{count}\n# {}: {verdict}\n", line(&job.name));
    for (number, (suite, case)) in (1..).zip(cases) {
        let name = escaped(&format!("{}: {}", suite.name, case.name));
        let _ = writeln!(text, "{} {number} - {name}{}", result(case), directive(case));
        text += &diagnostic(case);
    }
    text
}

const fn result(case: &Case) -> &'static str {
    match case.fate {
        Fate::Passed | Fate::Skipped => "ok",
        Fate::Known | Fate::Failed | Fate::Broken => "not ok",
    }
}

fn directive(case: &Case) -> String {
    match case.fate {
        Fate::Passed | Fate::Failed | Fate::Broken => String::new(),
        Fate::Known => format!(" # TODO {}", escaped(&case.words)),
        Fate::Skipped => format!(" # SKIP {}", escaped(&case.words)),
    }
}

fn diagnostic(case: &Case) -> String {
    let mut text = String::from("  ---\n");
    let mut say = |name: &str, value: serde_json::Value| {
        let _ = writeln!(text, "  {name}: {value}");
    };
    say("duration_ms", json!(case.took.as_secs_f64() * 1000.0));
    if let Some(path) = &case.path {
        say("step", json!(path));
    }
    if matches!(case.fate, Fate::Failed | Fate::Broken) {
        say("severity", json!(if case.fate == Fate::Failed { "fail" } else { "error" }));
        say("message", json!(case.words));
        if !case.evidence.is_empty() {
            say("evidence", json!(case.evidence));
        }
    }
    text + "  ...\n"
}

/// A hash begins a directive, a backslash escapes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
