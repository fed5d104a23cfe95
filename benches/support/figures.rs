//! What a bench says: a table for people, and JSON in `target/figures/` of which `table.rs` makes
//! the table of the README.
//!
//! A figure stands beside a peer's or a limit's, measured in the same run on the same machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Measurements of one thing, in the unit of their [`Figure`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) runs: usize,
}

impl Spread {
    /// Of at least one sample.
    pub(crate) fn of(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        Self { median: sorted[sorted.len() / 2], least, most, runs: sorted.len() }
    }

    /// What all but one in a hundred stay below.
    pub(crate) fn p99(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let worst = sorted[(sorted.len() * 99).div_ceil(100) - 1];
        Self { runs: sorted.len(), ..Self::once(worst) }
    }

    /// Of one measurement, or of something that is counted.
    pub(crate) fn once(value: f64) -> Self {
        Self { median: value, least: value, most: value, runs: 1 }
    }
}

/// What we want of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Aim {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }
}

/// A peer or a limit, measured beside us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Beside {
    /// Who, with the version: "os-autoinst 4.6", "fsync of this disk".
    pub(crate) name: String,
    pub(crate) measured: Spread,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// "changed screen to step passed".
    pub(crate) what: String,
    /// "ms", "s", "MiB", "bytes", "/s"; empty for a ratio.
    pub(crate) unit: String,
    pub(crate) ours: Spread,
    pub(crate) beside: Option<Beside>,
    pub(crate) aim: Option<Aim>,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, unit: &str, ours: Spread) -> Self {
        Self { what: what.into(), unit: unit.into(), ours, beside: None, aim: None }
    }

    pub(crate) fn beside(self, name: impl Into<String>, measured: Spread) -> Self {
        Self { beside: Some(Beside { name: name.into(), measured }), ..self }
    }

    pub(crate) fn aim(self, aim: Aim) -> Self {
        Self { aim: Some(aim), ..self }
    }
}

/// All a bench measured in one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) bench: String,
    pub(crate) date: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) figures: Vec<Figure>,
}

impl Figures {
    pub(crate) fn new(bench: &str) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            bench: bench.into(),
            date: jiff::Zoned::now().strftime("%Y-%m-%d").to_string(),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            kernel: kernel.trim().into(),
            figures: Vec::new(),
        }
    }

    /// Says a figure at once, so that a long bench shows what it has.
    pub(crate) fn push(&mut self, figure: Figure) {
        println!("{}", line(&figure));
        self.figures.push(figure);
    }

    /// Writes `target/figures/BENCH.json`.
    pub(crate) fn finish(self) {
        let folder = folder();
        fs::create_dir_all(&folder).expect("the target folder can be written");
        let file = folder.join(&self.bench).with_extension("json");
        let json = serde_json::to_string_pretty(&self).expect("figures are plain data");
        fs::write(&file, json + "\n").expect("the target folder can be written");
        println!("{}", file.display());
    }
}

/// Where figures are kept: `target/figures`.
pub(crate) fn folder() -> PathBuf {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tmp.parent().expect("it is target/tmp").join("figures")
}

/// A figure in a line of text.
pub(crate) fn line(figure: &Figure) -> String {
    let unit = &figure.unit;
    let mut line = format!("{:<56} {}", figure.what, spread(&figure.ours, unit));
    if let Some(Beside { name, measured }) = &figure.beside {
        line += &format!(" | {name} {} | {}", spread(measured, unit), ratio(figure));
    }
    if let Some(aim) = figure.aim {
        let (bound, word) = match aim {
            Aim::AtMost(bound) => (bound, "at most"),
            Aim::AtLeast(bound) => (bound, "at least"),
        };
        let met = if aim.is_met(figure.ours.median) { "met" } else { "NOT met" };
        line += &format!(" | aim {word} {} {unit}: {met}", number(bound));
    }
    line
}

/// How many times more or less than the peer, in words.
pub(crate) fn ratio(figure: &Figure) -> String {
    let Some(beside) = &figure.beside else { return String::new() };
    let (ours, theirs) = (figure.ours.median, beside.measured.median);
    if ours <= 0.0 || theirs <= 0.0 {
        return String::new();
    }
    if ours <= theirs {
        format!("{}x less", number(theirs / ours))
    } else {
        format!("{}x more", number(ours / theirs))
    }
}

pub(crate) fn spread(spread: &Spread, unit: &str) -> String {
    let median = number(spread.median);
    if spread.runs == 1 {
        return format!("{median} {unit}").trim_end().into();
    }
    let (least, most) = (number(spread.least), number(spread.most));
    format!("{median} {unit} ({least} to {most}, {} runs)", spread.runs)
}

/// Three digits that count, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}
