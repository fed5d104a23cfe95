//! Draws one plot: what happened meanwhile and when something was slow behind it, what is usual,
//! the limit that was exceeded, what was least and greatest at each point, and the means as a line.
//!
//! Plots are stretched to the page, so no text is in them; lines keep their width all the same.

use std::{fmt::Write as _, time::Duration};

use maud::{Markup, html};

use super::{
    Usual, Usuals,
    known::Group,
    panels::{Line, Panel},
};
use crate::{
    markup::words,
    model::{ItemRun, Outcome, Run, SeriesCell, SeriesSpan, SlowRun, TimeSeries},
};

/// Of a drawing, in its own units.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 100.0;
/// Points further apart than this, and than a few usual steps, are not joined.
const GAP: Duration = Duration::from_secs(15);
const GAP_STEPS: u32 = 4;

/// What all plots have in common: a band for each module, or step that stands alone, and a line for
/// each moment at which something was told to be slow. What failed is tinted. In the page once, for
/// it may be large.
pub(super) fn behind(run: &Run, until: Duration) -> Markup {
    html! {
        svg.unseen width="0" height="0" aria-hidden="true" focusable="false" {
            defs { g #measures-behind {
                @for (index, item) in run.items.iter().enumerate() {
                    @if let Some((from, to, result)) = extent(item, until) {
                        @let (x, end) = (x_of(from, until), x_of(to, until));
                        rect class=(format!("band {} {}", parity(index), result.map_or("running", Outcome::name)))
                            x=(x) y="0" width=((end - x).max(1)) height=(HEIGHT) {}
                    }
                }
                @for slow in &run.slow {
                    @let x = x_of(slow.at, until);
                    line.slow-moment x1=(x) x2=(x) y1="0" y2=(HEIGHT) {}
                }
            } }
        }
    }
}

const fn parity(index: usize) -> &'static str {
    if index.is_multiple_of(2) { "even" } else { "odd" }
}

/// From when to when, and the worst result in it.
fn extent(item: &ItemRun, until: Duration) -> Option<(Duration, Duration, Option<Outcome>)> {
    let (first, last) = (item.steps.first()?, item.steps.last()?);
    let to = last.took.map_or(until, |took| last.started + took);
    let result = match &item.module {
        Some(module) => module.result,
        None => last.result,
    };
    Some((first.started, to, result))
}

pub(super) fn plot(
    panel: &Panel<'_>,
    series: &TimeSeries,
    slow: &[SlowRun],
    until: Duration,
    usual: &Usuals,
) -> Markup {
    let usual_of = |line: &Line<'_>| usual.get(line.name).copied();
    let most = panel.lines.iter().flat_map(|line| {
        let others = [usual_of(line).map(|usual| usual.high), limit(slow, line)];
        [line.summary.high].into_iter().chain(others.into_iter().flatten())
    });
    let edge = panel.unit.edge(most.fold(0.0, f64::max));
    html! {
        figure.measure {
            figcaption {
                b { (title(panel)) }
                ul { @for (index, line) in panel.lines.iter().enumerate() {
                    li {
                        span class=(format!("key line{index}")) {}
                        (legend(panel, line, limit(slow, line)))
                    }
                } }
            }
            div.chart {
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none"
                    role="img" aria-label=(in_words(panel, slow)) {
                    use href="#measures-behind" {}
                    line.grid x1="0" x2=(WIDTH) y1=(HEIGHT / 2.0) y2=(HEIGHT / 2.0) {}
                    @for (index, line) in panel.lines.iter().enumerate() {
                        @if let Some(usual) = usual_of(line) { (usual_band(index, usual, edge)) }
                    }
                    @for (index, line) in panel.lines.iter().enumerate() {
                        @let drawn = Drawn::of(series.spans(), line.cells, until, edge);
                        @if !drawn.range.is_empty() {
                            path class=(format!("range line{index}")) d=(drawn.range) {}
                        }
                        path class=(format!("line line{index}")) d=(drawn.line) {}
                    }
                    @for limit in panel.lines.iter().filter_map(|line| limit(slow, line)) {
                        @let y = y_of(limit, edge);
                        line.limit x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
                    }
                    line.playhead x1="-9" x2="-9" y1="0" y2=(HEIGHT) {}
                }
                span.edge aria-hidden="true" { (panel.unit.figure(edge)) }
            }
        }
    }
}

/// Of a group; what is in none has a plot of its own, named after it.
fn title<'a>(panel: &'a Panel<'_>) -> &'a str {
    match (panel.group, panel.lines.first()) {
        (Group::Other, Some(line)) => &line.known.title,
        (group, _) => group.title(),
    }
}

/// The limit it was last above.
fn limit(slow: &[SlowRun], line: &Line<'_>) -> Option<f64> {
    slow.iter().rev().find(|slow| slow.measure == line.name).map(|slow| slow.limit)
}

fn legend(panel: &Panel<'_>, line: &Line<'_>, limit: Option<f64>) -> Markup {
    html! {
        @if panel.group != Group::Other { bdi { (words::shorten(&line.known.title, 40)) } " " }
        span.hint {
            "at most " (panel.unit.figure(line.summary.high))
            @if let Some(limit) = limit { ", limit " (panel.unit.figure(limit)) }
        }
    }
}

/// What the drawing says, for those who do not see it.
fn in_words(panel: &Panel<'_>, slow: &[SlowRun]) -> String {
    let one = |line: &Line<'_>| {
        let figure = |value| panel.unit.figure(value);
        let summary = line.summary;
        format!(
            "{} {} to {}, half of the time up to {}",
            words::shorten(&line.known.title, 40),
            figure(summary.low),
            figure(summary.high),
            figure(summary.median)
        ) + &limit(slow, line).map_or_else(String::new, |at| format!(", limit {}", figure(at)))
    };
    let lines: Vec<_> = panel.lines.iter().map(one).collect();
    format!("{}: {}", words::shorten(title(panel), 40), lines.join("; "))
}

