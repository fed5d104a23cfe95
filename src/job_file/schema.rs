//! The JSON Schema of a job file, for editors, written from the forms the reader reads by.
//!
//! It never refuses what the reader takes: a red line in an editor is always a mistake. What only
//! the reader sees (files, expressions, QEMU arguments, times that do not fit each other) is left
//! to `sutler validate`.

use serde_json::{Map, Value, json};

use super::{
    form::{Bare, Block, Form, Key, Kind, Word},
    keys::{HELD, NAMED},
    node::our_own,
    read::JOB,
    screen::{LONGEST_PATH, MODULE},
    value::{DURATION, LONGEST, MOST_MEMORY_MIB},
    variables::VARIABLE,
    verbs::VERBS,
};
use crate::model::quantity::LEAST_MEMORY_MIB;

/// Where the appliance serves it.
pub const SCHEMA_PATH: &str = "/schema/job.json";
/// Names the schema, whichever box it came from.
const ID: &str = "https://sutler-lab.github.io/schema/job.json";

/// The schema. `is_strict` refuses unknown keys in LAVA's blocks as well, as `--strict` does.
pub fn schema(is_strict: bool) -> Value {
    let mut writer = Writer { is_strict, shared: Map::new() };
    let mut whole = writer.form(&JOB);
    whole.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    whole.insert("$id".into(), ID.into());
    whole.insert("title".into(), "Sutler job file".into());
    whole.insert("$defs".into(), writer.shared.into());
    whole.into()
}

/// Writes kinds and forms; what has a name is written once, beside the rest.
struct Writer {
    is_strict: bool,
    shared: Map<String, Value>,
}

