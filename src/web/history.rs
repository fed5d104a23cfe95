//! `GET /history`: jobs that have ended, newest first, a page at a time; filtered, in another order.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};

use super::{
    bulk_pages,
    errors::PageError,
    guard::Asks,
    layout::{self, Frame, Tab},
    list,
    listing::{Listing, Said, Whose, without_blanks},
    params::Params,
    sight::Unseen,
    state::Web,
};
use crate::{
    markup::{self, Moment, span, words},
    model::{Cursor, Field, Identity, Job, JobState, Sort, SortBy, TERM_BYTES},
};

const PATH: &str = "/history";
/// Jobs on a page.
const JOBS: usize = 50;
/// Values a form offers of a field.
const OFFERED: usize = 100;

/// All the page shows.
pub(super) struct HistoryView {
    pub moment: Moment,
    pub who: Identity,
    pub listing: Listing,
    pub jobs: Vec<Job>,
    /// How many there are on all pages, where that is counted.
    pub in_all: Option<u64>,
    /// Where the next page begins.
    pub older: Option<Cursor>,
    /// Whether it ended early, because looking on would have taken too long.
    pub is_cut: bool,
    pub device_types: Vec<String>,
    /// Whose jobs are shown, where it is known who asks.
    pub whose: Option<Whose>,
}

/// `GET /history`. Whoever is known sees their own jobs, unless they ask for all. An address that
/// filters means all, too: it may be a link that somebody else has sent.
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(said): Params<Said>,
) -> Result<Response, PageError> {
    if let Some(address) = without_blanks(PATH, &said) {
        return Ok(Redirect::to(&address).into_response());
    }
    let mut listing = Listing::read(said, JOBS)?.or_ended();
    let is_known = who.name().is_some();
    let is_filtered = listing.said().len() > 0;
    let usually = if is_known && !is_filtered { Whose::Mine } else { Whose::All };
    if is_known {
        // So the other forms of this list, and what its filters lead to, are of the same jobs.
        listing = listing.whose_or(usually);
    }
    let limit = listing.limit.replace(listing.limit.unwrap_or(JOBS));
    let page = list::page(&web, &who, &listing, usually, Unseen::LeftOut, None).await?;
    listing.limit = limit;
    let device_types = web.device_types(&who, OFFERED).await?;
    let view = HistoryView {
        moment: web.moment(),
        who,
        whose: listing.whose(),
        listing,
        jobs: page.jobs,
        in_all: page.in_all,
        older: page.next,
        is_cut: page.is_cut,
        device_types,
    };
    Ok(Html(render(&view).into_string()).into_response())
}

/// How the time of the end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Ago,
    /// Under a heading that names the day.
    Clock,
    /// Where days are mixed.
    Moment,
}

pub(super) fn render(view: &HistoryView) -> Markup {
    let HistoryView { moment, listing, who, .. } = view;
    let list = List { listing, who };
    let day = |job: &Job| job.ended.map(|at| moment.day(at)).unwrap_or_default();
    let by_day = listing.sort().by == SortBy::Ended;
    let content = html! {
        header.head {
            h1 { "History" }
            @if let Some(count) = view.in_all { p.hint { (words::count(count, "ended job")) } }
            (tabs(view))
        }
        (filters(view))
        @if view.jobs.is_empty() && view.older.is_none() { (nothing(listing)) }
        @if by_day {
            @for jobs in view.jobs.chunk_by(|a, b| day(a) == day(b)) {
                section.day {
                    h2 {
                        @if jobs[0].ended.is_some() { (day(&jobs[0])) } @else { "Not ended" }
                        span.tally { (jobs.len()) }
                    }
                    (table(jobs, moment, Ended::Clock, Some(list)))
                }
            }
        } @else if !view.jobs.is_empty() {
            section.day {
                h2 { "By " (listing.sort().to_string().trim_start_matches('-')) }
                (table(&view.jobs, moment, Ended::Moment, Some(list)))
            }
        }
        @if view.is_cut {
            p.hint { "Few jobs are like that, so this page ends before it is full." }
        }
        (bulk_pages::form_of(&view.jobs, who, &listing.here(PATH)))
        nav.paging aria-label="Pages" {
            @if !listing.is_first() { a rel="first" href=(listing.address(PATH)) { "← First page" } }
            @if let Some(older) = &view.older {
                a rel="next" href=(listing.next(PATH, older)) {
                    @if view.is_cut { "Look on →" }
                    @else if *listing.sort() == Sort::default() { "Older →" }
                    @else { "Next →" }
                }
            }
            span.push {
                a href=(json(listing)) { "JSON" } " · " a href=(csv(listing)) { "CSV" }
            }
        }
    };
    layout::page(&Frame::new("History", Tab::History), &content)
}

