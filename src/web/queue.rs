//! `GET /`: what runs, what waits and why, what ended lately.

use std::sync::Arc;

use maud::{Markup, html};

use super::{
    addresses::Addresses,
    bulk_pages, history,
    layout::{self, Frame, Tab},
    plan,
    sight::foretold,
};
use crate::{
    estimates::Snapshot,
    markup::{self, Moment, Scale, span, words},
    model::{Identity, Job, JobState, Run, Verdict},
};

/// All the page shows.
pub(super) struct QueueView {
    pub moment: Moment,
    pub who: Identity,
    /// With their runs so far.
    pub active: Vec<(Job, Arc<Run>)>,
    /// Best first, with the reason each waits.
    pub waiting: Vec<(Job, Option<String>)>,
    /// What is to come of them.
    pub ahead: Arc<Snapshot>,
    /// How many wait, shown or not.
    pub waiting_in_all: u64,
    /// Newest end first.
    pub ended: Vec<Job>,
    /// Why nothing starts now.
    pub hold: Option<String>,
    /// Where job files can be dropped.
    pub inbox: String,
}

pub(super) fn render(view: &QueueView) -> Markup {
    let mut frame = Frame::new("Queue", Tab::Queue);
    frame.events = Some("/events".into());
    frame.refresh = Some(10);
    let content = html! {
        h1.unseen { "Queue" }
        div #held data-live {
            @if let Some(why) = &view.hold {
                p.alert role="status" {
                    strong { "Nothing starts: " } (why) ". "
                    a href="/doctor" { "What to do" }
                }
            }
        }
        section #running data-live {
            @if is_new(view) {
                (welcome(view))
            } @else if is_idle(view) {
                p.idle {
                    "Nothing runs and nothing waits. A job dropped into " code { (view.inbox) }
                    " starts at once."
                }
            } @else {
                h2 { "Running" span.tally { (view.active.len()) } }
                (running(view))
            }
        }
        section #waiting data-live {
            @if !is_idle(view) {
                h2 { "Waiting" span.tally { (view.waiting_in_all) } }
                (waiting(view))
            }
        }
        (bulk_pages::form_of_queue(&view.who))
        section #ended data-live {
            @if !view.ended.is_empty() {
                div.titled {
                    h2 { "Ended lately" }
                    (pulse(&view.ended, &view.moment))
                }
                (history::table(&view.ended, &view.moment, history::Ended::Ago, None))
                p.more { a href="/history" { "All of the history" } }
            }
        }
    };
    layout::page(&frame, &content)
}

/// Whether no job has ever come in.
fn is_new(view: &QueueView) -> bool {
    is_idle(view) && view.ended.is_empty()
}

fn is_idle(view: &QueueView) -> bool {
    view.active.is_empty() && view.waiting.is_empty()
}

fn running(view: &QueueView) -> Markup {
    html! {
        @if view.active.is_empty() { p.empty { "Nothing runs." } }
        ul.cards {
            @for (job, run) in &view.active { li { (card(job, run, view)) } }
        }
    }
}

/// What a new box says: how to begin.
fn welcome(view: &QueueView) -> Markup {
    let drop = format!("cp -r first {}/", view.inbox);
    html! {
        div.welcome {
            div {
                h2 { "Ready for the first job" }
                p { "A job is a file that says what to boot and what its screen should show. "
                    a href="/handbook" { "The handbook" } " has one that runs in five minutes." }
            }
            ol {
                li { h3 { "Write one" } pre { "sutler new first --iso FILE" } }
                li { h3 { "Drop it into the inbox" } pre { (drop) } }
                li { h3 { "Or send it, and wait for the end" }
                    pre { "sutler submit first\nsutler wait 1" } }
            }
        }
    }
}

