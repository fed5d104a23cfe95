//! What the environment and the flags say: lines of `NAME=value`.

use std::path::Path;

use super::{
    KEYS, Key,
    document::{Document, Entry, Origin},
    file::{list, meant},
    knob::Said,
    load::CONFIG_VARIABLE,
};
use crate::model::problem::{Place, Problem, nearest};

/// What all our variables begin with.
const OURS: &str = "SUTLER_";

/// Variables that are ours and no settings begin with these: what marks the processes of a job, what
/// tests and benches read, and which appliance commands ask with which token.
const OTHERS: [&str; 6] = [
    "SUTLER_JOB_",
    "SUTLER_KILL_",
    "SUTLER_BENCH_",
    "SUTLER_TEST_",
    "SUTLER_SERVER",
    "SUTLER_TOKEN",
];

/// What Rust programs read for the level of their log.
const RUST_LOG: &str = "RUST_LOG";

/// Reads the variables that are ours. One that nobody knows is warned of: it may be for a newer
/// version.
pub(super) fn variables(all: &[(String, String)], folder: &Path) -> Document {
    let is_other = |name: &str| OTHERS.iter().any(|other| name.starts_with(other));
    let mut lines = Lines::new("the environment", folder);
    for (name, value) in all {
        if !name.starts_with(OURS) || is_other(name) || name == CONFIG_VARIABLE {
            continue;
        }
        let place = lines.line(&format!("{name}="), value);
        match KEYS.iter().find(|key| key.variable() == *name) {
            Some(key) => lines.entry(key, value, Origin::Environment(name.clone()), place),
            None => {
                let place = Place {
                    offset: place.offset - name.len() - 1,
                    column: 1,
                    length: name.len(),
                    ..place
                };
                let problem = Problem::new(place, "", format!("`{name}`"), "a known variable");
                let known: Vec<_> = KEYS.iter().map(Key::variable).collect();
                let known = known.iter().map(String::as_str).chain([CONFIG_VARIABLE]);
                let help = nearest(name, known);
                lines.0.problems.push(Problem { help, ..problem }.warning());
            }
        }
    }
    let level = Key::named("log.level").expect("it stands in the table");
    let is_set = lines.0.entries.iter().any(|entry| entry.key.name == level.name);
    if let Some((name, value)) = all.iter().find(|(name, _)| name == RUST_LOG)
        && !is_set
        && (level.slot)(&mut super::keys::Asked::default())
            .fill(&Said::Line(value.clone()), folder)
            .is_ok()
    {
        let place = lines.line(&format!("{name}="), value);
        lines.entry(level, value, Origin::Environment(name.clone()), place);
    }
    lines.0
}

/// Reads flags: each with what it is called, the key it sets and its value.
pub(super) fn flags(all: &[(String, String, String)], folder: &Path) -> Document {
    let mut lines = Lines::new("the command line", folder);
    for (flag, name, value) in all {
        let before = if flag == SET { format!("{SET} {name}=") } else { format!("{flag} ") };
        let place = lines.line(&before, value);
        match Key::named(name) {
            Some(key) => lines.entry(
                key,
                value,
                Origin::Flag(before.trim_end_matches([' ', '=']).into()),
                place,
            ),
            None => {
                let mut problem = Problem::new(place, "", format!("`{name}`"), "a known key");
                problem.help = meant(name);
                lines.0.problems.push(problem);
            }
        }
    }
    lines.0
}

/// The flag that sets any key.
pub(super) const SET: &str = "--set";

struct Lines(Document);

impl Lines {
    fn new(name: &str, folder: &Path) -> Self {
        Self(Document {
            name: name.into(),
            text: "".into(),
            base: folder.into(),
            entries: Vec::new(),
            problems: Vec::new(),
        })
    }

    /// Adds a line and returns the place of the value in it.
    fn line(&mut self, before: &str, value: &str) -> Place {
        let shown = value.replace(|c: char| c.is_control(), "\u{fffd}");
        let offset = self.0.text.len() + before.len();
        self.0.text = format!("{}{before}{shown}\n", self.0.text).into();
        Place { length: shown.len(), ..Place::at(&self.0.text, offset) }
    }

    fn entry(&mut self, key: &'static Key, value: &str, origin: Origin, place: Place) {
        let said = list(value).unwrap_or_else(|| Said::Line(value.into()));
        self.0.entries.push(Entry { key, said, origin, place, places: Vec::new() });
    }
}
