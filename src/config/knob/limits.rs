//! What thresholds are made of.

use std::{path::Path, time::Duration};

use super::{Knob, Said, nearest};
use crate::{
    config::Timeouts,
    model::{LimitMode, problem::listed, quantity},
};

impl Knob for LimitMode {
    fn expected() -> String {
        format!("one of {}", listed(Self::ALL.into_iter().map(Self::name)))
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        Self::named(said.text()?)
    }

    fn help(said: &Said) -> Option<String> {
        nearest(said.text()?, Self::ALL.into_iter().map(Self::name))
    }
}

/// A share of all values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::config) struct Quantile(pub f64);

impl Knob for Quantile {
    fn expected() -> String {
        "a share of the runs from 0.5 to 1, as 0.99".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let share = quantity::decimal(said.digits()?)?;
        (0.5..=1.0).contains(&share).then_some(Self(share))
    }
}

/// Points of priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Points(pub u8);

impl Knob for Points {
    fn expected() -> String {
        "points from 0 to 100".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        said.digits()?.parse().ok().filter(|points| *points <= 100).map(Self)
    }
}

/// How many times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::config) struct Factor(pub f64);

impl Knob for Factor {
    fn expected() -> String {
        "a number from 1 to 1000, as 3 or 2.5".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let factor = quantity::decimal(said.digits()?)?;
        (1.0..=1e3).contains(&factor).then_some(Self(factor))
    }
}

/// The least a time may be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Floor(pub Duration);

impl Knob for Floor {
    fn expected() -> String {
        "a length of time in whole seconds with its unit, as \"10s\" or \"1m\"".into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let floor = quantity::duration(said.text()?)?;
        (floor.subsec_nanos() == 0).then_some(Self(floor))
    }
}

/// How long something may take: at least a second, at most what a job file may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Time(pub Duration);

impl Knob for Time {
    fn expected() -> String {
        "a length of time in whole seconds with its unit, as \"1h\" or \"90s\", at most \"7d\""
            .into()
    }

    fn read(said: &Said, _: &Path) -> Option<Self> {
        let time = quantity::duration(said.text()?)?;
        let is_fine = time.subsec_nanos() == 0 && !time.is_zero() && time <= Timeouts::MOST;
        is_fine.then_some(Self(time))
    }

    fn help(said: &Said) -> Option<String> {
        let number: u64 = said.digits()?.parse().ok()?;
        Some(format!("write \"{number}m\" for minutes"))
    }
}
