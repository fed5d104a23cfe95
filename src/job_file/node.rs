//! YAML or JSON text to a tree in which every key and value knows its place.
//!
//! This file alone names serde-saphyr. What a scalar means is not decided here: a plain `1.10`,
//! `yes` or `0x1F` keeps the text its author wrote, and whoever asks for a number or a switch reads
//! it. Duplicate keys are kept, for the reader to report both places. Aliases and merge keys are
//! followed within limits that no honest file comes near.

use std::{fmt, thread};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{
    DuplicateKeyPolicy, Error, Location, Options, Spanned, options::NonFiniteFloatPolicy,
};

use super::{Place, Problem};

/// Longest job file, bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// Lists and maps inside each other.
const MAX_DEPTH: usize = 32;
/// Stack for the parser: measured without optimisation, a level takes up to 90 KiB of it.
const STACK: usize = 8 << 20;
/// Values in all: ten thousand steps with every option fit several times.
const MAX_NODES: usize = 200_000;
/// Values that aliases may repeat.
const MAX_REPEATED: usize = 100_000;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Scalar {
        text: String,
        /// Not quoted: may be read as a number or a switch.
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// What it is, for a person: kind and the beginning of the text.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".into(),
            Value::Scalar { text, plain: true } => format!("`{}`", excerpt(text)),
            Value::Scalar { text, plain: false } => format!("the text {:?}", excerpt(text)),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::Map(entries) => match entries.first() {
                Some((Self { value: Value::Scalar { text, .. }, .. }, _)) => {
                    format!("a map with `{}`", excerpt(text))
                }
                _ => "a map".into(),
            },
        }
    }
}

/// The beginning of `text`, short enough for one line.
pub(super) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let clean: String = text
        .chars()
        .take(LONGEST)
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect();
    if text.chars().nth(LONGEST).is_some() { format!("{clean}…") } else { clean }
}

/// Reads `text` as one document. `json` holds it to JSON's grammar first.
pub(super) fn parse(text: &str, json: bool) -> Result<Node, Box<Problem>> {
    refuse_unreadable(text)?;
    let text_only = text.strip_prefix('\u{feff}').unwrap_or(text);
    if json && let Err(error) = serde_json::from_str::<de::IgnoredAny>(text_only) {
        let at = Place::of(text, error.line(), error.column());
        let message = error.to_string();
        let found = message.split(" at line ").next().unwrap_or(&message).to_owned();
        return Err(Problem::new(at, "", found, "JSON").boxed());
    }
    on_its_own_stack(|| match serde_saphyr::from_str_with_options::<Raw>(text, options()) {
        Ok(raw) => Ok(raw.node(text)),
        Err(error) => Err(explain(text, &error).boxed()),
    })
}

/// A value that our own tables write as YAML.
pub(super) fn our_own(yaml: &str) -> serde_json::Value {
    serde_saphyr::from_str(yaml).expect("the values of our tables are YAML")
}

/// A file as deep as we allow must not depend on how much stack its reader has left.
fn on_its_own_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let parser = thread::Builder::new().name("parser".into()).stack_size(STACK);
        let done = parser.spawn_scoped(scope, work).expect("a host that runs us has a thread left");
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_TEXT),
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            max_aliases: 2_000,
            max_anchors: 500,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: 4 * MAX_TEXT,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPEATED,
            max_replay_stack_depth: MAX_DEPTH,
            max_alias_expansions_per_anchor: 2_000,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        strict_booleans: true,
        emit_comments: false,
        with_snippet: false,
    }
}

/// Text no grammar should be asked about.
fn refuse_unreadable(text: &str) -> Result<(), Box<Problem>> {
    let start = Place::start();
    if text.len() > MAX_TEXT {
        let found = format!("a file of {} bytes", text.len());
        return Err(Problem::new(start, "", found, "at most 1 MiB").boxed());
    }
    let unreadable =
        |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(offset) = text.find(unreadable) {
        let char = text[offset..].chars().next().unwrap_or_default();
        let found = format!("the control character {:#04x}", u32::from(char));
        let problem = Problem::new(Place::at(text, offset), "", found, "text")
            .help("write it as an escape in double quotes, as in \"\\x1b\"");
        return Err(problem.boxed());
    }
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Err(Problem::new(start, "", "an empty file", "a job").boxed());
    }
    Ok(())
}

/// serde-saphyr's refusal in our words, where ours are clearer.
fn explain(text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let at = error.location().map_or_else(Place::start, |location| place(text, location));
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    let message = error.to_string();
    let short = message.split(" at line ").next().unwrap_or(&message);
    let lower = short.to_lowercase();
    let problem = |found: &str, expected: &str| Problem::new(at, "", found, expected);
    if lower.contains("multiple") && lower.contains("document") {
        return problem("a second document", "one job in a file")
            .help("put each job into a file of its own");
    }
    if lower.contains("budget") || lower.contains("limit") || lower.contains("depth") {
        let found = format!("more than a job file may hold ({})", excerpt_long(short));
        let limits = format!(
            "at most {MAX_DEPTH} levels, {MAX_NODES} values and {MAX_REPEATED} repeated by aliases"
        );
        return problem(&found, &limits);
    }
    let tab = line.chars().take_while(|char| char.is_whitespace()).any(|char| char == '\t');
    if tab || lower.contains("tab") {
        return problem("a tab in the indentation", "spaces")
            .help("YAML is indented with spaces only");
    }
    if lower.contains("simple key expected") {
        return problem("a word with nothing behind it", "a key with `:` behind it");
    }
    let problem = problem(&excerpt_long(short), "YAML");
    if line.contains("image_arg") || line.contains("{") && line.contains("}") {
        return problem.help("text with `{name}`, `: ` or ` #` in it needs quotes");
    }
    problem
}

