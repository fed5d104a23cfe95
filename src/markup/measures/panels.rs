//! Which measures share a plot: those of one group that come in one unit, a few at a time.

use super::known::{Group, Known, Unit, known, place};
use crate::model::{SeriesCell, SeriesSummary, TimeSeries};

/// Lines in one plot; more could not be told apart.
pub(super) const LINES: usize = 4;

/// One plot.
#[derive(Debug)]
pub(super) struct Panel<'a> {
    pub group: Group,
    pub unit: Unit,
    pub lines: Vec<Line<'a>>,
}

/// One measure.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub known: Known,
    pub cells: &'a [Option<SeriesCell>],
    pub summary: SeriesSummary,
}

/// What there is to draw, in order.
pub(super) fn panels(series: &TimeSeries) -> Vec<Panel<'_>> {
    let mut lines: Vec<_> = series.columns().filter_map(line).collect();
    lines.sort_by_key(|line| (line.known.group, place(line.name)));
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for line in lines {
        let Known { group, unit, .. } = line.known;
        // Of what nobody knows it is not known either that it can be compared.
        let has_room = |panel: &&mut Panel<'_>| {
            (panel.group, panel.unit) == (group, unit)
                && panel.lines.len() < LINES
                && group != Group::Other
        };
        match panels.iter_mut().find(has_room) {
            Some(panel) => panel.lines.push(line),
            None => panels.push(Panel { group, unit, lines: vec![line] }),
        }
    }
    // Those of a group stay together.
    panels.sort_by_key(|panel| panel.group);
    panels
}

fn line<'a>((name, cells): (&'a str, &'a [Option<SeriesCell>])) -> Option<Line<'a>> {
    let summary = TimeSeries::summary(cells)?;
    Some(Line { name, known: known(name), cells, summary })
}
