//! `GET /jobs/{id}`: one job, from verdict to raw files.

use std::{sync::Arc, time::Duration};

use maud::{Markup, html};

use super::{
    addresses::{Addresses, file_url},
    compose,
    layout::{self, Frame, Tab},
    plan,
    video::Video,
};
use crate::{
    estimates::Estimate,
    markup::{self, Moment, Tail, Usuals, size, span, words},
    model::{Identity, Job, JobId, JobState, Limited, Run},
    store::Standing,
};

/// All the page shows.
pub(super) struct JobView {
    pub moment: Moment,
    pub job: Job,
    pub run: Arc<Run>,
    /// Among failures and retries.
    pub standing: Standing,
    /// Why it waits.
    pub reason: Option<String>,
    /// Who looks at it.
    pub who: Identity,
    /// When it will start and end.
    pub ahead: Option<Estimate>,
    /// How long it and its parts may take.
    pub limited: Vec<Limited>,
    /// As far as it goes now.
    pub video: Option<Video>,
    /// What the same test's measures came to before.
    pub usual: Usuals,
    /// Ends of the texts in the job's folder.
    pub texts: Vec<Tail>,
    /// Name and length of every file that is shown to readers.
    pub files: Vec<(String, u64)>,
}

impl JobView {
    /// How far the run has come on the engine's clock.
    pub(super) fn until(&self) -> Duration {
        let goes_on = self.job.state != JobState::Ended;
        self.run.until(goes_on.then_some(self.moment.now))
    }
}

pub(super) fn render(view: &JobView) -> Markup {
    let JobView { job, run, .. } = view;
    let title = format!("{} · job {}", words::shorten(&job.name, 80), job.id);
    let mut frame = Frame::new(&title, Tab::Neither);
    if job.state != JobState::Ended {
        frame.events = Some(format!("/jobs/{}/events?from={}", job.id, run.seq + 1));
        frame.refresh = Some(5);
    }
    let links = Addresses { job: job.id, video: view.video.as_ref() };
    let content = html! {
        (layout::crumbs(&html! {
            @match job.state {
                JobState::Ended => a href="/history" { "History" },
                _ => a href="/" { "Queue" },
            }
            span aria-current="page" { "Job " (job.id) }
        }))
        div.run {
            div.top {
                header #head.head data-live { (head(view)) }
                // By itself: it hardly ever changes, and somebody may be about to press a button.
                div #controls data-live { (compose::controls(job, &view.who)) }
            }
            div #outcome data-live {
                (markup::removed(job, &view.moment))
                @if let Some(cause) = &job.cause { (markup::cause(cause, job.verdict, run, &links)) }
                (standing(view))
                @if run.started.is_some() { (markup::timeline(run, view.until())) }
            }
            @if let Some(video) = &view.video { (recording(video, view)) }
            div.body {
                section #steps data-live {
                    h2 { "Steps" }
                    (markup::steps(&run.items, job.cause.as_ref(), &links))
                }
                section #measures data-live { (measures(view)) }
                (markup::notes(run))
                div #slow data-live { (markup::slow(run)) }
                section #logs data-live { (markup::logs(run, &view.texts, &links)) }
                (markup::definition(job, &links))
                (markup::timeouts(&view.limited))
                (markup::backend(job))
                section #files data-live { (files(view)) }
            }
            section #facts data-live {
                h2 { "Facts" }
                (markup::facts(job, run, &view.moment, &links))
            }
        }
    };
    layout::page(&frame, &content)
}

fn head(view: &JobView) -> Markup {
    let JobView { job, run, moment, .. } = view;
    html! {
        div.status {
            (markup::badge(job))
            @match (job.verdict, job.ended) {
                (Some(verdict), Some(ended)) => {
                    span { (words::meaning(verdict)) }
                    span.hint {
                        @if let Some(took) = job.running_time(moment.now) { (span(took)) ", " }
                        (moment.ago(ended))
                    }
                }
                _ => (underway(view)),
            }
        }
        h1 { bdi { (words::shorten(&job.name, 500)) } }
        @if let (None, Some((done, total))) = (&run.end, run.progress) {
            (markup::progress(done, total))
        }
        @if let (true, Some(ahead)) = (job.state.is_active(), &view.ahead) {
            @let progress = ahead.progress(run, moment.now);
            (plan::bar(ahead, &progress))
            @if !progress.parts.is_empty() {
                details #parts { summary { "Parts" } (plan::parts(&progress)) }
            }
        }
        @if let Some(slow) = run.slow_now() {
            p.slow { strong { "Slow: " } bdi { (words::shorten(&words::slow(slow), 500)) } }
        }
        @if job.state.is_active() {
            p { a.action href=(format!("/jobs/{}/live", job.id)) { "Watch live" } }
        }
        @if job.state == JobState::Ended {
            p { a.action href=(format!("/jobs/{}/report.html", job.id)) { "Report" } }
        }
    }
}

