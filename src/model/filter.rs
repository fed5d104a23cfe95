//! Which jobs are meant: what jobs are found by, and a filter of it as people and programs write it,
//! checked.
//!
//! A filter is names with values, as an address has them. Several values of one name are
//! alternatives, several names must all fit. A name or a value nobody knows is refused by name:
//! a filter that is misread shows jobs nobody asked for.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{Code, Job, JobState, Stream, StreamOwner, Verdict, Visibility, Who, quantity};

/// What ended jobs are found by. The numbers are on disk and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    Verdict = 0,
    Who = 1,
    Code = 2,
    Device = 3,
    DeviceType = 4,
    Tag = 5,
    Submitter = 6,
    Group = 7,
    Name = 8,
    Metadata = 9,
    Setting = 10,
    Team = 11,
}

impl Field {
    pub const ALL: [Self; 12] = [
        Self::Verdict,
        Self::Who,
        Self::Code,
        Self::Device,
        Self::DeviceType,
        Self::Tag,
        Self::Submitter,
        Self::Group,
        Self::Team,
        Self::Name,
        Self::Metadata,
        Self::Setting,
    ];

    /// The name in addresses and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Who => "who",
            Self::Code => "cause",
            Self::Device => "device",
            Self::DeviceType => "device_type",
            Self::Tag => "tag",
            Self::Submitter => "submitter",
            Self::Group => "group",
            Self::Team => "team",
            Self::Name => "name",
            Self::Metadata => "metadata",
            Self::Setting => "setting",
        }
    }

    /// One sentence on what a filter of it takes.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Verdict => "what the job came to",
            Self::Who => "who has to act, by its cause",
            Self::Code => "the code of its cause",
            Self::Device => "the device it ran on",
            Self::DeviceType => "the device type it asked for",
            Self::Tag => "a tag it asked for",
            Self::Submitter => "the user or account that sent it",
            Self::Group => "the group it belongs to",
            Self::Team => "users it is for: a group that may see it, or whose stream it is in",
            Self::Name => "its name; * stands for anything",
            Self::Metadata => "a line of its metadata, as KEY=VALUE",
            Self::Setting => "a setting, as KEY=VALUE",
        }
    }

    /// Whether each value has a key of its own.
    pub const fn has_key(self) -> bool {
        matches!(self, Self::Metadata | Self::Setting)
    }

    /// All values there can be, where that is a closed list.
    pub fn values(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Verdict => Some(Verdict::ALL.map(Verdict::name).to_vec()),
            Self::Who => Some(Who::ALL.map(Who::name).to_vec()),
            Self::Code => Some(Code::ALL.map(Code::name).to_vec()),
            Self::Device
            | Self::DeviceType
            | Self::Tag
            | Self::Submitter
            | Self::Group
            | Self::Team
            | Self::Name
            | Self::Metadata
            | Self::Setting => None,
        }
    }
}

/// Bytes of the longest key and of the longest value that jobs are found by. What is longer is kept
/// and shown, but no filter finds it.
pub const TERM_BYTES: usize = 256;
/// Tags, lines of metadata and settings of one job that it is found by: the first of each, in order.
pub const TERMS_OF_A_KIND: usize = 64;

/// One thing a job is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term<'a> {
    pub field: Field,
    /// Empty where the field has none.
    pub key: &'a str,
    pub value: &'a str,
}

/// The groups of users a job is for.
fn teams(job: &Job) -> impl Iterator<Item = &str> {
    let may_see = match &job.visibility {
        Visibility::Group(names) => names.as_slice(),
        Visibility::Public | Visibility::Personal => &[],
    };
    let of_stream = match job.stream.as_deref().map(|path| Stream::of(path).owner) {
        Some(StreamOwner::Team(team)) => Some(team),
        Some(StreamOwner::User(_) | StreamOwner::Nobody) | None => None,
    };
    may_see.iter().take(TERMS_OF_A_KIND).map(String::as_str).chain(of_stream)
}

