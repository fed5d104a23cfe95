//! What jobs hold over time, and what they will: one plot, drawn here.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::{
    markup::{Moment, size},
    model::DiskSample,
    upkeep::DiskReport,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 200.0;
/// Room for the numbers beside and below.
const LEFT: f64 = 72.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Days of the forecast that are drawn.
const AHEAD: usize = 90;
/// Points of the history that are drawn.
const POINTS: usize = 240;

type Point = (Timestamp, u64);

pub(super) fn plot(report: &DiskReport, moment: &Moment) -> Markup {
    let held = |one: &DiskSample| (one.at, one.videos + one.results + one.bundles);
    let step = report.history.len().div_ceil(POINTS).max(1);
    let mut past: Vec<Point> = report.history.iter().step_by(step).map(held).collect();
    past.push(held(&report.now));
    let ahead: Vec<Point> = report.forecast.held.iter().take(AHEAD + 1).copied().collect();
    let limit = report.now.free.saturating_sub(report.keep.least_free_mib.saturating_mul(1 << 20))
        + held(&report.now).1;
    let scale = Scale::of(&past, &ahead, limit);
    let (first, last) = (scale.from, scale.to);
    let label = format!(
        "What jobs hold: {} now, {} at the end of the plot",
        size(held(&report.now).1),
        size(ahead.last().map_or(0, |point| point.1))
    );
    html! {
        figure.plot {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) {
                @for share in [0.0, 0.5, 1.0] {
                    @let y = scale.y_of(scale.top * share);
                    line.grid x1=(LEFT) x2=(WIDTH) y1=(number(y)) y2=(number(y)) {}
                    text.amount x=(LEFT - 8.0) y=(number(y + 4.0)) text-anchor="end" {
                        (size(whole(scale.top * share)))
                    }
                }
                polygon.held points=(format!("{} {}", scale.line(&past), scale.ground(&past))) {}
                polyline.held points=(scale.line(&past)) {}
                @if ahead.len() > 1 { polyline.forecast points=(scale.line(&ahead)) {} }
                @if limit as f64 <= scale.top {
                    @let y = number(scale.y_of(limit as f64));
                    line.limit x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                }
                @let now = number(scale.x_of(report.now.at));
                line.now x1=(now) x2=(now) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                @let [first, last] = ends([first, last], moment);
                text.time x=(LEFT) y=(HEIGHT - 6.0) { (first) }
                text.time x=(WIDTH) y=(HEIGHT - 6.0) text-anchor="end" { (last) }
            }
            figcaption.hint {
                "What jobs hold; dashed: the forecast"
                @if limit as f64 <= scale.top { "; the upper line: what the disk can spare" }
                "."
            }
        }
    }
}

/// The days on which the plot begins and ends; on one day the hours.
fn ends(ends: [Timestamp; 2], moment: &Moment) -> [String; 2] {
    let ends = ends.map(|at| at.to_zoned(moment.zone.clone()));
    let form = if ends[0].date() == ends[1].date() { "%-d %b %H:%M" } else { "%-d %b %Y" };
    ends.map(|at| at.strftime(form).to_string())
}

struct Scale {
    from: Timestamp,
    to: Timestamp,
    /// Bytes at the upper edge.
    top: f64,
}

impl Scale {
    fn of(past: &[Point], ahead: &[Point], limit: u64) -> Self {
        let all = || past.iter().chain(ahead);
        let most = all().map(|point| point.1).max().unwrap_or(0).max(1);
        // The limit belongs into the plot once it is near.
        let most = if limit < most.saturating_mul(2) { most.max(limit) } else { most };
        let from = all().map(|point| point.0).min().unwrap_or_default();
        let to = all().map(|point| point.0).max().unwrap_or_default();
        Self { from, to, top: most as f64 * 1.1 }
    }

    fn x_of(&self, at: Timestamp) -> f64 {
        let whole = self.to.duration_since(self.from).as_secs_f64().max(1.0);
        let part = at.duration_since(self.from).as_secs_f64();
        LEFT + (WIDTH - LEFT) * (part / whole).clamp(0.0, 1.0)
    }

    fn y_of(&self, bytes: f64) -> f64 {
        let height = HEIGHT - TOP - BOTTOM;
        TOP + height * (1.0 - (bytes / self.top).clamp(0.0, 1.0))
    }

    fn line(&self, points: &[Point]) -> String {
        let place = |(at, bytes): &Point| {
            format!("{},{}", number(self.x_of(*at)), number(self.y_of(*bytes as f64)))
        };
        points.iter().map(place).collect::<Vec<_>>().join(" ")
    }

    /// The way back along the ground, which closes an area.
    fn ground(&self, points: &[Point]) -> String {
        let ends = points.last().into_iter().chain(points.first());
        let place = |point: &Point| format!("{},{}", number(self.x_of(point.0)), HEIGHT - BOTTOM);
        ends.map(place).collect::<Vec<_>>().join(" ")
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u64")]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_of_one_day_tells_hours() {
        let moment = Moment { now: Timestamp::UNIX_EPOCH, zone: jiff::tz::TimeZone::UTC };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (first, later) = (at("2026-01-31T09:05:00Z"), at("2026-01-31T21:10:00Z"));
        assert_eq!(ends([first, later], &moment), ["31 Jan 09:05", "31 Jan 21:10"]);
        let last = at("2026-02-01T00:00:00Z");
        assert_eq!(ends([first, last], &moment), ["31 Jan 2026", "1 Feb 2026"]);
    }
}
