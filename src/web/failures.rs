//! `GET /failures`: what jobs fail for again and again, known and not yet known, and what is retried.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use axum::{extract::State, response::Html};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    addresses::file_url,
    errors::{PageError, WebError},
    guard::Asks,
    layout::{self, Frame, Tab, job_url},
    params::Params,
    state::Web,
};
use crate::{
    config::Retry,
    decide::known::{suggested_name, suggestion},
    markup::{Moment, span, words},
    model::{Failure, FailureGroup, Identity, JobId, KnownRule, Pattern, PendingRetry, Signature},
    store::RuleDays,
};

/// Days of the small plots.
pub(super) const DAYS: usize = 30;
/// Jobs of a rule, and groups, that are shown.
pub(super) const JOBS: usize = 5;
pub(super) const GROUPS: usize = 50;
const PENDING: usize = 20;

/// All the page shows.
pub(super) struct FailuresView {
    pub moment: Moment,
    pub rules: Vec<(KnownRule, RuleDays)>,
    /// Largest first, and the one that was asked for.
    pub groups: Vec<GroupView>,
    /// How many there are, where that is counted.
    pub all_groups: Option<u64>,
    pub settings: Retry,
    /// Retries the box has decided on today.
    pub today: u64,
    /// The next one first.
    pub pending: Vec<PendingRetry>,
}

/// Failures of one kind, and the last of them.
pub(super) struct GroupView {
    pub group: FailureGroup,
    pub failure: Failure,
    /// The latest of those that are shown, newest first.
    pub jobs: Vec<JobId>,
    /// Whether the files of the last of them are there.
    pub has_files: bool,
}

/// What of the failures is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Shown also when it is not among the largest.
    #[param(inline)]
    group: Option<Signature>,
}

impl FailuresView {
    pub(super) async fn fetch(web: &Web, who: &Identity, asked: &Asked) -> Result<Self, WebError> {
        let store = &web.store;
        let mut rules = Vec::new();
        for rule in store.rules().await? {
            let days = web.rule_days(who, &rule.name, DAYS, JOBS).await?;
            rules.push((rule, days));
        }
        let (mut found, all_groups) = web.failure_groups(who, GROUPS).await?;
        if let Some(wanted) = asked.group
            && found.iter().all(|(group, _)| group.signature != wanted)
        {
            found.extend(web.failure_group(who, wanted).await?);
        }
        let mut groups = Vec::new();
        for (group, mut jobs) in found {
            // The last of it may have gone since.
            let Some((_, failure)) = store.failure(group.sample).await? else { continue };
            jobs.truncate(JOBS);
            let has_files = web.seen(who, group.sample).await?.holdings.has_results();
            groups.push(GroupView { group, failure, jobs, has_files });
        }
        let mut pending = store.pending_retries(usize::MAX).await?;
        let waiting = pending.iter().map(|one| one.job).collect();
        let waiting = BTreeSet::from_iter(web.visible(who, waiting).await?);
        pending.retain(|one| waiting.contains(&one.job));
        Ok(Self {
            moment: web.moment(),
            rules,
            groups,
            all_groups,
            settings: web.retry,
            today: store.retries_today().await?,
            pending,
        })
    }
}

pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, PageError> {
    Ok(Html(render(&FailuresView::fetch(&web, &who, &asked).await?).into_string()))
}

pub(super) fn render(view: &FailuresView) -> Markup {
    let mut frame = Frame::new("Failures", Tab::Failures);
    frame.events = Some("/events".into());
    frame.refresh = Some(30);
    let content = html! {
        header.head {
            h1 { "Failures" }
            p.hint { (retrying(view)) }
        }
        section #pending data-live { (pending(view)) }
        section #known data-live {
            h2 { "Known" span.tally { (view.rules.len()) } }
            (known(view))
        }
        section #unknown data-live {
            h2 {
                "Not known yet"
                @if let Some(all) = view.all_groups { span.tally { (all) } }
            }
            (unknown(view))
        }
    };
    layout::page(&frame, &content)
}