fn excerpt_long(message: &str) -> String {
    message.chars().take(300).map(|char| if char.is_control() { ' ' } else { char }).collect()
}

fn place(text: &str, location: Location) -> Place {
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX).max(1);
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX).max(1);
    let bytes = location.span();
    match (bytes.byte_offset(), bytes.byte_len()) {
        (Some(offset), Some(length)) => {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(text.len() - offset);
            Place { line, column, offset, length }
        }
        _ => Place::of(text, line, column),
    }
}

/// What the deserializer hands over, before the source text is at hand.
#[derive(Deserialize)]
#[serde(transparent)]
struct Raw(Spanned<RawValue>);

enum RawValue {
    Null,
    /// A plain scalar that looks like a switch or a number; how it was written is in the source.
    Typed(String),
    Text(String),
    List(Vec<Raw>),
    Map(Vec<(Raw, Raw)>),
}

impl Raw {
    fn node(self, source: &str) -> Node {
        let Spanned { value, defined, .. } = self.0;
        let at = place(source, defined);
        let written = source.get(at.offset..at.offset + at.length).unwrap_or_default();
        // A block scalar's place is its first line, without the `|`.
        let quoted = written.starts_with(['"', '\'']) || written.contains('\n');
        let value = match value {
            RawValue::Null => Value::Null,
            RawValue::Typed(_) if !quoted && !written.is_empty() => {
                Value::Scalar { text: written.trim_end().to_owned(), plain: true }
            }
            RawValue::Typed(text) => Value::Scalar { text, plain: true },
            RawValue::Text(text) => Value::Scalar { text, plain: !quoted },
            RawValue::List(items) => {
                Value::List(items.into_iter().map(|item| item.node(source)).collect())
            }
            RawValue::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.node(source), value.node(source)))
                    .collect(),
            ),
        };
        Node { at, value }
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Typed(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<RawValue, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(RawValue::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<RawValue, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(RawValue::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deepest_file_fits_on_the_stack() {
        for (levels, fits) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false), (20_000, false)] {
            for (open, close) in [("{a: ", "}"), ("[", "]"), ("- ", ""), ("? ", "")] {
                let text = format!("{}x{}", open.repeat(levels), close.repeat(levels));
                assert_eq!(parse(&text, false).is_ok(), fits, "{open} {levels}");
            }
        }
    }

    #[test]
    fn a_key_that_is_half_written_is_told_as_one() {
        let problem = parse("job_name: x\ntimeou", false).unwrap_err();
        let told = (problem.found.as_str(), problem.place.line);
        assert_eq!(told, ("a word with nothing behind it", 2));
    }

    #[test]
    fn aliases_do_not_make_a_file_deeper() {
        let mut text = String::new();
        let mut inner = "x".to_owned();
        for index in 0..60 {
            text += &format!("- &a{index} {}{inner}{}\n", "[".repeat(29), "]".repeat(29));
            inner = format!("*a{index}");
            let told = parse(&text, false);
            assert_eq!(told.is_ok(), index == 0, "{} levels: {told:?}", 29 * (index + 1));
        }
    }

    #[test]
    fn merges_of_merges_end() {
        for merge in ["*a{}", "[*a{}, *a{}]"] {
            let mut text = "- &a0 {k: v}\n".to_owned();
            for index in 1..400 {
                let merged = merge.replace("{}", &(index - 1).to_string());
                text += &format!("- &a{index} {{<<: {merged}, k{index}: v}}\n");
            }
            let _ = parse(&text, false);
        }
    }

    fn show(node: &Node) -> String {
        let inner = match &node.value {
            Value::Null => "~".into(),
            Value::Scalar { text, plain: true } => text.clone(),
            Value::Scalar { text, plain: false } => format!("{text:?}"),
            Value::List(items) => {
                format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            Value::Map(entries) => {
                let entry = |(key, value): &(Node, Node)| format!("{}={}", show(key), show(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        };
        format!("{inner}@{}:{}", node.at.line, node.at.column)
    }

    #[test]
    fn every_key_and_value_keeps_its_text_and_place() {
        for (text, want) in [
            ("a: 1.10", "{a@1:1=1.10@1:4}@1:1"),
            ("a: 0x1F\nb: off\n", "{a@1:1=0x1F@1:4 b@2:1=off@2:4}@1:1"),
            ("a: 'yes'\r\nb: \"5\"\r\n", "{a@1:1=\"yes\"@1:4 b@2:1=\"5\"@2:4}@1:1"),
            ("- 2024-01-01\n- ~\n-\n- .nan", "[2024-01-01@1:3 ~@2:3 ~@3:2 .nan@4:3]@1:1"),
            ("a: &x 12 # c\nb: *x", "{a@1:1=12@1:7 b@2:1=12@1:7}@1:1"),
            ("{\"a\": [true, 1e3]}", "{\"a\"@1:2=[true@1:8 1e3@1:14]@1:7}@1:1"),
            ("\u{feff}a: é\nb: |\n  x\n  y\n", "{a@1:1=é@1:4 b@2:1=\"x\\ny\\n\"@3:3}@1:1"),
            ("a: 1\na: 2", "{a@1:1=1@1:4 a@2:1=2@2:4}@1:1"),
        ] {
            let node = parse(text, false).unwrap_or_else(|problem| panic!("{text:?}: {problem}"));
            assert_eq!(show(&node), want, "{text:?}");
        }
    }
}
