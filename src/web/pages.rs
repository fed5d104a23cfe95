//! Handlers of the pages: fetch one view, render it.

use std::{io, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, Redirect, Response},
};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError},
    files,
    guard::Asks,
    job, live,
    params::{NoParams, Params, Path, number},
    queue,
    ranged::{self, Whole},
    sight::{foretold, veil},
    state::Web,
    step, timeouts,
    video::Video,
};
use crate::{
    capture::VIDEO_FILE,
    decide::access::sees,
    markup::{Tail, Usual, Usuals},
    model::{Identity, Job, JobId, JobState, Measure, Run, Series, Spot},
    report::files::{listed, open, tails},
    supervise::JobFolder,
    tasks,
};

type Page = Result<Html<String>, PageError>;

/// Jobs of each kind on the queue page.
const WAITING: usize = 100;
const ENDED: usize = 30;
/// Good runs of a test that make something usual.
const USUAL_RUNS: u64 = 3;

/// `GET /`
pub(super) async fn queue(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Page {
    let mut active = Vec::new();
    for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
        for job in web.unveiled(state, WAITING).await? {
            let run = web.run(job.id).await?;
            active.push((job, run));
        }
    }
    active.sort_by_key(|(job, _)| (job.started, job.id));
    let queue = web.schedule.standing();
    let waiting = web.unveiled_queue(WAITING).await?;
    let show = |(job, run): (Job, Arc<Run>)| {
        let run = if sees(&who, &job) { run } else { Arc::default() };
        (veil(&who, job), run)
    };
    let view = queue::QueueView {
        moment: web.moment(),
        active: active.into_iter().map(show).collect(),
        waiting: waiting
            .into_iter()
            .map(|job| {
                let reason = queue.reason(&job);
                (veil(&who, job), reason)
            })
            .collect(),
        ahead: web.estimates.now(),
        waiting_in_all: web.store.counts().await?.state(JobState::Waiting),
        ended: web.history_of(&who, None, ENDED).await?.jobs,
        hold: web.about.hold.borrow().clone(),
        inbox: web.inbox.display().to_string(),
        who,
    };
    Ok(Html(queue::render(&view).into_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Find {
    job: String,
}

/// `GET /find`: leads to a job by number or uuid.
pub(super) async fn find(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(Find { job }): Params<Find>,
) -> Result<Redirect, PageError> {
    let name = job.trim().trim_start_matches('#');
    let job = web.find(&who, name).await?;
    Ok(Redirect::to(&super::layout::job_url(job.id)))
}

/// `GET /jobs/{id}`
pub(super) async fn job(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Page {
    Ok(Html(job::render(&job_view(&web, &who, number(&id)?).await?).into_string()))
}

/// `GET /jobs/{id}/live`
pub(super) async fn live(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Page {
    Ok(Html(live::render(&job_view(&web, &who, number(&id)?).await?).into_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    screen: Option<usize>,
    candidate: Option<usize>,
}

/// `GET /jobs/{id}/steps/{path}`
pub(super) async fn step(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path((id, path)): Path<(String, String)>,
    Params(asked): Params<Chosen>,
) -> Page {
    let id = number(&id)?;
    let job = web.seen(&who, id).await?;
    let run = web.run(id).await?;
    let path = path.replace('-', "/");
    let step = run.steps().find(|step| step.path == path).ok_or(WebError::NotFound("step"))?;
    let chosen = asked.candidate.map(|candidate| (asked.screen.unwrap_or_default(), candidate));
    let view = step::StepView { job: &job, run: &run, step, chosen };
    Ok(Html(step::render(&view).into_string()))
}

async fn job_view(web: &Web, who: &Identity, id: JobId) -> Result<job::JobView, WebError> {
    let job = web.seen(who, id).await?;
    let folder = web.folder(id);
    let found = tasks::blocking(move || on_disk(id, &folder)).await?;
    let reason = web.schedule.standing().reason(&job);
    let usual = usual(web, &job).await?;
    let moment = web.moment();
    let ahead = foretold(&web.estimates.now(), &job, moment.now);
    let limited = timeouts::of_job(web, &job).await;
    Ok(job::JobView {
        moment,
        who: who.clone(),
        ahead,
        limited,
        job,
        run: web.run(id).await?,
        standing: web.standing(who, id).await?,
        reason,
        video: found.video,
        usual,
        texts: found.texts,
        files: found.files,
    })
}

/// What the good runs of the same test came to: of each run what it was below in 95 of 100 cases.
async fn usual(web: &Web, job: &Job) -> Result<Usuals, WebError> {
    let mut usual = Usuals::new();
    for measure in [Measure::KeyToScreen, Measure::FrameLag, Measure::MatchTime, Measure::GuestWait]
    {
        let series = Series {
            job: job.name.clone(),
            device_type: job.device_type.clone(),
            measure,
            spot: Spot::default(),
        };
        let Some(known) = web.store.measured_one(series).await? else { continue };
        let [median, high] = [0.5, 0.95].map(|share| known.good.quantile(share));
        if let (Some(median), Some(high)) = (median, high)
            && known.good.count() >= USUAL_RUNS
        {
            usual.insert(measure.name().into(), Usual { median, high });
        }
    }
    Ok(usual)
}

/// What a job's folder holds for its page.
struct OnDisk {
    files: Vec<(String, u64)>,
    texts: Vec<Tail>,
    video: Option<Video>,
}

fn on_disk(job: JobId, folder: &JobFolder) -> io::Result<OnDisk> {
    let files = listed(folder)?;
    let texts = tails(folder, &files, files::TAIL)?;
    // A page is worth more than its video.
    let video = Video::find(job, &folder.file(VIDEO_FILE)).unwrap_or_else(|error| {
        tracing::warn!(%job, error = &error as &dyn std::error::Error, "could not read the video");
        None
    });
    Ok(OnDisk { files, texts, video })
}

/// `GET /jobs/{id}/live.png`: the screen as it is. Asking for it is watching.
pub(super) async fn live_picture(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = number(&id)?;
    let job = web.seen(&who, id).await?;
    if !job.state.is_active() {
        return Err(WebError::NotFound("screen").into());
    }
    web.watchers.lease(id, &web.tasks);
    let path = web.folder(id).file(files::LAST);
    let whole = tasks::blocking(move || open(&path).and_then(Whole::new)).await;
    let whole = whole.map_err(files::missing)?;
    let mut response = ranged::serve(&HeaderMap::new(), Arc::new(whole), "image/png")?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// An address that is none.
pub(super) async fn nothing() -> PageError {
    PageError(WebError::NotFound("page"))
}