/// What is retried by itself, in a sentence or two.
fn retrying(view: &FailuresView) -> String {
    let Retry { automatic, most, backoff, per_day } = view.settings;
    let own =
        view.rules.iter().filter(|(rule, _)| rule.enabled && rule.retry.automatic == Some(true));
    let own = own.count();
    match (automatic, own) {
        (false, 0) => "No job is retried by itself.".into(),
        (false, own) => format!(
            "Jobs of {} are retried by themselves: {} of at most {per_day} today.",
            words::count(own as u64, "known failure"),
            view.today
        ),
        (true, _) => format!(
            "Jobs that fail for a known reason are retried by themselves, at most {most} times \
             and first after {}, unless their rule says otherwise: {} of at most {per_day} today.",
            span(backoff),
            view.today
        ),
    }
}

fn pending(view: &FailuresView) -> Markup {
    html! {
        @if !view.pending.is_empty() {
            h2 { "Waiting for their retry" span.tally { (view.pending.len()) } }
            ul.pending {
                @for one in view.pending.iter().take(PENDING) { li {
                    a href=(job_url(one.job)) { "job " (one.job) } ", by rule " (one.rule) ", "
                    (view.moment.ago(one.due))
                } }
                @if let Some(more) = view.pending.len().checked_sub(PENDING + 1) {
                    li.hint { "and " (more + 1) " more" }
                }
            }
        }
    }
}

fn known(view: &FailuresView) -> Markup {
    html! {
        @if view.rules.is_empty() {
            p.empty {
                "No failure is known yet. A rule gives one a name, and a link to its bug; "
                a href="/handbook/known-failures" { "how that is done" } "."
            }
        } @else {
            table.jobs.rules {
                thead { tr {
                    th scope="col" { "Known failure" } th scope="col" { "Recognised by" }
                    th scope="col" { "Retried" } th scope="col" { "Last 30 days" }
                    th scope="col" { "Last jobs" }
                } }
                tbody { @for (rule, days) in &view.rules { (rule_row(rule, days)) } }
            }
        }
    }
}

fn rule_row(rule: &KnownRule, days: &RuleDays) -> Markup {
    html! {
        tr id=(format!("rule-{}", rule.name)) {
            th.main scope="row" {
                (rule.name)
                @if !rule.enabled { " " span.hint { "off" } }
                @if let Some(bug) = &rule.bug {
                    p { a href=(bug) rel="noreferrer" { bdi { (words::shorten(bug, 80)) } } }
                }
                @if !rule.notes.is_empty() {
                    p.hint { bdi { (words::shorten(&rule.notes, 300)) } }
                }
            }
            td data-label="Recognised by" { (pattern(&rule.pattern)) }
            td data-label="Retried" { (rule.retry.words(span)) }
            td.figure data-label="Last 30 days" { (sparkline(&days.days)) }
            td data-label="Last jobs" { (links(&days.jobs)) }
        }
    }
}

fn pattern(pattern: &Pattern) -> Markup {
    html! {
        ul.pattern { @for (name, value) in parts(pattern) {
            li { (name) " " code { bdi { (words::shorten(&value, 120)) } } }
        } }
    }
}

/// A pattern by its parts, as the flags of `sutler known add` name them.
pub(super) fn parts(pattern: &Pattern) -> Vec<(&'static str, String)> {
    let mut parts: Vec<_> =
        pattern.codes.iter().map(|code| ("code", code.name().to_owned())).collect();
    parts.extend(pattern.who.map(|who| ("who", who.name().to_owned())));
    for (name, part) in [
        ("words", &pattern.words),
        ("log", &pattern.log),
        ("serial", &pattern.serial),
        ("needle", &pattern.needle),
        ("job", &pattern.job),
        ("device-type", &pattern.device_type),
    ] {
        parts.extend(part.clone().map(|part| (name, part)));
    }
    parts
}

fn links(jobs: &[JobId]) -> Markup {
    html! {
        @for (at, job) in jobs.iter().enumerate() {
            @if at > 0 { " " }
            a href=(job_url(*job)) { (job) }
        }
    }
}

