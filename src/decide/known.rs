//! Decides which known failures a failed job is one of.
//!
//! A rule's expressions come from people who may mean well: each is bounded in length and in what it
//! compiles to, `regex` never backtracks, and what they are tried on is a [`Failure`], which is
//! bounded itself. Rules are tried in the order of their names, so the answer does not depend on who
//! was first; the first that matches gives a job its known failure.

use regex::{Regex, RegexBuilder};

use crate::model::{Failure, KnownRule, Pattern};

/// Letters of an expression or a name.
const LONGEST: usize = 500;
/// Bytes an expression may become.
const COMPILED: usize = 1 << 20;
/// Letters of the notes.
const NOTES: usize = 4_000;

/// What of a rule cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    #[error(
        "a rule's name is made of small letters, digits and dashes, 64 at most and no dash first"
    )]
    Name,
    #[error(
        "the address of a bug begins with http:// or https:// and has no blanks, 500 letters at most"
    )]
    Bug,
    #[error("notes are at most {NOTES} letters long")]
    Notes,
    #[error("a rule that asks for nothing would match every failure")]
    Empty,
    #[error("{part}: at most {LONGEST} letters, and at least one")]
    Length { part: &'static str },
    #[error("{part}: {why}")]
    Expression { part: &'static str, why: String },
}

/// A pattern that is ready to be tried.
#[derive(Debug, Clone)]
pub struct Matcher {
    pattern: Pattern,
    words: Option<Regex>,
    log: Option<Regex>,
    serial: Option<Regex>,
    needle: Option<Regex>,
    job: Option<Regex>,
    device_type: Option<Regex>,
}

impl Matcher {
    /// # Errors
    /// With what of it cannot be used.
    pub fn new(pattern: &Pattern) -> Result<Self, BadRule> {
        if *pattern == Pattern::default() {
            return Err(BadRule::Empty);
        }
        Ok(Self {
            pattern: pattern.clone(),
            words: expression("words", pattern.words.as_deref())?,
            log: expression("log", pattern.log.as_deref())?,
            serial: expression("serial", pattern.serial.as_deref())?,
            needle: name("needle", pattern.needle.as_deref())?,
            job: name("job", pattern.job.as_deref())?,
            device_type: name("device type", pattern.device_type.as_deref())?,
        })
    }

    /// Whether everything that is asked for holds.
    pub fn matches(&self, failure: &Failure) -> bool {
        let Pattern { codes, who, .. } = &self.pattern;
        let step = failure.step.as_ref();
        let needles = step.into_iter().flat_map(|step| step.needles.iter().chain(&step.tags));
        (codes.is_empty() || codes.contains(&failure.code))
            && who.is_none_or(|who| who == failure.who)
            && holds(self.job.as_ref(), [&failure.job])
            && holds(self.device_type.as_ref(), [&failure.device_type])
            && holds(self.needle.as_ref(), needles)
            && holds(self.words.as_ref(), [&failure.words])
            && holds(self.log.as_ref(), failure.evidence.iter().chain(&failure.log))
            && holds(self.serial.as_ref(), &failure.serial)
    }
}

/// Whether one of these is what is asked for, if anything is.
fn holds<'a>(asked: Option<&Regex>, lines: impl IntoIterator<Item = &'a String>) -> bool {
    asked.is_none_or(|asked| lines.into_iter().any(|line| asked.is_match(line)))
}

/// Whether this rule recognises this failure, on or off. One that cannot be used recognises none.
pub fn matches(rule: &KnownRule, failure: &Failure) -> bool {
    Matcher::new(&rule.pattern).is_ok_and(|matcher| matcher.matches(failure))
}

/// Those of `rules` that are on and recognise this failure, by name.
pub fn matching<'a>(rules: &'a [KnownRule], failure: &Failure) -> Vec<&'a KnownRule> {
    let mut found: Vec<_> =
        rules.iter().filter(|rule| rule.enabled && matches(rule, failure)).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Whether a rule can be kept as it is.
