//! `%NAME%` in the text of steps, paths and kernel command lines.
//!
//! A name begins with a letter or `_`, so `100% sure` is text. `%%` is one percent sign, for
//! `date +%%Y%%m`. Values are put in as they are and not looked at again.

use std::collections::BTreeMap;

use super::{
    Problem,
    node::excerpt,
    reader::{Report, Spot, nearest},
};

/// Longest text after its variables are put in, bytes.
pub(super) const LONGEST_TEXT: usize = 64 << 10;
/// All text of one job after its variables are put in, bytes.
const MOST_TEXT: usize = 8 << 20;

#[derive(Debug)]
pub(super) struct Variables<'s> {
    settings: &'s BTreeMap<String, String>,
    left: usize,
}

impl<'s> Variables<'s> {
    pub(super) const fn new(settings: &'s BTreeMap<String, String>) -> Self {
        Self { settings, left: MOST_TEXT }
    }

    /// The text here with its variables put in.
    pub(super) fn text(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<String> {
        let text = spot.text(report, LONGEST_TEXT)?;
        self.put_in(report, spot, &text)
    }

    /// The line of text here with its variables put in, not empty.
    pub(super) fn line(&mut self, report: &mut Report, spot: &Spot<'_>) -> Option<String> {
        let text = spot.line(report, LONGEST_TEXT)?;
        let text = self.put_in(report, spot, &text)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            let found = format!("{:?} once its variables are put in", excerpt(&text));
            let expected = "one line of text, not empty";
            report.add(Problem::new(spot.place(), &spot.path, found, expected));
            return None;
        }
        Some(text)
    }

    fn put_in(&mut self, report: &mut Report, spot: &Spot<'_>, text: &str) -> Option<String> {
        let whole = match expand(text, self.settings) {
            Ok(whole) => whole,
            Err(unknown) => {
                let found = format!("the variable %{unknown}%");
                let expected = "a variable that `settings:` has";
                let names = self.settings.keys().map(String::as_str);
                let help = nearest(&unknown, names)
                    .unwrap_or_else(|| "write %% for a percent sign".into());
                report.add(Problem::new(spot.place(), &spot.path, found, expected).help(help));
                return None;
            }
        };
        let fits = whole.len() <= LONGEST_TEXT;
        match self.left.checked_sub(whole.len()).filter(|_| fits) {
            Some(left) => {
                self.left = left;
                Some(whole)
            }
            None => {
                let found = format!("{} bytes once its variables are put in", whole.len());
                let expected =
                    format!("at most {LONGEST_TEXT} bytes here and {MOST_TEXT} in the whole job");
                report.add(Problem::new(spot.place(), &spot.path, found, expected));
                None
            }
        }
    }
}

/// Puts the variables in, or returns the name nobody defined. Stops once the text is too long.
fn expand(text: &str, settings: &BTreeMap<String, String>) -> Result<String, String> {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        whole.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            whole.push('%');
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match after.strip_prefix('%').filter(|_| is_name(name)) {
            None => whole.push('%'),
            Some(after) => {
                whole.push_str(settings.get(name).ok_or_else(|| excerpt(name))?);
                rest = after;
            }
        }
        if whole.len() > LONGEST_TEXT {
            break;
        }
    }
    whole.push_str(rest);
    Ok(whole)
}

/// What [`is_name`] takes, for the schema.
pub(super) const VARIABLE: &str = "[A-Za-z_][A-Za-z0-9_]*";

/// Whether a setting of this name can be named in a text.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_and_percent_signs_left_alone() {
        let settings = [("A", "1"), ("LONG_NAME", "%A%")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for (text, want) in [
            ("plain", Ok("plain")),
            ("%A%", Ok("1")),
            ("x%A%y%A%", Ok("x1y1")),
            ("%LONG_NAME%", Ok("%A%")),
            ("100% sure, 50%", Ok("100% sure, 50%")),
            ("date +%%Y%%m%%d", Ok("date +%Y%m%d")),
            ("%%A%%", Ok("%A%")),
            ("%20%", Ok("%20%")),
            ("%é%", Ok("%é%")),
            ("%B%", Err("B")),
        ] {
            let found = expand(text, &settings);
            assert_eq!(found.as_deref().map_err(String::as_str), want, "{text}");
        }
    }
}