/// Programs name the state themselves.
fn json(listing: &Listing) -> String {
    of_ended(listing, "/api/jobs")
}

fn csv(listing: &Listing) -> String {
    of_ended(listing, "/api/jobs.csv")
}

fn of_ended(listing: &Listing, path: &str) -> String {
    let address = listing.address(path);
    if listing.said().any(|(name, _)| name == "state") {
        return address;
    }
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}state=ended")
}

fn tabs(view: &HistoryView) -> Markup {
    html! {
        @if let Some(shown) = view.whose {
            nav.tabs aria-label="Whose jobs" {
                @for (whose, words) in
                    [(Whose::Mine, "Mine"), (Whose::Groups, "My groups"), (Whose::All, "All")]
                {
                    a href=(view.listing.of(PATH, whose))
                        aria-current=[(shown == whose).then_some("true")] { (words) }
                }
            }
        }
    }
}

fn nothing(listing: &Listing) -> Markup {
    let everybody = listing.whose().map(|_| Whose::All);
    let all = html! { a href=(Listing::bare(PATH, everybody)) { "All that have ended" } };
    html! {
        p.empty {
            @if listing.said().len() > 0 {
                "No job is like that. " (all)
            } @else if listing.leaves_out() {
                "No job here has that to be sorted by. " (all)
            } @else {
                @match listing.whose() {
                    Some(Whose::Mine) => { "No job of yours has ended yet. " (all) " · " },
                    Some(Whose::Groups) => { "No job of your groups has ended yet. " (all) " · " },
                    Some(Whose::All) | None => "No job has ended yet. ",
                }
                "What runs and waits is on " a href="/" { "the queue" } "."
            }
        }
    }
}

/// What is filtered, each with a link that takes it away, and a form for more.
fn filters(view: &HistoryView) -> Markup {
    let listing = &view.listing;
    html! {
        @if listing.said().len() > 0 {
            ul.chips aria-label="Filters" {
                @for (index, (name, value)) in listing.said().enumerate() { li {
                    a href=(listing.without(PATH, index)) title="Take this filter away" {
                        span.hint { (name.replace('_', " ")) } " "
                        bdi { (words::shorten(value, 80)) } span.unseen { ", take it away" }
                        span aria-hidden="true" { " ×" }
                    }
                } }
                @if listing.said().len() > 1 { li {
                    a.hint href=(Listing::bare(PATH, listing.whose())) { "Take all away" }
                } }
            }
        }
        details.filter {
            summary { "Filter" }
            form action=(PATH) method="get" {
                @for (name, value) in listing.said() {
                    input type="hidden" name=(name) value=(value);
                }
                @if let Some(whose) = listing.whose() {
                    input type="hidden" name="whose" value=(whose.name());
                }
                @if *listing.sort() != Sort::default() {
                    input type="hidden" name="sort" value=(listing.sort().to_string());
                }
                (choice("verdict", "Verdict", &Field::Verdict.values().unwrap_or_default()))
                (choice("state", "State", &JobState::ALL.map(JobState::name)))
                (choice("who", "Who has to act", &Field::Who.values().unwrap_or_default()))
                (choice("cause", "Cause", &Field::Code.values().unwrap_or_default()))
                (choice("device_type", "Device type", &view.device_types))
                (field("device", "Device", "bench-1"))
                (field("name", "Name", "debian*"))
                (field("tag", "Tag", "uefi"))
                (field("submitter", "By", "ada"))
                (field("group", "Group", "installer"))
                (field("team", "For the team", "kernel"))
                (field("rule", "Known failure", "slow-mirror"))
                (field("metadata", "Metadata", "build=20230607"))
                (field("setting", "Setting", "LANG_ROW=English"))
                (field("since", "Ended since", "30d or 2026-11-26"))
                (field("until", "Ended before", "1d or 2026-11-26"))
                p { button type="submit" { "Filter" } }
            }
        }
    }
}

