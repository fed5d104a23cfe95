//! In which order jobs are listed, and where a reader of a list stands.

use std::{fmt, str::FromStr};

use super::{Field, Job, JobId, JobState, Priority};

/// By what ended jobs are sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortBy {
    Ended,
    /// The number they were given when they came in.
    Number,
    /// How long jobs ran, of those that did; whole seconds, and of equals the newest end first.
    Duration,
    /// Jobs that have such a value, and of equals the newest end first. A job with several tags is
    /// there with each.
    Field {
        field: Field,
        key: String,
    },
}

/// The order of a list. Jobs that have not ended come before it, as the queue has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    pub by: SortBy,
    /// The greatest first.
    pub descending: bool,
}

impl Default for Sort {
    /// The newest end first.
    fn default() -> Self {
        Self { by: SortBy::Ended, descending: true }
    }
}

/// What an ended job has to be sorted by as [`SortBy::Duration`]: seconds, as a text of the same order.
/// None of a job that did not run.
pub fn duration_value(job: &Job) -> Option<String> {
    let took = job.ended.and_then(|ended| job.running_time(ended))?;
    Some(format!("{:010}", took.as_secs()))
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("jobs are not sorted by {found:?}; there are: {}, each with - before it for the other way", sorts().join(", "))]
pub struct NotASort {
    pub found: String,
}

/// All orders there are, without their direction.
pub fn sorts() -> Vec<String> {
    let fields = Field::ALL.into_iter().map(|field| match field.has_key() {
        true => format!("{}.KEY", field.name()),
        false => field.name().to_owned(),
    });
    ["ended", "number", "duration"].map(ToOwned::to_owned).into_iter().chain(fields).collect()
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minus = if self.descending { "-" } else { "" };
        match &self.by {
            SortBy::Ended => write!(f, "{minus}ended"),
            SortBy::Number => write!(f, "{minus}number"),
            SortBy::Duration => write!(f, "{minus}duration"),
            SortBy::Field { field, key } if field.has_key() => {
                write!(f, "{minus}{}.{key}", field.name())
            }
            SortBy::Field { field, .. } => write!(f, "{minus}{}", field.name()),
        }
    }
}

impl FromStr for Sort {
    type Err = NotASort;

    fn from_str(text: &str) -> Result<Self, NotASort> {
        let (descending, name) = match text.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, text),
        };
        let plain = match name {
            "ended" => Some(SortBy::Ended),
            "number" => Some(SortBy::Number),
            "duration" => Some(SortBy::Duration),
            _ => None,
        };
        if let Some(by) = plain {
            return Ok(Self { by, descending });
        }
        let (name, key) = name.split_once('.').map_or((name, None), |(n, key)| (n, Some(key)));
        let is = |field: &Field| field.name() == name && field.has_key() == key.is_some();
        let field = Field::ALL.into_iter().find(is).filter(|_| key != Some(""));
        let field = field.ok_or_else(|| NotASort { found: text.chars().take(80).collect() })?;
        let key = key.unwrap_or_default().to_owned();
        Ok(Self { by: SortBy::Field { field, key }, descending })
    }
}

/// A place in a list: what comes next is behind it. Written with its order, it stays good in an
/// address for ever: it names no job that must be there, and later ends do not move it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// Among the jobs that have not ended.
    Live { state: JobState, priority: Priority, id: JobId },
    /// Among those that have. The value is that of what is sorted by.
    Ended { value: Option<String>, ended_us: i64, id: JobId },
    /// Among those that have, in the order of their numbers.
    Number(JobId),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list sorted by {sort} has no such place as {found:?}; take `next` of the page before")]
pub struct NotACursor {
    pub sort: String,
    pub found: String,
}

impl Cursor {
    /// `waiting:50-7`, `-ended:1700000000000000-7`, `device:1700000000000000-7:bench-1`, `number:7`
    pub fn write(&self, sort: &Sort) -> String {
        match self {
            Self::Live { state, priority, id } => format!("{state}:{}-{id}", priority.0),
            Self::Ended { value: None, ended_us, id } => format!("{sort}:{ended_us}-{id}"),
            Self::Ended { value: Some(value), ended_us, id } => {
                format!("{sort}:{ended_us}-{id}:{value}")
            }
            Self::Number(id) => format!("{sort}:{id}"),
        }
    }

