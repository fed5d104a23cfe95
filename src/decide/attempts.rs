//! Decides whether somebody may try a password now.
//!
//! After a few wrong ones in a row a name has to wait, twice as long each time, up to some minutes;
//! and however many names are tried, the box looks at only so many passwords a minute. What is
//! remembered is bounded: of very many names the one tried longest ago is forgotten first, which
//! helps a guesser little, since all names share the minute.

use std::{collections::BTreeMap, time::Duration};

/// Wrong passwords in a row before a name has to wait.
const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A name whose last try is so long ago begins anew.
const FORGIVEN: Duration = Duration::from_secs(3_600);
/// Passwords of all names together that are looked at within a minute.
const A_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);
/// Names that are remembered.
const NAMES: usize = 4_096;

/// How long to wait before it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon(pub Duration);

/// What has been tried. Times are of one clock that only goes forward.
#[derive(Debug, Default)]
pub struct Attempts {
    names: BTreeMap<String, Wrong>,
    minute: Duration,
    in_minute: u32,
}

#[derive(Debug, Clone, Copy)]
struct Wrong {
    in_a_row: u32,
    last: Duration,
}

impl Attempts {
    /// Counts a try of `name` as a wrong one until [`Attempts::succeeded`] takes it back: so that
    /// many at the same moment are no way around the limit.
    ///
    /// # Errors
    /// [`TooSoon`] when it must wait.
    pub fn begin(&mut self, now: Duration, name: &str) -> Result<(), TooSoon> {
        let before = self.names.get(name).filter(|wrong| now < wrong.last + FORGIVEN).copied();
        if let Some(until) = before.map(|wrong| wrong.last + wait(wrong.in_a_row))
            && now < until
        {
            return Err(TooSoon(until - now));
        }
        if now >= self.minute + MINUTE {
            (self.minute, self.in_minute) = (now, 0);
        }
        if self.in_minute >= A_MINUTE {
            return Err(TooSoon(self.minute + MINUTE - now));
        }
        self.in_minute += 1;
        let in_a_row = before.map_or(0, |wrong| wrong.in_a_row).saturating_add(1);
        self.names.insert(name.to_owned(), Wrong { in_a_row, last: now });
        if self.names.len() > NAMES
            && let Some(oldest) = self.names.iter().min_by_key(|(_, wrong)| wrong.last)
        {
            let oldest = oldest.0.clone();
            self.names.remove(&oldest);
        }
        Ok(())
    }

    /// The password was right.
    pub fn succeeded(&mut self, name: &str) {
        self.names.remove(name);
    }
}

fn wait(in_a_row: u32) -> Duration {
    match in_a_row.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(over) => (FIRST_WAIT * 2_u32.saturating_pow(over.min(16))).min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn wrong_passwords_in_a_row_make_a_name_wait_longer_and_longer() {
        let mut attempts = Attempts::default();
        for _ in 0..FREE {
            assert_eq!(attempts.begin(at(0), "ann"), Ok(()));
        }
        assert_eq!(attempts.begin(at(1), "ann"), Err(TooSoon(at(4))));
        assert_eq!(attempts.begin(at(1), "bob"), Ok(()), "another name does not wait");
        assert_eq!(attempts.begin(at(5), "ann"), Ok(()));
        assert_eq!(attempts.begin(at(6), "ann"), Err(TooSoon(at(9))));
        let mut now = at(5);
        for _ in 0..20 {
            while let Err(TooSoon(left)) = attempts.begin(now, "ann") {
                assert!(left <= LONGEST_WAIT);
                now += left;
            }
        }
        assert_eq!(attempts.begin(now, "ann"), Err(TooSoon(LONGEST_WAIT)));
        assert_eq!(attempts.begin(now + FORGIVEN, "ann"), Ok(()));
        assert_eq!(attempts.begin(now + FORGIVEN, "ann"), Ok(()), "it began anew");
    }

    #[test]
    fn a_right_password_wipes_the_slate() {
        let mut attempts = Attempts::default();
        for _ in 0..3 * FREE {
            assert_eq!(attempts.begin(at(0), "ann"), Ok(()));
            attempts.succeeded("ann");
        }
    }

    #[test]
    fn all_names_share_the_minute_and_the_memory() {
        let mut attempts = Attempts::default();
        for n in 0..A_MINUTE {
            assert_eq!(attempts.begin(at(10), &n.to_string()), Ok(()));
        }
        assert_eq!(attempts.begin(at(30), "x"), Err(TooSoon(at(30))));
        assert_eq!(attempts.begin(at(70), "x"), Ok(()));
        for n in 0..2 * NAMES as u64 {
            let _ = attempts.begin(at(100 + 61 * n), &format!("n{n}"));
            assert!(attempts.names.len() <= NAMES);
        }
    }
}
