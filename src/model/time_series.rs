//! What was measured of a run over time, in bounded memory.
//!
//! Samples come in about once a second and a run may last for days. A [`TimeSeries`] holds at most
//! [`MOST`] points: when it is full, neighbours become one, so that a point stands for twice as
//! many samples as before. What was least and greatest stays exact for ever; what lay between is
//! kept as a mean.

use std::{collections::BTreeMap, time::Duration};

/// Points that are kept. Even, so that all of them have a neighbour.
const MOST: usize = 1_000;
/// Names that are kept; those that come later are left out.
const MOST_NAMES: usize = 64;

/// Measures by name, all over the same points in time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSeries {
    spans: Vec<SeriesSpan>,
    /// Each as long as `spans`.
    columns: BTreeMap<String, Vec<Option<SeriesCell>>>,
    /// Samples that a point stands for.
    per_point: u32,
    /// Samples that the last point stands for so far.
    in_last: u32,
}

/// When the first and the last sample of a point were taken, on the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesSpan {
    pub from: Duration,
    pub to: Duration,
}

impl SeriesSpan {
    pub fn middle(&self) -> Duration {
        self.from + self.to.saturating_sub(self.from) / 2
    }
}

/// One measure at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesCell {
    pub low: f64,
    pub high: f64,
    sum: f64,
    samples: u32,
}

impl SeriesCell {
    const fn of(value: f64) -> Self {
        Self { low: value, high: value, sum: value, samples: 1 }
    }

    pub fn mean(&self) -> f64 {
        // Sums of large numbers lose some of their last digits.
        (self.sum / f64::from(self.samples)).clamp(self.low, self.high)
    }

    fn and(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            sum: self.sum + other.sum,
            samples: self.samples.saturating_add(other.samples),
        }
    }
}

/// What a measure came to over the whole run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesSummary {
    pub low: f64,
    /// Of the points' means.
    pub median: f64,
    pub high: f64,
}

impl Default for TimeSeries {
    fn default() -> Self {
        Self { spans: Vec::new(), columns: BTreeMap::new(), per_point: 1, in_last: 0 }
    }
}

impl TimeSeries {
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Takes one more sample. What is no finite number is left out.
    pub fn add(&mut self, at: Duration, values: &BTreeMap<String, f64>) {
        if self.in_last == self.per_point || self.spans.is_empty() {
            self.open(at);
        }
        self.in_last += 1;
        let last = self.spans.len() - 1;
        self.spans[last].to = at;
        for (name, value) in values.iter().filter(|(_, value)| value.is_finite()) {
            if !self.columns.contains_key(name) {
                if self.columns.len() == MOST_NAMES {
                    continue;
                }
                self.columns.insert(name.clone(), vec![None; last + 1]);
            }
            if let Some(column) = self.columns.get_mut(name) {
                column[last] = both(column[last], Some(SeriesCell::of(*value)));
            }
        }
    }

    /// When each point was; the order of every column.
    pub fn spans(&self) -> &[SeriesSpan] {
        &self.spans
    }

    /// Measures by name, each with a cell for every point, or none where it was not told.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &[Option<SeriesCell>])> {
        self.columns.iter().map(|(name, cells)| (name.as_str(), cells.as_slice()))
    }

    /// What one of the columns came to; none when nothing is in it.
    pub fn summary(cells: &[Option<SeriesCell>]) -> Option<SeriesSummary> {
        let told = || cells.iter().flatten();
        let mut means: Vec<f64> = told().map(SeriesCell::mean).collect();
        means.sort_by(f64::total_cmp);
        let median = *means.get(means.len() / 2)?;
        let low = told().map(|cell| cell.low).fold(f64::INFINITY, f64::min);
        let high = told().map(|cell| cell.high).fold(f64::NEG_INFINITY, f64::max);
        Some(SeriesSummary { low, median, high })
    }

    /// The same with at most so many points, but no fewer than two.
    pub fn thinned(&self, most: usize) -> Self {
        let mut thinner = self.clone();
        while thinner.spans.len() > most.max(2) {
            thinner.halve();
        }
        thinner
    }

    fn open(&mut self, at: Duration) {
        if self.spans.len() == MOST {
            self.halve();
        }
        self.in_last = 0;
        self.spans.push(SeriesSpan { from: at, to: at });
        for column in self.columns.values_mut() {
            column.push(None);
        }
    }

    /// Makes one point of every two.
    fn halve(&mut self) {
        let is_odd = !self.spans.len().is_multiple_of(2);
        if !is_odd {
            self.in_last += self.per_point;
        }
        self.per_point = self.per_point.saturating_mul(2);
        let joined = self.spans.chunks(2);
        self.spans = joined
            .map(|pair| SeriesSpan { from: pair[0].from, to: pair[pair.len() - 1].to })
            .collect();
        for column in self.columns.values_mut() {
            let joined = column.chunks(2);
            *column = joined.map(|pair| both(pair[0], pair.get(1).copied().flatten())).collect();
        }
    }
}

