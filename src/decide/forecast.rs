//! Foretells what jobs will hold on disk, from what they have added so far and what retention will
//! take by age.
//!
//! Jobs are believed to go on adding as much a day as they lately did. What was added on some day
//! goes when its age has come, so what is held levels off; whether it does so before the disk is
//! short is what the keeper of the box wants to know.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::retention::age_limit;
use crate::{
    config::Retention,
    model::{DiskSample, Keepsake},
};

/// How far back counts for what is added a day.
const LATELY: Duration = Duration::from_secs(14 * 86_400);
/// Less than this says nothing.
const LEAST: f64 = 3_600.0;
const DAY: f64 = 86_400.0;
/// Days ahead.
const HORIZON: u16 = 365;

#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// None before there is an hour of history.
    pub daily: Option<Daily>,
    pub outcome: Outcome,
    /// What will be held, a point a day from now on. Only now, when nothing is known.
    pub held: Vec<(Timestamp, u64)>,
}

/// Bytes added a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Daily {
    pub videos: u64,
    pub results: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Too early to tell.
    Unknown,
    /// What is held stays below this for a year.
    Below { bytes: u64 },
    /// From then on the disk has less free than it should, and the oldest goes before its time.
    Short { at: Timestamp },
    /// Nothing keeps the disk from being full then.
    Full { at: Timestamp },
}

/// `history` comes oldest first; `now` is the newest sample of all.
pub fn forecast(now: &DiskSample, history: &[DiskSample], keep: &Retention) -> Forecast {
    let held_now = now.videos + now.results + now.bundles;
    let Some(trend) = Trend::of(now, history) else {
        return Forecast { daily: None, outcome: Outcome::Unknown, held: vec![(now.at, held_now)] };
    };
    let limits = [Keepsake::Video, Keepsake::Results].map(|what| age_limit(keep, what));
    let most = keep.most_mib.map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20));
    let mut held = Vec::with_capacity(usize::from(HORIZON) + 1);
    for day in 0..=HORIZON {
        let ahead = f64::from(day) * DAY;
        let growth = trend.growth(0, ahead, limits[0], now.videos)
            + trend.growth(1, ahead, limits[1], now.results + now.bundles);
        let bytes = whole(held_now as f64 + growth).min(most.max(held_now));
        let at = SignedDuration::from_hours(i64::from(day) * 24);
        held.push((now.at.checked_add(at).unwrap_or(Timestamp::MAX), bytes));
    }
    let short_of = |least: u64| {
        let enough = (held_now + now.free).saturating_sub(least);
        held.iter().find(|(_, bytes)| *bytes > enough).map(|(at, _)| *at)
    };
    let most_held = held.iter().map(|(_, bytes)| *bytes).max().unwrap_or(held_now);
    let outcome = match (keep.least_free_mib, short_of(keep.least_free_mib.saturating_mul(1 << 20)))
    {
        (_, None) => Outcome::Below { bytes: most_held },
        (0, Some(at)) => Outcome::Full { at },
        (_, Some(at)) => Outcome::Short { at },
    };
    let [videos, results] = trend.rate.map(|rate| whole(rate * DAY));
    Forecast { daily: Some(Daily { videos, results }), outcome, held }
}

/// What videos and the rest have added since the beginning, as lines between samples. Times are
/// seconds from now.
struct Trend {
    samples: Vec<(f64, [f64; 2])>,
    /// Bytes a second, lately.
    rate: [f64; 2],
}

impl Trend {
    fn of(now: &DiskSample, history: &[DiskSample]) -> Option<Self> {
        let added = |one: &DiskSample| [one.added_videos as f64, one.added_results as f64];
        let from_now = |one: &DiskSample| one.at.duration_since(now.at).as_secs_f64();
        let before = history.iter().filter(|one| one.at < now.at);
        let mut samples: Vec<_> = before.map(|one| (from_now(one), added(one))).collect();
        let (since, first) =
            *samples.iter().find(|(at, _)| *at >= -LATELY.as_secs_f64() && *at <= -LEAST)?;
        let last = added(now);
        samples.push((0.0, last));
        let rate = std::array::from_fn(|kind| ((last[kind] - first[kind]) / -since).max(0.0));
        Some(Self { samples, rate })
    }

