//! Scalars: text, numbers, switches, choices, durations, sizes.
//!
//! YAML guesses types, people are surprised by the guesses. Text is therefore always the text that
//! was written, and a number or a switch is read only where one is expected, in its plainest form.

use std::{ops::RangeInclusive, time::Duration};

use super::{
    Problem,
    form::{Bare, Block, Choice, Form, Key, Kind},
    node::Value,
    reader::{Report, Spot, listed, nearest},
};
use crate::model::{
    Timeout, TimeoutOrigin,
    quantity::{self, LEAST_MEMORY_MIB, decimal},
};

/// Nothing in a job may take longer.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// LAVA's way to write a duration.
pub(super) static DURATION: Form = Form {
    doc: "A duration with one unit, as LAVA has it. `5m` is the same, and shorter.",
    keys: &[
        Key::new("days", Kind::Number { least: 0, most: 7 }, "Days."),
        Key::new("hours", Kind::Number { least: 0, most: 7 * 24 }, "Hours."),
        Key::new("minutes", Kind::Number { least: 0, most: 7 * 24 * 60 }, "Minutes."),
        Key::new("seconds", Kind::Number { least: 0, most: 7 * 24 * 60 * 60 }, "Seconds."),
    ],
    refused: &[("skip", "a test that runs out of time ends the job in this version")],
    ..Form::new("duration", Block::Ours, "one of days, hours, minutes, seconds")
};
/// Its units, in seconds.
const UNITS: [(&str, u64); 4] =
    [("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)];
/// Memory of one guest, at most: 1 TiB.
pub(super) const MOST_MEMORY_MIB: u32 = 1 << 20;

impl Spot<'_> {
    /// Any scalar, as it was written, at most `longest` bytes.
    pub(super) fn text(&self, report: &mut Report, longest: usize) -> Option<String> {
        let Value::Scalar { text, .. } = &self.node.value else {
            let problem = self.problem("text");
            report.add(match self.node.value {
                Value::Map(_) => problem.help("text with `{` or `: ` in it needs quotes"),
                Value::Null => problem.help("write \"\" for an empty text"),
                Value::List(_) | Value::Scalar { .. } => problem,
            });
            return None;
        };
        if text.len() > longest {
            let found = format!("{} bytes", text.len());
            let expected = format!("at most {longest} bytes of text");
            report.add(Problem::new(self.place(), &self.path, found, expected));
            return None;
        }
        Some(text.clone())
    }

    /// Text of one line that is not empty.
    pub(super) fn line(&self, report: &mut Report, longest: usize) -> Option<String> {
        let text = self.text(report, longest)?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            report.add(self.problem("one line of text, not empty"));
            return None;
        }
        Some(text)
    }

    /// A name made of letters, digits and `_-.`.
    pub(super) fn name(&self, report: &mut Report, longest: usize) -> Option<String> {
        let text = self.line(report, longest)?;
        if text.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char)) {
            return Some(text);
        }
        report.add(self.problem("letters, digits, `_`, `-` and `.` only"));
        None
    }

    pub(super) fn switch(&self, report: &mut Report) -> Option<bool> {
        let answer = match &self.node.value {
            Value::Scalar { text, plain } => switch(text).filter(|_| *plain),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        };
        if answer.is_none() {
            report.add(self.problem("`true` or `false`"));
        }
        answer
    }

    /// One of a few words; a switch that YAML might make of a word is still the word.
    pub(super) fn choice<T: Copy>(&self, report: &mut Report, known: &[Choice<T>]) -> Option<T> {
        let names = || known.iter().map(|(name, ..)| *name);
        let Value::Scalar { text, .. } = &self.node.value else {
            report.add(self.problem(format!("one of {}", listed(names()))));
            return None;
        };
        let found = known.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text));
        if found.is_none() {
            let mut problem = self.problem(format!("one of {}", listed(names())));
            problem.help = nearest(text, names());
            report.add(problem);
        }
        found.map(|(_, value, _)| *value)
    }

    pub(super) fn number(&self, report: &mut Report, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let text = self.scalar().unwrap_or_default();
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if plain && (text == "0" || !text.starts_with('0')) {
            if let Some(number) = text.parse().ok().filter(|number| range.contains(number)) {
                return Some(number);
            }
            report.add(self.problem(expected));
            return None;
        }
        let problem = self.problem(expected);
        report.add(match other_notation(text) {
            Some(value) => problem.help(format!("decimal digits only: {value}")),
            None => problem,
        });
        None
    }

    /// A number that may have a fraction; never infinite, never NaN.
    pub(super) fn real(&self, report: &mut Report, range: RangeInclusive<f64>) -> Option<f64> {
        let number = self.scalar().and_then(decimal).filter(|number| range.contains(number));
        if number.is_none() {
            let expected = format!("a number from {} to {}", range.start(), range.end());
            report.add(self.problem(expected));
        }
        number
    }

    /// `2m`, `1h 30m`, `500ms`, `{minutes: 2}`. A bare number is seconds where `bare` says so.
    pub(super) fn duration(&self, report: &mut Report, bare: Bare) -> Option<Duration> {
        let found = match &self.node.value {
            Value::Map(_) => return self.duration_map(report),
            Value::Scalar { text, .. } => match (decimal(text), bare) {
                (Some(seconds), Bare::Seconds) => Duration::try_from_secs_f64(seconds).ok(),
                (Some(seconds), Bare::Refused) => {
                    let problem = self.problem("a duration with its unit");
                    report.add(problem.help(format!("write {seconds}s or {seconds}m")));
                    return None;
                }
                (None, _) => quantity::duration(text),
            },
            Value::Null | Value::List(_) => None,
        };
        let within = found.filter(|duration| *duration <= LONGEST);
        if within.is_none() {
            let problem = self.problem("a duration up to 7 days, as 90s, 5m, 1h30m");
            report.add(problem);
        }
        within
    }

    /// As [`Self::duration`], but not zero.
    pub(super) fn timeout(&self, report: &mut Report, bare: Bare) -> Option<Duration> {
        let duration = self.duration(report, bare)?;
        if duration.is_zero() {
            report.add(self.problem("more than no time"));
            return None;
        }
        Some(duration)
    }

    /// As [`Self::timeout`], with where it was said.
    pub(super) fn said_timeout(&self, report: &mut Report, bare: Bare) -> Option<Timeout> {
        Some(self.said(self.timeout(report, bare)?))
    }

    /// A time that stands here.
    pub(super) fn said(&self, value: Duration) -> Timeout {
        let (key, line) = (self.path.clone(), self.node.at.line);
        Timeout { value, origin: TimeoutOrigin::JobFile { key, line } }
    }

    fn duration_map(&self, report: &mut Report) -> Option<Duration> {
        let mut fields = self.fields(report, &DURATION)?;
        let mut found = Vec::new();
        for (unit, seconds) in UNITS {
            if let Some(spot) = fields.take(unit) {
                let count = spot.number(report, 0..=LONGEST.as_secs() / seconds);
                found.push(count.map(|count| Duration::from_secs(count * seconds)));
            }
        }
        fields.finish(report);
        match found.as_slice() {
            [one] => *one,
            _ => {
                let problem = self.problem("exactly one of days, hours, minutes, seconds");
                report.add(problem);
                None
            }
        }
    }

    /// Memory in MiB: `1G`, `512M`, or a bare number of MiB.
    pub(super) fn memory(&self, report: &mut Report) -> Option<u32> {
        let mib = self.scalar().and_then(memory_mib);
        if mib.is_none() {
            let problem = self.problem("memory from 4M to 1T, as 512M or 2G");
            report.add(problem.help("a bare number is MiB"));
        }
        mib
    }

    fn scalar(&self) -> Option<&str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// The words that YAML 1.1 and 1.2 take for switches.