fn card(job: &Job, run: &Run, view: &QueueView) -> Markup {
    let moment = &view.moment;
    let ahead = foretold(&view.ahead, job, view.moment.now);
    let last = run.steps().filter_map(|step| step.screens.last()).last();
    html! {
        article.card {
            a.shot href=(format!("/jobs/{}/live", job.id)) aria-label=(format!("Watch job {}", job.id)) {
                @match last {
                    Some(shot) => (markup::picture(
                        shot, None, None, Scale::Thumbnail, &Addresses::of(job.id),
                    )),
                    None => span.noscreen { "no screen yet" },
                }
            }
            div.what {
                p { (bulk_pages::pick(job, &view.who)) (layout::job_link(job)) }
                p.status {
                    (markup::state_badge(job.state))
                    @if let Some(took) = job.running_time(moment.now) { span { (span(took)) } }
                    span.hint { code { (words::shorten(&job.device_type, 40)) } }
                    (plan::ends(ahead.as_ref(), moment))
                }
                @match &ahead {
                    Some(ahead) if ahead.past.basis.runs() > 0 => {
                        (plan::bar(ahead, &ahead.progress(run, moment.now)))
                    }
                    _ => @if let Some((done, total)) = run.progress {
                        (markup::progress(done, total))
                    },
                }
                @if let Some(slow) = run.slow_now() {
                    p.slow { strong { "Slow: " } bdi { (words::shorten(&words::slow(slow), 160)) } }
                }
                p.now.hint {
                    @if job.cancel_asked { "Being stopped. " }
                    @if let Some(step) = run.current_step() {
                        code.verb { (step.verb) } " " bdi { (words::shorten(&step.subject, 80)) }
                    } @else { (words::state(job.state)) }
                }
            }
        }
    }
}

fn waiting(view: &QueueView) -> Markup {
    let hidden = view.waiting_in_all.saturating_sub(view.waiting.len() as u64);
    let may_pick = bulk_pages::may_pick(&view.who);
    html! {
        @if view.waiting.is_empty() {
            p.empty { "Nothing waits." }
        } @else {
            table.jobs {
                thead { tr {
                    @if may_pick { (bulk_pages::heading()) }
                    th scope="col" { "Job" } th scope="col" { "Why it waits" }
                    th scope="col" data-label="Device type" { "Device type" }
                    th scope="col" data-label="By" { "By" }
                    th.figure scope="col" { "Priority" } th scope="col" { "Since" }
                    th scope="col" { "Expected to start" }
                } }
                tbody { @for (job, reason) in &view.waiting { tr {
                    @if may_pick { td.box { (bulk_pages::pick(job, &view.who)) } }
                    td.main { (markup::state_badge(JobState::Waiting)) (layout::job_link(job)) }
                    td.why data-label="Why" {
                        bdi { (reason.as_deref().unwrap_or("not looked at yet")) }
                    }
                    td data-label="Device type" { code { (words::shorten(&job.device_type, 40)) } }
                    td data-label="By" { bdi { (words::shorten(&job.submitter.name, 40)) } }
                    td.figure data-label="Priority" { (job.priority.0) }
                    td data-label="Since" { (view.moment.ago(job.submitted)) }
                    td data-label="Expected to start" { (plan::starts(foretold(&view.ahead, job, view.moment.now).as_ref(), &view.moment)) }
                } } }
            }
            @if hidden > 0 {
                p.more { a href="/history?state=waiting&whose=all" {
                    "and " (words::count(hidden, "more job"))
                } }
            }
        }
    }
}

/// The last ends as a row of bars, oldest first: height is running time, colour and foot the
/// verdict.
fn pulse(ended: &[Job], moment: &Moment) -> Markup {
    let took = |job: &Job| job.running_time(moment.now).unwrap_or_default().as_secs_f64();
    let longest = ended.iter().map(took).fold(1.0, f64::max);
    let width = ended.len() * 14;
    html! {
        svg.pulse width=(width) height="44" viewBox=(format!("0 0 {width} 44")) role="group"
            aria-label="Running times and verdicts, newest last" {
            @for (slot, job) in ended.iter().rev().enumerate() {
                @let height = (took(job) / longest * 36.0).max(4.0);
                @let verdict = job.verdict.map_or("", Verdict::name);
                a href=(layout::job_url(job.id)) {
                    title {
                        "Job " (job.id) " " (verdict) ", " (words::shorten(&job.name, 60))
                    }
                    rect.hit x=(slot * 14) y="0" width="14" height="44" {}
                    rect class=(format!("ran {verdict}")) x=(slot * 14 + 2)
                        y=(format!("{:.1}", 40.0 - height)) width="10"
                        height=(format!("{height:.1}")) {}
                    @if job.verdict.is_none_or(|verdict| verdict.exit_code() != 0) {
                        rect.lapse x=(slot * 14 + 2) y="41.5" width="10" height="2.5" {}
                    }
                }
            }
        }
    }
}