fn both(one: Option<SeriesCell>, other: Option<SeriesCell>) -> Option<SeriesCell> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.and(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(samples: u64, value: impl Fn(u64) -> f64) -> TimeSeries {
        let mut series = TimeSeries::default();
        for at in 0..samples {
            series.add(Duration::from_secs(at), &BTreeMap::from([("cpu".into(), value(at))]));
        }
        series
    }

    fn column(series: &TimeSeries) -> &[Option<SeriesCell>] {
        series.columns().find(|(name, _)| *name == "cpu").unwrap().1
    }

    #[test]
    fn it_never_grows_beyond_its_bound_and_forgets_no_peak() {
        for samples in [1, 2, 999, 1_000, 1_001, 1_999, 2_001, 100_003] {
            let peak = samples / 3;
            let series = filled(samples, |at| if at == peak { 9e9 } else { (at % 7) as f64 });
            let cells = column(&series);
            assert!(series.spans().len() <= MOST, "{samples}");
            assert!(samples < 1_000 || series.spans().len() >= MOST / 2, "{samples}");
            assert_eq!(cells.len(), series.spans().len());
            let told: u32 = cells.iter().flatten().map(|cell| cell.samples).sum();
            assert_eq!(u64::from(told), samples, "every sample is in one point");
            assert_eq!(TimeSeries::summary(cells).unwrap().high, 9e9);
            assert_eq!(series.spans()[0].from, Duration::ZERO);
            assert_eq!(series.spans().last().unwrap().to, Duration::from_secs(samples - 1));
        }
    }

    #[test]
    fn points_stand_for_equally_many_samples_but_the_last() {
        let series = filled(2_500, |_| 1.0);
        let counts: Vec<_> = column(&series).iter().flatten().map(|cell| cell.samples).collect();
        let (last, rest) = counts.split_last().unwrap();
        assert!(rest.iter().all(|count| *count == 4) && (1..=4).contains(last), "{counts:?}");
    }

    #[test]
    fn a_name_may_come_late_and_stay_away() {
        let mut series = TimeSeries::default();
        let told = |pairs: &[(&str, f64)]| pairs.iter().map(|(n, v)| ((*n).into(), *v)).collect();
        series.add(Duration::from_secs(1), &told(&[("a", 1.0)]));
        series.add(Duration::from_secs(2), &told(&[("a", f64::NAN), ("b", 4.0)]));
        series.add(Duration::from_secs(3), &told(&[("b", 6.0)]));
        let means = |name| {
            let (_, cells) = series.columns().find(|(found, _)| *found == name).unwrap();
            cells.iter().map(|cell| cell.map(|cell| cell.mean())).collect::<Vec<_>>()
        };
        assert_eq!(means("a"), [Some(1.0), None, None]);
        assert_eq!(means("b"), [None, Some(4.0), Some(6.0)]);
        let many = (0..200).map(|n| (format!("name {n}"), 1.0)).collect();
        series.add(Duration::from_secs(4), &many);
        assert_eq!(series.columns().count(), MOST_NAMES);
    }

    #[test]
    fn it_can_be_thinned_to_what_a_plot_has_room_for() {
        let series = filled(901, |at| at as f64);
        let thin = series.thinned(240);
        assert!((120..=240).contains(&thin.spans().len()), "{}", thin.spans().len());
        let (all, few) = (
            TimeSeries::summary(column(&series)).unwrap(),
            TimeSeries::summary(column(&thin)).unwrap(),
        );
        assert_eq!((all.low, all.high), (few.low, few.high));
        assert!((all.median - 450.0).abs() < 1.0 && (few.median - 450.0).abs() < 5.0);
        assert_eq!(TimeSeries::default().thinned(0), TimeSeries::default());
        assert_eq!(TimeSeries::summary(&[None]), None);
    }
}
