//! A job that has been read and copied, as the store takes it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::{
    Conditions, Definition, Digest, IntakeKey, Lineage, Needs, NewJob, Submitter, WayIn,
};

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
        conditions: Conditions {
            after: definition.after,
            queue_timeout: definition.timeouts.queue,
            ..Conditions::default()
        },
        lineage: Lineage::default(),
        idempotency: None,
        intake_key,
    }
}

/// What its guest takes. A job without a guest needs nothing.
pub fn needs(definition: &Definition) -> Needs {
    let guest = definition.guest();
    Needs {
        memory_mib: guest.map_or(0, |guest| guest.memory_mib),
        cores: guest.map_or(0, |guest| guest.cpus),
        at_most: definition.timeouts.job.value,
    }
}

/// Version 7, so that names sort by the time of submission.
fn uuid_at(at: Timestamp) -> Uuid {
    let seconds = u64::try_from(at.as_second()).unwrap_or_default();
    let nanos = u32::try_from(at.subsec_nanosecond()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        job_file::{Options, read},
        model::Priority,
    };

    #[test]
    fn a_new_job_has_the_needs_of_its_guest() {
        let text = "job_name: x\npriority: high\ntimeouts: {job: 10m}\nactions:\n\
                    - boot: {guest: {memory: 2G, cpus: 3}}\n";
        let definition = read(text, "x", Options::default()).unwrap().definition;
        let submitted: Timestamp = "2024-01-02T03:04:05.678Z".parse().unwrap();
        let arrival = Arrival {
            submitter: Submitter { uid: Some(7), name: "seven".into() },
            way_in: WayIn::Command,
            submitted,
            intake_key: None,
        };
        let job = to_new_job(definition, text, Digest::of(b"bundle"), arrival);
        let at_most = std::time::Duration::from_secs(600);
        assert_eq!(job.needs, Needs { memory_mib: 2048, cores: 3, at_most });
        assert_eq!((job.priority, job.definition.as_str()), (Priority::HIGH, text));
        let (seconds, nanos) = job.uuid.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_704_164_645, 678_000_000));
    }
}
