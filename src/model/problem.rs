//! What is wrong with a file somebody wrote, where, and what would be right.

use std::{fmt, sync::Arc};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use serde_json::{Value, json};

/// Where something stands in the text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    /// Bytes from the start of the text.
    pub offset: usize,
    pub length: usize,
}

impl Place {
    pub const fn start() -> Self {
        Self { line: 1, column: 1, offset: 0, length: 0 }
    }

    /// The place of the byte at `offset`, which is clamped to the text.
    pub fn at(text: &str, offset: usize) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line = before.matches('\n').count() + 1;
        let last = before.rsplit('\n').next().unwrap_or_default();
        Self { line, column: last.chars().count() + 1, offset, length: 0 }
    }

    /// The place of a line and a column.
    pub fn of(text: &str, line: usize, column: usize) -> Self {
        let start: usize =
            text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = text.get(start..).unwrap_or_default();
        let within: usize = rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        Self { line: line.max(1), column: column.max(1), offset: start + within, length: 0 }
    }
}

/// Whether the file can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One thing wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    pub place: Place,
    /// `actions[2].test.screen.steps[0]`; empty for the file as a whole.
    pub path: String,
    pub found: String,
    pub expected: String,
    /// The nearest known name, or what to do.
    pub help: Option<String>,
}

impl Problem {
    pub fn new(
        place: Place,
        path: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            place,
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
            help: None,
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        json!({
            "severity": severity,
            "line": self.place.line,
            "column": self.place.column,
            "path": self.path,
            "found": self.found,
            "expected": self.expected,
            "help": self.help,
        })
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    pub fn boxed(self) -> Box<Self> {
        Box::new(self)
    }

    /// With the lines it speaks of, as miette draws them.
    pub fn diagnostic(&self, name: &str, text: &Arc<str>) -> Explained {
        Explained {
            problem: self.clone(),
            source: NamedSource::new(name, Arc::clone(text)),
            drawn: drawable(text, self.place),
        }
    }
}

/// One line: `line 3, column 5, timeouts.job: found …, expected …; help`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.place.line, self.place.column)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": found {}, expected {}", self.found, self.expected)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Problem {}

/// A problem beside the text it is about.
#[derive(Debug, Clone)]
pub struct Explained {
    problem: Problem,
    source: NamedSource<Arc<str>>,
    drawn: bool,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problem.path.is_empty() {
            write!(f, "{}: ", self.problem.path)?;
        }
        write!(f, "found {}, expected {}", self.problem.found, self.problem.expected)
    }
}

impl std::error::Error for Explained {}

impl Diagnostic for Explained {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.drawn.then_some(&self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Place { offset, length, .. } = self.problem.place;
        let label = LabeledSpan::new(Some("here".into()), offset, length.min(LONGEST_LABEL));
        self.drawn.then(|| Box::new(std::iter::once(label)) as Box<dyn Iterator<Item = _>>)
    }
}

const LONGEST_LABEL: usize = 80;
/// A line longer than this is not drawn: it would fill the terminal.
const LONGEST_LINE: usize = 500;

fn drawable(text: &str, place: Place) -> bool {
    let first = place.line.saturating_sub(2);
    text.lines().skip(first).take(4).all(|line| line.len() <= LONGEST_LINE)
        && place.offset <= text.len()
}

/// All that is wrong with one file, in the order of the file.
#[derive(Debug, Clone)]
pub struct Problems {
    /// What the file is called where its author is.
    pub name: String,
    pub text: Arc<str>,
    /// At least one error; warnings among them.
    pub list: Vec<Problem>,
    /// How many more there were.
    pub omitted: usize,
}

impl Problems {
    /// A single refusal of the file as a whole.
    pub fn one(name: &str, text: &str, problem: Problem) -> Self {
        Self { name: name.into(), text: text.into(), list: vec![problem], omitted: 0 }
    }

    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter().filter(|problem| problem.severity == Severity::Error)
    }

    /// For programs: a list, one object for each.
    pub fn to_json(&self) -> Value {
        self.list.iter().map(Problem::to_json).collect()
    }

    /// Every one with its lines.
    pub fn diagnostics(&self) -> Vec<Explained> {
        self.list.iter().map(|problem| problem.diagnostic(&self.name, &self.text)).collect()
    }
}

/// One line for each, as set beside a refused file.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let kind = match problem.severity {
                Severity::Error => "",
                Severity::Warning => "warning: ",
            };
            write!(f, "{kind}{}: {problem}", self.name)?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => write!(f, "\n{}: and {omitted} more", self.name),
        }
    }
}

impl std::error::Error for Problems {}

/// Names as a person lists them.
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name somebody may have meant.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= 1.max(known.len().max(lower.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| format!("did you mean `{known}`?"))
}
