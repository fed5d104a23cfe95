//! `GET /doctor` and `GET /api/doctor`: what this box is like, what is wrong with it, and what to
//! do. Asking has the doctor look, unless it did a moment ago.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};

use super::{
    errors::{PageError, Problem, WebError},
    layout::{self, Frame, Tab},
    params::{NoParams, Params},
    state::Web,
};
use crate::{
    doctor::{self, Finding, Report},
    markup::{self, Moment},
};

pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    let report = report(&web).await?;
    Ok(Html(render(&report, &web.moment()).into_string()))
}

#[utoipa::path(
    get,
    path = "/doctor",
    tag = "Box",
    responses(
        (
            status = 200,
            description = "What is wrong with the box, and what mends it",
            body = Report,
        ),
    ),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    Ok(Json(&*report(&web).await?).into_response())
}

async fn report(web: &Web) -> Result<Arc<Report>, WebError> {
    let report = web.doctor.report().await;
    report.ok_or_else(|| WebError::Unavailable("it is closing".into()))
}

fn render(report: &Report, moment: &Moment) -> Markup {
    let content = html! {
        header.head {
            h1 { "Doctor" }
            p.hint {
                "Looked " (moment.ago(report.looked_at)) ", in " (report.took_ms) " ms. "
                a href="/doctor" { "Look again" }
            }
        }
        @match (&report.hold, report.state) {
            (Some(why), _) => {
                p.alert role="status" {
                    strong { "Nothing starts: " } (why) ". "
                    "Jobs wait, and go on by themselves when it is mended."
                }
            }
            (None, doctor::State::Broken) => {
                p.alert role="status" { "Jobs run, but something of this box is broken." }
            }
            (None, doctor::State::Warning) => p { "Jobs run. Something could be better." },
            (None, doctor::State::Fine | doctor::State::NotUsed) => p { "This box is well." },
        }
        table.jobs.findings {
            thead { tr {
                th scope="col" { "What" } th scope="col" { "State" }
                th scope="col" { "Seen, and what to do" }
            } }
            tbody { @for finding in sorted(&report.findings) { tr {
                th scope="row" { (finding.name) }
                td data-label="State" { (mark(finding.state)) }
                td data-label="Seen" {
                    bdi { (finding.seen) }
                    @if let Some(wrong) = &finding.wrong { p { strong { (wrong) } } }
                    @if let Some(remedy) = &finding.remedy { p { code { (remedy) } } }
                }
            } } }
        }
    };
    layout::page(&Frame::new("Doctor", Tab::Doctor), &content)
}

/// The worst first; what is equally well stays in its order.
fn sorted(findings: &[Finding]) -> Vec<&Finding> {
    let mut sorted: Vec<_> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.state.max(doctor::State::Fine)));
    sorted
}

/// In the signs of results, which differ in shape as well as in colour.
fn mark(state: doctor::State) -> Markup {
    let class = match state {
        doctor::State::Fine => "ok",
        doctor::State::Warning => "softfail",
        doctor::State::Broken => "fail",
        doctor::State::NotUsed => "not_run",
    };
    html! { span class=(format!("mark {class}")) { (markup::icon(class)) span { (state.words()) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_told_first_and_nothing_in_it_is_markup() {
        let finding = |name: &str, state, wrong: Option<&str>| Finding {
            name: name.into(),
            state,
            seen: "<b>seen</b>".into(),
            wrong: wrong.map(String::from),
            remedy: wrong.map(|_| "sudo apt install x".into()),
            holds_queue: state == doctor::State::Broken,
        };
        let now = "2026-01-31T12:05:09Z".parse().unwrap();
        let report = Report {
            state: doctor::State::Broken,
            looked_at: now,
            took_ms: 12,
            hold: Some("this box is not well: qemu is not installed".into()),
            findings: vec![
                finding("memory", doctor::State::Fine, None),
                finding("disk", doctor::State::Warning, Some("long jobs may fill it")),
                finding("qemu", doctor::State::Broken, Some("qemu is not installed")),
            ],
        };
        let moment = Moment { now, zone: jiff::tz::TimeZone::UTC };
        let page = render(&report, &moment).into_string();
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}: {page}"));
        assert!(at(">qemu<") < at(">disk<") && at(">disk<") < at(">memory<"));
        assert!(page.contains("Nothing starts: ") && page.contains("sudo apt install x"));
        assert!(!page.contains("<b>seen"), "{page}");
    }
}