fn choice(name: &str, label: &str, values: &[impl AsRef<str>]) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { "any" }
                @for value in values {
                    option value=(value.as_ref()) { (words::shorten(value.as_ref(), 60)) }
                }
            }
        }
    }
}

fn field(name: &str, label: &str, example: &str) -> Markup {
    html! {
        label {
            span { (label) }
            input name=(name) type="text" placeholder=(example) maxlength=(TERM_BYTES)
                autocomplete="off" spellcheck="false";
        }
    }
}

/// A heading of a column that the list may be sorted by.
fn heading(listing: Option<&Listing>, words: &str, by: &SortBy) -> Markup {
    let Some(listing) = listing else { return html! { (words) } };
    let now = listing.sort();
    let is_by = now.by == *by;
    // Times begin with the newest and the longest, names with the first.
    let is_time = matches!(by, SortBy::Ended | SortBy::Number | SortBy::Duration);
    let descending = if is_by { !now.descending } else { is_time };
    let sort = Sort { by: by.clone(), descending };
    html! {
        a.sort href=(listing.sorted(PATH, &sort)) {
            (words)
            @if is_by { span aria-hidden="true" { @if now.descending { " ↓" } @else { " ↑" } } }
        }
    }
}

/// How a column is sorted, for who does not see its arrow.
fn sorted(listing: Option<&Listing>, by: &SortBy) -> Option<&'static str> {
    let sort = listing?.sort();
    (sort.by == *by).then_some(if sort.descending { "descending" } else { "ascending" })
}

/// A list that is a page of its own: its headings sort it, and whoever looks picks jobs of it.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    listing: &'a Listing,
    who: &'a Identity,
}

/// Ended jobs, a line each.
pub(super) fn table(jobs: &[Job], moment: &Moment, ended: Ended, list: Option<List<'_>>) -> Markup {
    let listing = list.map(|list| list.listing);
    let picker = list.map(|list| list.who).filter(|who| bulk_pages::may_pick(who));
    let by = |field| SortBy::Field { field, key: String::new() };
    let [verdict, name] = [Field::Verdict, Field::Name].map(by);
    let [device_type, submitter] = [Field::DeviceType, Field::Submitter].map(by);
    let th = |words, by: &SortBy| heading(listing, words, by);
    let how = |by: &SortBy| sorted(listing, by);
    html! {
        table.jobs {
            thead { tr {
                @if picker.is_some() { (bulk_pages::heading()) }
                th scope="col" aria-sort=[how(&verdict)] { (th("Verdict", &verdict)) }
                th scope="col" aria-sort=[how(&SortBy::Number).or_else(|| how(&name))] {
                    @if listing.is_some() { (th("No.", &SortBy::Number)) " " }
                    (th("Job", &name))
                }
                th scope="col" data-label="Device type" aria-sort=[how(&device_type)] {
                    (th("Device type", &device_type))
                }
                th scope="col" data-label="By" aria-sort=[how(&submitter)] { (th("By", &submitter)) }
                th.figure scope="col" aria-sort=[how(&SortBy::Duration)] {
                    (th("Took", &SortBy::Duration))
                }
                th scope="col" aria-sort=[how(&SortBy::Ended)] { (th("Ended", &SortBy::Ended)) }
            } }
            tbody { @for job in jobs { tr {
                @if let Some(who) = picker { td.box { (bulk_pages::pick(job, who)) } }
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
                            Ended::Moment => { (moment.day(at)) " " (moment.clock(at)) },
                        }
                    }
                }
            } } }
        }
    }
}
