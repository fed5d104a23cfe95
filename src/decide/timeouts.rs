//! How long a job, each of its actions and each of its steps may take.
//!
//! Who is closer to the thing decides, as LAVA has it. From the one that gives way to the one that
//! holds:
//!
//! ```text
//! built in < settings < timeouts.action < the action's timeout < timeouts.actions.NAME
//! ```
//!
//! No action has more time than its job. What the author has asked for beyond that is refused by
//! `job_file`; what nobody has asked for is cut to the job's.

use std::time::Duration;

use crate::{
    config,
    model::{Timeout, TimeoutOrigin},
};

/// What the job file says of the time of an action; each holds against those before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Said<'a> {
    /// Of all actions.
    pub all: Option<&'a Timeout>,
    /// In the action itself.
    pub own: Option<&'a Timeout>,
    /// Of all actions of its name.
    pub named: Option<&'a Timeout>,
}

/// Of the whole job.
pub fn job(said: Option<Timeout>, set: &config::Timeouts) -> Timeout {
    let usual = chosen(set.job, "timeouts.job", config::Timeouts::JOB);
    let timeout = said.unwrap_or(usual);
    if timeout.value > set.most {
        return Timeout::of_setting(set.most, "timeouts.most");
    }
    timeout
}

/// Of an action, in a job that may take as long as `job` says.
pub fn action(said: Said<'_>, set: &config::Timeouts, job: &Timeout) -> Timeout {
    if let Some(said) = said.named.or(said.own).or(said.all) {
        return within(said.clone(), job);
    }
    within(chosen(set.action, "timeouts.action", config::Timeouts::ACTION), job)
}

/// Of a step that waits, whose verb usually waits for as long as `usual` says. A step may be given
/// more time than its action has: then the action ends it.
pub fn step(said: Option<Timeout>, set: &config::Timeouts, usual: Duration) -> Timeout {
    said.unwrap_or_else(|| chosen(set.step, "timeouts.step", usual))
}

/// Beyond what nearly all runs took.
const MARGIN: f64 = 1.5;
/// Less is no use: a busy host takes that for itself.
const LEAST: Duration = Duration::from_secs(10);
/// So many times what it takes, a timeout protects nobody any more.
const FAR: u32 = 20;

/// What to give to something of which 99 of 100 good runs took at most `p99`: that and a margin, in
/// a number that people would write.
pub fn suggest(p99: Duration) -> Duration {
    let time = p99.mul_f64(MARGIN).max(LEAST);
    let grain = match time.as_secs() {
        ..60 => 5,
        60..600 => 30,
        600..7_200 => 60,
        _ => 900,
    };
    let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    Duration::from_secs(whole.div_ceil(grain) * grain)
}

/// What is odd about a timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Runs that went well have taken longer.
    TooShort,
    /// It is so long that a job that hangs blocks its machine for nothing.
    TooLong,
}

/// Whether a timeout is odd for something of which 99 of 100 good runs took at most `p99`.
pub fn oddity(timeout: Duration, p99: Duration) -> Option<Oddity> {
    if timeout < p99 {
        return Some(Oddity::TooShort);
    }
    (timeout > p99.max(LEAST) * FAR).then_some(Oddity::TooLong)
}

fn chosen(set: Option<Duration>, key: &str, usual: Duration) -> Timeout {
    set.map_or_else(|| Timeout::built_in(usual), |value| Timeout::of_setting(value, key))
}

fn within(timeout: Timeout, job: &Timeout) -> Timeout {
    if timeout.value > job.value {
        return Timeout { value: job.value, origin: TimeoutOrigin::WholeJob };
    }
    timeout
}

#[cfg(test)]
mod tests {
    use proptest::{option::of, prelude::*};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn file(value: u64, line: usize) -> Timeout {
        let origin = TimeoutOrigin::JobFile { key: "timeout".into(), line };
        Timeout { value: seconds(value), origin }
    }

