//! Holds the code to the order of rooms drawn in `src/lib.rs`: a room imports only from rooms above
//! its own line, and not from its neighbours on the same line. Test code is exempt, and so are
//! `lib.rs` and `main.rs`, which stand outside the house.
//!
//! This reads text, not types: `crate::…` is seen in every form it is written in, a path that
//! climbs out of a room with `super::` is not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Room to the line it stands on, the topmost being 0.
type Order = BTreeMap<String, usize>;

#[test]
fn every_room_imports_only_from_above() {
    let source = source();
    let lib = fs::read_to_string(source.join("lib.rs")).unwrap();
    let order = order(&lib);
    let mut crossings = Vec::new();
    for file in rust_files(&source) {
        let place = file.strip_prefix(&source).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        crossings.extend(crossings_in(&order, place, &text));
    }
    assert!(crossings.is_empty(), "\n{}\n", crossings.join("\n"));
}

#[test]
fn the_drawing_names_the_rooms_there_are() {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let declared: BTreeSet<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    assert_eq!(order(&lib).into_keys().collect::<BTreeSet<_>>(), declared);
}

#[test]
fn a_crossing_is_shown_in_whatever_form_it_is_written() {
    let lib = "\
//! Words.
//!
//! ```text
//! model                words everyone shares
//! vm  store            each the only one to touch its resource
//! engine               one job
//! ```
";
    let order = order(lib);
    assert_eq!(order.keys().collect::<Vec<_>>(), ["engine", "model", "store", "vm"]);
    for (case, place, text, crossings) in [
        ("from above", "engine/run.rs", "use crate::{model::Job, vm::Guest};", 0),
        ("from its own", "vm/args.rs", "use crate::vm::Guest;", 0),
        ("from below", "vm/args.rs", "use crate::engine::Run;", 1),
        ("from a neighbour", "vm/args.rs", "use crate::store::Reader;", 1),
        ("a room of one file", "model.rs", "use crate::vm::Guest;", 1),
        ("in a group", "vm/args.rs", "use crate::{\n model::{Job, engine},\n store::Reader };", 1),
        (
            "all by themselves",
            "vm/args.rs",
            "fn f() { crate::engine::start(crate::store::open()) }",
            2,
        ),
        ("the whole room", "vm/args.rs", "use crate::engine;", 1),
        ("a room nobody drew", "vm/args.rs", "use crate::attic::Box;", 1),
        ("a room that is not drawn itself", "attic/mod.rs", "", 1),
        ("in words", "vm/args.rs", "// crate::engine\n/// [`crate::engine`]\nfn f() {}", 0),
        (
            "in a string",
            "vm/args.rs",
            r##"const A: &str = "crate::engine \" "; const B: &str = r#"" crate::engine"#;"##,
            0,
        ),
        (
            "after a quote that opens no string",
            "vm/args.rs",
            r#"const A: char = '"'; fn f<'a>() { crate::engine::start() }"#,
            1,
        ),
        (
            "in a test",
            "vm/args.rs",
            "#[cfg(test)]\nmod tests { mod a {} use crate::engine::Run; }",
            0,
        ),
        ("after a test", "vm/args.rs", "#[cfg(test)]\nmod tests { } use crate::engine::Run;", 1),
        (
            "after tests in a file of their own",
            "vm/args.rs",
            "#[cfg(test)]\nmod tests;\nuse crate::engine::Run;",
            1,
        ),
        ("in a file of tests", "vm/args/tests.rs", "use crate::engine::Run;", 0),
    ] {
        let found = crossings_in(&order, Path::new(place), text);
        assert_eq!(found.len(), crossings, "{case}: {found:?}");
    }
    let shown = crossings_in(&order, Path::new("vm/args.rs"), "\n\nuse crate::engine::Run;");
    assert_eq!(shown, ["src/vm/args.rs:3: vm uses engine, which is not above it"]);
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Reads the drawing: on each line the names of rooms, two spaces apart, up to the wider gap before
/// the words about them.
fn order(lib: &str) -> Order {
    let drawing = lib
        .lines()
        .map(|line| line.strip_prefix("//!").unwrap_or(line).trim_start())
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```");
    let mut order = Order::new();
    for (depth, line) in drawing.enumerate() {
        let names = line.split_once("   ").map_or(line, |(names, _)| names);
        order.extend(names.split_whitespace().map(|name| (name.to_owned(), depth)));
    }
    order
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// What the file at `place` (below `src/`) must not import, one line for each.
fn crossings_in(order: &Order, place: &Path, text: &str) -> Vec<String> {
    let outside = ["lib.rs", "main.rs"].iter().any(|name| place == Path::new(name));
    if outside || place.file_name().is_some_and(|name| name == "tests.rs") {
        return Vec::new();
    }
    let first = place.iter().next().unwrap().to_str().unwrap();
    let room = first.strip_suffix(".rs").unwrap_or(first);
    let Some(own) = order.get(room) else {
        return vec![format!("src/{}: {room} is not drawn in lib.rs", place.display())];
    };
    let mut crossings = Vec::new();
    for (line, used) in rooms_used(&without_tests(&code_only(text))) {
        let fault = match order.get(&used) {
            _ if used == room => continue,
            Some(depth) if depth < own => continue,
            Some(_) => format!("{room} uses {used}, which is not above it"),
            None => format!("{room} uses {used}, which is not drawn in lib.rs"),
        };
        crossings.push(format!("src/{}:{line}: {fault}", place.display()));
    }
    crossings
}

/// The names that follow `crate::`, each with its line, also those in `crate::{…}`.
fn rooms_used(code: &str) -> Vec<(usize, String)> {
    let name_at = |at: usize| -> String {
        code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut used = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let after = at + path.len();
        if !code[after..].starts_with('{') {
            used.push((after, name_at(after)));
            continue;
        }
        let mut depth = 0;
        let mut expects_name = false;
        for (offset, c) in code[after..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            match c {
                '}' if depth == 0 => break,
                '{' | ',' if depth == 1 => expects_name = true,
                _ if c.is_whitespace() => {}
                _ if expects_name => {
                    used.push((after + offset, name_at(after + offset)));
                    expects_name = false;
                }
                _ => {}
            }
        }
    }
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    used.into_iter().map(|(at, name)| (line_of(at), name)).collect()
}

/// The same text with comments, strings and quoted characters blanked; lines stay where they are.
fn code_only(text: &str) -> String {
    // In this order: a raw string, a comment or a character may hold a quote that opens no string.
    let other = regex::Regex::new(concat!(
        r####"(?s)r###".*?"###|r##".*?"##|r#".*?"#|\br".*?""####,
        r#"|//[^\n]*|/\*.*?\*/"#,
        r#"|b?'(?:[^'\\\n]|\\[^\n]{1,9}?)'"#,
        r#"|"(?:[^"\\]|\\.)*""#,
    ))
    .unwrap();
    let blank = |found: &regex::Captures<'_>| {
        found[0].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>()
    };
    other.replace_all(text, blank).into_owned()
}

/// The same code with every item under `#[cfg(test)]` blanked.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, item) = rest.split_at(at);
        let end = item_length(item);
        kept.push_str(before);
        kept.extend(item[..end].chars().filter(|c| *c == '\n'));
        rest = &item[end..];
    }
    kept + rest
}

/// An item ends with its first semicolon outside of braces, or where its braces close.
fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            return at + 1;
        }
    }
    item.len()
}
