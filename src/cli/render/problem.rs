//! What is wrong with a job file, as the appliance says it and as it is seen here.

use std::fmt::Write as _;

use miette::{GraphicalReportHandler, GraphicalTheme};

use super::words::clean;
use crate::{
    cli::answers::Problem,
    job_file::diff::{Hunk, Line},
    model::problem::{Explained, Problems},
};

/// Each problem beside the lines it is about.
pub(in crate::cli) fn explained(problems: &[Explained], is_colourful: bool) -> String {
    let theme =
        if is_colourful { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    let mut text = String::new();
    for problem in problems {
        handler.render_report(&mut text, problem).expect("a string takes all that is written");
    }
    text
}

/// What is wrong with settings, each beside the line it is about.
pub(in crate::cli) fn mistakes(all: &[Problems]) -> String {
    all.iter().map(|problems| explained(&problems.diagnostics(), false)).collect()
}

/// One block for each fault; nothing when there is none.
pub(in crate::cli) fn problems(problem: &Problem) -> String {
    let mut text = String::new();
    for fault in &problem.problems {
        // None is of all of it.
        let path = Some(clean(&fault.path)).filter(|path| !path.is_empty());
        let _ = write!(
            text,
            "  line {}, column {}{}\n    found    {}\n    expected {}\n",
            fault.line,
            fault.column,
            path.map_or_else(String::new, |path| format!(": {path}")),
            clean(&fault.found),
            clean(&fault.expected)
        );
        if let Some(help) = &fault.help {
            let _ = writeln!(text, "    help     {}", clean(help));
        }
    }
    text
}

/// What differs between two definitions, as a unified diff.
pub(in crate::cli) fn diff(hunks: &[Hunk]) -> String {
    let line = |line: &Line| format!("{}{}\n", line.kind.mark(), clean(&line.text));
    let hunks = hunks.iter().map(|hunk| hunk.lines.iter().map(line).collect());
    hunks.collect::<Vec<String>>().join("@\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_says_where_what_and_how_to_mend_it() {
        let problem = serde_json::json!({
            "type": "urn:sutler:problem:invalid-job", "title": "Unprocessable Entity",
            "status": 422, "detail": "the job was not accepted",
            "problems": [
                {"line": 7, "column": 3, "path": "actions[2].test.scren", "found": "the key `scren`",
                 "expected": "a test action", "help": "did you mean `screen`?", "text": "  scren:"},
                {"line": 1, "column": 1, "path": "", "found": "nothing", "expected": "a job"},
            ],
        });
        insta::assert_snapshot!(problems(&serde_json::from_value(problem).unwrap()), @r"
        line 7, column 3: actions[2].test.scren
          found    the key `scren`
          expected a test action
          help     did you mean `screen`?
        line 1, column 1
          found    nothing
          expected a job
        ");
    }
}