    /// Bytes added until a time, of one kind.
    fn added(&self, kind: usize, at: f64) -> f64 {
        let after = self.samples.partition_point(|(time, _)| *time <= at);
        let value = |index: usize| (self.samples[index].0, self.samples[index].1[kind]);
        match after {
            // What was there before the first sample is believed to have come as it does now.
            0 => (value(0).1 - self.rate[kind] * (value(0).0 - at)).max(0.0),
            _ if after == self.samples.len() => value(after - 1).1 + self.rate[kind] * at,
            _ => {
                let ((from, low), (to, high)) = (value(after - 1), value(after));
                low + (high - low) * (at - from) / (to - from)
            }
        }
    }

    /// How much more (or less) of a kind there will be, given what there is.
    fn growth(&self, kind: usize, ahead: f64, limit: Option<Duration>, held: u64) -> f64 {
        let added = self.added(kind, ahead) - self.added(kind, 0.0);
        let gone = limit.map_or(0.0, |limit| {
            let limit = limit.as_secs_f64();
            self.added(kind, ahead - limit) - self.added(kind, -limit)
        });
        (added - gone).max(-(held as f64))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to what a disk can hold")]
#[expect(clippy::cast_sign_loss, reason = "clamped")]
fn whole(bytes: f64) -> u64 {
    bytes.clamp(0.0, 1e18) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn keep(videos: Option<u64>, least_free_mib: u64) -> Retention {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Retention {
            videos: videos.map(days),
            results: None,
            records: None,
            least_free_mib,
            most_mib: None,
        }
    }

    /// A GiB of video a day since `days` ago, all of it still there.
    fn growing(days: u32, free: u64) -> (DiskSample, Vec<DiskSample>) {
        let sample = |day: u32| DiskSample {
            at: Timestamp::from_second(i64::from(day) * 86_400).unwrap(),
            videos: u64::from(day) * GIB,
            results: 0,
            bundles: 0,
            store: 0,
            free,
            added_videos: u64::from(day) * GIB,
            added_results: 0,
        };
        (sample(days), (0..=days).map(sample).collect())
    }

    #[test]
    fn what_is_kept_for_a_month_levels_off_at_a_month() {
        let (now, history) = growing(10, 100 * GIB);
        let forecast = forecast(&now, &history, &keep(Some(30), 4096));
        assert_eq!(forecast.daily, Some(Daily { videos: GIB, results: 0 }));
        assert_eq!(forecast.outcome, Outcome::Below { bytes: 30 * GIB });
        let on = |day: usize| forecast.held[day].1 / GIB;
        assert_eq!([on(0), on(5), on(20), on(60)], [10, 15, 30, 30]);
    }

    #[test]
    fn a_small_disk_becomes_short_before_that() {
        let (now, history) = growing(10, 9 * GIB);
        let day = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        for (keep, outcome) in [
            (keep(Some(30), 4096), Outcome::Short { at: day(16) }),
            (keep(None, 0), Outcome::Full { at: day(20) }),
            (keep(Some(11), 4096), Outcome::Below { bytes: 11 * GIB }),
            (
                Retention { most_mib: Some(12 << 10), ..keep(None, 4096) },
                Outcome::Below { bytes: 12 * GIB },
            ),
        ] {
            assert_eq!(forecast(&now, &history, &keep).outcome, outcome, "{keep:?}");
        }
    }

    #[test]
    fn without_history_nothing_is_foretold() {
        let (now, _) = growing(1, GIB);
        for history in [vec![], vec![now]] {
            let forecast = forecast(&now, &history, &keep(Some(30), 4096));
            assert_eq!(forecast.outcome, Outcome::Unknown);
            assert_eq!(forecast.held, [(now.at, GIB)]);
        }
    }

    #[test]
    fn an_idle_box_stays_as_it_is_and_what_is_old_goes() {
        let (mut now, mut history) = growing(10, 100 * GIB);
        history.truncate(1);
        now.added_videos = 0;
        let idle = forecast(&now, &history, &keep(None, 4096));
        assert_eq!(idle.outcome, Outcome::Below { bytes: 10 * GIB });
    }
}