impl Writer {
    /// A reference to what is written once under `name`.
    fn share(&mut self, name: &str, write: impl FnOnce(&mut Self) -> Value) -> Value {
        if !self.shared.contains_key(name) {
            // First, so that what refers to itself ends.
            self.shared.insert(name.into(), Value::Null);
            let written = write(self);
            self.shared.insert(name.into(), written);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn shared_form(&mut self, form: &'static Form) -> Value {
        self.share(form.name, |writer| writer.form(form).into())
    }

    fn form(&mut self, form: &'static Form) -> Map<String, Value> {
        let mut properties = Map::new();
        for key in form.keys() {
            properties.insert(key.name.into(), self.key(key));
        }
        for (name, why) in form.refused() {
            let words = format!("Not in this version: {why}.");
            properties.insert(name.into(), json!({ "not": {}, "description": words }));
        }
        for (name, why) in form.ignored() {
            let words = format!("Read and not used: {why}.");
            properties.insert(name.into(), json!({ "deprecated": true, "description": words }));
        }
        let needed: Vec<_> = form.keys().filter(|key| key.needed.is_some()).collect();
        let needed: Vec<_> = needed.iter().map(|key| key.name).collect();
        let mut whole = Map::new();
        whole.insert("type".into(), "object".into());
        if !form.doc.is_empty() {
            whole.extend(described(form.doc));
        }
        whole.insert("properties".into(), properties.into());
        if !needed.is_empty() {
            whole.insert("required".into(), needed.into());
        }
        let is_closed = form.block == Block::Ours || self.is_strict;
        if is_closed {
            whole.insert("additionalProperties".into(), false.into());
        }
        whole.extend(beyond_keys(form.name));
        whole
    }

    fn key(&mut self, key: &'static Key) -> Value {
        let kind = self.kind(&key.kind);
        let mut whole = if let Value::Object(whole) = kind {
            whole
        } else {
            Map::from_iter([("allOf".to_owned(), json!([kind]))])
        };
        whole.extend(described(key.doc));
        if let Some(usual) = key.usual {
            whole.insert("default".into(), our_own(usual));
        }
        if let Some(example) = key.example {
            whole.insert("examples".into(), json!([our_own(example)]));
        }
        whole.into()
    }

    fn kind(&mut self, kind: &'static Kind) -> Value {
        match *kind {
            Kind::Text { longest } => json!({ "type": SCALAR, "maxLength": longest }),
            Kind::Line { longest } => json!({
                "type": SCALAR, "maxLength": longest, "pattern": "^[^\\u0000-\\u001f]*\\S[^\\u0000-\\u001f]*$",
                "patternErrorMessage": "one line of text, not empty",
            }),
            Kind::Name { longest } => json!({
                "type": SCALAR, "maxLength": longest, "pattern": "^[A-Za-z0-9_.-]+$",
                "patternErrorMessage": "letters, digits, `_`, `-` and `.` only",
            }),
            Kind::Words(words) => one_of(words, &[]),
            Kind::WordsOrFalse(words) => one_of(words, &[json!({ "const": false })]),
            Kind::Switch => self.share("switch", |_| json!({ "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": "^([Yy][Ee][Ss]|[Nn][Oo]|[Oo][NnFf][Ff]?|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$" },
            ]})),
            Kind::Flag => {
                let switch = self.kind(&Kind::Switch);
                json!({ "anyOf": [switch, { "enum": [0, 1] }] })
            }
            Kind::Number { least, most } => json!({ "anyOf": [
                { "type": "integer", "minimum": least, "maximum": most },
                { "type": "string", "pattern": "^(0|[1-9][0-9]*)$" },
            ]}),
            Kind::Real { least, most } => json!({ "anyOf": [
                { "type": "number", "minimum": least, "maximum": most },
                { "type": "string", "pattern": "^[0-9][0-9.]*$" },
            ]}),
            Kind::Duration { bare, is_zero_fine } => self.duration(bare, is_zero_fine),
            Kind::Memory => self.share("memory", |_| json!({
                "anyOf": [
                    { "type": "string", "pattern": "^\\s*[0-9][0-9.]*\\s*([KkMmGgTt]([Ii]?[Bb])?)?\\s*$" },
                    { "type": "number", "minimum": LEAST_MEMORY_MIB, "maximum": MOST_MEMORY_MIB },
                ],
                "description": "Memory, as 512M or 2G. A bare number is MiB.",
                "examples": ["512M", "2G"],
            })),
            Kind::Path => self.share("path", |_| json!({
                "type": SCALAR, "maxLength": LONGEST_PATH,
                "pattern": "^(?!~)(?!.*(^|/)\\.\\.(/|$))(?=.*\\S)([Ff][Ii][Ll][Ee]://[/%].*|(?!.*://).*|.*%.*://.*)$",
                "patternErrorMessage": "a path below the job's folder, an absolute one, or a file:/// URL; no `..`, no `~`",
                "description": "A file of this box: a path relative to the job file, an absolute one, or a file:/// URL.",
                "examples": ["images/disk.qcow2"],
            })),
            Kind::Sum => json!({
                "type": SCALAR, "pattern": "^[0-9A-Fa-f]{64}$",
                "patternErrorMessage": "a SHA-256 sum: 64 hexadecimal digits",
                "examples": ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
            }),
            Kind::Stream => json!({
                "type": "string", "pattern": "^(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?$",
                "patternErrorMessage": "a stream, as /public/team/installer/",
            }),
            Kind::Keys => self.share("keys", |_| keys()),
            Kind::Typed { longest } => json!({
                "type": SCALAR, "minLength": 1, "maxLength": longest, "pattern": "^[ -~\\n\\t]*$",
                "patternErrorMessage": "characters of a US keyboard, \\n and \\t",
            }),
            Kind::Regex { longest } => {
                json!({ "type": SCALAR, "minLength": 1, "maxLength": longest })
            }
            Kind::List { of, least, most } => self.list(of, least, most),
            Kind::OneOrMore { of, most } => {
                let list = self.list(of, 1, most);
                json!({ "anyOf": [self.kind(of), list] })
            }
            Kind::Form(form) => self.shared_form(form),
            Kind::PathOr(form) => {
                json!({ "anyOf": [self.kind(&Kind::Path), self.shared_form(form)] })
            }
            Kind::Map { names, of, least, most } => {
                let mut whole = json!({ "type": "object", "maxProperties": most });
                whole["additionalProperties"] = self.kind(of);
                if !names.is_empty() {
                    whole["propertyNames"] = json!({ "pattern": format!("^{names}$") });
                }
                if least > 0 {
                    whole["minProperties"] = least.into();
                }
                whole
            }
            Kind::Either(one, other) => {
                json!({ "anyOf": [self.kind(one), self.kind(other)] })
            }
            Kind::Step => self.share("step", Self::step),
            Kind::Item => {
                json!({ "anyOf": [self.kind(&Kind::Step), self.shared_form(&MODULE)] })
            }
            Kind::Nothing => json!({ "type": "null" }),
            Kind::Anything => json!({}),
        }
    }

    fn list(&mut self, of: &'static Kind, least: usize, most: usize) -> Value {
        let mut whole = json!({ "type": "array", "items": self.kind(of) });
        if least > 0 {
            whole["minItems"] = least.into();
        }
        if most < usize::MAX {
            whole["maxItems"] = most.into();
        }
        whole
    }

