//! Walks the tree and collects everything that is wrong with it.
//!
//! A [`Spot`] is a node with the path that leads to it, [`Fields`] a map that knows which of its
//! keys somebody asked for. What nobody asked for is an unknown key: an error in our blocks, a
//! warning in LAVA's unless the reading is strict.

use std::path::PathBuf;

pub(super) use crate::model::problem::{listed, nearest};
use crate::model::{Digest, TagQuery};

use super::{
    Place, Problem, Severity,
    node::{Node, Value, excerpt},
};

/// Problems told at once; the rest is counted.
const MOST_PROBLEMS: usize = 20;

/// What has been found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) strict: bool,
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

/// Whose block a map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Lava,
    Ours,
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

    /// The map that is here. Keys that are no words and keys that come twice are reported.
    pub(super) fn fields(&self, report: &mut Report, expected: &str) -> Option<Fields<'n>> {
        let Value::Map(entries) = &self.node.value else {
            report.add(self.problem(format!("a map: {expected}")));
            return None;
        };
        let mut seen = std::collections::HashMap::new();
        let mut fields = Fields {
            spot: self.clone(),
            entries: Vec::new(),
            asked: Vec::new(),
            not_done: Vec::new(),
        };
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
            fields.entries.push(Entry { name, key, value, taken: false });
        }
        Some(fields)
    }
}

#[derive(Debug)]
struct Entry<'n> {
    name: &'n str,
    key: &'n Node,
    value: &'n Node,
    taken: bool,
}

/// A map whose keys are asked for one by one.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    pub(super) spot: Spot<'n>,
    entries: Vec<Entry<'n>>,
    asked: Vec<&'static str>,
    /// Keys that mean something, but not to us.
    not_done: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn take(&mut self, name: &'static str) -> Option<Spot<'n>> {
        self.asked.push(name);
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.taken = true;
        Some(self.spot.child(name, entry.value))
    }

    /// As [`Self::take`]; its absence is a problem.
    pub(super) fn need(
        &mut self,
        report: &mut Report,
        name: &'static str,
        expected: &str,
    ) -> Option<Spot<'n>> {
        let found = self.take(name);
        if found.is_none() {
            let problem = Problem::new(
                self.spot.place(),
                &self.spot.path,
                format!("no `{name}`"),
                format!("`{name}:` with {expected}"),
            );
            report.add(problem);
        }
        found
    }

    /// Takes keys that mean something we do not do, and says so.
    pub(super) fn refuse(&mut self, report: &mut Report, keys: &[(&'static str, &str)]) {
        for (name, why) in keys {
            if let Some(problem) = self.not_done(name, why) {
                report.add(problem);
            }
        }
    }

    /// As [`Self::refuse`], for what does not change what the job comes to.
    pub(super) fn ignore(&mut self, report: &mut Report, keys: &[(&'static str, &str)]) {
        for (name, why) in keys {
            if let Some(problem) = self.not_done(name, why) {
                report.add(problem.warning());
            }
        }
    }

    fn not_done(&mut self, name: &'static str, why: &str) -> Option<Problem> {
        self.not_done.push(name);
        let entry = self.entries.iter_mut().find(|entry| entry.name == name)?;
        entry.taken = true;
        let path = self.spot.child(name, entry.value).path;
        let expected = "only what this version carries out";
        Some(Problem::new(entry.key.at, path, format!("`{name}`"), expected).help(why))
    }

    /// Everything that has not been taken, in the order of the file.
    pub(super) fn rest(&mut self) -> Vec<(&'n str, Place, Spot<'n>)> {
        let left = self.entries.iter_mut().filter(|entry| !entry.taken);
        left.map(|entry| {
            entry.taken = true;
            (entry.name, entry.key.at, self.spot.child(entry.name, entry.value))
        })
        .collect()
    }

    /// Reports what nobody asked for.
    pub(super) fn finish(mut self, report: &mut Report, block: Block) {
        let asked = std::mem::take(&mut self.asked);
        let not_done = std::mem::take(&mut self.not_done);
        for (name, at, spot) in self.rest() {
            let expected = match asked.as_slice() {
                [] => "no key here".to_owned(),
                names => format!("one of {}", listed(names.iter().copied())),
            };
            let found = format!("the unknown key `{}`", excerpt(name));
            let mut problem = Problem::new(at, spot.path, found, expected);
            problem.help = nearest(name, asked.iter().chain(&not_done).copied());
            let lenient = block == Block::Lava && !report.strict;
            report.add(if lenient { problem.warning() } else { problem });
        }
    }
}
