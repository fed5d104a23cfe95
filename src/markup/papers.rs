//! What a job left in writing: notes, logs, its definition, what the engine said of itself.

use maud::{Markup, html};

use super::{
    badge::outcome_mark,
    links::Links,
    moment::{position, size},
    timeline::dashed,
    words,
};
use crate::model::{Job, Level, LimitMode, Run};

/// The end of a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    pub name: String,
    pub size: u64,
    pub text: String,
    /// Whether the file begins before `text`.
    pub cut: bool,
}

/// What a test wrote down by itself.
pub fn notes(run: &Run) -> Markup {
    html! {
        @if !run.infos.is_empty() {
            section { h2 { "Notes" }
                @for info in &run.infos {
                    details open {
                        summary { (outcome_mark(Some(info.result))) " " bdi { (info.title) } }
                        pre tabindex="0" { (info.text) }
                    }
                }
            }
        }
    }
}

/// What was slow, also where it was only watched.
pub fn slow(run: &Run) -> Markup {
    html! {
        @if !run.slow.is_empty() {
            section { h2 { "Slow" }
                ol.log tabindex="0" {
                    @for slow in &run.slow {
                        li.warning {
                            span.at { (position(slow.at)) }
                            span.level { (slow.mode.map_or("", LimitMode::name)) }
                            span { (words::shorten(&words::slow(slow), 1_000)) }
                        }
                    }
                }
            }
        }
    }
}

/// What the engine wrote down, and the ends of the texts beside it.
pub fn logs(run: &Run, tails: &[Tail], links: &impl Links) -> Markup {
    html! {
        h2 { "Logs" }
        @if run.log.is_empty() && tails.is_empty() {
            p.empty { "Nothing has been written yet." }
        }
        @if !run.log.is_empty() {
            details #log-run open {
                summary { "Run" span.hint { (run.log.len()) " lines" } }
                ol.log tabindex="0" {
                    @for line in &run.log {
                        li class=(level(line.level)) {
                            @match links.seek(line.at) {
                                Some(place) => a.at href=(place.href) data-seek=(place.at) {
                                    (position(line.at))
                                },
                                None => span.at { (position(line.at)) },
                            }
                            span.level { (level(line.level)) }
                            span { (words::shorten(&line.text, 4_000)) }
                        }
                    }
                }
            }
        }
        @for tail in tails {
            details id=(format!("log-{}", dashed(&tail.name).replace('.', "-"))) {
                summary {
                    (tail.name) span.hint { (size(tail.size)) }
                }
                (whole(tail, links))
                pre tabindex="0" { (tail.text) }
            }
        }
    }
}

/// Where the rest of a text is.
fn whole(tail: &Tail, links: &impl Links) -> Markup {
    let left_out = tail.size.saturating_sub(tail.text.len() as u64);
    html! {
        @match (tail.cut, links.file(&tail.name)) {
            (true, Some(href)) => p.hint { "Only the end. " a href=(href) { "The whole file" } },
            (false, Some(href)) => p.hint { a href=(href) { "As a file" } },
            (true, None) => p.hint { "Only the end; " (size(left_out)) " before it are left out." },
            (false, None) => {},
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

pub fn definition(job: &Job, links: &impl Links) -> Markup {
    html! {
        section {
            h2 { "Definition" }
            details {
                summary {
                    "As it was submitted"
                    span.hint { (size(job.definition.len() as u64)) }
                }
                p.hint {
                    @if let Some(href) = links.file("job.yaml") {
                        a href=(href) { "As a file" } " · "
                    }
                    "SHA-256 " code.hash { (job.definition_hash) }
                    " · bundle " code.hash { (job.bundle) }
                }
                pre tabindex="0" { (job.definition) }
            }
        }
    }
}

/// What the engine said of itself.
pub fn backend(job: &Job) -> Markup {
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
