//! Many jobs at once on pages: boxes to pick them with, what would be done with each, and what has come
//! of it.
//!
//! The lists are renewed while somebody picks, so the form their boxes belong to stands beside them.
//! What it sends is only looked at; the page that shows this has the form that does it.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    actions::AskedPriority,
    bulk::{self, Action, Once, Told},
    errors::{PageError, WebError},
    form::LongForm,
    guard::{Asks, NothingToNote},
    layout::{self, Frame, Tab, form_key, job_url},
    listing::Said,
    login, params,
    sight::is_veiled,
    state::Web,
};
use crate::{
    decide::access::{Act, may},
    markup::{self, words},
    model::{Identity, Job, JobId, JobState, NotAPriority, Priority},
};

const PATH: &str = "/jobs/bulk";
/// The form all boxes of a page belong to.
const FORM: &str = "many";

/// What may be chosen, by name and in words.
type Choices = &'static [(&'static str, &'static str)];
const OF_LIVE: Choices = &[("cancel", "Cancel"), ("priority", "Set priority")];
const OF_ENDED: Choices = &[("resubmit", "Resubmit"), ("keep", "Keep"), ("release", "Release")];

/// Whether somebody may pick jobs at all.
pub(super) fn may_pick(who: &Identity) -> bool {
    may(who, Act::Submit).is_ok()
}

/// Of the column of boxes.
pub(super) fn heading() -> Markup {
    html! { th.box scope="col" { span.unseen { "Pick" } } }
}

/// The box of a job, for whom may do something with it.
pub(super) fn pick(job: &Job, who: &Identity) -> Markup {
    let act = match job.state {
        JobState::Ended => Act::Submit,
        JobState::Waiting | JobState::Preparing | JobState::Running | JobState::Collecting => {
            Act::Decide(&job.submitter)
        }
    };
    html! {
        @if !is_veiled(job) && may(who, act).is_ok() {
            label.pick {
                input id=(format!("pick-{}", job.id)) type="checkbox" name="job" value=(job.id)
                    form=(FORM);
                span.unseen { "Pick job " (job.id) }
                input type="hidden" name="shown" value=(job.id) form=(FORM);
            }
        }
    }
}

/// The form for the jobs of the queue page. Without a script that page is renewed whole, boxes and
/// all.
pub(super) fn form_of_queue(who: &Identity) -> Markup {
    let list = JobState::ALL.into_iter().filter(|state| *state != JobState::Ended);
    let list = list.map(|state| format!("state={state}&")).collect::<String>();
    html! {
        (form(who, &[OF_LIVE], "/"))
        @if may_pick(who) {
            noscript {
                p.hint {
                    "This page is renewed every few seconds, and what is picked is lost. There is "
                    a href=(format!("/history?{list}whose=all")) { "a list that stands still" } "."
                }
            }
        }
    }
}

/// The form for the jobs of a list.
pub(super) fn form_of(jobs: &[Job], who: &Identity, back: &str) -> Markup {
    let has = |ended: bool| jobs.iter().any(|job| (job.state == JobState::Ended) == ended);
    let choices = [has(false).then_some(OF_LIVE), has(true).then_some(OF_ENDED)];
    let choices: Vec<_> = choices.into_iter().flatten().collect();
    html! { @if !choices.is_empty() { (form(who, &choices, back)) } }
}

fn form(who: &Identity, choices: &[Choices], back: &str) -> Markup {
    html! {
        @if may_pick(who) {
            form.many id=(FORM) method="post" action=(PATH) autocomplete="off"
                aria-label="With the jobs that are picked" {
                (form_key())
                input type="hidden" name="back" value=(back);
                label { input type="checkbox" name="all" value="yes"; " All shown" }
                label { "With those picked: "
                    select name="do" {
                        @for (name, words) in choices.iter().copied().flatten() {
                            option value=(name) { (words) }
                        }
                    }
                }
                @if choices.contains(&OF_LIVE) {
                    label.points { "Priority "
                        input type="number" name="priority" min="0" max=(Priority::HIGH.0)
                            value=(Priority::MEDIUM.0);
                    }
                }
                button.action type="submit" { "Preview" }
                span.hint role="status" {}
            }
        }
    }
}

/// What a form has sent.
struct Picked {
    action: Action,
    /// Each once, in the order of the list.
    jobs: Vec<JobId>,
    /// The list.
    back: String,
    /// It was shown what would be done.
    is_sure: bool,
    /// Of the page that showed it: one that is loaded again sends its form again.
    once: Once,
}

impl Picked {
    fn read(said: Said) -> Result<Self, WebError> {
        let bad = WebError::BadRequest;
        let (mut picked, mut shown) = (Vec::new(), Vec::new());
        let (mut action, mut priority, mut back) = (String::new(), String::new(), None);
        let (mut is_all, mut is_sure) = (false, false);
        let (mut key, mut asked) = (None, BTreeSet::new());
        for (name, value) in said {
            match name.as_str() {
                "job" => picked.push(params::number(&value)?),
                "shown" => shown.push(params::number(&value)?),
                "do" => action = value,
                "priority" => priority = value,
                "back" => back = Some(value),
                "all" => is_all = true,
                "sure" => is_sure = true,
                "asked" => asked.extend([params::number(&value)?]),
                "key" => key = Some(value.parse::<Uuid>().map_err(|_| bad("key: no UUID".into()))?),
                // The key of the form itself.
                "form" => {}
                _ => return Err(bad(format!("a form has no {name:?}"))),
            }
        }
        let action = match action.as_str() {
            "cancel" => Action::Cancel,
            "priority" => Action::Priority(AskedPriority(
                priority.parse().map_err(|wrong: NotAPriority| bad(wrong.to_string()))?,
            )),
            "resubmit" => Action::Resubmit,
            "keep" => Action::Keep,
            "release" => Action::Release,
            _ => return Err(bad(format!("nobody can {action:?} many jobs"))),
        };
        let mut jobs = if is_all { shown } else { picked };
        let mut seen = BTreeSet::new();
        jobs.retain(|job| seen.insert(*job));
        let back = login::place(back.as_deref()).to_owned();
        let once = Once { key: key.map(|key| key.to_string()), asked: Some(asked) };
        Ok(Self { action, jobs, back, is_sure, once })
    }
}

