//! Kinds of values: what may be written for each, and what it comes to.

mod granted;
mod limits;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::model::{
    problem::{listed, nearest},
    quantity,
};

pub(super) use granted::{Anonymous, Granted};
pub(super) use limits::{Factor, Floor, Points, Quantile, Time};

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Text in a file.
    Text(String),
    /// Digits in a file.
    Number(String),
    List(Vec<Self>),
    /// A variable or a flag: text, number or list, whatever is expected there.
    Line(String),
    /// `true` or `false` in a file.
    Word(String),
    /// Something no key takes, in words.
    Other(String),
}

impl Said {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Line(text) => Some(text),
            Self::Number(_) | Self::List(_) | Self::Word(_) | Self::Other(_) => None,
        }
    }

    fn digits(&self) -> Option<&str> {
        match self {
            Self::Number(text) | Self::Line(text) => Some(text),
            Self::Text(_) | Self::List(_) | Self::Word(_) | Self::Other(_) => None,
        }
    }

    /// As a person would recognise it.
    pub(super) fn excerpt(&self) -> String {
        const LONGEST: usize = 60;
        match self {
            Self::Text(text) | Self::Line(text) if text.chars().count() > LONGEST => {
                format!("{:?} and more", text.chars().take(LONGEST).collect::<String>())
            }
            Self::Text(text) | Self::Line(text) => format!("{text:?}"),
            Self::Number(number) => format!("the number {number}"),
            Self::List(_) => "a list".into(),
            Self::Word(word) => format!("`{word}`"),
            Self::Other(words) => words.clone(),
        }
    }
}

/// Why what was said cannot be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub found: String,
    pub expected: String,
    pub help: Option<String>,
    /// Which entry of a list it is about.
    pub entry: Option<usize>,
}

/// A kind of value.
pub(super) trait Knob: Sized {
    /// What may stand there.
    fn expected() -> String;
    /// What it comes to; relative paths start from `base`.
    fn read(said: &Said, base: &Path) -> Option<Self>;
    /// What to do about something that cannot be read.
    fn help(_: &Said) -> Option<String> {
        None
    }
    /// The same, of something that has parts.
    fn take(said: &Said, base: &Path) -> Result<Self, Fault> {
        Self::read(said, base).ok_or_else(|| Fault {
            found: said.excerpt(),
            expected: Self::expected(),
            help: Self::help(said),
            entry: None,
        })
    }
}

/// Where the value of one key is kept until all are known.
pub(super) trait Slot {
    fn fill(&mut self, said: &Said, base: &Path) -> Result<(), Fault>;
    fn expected(&self) -> String;
}

impl<T: Knob> Slot for Option<T> {
    fn fill(&mut self, said: &Said, base: &Path) -> Result<(), Fault> {
        *self = Some(T::take(said, base)?);
        Ok(())
    }

    fn expected(&self) -> String {
        T::expected()
    }
}

impl Knob for PathBuf {
    fn expected() -> String {
        "a path".into()
    }

    fn read(said: &Said, base: &Path) -> Option<Self> {
        let text = said.text().filter(|text| !text.is_empty() && !text.contains('\0'))?;
        Some(plain(&base.join(text)))
    }

    fn help(said: &Said) -> Option<String> {
        matches!(said.text(), Some("")).then(|| "leave the key out for its default".into())
    }
}

/// Without `.` and `..`. Links are not followed: the folder may not exist yet.
fn plain(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                plain.push(component);
            }
        }
    }
    plain
}

impl Knob for SocketAddr {
    fn expected() -> String {
        "an address and a port, as \"127.0.0.1:8470\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let text = said.text()?;
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        numeric.as_deref().unwrap_or(text).parse().ok()
    }
}

/// A name of this box, without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostName(pub String);

impl Knob for HostName {
    fn expected() -> String {
        "a host name without a port, as \"lab.example\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        const LONGEST: usize = 253;
        let text = said.text()?;
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        (text.len() <= LONGEST && text.split('.').all(label)).then(|| Self(text.to_lowercase()))
    }
}

