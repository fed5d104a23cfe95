//! The handbook's reference of job files and steps, written from the forms the reader reads by.

use std::fmt::Write as _;

use super::{
    actions::ACTION,
    form::{Bare, Block, Form, Key, Kind, Word},
    read::JOB,
    screen::MODULE,
    value::DURATION,
    verbs::{VERBS, Verb},
};

/// Every block of a job file with its keys. Markdown, with a heading of the second level for each.
pub fn job_file_reference() -> String {
    let mut forms: Vec<&'static Form> = vec![&JOB];
    let mut at = 0;
    while let Some(form) = forms.get(at) {
        for key in form.keys() {
            below(&key.kind, &mut forms);
        }
        at += 1;
    }
    forms.iter().map(|form| block(form)).collect()
}

/// Every verb with its arguments. Markdown, as above.
pub fn steps_reference() -> String {
    VERBS.iter().map(verb).collect()
}

/// Collects the forms a value may have, each once, in the order in which they are met.
fn below(kind: &'static Kind, forms: &mut Vec<&'static Form>) {
    let mut meet = |form: &'static Form| {
        if forms.iter().all(|known| known.name != form.name) {
            forms.push(form);
        }
    };
    match kind {
        Kind::Form(form) | Kind::PathOr(form) => meet(form),
        Kind::Item => meet(&MODULE),
        Kind::Duration { .. } => meet(&DURATION),
        Kind::List { of, .. } | Kind::OneOrMore { of, .. } | Kind::Map { of, .. } => {
            below(of, forms);
        }
        Kind::Either(one, other) => {
            below(one, forms);
            below(other, forms);
        }
        Kind::Text { .. }
        | Kind::Line { .. }
        | Kind::Name { .. }
        | Kind::Words(_)
        | Kind::WordsOrFalse(_)
        | Kind::Switch
        | Kind::Flag
        | Kind::Number { .. }
        | Kind::Real { .. }
        | Kind::Memory
        | Kind::Path
        | Kind::Sum
        | Kind::Stream
        | Kind::Keys
        | Kind::Typed { .. }
        | Kind::Regex { .. }
        | Kind::Step
        | Kind::Nothing
        | Kind::Anything => {}
    }
}

fn block(form: &Form) -> String {
    let whose = match form.block {
        Block::Lava => "LAVA's block: an unknown key is a warning, and an error with `--strict`.",
        Block::Ours => "Sutler's own: an unknown key is an error.",
    };
    let mut text = format!("## `{}`\n\n{}\n\n*{whose}*\n\n", form.name, form.doc);
    keys(&mut text, form);
    not_done(&mut text, "Refused, with the reason:", form.refused());
    not_done(&mut text, "Read and not used, with a warning:", form.ignored());
    text
}

fn verb(verb: &Verb) -> String {
    let name = verb.form.name;
    let mut text = format!("## `{name}`\n\n{}\n\n", verb.form.doc);
    match (verb.short, verb.is_word) {
        (Some(short), true) => {
            let _ = write!(
                text,
                "May be written alone, as `{name}`, or with `{short}` only, as `{name}: …`.\n\n"
            );
        }
        (Some(short), false) => {
            let _ = write!(text, "With `{short}` only, it is written short: `{name}: …`.\n\n");
        }
        (None, _) => text.push_str("It has no arguments.\n\n"),
    }
    keys(&mut text, &verb.form);
    let _ = write!(text, "**Result.** {}\n\n```yaml steps\n{}```\n\n", verb.result, verb.example);
    text
}

fn keys(text: &mut String, form: &Form) {
    if form.keys().next().is_none() {
        return;
    }
    text.push_str("| Key | Value | Unless given | What it is |\n| --- | --- | --- | --- |\n");
    for key in form.keys() {
        let Key { name, doc, .. } = key;
        let usual = match (key.needed, key.usual) {
            (Some(_), _) => "*needed*".to_owned(),
            (None, Some(usual)) => format!("`{usual}`"),
            (None, None) => String::new(),
        };
        let example = key.example.map(|example| format!(" Example: `{name}: {example}`."));
        let ours = if key.is_ours { " *(Sutler's own)*" } else { "" };
        let value = in_words(&key.kind);
        let _ = writeln!(
            text,
            "| `{name}` | {value} | {usual} | {doc}{}{ours} |",
            example.unwrap_or_default().replace('|', "\\|"),
        );
    }
    text.push('\n');
}

fn not_done(text: &mut String, title: &str, list: impl Iterator<Item = super::form::NotDone>) {
    let mut list = list.peekable();
    if list.peek().is_none() {
        return;
    }
    let _ = write!(text, "{title}\n\n");
    for (name, why) in list {
        let _ = writeln!(text, "- `{name}`: {why}");
    }
    text.push('\n');
}

/// What a value may be, in a few words.
fn in_words(kind: &Kind) -> String {
    let linked = |form: &Form| format!("[`{0}`](#{0})", form.name);
    let listed = |words: &[Word]| {
        let word = |word: &Word| match word.doc.trim_end_matches('.') {
            "" => format!("`{}`", word.name),
            doc => format!("`{}` ({doc})", word.name),
        };
        words.iter().map(word).collect::<Vec<_>>().join(", ")
    };
    match kind {
        Kind::Text { .. } => "text".into(),
        Kind::Line { .. } => "one line of text".into(),
        Kind::Name { .. } => "name: letters, digits, `_`, `-`, `.`".into(),
        Kind::Words(words) | Kind::WordsOrFalse(words) => listed(words),
        Kind::Switch | Kind::Flag => "`true` or `false`".into(),
        Kind::Number { least, most } => format!("{least} to {most}"),
        Kind::Real { .. } => "number".into(),
        Kind::Duration { bare: Bare::Seconds, .. } => {
            "[duration](job-file#duration), or seconds".into()
        }
        Kind::Duration { bare: Bare::Refused, .. } => "[duration](job-file#duration)".into(),
        Kind::Memory => "memory, as `512M` or `2G`".into(),
        Kind::Path => "path or `file:///` URL".into(),
        Kind::Sum => "64 hexadecimal digits".into(),
        Kind::Stream => "path of names".into(),
        Kind::Keys => "key names".into(),
        Kind::Typed { .. } => "characters of a US keyboard".into(),
        Kind::Regex { .. } => "regular expression".into(),
        Kind::List { of, .. } => format!("list of: {}", in_words(of)),
        Kind::OneOrMore { of, .. } => format!("{}, or a list", in_words(of)),
        Kind::Form(form) if form.name == ACTION.name => "[actions](#actions)".into(),
        Kind::Form(form) => linked(form),
        Kind::PathOr(form) => format!("path, or {}", linked(form)),
        Kind::Map { of, .. } => format!("names, each with: {}", in_words(of)),
        Kind::Either(one, other) => format!("{}; or {}", in_words(one), in_words(other)),
        Kind::Item => "[steps](screen-steps) and [`module`](#module)".into(),
        Kind::Step => "[steps](screen-steps)".into(),
        Kind::Nothing => "nothing".into(),
        Kind::Anything => "anything".into(),
    }
}
