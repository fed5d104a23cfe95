//! The same for many jobs: says what would be done with each or why not, and does it. One that cannot
//! be does not keep the others from it.
//!
//! The API is answered here; what a browser sends and is shown is in `bulk_pages`.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    actions::{AskedPriority, prioritise},
    api::{Stops, called},
    body::read,
    errors::{Problem, WebError, refused},
    guard::{About, Asks, CHANGE_JOBS, Failed, NothingToNote},
    params::{NoParams, Params},
    state::{ComposeRequest, Composed, SubmitRefused, Web, Wishes},
    submit,
};
use crate::{
    clock,
    decide::access::{Act, Denied, may},
    model::{Door, Identity, Job, JobId, JobState, Kept, WayIn},
    store::Change,
};

/// Jobs that one request may be about.
pub(super) const MOST: usize = 1_000;

/// What is done with each.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = BulkAction)]
pub(super) enum Action {
    Cancel,
    /// Of one that waits.
    Priority(AskedPriority),
    /// Once more, for whoever asks.
    Resubmit,
    /// Retention leaves it alone.
    Keep,
    /// Retention may take it again.
    Release,
}

impl Action {
    /// As a form or the log of deeds has it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Priority(_) => "priority",
            Self::Resubmit => "resubmit",
            Self::Keep => "keep",
            Self::Release => "release",
        }
    }

    /// As it is noted with the numbers of its jobs.
    fn noted(&self, jobs: &[String]) -> String {
        let to = match self {
            Self::Priority(AskedPriority(priority)) => format!(" {}", priority.0),
            Self::Cancel | Self::Resubmit | Self::Keep | Self::Release => String::new(),
        };
        format!("{}{to}: {}", self.name(), jobs.join(" "))
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    action: Action,
    #[schema(max_items = 1000)]
    jobs: Vec<JobId>,
    /// Only say what would be done.
    #[serde(default)]
    preview: bool,
}

/// What is sent with it, so that the same sent again does nothing twice.
#[derive(Debug, Default)]
pub(super) struct Once {
    /// With the same key no job is made twice.
    pub key: Option<String>,
    /// Those of which whoever is sure was shown that they had been asked to stop before: no other is
    /// stopped at once. None where nothing was shown, and nothing may be sent twice by itself; then
    /// every one that was asked before is.
    pub asked: Option<BTreeSet<JobId>>,
}

/// What comes of one of the jobs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkResult)]
pub(super) struct Told {
    pub number: JobId,
    pub done: bool,
    /// What is done with it, or why not.
    pub words: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// The job that runs it once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resubmitted_as: Option<JobId>,
    /// As it was before. None is not there for whoever asks.
    #[serde(skip)]
    pub job: Option<Job>,
}

/// What comes of them, in their order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BulkResults)]
pub(super) struct Results<'a> {
    preview: bool,
    results: &'a [Told],
}

/// `POST /api/jobs/bulk`: the same for many jobs. Each one is done or says why not; one that cannot be
/// does not keep the others from it.
#[utoipa::path(
    post,
    path = "/jobs/bulk",
    tag = "Jobs",
    request_body(content = Bulk),
    params(submit::Key),
    responses((status = 200, description = "What came of each", body = Results)),
)]
pub(super) async fn api(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Submit)?;
    let key = submit::key(&headers)?;
    let once = Once { asked: key.is_some().then(BTreeSet::new), key };
    let Bulk { action, jobs, preview } = read(body).await?;
    let results = each(&web, &who, &action, jobs, preview, &once).await?;
    let mut response = Json(Results { preview, results: &results }).into_response();
    noted(&mut response, &action, &results, preview);
    Ok(response)
}

/// Says for the log of deeds that nothing was done. What was done is noted already, and to have looked is
/// no deed.
pub(super) fn noted(response: &mut Response, action: &Action, told: &[Told], is_preview: bool) {
    let extensions = response.extensions_mut();
    if is_preview || told.iter().any(|one| one.done) {
        extensions.insert(NothingToNote);
        return;
    }
    extensions.insert(Failed("every job was left alone".into()));
    let numbers: Vec<_> =
        told.iter().take(Deeds::TOGETHER).map(|one| one.number.to_string()).collect();
    extensions.insert(About(action.noted(&numbers)));
}

/// What comes of each of the jobs, in their order; of a preview, what would.
///
/// # Errors
/// When they are too many, or the appliance itself fails.
pub(super) async fn each(
    web: &Web,
    who: &Identity,
    action: &Action,
    jobs: Vec<JobId>,
    is_preview: bool,
    once: &Once,
) -> Result<Vec<Told>, WebError> {
    if jobs.len() > MOST {
        let words = format!("{} jobs at once, at most {MOST}", jobs.len());
        return Err(WebError::BadRequest(words));
    }
    let mut told: Vec<Told> = Vec::with_capacity(jobs.len());
    let (mut seen, mut deeds) = (BTreeSet::new(), Deeds::new(web, who, action));
    for number in jobs {
        // Canceled twice it would be stopped at once.
        if !seen.insert(number) {
            continue;
        }
        let (job, done) = match web.seen(who, number).await {
            Ok(job) => {
                let done = one(web, who, &job, action, is_preview, once).await;
                (Some(job), done)
            }
            Err(error) => (None, Err(error)),
        };
        told.push(match done {
            Ok(Done { words, resubmitted_as }) => {
                if !is_preview {
                    deeds.add(number).await;
                }
                Told { number, done: !is_preview, words, refused: false, resubmitted_as, job }
            }
            // What was done before is told.
            Err(error) if error.status().is_server_error() && told.iter().all(|one| !one.done) => {
                return Err(error);
            }
            Err(error) => {
                let (words, resubmitted_as) = (error.to_string(), None);
                Told { number, done: false, words, refused: true, resubmitted_as, job }
            }
        });
    }
    deeds.note().await;
    Ok(told)
}