/// A list of these may be written in one line, with something between them.
pub(super) trait Entry: Knob {
    const BETWEEN: char;
    const MANY: &'static str;
}

impl Entry for HostName {
    const BETWEEN: char = ',';
    const MANY: &'static str = "a list of host names, as [\"lab.example\"]";
}

impl Entry for PathBuf {
    const BETWEEN: char = ':';
    const MANY: &'static str = "a list of folders, as [\"/srv/images\"]";
}

impl<T: Entry> Knob for Vec<T> {
    fn expected() -> String {
        T::MANY.into()
    }

    fn read(said: &Said, base: &Path) -> Option<Self> {
        Self::take(said, base).ok()
    }

    fn take(said: &Said, base: &Path) -> Result<Self, Fault> {
        let split = |line: &str| {
            let entries = line.split(T::BETWEEN).map(str::trim).filter(|entry| !entry.is_empty());
            entries.map(|entry| Said::Line(entry.into())).collect()
        };
        let entries = match said {
            Said::List(entries) => entries.clone(),
            // Meant as a list, and not written as one.
            Said::Line(line) if line.trim_start().starts_with('[') => {
                let (found, expected) = (said.excerpt(), Self::expected());
                let help = Some(format!("or without brackets, with `{}` between", T::BETWEEN));
                return Err(Fault { found, expected, help, entry: None });
            }
            Said::Line(line) => split(line),
            Said::Text(_) | Said::Number(_) | Said::Word(_) | Said::Other(_) => {
                let (found, expected) = (said.excerpt(), Self::expected());
                let help = said.text().map(|text| format!("write [{text:?}]"));
                return Err(Fault { found, expected, help, entry: None });
            }
        };
        let take = |(index, entry)| {
            T::take(entry, base).map_err(|fault| Fault { entry: Some(index), ..fault })
        };
        entries.iter().enumerate().map(take).collect()
    }
}

/// How many; at least one.
impl Knob for u32 {
    fn expected() -> String {
        "a whole number from 1 on".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let digits = said.digits().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        digits.parse().ok().filter(|number| *number > 0)
    }

    fn help(said: &Said) -> Option<String> {
        let Said::Text(text) = said else { return None };
        text.parse::<Self>().ok().map(|number| format!("write {number}, without quotes"))
    }
}

/// How many, perhaps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub u32);

impl Knob for Count {
    fn expected() -> String {
        "a whole number".into()
    }

    fn read(said: &Said, base: &Path) -> Option<Self> {
        u32::read(said, base).or_else(|| (said.digits() == Some("0")).then_some(0)).map(Self)
    }

    fn help(said: &Said) -> Option<String> {
        u32::help(said)
    }
}

/// Memory or disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mib(pub u64);

impl Knob for Mib {
    fn expected() -> String {
        "a size with its unit, as \"10G\" or \"512M\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        const MOST: f64 = 1e12;
        let mib = quantity::mib_with_unit(said.text()?).filter(|mib| (1.0..MOST).contains(mib))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
        Some(Self(mib.round() as u64))
    }

    fn help(said: &Said) -> Option<String> {
        let number: u64 = said.digits()?.parse().ok()?;
        Some(format!("write \"{number}M\" or \"{number}G\""))
    }
}

/// `10G`, in the largest unit that needs no fraction.
pub(super) fn size(mib: u64) -> String {
    match mib {
        mib if mib > 0 && mib.is_multiple_of(1 << 20) => format!("{}T", mib >> 20),
        mib if mib > 0 && mib.is_multiple_of(1 << 10) => format!("{}G", mib >> 10),
        mib => format!("{mib}M"),
    }
}

/// As much as there is a reason for, unless somebody names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Auto<T>(pub Option<T>);

impl<T: Knob> Knob for Auto<T> {
    fn expected() -> String {
        format!("{}, or \"auto\"", T::expected())
    }

