//! What differs between the definitions of two jobs, for people and for programs.
//!
//! Both must be jobs that whoever asks may see: of one that is hidden nothing is told, not even by what
//! another one has otherwise.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{Html, IntoResponse, Response},
};
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    errors::{PageError, Problem, WebError},
    guard::Asks,
    layout::{self, Frame, Tab, job_url},
    params::{Params, Path},
    state::Web,
};
use crate::{
    job_file::diff::{Hunk, Kind, diff},
    model::{Identity, Job, JobId},
    tasks,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Number or uuid of the job it is compared with; the one it was resubmitted or retried from.
    with: Option<String>,
}

/// A job beside an older one.
struct Compared {
    old: Job,
    new: Job,
    hunks: Vec<Hunk>,
}

impl Compared {
    async fn fetch(
        web: &Web,
        who: &Identity,
        name: &str,
        Asked { with }: Asked,
    ) -> Result<Self, WebError> {
        let new = web.find(who, name).await?;
        let origin = new.lineage.resubmitted_from.or(new.lineage.retried_from);
        let old = match (with, origin) {
            (Some(with), _) => web.find(who, &with).await?,
            (None, Some(origin)) => web.seen(who, origin).await?,
            (None, None) => {
                let words = format!("job {} comes from no other; add ?with=NUMBER", new.id);
                return Err(WebError::BadRequest(words));
            }
        };
        let (before, after) = (old.definition.clone(), new.definition.clone());
        let hunks = tasks::blocking(move || diff(&before, &after)).await;
        Ok(Self { old, new, hunks })
    }
}

/// What differs between the definitions of two jobs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Diff {
    number: JobId,
    uuid: Uuid,
    /// The job it is compared with, whose lines are the old ones.
    with: With,
    /// None when they are the same, letter by letter.
    hunks: Vec<Hunk>,
}

/// The other job of a comparison.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DiffWith)]
struct With {
    number: JobId,
    uuid: Uuid,
}

/// `GET /api/jobs/{id|uuid}/diff`: what its definition has otherwise than that of the job it was made
/// of, or of another one. Each hunk is lines that follow one another, with up to three around them that
/// are the same in both.
#[utoipa::path(
    get,
    path = "/jobs/{id}/diff",
    tag = "Jobs",
    params(
        ("id" = String, Path, description = "Number or uuid of the job", example = "7"),
        Asked,
    ),
    responses((status = 200, description = "What differs, line by line", body = Diff)),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let Compared { old, new, hunks } = Compared::fetch(&web, &who, &name, asked).await?;
    let with = With { number: old.id, uuid: old.uuid };
    Ok(Json(Diff { number: new.id, uuid: new.uuid, with, hunks }).into_response())
}

/// `GET /jobs/{id}/diff`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(asked): Params<Asked>,
) -> Result<Html<String>, PageError> {
    Ok(Html(render(&Compared::fetch(&web, &who, &name, asked).await?).into_string()))
}

fn render(Compared { old, new, hunks }: &Compared) -> Markup {
    let title = format!("Job {} beside job {}", new.id, old.id);
    let content = html! {
        (layout::crumbs(&html! { (layout::job_link(new)) " / what differs" }))
        header.head {
            h1 { "What differs from job " a href=(job_url(old.id)) { (old.id) } }
        }
        @if hunks.is_empty() {
            p.empty { "Nothing: it is the same definition, letter by letter." }
        } @else {
            pre.diff tabindex="0" { @for (at, hunk) in hunks.iter().enumerate() {
                @if at > 0 { span.hint { "…" } "\n" }
                @for line in &hunk.lines {
                    @match line.kind {
                        Kind::Same => { "  " (line.text) "\n" },
                        Kind::Removed => { del { "- " (line.text) } "\n" },
                        Kind::Added => { ins { "+ " (line.text) } "\n" },
                    }
                }
            } }
        }
    };
    layout::page(&Frame::new(&title, Tab::Neither), &content)
}
