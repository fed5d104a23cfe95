//! What every page has: head, bar, foot.

use maud::{DOCTYPE, Markup, html};

use super::{assets, sight};
use crate::{
    markup::{self, icon, words},
    model::{Acceleration, Job, JobId},
    secrets::Key,
};

/// Where a page belongs in the bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Queue,
    Submit,
    History,
    Devices,
    Failures,
    Statistics,
    Handbook,
    Thresholds,
    Disk,
    Doctor,
    Users,
    Audit,
    Neither,
}

type Place = (Tab, &'static str, &'static str);

/// The places of every day. The script numbers all places for the keyboard in this order.
const PLACES: &[Place] = &[
    (Tab::Queue, "/", "Queue"),
    (Tab::Submit, "/submit", "Submit"),
    (Tab::History, "/history", "History"),
    (Tab::Devices, "/devices", "Devices"),
    (Tab::Failures, "/failures", "Failures"),
    (Tab::Statistics, "/statistics", "Statistics"),
    (Tab::Handbook, "/handbook", "Handbook"),
];
/// Those of whoever keeps the box.
const KEEPING: &[Place] = &[
    (Tab::Thresholds, "/thresholds", "Thresholds"),
    (Tab::Disk, "/disk", "Disk"),
    (Tab::Doctor, "/doctor", "Doctor"),
];
const ADMINISTRATION: &[Place] =
    &[(Tab::Users, "/users", "Users"), (Tab::Audit, "/audit", "Audit")];

/// Who looks at a page.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub name: Option<String>,
    /// What the forms of their session carry.
    pub form: Option<Key>,
    pub is_administrator: bool,
    /// Whether sending a job is nothing they are refused. Who has not said who they are is led in.
    pub is_submitter: bool,
}

tokio::task_local! {
    /// How guests of this box run and who asks, for the frame of every page made while a request is
    /// answered.
    static FRAME: (Option<Acceleration>, Option<Viewer>);
}

/// Answers a request, with what the frame of a page says at hand.
pub(super) async fn framed<F: Future>(
    guests: Option<Acceleration>,
    viewer: Option<Viewer>,
    answer: F,
) -> F::Output {
    FRAME.scope((guests, viewer), answer).await
}

fn viewer() -> Option<Viewer> {
    FRAME.try_with(|(_, viewer)| viewer.clone()).ok().flatten()
}

/// What every form that changes something begins with.
pub(super) fn form_key() -> Markup {
    let key = viewer().and_then(|viewer| viewer.form);
    html! { @if let Some(key) = key { input type="hidden" name="form" value=(key.reveal()); } }
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
                        (everyday(frame.tab))
                        (keeping(frame.tab))
                    }
                    form.find action="/find" method="get" role="search" aria-label="Jobs" {
                        label.unseen for="find" { "Go to job number or uuid" }
                        input #find name="job" type="search" placeholder="Job number or uuid"
                            autocomplete="off" spellcheck="false" maxlength="64";
                    }
                    (you())
                }
                (markup::patterns())
                main #content { (content) }
                (foot())
            }
        }
    }
}

fn places<'a>(here: Tab, places: impl IntoIterator<Item = &'a Place>) -> Markup {
    html! {
        @for (tab, href, name) in places {
            a href=(*href) aria-current=[(here == *tab).then_some("page")] { (name) }
        }
    }
}

fn everyday(here: Tab) -> Markup {
    let is_submitter = viewer().is_none_or(|viewer| viewer.is_submitter);
    let leads = |(tab, ..): &&Place| is_submitter || *tab != Tab::Submit;
    places(here, PLACES.iter().filter(leads))
}

/// What is looked at less often, behind one word.
fn keeping(here: Tab) -> Markup {
    let is_administrator = viewer().is_some_and(|viewer| viewer.is_administrator);
    let others = if is_administrator { ADMINISTRATION } else { &[] };
    let is_here = KEEPING.iter().chain(others).any(|(tab, ..)| *tab == here);
    html! {
        details.others {
            summary.here[is_here] { "Box" }
            div { (places(here, KEEPING)) (places(here, others)) }
        }
    }
}

/// Who is looking, or the way to say so.
fn you() -> Markup {
    let Some(Viewer { name, form, .. }) = viewer() else { return html! {} };
    html! {
        nav.you aria-label="You" {
            @match (name, form) {
                (None, _) => a href="/login" { "Log in" },
                (Some(name), None) => span { bdi { (words::shorten(&name, 40)) } },
                (Some(name), Some(_)) => {
                    a href="/account" { bdi { (words::shorten(&name, 40)) } }
                    form action="/logout" method="post" {
                        (form_key())
                        button type="submit" { "Log out" }
                    }
                }
            }
        }
    }
}

/// What this is, how its guests run, and where programs read. The script adds its keys.
fn foot() -> Markup {
    let guests = FRAME.try_with(|(guests, _)| *guests).ok().flatten();
    html! {
        footer.foot {
            span { "Sutler " (env!("CARGO_PKG_VERSION")) }
            @match guests {
                Some(Acceleration::Kvm) => span { "Guests run accelerated (KVM)" },
                Some(Acceleration::Tcg) => a href="/doctor" { "Guests run emulated (TCG)" },
                None => {},
            }
            nav aria-label="For programs" {
                a href="/api/status" { "Status" }
                a href="/api" { "API" }
            }
        }
    }
}

/// The way here from a place of the bar: links, and the page itself last.
pub(super) fn crumbs(way: &Markup) -> Markup {
    html! { nav.crumbs aria-label="You are here" { (way) } }
}

/// A job's number and name as one link. The name is the author's: isolated, for it may be written
/// from right to left. A [veiled](super::sight::veil) job has none, and leads nowhere.
pub(super) fn job_link(job: &Job) -> Markup {
    if sight::is_veiled(job) {
        return html! { span.job.veiled { span.number { (job.id) } " " em { "not shown to you" } } };
    }
    html! {
        a.job href=(job_url(job.id)) {
            span.number { (job.id) } " " bdi { (words::shorten(&job.name, 160)) }
        }
    }
}

/// The rule that knows why a job failed.
pub(super) fn known_link(rule: &str) -> Markup {
    html! {
        " " a.known href=(format!("/failures#rule-{rule}")) {
            "known: " bdi { (words::shorten(rule, 64)) }
        }
    }
}

pub(super) fn job_url(id: JobId) -> String {
    format!("/jobs/{id}")
}
