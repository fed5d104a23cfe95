//! How the good runs of a series are spread, and where its limit is among them: one plot.

use maud::{Markup, html};

use crate::{
    insight::{Held, words},
    model::Measure,
    store::Bin,
};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
/// Room for the numbers below.
const BOTTOM: f64 = 22.0;
const TOP: f64 = 16.0;
/// Bars of the plot.
const BARS: usize = 60;
/// A limit further out than this is told in words alone: drawn, it would leave the data no room.
const FARTHEST: f64 = 1e3;
/// What is nothing stands here on a scale that has no nothing.
const LEAST: f64 = 0.1;

pub(super) fn plot(held: &Held) -> Markup {
    let bins = held.good.bins();
    let Some(scale) = Scale::of(held, &bins) else {
        return html! { p.empty { "No run has gone well yet." } };
    };
    let measure = held.series.measure;
    let bars = scale.bars(&bins);
    let most = bars.iter().copied().max().unwrap_or(1).max(1) as f64;
    let width = WIDTH / BARS as f64;
    let ground = HEIGHT - BOTTOM;
    let limit = scale.limit(held);
    html! {
        figure.plot {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label(held)) {
                @for (value, x) in scale.marks() {
                    line.grid x1=(number(x)) x2=(number(x)) y1=(TOP) y2=(ground) {}
                    text.time x=(number(x + 3.0)) y=(HEIGHT - 6.0) { (words::amount(measure, value)) }
                }
                @for (index, count) in bars.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                    @let height = (count as f64 / most * (ground - TOP)).max(1.5);
                    rect.bar x=(number(index as f64 * width)) y=(number(ground - height))
                        width=(number(width - 1.0)) height=(number(height)) {}
                }
                line.grid x1="0" x2=(WIDTH) y1=(ground) y2=(ground) {}
                @if let Some(typical) = held.typical() {
                    @let x = number(scale.x_of(typical));
                    line.now x1=(x) x2=(x) y1=(TOP) y2=(ground) {}
                }
                @if let Some(limit) = limit {
                    @let x = scale.x_of(limit);
                    line.limit x1=(number(x)) x2=(number(x)) y1=(TOP) y2=(ground) {}
                    text.amount x=(number(x.min(WIDTH - 4.0))) y="11" text-anchor="end" {
                        "limit " (words::amount(measure, limit))
                    }
                }
            }
            figcaption.hint {
                "Good runs by what they took; the line through them is the middle one"
                @if limit.is_some() { ", the dotted one the limit" }
                "."
            }
        }
    }
}

/// The plot in words.
fn label(held: &Held) -> String {
    let amount = |value| words::amount(held.series.measure, value);
    let told = |value: Option<f64>| value.map_or_else(|| "nothing".into(), amount);
    let limit = match &held.threshold.limit {
        Some((limit, _)) => format!("the limit is {}", amount(*limit)),
        None => "there is no limit".into(),
    };
    format!(
        "{} good runs took from {} to {}, usually {}; {limit}",
        held.good.count(),
        told(held.good.min()),
        told(held.good.max()),
        told(held.typical()),
    )
}

/// A logarithmic scale from left to right, in powers of ten.
struct Scale {
    from: f64,
    to: f64,
    measure: Measure,
}

impl Scale {
    /// None where there is nothing to draw.
    fn of(held: &Held, bins: &[Bin]) -> Option<Self> {
        let least = bins.first()?.value.max(LEAST);
        let most = bins.last()?.value.max(least);
        let limit = held.threshold.limit.as_ref().map(|(limit, _)| *limit);
        let limit = limit.filter(|limit| (least / FARTHEST..=most * FARTHEST).contains(limit));
        let (low, high) =
            (limit.map_or(least, |l| l.min(least)), limit.map_or(most, |l| l.max(most)));
        let measure = held.series.measure;
        Some(Self { from: (low / 1.3).log10(), to: (high * 1.3).log10(), measure })
    }

    fn x_of(&self, value: f64) -> f64 {
        let part = (value.max(LEAST).log10() - self.from) / (self.to - self.from);
        WIDTH * part.clamp(0.0, 1.0)
    }

    /// The limit, where it lies on the scale.
    fn limit(&self, held: &Held) -> Option<f64> {
        let (limit, _) = held.threshold.limit.as_ref()?;
        (self.from..=self.to).contains(&limit.max(LEAST).log10()).then_some(*limit)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the plot")]
    fn bars(&self, bins: &[Bin]) -> Vec<u64> {
        let mut bars = vec![0; BARS];
        for bin in bins {
            let place = (self.x_of(bin.value) / WIDTH * BARS as f64) as usize;
            bars[place.min(BARS - 1)] += bin.count;
        }
        bars
    }

    /// Round values, few enough to be told apart: for times, those people count in.
    fn marks(&self) -> Vec<(f64, f64)> {
        const TIMES: [f64; 16] = [
            0.1, 1.0, 10.0, 100.0, 1e3, 3e3, 10e3, 30e3, 60e3, 180e3, 600e3, 1_800e3, 3_600e3,
            14_400e3, 86_400e3, 864_000e3,
        ];
        const SHARES: [f64; 6] = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0];
        let all: &[f64] = if self.measure.unit() == "%" { &SHARES } else { &TIMES };
        let on_it = all.iter().filter(|value| (self.from..=self.to).contains(&value.log10()));
        on_it.map(|value| (*value, self.x_of(*value))).filter(|(_, x)| *x < WIDTH - 50.0).collect()
    }
}

fn number(value: f64) -> String {
    format!("{value:.1}")
}