/// What is known of its failure, what it retries, and what retries it.
fn standing(view: &JobView) -> Markup {
    let Standing { marks, group, made, retried_as, resubmitted_as, pending, not_retried } =
        &view.standing;
    let job = |id: JobId| html! { a href=(layout::job_url(id)) { "job " (id) } };
    html! {
        @for mark in marks {
            p.standing {
                "Known failure:" (layout::known_link(&mark.rule))
                @if let Some(bug) = &mark.bug {
                    ", " a href=(bug) rel="noreferrer" { bdi { (words::shorten(bug, 80)) } }
                }
                @if mark.later { span.hint { " (found out later)" } }
            }
        }
        @if let Some(group) = group {
            p.standing {
                "No rule knows this failure. "
                a href=(format!("/failures?group={0}#group-{0}", group.signature)) {
                    (words::count(group.count, "job")) " like this"
                }
            }
        }
        @if let Some(made) = made {
            p.standing {
                "Retry " (made.depth) " of its chain, of " (job(made.from)) ", by "
                bdi { (words::shorten(&made.by, 64)) }
            }
        }
        @for (what, jobs) in [("Retried as ", retried_as), ("Resubmitted as ", resubmitted_as)] {
            @if !jobs.is_empty() {
                p.standing {
                    (what)
                    @for (at, id) in jobs.iter().enumerate() {
                        @if at > 0 { ", " } (job(*id))
                    }
                }
            }
        }
        @if let Some(pending) = pending {
            p.standing {
                "Will be retried " (view.moment.expected(pending.due)) ", by rule " (pending.rule)
            }
        }
        @if let (Some(why), true) = (not_retried, retried_as.is_empty()) {
            p.standing { "Not retried: " (why) "." }
        }
    }
}

/// What a job that has not ended does or waits for.
fn underway(view: &JobView) -> Markup {
    let JobView { job, run, moment, .. } = view;
    html! {
        @if job.cancel_asked { span { "Somebody asked for it to be stopped." } }
        @match (job.state, &view.reason) {
            (JobState::Waiting, reason) => {
                @match reason {
                    Some(reason) => span { bdi { (reason) } },
                    None => span { "In the queue since " (moment.ago(job.submitted)) },
                }
                @if let Some(ahead) = &view.ahead {
                    @if let Some(position) = ahead.position {
                        span { "Number " (position) " in the queue" }
                    }
                    @if ahead.outlook.is_none() && ahead.after.is_none() {
                        span.hint { "Nobody knows yet when it starts" }
                    } @else {
                        span { "Expected to start " (plan::starts(Some(ahead), moment)) }
                    }
                    (plan::ends(Some(ahead), moment))
                }
            }
            _ => {
                @if let Some(step) = run.current_step() {
                    span {
                        code.verb { (step.verb) } " "
                        bdi { (words::shorten(&step.subject, 120)) }
                    }
                }
                @if let Some(took) = job.running_time(moment.now) {
                    span.hint { "for " (span(took)) }
                }
                (plan::ends(view.ahead.as_ref(), moment))
            }
        }
    }
}

/// The video with its chapters and its log. The script needs to know when its first picture was.
fn recording(video: &Video, view: &JobView) -> Markup {
    let (url, job) = (&video.url, view.job.id);
    html! {
        section.recording aria-label="Video" {
            video #video controls preload="metadata" src=(url)
                data-epoch=(format!("{:.3}", video.epoch.as_secs_f64()))
                data-began=[view.run.started] data-zone=[view.moment.zone.iana_name()] {
                track kind="chapters" default src=(format!("/jobs/{job}/steps.vtt")) srclang="en"
                    label="Steps";
                // A run without a word has no captions to offer.
                @if !view.run.log.is_empty() {
                    track kind="captions" src=(format!("/jobs/{job}/log.vtt")) srclang="en"
                        label="Log";
                }
                a href=(url) { "The video" }
            }
            // What is to be seen in it just now, once the script knows.
            p.hint {}
        }
    }
}

fn measures(view: &JobView) -> Markup {
    let series = format!("/api/jobs/{}/series", view.job.id);
    html! {
        @if !view.run.series.is_empty() {
            h2 { "Measures" }
            (markup::measures(&view.run, view.until(), &view.usual))
            p.hint {
                a href=(format!("{series}?format=csv")) { "Measures as CSV" } " · "
                a href=(series) { "as JSON" }
            }
        }
    }
}

fn files(view: &JobView) -> Markup {
    html! {
        h2 { "Files" }
        @if view.files.is_empty() {
            p.empty { @if view.job.holdings.has_results() { "There are no files yet." } @else { "Its files were removed." } }
        }
        ul.files {
            @for (name, length) in &view.files {
                li { a href=(file_url(view.job.id, name)) { (name) } span.hint { (size(*length)) } }
            }
            @for (name, words) in [
                ("report.html", "Report in one file, to mail"),
                ("report.xml", "JUnit XML"),
                ("report.tap", "TAP"),
            ] {
                li { a href=(format!("/jobs/{}/{name}", view.job.id)) { (words) } }
            }
            li {
                a href=(format!("/api/jobs/{}", view.job.id)) { "This page as JSON" }
            }
        }
    }
}
