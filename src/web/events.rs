//! Streams of events: for the script of our pages (server-sent events), and for programs (the lines
//! of the event log).
//!
//! The script is told only that something has changed. It asks for the page again and puts the new
//! parts in, so that there is one way to render a job and not two.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use super::{
    errors::{PageError, Problem},
    files,
    follow::{Follow, Told},
    guard::Asks,
    params::{NoParams, Params, Path, number},
    state::Web,
};
use crate::{model::JobId, tasks};

/// The page shows running times, and they are always out of date: it is asked for again this often
/// as long as a job runs.
const BEAT: Duration = Duration::from_secs(2);

/// How often a watched screen's file is looked at. The engine writes it only while somebody
/// watches and tells nobody, for nobody else needs to know.
const PICTURE: Duration = Duration::from_millis(250);

/// `GET /events`: the queue has changed.
pub(super) async fn queue(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Response {
    let changes = web.store.changes();
    let told = (web.clone(), changes, web.about.hold.clone());
    let beats = stream::unfold(told, |(web, mut changes, mut held)| async move {
        loop {
            let change = tokio::select! {
                change = tokio::time::timeout(BEAT, changes.recv()) => change,
                Ok(()) = held.changed() => break,
            };
            match change {
                Ok(Ok(_) | Err(RecvError::Lagged(_))) => break,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => match web.store.counts().await {
                    Ok(counts) if counts.active() > 0 => break,
                    Ok(_) => {}
                    Err(_) => return None,
                },
            }
        }
        Some((Event::default().event("changed").data("queue"), (web, changes, held)))
    });
    sse(&web, beats)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    #[serde(default)]
    from: u64,
}

/// `GET /jobs/{id}/events`: the job has changed.
pub(super) async fn job(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(From { from }): Params<From>,
) -> Result<Response, PageError> {
    let follow = Follow::new(web.clone(), who, number(&id)?, from).await?;
    Ok(sse(&web, changes(follow)))
}

/// `GET /jobs/{id}/live/events`: the screen or the job has changed. While it is open, the engine
/// writes the screen.
pub(super) async fn live(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(From { from }): Params<From>,
) -> Result<Response, PageError> {
    let id = number(&id)?;
    let follow = Follow::new(web.clone(), who, id, from).await?;
    let view = web.watchers.open(id);
    // The job's own events end the whole stream; pictures alone never do.
    let changes = changes(follow).map(Some).chain(stream::iter([None]));
    let both = stream::select(changes, pictures(web.clone(), id).map(Some));
    let until_over = both.take_while(|event| std::future::ready(event.is_some()));
    let held = until_over.filter_map(move |event| {
        let _view = &view;
        std::future::ready(event)
    });
    Ok(sse(&web, held))
}

/// "changed" as often as there is something new, then "over". What is only measured, once a second,
/// is not worth a new page.
fn changes(follow: Follow) -> impl Stream<Item = Event> + Send {
    stream::unfold(Some(follow), |follow| async move {
        let mut follow = follow?;
        let told = loop {
            match follow.next().await {
                Ok(Some(Told::Lines(lines))) if lines.iter().all(|line| line.is_measure) => {}
                told => break told,
            }
        };
        match told {
            Ok(Some(Told::Lines(lines))) => {
                let seq = lines.last().map_or(0, |line| line.seq);
                Some((Event::default().event("changed").data(seq.to_string()), Some(follow)))
            }
            Ok(Some(Told::Changed)) => {
                Some((Event::default().event("changed").data("record"), Some(follow)))
            }
            Ok(None) => Some((Event::default().event("over").data("over"), None)),
            Err(error) => {
                tracing::warn!(%error, "could not follow a job");
                None
            }
        }
    })
}

/// "picture" with the time of each new one.
fn pictures(web: Arc<Web>, job: JobId) -> impl Stream<Item = Event> + Send {
    let path = web.folder(job).file(files::LAST);
    stream::unfold((path, None), |(path, mut shown)| async move {
        loop {
            let at = path.clone();
            let found = tasks::blocking(move || at.metadata().and_then(|file| file.modified()));
            if let Ok(time) = found.await
                && shown != Some(time)
            {
                shown = Some(time);
                let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                let event = Event::default().event("picture").data(since.as_millis().to_string());
                return Some((event, (path, shown)));
            }
            tokio::time::sleep(PICTURE).await;
        }
    })
}

fn sse(web: &Web, events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let stop = web.tasks.stop.clone();
    let events = events.map(Ok::<_, Infallible>).take_until(stop.cancelled_owned());
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    /// From the event of this number on.
    #[serde(default)]
    #[param(format = "uint64")]
    from: u64,
    /// Goes on until the job ends.
    #[serde(default)]
    follow: bool,
}

/// `GET /api/jobs/{id}/events`: the lines of the event log, verbatim.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tag = "Jobs",
    params(("id" = String, Path, description = "Number or uuid of the job", example = "7"), Lines),
    responses(
        (
            status = 200,
            description = "The event log, a JSON object a line",
            body = String,
            content_type = "application/x-ndjson",
        ),
    ),
)]
pub(super) async fn lines(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(asked): Params<Lines>,
) -> Result<Response, Problem> {
    let job = web.find(&who, &id).await?;
    let follow = Follow::new(web.clone(), who, job.id, asked.from).await?;
    let stop = web.tasks.stop.clone();
    let lines = stream::try_unfold(follow, move |mut follow| async move {
        loop {
            let told = if asked.follow {
                follow.next().await?
            } else {
                follow.now().await?.map(Told::Lines)
            };
            match told {
                None => return Ok::<_, io::Error>(None),
                Some(Told::Changed) => {}
                Some(Told::Lines(lines)) => {
                    let text: String =
                        lines.into_iter().flat_map(|line| [line.text, "\n".into()]).collect();
                    return Ok(Some((text, follow)));
                }
            }
        }
    });
    let body = Body::from_stream(lines.take_until(stop.cancelled_owned()));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
