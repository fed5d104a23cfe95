//! `GET /jobs/{id}`: one job, from verdict to raw files.

use std::time::Duration;

use maud::{Markup, html};

use super::{
    facts,
    layout::{self, Frame, Tab},
    moment::{Moment, position, size, span},
    steps::{self, Where},
    timeline::{anchor, dashed, timeline},
    video::Video,
    words,
};
use crate::model::{Cause, Job, JobState, Level, Run, Verdict};

/// All the page shows.
pub(super) struct JobView {
    pub moment: Moment,
    pub job: Job,
    pub run: Run,
    /// Why it waits.
    pub reason: Option<String>,
    /// As far as it goes now.
    pub video: Option<Video>,
    /// Ends of the texts in the job's folder.
    pub texts: Vec<TextTail>,
    /// Name and length of every file that is shown to readers.
    pub files: Vec<(String, u64)>,
}

/// The end of a text file.
pub(super) struct TextTail {
    pub name: String,
    pub size: u64,
    pub text: String,
    /// Whether the file begins before `text`.
    pub cut: bool,
}

impl JobView {
    /// How far the run has come on the engine's clock.
    pub(super) fn until(&self) -> Duration {
        let known = match (&self.run.end, self.run.started) {
            (Some(end), _) => end.at,
            (None, Some(started)) if self.job.state != JobState::Ended => {
                self.moment.now.duration_since(started).try_into().unwrap_or_default()
            }
            (None, _) => Duration::ZERO,
        };
        let last = self.run.steps().map(|step| step.started + step.took.unwrap_or_default()).max();
        known.max(last.unwrap_or_default())
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
    let place = Where { job: job.id, video: view.video.as_ref() };
    let content = html! {
        nav.crumbs aria-label="Place" { span { "Job " (job.id) } }
        header #head.head data-live { (head(view)) }
        div.columns {
            div.aside {
                @if let Some(video) = &view.video { (recording(video)) }
                section #facts data-live {
                    h2 { "Facts" }
                    (facts::list(view))
                }
            }
            div.body {
                div #outcome data-live {
                    @if let Some(cause) = &job.cause { (why(view, cause)) }
                    @if run.started.is_some() { (timeline(run, view.until())) }
                }
                section #steps data-live {
                    h2 { "Steps" }
                    (steps::list(&run.items, place))
                }
                (notes(view))
                section #logs data-live { (logs(view)) }
                (definition(job))
                (backend(job))
                section #files data-live { (files(view)) }
            }
        }
    };
    layout::page(&frame, &content)
}

fn head(view: &JobView) -> Markup {
    let JobView { job, run, moment, .. } = view;
    html! {
        h1 { bdi { (words::shorten(&job.name, 500)) } }
        div.status {
            (layout::badge(job))
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
            @if job.state.is_active() {
                a.action href=(format!("/jobs/{}/live", job.id)) { "Watch live" }
            }
        }
        @if let (None, Some((done, total))) = (&run.end, run.progress) {
            (layout::progress(done, total))
        }
    }
}

/// What a job that has not ended does or waits for.
fn underway(view: &JobView) -> Markup {
    let JobView { job, run, moment, .. } = view;
    html! {
        @if job.cancel_asked { span { "Somebody asked for it to be stopped." } }
        @match (job.state, &view.reason) {
            (JobState::Waiting, Some(reason)) => span { bdi { (reason) } },
            (JobState::Waiting, None) => span { "In the queue since " (moment.ago(job.submitted)) },
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
            }
        }
    }
}

