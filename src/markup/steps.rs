//! The steps of a run, grouped by module, each with its screens.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    badge::outcome_mark,
    links::{Links, Seek},
    moment::{position, span},
    screen::{self, Scale},
    timeline::{anchor, dashed},
    words,
};
use crate::model::{Candidate, Cause, ItemRun, Outcome, ScreenRun, StepRun};

/// Shorter times are not told.
const NOTABLE: Duration = Duration::from_millis(50);

/// Failed steps are open, but for the one the cause names: its evidence stands there.
pub fn steps(items: &[ItemRun], cause: Option<&Cause>, links: &impl Links) -> Markup {
    let shown = cause.and_then(|cause| cause.place.step.as_deref());
    html! {
        @if items.is_empty() { p.empty { "No step has been reached." } }
        @for group in grouped(items) {
            @match group.first().and_then(|item| item.module.as_ref()) {
                Some(module) => section class=(format!("module {}", result_class(module.result))) {
                    header {
                        h3 { bdi { (words::shorten(&module.name, 200)) } }
                        (outcome_mark(module.result))
                    }
                    ol.steps { @for item in group { @for step in &item.steps { (row(step, shown, links)) } } }
                },
                None => ol.steps.alone {
                    @for item in group { @for step in &item.steps { (row(step, shown, links)) } }
                },
            }
        }
    }
}

/// Steps that stand alone one after the other are one list; a module is one by itself.
fn grouped(items: &[ItemRun]) -> impl Iterator<Item = &[ItemRun]> {
    items.chunk_by(|a, b| a.module.is_none() && b.module.is_none())
}

fn result_class(result: Option<Outcome>) -> &'static str {
    result.map_or("running", Outcome::name)
}

fn row(step: &StepRun, shown: Option<&str>, links: &impl Links) -> Markup {
    let open = step.result == Some(Outcome::Fail) && shown != Some(step.path.as_str());
    let reached = step.result != Some(Outcome::NotRun);
    html! {
        li id=(anchor(step)) class=(format!("step {}", result_class(step.result))) {
            div.line {
                (outcome_mark(step.result))
                @match links.step(step, 0, 0) {
                    Some(href) => a.what href=(href) { (what(step)) },
                    None => span.what { (what(step)) },
                }
                @if reached {
                    span.took {
                        // Most steps only press a key: their times would drown the others.
                        @if let Some(took) = step.took.filter(|took| *took >= NOTABLE) {
                            (span(took))
                        }
                    }
                    @if let Some(place) = links.seek(step.started) { (seek(&place, step)) }
                }
            }
            @if !step.words.is_empty() { p.why { bdi { (words::shorten(&step.words, 2_000)) } } }
            @if !step.screens.is_empty() {
                @if open {
                    div id=(shot_anchor(step, step.screens.len() - 1)) { (evidence(step, links)) }
                } @else {
                    (strip(step, links))
                }
            }
        }
    }
}

fn what(step: &StepRun) -> Markup {
    html! { code.verb { (step.verb) } " " bdi.subject { (words::shorten(&step.subject, 300)) } }
}

/// A link that moves the page's video to where the step begins.
fn seek(place: &Seek, step: &StepRun) -> Markup {
    html! {
        a.seek href=(place.href) data-seek=(place.at) title="Show in the video" {
            "▸ " (position(step.started))
        }
    }
}

/// Small screens side by side.
fn strip(step: &StepRun, links: &impl Links) -> Markup {
    html! {
        ul.strip {
            @for (index, shot) in step.screens.iter().enumerate() {
                li id=(shot_anchor(step, index)) { a href=[links.step(step, index, 0)] {
                    (screen::picture(shot, drawn(shot), None, links.strip(), links))
                } }
            }
        }
    }
}

/// The last screen of a failed step, large, beside what was expected and above what was searched.
pub fn evidence(step: &StepRun, links: &impl Links) -> Markup {
    let Some((index, shot)) = step.screens.iter().enumerate().next_back() else {
        return html! {};
    };
    let link = |candidate| links.step(step, index, candidate);
    let nearest = drawn(shot);
    let expected = nearest.and_then(|needle| Some((needle, screen::expected(needle, links)?)));
    html! {
        div.evidence {
            @if let Some((needle, picture)) = &expected {
                figure {
                    figcaption { span { b { "Expected" } } bdi { (needle.needle) } }
                    (picture)
                }
            }
            figure {
                figcaption { span { b { "Seen" } } span { "at " (position(seen_at(step))) } }
                a href=[link(0)] { (screen::picture(shot, nearest, None, Scale::Full, links)) }
            }
            @if !shot.candidates.is_empty() { (screen::candidates(shot, 0, link)) }
        }
    }
}

/// Name of a screen within a page.
pub fn shot_anchor(step: &StepRun, screen: usize) -> String {
    format!("shot-{}-{screen}", dashed(&step.path))
}

/// A failed step keeps its screen when it gives up.
fn seen_at(step: &StepRun) -> Duration {
    step.started + step.took.unwrap_or_default()
}

/// The candidate that is drawn unasked: the one that matched, else the best.
pub fn drawn(shot: &ScreenRun) -> Option<&Candidate> {
    shot.candidates.iter().find(|candidate| candidate.ok).or_else(|| shot.candidates.first())
}
