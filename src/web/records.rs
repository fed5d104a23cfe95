//! Jobs and runs as the JSON API tells them. Fields are added, never changed.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    addresses::file_url,
    layout::job_url,
    plan::{Ahead, Underway},
    sight::is_veiled,
    timeouts::{self, Told},
};
use crate::{
    estimates::Estimate,
    markup::words,
    model::{
        Candidate, Cause, Digest, HostLoad, ItemRun, Job, JobId, JobState, Kept, Limited, Lineage,
        Outcome, PartDuration, Removal, Run, ScreenRun, SlowRun, StepRun, Submitter, Verdict,
        Visibility,
    },
    store::Standing,
};

/// A job in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Summary<'a> {
    number: JobId,
    uuid: uuid::Uuid,
    url: String,
    name: &'a str,
    /// It takes a place, and nothing else of it is shown to whoever asks.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hidden: bool,
    #[schema(value_type = JobState)]
    state: &'static str,
    verdict: Option<Verdict>,
    cause: Option<&'a Cause>,
    /// Why a waiting job waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    cancel_asked: bool,
    priority: u8,
    device_type: &'a str,
    device: Option<&'a str>,
    tags: &'a [String],
    metadata: &'a BTreeMap<String, String>,
    submitter: &'a Submitter,
    /// `inbox` or `command`.
    way_in: &'static str,
    submitted: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    running_ms: Option<u64>,
    /// Who wants it kept, and since when.
    kept: Option<&'a Kept>,
    /// The rule that knows why it failed.
    known_failure: Option<&'a str>,
    retried_from: Option<JobId>,
    resubmitted_from: Option<JobId>,
    /// Why it was started when it was, and there.
    decision: Option<&'a str>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(job: &'a Job, reason: Option<&'a str>, now: Timestamp) -> Self {
        Self {
            number: job.id,
            uuid: job.uuid,
            url: job_url(job.id),
            name: &job.name,
            hidden: is_veiled(job),
            state: job.state.name(),
            verdict: job.verdict,
            cause: job.cause.as_ref(),
            reason,
            cancel_asked: job.cancel_asked,
            priority: job.priority.0,
            device_type: &job.device_type,
            device: job.device.as_deref(),
            tags: &job.tags,
            metadata: &job.metadata,
            submitter: &job.submitter,
            way_in: job.way_in.name(),
            submitted: job.submitted,
            started: job.started,
            ended: job.ended,
            running_ms: job.running_time(now).map(millis),
            kept: job.holdings.kept.as_ref(),
            known_failure: job.known_failure.as_deref(),
            retried_from: job.lineage.retried_from,
            resubmitted_from: job.lineage.resubmitted_from,
            decision: job.decision.as_deref(),
        }
    }
}

/// All there is of one job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Record<'a> {
    #[serde(flatten)]
    summary: Summary<'a>,
    definition: &'a str,
    definition_hash: Digest,
    bundle: Digest,
    settings: &'a BTreeMap<String, String>,
    visibility: &'a Visibility,
    stream: Option<&'a str>,
    group: Option<&'a str>,
    server: Option<&'a str>,
    #[schema(value_type = Object)]
    needs: Value,
    #[schema(value_type = Object)]
    backend: &'a serde_json::Map<String, Value>,
    lineage: &'a Lineage,
    parts: &'a [PartDuration],
    /// Where it stands among failures and retries.
    standing: &'a Standing,
    load_at_end: Option<HostLoad>,
    video_bytes: u64,
    results_bytes: u64,
    /// What retention has taken, when and by which rule.
    removed: &'a [Removal],
    /// How long it and its parts may take.
    timeouts: Vec<Told>,
    /// When it will start and end; none of a job that has ended.
    expected: Option<Ahead>,
    /// How far it is; none of a job that does not run.
    progress: Option<Underway>,
    run: RunRecord<'a>,
}

impl<'a> Record<'a> {
    pub(super) fn new(
        job: &'a Job,
        reason: Option<&'a str>,
        run: &'a Run,
        standing: &'a Standing,
        (limited, estimate): (&[Limited], Option<&Estimate>),
        now: Timestamp,
    ) -> Self {
        let progress = estimate.filter(|_| job.state.is_active());
        let progress = progress.map(|estimate| Underway::from(&estimate.progress(run, now)));
        Self {
            summary: Summary::new(job, reason, now),
            definition: &job.definition,
            definition_hash: job.definition_hash,
            bundle: job.bundle,
            settings: &job.settings,
            visibility: &job.visibility,
            stream: job.stream.as_deref(),
            group: job.group.as_deref(),
            server: job.server.as_deref(),
            needs: json!({
                "memory_mib": job.needs.memory_mib,
                "cores": job.needs.cores,
                "at_most_ms": millis(job.needs.at_most),
            }),
            backend: &job.backend,
            lineage: &job.lineage,
            parts: &job.parts,
            standing,
            load_at_end: job.load_at_end,
            video_bytes: job.holdings.video_bytes,
            results_bytes: job.holdings.results_bytes,
            removed: &job.holdings.removed,
            timeouts: timeouts::told(limited),
            expected: estimate.map(Ahead::from),
            progress,
            run: RunRecord::new(job.id, run),
        }
    }
}

