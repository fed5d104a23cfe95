//! A job that has been read and copied, as the store takes it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{Definition, Digest, IntakeKey, Needs, NewJob, Submitter, WayIn, Work};

/// How a job came in.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub submitter: Submitter,
    pub way_in: WayIn,
    pub submitted: Timestamp,
    /// What makes an inbox file one job; the command has none.
    pub intake_key: Option<IntakeKey>,
}

/// `text` is the definition, verbatim, and `bundle` what came with it.
pub fn to_new_job(definition: Definition, text: &str, bundle: Digest, arrival: Arrival) -> NewJob {
    let needs = needs(&definition);
    let Arrival { submitter, way_in, submitted, intake_key } = arrival;
    NewJob {
        uuid: uuid_at(submitted),
        name: definition.name,
        definition: text.to_owned(),
        definition_hash: Digest::of(text.as_bytes()),
        bundle,
        submitter,
        way_in,
        submitted,
        priority: definition.priority,
        device_type: definition.device_type,
        tags: definition.tags,
        settings: definition.settings,
        metadata: definition.metadata,
        visibility: definition.visibility,
        stream: definition.stream,
        needs,
        intake_key,
    }
}

/// The largest of its guests: they run one after the other. A job without a guest needs none.
pub fn needs(definition: &Definition) -> Needs {
    let mut needs = Needs { memory_mib: 0, cores: 0, at_most: definition.timeouts.job };
    for action in &definition.actions {
        if let Work::Boot(boot) = &action.work {
            needs.memory_mib = needs.memory_mib.max(boot.guest.memory_mib);
            needs.cores = needs.cores.max(boot.guest.cpus);
        }
    }
    needs
}

/// Version 7, so that names sort by the time of submission.
fn uuid_at(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}