    fn read(said: &Said, base: &Path) -> Option<Self> {
        match said.text() {
            Some("auto") => Some(Self(None)),
            _ => T::read(said, base).map(|value| Self(Some(value))),
        }
    }

    fn help(said: &Said) -> Option<String> {
        T::help(said)
    }
}

/// A size that may be without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Most(pub Option<u64>);

impl Knob for Most {
    fn expected() -> String {
        format!("{}, or \"unlimited\"", Mib::expected())
    }

    fn read(said: &Said, base: &Path) -> Option<Self> {
        match said.text() {
            Some("unlimited") => Some(Self(None)),
            _ => Mib::read(said, base).map(|Mib(mib)| Self(Some(mib))),
        }
    }

    fn help(said: &Said) -> Option<String> {
        Mib::help(said)
    }
}

/// For how long; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Age(pub Option<Duration>);

impl Knob for Age {
    fn expected() -> String {
        "a length of time with its unit, as \"30d\" or \"12h\", or \"forever\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        match said.text()? {
            "forever" => Some(Self(None)),
            text => quantity::duration(text)
                .filter(|age| *age >= Duration::from_secs(1))
                .map(|age| Self(Some(age))),
        }
    }

    fn help(said: &Said) -> Option<String> {
        let number: u64 = said.digits()?.parse().ok()?;
        Some(format!("write \"{number}d\" for days"))
    }
}

/// `30d`, in the largest unit that needs no fraction.
pub(super) fn age(age: Option<Duration>) -> String {
    let Some(age) = age else { return "forever".into() };
    let seconds = age.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let whole = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

/// A length of time that comes to an end; perhaps none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait(pub Duration);

impl Knob for Wait {
    fn expected() -> String {
        "a length of time with its unit, as \"1m\" or \"30s\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        const LONGEST: Duration = Duration::from_secs(30 * 86_400);
        let wait = quantity::duration(said.text()?)?;
        (wait.subsec_nanos() == 0 && wait <= LONGEST).then_some(Self(wait))
    }

    fn help(said: &Said) -> Option<String> {
        let number: u64 = said.digits()?.parse().ok()?;
        Some(format!("write \"{number}m\" for minutes"))
    }
}

/// Whether something is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Switch(pub bool);

impl Knob for Switch {
    fn expected() -> String {
        "true or false".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let word = match said {
            Said::Word(word) | Said::Line(word) => word,
            Said::Text(_) | Said::Number(_) | Said::List(_) | Said::Other(_) => return None,
        };
        word.parse().ok().map(Self)
    }

    fn help(said: &Said) -> Option<String> {
        let Said::Text(text) = said else { return None };
        text.parse::<bool>().ok().map(|on| format!("write {on}, without quotes"))
    }
}

/// What of the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLevel(pub String);

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Knob for LogLevel {
    fn expected() -> String {
        format!(
            "one of {}, or these by part, as \"info,sutler::vm=debug\"",
            listed(LEVELS.into_iter())
        )
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let text = said.text()?;
        let is_part = |part: &str| {
            let named = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
            !part.is_empty() && part.chars().all(named)
        };
        let known = |word: &str| match word.split_once('=') {
            Some((part, level)) => is_part(part) && LEVELS.contains(&level),
            None => LEVELS.contains(&word),
        };
        text.split(',').all(known).then(|| Self(text.into()))
    }

    fn help(said: &Said) -> Option<String> {
        nearest(said.text()?, LEVELS)
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// To the journal when systemd has started us, else text.
    Auto,
    Text,
    Json,
    Journald,
}

impl LogForm {
    const ALL: [Self; 4] = [Self::Auto, Self::Text, Self::Json, Self::Journald];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
            Self::Journald => "journald",
        }
    }
}

impl Knob for LogForm {
    fn expected() -> String {
        format!("one of {}", listed(Self::ALL.into_iter().map(Self::name)))
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|form| Some(form.name()) == said.text())
    }

    fn help(said: &Said) -> Option<String> {
        nearest(said.text()?, Self::ALL.into_iter().map(Self::name))
    }
}