/// A run as it is told. What there may be thousands of is written as it stands.
#[derive(Debug, Serialize, ToSchema)]
struct RunRecord<'a> {
    seq: u64,
    version: &'a str,
    started: Option<Timestamp>,
    #[schema(value_type = Option<Object>)]
    progress: Option<Value>,
    #[schema(value_type = Vec<Object>)]
    parts: Vec<Value>,
    items: Vec<Item<'a>>,
    #[schema(value_type = Vec<Object>)]
    consoles: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    files: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    infos: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    slow: Vec<Value>,
    #[schema(value_type = Option<Object>)]
    slow_now: Option<Value>,
}

impl<'a> RunRecord<'a> {
    fn new(job: JobId, run: &'a Run) -> Self {
        let parts = run.parts.iter().map(|part| {
            json!({
                "part": part.part,
                "name": part.name,
                "started_ms": millis(part.started),
                "took_ms": part.took.map(millis),
                "result": part.result,
            })
        });
        let consoles = run.consoles.iter().map(
        |console| json!({ "stream": console.stream, "file": console.file, "bytes": console.bytes }),
    );
        let files = run
            .files
            .iter()
            .map(|file| json!({ "path": file.path, "size": file.size, "sha256": file.sha256 }));
        let infos = run
            .infos
            .iter()
            .map(|info| json!({ "title": info.title, "text": info.text, "result": info.result }));
        let slow = |slow: &SlowRun| {
            json!({
                "at_ms": millis(slow.at),
                "measure": slow.measure,
                "value": slow.value,
                "limit": slow.limit,
                "spot": slow.spot,
                "mode": slow.mode,
                "origin": slow.origin,
                "slowness": slow.slowness,
                "words": words::slow(slow),
            })
        };
        Self {
            seq: run.seq,
            version: &run.version,
            started: run.started,
            progress: run.progress.map(|(done, total)| json!({ "done": done, "total": total })),
            parts: parts.collect(),
            items: run.items.iter().map(|item| Item::new(job, item)).collect(),
            consoles: consoles.collect(),
            files: files.collect(),
            infos: infos.collect(),
            slow: run.slow.iter().map(slow).collect(),
            slow_now: run.slow_now().map(slow),
        }
    }
}

/// A module with its steps, or a step that stands alone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemRecord)]
struct Item<'a> {
    #[schema(value_type = Option<Object>)]
    module: Option<Value>,
    steps: Vec<Step<'a>>,
}

impl<'a> Item<'a> {
    fn new(job: JobId, item: &'a ItemRun) -> Self {
        let module = item.module.as_ref().map(
            |module| json!({ "path": module.path, "name": module.name, "result": module.result }),
        );
        Self { module, steps: item.steps.iter().map(|step| Step::new(job, step)).collect() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StepRecord)]
struct Step<'a> {
    path: &'a str,
    verb: &'a str,
    subject: &'a str,
    started_ms: u64,
    took_ms: Option<u64>,
    /// None while it runs.
    result: Option<Outcome>,
    words: &'a str,
    screens: Vec<Screen<'a>>,
}

impl<'a> Step<'a> {
    fn new(job: JobId, step: &'a StepRun) -> Self {
        Self {
            path: &step.path,
            verb: &step.verb,
            subject: &step.subject,
            started_ms: millis(step.started),
            took_ms: step.took.map(millis),
            result: step.result,
            words: &step.words,
            screens: step.screens.iter().map(|screen| Screen::new(job, screen)).collect(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScreenRecord)]
struct Screen<'a> {
    frame: u64,
    sha256: Digest,
    file: &'a str,
    url: String,
    width: u32,
    height: u32,
    needle: Option<&'a str>,
    candidates: &'a [Candidate],
}

impl<'a> Screen<'a> {
    fn new(job: JobId, screen: &'a ScreenRun) -> Self {
        Self {
            frame: screen.frame,
            sha256: screen.sha256,
            file: &screen.file,
            url: file_url(job, &screen.file),
            width: screen.width,
            height: screen.height,
            needle: screen.needle.as_deref(),
            candidates: &screen.candidates,
        }
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