/// All that a job is found by, each once.
pub fn terms(job: &Job) -> BTreeSet<Term<'_>> {
    let plain = |field, value| Term { field, key: "", value };
    let mut terms = BTreeSet::new();
    terms.extend(job.verdict.map(|verdict| plain(Field::Verdict, verdict.name())));
    if let Some(cause) = &job.cause {
        terms.insert(plain(Field::Who, cause.who.name()));
        terms.insert(plain(Field::Code, cause.code.name()));
    }
    terms.extend(job.device.as_deref().map(|device| plain(Field::Device, device)));
    terms.insert(plain(Field::DeviceType, &job.device_type));
    terms.extend(job.tags.iter().take(TERMS_OF_A_KIND).map(|tag| plain(Field::Tag, tag)));
    terms.insert(plain(Field::Submitter, &job.submitter.name));
    terms.extend(job.group.as_deref().map(|group| plain(Field::Group, group)));
    terms.extend(teams(job).map(|team| plain(Field::Team, team)));
    terms.insert(plain(Field::Name, &job.name));
    for (field, pairs) in [(Field::Metadata, &job.metadata), (Field::Setting, &job.settings)] {
        let pairs = pairs.iter().take(TERMS_OF_A_KIND);
        terms.extend(pairs.map(|(key, value)| Term { field, key, value }));
    }
    terms.retain(|term| term.key.len() <= TERM_BYTES && term.value.len() <= TERM_BYTES);
    terms
}

/// Jobs of which a field has one of these values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub field: Field,
    pub key: String,
    /// Of names these are patterns, of all else the values themselves.
    pub any: Vec<String>,
}

impl Wanted {
    pub fn fits(&self, term: Term<'_>) -> bool {
        let is_pattern = self.field == Field::Name;
        let fits = |one: &String| match is_pattern {
            true => fits_pattern(one, term.value),
            false => one == term.value,
        };
        term.field == self.field && term.key == self.key && self.any.iter().any(fits)
    }
}

/// Where `*` stands for anything, also for nothing.
pub fn fits_pattern(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// From `since` on, up to but without `until`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Between {
    pub fn holds(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    pub const fn is_always(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }
}

/// Which jobs are meant. The default means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// One of these; none: any.
    pub states: BTreeSet<JobState>,
    /// Each must fit.
    pub wanted: Vec<Wanted>,
    /// Marked by one of these rules of known failures; none: marked or not.
    pub rules: Vec<String>,
    pub ended: Between,
    pub submitted: Between,
}

/// Values in one filter.
const MOST_VALUES: usize = 64;

/// The names of filters that are no [`Field`], and what they take.
pub const OTHER_FILTERS: [(&str, &str); 6] = [
    ("state", "how far the job has come"),
    ("rule", "the rule that knows why it failed"),
    ("since", "ended then or later: a time, a date (UTC) or how long ago, as 30d"),
    ("until", "ended before then"),
    ("submitted_since", "submitted then or later"),
    ("submitted_until", "submitted before then"),
];

