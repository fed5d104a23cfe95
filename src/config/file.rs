//! The settings file: TOML.

use std::{ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    KEYS, Key,
    document::{Document, Entry, Origin},
    knob::Said,
};
use crate::model::problem::{Place, Problem, nearest};

/// Reads what a file says. What is wrong with it is among its problems.
pub(super) fn read(path: &Path, text: &str) -> Document {
    let mut reader = Reader { path, text, entries: Vec::new(), problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = reader.place(&error.span().unwrap_or_default());
        let (found, expected) =
            error.message().split_once(", expected ").unwrap_or_else(|| (error.message(), "TOML"));
        reader.problems.push(Problem::new(place, "", found, expected));
    }
    let broken: Vec<_> = reader.problems.iter().map(|problem| problem.place.line).collect();
    let no_toml = std::mem::take(&mut reader.problems);
    reader.table(None, table.get_ref());
    // What stands in a line that is no TOML is guessed.
    reader.problems.retain(|problem| !broken.contains(&problem.place.line));
    reader.entries.retain(|entry| !broken.contains(&entry.place.line));
    reader.problems.extend(no_toml);
    Document {
        name: path.display().to_string(),
        text: text.into(),
        base: path.parent().unwrap_or_else(|| Path::new("/")).into(),
        entries: reader.entries,
        problems: reader.problems,
    }
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// A table of keys; only the one without a name has tables in it.
    fn table(&mut self, table: Option<&str>, entries: &DeTable<'_>) {
        for (name, value) in entries {
            let place = self.place(&name.span());
            let name: &str = name.get_ref();
            let full = table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"));
            if let DeValue::Table(inner) = value.get_ref()
                && table.is_none()
                && is_table(name)
            {
                self.table(Some(name), inner);
            } else if let Some(key) = Key::named(&full) {
                self.key(key, value);
            } else {
                self.unknown(place, full);
            }
        }
    }

    fn key(&mut self, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let place = self.place(&value.span());
        let mut places = Vec::new();
        if let DeValue::Array(entries) = value.get_ref() {
            places.extend(entries.iter().map(|entry| self.place(&entry.span())));
        }
        let origin = Origin::File { path: self.path.into(), line: place.line };
        self.entries.push(Entry { key, said: said(value.get_ref()), origin, place, places });
    }

    fn unknown(&mut self, place: Place, full: String) {
        let (expected, help) = if is_table(&full) {
            ("a table", Some(format!("write [{full}] in a line of its own, and its keys below")))
        } else {
            ("a known key", meant(&full))
        };
        let problem = Problem::new(place, &full, format!("`{full}`"), expected);
        self.problems.push(Problem { help, ..problem });
    }

    fn place(&self, span: &Range<usize>) -> Place {
        Place { length: span.len(), ..Place::at(self.text, span.start) }
    }
}

fn is_table(name: &str) -> bool {
    KEYS.iter().any(|key| key.place().0 == Some(name))
}

/// The key somebody may have meant: one with the same name in another table, or the nearest.
pub(super) fn meant(name: &str) -> Option<String> {
    let last = name.rsplit('.').next().unwrap_or(name);
    match KEYS.iter().find(|key| key.place().1 == last) {
        Some(key) => Some(format!("did you mean `{}`?", key.name)),
        None => {
            let tables = KEYS.iter().filter_map(|key| key.place().0);
            nearest(name, KEYS.iter().map(|key| key.name).chain(tables))
        }
    }
}

/// What is written as a list of a file is one elsewhere, too. `[::1]:80` is none.
pub(super) fn list(text: &str) -> Option<Said> {
    let value = DeValue::parse(text.trim()).ok()?;
    matches!(value.get_ref(), DeValue::Array(_)).then(|| said(value.get_ref()))
}

fn said(value: &DeValue<'_>) -> Said {
    match value {
        DeValue::String(text) => Said::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Said::Number(number.as_str().into()),
        DeValue::Integer(number) => Said::Other(format!("a number in base {}", number.radix())),
        DeValue::Float(number) => Said::Number(number.as_str().into()),
        DeValue::Boolean(switch) => Said::Word(switch.to_string()),
        DeValue::Datetime(time) => Said::Other(format!("the time {time}")),
        DeValue::Array(entries) => {
            Said::List(entries.iter().map(|entry| said(entry.get_ref())).collect())
        }
        DeValue::Table(_) => Said::Other("a table".into()),
    }
}