///
/// # Errors
/// With the first thing that cannot.
pub fn check(rule: &KnownRule) -> Result<(), BadRule> {
    if !is_name(&rule.name) {
        return Err(BadRule::Name);
    }
    if rule.bug.as_deref().is_some_and(|bug| !is_address(bug)) {
        return Err(BadRule::Bug);
    }
    if rule.notes.chars().count() > NOTES {
        return Err(BadRule::Notes);
    }
    Matcher::new(&rule.pattern).map(drop)
}

/// Whether a rule may have this name, which stands in addresses and commands without quotes.
pub fn is_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('-')
}

/// What a page may lead to: nothing a browser would carry out.
fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    text.len() <= LONGEST
        && text.chars().all(is_plain)
        && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '['))
}

fn expression(part: &'static str, text: Option<&str>) -> Result<Option<Regex>, BadRule> {
    let Some(text) = text else { return Ok(None) };
    if text.is_empty() || text.chars().count() > LONGEST {
        return Err(BadRule::Length { part });
    }
    let built = RegexBuilder::new(text).size_limit(COMPILED).dfa_size_limit(COMPILED).build();
    built.map(Some).map_err(|error| BadRule::Expression { part, why: error.to_string() })
}

/// A shell's pattern, or an expression between slashes; it has to fit from end to end.
fn name(part: &'static str, text: Option<&str>) -> Result<Option<Regex>, BadRule> {
    let Some(text) = text else { return Ok(None) };
    if text.is_empty() || text.chars().count() > LONGEST {
        return Err(BadRule::Length { part });
    }
    let inner = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let whole = match inner.filter(|inner| !inner.is_empty()) {
        Some(inner) => format!("^(?:{inner})$"),
        None => of_shell_pattern(text),
    };
    let built = RegexBuilder::new(&whole).size_limit(COMPILED).dfa_size_limit(COMPILED).build();
    built.map(Some).map_err(|error| BadRule::Expression { part, why: error.to_string() })
}

fn of_shell_pattern(text: &str) -> String {
    let mut whole = String::from("(?s)^");
    for letter in text.chars() {
        match letter {
            '*' => whole.push_str(".*"),
            '?' => whole.push('.'),
            other => whole.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    whole.push('$');
    whole
}

/// What would recognise failures like this one: a beginning for a rule, made of what does not change
/// from run to run.
pub fn suggestion(failure: &Failure) -> Pattern {
    let tag = telling_tag(failure);
    let mut pattern = Pattern { codes: vec![failure.code], ..Pattern::default() };
    match tag {
        Some(tag) => pattern.needle = Some(literal(tag)),
        None => pattern.job = Some(literal(&failure.job)),
    }
    pattern
}

/// The first tag that was asked for. Those of needles that were merely near tell nothing.
fn telling_tag(failure: &Failure) -> Option<&String> {
    let step = failure.step.as_ref()?;
    step.tags.iter().find(|tag| step.subject.split([' ', ',']).any(|asked| asked == **tag))
}

/// A name that stands for itself, where `*` and slashes would not.
fn literal(name: &str) -> String {
    let short: String = name.chars().take(LONGEST / 4).collect();
    let is_cut = short.len() < name.len();
    if !is_cut && !short.contains(['*', '?']) && !short.starts_with('/') {
        return short;
    }
    format!("/{}{}/", regex::escape(&short), if is_cut { ".*" } else { "" })
}

/// A name for a rule about failures like this one.
pub fn suggested_name(failure: &Failure) -> String {
    let tag = telling_tag(failure).unwrap_or(&failure.job);
    let words = format!("{}-{tag}", failure.code.name());
    let mut name = String::new();
    for letter in words.chars() {
        match letter.to_ascii_lowercase() {
            letter @ ('a'..='z' | '0'..='9') => name.push(letter),
            _ if !name.ends_with('-') && !name.is_empty() => name.push('-'),
            _ => {}
        }
    }
    name.truncate(48);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests;
