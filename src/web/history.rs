//! `GET /history`: jobs that have ended, newest first, a page at a time.

use maud::{Markup, html};

use super::layout::{self, Frame, Tab};
use crate::{
    markup::{self, Moment, span, words},
    model::Job,
};

/// All the page shows.
pub(super) struct HistoryView {
    pub moment: Moment,
    pub jobs: Vec<Job>,
    /// Ended jobs on this box.
    pub in_all: u64,
    /// Whether these are the newest.
    pub is_first: bool,
    /// Where the next page begins.
    pub older: Option<String>,
}

/// How the time of the end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ago,
    /// Under a heading that names the day.
    Clock,
}

pub(super) fn render(view: &HistoryView) -> Markup {
    let moment = &view.moment;
    let day = |job: &Job| job.ended.map(|at| moment.day(at)).unwrap_or_default();
    let content = html! {
        header.head {
            h1 { "History" }
            p.hint { (words::count(view.in_all, "ended job")) }
        }
        @if view.jobs.is_empty() {
            p.empty {
                "No job has ended yet. What runs and waits is on " a href="/" { "the queue" } "."
            }
        }
        @for jobs in view.jobs.chunk_by(|a, b| day(a) == day(b)) {
            section.day {
                h2 { (day(&jobs[0])) span.tally { (jobs.len()) } }
                (table(jobs, moment, Ended::Clock))
            }
        }
        nav.paging aria-label="Pages" {
            @if !view.is_first { a rel="first" href="/history" { "← Newest" } }
            @if let Some(older) = &view.older {
                a rel="next" href=(format!("/history?before={older}")) { "Older →" }
            }
        }
    };
    layout::page(&Frame::new("History", Tab::History), &content)
}

/// Ended jobs, a line each.
pub(super) fn table(jobs: &[Job], moment: &Moment, ended: Ended) -> Markup {
    html! {
        table.jobs {
            thead { tr {
                th scope="col" { "Verdict" } th scope="col" { "Job" }
                th scope="col" data-label="Device type" { "Device type" }
                th scope="col" data-label="By" { "By" }
                th.figure scope="col" { "Took" } th scope="col" { "Ended" }
            } }
            tbody { @for job in jobs { tr {
                td { (markup::badge(job)) }
                td.main {
                    (layout::job_link(job))
                    @if let Some(rule) = &job.known_failure { (layout::known_link(rule)) }
                    @if let Some(cause) = &job.cause {
                        p.hint { bdi { (words::shorten(&cause.words, 200)) } }
                    }
                }
                td data-label="Device type" { code { (words::shorten(&job.device_type, 40)) } }
                td data-label="By" { bdi { (words::shorten(&job.submitter.name, 40)) } }
                td.figure data-label="Took" {
                    (job.running_time(moment.now).map(span).unwrap_or_default())
                }
                td data-label="Ended" {
                    @if let Some(at) = job.ended {
                        @match ended {
                            Ended::Ago => (moment.ago(at)),
                            Ended::Clock => (moment.clock(at)),
                        }
                    }
                }
            } } }
        }
    }
}