/// How often on each day, the last is today; with the sum beside it.
fn sparkline(days: &[u64]) -> Markup {
    const SLOT: usize = 4;
    const HEIGHT: f64 = 20.0;
    let most = days.iter().copied().max().unwrap_or(0);
    let all: u64 = days.iter().sum();
    let width = days.len() * SLOT;
    let label = format!("{all} in {} days, at most {most} in one", days.len());
    html! {
        span.spark {
            svg width=(width) height=(HEIGHT) viewBox=(format!("0 0 {width} {HEIGHT}")) role="img"
                aria-label=(label) {
                line x1="0" x2=(width) y1=(HEIGHT - 0.5) y2=(HEIGHT - 0.5) {}
                @for (slot, count) in days.iter().enumerate().filter(|(_, count)| **count > 0) {
                    @let tall = (*count as f64 / most as f64 * (HEIGHT - 1.0)).max(2.0);
                    rect x=(slot * SLOT) y=(format!("{:.1}", HEIGHT - tall)) width=(SLOT - 1)
                        height=(format!("{tall:.1}")) {}
                }
            }
            " " (all)
        }
    }
}

fn unknown(view: &FailuresView) -> Markup {
    html! {
        @if view.groups.is_empty() {
            p.empty { "There is no failure that no rule knows." }
        } @else {
            table.jobs.groups {
                thead { tr {
                    th.figure scope="col" { "Times" } th scope="col" { "What" }
                    th scope="col" { "First" } th scope="col" { "Last" }
                } }
                tbody { @for one in &view.groups { (group_row(one, &view.moment)) } }
            }
        }
        @match view.all_groups.map(|all| all.saturating_sub(view.groups.len() as u64)) {
            Some(0) => {},
            Some(more) => p.hint {
                (words::count(more, "smaller group"))
                (if more == 1 { " is" } else { " are" })
                " not shown; the page of a job links its own."
            },
            None => p.hint {
                "Smaller groups were not looked at; the page of a job links its own."
            },
        }
    }
}

fn group_row(one: &GroupView, moment: &Moment) -> Markup {
    let GroupView { group, failure, has_files, .. } = one;
    html! {
        tr id=(format!("group-{}", group.signature)) {
            td.figure data-label="Times" { (group.count) }
            td.main {
                bdi { (words::shorten(&failure.words, 200)) }
                p.hint {
                    code { (failure.code.name()) }
                    @if let Some(step) = &failure.step {
                        " in " code.verb { (step.verb) } " " bdi { (words::shorten(&step.subject, 80)) }
                    }
                }
                details id=(format!("known-{}", group.signature)) {
                    summary { "Make it known" }
                    pre tabindex="0" { (command(failure)) }
                }
            }
            td data-label="First" { (moment.ago(group.first)) }
            td data-label="Last" {
                (moment.ago(group.last)) ", "
                a href=(job_url(group.sample)) { "job " (group.sample) }
                @if let Some(screen) = failure.screen.as_ref().filter(|_| *has_files) {
                    ", " a href=(file_url(group.sample, screen)) { "its screen" }
                }
            }
        }
    }
}

/// The command that makes a rule from a failure.
pub(super) fn command(failure: &Failure) -> String {
    let mut command = format!("sutler known add {}", suggested_name(failure));
    for (name, value) in parts(&suggestion(failure)) {
        let _ = write!(command, " --{name} {}", quoted(&value));
    }
    command
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,%+=@".contains(&byte);
    if !word.is_empty() && !word.starts_with('-') && word.bytes().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_of_a_shell() {
        for (word, want) in [
            ("desktop", "desktop"),
            ("/a.*/", "'/a.*/'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
            ("--force", "'--force'"),
        ] {
            assert_eq!(quoted(word), want);
        }
    }

    #[test]
    fn a_plot_says_in_words_what_it_shows() {
        let plot = sparkline(&[0, 1, 0, 3]).into_string();
        assert!(plot.contains("4 in 4 days, at most 3 in one"), "{plot}");
        assert_eq!(plot.matches("<rect").count(), 2);
        assert_eq!(sparkline(&[0; 30]).into_string().matches("<rect").count(), 0);
    }
}