pub(super) fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// `512`, `512M`, `2G`, `1.5G`, `2GiB`.
pub fn memory_mib(text: &str) -> Option<u32> {
    let mib = quantity::mib(text)?.round();
    if !(f64::from(LEAST_MEMORY_MIB)..=f64::from(MOST_MEMORY_MIB)).contains(&mib) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some(mib as u32)
}

/// What a number in another notation may have meant, for the explanation.
fn other_notation(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase().replace('_', "");
    let radix = |prefix: &str, radix| {
        lower.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok())
    };
    if let Some(value) = radix("0x", 16).or_else(|| radix("0o", 8)).or_else(|| radix("0b", 2)) {
        return Some(format!("write {value}"));
    }
    if let Some(value) = radix("0", 10) {
        return Some(match radix("0", 8) {
            Some(octal) => format!("write {value}, or {octal} if it was meant as octal"),
            None => format!("write {value}"),
        });
    }
    let value: f64 = lower.parse().ok()?;
    (value.is_finite() && value.fract() == 0.0 && (0.0..1e15).contains(&value))
        .then(|| format!("write {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_mib() {
        for (text, want) in [
            ("512", Some(512)),
            ("1G", Some(1024)),
            ("1.5GiB", Some(1536)),
            ("1T", Some(1 << 20)),
            ("2T", None),
            ("0", None),
            ("-1", None),
            ("1k", None),
            ("inf", None),
            ("", None),
        ] {
            assert_eq!(memory_mib(text), want, "{text}");
        }
    }
}