    #[test]
    fn who_is_closer_to_an_action_decides() {
        let [all, own, named] = [file(10, 1), file(20, 2), file(30, 3)];
        let set = config::Timeouts { action: Some(seconds(5)), ..config::Timeouts::default() };
        let none = config::Timeouts::default();
        let hour = Timeout::built_in(seconds(3_600));
        let said = |all, own, named| Said { all, own, named };
        for (case, said, set, expected) in [
            ("nobody", Said::default(), none, Timeout::built_in(seconds(600))),
            (
                "the administrator",
                Said::default(),
                set,
                Timeout::of_setting(seconds(5), "timeouts.action"),
            ),
            ("the file", said(Some(&all), None, None), set, all.clone()),
            ("the action", said(Some(&all), Some(&own), None), set, own.clone()),
            ("its name", said(Some(&all), Some(&own), Some(&named)), set, named.clone()),
        ] {
            assert_eq!(action(said, &set, &hour), expected, "{case}");
        }
    }

    #[test]
    fn the_administrator_s_most_is_named_where_it_holds() {
        let set = config::Timeouts { most: seconds(60), ..config::Timeouts::default() };
        let most = Timeout::of_setting(seconds(60), "timeouts.most");
        assert_eq!(job(None, &set), most);
        assert_eq!(job(Some(file(90, 4)), &set), most);
        assert_eq!(job(Some(file(30, 4)), &set), file(30, 4));
        let kept = set.once_accepted(seconds(90));
        assert_eq!(job(Some(file(90, 4)), &kept), file(90, 4), "it was let in with that");
        assert_eq!(job(None, &kept).value, seconds(90));
    }

    #[test]
    fn a_suggestion_is_a_number_that_people_would_write() {
        for (p99, suggestion) in
            [(0, 10), (7, 15), (31, 50), (41, 90), (100, 150), (500, 780), (5_000, 8_100)]
        {
            assert_eq!(suggest(seconds(p99)), seconds(suggestion), "{p99}");
        }
    }

    #[test]
    fn a_timeout_is_odd_that_is_short_or_far_too_long() {
        for (timeout, p99, expected) in [
            (59, 60, Some(Oddity::TooShort)),
            (60, 60, None),
            (1_200, 60, None),
            (1_201, 60, Some(Oddity::TooLong)),
            (200, 1, None),
            (201, 1, Some(Oddity::TooLong)),
        ] {
            assert_eq!(oddity(seconds(timeout), seconds(p99)), expected, "{timeout} for {p99}");
        }
    }

    proptest! {
        /// A suggestion leaves room, and is not odd itself.
        #[test]
        fn a_suggestion_is_never_odd(millis in 0_u64..300_000_000) {
            let p99 = Duration::from_millis(millis);
            let suggestion = suggest(p99);
            prop_assert!(suggestion >= p99.mul_f64(1.4));
            prop_assert_eq!(oddity(suggestion, p99), None);
        }

        /// Whoever says what: an action has no more time than its job, and a job no more than the
        /// administrator's most.
        #[test]
        fn nothing_has_more_time_than_what_it_is_in(
            said in (of(1_u64..9_000), of(1_u64..9_000), of(1_u64..9_000), of(1_u64..9_000)),
            set in (of(1_u64..9_000), of(1_u64..9_000), 1_u64..9_000),
        ) {
            let (of_job, all, own, named) = said;
            let one = |value: Option<u64>| value.map(|value| file(value, 1));
            let (all, own, named) = (one(all), one(own), one(named));
            let set = config::Timeouts {
                job: set.0.map(seconds),
                action: set.1.map(seconds),
                most: seconds(set.2),
                ..config::Timeouts::default()
            };
            let whole = job(one(of_job), &set);
            prop_assert!(whole.value <= set.most);
            let said = Said { all: all.as_ref(), own: own.as_ref(), named: named.as_ref() };
            let part = action(said, &set, &whole);
            prop_assert!(part.value <= whole.value);
            if part.value < whole.value && part.origin == TimeoutOrigin::WholeJob {
                prop_assert!(false, "it is shorter than the job and is said to be as long");
            }
        }
    }
}
