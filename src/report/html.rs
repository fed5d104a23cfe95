//! The report for people: one file that opens from a mail, without network and without script.
//!
//! Its policy allows nothing to be loaded, and only our own style and script to work, by their
//! hashes; so whatever a guest wrote stays words even if it were not escaped.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::{
    media::{Film, Media, VIDEO},
    results::Results,
};
use crate::{
    markup::{
        self, Links, STYLE, Scale, Seek, Usuals, icon, log_vtt, shot_anchor, size, span, steps_vtt,
        words,
    },
    model::{JobId, JobState, Outcome, ScreenRun, StepRun},
};

/// What a report looks like where it is no page.
const OWN_STYLE: &str = include_str!("../../assets/web/report.css");
const SCRIPT: &str = include_str!("../../assets/web/video.js");

/// What the page may load and run.
pub(super) fn policy(film: &Film) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text));
    let media = match film {
        Film::Shown { href, .. } if !href.starts_with("data:") => "'self' file: data:",
        Film::Shown { .. } | Film::TooLarge { .. } | Film::NotWanted | Film::Gone => "data:",
    };
    format!(
        "default-src 'none'; img-src data:; media-src {media}; style-src 'sha256-{}' 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(OWN_STYLE),
        hash(SCRIPT)
    )
}

pub(super) fn render(results: &Results, media: &Media) -> Markup {
    let Results { moment, job, run, .. } = results;
    let links = Inside { results, media };
    let number = (job.id.0 > 0).then_some(job.id);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy(&media.film));
                title { (words::shorten(&job.name, 120)) " · Sutler report" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                // Without it a browser asks the server for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
                style { (PreEscaped(OWN_STYLE)) }
            }
            body.report {
                header.bar {
                    span.brand { (icon("brand")) span { "Sutler" } }
                    span.hint {
                        @if let Some(number) = number { "Report of job " (number) }
                        @else { "Report of a run" }
                    }
                }
                (markup::patterns())
                main #content {
                    div.run {
                        header.head { (head(results)) }
                        div #outcome {
                            (markup::removed(job, moment))
                            @if let Some(cause) = &job.cause {
                                (markup::cause(cause, job.verdict, run, &links))
                            }
                            @if run.started.is_some() {
                                (markup::timeline(run, results.until()))
                            }
                            (missing(results, media))
                        }
                        (recording(&media.film, results))
                        div.body {
                            section #steps {
                                h2 { "Steps" }
                                (markup::steps(&run.items, job.cause.as_ref(), &links))
                            }
                            @if !run.series.is_empty() {
                                section #measures {
                                    h2 { "Measures" }
                                    (markup::measures(run, results.until(), &Usuals::new()))
                                }
                            }
                            (markup::notes(run))
                            section #logs { (markup::logs(run, &results.tails, &links)) }
                            (definition(&job.definition))
                            (markup::timeouts(&results.limited))
                            (markup::backend(job))
                        }
                        section #facts {
                            h2 { "Facts" }
                            (markup::facts(job, run, moment, &links))
                        }
                    }
                }
                footer.foot {
                    span {
                        "Made by Sutler " (env!("CARGO_PKG_VERSION")) ", " (moment.stamp(moment.now))
                    }
                    @if let Some(zone) = moment.zone.iana_name() { span { "Times of " (zone) } }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn head(results: &Results) -> Markup {
    let Results { moment, job, .. } = results;
    html! {
        div.status {
            (markup::badge(job))
            @match job.verdict {
                Some(verdict) => span { (words::meaning(verdict)) },
                None => span { "This report was made before the job ended." },
            }
            span.hint {
                @if let Some(took) = job.running_time(moment.now) { (span(took)) ", " }
                (moment.stamp(job.ended.unwrap_or(job.submitted)))
            }
        }
        h1 { bdi { (words::shorten(&job.name, 500)) } }
    }
}

fn definition(text: &str) -> Markup {
    html! {
        @if !text.is_empty() {
            section {
                h2 { "Definition" }
                details {
                    summary { "As it was submitted" span.hint { (size(text.len() as u64)) } }
                    pre tabindex="0" { (text) }
                }
            }
        }
    }
}

fn recording(film: &Film, results: &Results) -> Markup {
    let Results { run, moment, .. } = results;
    html! {
        section.recording aria-label="Video" {
            @match film {
                Film::Shown { href, epoch } => {
                    video #video controls preload="metadata" src=(href)
                        data-epoch=(format!("{:.3}", epoch.as_secs_f64()))
                        data-began=[run.started] data-zone=[moment.zone.iana_name()] {
                        track kind="chapters" default srclang="en" label="Steps"
                            src=(inline(&steps_vtt(run, *epoch, results.until())));
                        @if !run.log.is_empty() {
                            track kind="captions" srclang="en" label="Log"
                                src=(inline(&log_vtt(run, *epoch)));
                        }
                    }
                    p.hint {}
                }
                Film::TooLarge { bytes } => p.empty {
                    "The video has " (size(*bytes)) ", more than the " (size(VIDEO))
                    " that are put into a report. It is beside the other results."
                },
                Film::NotWanted => p.empty { "Made without the video." },
                Film::Gone => p.empty {
                    "There is no video: none was recorded, or it is not kept any more."
                },
            }
        }
    }
}

/// A text track as an address.
fn inline(vtt: &str) -> String {
    format!("data:text/vtt;base64,{}", BASE64_STANDARD.encode(vtt))
}

/// What a reader would look for and not find.
fn missing(results: &Results, media: &Media) -> Markup {
    let ran = results.job.state == JobState::Ended && results.job.started.is_some();
    html! {
        @if results.are_gone() {
            p.hint {
                "The steps, screens and logs of this job are not kept any more; this is what its \
                 record says."
            }
        } @else if ran && results.run.end.is_none() {
            p.hint { "The engine ended without a last word; what it had told by then is below." }
        }
        @if media.gone > 0 {
            p.hint { (words::count(media.gone as u64, "screen")) " of the job are not kept any more." }
        }
        @if media.left_out > 0 {
            p.hint {
                (words::count(media.left_out as u64, "screen"))
                " did not fit into this report; they are beside the other results."
            }
        }
    }
}

/// Everything a report leads to is in it.
struct Inside<'a> {
    results: &'a Results,
    media: &'a Media,
}

