//! What happened to jobs over some days, added up.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Timestamp, civil::Date};

use crate::store::{Occurrence, Store, StoreError};

const DAY: u64 = 86_400;
const MOST_DAYS: u64 = 3_660;

/// Jobs and what they cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub jobs: u64,
    /// How long they ran.
    pub seconds: u64,
}

/// What happened on the days from `first` to `last`, both included, since 1970 in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    pub first: u32,
    pub last: u32,
    /// Oldest first.
    pub rows: Vec<Occurrence>,
}

impl Statistics {
    /// What happened in the days before `now`, today among them.
    pub async fn read(store: &Store, now: Timestamp, days: u32) -> Result<Self, StoreError> {
        let last = u32::try_from(now.as_second().div_euclid(86_400)).unwrap_or(0);
        let first = last.saturating_sub(days.saturating_sub(1));
        Ok(Self { first, last, rows: store.occurrences(first, last).await? })
    }

    /// Added up by whatever `by` makes of each, the most frequent first.
    pub fn by<K: Ord>(&self, by: impl Fn(&Occurrence) -> K) -> Vec<(K, Sum)> {
        let mut sums: BTreeMap<K, Sum> = BTreeMap::new();
        for row in &self.rows {
            let sum = sums.entry(by(row)).or_default();
            sum.jobs += row.count;
            sum.seconds = sum.seconds.saturating_add(row.seconds);
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.jobs));
        sums
    }

    /// Jobs of each day that `is` holds for, days without any among them.
    pub fn daily(&self, is: impl Fn(&Occurrence) -> bool) -> Vec<u64> {
        let length = usize::try_from(self.last - self.first).unwrap_or(0) + 1;
        let mut days = vec![0; length];
        for row in self.rows.iter().filter(|row| is(row)) {
            let place = usize::try_from(row.day.saturating_sub(self.first)).unwrap_or(0);
            if let Some(day) = days.get_mut(place) {
                *day += row.count;
            }
        }
        days
    }
}

/// The date of a day since 1970.
pub fn day_of(day: u32) -> Date {
    let at = Timestamp::from_second(i64::from(day) * 86_400).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// How many days a length of time is, begun ones whole: at least one, at most ten years.
pub fn since(time: Duration) -> u32 {
    u32::try_from(time.as_secs().div_ceil(DAY).clamp(1, MOST_DAYS)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counted, Measure};

    fn row(day: u32, what: Counted, job: &str, count: u64) -> Occurrence {
        let (device_type, job) = ("qemu-x86_64".into(), job.into());
        Occurrence { day, what, device_type, job, count, seconds: count * 60 }
    }

    #[test]
    fn days_without_anything_are_days_too() {
        let slow = Counted::Slow { measure: Measure::JobTime };
        let stopped = Counted::Stopped { measure: Measure::JobTime };
        let rows =
            vec![row(10, slow.clone(), "a", 2), row(12, slow, "b", 1), row(12, stopped, "b", 4)];
        let statistics = Statistics { first: 9, last: 12, rows };
        assert_eq!(statistics.daily(|row| row.what.kind() == "slow"), [0, 2, 0, 1]);
        let sum = |jobs| Sum { jobs, seconds: jobs * 60 };
        assert_eq!(
            statistics.by(|row| row.job.clone()),
            [("b".into(), sum(5)), ("a".into(), sum(2))]
        );
        assert_eq!(statistics.by(|row| row.what.kind()), [("stopped", sum(4)), ("slow", sum(3))]);
    }

    #[test]
    fn days_are_counted_whole() {
        for (seconds, days) in [(0, 1), (1, 1), (86_400, 1), (86_401, 2), (u64::MAX, 3_660)] {
            assert_eq!(since(Duration::from_secs(seconds)), days);
        }
        assert_eq!(day_of(0).to_string(), "1970-01-01");
        assert_eq!(day_of(20_000).to_string(), "2024-10-04");
    }
}
