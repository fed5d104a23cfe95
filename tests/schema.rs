//! The JSON Schema for editors, held against the reader it is written from.

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sutler::job_file::{Options, read, schema};

use crate::job_files::{EVERYTHING, INSTALLER, INSTALLER_JSON, bad, placeless};

/// Bad jobs that a schema takes: it sees values and not how they are written, one value and not how
/// it fits another, and nothing of what QEMU or an expression makes of a text.
const UNSEEN: [&str; 28] = [
    "a foreign tag",
    "priority in hex",
    "priority in octal",
    "a timeout of no time",
    "an action longer than its job",
    "extra options",
    "extra devices",
    "too much memory",
    "a variable nobody set",
    "a quote left open in it",
    "a path in it",
    "another image in it",
    "a backing file",
    "a port opened",
    "a folder of the host",
    "a plugin",
    "a program",
    "the monitor",
    "no sandbox",
    "a test before any boot",
    "no needles",
    "a quoted switch",
    "a long string",
    "a date with percent signs",
    "stiller than the time",
    "a regex left open",
    "look-around",
    "a regex that explodes",
];

fn validator(is_strict: bool) -> Validator {
    jsonschema::validator_for(&schema(is_strict)).unwrap()
}

fn document(text: &str) -> Option<Value> {
    serde_saphyr::from_str(text).ok()
}

#[test]
fn the_schema_is_one() {
    for is_strict in [false, true] {
        jsonschema::meta::validate(&schema(is_strict)).unwrap();
    }
    let schema = schema(false);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema["$id"].is_string() && schema["title"].is_string());
    let all = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let properties = all.filter_map(|form| form["properties"].as_object()).flatten();
    for (name, key) in properties {
        assert!(key["description"].as_str().is_some_and(|words| words.len() > 3), "{name}");
    }
}

