//! The steps of a run, grouped by module, each with its screens.

use maud::{Markup, html};

use super::{
    layout::outcome_mark,
    moment::{position, span},
    screen::{self, Scale},
    timeline::{anchor, dashed},
    video::Video,
    words,
};
use crate::model::{ItemRun, JobId, Outcome, ScreenRun, StepRun};

/// Where steps are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where<'a> {
    pub job: JobId,
    pub video: Option<&'a Video>,
}

pub(super) fn list(items: &[ItemRun], place: Where<'_>) -> Markup {
    html! {
        @if items.is_empty() { p.empty { "No step has been reached." } }
        @for group in grouped(items) {
            @match group.first().and_then(|item| item.module.as_ref()) {
                Some(module) => section class=(format!("module {}", result_class(module.result))) {
                    header {
                        h3 { bdi { (words::shorten(&module.name, 200)) } }
                        (outcome_mark(module.result))
                    }
                    ol.steps { @for item in group { @for step in &item.steps { (row(step, place)) } } }
                },
                None => ol.steps.alone {
                    @for item in group { @for step in &item.steps { (row(step, place)) } }
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

fn row(step: &StepRun, place: Where<'_>) -> Markup {
    let failed = step.result == Some(Outcome::Fail);
    html! {
        li id=(anchor(step)) class=(format!("step {}", result_class(step.result))) {
            div.line {
                (outcome_mark(step.result))
                a.what href=(step_url(place.job, &step.path)) {
                    code.verb { (step.verb) } " " bdi.subject { (words::shorten(&step.subject, 300)) }
                }
                span.took { @if let Some(took) = step.took { (span(took)) } }
                @if let Some(video) = place.video { (seek(video, step)) }
            }
            @if !step.words.is_empty() { p.why { bdi { (words::shorten(&step.words, 2_000)) } } }
            @if !step.screens.is_empty() {
                @if failed { (evidence(step, place)) } @else { (strip(step, place)) }
            }
        }
    }
}

/// A link that moves the page's video to where the step begins.
fn seek(video: &Video, step: &StepRun) -> Markup {
    let at = video.place(step);
    html! {
        a.seek href=(format!("{}#t={at}", video.url)) data-seek=(at) title="Show in the video" {
            "▸ " (position(step.started))
        }
    }
}

/// Small screens side by side.
fn strip(step: &StepRun, place: Where<'_>) -> Markup {
    html! {
        ul.strip {
            @for (index, shot) in step.screens.iter().enumerate() {
                li { a href=(screen_url(place.job, &step.path, index, 0)) {
                    (screen::picture(place.job, shot, drawn(shot), None, Scale::Thumbnail))
                } }
            }
        }
    }
}

/// The last screen of a failed step, large, beside what was searched on it.
fn evidence(step: &StepRun, place: Where<'_>) -> Markup {
    let Some((index, shot)) = step.screens.iter().enumerate().next_back() else {
        return html! {};
    };
    let link = |candidate| Some(screen_url(place.job, &step.path, index, candidate));
    html! {
        div.evidence {
            a href=(screen_url(place.job, &step.path, index, 0)) {
                (screen::picture(place.job, shot, drawn(shot), None, Scale::Full))
            }
            @if !shot.candidates.is_empty() { (screen::candidates(shot, 0, link)) }
        }
    }
}

/// The candidate that is drawn unasked: the one that matched, else the best.
pub(super) fn drawn(shot: &ScreenRun) -> Option<&crate::model::Candidate> {
    shot.candidates.iter().find(|candidate| candidate.ok).or_else(|| shot.candidates.first())
}

pub(super) fn step_url(job: JobId, path: &str) -> String {
    format!("/jobs/{job}/steps/{}", dashed(path))
}

/// A step's page with one candidate of one screen drawn.
pub(super) fn screen_url(job: JobId, path: &str, screen: usize, candidate: usize) -> String {
    let step = step_url(job, path);
    match (screen, candidate) {
        (0, 0) => step,
        _ => format!("{step}?screen={screen}&candidate={candidate}#screen-{screen}"),
    }
}
