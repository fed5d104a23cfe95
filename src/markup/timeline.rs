//! The run as one bar: parts below, steps above, each where it was in time.

use std::time::Duration;

use maud::{Markup, html};

use super::{moment::span, words};
use crate::model::{Outcome, PartRun, Run, StepRun};

/// Width of the drawing in its own units; it is stretched to the page.
const WIDTH: f64 = 1000.0;
/// Nothing is drawn narrower, or it could not be hit.
const NARROWEST: f64 = 3.0;

/// `until` is how far the run has come: its end, or now.
pub fn timeline(run: &Run, until: Duration) -> Markup {
    let whole = until.as_secs_f64().max(0.001);
    let place = |from: Duration, took: Option<Duration>| {
        let length = took.unwrap_or_else(|| until.saturating_sub(from)).as_secs_f64();
        let width = (length / whole * WIDTH).clamp(NARROWEST, WIDTH);
        let x = (from.as_secs_f64() / whole * WIDTH).min(WIDTH - width);
        (format!("{x:.1}"), format!("{width:.1}"))
    };
    html! {
        figure.timeline data-until=(format!("{:.1}", until.as_secs_f64())) {
            svg viewBox="0 0 1000 34" preserveAspectRatio="none" role="group"
                aria-label="Steps in time" {
                rect.track x="0" y="0" width="1000" height="22" {}
                @for step in run.steps() {
                    @let (x, width) = place(step.started, step.took);
                    a href=(format!("#{}", anchor(step))) {
                        title { (caption(step)) }
                        rect class=(class(step.result)) x=(x) y="0" width=(width) height="22" {}
                        @if step.result == Some(Outcome::Fail) {
                            rect.hatched x=(x) y="0" width=(width) height="22" {}
                        }
                    }
                }
                @for part in &run.parts {
                    @let (x, width) = place(part.started, part.took);
                    g {
                        title { (part.part.name()) " " (part.name) }
                        rect class=(format!("part {}", part.part.name())) x=(x) y="26"
                            width=(width) height="8" {}
                    }
                }
                line.playhead x1="-9" x2="-9" y1="0" y2="34" {}
            }
            figcaption { ul.eras { @for part in &run.parts { (part_legend(part, until)) } } }
        }
    }
}

fn part_legend(part: &PartRun, until: Duration) -> Markup {
    let took = part.took.unwrap_or_else(|| until.saturating_sub(part.started));
    html! {
        li {
            span class=(format!("swatch {}", part.part.name())) {}
            (part.part.name()) " " b { (span(took)) }
            @match part.result {
                None => span.hint { "so far" },
                Some(Outcome::Ok) => {},
                Some(result) => span.hint { (words::outcome(result)) },
            }
        }
    }
}

fn class(result: Option<Outcome>) -> String {
    format!("step {}", result.map_or("running", Outcome::name))
}

fn caption(step: &StepRun) -> String {
    let subject = words::shorten(&step.subject, 80);
    let result = step.result.map_or("running", words::outcome);
    let took = step.took.map(span).unwrap_or_default();
    format!("{} {subject}: {result} {took}", step.verb)
}

/// Name of a step within a page: its path with dashes.
pub fn anchor(step: &StepRun) -> String {
    format!("step-{}", dashed(&step.path))
}

/// A step's path as addresses have it.
pub fn dashed(path: &str) -> String {
    path.replace('/', "-")
}
