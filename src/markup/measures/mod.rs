//! What was measured of a run, as small plots over one time axis.
//!
//! `known` says what a name stands for, `panels` which measures share a plot, `plot` draws one of
//! them. All plots are as wide as the timeline of the steps, so that a place in one is the same
//! time in all. Every figure is there as a table, too.
//!
//! ```text
//! TimeSeries -> thinned -> panels (one per group and unit) -> plots
//!      \-> summary  -> table
//! ```

mod known;
mod panels;
mod plot;

use std::{collections::BTreeMap, time::Duration};

use maud::{Markup, html};

pub use known::{Group, Known, Unit, known};

use super::{moment::position, words};
use crate::model::{Run, TimeSeries};
use panels::{Panel, panels};

/// Points that a plot has room for.
const POINTS: usize = 240;

/// What a measure usually comes to, by its name: drawn behind what it came to this time.
pub type Usuals = BTreeMap<String, Usual>;

/// Of the same test's history, in the measure's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    pub median: f64,
    /// 95 of 100 are no greater.
    pub high: f64,
}

/// Everything that was measured; nothing when nothing was. `until` is how far the run has come.
pub fn measures(run: &Run, until: Duration, usual: &Usuals) -> Markup {
    let series = run.series.thinned(POINTS);
    let panels = panels(&series);
    html! {
        @if !panels.is_empty() {
            div.measures data-until=(format!("{:.1}", until.as_secs_f64())) {
                (plot::behind(run, until))
                @for panel in &panels { (plot::plot(panel, &series, &run.slow, until, usual)) }
                (axis(until))
            }
            (numbers(&run.series, usual))
        }
    }
}

/// Times below the plots.
fn axis(until: Duration) -> Markup {
    html! {
        div.axis aria-hidden="true" {
            @for quarter in 0..=4 { span { (position(until * quarter / 4)) } }
        }
    }
}

/// The same as figures.
fn numbers(series: &TimeSeries, usual: &Usuals) -> Markup {
    let panels = panels(series);
    let lines = panels.iter().flat_map(|panel: &Panel<'_>| &panel.lines);
    let has_usual = series.columns().any(|(name, _)| usual.contains_key(name));
    html! {
        details #measures-numbers {
            summary { "As numbers" }
            table.numbers {
                caption.unseen { "What each measure came to over the whole run" }
                thead { tr {
                    th scope="col" { "Measure" }
                    th.figure scope="col" { "Least" }
                    th.figure scope="col" { "Median" }
                    th.figure scope="col" { "Greatest" }
                    @if has_usual { th.figure scope="col" { "Usual, up to" } }
                } }
                tbody { @for line in lines { tr {
                    th scope="row" {
                        @if line.known.group != Group::Other { (line.known.group.title()) ": " }
                        bdi { (words::shorten(&line.known.title, 80)) }
                    }
                    @let unit = line.known.unit;
                    @for value in [line.summary.low, line.summary.median, line.summary.high] {
                        td.figure { (unit.figure(value)) }
                    }
                    @if has_usual { td.figure {
                        @if let Some(usual) = usual.get(line.name) {
                            (unit.figure(usual.median)) ", " (unit.figure(usual.high))
                        }
                    } }
                } } }
            }
        }
    }
}

#[cfg(test)]
mod tests;
