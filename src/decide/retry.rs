//! Decides whether a job that has failed for a known reason is tried again by itself, and when.
//!
//! It is off unless somebody has switched it on, for a rule or in general; it is never for a failure
//! nobody has a rule for. Two numbers keep it from going round: how often one job is retried, the
//! retries of its retries included, and how many retries the box makes in a day.
//!
//! `store` asks in the transaction that ends the job, so the answer is durable together with the end
//! and is given once.

use std::{fmt, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Retry,
    model::{KnownRule, Verdict},
};

/// No retry waits longer, however often a job has been retried.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub verdict: Verdict,
    /// Somebody asked for it to be stopped.
    pub is_canceled: bool,
    /// Rules it matches, by name.
    pub rules: &'a [KnownRule],
    /// How often the job has been retried already: 0 for one that is no retry.
    pub depth: u32,
    /// Retries this box has made by itself today.
    pub today: u64,
    pub now: Timestamp,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Retry {
        at: Timestamp,
        /// Name of the rule that wants it.
        rule: String,
    },
    No(Why),
}

/// Why a job is not retried by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It did not fail, or somebody wanted it to end.
    NotFailed,
    /// No rule knows its failure.
    Unknown,
    /// Nobody has switched it on.
    Off,
    /// It has been retried as often as every rule that would have it retried allows.
    Most { rule: String, most: u32, depth: u32 },
    /// The box has made its retries for today.
    Budget(u32),
}

/// Whether, when and for which rule.
pub fn retry(asked: &Asked<'_>, general: &Retry) -> Decision {
    if !crate::model::Failure::is_one(asked.verdict) || asked.is_canceled {
        return Decision::No(Why::NotFailed);
    }
    if asked.rules.is_empty() {
        return Decision::No(Why::Unknown);
    }
    let is_on = |rule: &&KnownRule| rule.retry.automatic.unwrap_or(general.automatic);
    let most = |rule: &KnownRule| rule.retry.most.unwrap_or(general.most);
    let mut on = asked.rules.iter().filter(is_on);
    let Some(first) = on.next() else { return Decision::No(Why::Off) };
    let mut on = std::iter::once(first).chain(on);
    let Some(rule) = on.find(|rule| asked.depth < most(rule)) else {
        let (rule, most) = (first.name.clone(), most(first));
        return Decision::No(Why::Most { rule, most, depth: asked.depth });
    };
    if asked.today >= general.per_day.into() {
        return Decision::No(Why::Budget(general.per_day));
    }
    let first = rule.retry.backoff().unwrap_or(general.backoff);
    let wait = first.saturating_mul(2_u32.saturating_pow(asked.depth)).min(LONGEST);
    let wait = SignedDuration::try_from(wait).expect("a day is not too long");
    let at = asked.now.checked_add(wait).unwrap_or(Timestamp::MAX);
    Decision::Retry { at, rule: rule.name.clone() }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFailed => f.write_str("it did not fail"),
            Self::Unknown => f.write_str("no rule knows its failure"),
            Self::Off => f.write_str("retrying by itself is off"),
            Self::Most { rule, most: 0, .. } => write!(f, "rule {rule} allows no retry"),
            Self::Most { rule, most, depth } => {
                write!(f, "rule {rule} allows {most} retries, and there have been {depth}")
            }
            Self::Budget(most) => write!(f, "this box has made its {most} retries of today"),
        }
    }
}