/// Who has to act, and what shows it.
fn why(view: &JobView, cause: &Cause) -> Markup {
    let job = &view.job;
    let kind = job.verdict.map_or("", Verdict::name);
    let step =
        cause.place.step.as_ref().and_then(|path| view.run.steps().find(|step| step.path == *path));
    html! {
        section class=(format!("cause {kind}")) aria-label="Cause" {
            p.words { bdi { (words::shorten(&cause.words, 2_000)) } }
            p.who {
                strong { (words::who(cause.who)) } " has to act: " (words::code(cause.code)) ". "
                code { (cause.code.name()) }
            }
            p.place {
                @if let Some(part) = cause.place.part { span { "in " (part.name()) } }
                @if let Some(action) = cause.place.action { span { "action " (action + 1) } }
                @if let Some(path) = &cause.place.step {
                    @match step {
                        Some(step) => a href=(format!("#{}", anchor(step))) { "step " (path) },
                        None => span { "step " (path) },
                    }
                }
                @if let Some(screen) = &cause.evidence.screen {
                    a href=(format!("/jobs/{}/files/{screen}", job.id)) { "the screen" }
                }
                @if let Some(file) = &cause.evidence.file {
                    a href=(format!("/jobs/{}/files/{file}", job.id)) { bdi { (file) } }
                }
            }
            @if !cause.evidence.lines.is_empty() {
                pre tabindex="0" { @for line in &cause.evidence.lines { (line) "\n" } }
            }
        }
    }
}

fn recording(video: &Video) -> Markup {
    let url = &video.url;
    html! {
        section.recording aria-label="Video" {
            video #video controls preload="metadata" src=(url) {
                a href=(url) { "The video" }
            }
        }
    }
}

/// What a test wrote down by itself.
fn notes(view: &JobView) -> Markup {
    html! {
        @if !view.run.infos.is_empty() {
            section { h2 { "Notes" }
                @for info in &view.run.infos {
                    details open {
                        summary { (layout::outcome_mark(Some(info.result))) " " bdi { (info.title) } }
                        pre tabindex="0" { (info.text) }
                    }
                }
            }
        }
    }
}

fn logs(view: &JobView) -> Markup {
    html! {
        h2 { "Logs" }
        @if view.run.log.is_empty() && view.texts.is_empty() {
            p.empty { "Nothing has been written yet." }
        }
        @if !view.run.log.is_empty() {
            details #log-run open {
                summary { "Run" span.hint { (view.run.log.len()) " lines" } }
                ol.log tabindex="0" {
                    @for line in &view.run.log {
                        li class=(level(line.level)) {
                            span.at { (position(line.at)) }
                            span.level { (level(line.level)) }
                            span { (words::shorten(&line.text, 4_000)) }
                        }
                    }
                }
            }
        }
        @for tail in &view.texts {
            details id=(format!("log-{}", dashed(&tail.name).replace('.', "-"))) {
                summary {
                    (tail.name) span.hint { (size(tail.size)) }
                }
                @if tail.cut {
                    p.hint { "Only the end. " (file_link(view, &tail.name, "The whole file")) }
                } @else { p.hint { (file_link(view, &tail.name, "As a file")) } }
                pre tabindex="0" { (tail.text) }
            }
        }
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn file_link(view: &JobView, name: &str, words: &str) -> Markup {
    html! { a href=(format!("/jobs/{}/files/{name}", view.job.id)) { (words) } }
}

fn definition(job: &Job) -> Markup {
    html! {
        section {
            h2 { "Definition" }
            details {
                summary {
                    "As it was submitted"
                    span.hint { (size(job.definition.len() as u64)) }
                }
                p.hint {
                    a href=(format!("/jobs/{}/files/job.yaml", job.id)) { "As a file" }
                    " · SHA-256 " code.hash { (job.definition_hash) }
                    " · bundle " code.hash { (job.bundle) }
                }
                pre tabindex="0" { (job.definition) }
            }
        }
    }
}

fn backend(job: &Job) -> Markup {
    html! {
        @if !job.backend.is_empty() {
            section {
                h2 { "Backend" }
                details {
                    summary { "What the engine said of itself" }
                    pre tabindex="0" {
                        (serde_json::to_string_pretty(&job.backend).unwrap_or_default())
                    }
                }
            }
        }
    }
}

fn files(view: &JobView) -> Markup {
    html! {
        h2 { "Files" }
        @if view.files.is_empty() { p.empty { "There are no files yet." } }
        ul.files {
            @for (name, length) in &view.files {
                li { (file_link(view, name, name)) span.hint { (size(*length)) } }
            }
            li {
                a href=(format!("/api/jobs/{}", view.job.id)) { "This page as JSON" }
            }
        }
    }
}
