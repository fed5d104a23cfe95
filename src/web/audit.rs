//! `/audit` and `/api/audit`: who did what, for administrators.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    errors::{PageError, Problem, WebError},
    guard::Asks,
    layout::{self, Frame, Tab, job_url},
    params::Params,
    state::Web,
};
use crate::{
    decide::access::{Act, may},
    markup::{Moment, words},
    model::{Deed, Identity, JobId},
    proto::query,
    store::DeedPage,
};

const PAGE: usize = 100;
const MOST: usize = 1_000;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only what this person did.
    who: Option<String>,
    /// Where a page begins, as the one before says.
    before: Option<String>,
    limit: Option<usize>,
}

/// What was done, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Deeds {
    deeds: Vec<Deed>,
    /// `before` of the next page; none on the last.
    next: Option<String>,
}

async fn fetch(web: &Web, who: &Identity, asked: &Asked) -> Result<DeedPage, WebError> {
    may(who, Act::Users)?;
    let before = asked.before.as_deref().map(str::parse).transpose();
    let before = before.map_err(|error| WebError::BadRequest(format!("before: {error}")))?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, MOST);
    Ok(web.store.deeds(asked.who.clone(), before, limit).await?)
}

/// `GET /audit`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, PageError> {
    let page = fetch(&web, &who, &asked).await?;
    Ok(Html(render(&page, &asked, &web.moment()).into_string()))
}

/// `GET /api/audit`
#[utoipa::path(
    get,
    path = "/audit",
    tag = "People",
    params(Asked),
    responses((status = 200, description = "What was done, the latest first", body = Deeds)),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let DeedPage { deeds, next } = fetch(&web, &who, &asked).await?;
    let next = next.map(|key| key.to_string());
    Ok(Json(Deeds { deeds, next }).into_response())
}

fn render(page: &DeedPage, asked: &Asked, moment: &Moment) -> Markup {
    let day = |deed: &Deed| moment.day(deed.at);
    let content = html! {
        header.head {
            h1 { "Audit" }
            p.hint {
                @match &asked.who {
                    Some(who) => { "What " bdi { (words::shorten(who, 64)) } " did. " a href="/audit" { "Everybody" } },
                    None => "Who did what, by which door, and what became of it.",
                }
            }
        }
        @if page.deeds.is_empty() { p.empty { "Nothing is noted here." } }
        @for deeds in page.deeds.chunk_by(|a, b| day(a) == day(b)) {
            section.day {
                h2 { (day(&deeds[0])) }
                table.jobs {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Door" }
                        th scope="col" { "What" } th scope="col" { "On" } th scope="col" { "Outcome" }
                    } }
                    tbody { @for deed in deeds { tr {
                        td data-label="When" { (moment.clock(deed.at)) }
                        td data-label="Who" {
                            a href=(query::address("/audit", &[("who", Some(&deed.who))])) {
                                bdi { (words::shorten(&deed.who, 64)) }
                            }
                        }
                        td data-label="Door" { (deed.door.name()) }
                        td data-label="What" { (deed.what) }
                        td data-label="On" { bdi { (on(deed)) } }
                        td data-label="Outcome" { bdi { (words::shorten(&deed.outcome, 200)) } }
                    } } }
                }
            }
        }
        @if let Some(next) = page.next {
            nav.paging aria-label="Pages" {
                a rel="next" href=(query::address("/audit", &[
                    ("who", asked.who.as_deref()), ("before", Some(&next.to_string())),
                ])) { "Older →" }
            }
        }
    };
    layout::page(&Frame::new("Audit", Tab::Audit), &content)
}
/// What it was done to; jobs lead to their pages.
fn on(deed: &Deed) -> Markup {
    let text = words::shorten(&deed.on, 120);
    let are_jobs = deed.what.ends_with(" job") || deed.what.ends_with(" jobs");
    html! {
        @for (at, word) in text.split(' ').enumerate() {
            @if at > 0 { " " }
            @match word.parse::<JobId>().ok().filter(|_| are_jobs) {
                Some(id) => a href=(job_url(id)) { (word) },
                None => (word),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::Door;

    #[test]
    fn jobs_lead_to_their_pages_and_nothing_else_does() {
        for (what, noted, shown) in [
            ("cancel job", "7", r#"<a href="/jobs/7">7</a>"#),
            ("cancel job", "no such", "no such"),
            (
                "change jobs",
                "cancel: 7 12",
                r#"cancel: <a href="/jobs/7">7</a> <a href="/jobs/12">12</a>"#,
            ),
            ("put device", "7", "7"),
            ("log in", "", ""),
        ] {
            let deed = Deed {
                at: Timestamp::UNIX_EPOCH,
                who: "ada".into(),
                door: Door::Browser,
                what: what.into(),
                on: noted.into(),
                outcome: "done".into(),
            };
            assert_eq!(on(&deed).into_string(), shown, "{what}");
        }
    }
}
