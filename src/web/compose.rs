//! `/submit`: a job written in the browser, or changed from one there is, checked while it is written.
//!
//! The text is all that is sent. A new job may therefore name files of the box only, below the folders
//! jobs may read; one that is made of another has all that came with that.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{
    actions::prioritise,
    api::called,
    errors::{PageError, WebError},
    estimates,
    form::{Form, LongForm},
    guard::{About, Asks, Failed, NothingToNote, of_submitted},
    layout::{self, Frame, Tab, form_key, job_url},
    params::{NoParams, Params, Path, number},
    plan,
    state::{ComposeRequest, Composed, SubmitRefused, Web, Wishes},
};
use crate::{
    decide::access::{Act, Denied, may},
    estimates::Estimate,
    job_file::SCHEMA_PATH,
    markup::Moment,
    model::{Identity, Job, NotAPriority, Priority, WayIn},
};

/// What the editor begins with.
const FIRST: &str = include_str!("../../assets/web/first-job.yaml");

/// A text and what is to be said of it.
struct ComposeView {
    text: String,
    from: Option<Job>,
    found: Found,
}

enum Found {
    /// Nobody has looked.
    Nothing,
    Fine(Box<Fine>),
    Problems(Vec<Value>),
}

/// A job that could be submitted.
struct Fine {
    name: String,
    /// What it would wait for now; none when it would start at once.
    waits: Option<String>,
    estimate: Estimate,
    moment: Moment,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageAsked {
    /// Number of the job to begin with.
    from: Option<String>,
}

/// `GET /submit`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(PageAsked { from }): Params<PageAsked>,
) -> Result<Html<String>, PageError> {
    may(&who, Act::Submit)?;
    let from = origin(&web, &who, from.as_deref()).await?;
    let text = from.as_ref().map_or(FIRST, |job| &job.definition).to_owned();
    Ok(Html(render(&ComposeView { text, from, found: Found::Nothing }).into_string()))
}

#[derive(Deserialize)]
pub(super) struct Written {
    definition: String,
    #[serde(default)]
    from: String,
    /// `check` only looks; anything else submits.
    #[serde(default)]
    action: String,
}

