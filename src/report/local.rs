//! The record of a job that no appliance knows, read from the folder `sutler run` left.

use std::{fs, io, os::unix::fs::MetadataExt};

use crate::{
    job_file,
    model::{
        Conditions, Definition, Digest, EngineOrder, Holdings, Job, Lineage, Submitter, WayIn,
    },
    supervise::JobFolder,
};

#[derive(Debug, thiserror::Error)]
pub enum NoResults {
    #[error(
        "it holds no order.json and no events.jsonl, so it is no result folder of `sutler run`"
    )]
    NotThere,
    #[error("its order.json cannot be read")]
    Order { source: serde_json::Error },
    #[error("it cannot be read")]
    Read { source: io::Error },
}

/// Name of the definition in a result folder, as it was given.
pub const DEFINITION: &str = "job.yaml";

/// Puts the record together from the order the engine was given and from what it told. Reads the
/// disk.
///
/// # Errors
/// When the folder holds no run.
pub fn job_of(folder: &JobFolder) -> Result<Job, NoResults> {
    let failed = |source: io::Error| {
        let is_gone = source.kind() == io::ErrorKind::NotFound;
        if is_gone { NoResults::NotThere } else { NoResults::Read { source } }
    };
    let order = fs::read(folder.file(JobFolder::ORDER)).map_err(failed)?;
    let order: EngineOrder =
        serde_json::from_slice(&order).map_err(|source| NoResults::Order { source })?;
    let log = fs::metadata(folder.file(JobFolder::EVENTS)).map_err(failed)?;
    let run = folder.run().map_err(failed)?;
    let text = fs::read_to_string(folder.file(DEFINITION)).unwrap_or_default();
    let needs = job_file::needs(&order.definition);
    let Definition {
        name,
        device_type,
        priority,
        tags,
        visibility,
        timeouts,
        metadata,
        settings,
        stream,
        after,
        actions: _,
    } = order.definition;
    let began = run.started.or_else(|| log.modified().ok()?.try_into().ok()).unwrap_or_default();
    let uid = log.uid();
    let account = uzers::get_user_by_uid(uid)
        .map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into_owned());
    Ok(Job {
        id: order.job,
        uuid: order.uuid,
        name,
        definition_hash: Digest::of(text.as_bytes()),
        definition: text,
        bundle: Digest::of(b""),
        submitter: Submitter { uid: Some(uid), name: account },
        way_in: WayIn::Command,
        submitted: began,
        started: run.started,
        ended: run.end.as_ref().map(|end| end.wall),
        priority,
        device_type,
        tags,
        settings,
        metadata,
        visibility,
        stream,
        group: None,
        server: None,
        needs,
        conditions: Conditions { after, queue_timeout: timeouts.queue, ..Conditions::default() },
        state: run.state(),
        cancel_asked: false,
        verdict: run.end.as_ref().map(|end| end.verdict),
        cause: run.end.as_ref().and_then(|end| end.cause.clone()),
        backend: run.end.as_ref().map(|end| end.backend.clone()).unwrap_or_default(),
        lineage: Lineage::default(),
        holdings: Holdings::default(),
        device: None,
        decision: None,
        parts: run.part_durations(),
        known_failure: None,
        load_at_end: run.end.as_ref().and_then(|end| end.load),
    })
}