    /// # Errors
    /// [`NotACursor`] also when it is of another order.
    pub fn read(text: &str, sort: &Sort) -> Result<Self, NotACursor> {
        let live = || Self::live(text).filter(|_| *sort == Sort::default());
        Self::ended(text, sort).or_else(live).ok_or_else(|| NotACursor {
            sort: sort.to_string(),
            found: text.chars().take(80).collect(),
        })
    }

    fn ended(text: &str, sort: &Sort) -> Option<Self> {
        let place = text.strip_prefix(&sort.to_string())?.strip_prefix(':')?;
        let (place, value) = match &sort.by {
            SortBy::Number => return Some(Self::Number(place.parse().ok()?)),
            SortBy::Ended => (place, None),
            SortBy::Duration | SortBy::Field { .. } => {
                let (place, value) = place.split_once(':')?;
                (place, Some(value.to_owned()))
            }
        };
        let (ended, id) = place.rsplit_once('-')?;
        Some(Self::Ended { value, ended_us: ended.parse().ok()?, id: id.parse().ok()? })
    }

    fn live(text: &str) -> Option<Self> {
        let (state, place) = text.split_once(':')?;
        let live = |one: &JobState| one.name() == state && *one != JobState::Ended;
        let state = JobState::ALL.into_iter().find(live)?;
        let (priority, id) = place.split_once('-')?;
        let priority = Priority(priority.parse().ok()?);
        Some(Self::Live { state, priority, id: id.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_what_it_writes_and_others_are_refused() {
        let texts = ["ended", "-ended", "-number", "duration", "device", "-metadata.build"];
        for text in texts.into_iter().chain(["setting.a.b"]) {
            assert_eq!(text.parse::<Sort>().unwrap().to_string(), text);
        }
        for bad in ["", "-", "metadata", "metadata.", "device.x", "number.x", "--ended"] {
            let refused = bad.parse::<Sort>().unwrap_err().to_string();
            assert!(refused.contains("ended, number, duration, verdict"), "{refused}");
        }
    }

    #[test]
    fn a_place_reads_what_it_writes_in_its_own_order_only() {
        let by_end = Sort::default();
        let by_build: Sort = "metadata.a:b".parse().unwrap();
        let [by_number, by_duration] = ["-number", "duration"].map(|text| text.parse().unwrap());
        let ended = |value: Option<&str>, ended_us| Cursor::Ended {
            value: value.map(Into::into),
            ended_us,
            id: JobId(u64::MAX),
        };
        let live = Cursor::Live { state: JobState::Waiting, priority: Priority(50), id: JobId(7) };
        for (cursor, sort, text) in [
            (ended(None, -5), &by_end, "-ended:-5-18446744073709551615"),
            (ended(Some("1:2-3"), 9), &by_build, "metadata.a:b:9-18446744073709551615:1:2-3"),
            (
                ended(Some("0000000012"), 9),
                &by_duration,
                "duration:9-18446744073709551615:0000000012",
            ),
            (Cursor::Number(JobId(7)), &by_number, "-number:7"),
            (live, &by_end, "waiting:50-7"),
        ] {
            assert_eq!(cursor.write(sort), text);
            assert_eq!(Cursor::read(text, sort), Ok(cursor));
        }
        let other = Cursor::read("ended:5-1", &by_end).unwrap_err().to_string();
        assert!(other.contains("sorted by -ended has no such place"), "{other}");
        assert!(Cursor::read("waiting:50-7", &by_build).is_err());
        assert!(Cursor::read("-number:5-7", &by_number).is_err());
        for bad in ["", "-ended:", "-ended:5", "-ended:x-1", "ended:50-7", "waiting:256-1"] {
            assert!(Cursor::read(bad, &by_end).is_err(), "{bad}");
        }
    }
}
