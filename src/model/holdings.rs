//! What a job keeps on disk, and what has been taken from it.
//!
//! The record of an ended job never changes; what is left of its files does, and is told here.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What retention removes at a time.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Keepsake {
    Video = 0,
    /// The rest of the job's folder.
    Results = 1,
    /// The record in the store, once its files are gone.
    Record = 2,
}

impl Keepsake {
    pub const ALL: [Self; 3] = [Self::Video, Self::Results, Self::Record];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Results => "results",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Keepsake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why something was removed. The limit is the one that held at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "name", rename_all = "snake_case")]
#[schema(as = RemovalRule)]
pub enum Rule {
    /// It had become older than this.
    Age { limit_s: u64 },
    /// The disk had less than this free.
    LeastFree { limit_mib: u64 },
    /// Ended jobs took more than this together.
    Most { limit_mib: u64 },
    /// The backup this box was restored from was made without it.
    NotInBackup,
}

impl Rule {
    pub const fn age(limit: Duration) -> Self {
        Self::Age { limit_s: limit.as_secs() }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Age { limit_s } => {
                write!(f, "it was older than {}", Age(Duration::from_secs(*limit_s)))
            }
            Self::LeastFree { limit_mib } => {
                write!(f, "the disk had less than {limit_mib} MiB free")
            }
            Self::Most { limit_mib } => {
                write!(f, "ended jobs took more than {limit_mib} MiB together")
            }
            Self::NotInBackup => {
                f.write_str("the backup this box was restored from was made without it")
            }
        }
    }
}

/// Whole seconds in the largest unit that says them whole: `30 days`, `90 seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(pub Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
        let seconds = self.0.as_secs();
        let is_whole = |unit: u64| seconds >= unit && seconds.is_multiple_of(unit);
        let whole = units.into_iter().find(|(_, unit)| is_whole(*unit));
        let (name, unit) = whole.unwrap_or(("second", 1));
        let amount = seconds / unit;
        write!(f, "{amount} {name}{}", if amount == 1 { "" } else { "s" })
    }
}

/// Something that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Removal {
    pub what: Keepsake,
    pub at: Timestamp,
    pub rule: Rule,
    pub bytes: u64,
}

/// Somebody wants it kept, whatever its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Kept {
    pub by: String,
    pub at: Timestamp,
}

/// What a job's folder holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// How large it is has been found out; before that nothing of it is removed.
    pub measured: bool,
    /// 0 when there is none, or none any more.
    pub video_bytes: u64,
    pub results_bytes: u64,
    pub kept: Option<Kept>,
    /// In the order it happened.
    pub removed: Vec<Removal>,
}

impl Holdings {
    pub fn bytes(&self) -> u64 {
        self.video_bytes + self.results_bytes
    }

    pub fn removal(&self, what: Keepsake) -> Option<&Removal> {
        self.removed.iter().find(|removal| removal.what == what)
    }

    /// Whether the job still refers to its folder and its bundle.
    pub fn has_results(&self) -> bool {
        self.removal(Keepsake::Results).is_none()
    }

    /// Whether there is something of this to be removed, kept or not.
    pub fn holds(&self, what: Keepsake) -> bool {
        self.measured
            && match what {
                Keepsake::Video => self.video_bytes > 0,
                Keepsake::Results => self.has_results(),
                Keepsake::Record => !self.has_results(),
            }
    }

    /// What may be removed next, with its size. Empty for what is kept or not yet measured.
    pub fn removable(&self) -> impl Iterator<Item = (Keepsake, u64)> {
        let all = [
            (Keepsake::Video, self.video_bytes),
            (Keepsake::Results, self.results_bytes),
            (Keepsake::Record, 0),
        ];
        all.into_iter().filter(|(what, _)| self.kept.is_none() && self.holds(*what))
    }

    /// Notes that something is gone, or is about to go.
    pub fn remove(&mut self, what: Keepsake, at: Timestamp, rule: Rule) {
        let bytes = match what {
            Keepsake::Video => std::mem::take(&mut self.video_bytes),
            // The video lies in the same folder.
            Keepsake::Results => {
                std::mem::take(&mut self.results_bytes) + std::mem::take(&mut self.video_bytes)
            }
            Keepsake::Record => 0,
        };
        self.removed.push(Removal { what, at, rule, bytes });
    }
}

/// What came of putting the screens of a job on the shelf, where each is kept once for all jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shelved {
    pub screens: u64,
    /// Of these, there already for another job.
    pub shared: u64,
    /// What the job's folder takes now but for its video. A screen counts for the job that brought
    /// it first, and for no other.
    pub results_bytes: u64,
}

/// What the disk held at one time, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiskSample {
    pub at: Timestamp,
    pub videos: u64,
    pub results: u64,
    pub bundles: u64,
    /// The store's own file.
    pub store: u64,
    pub free: u64,
    /// Videos since the beginning; what has been removed counts still.
    pub added_videos: u64,
    /// The same of results and bundles.
    pub added_results: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_in_the_largest_whole_unit() {
        for (rule, words) in [
            (Rule::age(Duration::from_secs(30 * 86_400)), "it was older than 30 days"),
            (Rule::age(Duration::from_secs(3_600)), "it was older than 1 hour"),
            (Rule::age(Duration::from_secs(90)), "it was older than 90 seconds"),
            (Rule::LeastFree { limit_mib: 4096 }, "the disk had less than 4096 MiB free"),
            (Rule::Most { limit_mib: 9 }, "ended jobs took more than 9 MiB together"),
        ] {
            assert_eq!(rule.to_string(), words);
        }
    }

    #[test]
    fn the_record_can_go_only_after_the_results() {
        let mut held =
            Holdings { measured: true, video_bytes: 5, results_bytes: 2, ..Holdings::default() };
        let removable = |held: &Holdings| held.removable().collect::<Vec<_>>();
        assert_eq!(removable(&held), [(Keepsake::Video, 5), (Keepsake::Results, 2)]);
        let (at, rule) = (Timestamp::UNIX_EPOCH, Rule::Most { limit_mib: 1 });
        held.remove(Keepsake::Results, at, rule);
        assert_eq!(removable(&held), [(Keepsake::Record, 0)]);
        assert_eq!((held.removed[0].bytes, held.bytes()), (7, 0));
        held.kept = Some(Kept { by: "ada".into(), at });
        assert_eq!(removable(&held), []);
    }
}
