//! The handbook's pages, and the schema of job files for editors.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{Html, IntoResponse},
};
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError},
    layout::{self, Frame, Tab},
    params::{NoParams, Params, Path},
    state::Web,
};
use crate::{
    handbook::{Handbook, Hit, Page},
    job_file,
};

/// What may be asked for in the search box, characters.
const LONGEST_QUERY: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
}

/// `GET /handbook`: the list of pages, or what the search has found.
pub(super) async fn index(
    State(web): State<Arc<Web>>,
    Params(Search { q }): Params<Search>,
) -> Html<String> {
    let query: String = q.trim().chars().take(LONGEST_QUERY).collect();
    Html(render_index(&web.handbook, &query).into_string())
}

/// `GET /handbook/{page}`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Path(slug): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    let page = web.handbook.page(&slug).ok_or(WebError::NotFound("page of the handbook"))?;
    Ok(Html(render(&web.handbook, page).into_string()))
}

/// `GET /schema/job.json`
pub(super) async fn schema() -> impl IntoResponse {
    static SCHEMA: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", job_file::schema(false)));
    ([(CONTENT_TYPE, "application/schema+json")], SCHEMA.as_str())
}

fn render_index(book: &Handbook, query: &str) -> Markup {
    let content = html! {
        h1 { "Handbook" }
        @if query.is_empty() {
            p.lead { "How to use Sutler, from the first job to every key of a job file. The same text is "
                "in the terminal: " code { "sutler handbook" } "." }
            ul.contents {
                @for page in &book.pages {
                    li { (link(page)) p.hint { (first_words(page)) } }
                }
            }
        } @else {
            (found(&book.find(query), query))
        }
    };
    frame(book, None, query, &content)
}

fn found(hits: &[Hit<'_>], query: &str) -> Markup {
    html! {
        p.lead {
            @match hits.len() {
                0 => { "Nothing in the handbook has " }
                1 => { "One place has " }
                many => { (many) " places have " }
            }
            q { (query) } "."
        }
        ul.contents {
            @for Hit { page, section, excerpt } in hits {
                li {
                    a href=(format!("/handbook/{}#{}", page.slug, section.anchor)) {
                        @if section.level > 1 { (page.title) ": " }
                        (section.title)
                    }
                    p.hint { (excerpt) }
                }
            }
        }
    }
}

fn render(book: &Handbook, page: &Page) -> Markup {
    let html = page.html();
    let headings: Vec<_> = html.sections.iter().filter(|section| section.level == 2).collect();
    let (before, after) = book.around(page.slug);
    let content = html! {
        article.prose {
            h1 { (page.title) }
            @if headings.len() > 2 {
                nav.on-page aria-label="On this page" {
                    ul {
                        @for section in headings {
                            li { a href=(format!("#{}", section.anchor)) { (section.title) } }
                        }
                    }
                }
            }
            (PreEscaped(&html.body))
        }
        nav.around aria-label="Pages before and after" {
            @if let Some(page) = before { a rel="prev" href=(address(page)) { "← " (page.title) } }
            @if let Some(page) = after { a rel="next" href=(address(page)) { (page.title) " →" } }
        }
    };
    frame(book, Some(page), "", &content)
}

/// The pages beside the content.
fn frame(book: &Handbook, here: Option<&Page>, query: &str, content: &Markup) -> Markup {
    let title = here.map_or("Handbook", |page| page.title.as_str());
    let is_here = |page: &Page| here.is_some_and(|here| here.slug == page.slug);
    layout::page(
        &Frame::new(title, Tab::Handbook),
        &html! {
            div.handbook {
                aside.pages {
                    form action="/handbook" method="get" role="search" aria-label="Handbook" {
                        label.unseen for="q" { "Search the handbook" }
                        input #q name="q" type="search" placeholder="Search the handbook"
                            value=(query) maxlength=(LONGEST_QUERY);
                    }
                    nav aria-label="Handbook" {
                        ul {
                            @for page in &book.pages {
                                li {
                                    a href=(address(page)) aria-current=[is_here(page).then_some("page")] {
                                        (page.title)
                                    }
                                }
                            }
                        }
                    }
                }
                div.content { (content) }
            }
        },
    )
}

fn link(page: &Page) -> Markup {
    html! { a href=(address(page)) { (page.title) } }
}

fn address(page: &Page) -> String {
    format!("/handbook/{}", page.slug)
}

/// The first sentence of a page.
fn first_words(page: &Page) -> &str {
    let text = page.html().sections.first().map_or("", |section| section.text.trim());
    text.split_inclusive(". ").next().unwrap_or(text)
}
