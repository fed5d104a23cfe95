//! A distribution in a few hundred bytes: how many values there were of which size, to within one
//! percent of the size.
//!
//! A `DDSketch` (Masson, Rim and Lee: "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", VLDB 2019), by the crate that is named in this file only. Values are
//! counted in bins whose edges grow by 2 %, so two sketches merge without loss, and one that holds
//! every second from a millisecond to a year is of some 1,200 bins. As bytes it is the form that the
//! authors' own libraries for Java, Go and Python read and write.

use sketches_ddsketch::{Config, DDSketch};

use crate::model::LARGEST_SAMPLE;

/// Values below are as good as none.
const SMALLEST: f64 = 1e-6;

/// How far a quantile may be off, as a share of its size.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Counts of values from 0 to [`LARGEST_SAMPLE`].
#[derive(Clone)]
pub struct Sketch(DDSketch);

/// Values of about the same size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    pub value: f64,
    pub count: u64,
}

impl Default for Sketch {
    fn default() -> Self {
        Self(DDSketch::new(Config::defaults()))
    }
}

impl Sketch {
    pub fn add(&mut self, value: f64) {
        let value = value.clamp(0.0, LARGEST_SAMPLE);
        self.0.add(if value < SMALLEST || value.is_nan() { 0.0 } else { value });
    }

    /// As if all values of `other` had been added.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0).expect("all of ours are made alike");
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Exact, as are [`Sketch::max`] and [`Sketch::sum`].
    pub fn min(&self) -> Option<f64> {
        self.0.min()
    }

    pub fn max(&self) -> Option<f64> {
        self.0.max()
    }

    pub fn sum(&self) -> Option<f64> {
        self.0.sum()
    }

    /// The value that a share of `at` (0 to 1) of the values is not above, as the one among them
    /// that has this place, rounded down: of ten values the 0.99 quantile is the ninth.
    pub fn quantile(&self, at: f64) -> Option<f64> {
        let value = self.0.quantile(at.clamp(0.0, 1.0)).ok().flatten()?;
        Some(value.clamp(self.min()?, self.max()?))
    }

    /// How many values are above `limit`; those within a percent of it may be taken for either.
    pub fn count_above(&self, limit: f64) -> u64 {
        let all = self.count();
        if self.max().is_none_or(|max| max <= limit) {
            return 0;
        }
        all - first(0, all, |place| self.at(place) > limit)
    }

    /// What is in it, smallest first.
    pub fn bins(&self) -> Vec<Bin> {
        let all = self.count();
        let mut bins = Vec::new();
        let mut place = 0;
        while place < all {
            let value = self.at(place);
            let next = first(place, all, |later| self.at(later) > value);
            bins.push(Bin { value, count: next - place });
            place = next;
        }
        bins
    }

    /// The middle of the bin that the value of this place (from 0) is counted in.
    fn at(&self, place: u64) -> f64 {
        let last = self.count() - 1;
        let value = if place < last {
            // Half a place further, so that rounding cannot lead to the one before.
            self.0.quantile((place as f64 + 0.5) / last as f64).ok().flatten()
        } else {
            let config = Config::defaults();
            let in_bin = |max: f64| if max > 0.0 { config.value(config.key(max)) } else { 0.0 };
            self.max().map(in_bin)
        };
        value.unwrap_or_default()
    }

    /// Nothing for an empty one.
    pub(super) fn encode(&self) -> Vec<u8> {
        if self.is_empty() { Vec::new() } else { self.0.to_java_bytes() }
    }

    /// `None` when these bytes are no sketch of ours.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let sketch = DDSketch::from_java_bytes(bytes).ok()?;
        // Merging is refused where the bins are others.
        Self::default().0.merge(&sketch).is_ok().then_some(Self(sketch))
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.bins()).finish()
    }
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        self.encode() == other.encode()
    }
}

impl Extend<f64> for Sketch {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.add(value));
    }
}

impl FromIterator<f64> for Sketch {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sketch = Self::default();
        sketch.extend(values);
        sketch
    }
}