/// The day (UTC) a retry counts for: days since 1970.
pub fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pattern, RuleRetry, Touch};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rule(
        name: &str,
        automatic: Option<bool>,
        most: Option<u32>,
        backoff_s: Option<u64>,
    ) -> KnownRule {
        let touch = Touch { at: at(0), by: "ada".into() };
        KnownRule {
            name: name.into(),
            owner: "ada".into(),
            notes: String::new(),
            bug: None,
            created: touch.clone(),
            changed: touch,
            enabled: true,
            pattern: Pattern::default(),
            retry: RuleRetry { automatic, most, backoff_s },
        }
    }

    #[test]
    fn a_job_is_retried_only_where_that_is_on_and_within_both_numbers() {
        let off = Retry::default();
        let on = Retry { automatic: true, most: 2, ..off };
        let none = || vec![];
        let says = |automatic| vec![rule("r", automatic, None, None)];
        let yes = |second, name: &str| Decision::Retry { at: at(second), rule: name.into() };
        let no = Decision::No;
        let failed = Verdict::Failed;
        let most = |depth| Why::Most { rule: "r".into(), most: 2, depth };
        for (case, general, verdict, rules, depth, today, want) in [
            ("no rule, off", off, failed, none(), 0, 0, no(Why::Unknown)),
            ("no rule, on", on, failed, none(), 0, 0, no(Why::Unknown)),
            ("a rule, off", off, failed, says(None), 0, 0, no(Why::Off)),
            ("a rule says no, on", on, failed, says(Some(false)), 0, 0, no(Why::Off)),
            ("a rule says yes, off", off, failed, says(Some(true)), 0, 0, yes(1_060, "r")),
            ("a rule, on", on, failed, says(None), 0, 0, yes(1_060, "r")),
            ("the second waits twice as long", on, failed, says(None), 1, 0, yes(1_120, "r")),
            ("the most", on, failed, says(None), 2, 0, no(most(2))),
            ("more than the most", on, failed, says(None), 9, 0, no(most(9))),
            (
                "another rule allows more",
                on,
                failed,
                vec![rule("a", None, None, None), rule("b", Some(true), Some(3), None)],
                2,
                0,
                yes(1_240, "b"),
            ),
            ("the last of the day", on, failed, says(None), 0, 19, yes(1_060, "r")),
            ("the day is used up", on, failed, says(None), 0, 20, no(Why::Budget(20))),
            ("passed", on, Verdict::Passed, says(None), 0, 0, no(Why::NotFailed)),
            ("softfailed", on, Verdict::Softfailed, says(None), 0, 0, no(Why::NotFailed)),
            ("canceled", on, Verdict::Canceled, says(None), 0, 0, no(Why::NotFailed)),
            ("incomplete", on, Verdict::Incomplete, says(None), 0, 0, yes(1_060, "r")),
            ("too slow", on, Verdict::TooSlow, says(None), 0, 0, yes(1_060, "r")),
            (
                "the rule's own numbers",
                off,
                failed,
                vec![rule("r", Some(true), Some(3), Some(10))],
                2,
                0,
                yes(1_040, "r"),
            ),
            (
                "no retries at all",
                on,
                failed,
                vec![rule("r", Some(true), Some(0), None)],
                0,
                0,
                no(Why::Most { rule: "r".into(), most: 0, depth: 0 }),
            ),
            (
                "the first that wants it",
                off,
                failed,
                vec![rule("a", None, None, None), rule("b", Some(true), None, None)],
                0,
                0,
                yes(1_060, "b"),
            ),
            (
                "a long wait has an end",
                off,
                failed,
                vec![rule("r", Some(true), Some(u32::MAX), Some(u64::MAX))],
                1_000,
                0,
                yes(1_000 + 86_400, "r"),
            ),
        ] {
            let asked =
                Asked { verdict, is_canceled: false, rules: &rules, depth, today, now: at(1_000) };
            assert_eq!(retry(&asked, &general), want, "{case}");
        }
    }

    #[test]
    fn what_somebody_wanted_to_end_is_not_begun_again() {
        let rules = [rule("r", Some(true), None, None)];
        let asked = Asked {
            verdict: Verdict::Incomplete,
            is_canceled: true,
            rules: &rules,
            depth: 0,
            today: 0,
            now: at(0),
        };
        assert_eq!(retry(&asked, &Retry::default()), Decision::No(Why::NotFailed));
    }

    #[test]
    fn a_chain_of_retries_comes_to_its_end_whatever_the_numbers() {
        for most in 0..6 {
            let rules = [rule("r", Some(true), Some(most), None)];
            let mut depth = 0;
            let mut asked = Asked {
                verdict: Verdict::Failed,
                is_canceled: false,
                rules: &rules,
                depth,
                today: 0,
                now: at(0),
            };
            while let Decision::Retry { at, .. } = retry(&asked, &Retry::default()) {
                depth += 1;
                asked = Asked { depth, today: depth.into(), now: at, ..asked };
            }
            assert_eq!(depth, most);
        }
    }

    #[test]
    fn days_begin_at_midnight() {
        assert_eq!([day(at(-1)), day(at(0)), day(at(86_399)), day(at(86_400))], [-1, 0, 0, 1]);
    }
}