#[test]
fn every_good_job_is_valid() {
    let strict = validator(true);
    let demo = include_str!("../assets/demo/installer/job.yaml");
    for text in [INSTALLER, INSTALLER_JSON, EVERYTHING, demo] {
        let document = document(text).unwrap();
        let errors: Vec<_> = strict.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}

#[test]
fn bad_jobs_are_refused_as_far_as_a_schema_sees() {
    let lenient = validator(false);
    let (mut unreadable, mut refused, mut taken) = (0, 0, Vec::new());
    // The reader refuses most of what is no document, or is too large, before anybody sees values.
    for bad in bad::files() {
        let text = String::from_utf8_lossy(&bad.bytes);
        match document(&text).filter(|_| text.len() < 100_000) {
            None => unreadable += 1,
            Some(document) if !lenient.is_valid(&document) => refused += 1,
            Some(_) => taken.push(bad.what),
        }
    }
    assert_eq!(taken, UNSEEN);
    assert_eq!((unreadable, refused), (28, 113));
}

/// Makes values of a schema: all that is needed, and of the rest what the dice say.
struct Maker {
    root: Value,
    dice: u64,
}

impl Maker {
    /// 0 to `most - 1`.
    fn roll(&mut self, most: usize) -> usize {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.dice >> 33) as usize % most
    }

    fn pick(&mut self, list: &[Value]) -> Value {
        let at = self.roll(list.len());
        list[at].clone()
    }

    /// The schema without its reference; what stands beside the reference wins.
    fn resolve(&self, schema: &Value) -> Value {
        let Some(to) = schema["$ref"].as_str() else { return schema.clone() };
        let mut found = self.resolve(self.root.pointer(&to[1..]).unwrap());
        let found_map = found.as_object_mut().unwrap();
        found_map.extend(schema.as_object().unwrap().clone());
        found_map.remove("$ref");
        found
    }

    fn make(&mut self, schema: &Value) -> Value {
        let schema = self.resolve(schema);
        for list in ["examples", "enum"] {
            if let Some(list) = schema[list].as_array() {
                return self.pick(list);
            }
        }
        if !schema["const"].is_null() {
            return schema["const"].clone();
        }
        if let Some(forms) = schema["anyOf"].as_array() {
            let can_be_made =
                |form: &&Value| form["pattern"].is_null() || form["examples"].is_array();
            let forms: Vec<_> = forms.iter().filter(can_be_made).cloned().collect();
            let form = self.pick(&forms);
            return self.make(&form);
        }
        match schema["type"].as_str() {
            Some("object") => self.make_map(&schema),
            Some("array") => {
                let count = 1 + self.roll(2);
                (0..count).map(|_| self.make(&schema["items"])).collect()
            }
            Some("boolean") => (self.roll(2) == 1).into(),
            Some("integer" | "number") => (1 + self.roll(7)).into(),
            Some("null") => Value::Null,
            _ => "abc".into(),
        }
    }

    fn make_map(&mut self, schema: &Value) -> Value {
        let mut map = Map::new();
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let is_alive = |key: &Value| key["not"].is_null() && key["deprecated"].is_null();
        let alive: Vec<_> = properties.iter().filter(|(_, key)| is_alive(key)).collect();
        if schema["maxProperties"] == 1 {
            let (name, key) = alive[self.roll(alive.len())];
            map.insert(name.clone(), self.make(key));
            return map.into();
        }
        for (name, key) in alive {
            let is_needed =
                schema["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            if is_needed || self.roll(2) == 1 {
                map.insert(name.clone(), self.make(key));
            }
        }
        if properties.is_empty() && schema["additionalProperties"].is_object() {
            // The name that the example of an image's arguments has.
            map.insert("disk".into(), self.make(&schema["additionalProperties"]));
        }
        map.into()
    }

    /// A whole job. What no schema says is mended: the order of actions, times that must fit.
    fn job(&mut self) -> Value {
        let root = self.root.clone();
        let mut job = self.make(&root);
        let define = |name: &str| json!({ "$ref": format!("#/$defs/{name}") });
        let mut actions = vec![json!({ "boot": self.make(&define("boot")) })];
        if self.roll(2) == 1 {
            actions.insert(0, json!({ "deploy": self.make(&define("deploy")) }));
        }
        actions.push(json!({ "test": self.make(&define("test")) }));
        job["actions"] = actions.into();
        job["timeouts"] = json!({ "job": "1d" });
        mend(&mut job);
        job
    }

    /// Writes out what is not said.
    fn fill(&self, schema: &Value, value: &mut Value) {
        let schema = self.resolve(schema);
        if let Some(forms) = schema["anyOf"].as_array() {
            let kind = if value.is_object() { "object" } else { "array" };
            for form in forms.iter().map(|form| self.resolve(form)) {
                if form["type"] == kind || form["anyOf"].is_array() {
                    let is_step = |key: &String| form["properties"].get(key).is_some();
                    if value.as_object().is_none_or(|map| map.keys().all(is_step))
                        || form["anyOf"].is_array()
                    {
                        self.fill(&form, value);
                    }
                }
            }
            return;
        }
        match value {
            Value::Array(items) => {
                items.iter_mut().for_each(|item| self.fill(&schema["items"], item))
            }
            Value::Object(map) => {
                let empty = Map::new();
                for (name, key) in schema["properties"].as_object().unwrap_or(&empty) {
                    match map.get_mut(name) {
                        Some(value) => self.fill(key, value),
                        None if !key["default"].is_null() => {
                            map.insert(name.clone(), key["default"].clone());
                        }
                        None => {}
                    }
                }
                if schema["additionalProperties"].is_object() {
                    map.values_mut()
                        .for_each(|value| self.fill(&schema["additionalProperties"], value));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

fn mend(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mend),
        Value::Object(map) => {
            if let Some(still) = map.get_mut("wait_still_screen") {
                *still = if still.is_object() { json!({ "stilltime": "3s" }) } else { json!("3s") };
            }
            if map.contains_key("append") || map.contains_key("initrd") {
                map.insert("kernel".into(), json!("vmlinuz"));
            }
            if map.contains_key("steps") && !map.contains_key("module") {
                map.insert("needles".into(), json!("needles"));
            }
            map.values_mut().for_each(mend);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn jobs_made_from_the_schema_are_read(dice: u64) {
        let mut maker = Maker { root: schema(true), dice };
        let job = maker.job();
        let validator = validator(true);
        let errors: Vec<_> = validator.iter_errors(&job).map(|error| error.to_string()).collect();
        prop_assert!(errors.is_empty(), "{errors:?}\n{job:#}");
        let told = read(&job.to_string(), "job.json", Options { strict: true, ..Options::default() });
        prop_assert!(told.is_ok(), "{}\n{job:#}", told.unwrap_err());
    }

    #[test]
    fn writing_out_what_is_usual_changes_nothing(dice: u64) {
        let mut maker = Maker { root: schema(true), dice };
        let mut job = maker.job();
        // What it asks for changes what is usual.
        job.as_object_mut().unwrap().remove("context");
        let mut full = job.clone();
        maker.fill(&maker.root, &mut full);
        prop_assume!(full != job);
        let of = |job: &Value| {
            let told = read(&job.to_string(), "job.json", Options { strict: true, ..Options::default() });
            // Who has said a timeout is another, and may be.
            told.map(|read| placeless(&read.definition)).map_err(|problems| format!("{problems}\n{job:#}"))
        };
        prop_assert_eq!(of(&job), of(&full));
    }
}
