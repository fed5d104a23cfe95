//! Walks the tree and collects everything that is wrong with it.
//!
//! A [`Spot`] is a node with the path that leads to it, [`Fields`] a map that is read by its
//! [`Form`]. What the form does not have is an unknown key: an error in our blocks, a warning in
//! LAVA's unless the reading is strict.

use std::path::PathBuf;

pub(super) use crate::model::problem::{listed, nearest};
use crate::{
    config,
    model::{Digest, TagQuery},
};

use super::{
    Place, Problem, Severity,
    form::{Block, Form},
    node::{Node, Value, excerpt},
};

/// Problems told at once; the rest is counted.
const MOST_PROBLEMS: usize = 20;

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) strict: bool,
    /// What holds where the file does not say.
    pub(super) timeouts: config::Timeouts,
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) omitted: usize,
    /// Files the job names, for whoever can look at them.
    pub(super) files: Vec<FileUse>,
    /// Tags its steps look for.
    pub(super) looks: Vec<TagUse>,
}

impl Report {
    pub(super) fn add(&mut self, problem: Problem) {
        let list = match problem.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if list.len() < MOST_PROBLEMS {
            list.push(problem);
        } else if problem.severity == Severity::Error {
            self.omitted += 1;
        }
    }
}

/// A file or folder that a job names, and where.
#[derive(Debug, Clone)]
pub(super) struct FileUse {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) file: PathBuf,
    pub(super) sha256: Option<Digest>,
    /// A folder of needles.
    pub(super) needles: bool,
}

/// Tags that a step looks for, and where.
#[derive(Debug, Clone)]
pub(super) struct TagUse {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) tags: TagQuery,
    /// The needles to find them in: an index into the files.
    pub(super) needles: Option<usize>,
}

/// A node and how one gets there.
#[derive(Debug, Clone)]
pub(super) struct Spot<'n> {
    pub(super) node: &'n Node,
    pub(super) path: String,
}

impl<'n> Spot<'n> {
    pub(super) const fn root(node: &'n Node) -> Self {
        Self { node, path: String::new() }
    }

    pub(super) const fn place(&self) -> Place {
        self.node.at
    }

    pub(super) fn child(&self, name: &str, node: &'n Node) -> Self {
        let path = match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{}", excerpt(name)),
        };
        Self { node, path }
    }

    /// What is here is not what was expected.
    pub(super) fn problem(&self, expected: impl Into<String>) -> Problem {
        Problem::new(self.node.at, &self.path, self.node.describe(), expected)
    }

    pub(super) fn list(&self, report: &mut Report, expected: &str) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            report.add(self.problem(format!("a list of {expected}")));
            return None;
        };
        let item = |(index, node)| Spot { node, path: format!("{}[{index}]", self.path) };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The map that is here, as its entries. Keys that are no words and keys that come twice are
    /// reported.
    pub(super) fn entries(&self, report: &mut Report, expected: &str) -> Option<Vec<Entry<'n>>> {
        let Value::Map(entries) = &self.node.value else {
            report.add(self.problem(format!("a map: {expected}")));
            return None;
        };
        let mut seen = std::collections::HashMap::new();
        let mut found = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Scalar { text: name, .. } = &key.value else {
                let problem = Problem::new(key.at, &self.path, key.describe(), "a word as key");
                report.add(problem.help("text that begins with `{`, `[` or `?` needs quotes"));
                continue;
            };
            if let Some(first) = seen.insert(name.as_str(), key.at) {
                let found = format!("`{}` a second time", excerpt(name));
                let expected = format!("every key once (the first is on line {})", first.line);
                let path = self.child(name, value).path;
                report.add(Problem::new(key.at, path, found, expected));
                continue;
            }
            found.push(Entry { name, at: key.at, spot: self.child(name, value) });
        }
        Some(found)
    }

    /// The map that is here, to be read by its form. What the form refuses or ignores is told.
    pub(super) fn fields(&self, report: &mut Report, form: &'static Form) -> Option<Fields<'n>> {
        let mut fields = Fields {
            spot: self.clone(),
            form,
            left: self.entries(report, form.looks)?,
            asked: Vec::new(),
            has_refused: false,
        };
        for (name, why) in form.refused() {
            if let Some(problem) = fields.not_done(name, why) {
                fields.has_refused = true;
                report.add(problem);
            }
        }
        for (name, why) in form.ignored() {
            if let Some(problem) = fields.not_done(name, why) {
                report.add(problem.warning());
            }
        }
        Some(fields)
    }
}

/// A key of a map, where it stands, and its value.
#[derive(Debug)]
pub(super) struct Entry<'n> {
    pub(super) name: &'n str,
    pub(super) at: Place,
    pub(super) spot: Spot<'n>,
}

/// A map whose keys are asked for one by one.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    pub(super) spot: Spot<'n>,
    form: &'static Form,
    /// What nobody has asked for yet.
    left: Vec<Entry<'n>>,
    asked: Vec<&'static str>,
    /// Among the keys was one that means something we do not do.
    pub(super) has_refused: bool,
}

impl<'n> Fields<'n> {
    pub(super) fn take(&mut self, name: &'static str) -> Option<Spot<'n>> {
        debug_assert!(self.form.key(name).is_some(), "`{}` has no `{name}`", self.form.name);
        self.asked.push(name);
        self.remove(name).map(|entry| entry.spot)
    }

    /// As [`Self::take`]; its absence is a problem.
    pub(super) fn need(&mut self, report: &mut Report, name: &'static str) -> Option<Spot<'n>> {
        let found = self.take(name);
        if found.is_none() {
            let with = self.form.key(name).and_then(|key| key.needed);
            let with = with.expect("a form says of every key we need that it is needed");
            let problem = Problem::new(
                self.spot.place(),
                &self.spot.path,
                format!("no `{name}`"),
                format!("`{name}:` with {with}"),
            );
            report.add(problem);
        }
        found
    }

    fn remove(&mut self, name: &str) -> Option<Entry<'n>> {
        let index = self.left.iter().position(|entry| entry.name == name)?;
        Some(self.left.remove(index))
    }

    fn not_done(&mut self, name: &'static str, why: &str) -> Option<Problem> {
        let entry = self.remove(name)?;
        let expected = "only what this version carries out";
        Some(Problem::new(entry.at, entry.spot.path, format!("`{name}`"), expected).help(why))
    }

    /// Reports what its form does not have.
    pub(super) fn finish(self, report: &mut Report) {
        let form = self.form;
        for key in form.keys() {
            debug_assert!(
                self.asked.contains(&key.name),
                "`{}` never asks for `{}`",
                form.name,
                key.name
            );
        }
        for Entry { name, at, spot } in self.left {
            let names: Vec<_> = form.keys().map(|key| key.name).collect();
            let expected = match names.as_slice() {
                [] => "no key here".to_owned(),
                names => format!("one of {}", listed(names.iter().copied())),
            };
            let found = format!("the unknown key `{}`", excerpt(name));
            let mut problem = Problem::new(at, spot.path, found, expected);
            let not_done = form.refused().chain(form.ignored()).map(|(name, _)| name);
            problem.help = nearest(name, names.into_iter().chain(not_done));
            let lenient = form.block == Block::Lava && !report.strict;
            report.add(if lenient { problem.warning() } else { problem });
        }
    }
}
