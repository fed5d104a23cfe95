//! The facts of a job: who, what, when, where, as a list of terms.

use maud::{Markup, html};

use super::{
    links::Links,
    moment::{Moment, size, span},
    words,
};
use crate::model::{Job, JobId, Keepsake, Run, Visibility, spoken};

pub fn facts(job: &Job, run: &Run, moment: &Moment, links: &impl Links) -> Markup {
    html! {
        dl.facts {
            (fact("Device type", &html! { code { bdi { (words::shorten(&job.device_type, 100)) } } }))
            @if let Some(device) = &job.device { (fact("Device", &html! { bdi { (device) } })) }
            (fact("Submitted by", &html! {
                bdi { (words::shorten(&job.submitter.name, 100)) } " through "
                (words::way_in(job.way_in))
            }))
            (fact("Submitted", &moment.stamp(job.submitted)))
            @if let Some(started) = job.started { (fact("Started", &moment.stamp(started))) }
            @if let Some(why) = &job.decision {
                (fact("Why then and there", &html! { bdi { (words::shorten(why, 300)) } }))
            }
            @if let Some(ended) = job.ended { (fact("Ended", &moment.stamp(ended))) }
            @if let Some(took) = job.running_time(moment.now) {
                (fact("Running time", &html! { (span(took)) }))
            }
            @if let Some(waited) = waited(job) { (fact("Waited", &html! { (waited) })) }
            (fact("Priority", &html! { (job.priority.0) }))
            (fact("Needs", &html! {
                (job.needs.memory_mib) " MiB, " (words::count(job.needs.cores.into(), "core"))
                ", at most " (spoken(job.needs.at_most))
            }))
            (fact("Visible to", &visibility(&job.visibility)))
            @if !job.tags.is_empty() { (fact("Tags", &html! { bdi { (job.tags.join(" ")) } })) }
            @if let Some(stream) = &job.stream { (fact("Stream", &html! { bdi { (stream) } })) }
            @if let Some(known) = &job.known_failure {
                (fact("Known failure", &html! { bdi { (known) } }))
            }
            @if let Some(kept) = &job.holdings.kept {
                (fact("Kept", &html! { "by " bdi { (kept.by) } " since " (moment.stamp(kept.at)) }))
            }
            (lineage(job, links))
            @if let Some(load) = &job.load_at_end {
                (fact("Host at the end", &html! {
                    "load " (format!("{:.2}", load.load1)) ", "
                    (load.memory_available_mib) " MiB free"
                    @if let Some(pressure) = load.cpu_pressure10 {
                        ", processors short " (format!("{pressure:.0}")) " % of the time"
                    }
                }))
            }
            @if !run.version.is_empty() {
                (fact("Engine", &html! { "Sutler " (run.version) }))
            }
            @for (name, value) in job.metadata.iter().chain(&job.settings) {
                (named(name, value))
            }
            (fact("UUID", &html! { code.hash { (job.uuid) } }))
        }
    }
}

/// What retention has taken, when and by which rule.
pub fn removed(job: &Job, moment: &Moment) -> Markup {
    html! {
        @for removal in &job.holdings.removed {
            p.removed {
                @match removal.what {
                    Keepsake::Video => "The video",
                    Keepsake::Results => "The results of this job",
                    Keepsake::Record => "The record of this job",
                }
                " (" (size(removal.bytes)) ") went on " (moment.stamp(removal.at))
                ": " (removal.rule) "."
            }
        }
    }
}

fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}

/// A term the author chose.
fn named(name: &str, value: &str) -> Markup {
    html! {
        div.named {
            dt { bdi { (words::shorten(name, 100)) } }
            dd { bdi { (words::shorten(value, 1_000)) } }
        }
    }
}

fn waited(job: &Job) -> Option<String> {
    let waited = job.started?.duration_since(job.submitted);
    Some(span(waited.try_into().unwrap_or_default()))
}

fn visibility(visibility: &Visibility) -> Markup {
    html! {
        @match visibility {
            Visibility::Public => "everybody",
            Visibility::Personal => "its submitter",
            Visibility::Group(groups) => bdi { (groups.join(", ")) },
        }
    }
}

fn lineage(job: &Job, links: &impl Links) -> Markup {
    let line = &job.lineage;
    let link = |id: JobId| {
        html! {
            @match links.job(id) {
                Some(href) => a href=(href) { "job " (id) },
                None => { "job " (id) },
            }
        }
    };
    html! {
        @if let Some(id) = line.resubmitted_from {
            (fact("Resubmitted from", &html! {
                (link(id))
                @if let Some(href) = links.changed() { ": " a href=(href) { "what differs" } }
            }))
        }
        @if let Some(id) = line.retried_from {
            (fact("Retried from", &html! {
                (link(id))
                @if let Some(rule) = &line.retried_by { ", by rule " bdi { (rule) } }
            }))
        }
        @if let Some(from) = &line.cloned_from { (fact("Cloned from", &html! { bdi { (from) } })) }
        @if let Some(of) = &line.proxied_for { (fact("Proxied for", &html! { bdi { (of) } })) }
    }
}
