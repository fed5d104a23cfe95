//! What the libraries that read requests say of one they do not understand, in our words. What has no
//! words of ours yet is told as they say it.

use crate::markup::words::shorten;

/// Bytes of a name somebody has sent.
const LONGEST: usize = 60;

/// A fact of serde about a `thing` of a request, a parameter or a field; with the name of the thing,
/// where serde tells it.
pub(super) fn spoken(fact: &str, thing: &str) -> String {
    if let Some(words) = no_such(fact, thing) {
        return words;
    }
    let is_name = |text: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.[]".contains(c);
        !text.is_empty() && text.chars().all(plain)
    };
    match fact.split_once(": ") {
        Some((name, fact)) if is_name(name) => format!("{name}: {}", plain(fact)),
        Some(_) | None => plain(fact),
    }
}

/// Of what does not exist serde says what does: the name that was sent is in quotes, those there are
/// come behind it.
fn no_such(fact: &str, thing: &str) -> Option<String> {
    let (before, there) = match fact.rfind("`, there are no fields") {
        Some(end) => (&fact[..end], Vec::new()),
        None => {
            let end = fact.rfind("`, expected ")?;
            // Every second one stands between quotes.
            let there = fact[end + 1..].split('`').skip(1).step_by(2).collect();
            (&fact[..end], there)
        }
    };
    let (name, thing) = match before.split_once("unknown field `") {
        Some((_, name)) => (name, thing),
        None => (before.split_once("unknown variant `")?.1, "choice"),
    };
    let name = shorten(name, LONGEST);
    Some(match there.as_slice() {
        [] => format!("there is no {thing} {name} here; there are none"),
        [only] => format!("there is no {thing} {name} here; there is: {only}"),
        all => format!("there is no {thing} {name} here; there are: {}", all.join(", ")),
    })
}

fn plain(fact: &str) -> String {
    let quoted = |start: &str| Some(fact.strip_prefix(start)?.split('`').next()?.to_owned());
    if let Some(name) = quoted("missing field `") {
        return format!("{name} is missing");
    }
    if let Some(name) = quoted("duplicate field `") {
        return format!("{name} is there twice");
    }
    let other = fact.strip_prefix("invalid type: ");
    if let Some((found, wanted)) = other.and_then(|pair| pair.rsplit_once(", expected ")) {
        return format!("{} where {} belongs", kind(found), wish(wanted));
    }
    match fact {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "a whole number belongs here".into()
        }
        "number too large to fit in target type" => "the number is too large".into(),
        "provided string was not `true` or `false`" => "true or false belongs here".into(),
        _ => fact.into(),
    }
}

/// What was found, as a person calls it: serde's word for it and then the value.
fn kind(found: &str) -> &str {
    match found.split(' ').next() {
        Some("string") => "a text",
        Some("integer" | "floating") => "a number",
        Some("boolean") => "true or false",
        Some("map") => "an object",
        Some("sequence") => "a list",
        Some("null" | "unit") => "nothing",
        Some(_) | None => found,
    }
}

fn wish(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "string" | "str" => "a text",
        "a boolean" | "boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

/// Why a body is not the JSON that belongs there.
pub(super) fn of_json(body: &[u8], error: &serde_json::Error) -> String {
    if body.trim_ascii().is_empty() {
        return "the body is empty; it takes JSON".into();
    }
    let words = error.to_string();
    let at = format!(" at line {} column {}", error.line(), error.column());
    let fact = words.strip_suffix(&at).unwrap_or(&words);
    let place = format!("at line {}, column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => {
            format!("the body is not what is expected {place}: {}", spoken(fact, "field"))
        }
        serde_json::error::Category::Eof => {
            format!("the body is JSON that ends too early, {place}")
        }
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("the body is no JSON {place}: {fact}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read into")]
    struct Asked {
        limit: u64,
        name: Option<String>,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        how: Option<How>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum How {
        Fast,
        Slow,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[test]
    fn a_body_that_is_not_understood_is_told_in_our_words() {
        let wrong = "the body is not what is expected at line 1, column";
        for (body, words) in [
            ("", "the body is empty; it takes JSON".to_owned()),
            (" \n", "the body is empty; it takes JSON".to_owned()),
            ("{", "the body is JSON that ends too early, at line 1, column 1".to_owned()),
            ("{]", "the body is no JSON at line 1, column 2: key must be a string".to_owned()),
            ("{}", format!("{wrong} 2: limit is missing")),
            (r#"{"limit":"abc"}"#, format!("{wrong} 14: a text where a whole number belongs")),
            (r#"{"limit":1.5}"#, format!("{wrong} 12: a number where a whole number belongs")),
            (r#"{"limit":null}"#, format!("{wrong} 13: nothing where a whole number belongs")),
            (r#"{"name":[]}"#, format!("{wrong} 8: a list where a text belongs")),
            (r#"{"on":{}}"#, format!("{wrong} 6: an object where true or false belongs")),
            (r#"{"limit":1,"limit":1}"#, format!("{wrong} 18: limit is there twice")),
            (
                r#"{"colour":1}"#,
                format!(
                    "{wrong} 9: there is no field colour here; there are: limit, name, on, how"
                ),
            ),
            (
                r#"{"how":"well"}"#,
                format!("{wrong} 13: there is no choice well here; there are: fast, slow"),
            ),
            ("7", format!("{wrong} 1: a number where an object belongs")),
        ] {
            let error = serde_json::from_str::<Asked>(body).unwrap_err();
            assert_eq!(of_json(body.as_bytes(), &error), words, "{body}");
        }
        let error = serde_json::from_str::<Nothing>(r#"{"a`, expected b":1}"#).unwrap_err();
        let words = of_json(b"{", &error);
        assert!(
            words.ends_with("there is no field a`, expected b here; there are none"),
            "{words}"
        );
        assert!(serde_json::from_str::<Asked>(r#"{"limit":1,"how":"fast"}"#).is_ok());
    }

    #[test]
    fn a_parameter_that_is_not_understood_is_named() {
        for (fact, words) in [
            (
                "foo: unknown field `foo`, expected `cursor` or `limit`",
                "there is no parameter foo here; there are: cursor, limit",
            ),
            (
                "foo: unknown field `foo`, expected `bar`",
                "there is no parameter foo here; there is: bar",
            ),
            ("limit: invalid digit found in string", "limit: a whole number belongs here"),
            ("limit: number too large to fit in target type", "limit: the number is too large"),
            (
                "check: provided string was not `true` or `false`",
                "check: true or false belongs here",
            ),
            ("since: 30 d is no length of time", "since: 30 d is no length of time"),
            ("missing field `job`", "job is missing"),
        ] {
            assert_eq!(spoken(fact, "parameter"), words);
        }
    }
}