/// The first number from `from` on that `is` holds for, or `end`; it holds for all after it.
fn first(from: u64, end: u64, is: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (from, end);
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Durations in milliseconds of any size, many alike.
    fn values(most: usize) -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            1 => Just(0.0),
            4 => 1e-3..1e3_f64,
            4 => (0..9_u32).prop_map(|n| f64::from(n) * 1_000.0),
            2 => 1e3..1e11_f64,
        ];
        vec(value, 1..most)
    }

    fn near(found: f64, exact: f64) -> bool {
        (found - exact).abs() <= exact * RELATIVE_ERROR * 1.000_001
    }

    proptest! {
        #[test]
        fn quantiles_are_within_one_percent_of_the_exact_ones(
            mut values in values(400), at in 0.0..=1.0_f64,
        ) {
            let sketch: Sketch = values.iter().copied().collect();
            values.sort_by(f64::total_cmp);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place")]
            let exact = values[(at * (values.len() as f64 - 1.0)) as usize];
            let found = sketch.quantile(at).unwrap();
            prop_assert!(near(found, exact), "{found}, not {exact}");
            prop_assert_eq!(sketch.min(), values.first().copied());
            prop_assert_eq!(sketch.max(), values.last().copied());
        }

        #[test]
        fn two_merged_are_as_one_and_survive_being_written(
            one in values(200), other in values(200),
        ) {
            let whole: Sketch = one.iter().chain(&other).copied().collect();
            let mut merged: Sketch = one.into_iter().collect();
            merged.merge(&other.into_iter().collect());
            prop_assert_eq!(merged.bins(), whole.bins());
            let read = Sketch::decode(&whole.encode()).unwrap();
            prop_assert_eq!(&read, &whole);
            prop_assert_eq!(read.quantile(0.9), whole.quantile(0.9));
            // What was read goes on.
            let mut read = read;
            read.merge(&merged);
            prop_assert_eq!(read.count(), 2 * whole.count());
        }

        #[test]
        fn bins_hold_every_value_once_and_tell_how_many_are_above(
            values in values(300), limit in 1e-2..1e6_f64,
        ) {
            let sketch: Sketch = values.iter().copied().collect();
            let bins = sketch.bins();
            prop_assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), values.len() as u64);
            prop_assert!(bins.windows(2).all(|pair| pair[0].value < pair[1].value));
            let above = |limit: f64| values.iter().filter(|value| **value > limit).count() as u64;
            let found = sketch.count_above(limit);
            // Those within the error may be counted either way.
            prop_assert!(above(limit * 1.021) <= found && found <= above(limit / 1.021), "{found}");
        }
    }

    #[test]
    fn the_smallest_the_largest_and_the_impossible_are_counted() {
        let values = [0.0, 1e-9, -5.0, f64::NAN, LARGEST_SAMPLE, f64::INFINITY];
        let sketch: Sketch = values.into_iter().collect();
        assert_eq!((sketch.count(), sketch.min(), sketch.max()), (6, Some(0.0), Some(1e12)));
        assert_eq!(sketch.bins().iter().map(|bin| bin.count).collect::<Vec<_>>(), [4, 2]);
        assert_eq!(sketch.count_above(1e12), 0);
        assert_eq!(sketch.count_above(0.0), 2);
    }

    #[test]
    fn an_empty_one_knows_nothing() {
        let empty = Sketch::default();
        assert_eq!((empty.quantile(0.5), empty.count_above(1.0), empty.bins()), (None, 0, vec![]));
        assert_eq!(Sketch::decode(&empty.encode()), Some(empty));
        assert_eq!(Sketch::decode(b"no sketch"), None);
    }

    #[test]
    fn however_many_values_it_stays_small() {
        let all = (0..2_000_000_u32).map(|n| f64::from(n % 1_048_573) * 953.0 + 0.001);
        let size = all.collect::<Sketch>().encode().len();
        assert!(size < 8 << 10, "{size} bytes");
    }
}