/// Notes what is done to many jobs while it is done: a note is short, and whoever asked may go away.
struct Deeds<'a> {
    web: &'a Web,
    who: &'a Identity,
    action: &'a Action,
    done: Vec<String>,
}

impl<'a> Deeds<'a> {
    /// Jobs that one note names.
    const TOGETHER: usize = 20;

    const fn new(web: &'a Web, who: &'a Identity, action: &'a Action) -> Self {
        Self { web, who, action, done: Vec::new() }
    }

    async fn add(&mut self, job: JobId) {
        self.done.push(job.to_string());
        if self.done.len() == Self::TOGETHER {
            self.note().await;
        }
    }

    async fn note(&mut self) {
        if !self.done.is_empty() {
            let on = self.action.noted(&self.done);
            self.web.people.did(self.who, CHANGE_JOBS, &on, "done").await;
            self.done.clear();
        }
    }
}

struct Done {
    words: String,
    resubmitted_as: Option<JobId>,
}

impl Done {
    fn said(words: impl Into<String>) -> Self {
        Self { words: words.into(), resubmitted_as: None }
    }
}

async fn one(
    web: &Web,
    who: &Identity,
    job: &Job,
    action: &Action,
    is_preview: bool,
    once: &Once,
) -> Result<Done, WebError> {
    let (id, state) = (job.id, job.state);
    let may_decide = || may(who, Act::Decide(&job.submitter));
    let is_live = || match state {
        JobState::Ended => Err(WebError::Conflict(format!("job {id} has ended already"))),
        JobState::Waiting | JobState::Preparing | JobState::Running | JobState::Collecting => {
            Ok(())
        }
    };
    match action {
        Action::Cancel => {
            may_decide()?;
            is_live()?;
            let stops = Stops::of(job);
            if !is_preview {
                let hurry = once.asked.as_ref().is_none_or(|asked| asked.contains(&id));
                if matches!(stops, Stops::AtOnce) && !hurry {
                    return Err(WebError::Conflict(format!("job {id} is being stopped already")));
                }
                web.schedule.cancel(id, called(who), hurry).await?;
            }
            Ok(Done::said(match stops {
                Stops::BeforeItStarts => "ends before it has started",
                Stops::Soon => "is stopped while it runs",
                Stops::AtOnce => "is stopped at once, for it was asked before",
            }))
        }
        Action::Priority(AskedPriority(priority)) => {
            may_decide()?;
            is_live()?;
            if state != JobState::Waiting {
                return Err(WebError::Conflict(format!("job {id} does not wait any more")));
            }
            if !is_preview {
                prioritise(web, job, *priority).await?;
            }
            Ok(Done::said(match job.priority.0 {
                same if same == priority.0 => format!("has {same} already"),
                other => format!("{other} becomes {}", priority.0),
            }))
        }
        Action::Resubmit => {
            if state != JobState::Ended {
                return Err(WebError::Conflict(format!("job {id} has not ended")));
            }
            resubmit(web, who, job, is_preview, once.key.as_deref()).await
        }
        Action::Keep => {
            may_decide()?;
            if let Some(Kept { by, .. }) = &job.holdings.kept {
                return Err(WebError::Conflict(format!("job {id} is kept already, by {by}")));
            }
            if !is_preview {
                let kept = Kept { by: called(who), at: clock::now() };
                web.store.change(id, Change::Kept(Some(kept))).await.map_err(refused)?;
            }
            Ok(Done::said("is kept"))
        }
        Action::Release => {
            may_decide()?;
            if job.holdings.kept.is_none() {
                return Err(WebError::Conflict(format!("job {id} is kept by nobody")));
            }
            if !is_preview {
                web.store.change(id, Change::Kept(None)).await.map_err(refused)?;
            }
            Ok(Done::said("is kept no longer"))
        }
    }
}

async fn resubmit(
    web: &Web,
    who: &Identity,
    job: &Job,
    only_check: bool,
    key: Option<&str>,
) -> Result<Done, WebError> {
    let key = key.map(|key| format!("{key} of job {}", job.id));
    let request = ComposeRequest {
        text: job.definition.clone(),
        from: Some(job.clone()),
        submitter: who.submitter().ok_or(Denied::Unnamed)?,
        rights: web.people.rights(who.clone()).await?,
        way_in: if who.door == Door::Browser { WayIn::Page } else { WayIn::Command },
        wishes: Wishes { key, ..Wishes::default() },
        only_check,
    };
    match (web.compose)(request).await {
        Ok(Composed::Fine { .. }) => Ok(Done::said("runs once more")),
        Ok(Composed::Submitted(new)) => {
            Ok(Done { words: "runs once more".into(), resubmitted_as: Some(new.id) })
        }
        Err(SubmitRefused::Invalid { problems }) => Err(WebError::Conflict(first(&problems))),
        // The others may be taken in.
        Err(SubmitRefused::Unavailable { why } | SubmitRefused::KeyUsed { why }) => {
            Err(WebError::Conflict(why))
        }
    }
}

/// What is wrong first with a definition that was fine once.
fn first(problems: &Value) -> String {
    let text = |key: &str| problems[0][key].as_str().unwrap_or_default().to_owned();
    format!("would not be accepted now: found {}, expected {}", text("found"), text("expected"))
}
