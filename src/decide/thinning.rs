//! Decides how often a running job's series is told, and what several seconds come to.

use std::{collections::BTreeMap, time::Duration};

use crate::model::Gauge;

/// One second's values.
pub type Values = BTreeMap<Gauge, f64>;

/// How far apart the values of a job are told that has run for so long: a second apart in the first
/// hour, then ten, after a day a minute. One line has some 500 bytes, so a job's log holds at most
/// 2 MB of them for its first hour, 4 MB for the rest of its day and 1 MB for each day after.
pub const fn spacing(since_start: Duration) -> Duration {
    const HOUR: u64 = 3600;
    Duration::from_secs(match since_start.as_secs() {
        0..HOUR => 1,
        HOUR..86_400 => 10,
        _ => 60,
    })
}

/// What several seconds come to: the largest of what [`Gauge::is_peak`], of the rest the mean of
/// the seconds that have it.
pub fn together<'a>(seconds: impl IntoIterator<Item = &'a Values>) -> Values {
    let mut found: BTreeMap<Gauge, (f64, f64, u32)> = BTreeMap::new();
    for (series, value) in seconds.into_iter().flatten() {
        let (peak, sum, count) = found.entry(*series).or_insert((f64::MIN, 0.0, 0));
        *peak = peak.max(*value);
        *sum += value;
        *count += 1;
    }
    let told = |(series, (peak, sum, count)): (Gauge, (f64, f64, u32))| {
        (series, if series.is_peak() { peak } else { sum / f64::from(count) })
    };
    found.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_job_is_told_less_often() {
        for (hours, seconds) in [(0, 1), (1, 10), (23, 10), (24, 60), (9999, 60)] {
            assert_eq!(spacing(Duration::from_secs(hours * 3600)), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn peaks_stay_and_the_rest_is_a_mean_of_what_there_is() {
        use Gauge::{GuestCpu, KeyToScreen, Steal};
        let second = |values: &[(Gauge, f64)]| values.iter().copied().collect::<Values>();
        let seconds = [
            second(&[(GuestCpu, 10.0), (KeyToScreen, 900.0)]),
            second(&[(GuestCpu, 30.0), (KeyToScreen, 100.0), (Steal, 4.0)]),
            second(&[(GuestCpu, 20.0)]),
        ];
        let want = second(&[(GuestCpu, 20.0), (KeyToScreen, 900.0), (Steal, 4.0)]);
        assert_eq!(together(&seconds), want);
        assert_eq!(together(&[]), Values::new());
    }
}