impl Links for Inside<'_> {
    fn picture(&self, screen: &ScreenRun) -> Option<String> {
        self.media.pictures.get(&screen.sha256).cloned()
    }

    fn step(&self, step: &StepRun, screen: usize, candidate: usize) -> Option<String> {
        let shot = step.screens.get(screen)?;
        // Of a failed step only the last screen is drawn among the steps.
        let is_drawn = step.result != Some(Outcome::Fail) || screen + 1 == step.screens.len();
        let is_there = candidate == 0 && self.media.pictures.contains_key(&shot.sha256) && is_drawn;
        is_there.then(|| format!("#{}", shot_anchor(step, screen)))
    }

    fn file(&self, name: &str) -> Option<String> {
        self.results.run.steps().find_map(|step| {
            let screen = step.screens.iter().position(|shot| shot.file == name)?;
            self.step(step, screen, 0)
        })
    }

    fn job(&self, _: JobId) -> Option<String> {
        None
    }

    fn seek(&self, at: Duration) -> Option<Seek> {
        match &self.media.film {
            Film::Shown { epoch, .. } => {
                Some(Seek { href: "#video".into(), ..Seek::new("", *epoch, at) })
            }
            Film::TooLarge { .. } | Film::NotWanted | Film::Gone => None,
        }
    }

    fn strip(&self) -> Scale {
        // There is no other page to read the labels on.
        Scale::Full
    }
}