/// `POST /submit`: submits what is written, or says what is wrong with it.
pub(super) async fn send(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    LongForm(Written { definition, from, action }): LongForm<Written>,
) -> Result<Response, PageError> {
    may(&who, Act::Submit)?;
    let from =
        origin(&web, &who, Some(&from).filter(|from| !from.is_empty()).map(|f| &**f)).await?;
    let submitter = who.submitter().ok_or(Denied::Unnamed)?;
    // A browser has its line ends; a job file has those of the box.
    let text = definition.replace("\r\n", "\n");
    let only_check = action == "check";
    let request = ComposeRequest {
        from: from.clone(),
        text: text.clone(),
        submitter,
        rights: web.people.rights(who.clone()).await?,
        way_in: WayIn::Page,
        wishes: Wishes::default(),
        only_check,
    };
    let found = match (web.compose)(request).await {
        Ok(Composed::Submitted(job)) => {
            let response = Redirect::to(&job_url(job.id)).into_response();
            return Ok(of_submitted(response, &job));
        }
        Ok(Composed::Fine { job, waits }) => {
            let estimate = estimates::of_new(&web, &who, &job).await?;
            Found::Fine(Box::new(Fine { name: job.name, waits, estimate, moment: web.moment() }))
        }
        Err(SubmitRefused::Invalid { problems }) => {
            Found::Problems(problems.as_array().cloned().unwrap_or_default())
        }
        Err(refused @ (SubmitRefused::Unavailable { .. } | SubmitRefused::KeyUsed { .. })) => {
            return Err(WebError::from(refused).into());
        }
    };
    let status = match found {
        Found::Problems(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Found::Fine(_) | Found::Nothing => StatusCode::OK,
    };
    let page = Html(render(&ComposeView { text, from, found }).into_string());
    let mut response = (status, page).into_response();
    if only_check {
        response.extensions_mut().insert(NothingToNote);
    } else {
        response.extensions_mut().insert(Failed("the job has problems".into()));
    }
    Ok(response)
}

async fn origin(web: &Web, who: &Identity, from: Option<&str>) -> Result<Option<Job>, WebError> {
    match from {
        Some(from) => web.seen(who, number(from)?).await.map(Some),
        None => Ok(None),
    }
}

fn render(view: &ComposeView) -> Markup {
    let ComposeView { text, from, found } = view;
    let title = if from.is_some() { "Resubmit a job" } else { "Submit a job" };
    let content = html! {
        header.head { h1 { (title) }
            @match from {
                Some(job) => p {
                    "With all that came with " (layout::job_link(job)) ". What you change is kept as \
                     a difference between the two."
                },
                None => p {
                    "It may name files below the folders jobs may read. A job that brings files of its \
                     own comes through the inbox or " code { "sutler submit" } "; "
                    a href="/handbook/job-file" { "the handbook" } " says what may stand in it."
                },
            }
        }
        form.compose method="post" action="/submit" {
            (form_key())
            @if let Some(job) = from { input type="hidden" name="from" value=(job.id); }
            label for="definition" { "Definition" }
            textarea #definition name="definition" rows="24" cols="90" spellcheck="false"
                autocomplete="off" autocapitalize="off" required wrap="off"
                data-schema=(SCHEMA_PATH) aria-describedby="findings" { "\n" (text) }
            div.buttons {
                button type="submit" { "Submit" }
                button.second type="submit" name="action" value="check" { "Check" }
            }
            div #findings aria-live="polite" { (findings(found)) }
        }
    };
    layout::page(&Frame::new(title, Tab::Submit), &content)
}

fn findings(found: &Found) -> Markup {
    let text = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    html! {
        @match found {
            Found::Nothing => {},
            Found::Fine(fine) => (expected(fine)),
            Found::Problems(problems) => {
                p { strong { (crate::markup::words::count(problems.len() as u64, "problem")) } }
                ol.problems { @for problem in problems {
                    li class=(text(problem, "severity")) data-line=(problem["line"]) {
                        span.place { "line " (problem["line"]) ", column " (problem["column"]) }
                        @if !text(problem, "path").is_empty() { " " code { (text(problem, "path")) } }
                        ": found " bdi { (text(problem, "found")) }
                        ", expected " bdi { (text(problem, "expected")) }
                        @if !text(problem, "help").is_empty() {
                            p.hint { bdi { (text(problem, "help")) } }
                        }
                    }
                } }
            },
        }
    }
}

fn expected(Fine { name, waits, estimate, moment }: &Fine) -> Markup {
    html! {
        p.fine { "Nothing is wrong with " strong { bdi { (name) } } ". "
            @match waits {
                Some(why) => { "It would wait now: " bdi { (why) } "." },
                None => "It would start at once.",
            }
        }
        dl.facts {
            @if waits.is_some() {
                @if let Some(position) = estimate.position {
                    div { dt { "Place in the queue" } dd { (position) } }
                }
                div { dt { "Starts" } dd { (plan::starts(Some(estimate), moment)) } }
            }
            @if estimate.outlook.is_some() {
                div { dt { "Ends" } dd { (plan::ends(Some(estimate), moment)) } }
            }
            div { dt { "Known" } dd { (estimate.basis()) } }
        }
    }
}

/// What may be done with a job from its page, by whoever looks at it.
pub(super) fn controls(job: &Job, who: &Identity) -> Markup {
    let decides = may(who, Act::Decide(&job.submitter)).is_ok();
    let submits = may(who, Act::Submit).is_ok();
    let url = job_url(job.id);
    html! {
        @if decides || submits {
            div.controls {
                @if decides && job.verdict.is_none() {
                    form method="post" action=(format!("{url}/cancel")) {
                        (form_key())
                        @if job.cancel_asked {
                            input type="hidden" name="hurry" value="true";
                        }
                        button.danger type="submit" {
                            @if job.cancel_asked { "Stop at once" } @else { "Cancel" }
                        }
                    }
                }
                @if decides && job.verdict.is_none() && job.started.is_none() {
                    form method="post" action=(format!("{url}/priority")) {
                        (form_key())
                        label { "Priority "
                            input type="number" name="priority" min="0" max="100"
                                value=(job.priority.0) required;
                        }
                        button.second type="submit" { "Change" }
                    }
                }
                @if submits && job.verdict.is_some() {
                    form method="post" action=(format!("{url}/resubmit")) {
                        (form_key())
                        button.second type="submit" { "Resubmit" }
                    }
                    a.button href=(format!("/submit?from={}", job.id)) { "Resubmit edited" }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ToCancel {
    /// The page had shown that the job was asked to stop before. Else this is one click too many.
    #[serde(default)]
    hurry: bool,
}

/// `POST /jobs/{id}/cancel`
pub(super) async fn cancel(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(ToCancel { hurry }): Form<ToCancel>,
) -> Result<Redirect, PageError> {
    let job = web.decidable(&who, &name).await?;
    web.schedule.cancel(job.id, called(&who), hurry).await?;
    Ok(Redirect::to(&job_url(job.id)))
}

#[derive(Deserialize)]
pub(super) struct NewPriority {
    priority: u8,
}

/// `POST /jobs/{id}/priority`
pub(super) async fn priority(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(NewPriority { priority }): Form<NewPriority>,
) -> Result<Response, PageError> {
    let job = web.decidable(&who, &name).await?;
    let priority = Priority::of_points(priority).ok_or(NotAPriority);
    let priority = priority.map_err(|wrong| WebError::BadRequest(wrong.to_string()))?;
    prioritise(&web, &job, priority).await?;
    let mut response = Redirect::to(&job_url(job.id)).into_response();
    response.extensions_mut().insert(About(format!("{}: {}", job.id, priority.0)));
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /jobs/{id}/resubmit`: as it is.
pub(super) async fn again(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, PageError> {
    may(&who, Act::Submit)?;
    let from = web.find(&who, &name).await?;
    let submitter = who.submitter().ok_or(Denied::Unnamed)?;
    let request = ComposeRequest {
        text: from.definition.clone(),
        submitter,
        rights: web.people.rights(who).await?,
        way_in: WayIn::Page,
        wishes: Wishes::default(),
        only_check: false,
        from: Some(from.clone()),
    };
    match (web.compose)(request).await {
        Ok(Composed::Submitted(job)) => Ok(Redirect::to(&job_url(job.id)).into_response()),
        Ok(Composed::Fine { .. }) => unreachable!("it was not only to be checked"),
        Err(refused @ (SubmitRefused::Unavailable { .. } | SubmitRefused::KeyUsed { .. })) => {
            Err(WebError::from(refused).into())
        }
        // What was fine then is not now; the editor says where.
        Err(SubmitRefused::Invalid { problems }) => {
            let found = Found::Problems(problems.as_array().cloned().unwrap_or_default());
            let text = from.definition.clone();
            let view = ComposeView { text, from: Some(from), found };
            let page = Html(render(&view).into_string());
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}
