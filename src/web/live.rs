//! `GET /jobs/{id}/live`: the guest's screen while it runs.
//!
//! Without script the page asks for itself every two seconds; with it, a stream of events says when
//! there is a new picture.

use maud::{Markup, html};

use super::{
    addresses::Addresses,
    job::JobView,
    layout::{self, Frame, Tab},
};
use crate::{
    markup::{self, span, words},
    model::{ItemRun, JobState},
};

pub(super) fn render(view: &JobView) -> Markup {
    let JobView { job, run, moment, .. } = view;
    let title = format!("Live · {} · job {}", words::shorten(&job.name, 80), job.id);
    let mut frame = Frame::new(&title, Tab::Neither);
    let over = job.state == JobState::Ended;
    if !over {
        frame.events = Some(format!("/jobs/{}/live/events?from={}", job.id, run.seq + 1));
        frame.refresh = Some(2);
    }
    let recent = recent(view);
    let content = html! {
        (layout::crumbs(&html! { (layout::job_link(job)) span aria-current="page" { "Live" } }))
        header.head { h1.unseen { "Live: " (words::shorten(&job.name, 200)) } }
        header #head.head data-live {
            div.status {
                (markup::badge(job))
                @if let Some(took) = job.running_time(moment.now) { span.hint { (span(took)) } }
                @if let (false, Some((done, total))) = (over, run.progress) {
                    (markup::progress(done, total))
                }
                @if over {
                    a.action href=(layout::job_url(job.id)) { "Results" }
                }
            }
        }
        div.live {
            figure.large {
                @if over {
                    p.empty { "The job has ended, and its screen is dark." }
                } @else {
                    img #live src=(format!("/jobs/{}/live.png", job.id))
                        data-live-picture alt="The guest's screen now";
                }
            }
            section #now data-live {
                h2 { "Now" }
                (markup::steps(&recent, None, &Addresses::of(job.id)))
                p.more { a href=(layout::job_url(job.id)) { "All steps" } }
            }
        }
    };
    layout::page(&frame, &content)
}

/// The last few steps, without their screens: the live one is what is looked at.
fn recent(view: &JobView) -> Vec<ItemRun> {
    const SHOWN: usize = 8;
    let mut left = SHOWN;
    let mut items: Vec<_> = Vec::new();
    for item in view.run.items.iter().rev() {
        if left == 0 {
            break;
        }
        let mut item = item.clone();
        let skipped = item.steps.len().saturating_sub(left);
        item.steps.drain(..skipped);
        item.steps.iter_mut().for_each(|step| step.screens.clear());
        left -= item.steps.len().min(left);
        items.push(item);
    }
    items.reverse();
    items
}