/// Every name a filter can have.
pub fn filter_names() -> impl Iterator<Item = &'static str> {
    Field::ALL.into_iter().map(Field::name).chain(OTHER_FILTERS.map(|(name, _)| name))
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    #[error("jobs are not found by {name:?}; there are: {}", filter_names().collect::<Vec<_>>().join(", "))]
    Unknown { name: String },
    #[error("{name}: {found:?} is none; there are: {}", known.join(", "))]
    Value { name: &'static str, found: String, known: Vec<&'static str> },
    #[error("{name}: {found:?} is {wanted}")]
    Form { name: &'static str, found: String, wanted: &'static str },
    #[error("{name}: nothing longer than {TERM_BYTES} bytes is found")]
    Long { name: &'static str },
    #[error("{name}: is said twice")]
    Twice { name: &'static str },
    #[error("a filter has at most {MOST_VALUES} values")]
    Many,
}

impl JobFilter {
    /// Reads a filter. Times may be told as how long before `now`.
    ///
    /// # Errors
    /// The first name or value that is none.
    pub fn read<'a>(
        said: impl IntoIterator<Item = (&'a str, &'a str)>,
        now: Timestamp,
    ) -> Result<Self, BadFilter> {
        let mut filter = Self::default();
        for (index, (name, value)) in said.into_iter().enumerate() {
            if index == MOST_VALUES {
                return Err(BadFilter::Many);
            }
            filter.add(name, value, now)?;
        }
        Ok(filter)
    }

    fn add(&mut self, name: &str, value: &str, now: Timestamp) -> Result<(), BadFilter> {
        if let Some(field) = Field::ALL.into_iter().find(|field| field.name() == name) {
            return self.want(field, value);
        }
        let time = |name| time(name, value, now);
        match name {
            "state" => {
                let state = JobState::ALL.into_iter().find(|state| state.name() == value);
                let known = || JobState::ALL.map(JobState::name).to_vec();
                self.states.insert(state.ok_or_else(|| unknown("state", value, known()))?);
                Ok(())
            }
            "rule" => {
                self.rules.push(bounded("rule", value)?.to_owned());
                Ok(())
            }
            "since" => once(&mut self.ended.since, "since", time("since")?),
            "until" => once(&mut self.ended.until, "until", time("until")?),
            "submitted_since" => {
                once(&mut self.submitted.since, "submitted_since", time("submitted_since")?)
            }
            "submitted_until" => {
                once(&mut self.submitted.until, "submitted_until", time("submitted_until")?)
            }
            _ => Err(BadFilter::Unknown { name: shown(name) }),
        }
    }

    /// Adds an alternative to what a field may have.
    ///
    /// # Errors
    /// When no job can have that value.
    pub fn want(&mut self, field: Field, value: &str) -> Result<(), BadFilter> {
        let name = field.name();
        let (key, value) = match field.has_key() {
            true => value.split_once('=').ok_or_else(|| BadFilter::Form {
                name,
                found: shown(value),
                wanted: "not of the form KEY=VALUE",
            })?,
            false => ("", value),
        };
        if let Some(known) = field.values().filter(|known| !known.contains(&value)) {
            return Err(unknown(name, value, known));
        }
        if key.is_empty() && field.has_key() {
            let wanted = "without a key before the =";
            return Err(BadFilter::Form { name, found: shown(value), wanted });
        }
        let (key, value) = (bounded_key(name, key)?, bounded(name, value)?.to_owned());
        match self.wanted.iter_mut().find(|wanted| wanted.field == field && wanted.key == key) {
            Some(wanted) => wanted.any.push(value),
            None => self.wanted.push(Wanted { field, key: key.to_owned(), any: vec![value] }),
        }
        Ok(())
    }

    pub fn may_be(&self, state: JobState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    /// Whether a job that has not ended is meant. No rule has marked it, and it has no end yet.
    pub fn fits_live(&self, job: &Job) -> bool {
        self.rules.is_empty()
            && self.ended.is_always()
            && self.submitted.holds(job.submitted)
            && self.may_be(job.state)
            && self.fits_terms(job)
    }

    /// Whether a job has the values that are wanted.
    pub fn fits_terms(&self, job: &Job) -> bool {
        let terms = terms(job);
        self.wanted.iter().all(|wanted| terms.iter().any(|term| wanted.fits(*term)))
    }
}

fn unknown(name: &'static str, found: &str, known: Vec<&'static str>) -> BadFilter {
    BadFilter::Value { name, found: shown(found), known }
}

fn bounded<'a>(name: &'static str, value: &'a str) -> Result<&'a str, BadFilter> {
    if value.is_empty() {
        return Err(BadFilter::Form { name, found: String::new(), wanted: "nothing to look for" });
    }
    bounded_key(name, value)
}

fn bounded_key<'a>(name: &'static str, value: &'a str) -> Result<&'a str, BadFilter> {
    if value.len() > TERM_BYTES { Err(BadFilter::Long { name }) } else { Ok(value) }
}

fn once<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), BadFilter> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadFilter::Twice { name }),
    }
}

