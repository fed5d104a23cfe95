//! Who has had how much of the box lately.
//!
//! What somebody has had counts less as time passes, half of it after each half-life. As it does so for
//! everybody alike, shares change only when somebody uses the box: later use is written larger instead
//! of making all earlier use smaller (forward decay: Cormode, Shkapenyuk, Srivastava and Xu, 2009).

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

/// Half-lives after which all that is written is made smaller, long before it overflows.
const FAR: f64 = 256.0;

#[derive(Debug, Clone)]
pub struct Shares {
    half_life: Duration,
    /// A use at this time is written as it is.
    landmark: Option<Timestamp>,
    /// In order, so that the sum of it is the same each time, to the last digit.
    used: BTreeMap<String, f64>,
    in_all: f64,
    /// Of what shares are told; none is of all that was used.
    of: Option<f64>,
}

impl Shares {
    pub fn new(half_life: Duration) -> Self {
        Self { half_life, landmark: None, used: BTreeMap::new(), in_all: 0.0, of: None }
    }

    /// Somebody has had so much (core-seconds) at a time. What turns out to have been less is taken back
    /// with a negative amount at the same time.
    pub fn charge(&mut self, who: &str, at: Timestamp, amount: f64) {
        let landmark = *self.landmark.get_or_insert(at);
        let mut age =
            at.duration_since(landmark).as_secs_f64() / self.half_life.as_secs_f64().max(1.0);
        if age > FAR {
            let smaller = (-age).exp2();
            self.used.values_mut().for_each(|used| *used *= smaller);
            self.used.retain(|_, used| *used > f64::MIN_POSITIVE);
            self.landmark = Some(at);
            age = 0.0;
        }
        let used = self.used.entry(who.to_owned()).or_default();
        *used = (*used + amount * age.exp2()).max(0.0);
        self.in_all = self.used.values().sum();
    }

    /// The same for one decision: what is charged from here on makes the share of nobody else smaller.
    pub(super) fn of_now(&self) -> Self {
        Self { of: Some(self.in_all), ..self.clone() }
    }

    /// 0 to 1: what of all that was used is theirs.
    pub fn of(&self, who: &str) -> f64 {
        let used = self.used.get(who).copied().unwrap_or(0.0);
        let of = self.of.unwrap_or(self.in_all);
        if used > 0.0 && of > 0.0 { (used / of).min(1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    fn percent(shares: &Shares, who: &str) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "0 to 100")]
        let percent = (shares.of(who) * 100.0).round() as i64;
        percent
    }

    #[test]
    fn old_use_counts_less_and_what_was_not_used_is_taken_back() {
        let mut shares = Shares::new(Duration::from_secs(24 * 3600));
        assert_eq!(percent(&shares, "ann"), 0);
        shares.charge("ann", at(0), 100.0);
        assert_eq!(percent(&shares, "ann"), 100);
        shares.charge("bob", at(24), 100.0);
        assert_eq!([percent(&shares, "ann"), percent(&shares, "bob")], [33, 67]);
        shares.charge("bob", at(24), -50.0);
        assert_eq!([percent(&shares, "ann"), percent(&shares, "bob")], [50, 50]);
    }

    #[test]
    fn years_later_only_what_is_new_counts() {
        let mut shares = Shares::new(Duration::from_secs(3600));
        shares.charge("ann", at(0), 1e12);
        shares.charge("bob", at(10_000), 1.0);
        assert_eq!([percent(&shares, "ann"), percent(&shares, "bob")], [0, 100]);
        shares.charge("ann", at(9_000), 5.0);
        assert_eq!(percent(&shares, "bob"), 100, "what is heard of late is as old as it is");
    }
}