/// `POST /jobs/bulk`: shows what would be done; once somebody is sure, does it and shows what has come
/// of it.
pub(super) async fn send(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    LongForm(said): LongForm<Said>,
) -> Result<Response, PageError> {
    may(&who, Act::Submit)?;
    let mut picked = Picked::read(said)?;
    let jobs = std::mem::take(&mut picked.jobs);
    if jobs.is_empty() {
        let page = Html(none_picked(&picked.back).into_string());
        let mut response = (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
        response.extensions_mut().insert(NothingToNote);
        return Ok(response);
    }
    let Picked { action, is_sure, once, .. } = &picked;
    let told = bulk::each(&web, &who, action, jobs, !is_sure, once).await?;
    let mut response = Html(render(&picked, &told).into_string()).into_response();
    bulk::noted(&mut response, &picked.action, &told, !picked.is_sure);
    Ok(response)
}

fn none_picked(back: &str) -> Markup {
    let content = html! {
        section.notice {
            h1 { "No job is picked" }
            p { "Tick jobs in the list, or all that are shown, and ask again." }
            p { a href=(back) { "Back to the list" } }
        }
    };
    layout::page(&Frame::new("No job is picked", Tab::Neither), &content)
}

/// As the beginning of a wish, and of what was done.
const fn verbs(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Cancel => ("Cancel", "Canceled"),
        Action::Priority(_) => ("Change the priority of", "Changed the priority of"),
        Action::Resubmit => ("Resubmit", "Resubmitted"),
        Action::Keep => ("Keep", "Kept"),
        Action::Release => ("Release", "Released"),
    }
}

fn render(picked: &Picked, told: &[Told]) -> Markup {
    let Picked { action, back, is_sure, .. } = picked;
    let refused = told.iter().filter(|one| one.refused).count();
    let meant = told.len() - refused;
    let jobs = words::count(meant as u64, "job");
    let (wish, deed) = verbs(action);
    let to = match action {
        Action::Priority(asked) => format!(" to {}", asked.0.0),
        Action::Cancel | Action::Resubmit | Action::Keep | Action::Release => String::new(),
    };
    let title = match (meant, is_sure) {
        (0, false) => "Nothing would be done".to_owned(),
        (0, true) => "Nothing was done".to_owned(),
        (_, false) => format!("{wish} {jobs}{to}?"),
        (_, true) => format!("{deed} {jobs}{to}"),
    };
    let content = html! {
        header.head {
            h1 { (title) }
            @if !is_sure { p { "Nothing has been done yet." } }
            @if refused > 0 {
                p { (words::count(refused as u64, "job")) " left alone, and each says why." }
            }
        }
        (table(told, *is_sure))
        @if *is_sure || meant == 0 {
            p { a href=(back) { "Back to the list" } }
        } @else {
            form.many method="post" action=(PATH) {
                (form_key())
                input type="hidden" name="do" value=(action.name());
                @if let Action::Priority(asked) = action {
                    input type="hidden" name="priority" value=(asked.0.0);
                }
                input type="hidden" name="back" value=(back);
                input type="hidden" name="key" value=(Uuid::new_v4());
                @for one in told.iter().filter(|one| !one.refused) {
                    input type="hidden" name="job" value=(one.number);
                    @if one.job.as_ref().is_some_and(|job| job.cancel_asked) {
                        input type="hidden" name="asked" value=(one.number);
                    }
                }
                button.action type="submit" name="sure" value="yes" {
                    "Do it: " (wish.to_lowercase()) " " (jobs) (to)
                }
                a href=(back) { "Back to the list" }
            }
        }
    };
    layout::page(&Frame::new(&title, Tab::Neither), &content)
}

fn table(told: &[Told], is_done: bool) -> Markup {
    html! {
        table.jobs.told {
            thead { tr {
                th scope="col" { @if is_done { "It was" } @else { "State" } } th scope="col" { "Job" }
                th scope="col" { @if is_done { "What came of it" } @else { "What would be done" } }
            } }
            tbody { @for one in told { tr.refused[one.refused] {
                td { @if let Some(job) = &one.job { (markup::badge(job)) } }
                td.main {
                    @match &one.job {
                        Some(job) => (layout::job_link(job)),
                        None => span.number { (one.number) },
                    }
                }
                td {
                    @if one.refused { strong { "Left alone: " } }
                    bdi { (words::shorten(&one.words, 400)) }
                    @if let Some(new) = one.resubmitted_as {
                        ", as " a href=(job_url(new)) { "job " (new) }
                    }
                }
            } } }
        }
    }
}