/// `2026-11-26T01:16:24Z`, `2026-11-26` (the day's begin, UTC) or `30d` (ago).
fn time(name: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, BadFilter> {
    let day = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let ago = || {
        let ago = SignedDuration::try_from(quantity::duration(text)?).ok()?;
        now.checked_sub(ago).ok()
    };
    let written = text.parse::<Timestamp>().ok();
    let wanted = "no time: 2026-11-26, 2026-11-26T08:00:00Z or 30d";
    let form = || BadFilter::Form { name, found: shown(text), wanted };
    written.or_else(|| text.parse().ok().and_then(day)).or_else(ago).ok_or_else(form)
}

/// As much of somebody's text as an answer repeats.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &[(&str, &str)]) -> Result<JobFilter, BadFilter> {
        let now = Timestamp::from_second(1_000_000).unwrap();
        JobFilter::read(said.iter().copied(), now)
    }

    #[test]
    fn values_of_one_name_are_alternatives() {
        let filter = read(&[
            ("verdict", "failed"),
            ("setting", "LANG=de"),
            ("verdict", "timed_out"),
            ("setting", "DESKTOP=a=b"),
            ("setting", "LANG=fr"),
        ]);
        let wanted = |field, key: &str, any: &[&str]| Wanted {
            field,
            key: key.into(),
            any: any.iter().map(|one| (*one).to_owned()).collect(),
        };
        let want = vec![
            wanted(Field::Verdict, "", &["failed", "timed_out"]),
            wanted(Field::Setting, "LANG", &["de", "fr"]),
            wanted(Field::Setting, "DESKTOP", &["a=b"]),
        ];
        assert_eq!(filter.unwrap().wanted, want);
    }

    #[test]
    fn what_nobody_knows_is_refused_by_name_with_what_there_is() {
        for (said, words) in [
            (("colour", "red"), "jobs are not found by \"colour\"; there are: verdict, who, cause"),
            (("verdict", "bad"), "verdict: \"bad\" is none; there are: passed, softfailed"),
            (("state", "gone"), "state: \"gone\" is none; there are: waiting"),
            (("who", "me"), "who: \"me\" is none; there are: author"),
            (("setting", "LANG"), "setting: \"LANG\" is not of the form KEY=VALUE"),
            (("metadata", "=x"), "metadata: \"x\" is without a key before the ="),
            (("device", ""), "device: \"\" is nothing to look for"),
            (("since", "soon"), "since: \"soon\" is no time: 2026-11-26"),
        ] {
            let refused = read(&[said]).unwrap_err().to_string();
            assert!(refused.starts_with(words), "{refused}");
        }
        let long = "x".repeat(TERM_BYTES + 1);
        assert_eq!(read(&[("name", &long)]), Err(BadFilter::Long { name: "name" }));
        assert_eq!(
            read(&[("since", "1d"), ("since", "2d")]),
            Err(BadFilter::Twice { name: "since" })
        );
        assert_eq!(read(&[("tag", "a"); MOST_VALUES + 1]), Err(BadFilter::Many));
    }

    #[test]
    fn times_are_written_as_times_days_or_how_long_ago() {
        for (text, second) in
            [("1970-01-02", 86_400), ("1970-01-01T01:00:00Z", 3600), ("1h", 996_400)]
        {
            let filter = read(&[("until", text)]).unwrap();
            assert_eq!(filter.ended.until, Timestamp::from_second(second).ok(), "{text}");
        }
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("debian", "debian", true),
            ("debian", "debian 12", false),
            ("debian*", "debian 12", true),
            ("*12", "debian 12", true),
            ("*bia*", "debian 12", true),
            ("d*n*2", "debian 12", true),
            ("ab*ba", "aba", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(fits_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }
}