/// From the median of the history to what few runs go beyond.
fn usual_band(index: usize, usual: Usual, edge: f64) -> Markup {
    let (top, bottom) = (y_of(usual.high, edge), y_of(usual.median, edge));
    html! {
        rect class=(format!("usual line{index}")) x="0" y=(top) width=(WIDTH)
            height=((bottom - top).max(1)) {}
    }
}

/// Paths of one measure.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drawn {
    line: String,
    /// Around what lay between least and greatest, where they differ.
    range: String,
}

impl Drawn {
    fn of(spans: &[SeriesSpan], cells: &[Option<SeriesCell>], until: Duration, edge: f64) -> Self {
        let told = spans.iter().zip(cells).filter_map(|(span, cell)| Some((*span, (*cell)?)));
        let told: Vec<(SeriesSpan, SeriesCell)> = told.collect();
        let longest = gap(&told);
        let mut drawn = Self::default();
        let is_joined = |a: &(SeriesSpan, SeriesCell), b: &(SeriesSpan, SeriesCell)| {
            b.0.from.saturating_sub(a.0.to) <= longest
        };
        for part in told.chunk_by(is_joined) {
            drawn.add(part, until, edge);
        }
        drawn
    }

    fn add(&mut self, part: &[(SeriesSpan, SeriesCell)], until: Duration, edge: f64) {
        let place = |(span, _): &(SeriesSpan, SeriesCell)| x_of(span.middle(), until);
        // Writing into a string cannot fail.
        for (index, point) in part.iter().enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(self.line, "{letter}{} {}", place(point), y_of(point.1.mean(), edge));
        }
        if part.len() == 1 {
            self.line.push_str("h1");
        }
        if part.iter().all(|(_, cell)| cell.low >= cell.high) {
            return;
        }
        let there = part.iter().map(|point| (place(point), point.1.high));
        let back = part.iter().rev().map(|point| (place(point), point.1.low));
        for (index, (x, value)) in there.chain(back).enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(self.range, "{letter}{x} {}", y_of(value, edge));
        }
        self.range.push('Z');
    }
}

/// How far apart two points may be and still be joined.
fn gap(told: &[(SeriesSpan, SeriesCell)]) -> Duration {
    let mut steps: Vec<_> =
        told.windows(2).map(|two| two[1].0.from.saturating_sub(two[0].0.from)).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or_default();
    GAP.max(usual * GAP_STEPS)
}

fn x_of(at: Duration, until: Duration) -> i64 {
    rounded(at.as_secs_f64() / until.as_secs_f64().max(0.001) * WIDTH, WIDTH)
}

/// The greater the higher up, which is less.
fn y_of(value: f64, edge: f64) -> i64 {
    rounded(HEIGHT - value / edge * HEIGHT, HEIGHT)
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the drawing")]
fn rounded(value: f64, most: f64) -> i64 {
    value.clamp(0.0, most).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(samples: &[(u64, Option<f64>)], until: u64) -> Drawn {
        let mut series = TimeSeries::default();
        for (at, value) in samples {
            let values = value.map(|value| ("cpu".to_owned(), value)).into_iter().collect();
            series.add(Duration::from_secs(*at), &values);
        }
        let cells = series.columns().next().map_or(&[][..], |(_, cells)| cells);
        Drawn::of(series.spans(), cells, Duration::from_secs(until), 100.0)
    }

    #[test]
    fn a_line_is_broken_where_nothing_was_told() {
        for (case, samples, line) in [
            (
                "joined",
                vec![(0, Some(0.0)), (1, Some(50.0)), (2, Some(100.0))],
                "M0 100L100 50L200 0",
            ),
            ("skipped once", vec![(0, Some(0.0)), (1, None), (2, Some(100.0))], "M0 100L200 0"),
            (
                "thinned",
                vec![(0, Some(1.0)), (5, Some(1.0)), (10, Some(1.0))],
                "M0 99L500 99L1000 99",
            ),
            ("alone", vec![(3, Some(200.0))], "M300 0h1"),
            ("late", vec![(20, Some(0.0))], "M1000 100h1"),
            ("nothing", vec![(3, None)], ""),
        ] {
            assert_eq!(drawn(&samples, 10).line, line, "{case}");
        }
        let away = [0, 1, 2, 3, 40, 41].map(|at| (at, Some(10.0)));
        assert_eq!(drawn(&away, 100).line, "M0 90L10 90L20 90L30 90M400 90L410 90");
        let seldom = [0, 10, 20, 30, 40, 80, 131].map(|at| (at, Some(10.0)));
        assert_eq!(
            drawn(&seldom, 100).line.matches('M').count(),
            2,
            "four steps are no gap, five are"
        );
    }

    #[test]
    fn a_range_goes_there_along_the_greatest_and_back_along_the_least() {
        let samples: Vec<_> =
            (0..1_100).map(|at| (at, Some(if at % 2 == 0 { 20.0 } else { 60.0 }))).collect();
        let Drawn { line, range } = drawn(&samples, 1_100);
        assert!(line.starts_with("M0 60L2 60"), "{}", &line[..40]);
        assert!(range.starts_with("M0 40L2 40") && range.ends_with("L2 80L0 80Z"), "{range}");
        assert_eq!(drawn(&samples[..2], 10).range, "");
    }
}
