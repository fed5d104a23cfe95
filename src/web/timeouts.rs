//! How long a job and its parts may take, and who has said so: where it is found, and as the API
//! tells it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{records::millis, state::Web};
use crate::{
    job_file::{Options, read},
    model::{Job, JobState, Limited, Measure, Spot, TimeoutOrigin},
    tasks,
};

/// What of a job has a time of its own. Of one that was started this is what its engine was told;
/// of one that waits, what it will be told as things are.
pub(super) async fn of_job(web: &Web, job: &Job) -> Vec<Limited> {
    let folder = web.folder(job.id);
    let options =
        Options { timeouts: web.timeouts.once_accepted(job.needs.at_most), ..Options::default() };
    let (text, is_waiting) = (job.definition.clone(), job.state == JobState::Waiting);
    let read = move || {
        let told = if is_waiting { None } else { folder.order().ok() };
        let definition = told
            .map(|order| order.definition)
            .or_else(|| Some(read(&text, "job.yaml", options).ok()?.definition));
        definition.map(|definition| definition.limited()).unwrap_or_default()
    };
    tasks::blocking(read).await
}

/// How long something may take, as the API tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Told {
    /// `job`, `action boot`, `step assert_screen installer-language`.
    what: String,
    /// Of a step, as events name it: `2/0`.
    step: Option<String>,
    /// What its history is kept as.
    measure: Measure,
    spot: Spot,
    timeout_ms: u64,
    /// Who has said it.
    origin: TimeoutOrigin,
    words: String,
}

pub(super) fn told(limited: &[Limited]) -> Vec<Told> {
    let told = |one: &Limited| {
        let Limited { what, path, measure, spot, timeout } = one;
        Told {
            what: what.clone(),
            step: path.clone(),
            measure: *measure,
            spot: spot.clone(),
            timeout_ms: millis(timeout.value),
            origin: timeout.origin.clone(),
            words: timeout.to_string(),
        }
    };
    limited.iter().map(told).collect()
}
