//! What every page has: head, bar, foot; and the small pieces pages share, such as badges.

use maud::{DOCTYPE, Markup, html};

use super::{assets, words};
use crate::model::{Job, JobId, JobState, Outcome, Verdict};

/// Where a page belongs in the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Queue,
    History,
    Neither,
}

/// The parts of a page that are not its content.
#[derive(Debug, Clone)]
pub(super) struct Frame<'a> {
    pub title: &'a str,
    pub tab: Tab,
    /// Address of the event stream that tells the script when to look again.
    pub events: Option<String>,
    /// Seconds after which a browser without script looks again.
    pub refresh: Option<u32>,
}

impl<'a> Frame<'a> {
    pub(super) const fn new(title: &'a str, tab: Tab) -> Self {
        Self { title, tab, events: None, refresh: None }
    }
}

/// A whole page.
pub(super) fn page(frame: &Frame<'_>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (words::shorten(frame.title, 120)) " · Sutler" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" type="image/svg+xml" href=(assets::url("sutler.svg"));
                link rel="stylesheet" href=(assets::url("sutler.css"));
                script src=(assets::url("sutler.js")) defer {}
                @if let Some(seconds) = frame.refresh {
                    noscript { meta http-equiv="refresh" content=(seconds); }
                }
            }
            body data-events=[frame.events.as_deref()] {
                a.skip href="#content" { "Skip to content" }
                header.bar {
                    a.brand href="/" { (icon("brand")) span { "Sutler" } }
                    nav aria-label="Main" {
                        (tab("/", "Queue", frame.tab == Tab::Queue))
                        (tab("/history", "History", frame.tab == Tab::History))
                    }
                    form.find action="/find" method="get" role="search" {
                        label.unseen for="find" { "Go to job number or uuid" }
                        input #find name="job" type="search" placeholder="Job number or uuid"
                            autocomplete="off" spellcheck="false" maxlength="64";
                    }
                }
                // Overlays of all screens fill with it; a pattern must be in the page it is used in.
                svg.unseen width="0" height="0" aria-hidden="true" focusable="false" {
                    defs {
                        (pattern("hatch"))
                        (pattern("stripe"))
                    }
                }
                main #content { (content) }
                footer.foot {
                    span { "Sutler " (env!("CARGO_PKG_VERSION")) }
                    a href="/api/status" { "Status" }
                    a href="/api/jobs" { "API" }
                }
            }
        }
    }
}

/// Slanted lines; the style sheet colours them by name.
fn pattern(name: &str) -> Markup {
    html! {
        pattern id=(name) width="12" height="12" patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)" {
            rect class=(format!("{name}-ground")) width="12" height="12" {}
            rect class=(format!("{name}-line")) width="5" height="12" {}
        }
    }
}

fn tab(href: &str, name: &str, here: bool) -> Markup {
    html! { a href=(href) aria-current=[here.then_some("page")] { (name) } }
}

/// A symbol of `icons.svg`. Always beside a word, so readers aloud skip it.
pub(super) fn icon(name: &str) -> Markup {
    html! {
        svg.icon aria-hidden="true" focusable="false" viewBox="0 0 16 16" {
            use href=(format!("{}#{name}", assets::url("icons.svg"))) {}
        }
    }
}

/// Verdict of an ended job, state of any other: a shape and a word, never colour alone.
pub(super) fn badge(job: &Job) -> Markup {
    match job.verdict {
        Some(verdict) => verdict_badge(verdict),
        None => state_badge(job.state),
    }
}

pub(super) fn verdict_badge(verdict: Verdict) -> Markup {
    html! {
        span class=(format!("badge {}", verdict.name())) {
            (icon(verdict.name())) span { (words::verdict(verdict)) }
        }
    }
}

pub(super) fn state_badge(state: JobState) -> Markup {
    html! {
        span class=(format!("badge {}", state.name())) {
            (icon(state.name())) span { (words::state(state)) }
        }
    }
}

/// Result of a step or module; a step that runs has none yet.
pub(super) fn outcome_mark(outcome: Option<Outcome>) -> Markup {
    let (class, word) = match outcome {
        Some(outcome) => (outcome.name(), words::outcome(outcome)),
        None => ("running", "running"),
    };
    html! { span class=(format!("mark {class}")) { (icon(class)) span { (word) } } }
}

/// A job's number and name as one link. The name is the author's: isolated, for it may be written
/// from right to left.
pub(super) fn job_link(job: &Job) -> Markup {
    html! {
        a.job href=(job_url(job.id)) {
            span.number { (job.id) } " " bdi { (words::shorten(&job.name, 160)) }
        }
    }
}

pub(super) fn job_url(id: JobId) -> String {
    format!("/jobs/{id}")
}

/// How far something is, as a bar and in numbers.
pub(super) fn progress(done: u32, total: u32) -> Markup {
    let label = format!("{done} of {total} steps");
    html! {
        span.progress {
            progress value=(done) max=(total.max(1)) aria-label=(label) {}
            span.amount { (done) "/" (total) }
        }
    }
}
