//! `GET /jobs/{id}/steps/{path}`: one step's screens, as large as the window.

use maud::{Markup, html};

use super::{
    addresses::{Addresses, file_url, step_url},
    layout::{self, Frame, Tab},
};
use crate::{
    markup::{self, Links, Scale, drawn, outcome_mark, position, span, words},
    model::{Job, Run, ScreenRun, StepRun},
};

/// What is shown of a job.
pub(super) struct StepView<'a> {
    pub job: &'a Job,
    pub run: &'a Run,
    pub step: &'a StepRun,
    /// The screen for which a candidate was chosen, and which.
    pub chosen: Option<(usize, usize)>,
}

pub(super) fn render(view: &StepView<'_>) -> Markup {
    let StepView { job, step, .. } = view;
    let title = format!("{} {} · job {}", step.verb, words::shorten(&step.subject, 80), job.id);
    let content = html! {
        (layout::crumbs(&html! {
            (layout::job_link(job)) span aria-current="page" { "Step " (step.path) }
        }))
        header.head {
            h1 { code { (step.verb) } " " bdi { (words::shorten(&step.subject, 500)) } }
            p.status {
                (outcome_mark(step.result))
                @if !step.words.is_empty() { bdi { (words::shorten(&step.words, 4_000)) } }
                span.hint {
                    "at " (position(step.started))
                    @if let Some(took) = step.took { ", took " (span(took)) }
                }
            }
        }
        (neighbours(view))
        @if step.screens.is_empty() { p.empty { "This step kept no screen." } }
        @for (index, shot) in step.screens.iter().enumerate() { (figure(view, index, shot)) }
    };
    layout::page(&Frame::new(&title, Tab::Neither), &content)
}

/// Links to the steps before and after.
fn neighbours(view: &StepView<'_>) -> Markup {
    let steps: Vec<_> = view.run.steps().collect();
    let here = steps.iter().position(|step| step.path == view.step.path);
    let before = here.and_then(|here| steps.get(here.checked_sub(1)?));
    let after = here.and_then(|here| steps.get(here + 1));
    let link = |step: &StepRun, rel: &'static str, mark: &str| {
        html! {
            a rel=(rel) href=(step_url(view.job.id, &step.path)) {
                (mark) " " code { (step.verb) } " " bdi { (words::shorten(&step.subject, 40)) }
            }
        }
    };
    html! {
        nav.neighbours aria-label="Steps" {
            @match before { Some(step) => (link(step, "prev", "←")), None => span {} }
            @match after { Some(step) => (link(step, "next", "→")), None => span {} }
        }
    }
}

fn figure(view: &StepView<'_>, index: usize, shot: &ScreenRun) -> Markup {
    let StepView { job, step, .. } = view;
    let asked = view.chosen.filter(|(screen, _)| *screen == index).map(|(_, candidate)| candidate);
    let candidate = match asked {
        Some(asked) => shot.candidates.get(asked),
        None => drawn(shot),
    };
    let chosen = candidate
        .and_then(|chosen| shot.candidates.iter().position(|other| other == chosen))
        .unwrap_or_default();
    let clicks = step.verb == "assert_and_click";
    let click =
        candidate.filter(|found| clicks && found.ok).and_then(|found| found.click_target(None));
    let links = Addresses::of(job.id);
    let link = |candidate| links.step(step, index, candidate);
    html! {
        figure.large id=(format!("screen-{index}")) {
            (markup::picture(shot, candidate, click, Scale::Full, &links))
            figcaption {
                span { "Screen " (index + 1) " of " (step.screens.len()) }
                span { "frame " (shot.frame) ", " (shot.width) "×" (shot.height) }
                a href=(file_url(job.id, &shot.file)) { "PNG" }
                code.hash title="SHA-256" { (shot.sha256) }
            }
            @if !shot.candidates.is_empty() { (markup::candidates(shot, chosen, link)) }
        }
        @if let Some(missed) = candidate
            && let Some(wanted) = markup::expected(missed, &links)
        {
            figure.large {
                (wanted)
                figcaption { span { b { "Expected" } " by needle " bdi { (missed.needle) } } }
            }
        }
    }
}
