//! Why a job did not simply pass.

use maud::{Markup, html};

use super::{links::Links, steps::evidence, timeline::anchor, words};
use crate::model::{Cause, Outcome, Run, Verdict};

/// Who has to act, and what shows it.
pub fn cause(cause: &Cause, verdict: Option<Verdict>, run: &Run, links: &impl Links) -> Markup {
    let kind = verdict.map_or("", Verdict::name);
    let step =
        cause.place.step.as_ref().and_then(|path| run.steps().find(|step| step.path == *path));
    html! {
        section class=(format!("cause {kind}")) aria-label="Cause" {
            p.words { bdi { (words::shorten(&cause.words, 2_000)) } }
            p.who {
                @if verdict == Some(Verdict::Canceled) {
                    "Nobody has to act: "
                } @else {
                    strong { (words::who(cause.who)) } " has to act: "
                }
                (words::code(cause.code)) ". "
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
                @if let Some(href) = cause.evidence.screen.as_deref().and_then(|s| links.file(s)) {
                    a href=(href) { "the screen" }
                }
                @if let Some(file) = &cause.evidence.file {
                    @match links.file(file) {
                        Some(href) => a href=(href) { bdi { (file) } },
                        None => bdi { (file) },
                    }
                }
            }
            @if let Some(step) = step.filter(|step| step.result == Some(Outcome::Fail)) {
                (evidence(step, links))
            }
            @if !cause.evidence.lines.is_empty() {
                pre tabindex="0" { @for line in &cause.evidence.lines { (line) "\n" } }
            }
        }
    }
}