    fn duration(&mut self, bare: Bare, is_zero_fine: bool) -> Value {
        let written = self.share("duration", |writer| {
            let map = writer.form(&DURATION);
            json!({
                "anyOf": [
                    {
                        "type": "string",
                        "pattern": "^\\s*([0-9][0-9.]*\\s*(ms|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?|MS|S|M|H|D)\\s*)+$",
                        "patternErrorMessage": "a duration up to 7 days, as 90s, 5m, 1h30m",
                    },
                    map,
                ],
                "description": "A duration, as 90s, 5m, 1h30m, or {minutes: 5}. At most 7 days.",
                "examples": ["90s", "5m", "1h30m"],
            })
        });
        if bare == Bare::Refused {
            return written;
        }
        let least = if is_zero_fine { "minimum" } else { "exclusiveMinimum" };
        let seconds = json!({ "type": "number", least: 0, "maximum": LONGEST.as_secs() });
        let digits = json!({ "type": "string", "pattern": "^[0-9][0-9.]*$" });
        json!({ "anyOf": [written, seconds, digits] })
    }

    /// A verb and its value, or the verb alone.
    fn step(&mut self) -> Value {
        let mut properties = Map::new();
        for verb in &VERBS {
            let mut forms = Vec::new();
            if let Some(short) = verb.short.and_then(|name| verb.form.key(name)) {
                forms.push(self.kind(&short.kind));
            }
            if verb.is_word {
                forms.push(json!({ "type": "null" }));
            }
            forms.push(self.shared_form(&verb.form));
            let mut whole = described(verb.form.doc);
            whole.insert("anyOf".into(), forms.into());
            properties.insert(verb.form.name.into(), whole.into());
        }
        let alone = VERBS.iter().filter(|verb| verb.is_word).map(|verb| verb.form.name);
        json!({ "anyOf": [
            { "enum": alone.collect::<Vec<_>>() },
            {
                "type": "object", "properties": properties, "additionalProperties": false,
                "minProperties": 1, "maxProperties": 1,
            },
        ]})
    }
}

/// A YAML scalar is the text that was written, whatever a program takes it for.
const SCALAR: [&str; 3] = ["string", "number", "boolean"];

/// What forms ask for beyond the kinds of their keys.
fn beyond_keys(form: &str) -> Map<String, Value> {
    let rules = match form {
        "job" => {
            let boots =
                json!({ "contains": { "required": ["boot"] }, "minContains": 0, "maxContains": 1 });
            json!({ "allOf": [{ "properties": { "actions": boots } }] })
        }
        "guest" => json!({ "dependentRequired": { "initrd": ["kernel"], "append": ["kernel"] } }),
        "actions" | "duration" => json!({ "minProperties": 1, "maxProperties": 1 }),
        "test" => json!({ "required": ["screen"] }),
        _ => json!({}),
    };
    if let Value::Object(rules) = rules { rules } else { Map::new() }
}

/// One of a few words, in any case; editors offer them as they are.
fn one_of(words: &[Word], others: &[Value]) -> Value {
    let names: Vec<_> = words.iter().map(|word| word.name).collect();
    let docs: Vec<_> = words.iter().map(|word| word.doc).collect();
    let in_any_case: Vec<_> = names.iter().map(|name| any_case(name)).collect();
    let mut forms = vec![
        json!({ "enum": names, "markdownEnumDescriptions": docs }),
        json!({ "type": "string", "pattern": format!("^({})$", in_any_case.join("|")) }),
    ];
    forms.extend_from_slice(others);
    json!({ "anyOf": forms })
}

/// The pattern of a word whose letters may be large or small.
fn any_case(word: &str) -> String {
    let letter = |char: char| match char.is_ascii_alphabetic() {
        true => format!("[{}{char}]", char.to_ascii_uppercase()),
        false => char.to_string(),
    };
    word.chars().map(letter).collect()
}

/// What `send_key` takes. A text with a variable in it may become anything.
fn keys() -> Value {
    let all =
        |names: &[&str]| names.iter().map(|name| any_case(name)).collect::<Vec<_>>().join("|");
    let (named, held) = (all(&NAMED), all(&HELD));
    let pattern = format!("%{VARIABLE}%|^(({held})-){{0,5}}([ -~]|%%|{named}|{held})$");
    let names: Vec<_> = NAMED.iter().chain(&HELD).collect();
    json!({
        "anyOf": [
            { "enum": names },
            {
                "type": SCALAR, "pattern": pattern,
                "patternErrorMessage": "a key as ret, esc, tab, f2, a, ctrl-alt-delete",
            },
        ],
        "examples": ["ret", "ctrl-alt-f2"],
    })
}

/// A description for every editor, and the same with its marks for those that show them.
fn described(doc: &str) -> Map<String, Value> {
    Map::from_iter([
        ("description".to_owned(), doc.replace('`', "").into()),
        ("markdownDescription".to_owned(), doc.into()),
    ])
}
