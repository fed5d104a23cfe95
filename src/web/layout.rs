//! What every page has: head, bar, foot.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use crate::{
    markup::{self, icon, words},
    model::{Job, JobId},
};

/// Where a page belongs in the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Queue,
    History,
    Disk,
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
                        (tab("/disk", "Disk", frame.tab == Tab::Disk))
                    }
                    form.find action="/find" method="get" role="search" {
                        label.unseen for="find" { "Go to job number or uuid" }
                        input #find name="job" type="search" placeholder="Job number or uuid"
                            autocomplete="off" spellcheck="false" maxlength="64";
                    }
                }
                (markup::patterns())
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

fn tab(href: &str, name: &str, here: bool) -> Markup {
    html! { a href=(href) aria-current=[here.then_some("page")] { (name) } }
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
