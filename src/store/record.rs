//! A job as bytes on disk.
//!
//! These are not the model's types: bincode's order of fields *is* the format, so nothing in this
//! file ever changes. A new field is a `JobV3`, a new table and a step in `migrate`. Names of
//! states, verdicts and causes are kept as the words the JSON has too.
//!
//! The definition is not part of a record: jobs are many, and most of them were started from the same
//! few texts, which `definitions` keeps once each.

use std::{sync::Arc, time::Duration};

use bincode::{Decode, Encode};
use jiff::Timestamp;
use uuid::Uuid;

use super::StoreError;
use crate::model::{
    After, Cause, Code, Conditions, Digest, Evidence, Failure, Holdings, HostLoad, IntakeKey, Job,
    JobId, JobState, Lineage, Must, Needs, Part, PartDuration, Place, Priority, Submitter, Verdict,
    Visibility, WayIn, Who,
};

type Pairs = Vec<(String, String)>;

/// The first layout. Times are microseconds since 1970.
#[derive(Encode, Decode)]
pub(super) struct JobV1 {
    uuid: u128,
    name: String,
    definition: String,
    definition_hash: [u8; 32],
    bundle: [u8; 32],
    submitter_uid: u32,
    submitter_name: String,
    way_in: String,
    submitted_us: i64,
    started_us: Option<i64>,
    ended_us: Option<i64>,
    priority: u8,
    device_type: String,
    tags: Vec<String>,
    settings: Pairs,
    metadata: Pairs,
    visibility: VisibilityV1,
    stream: Option<String>,
    group: Option<String>,
    server: Option<String>,
    memory_mib: u32,
    cores: u32,
    at_most_us: u64,
    state: u8,
    cancel_asked: bool,
    verdict: Option<String>,
    cause: Option<CauseV1>,
    /// A JSON object.
    backend: String,
    resubmitted_from: Option<u64>,
    retried_from: Option<u64>,
    retried_by: Option<String>,
    cloned_from: Option<String>,
    proxied_for: Option<String>,
    device: Option<String>,
    parts: Vec<PartV1>,
    known_failure: Option<String>,
    load: Option<LoadV1>,
    intake_key: Option<IntakeKeyV1>,
}

/// The second layout. What the first one has is where it was, but for the definition, which is empty,
/// and the submitter's account, which here may be none.
#[derive(Encode, Decode)]
struct JobV2 {
    first: JobV1,
    submitter_uid: Option<u32>,
    wants_device: Option<String>,
    health_check: bool,
    /// (number, what must become of it)
    after: Vec<(u64, String)>,
    queue_timeout_us: Option<u64>,
    decision: Option<String>,
}

#[derive(Encode, Decode)]
enum VisibilityV1 {
    Public,
    Personal,
    Group(Vec<String>),
}

#[derive(Encode, Decode)]
struct CauseV1 {
    who: String,
    code: String,
    words: String,
    part: Option<String>,
    action: Option<u32>,
    step: Option<String>,
    lines: Vec<String>,
    screen: Option<String>,
    file: Option<String>,
}

#[derive(Encode, Decode)]
struct PartV1 {
    part: String,
    name: String,
    millis: u64,
}

#[derive(Encode, Decode)]
struct LoadV1 {
    load1: f32,
    memory_available_mib: u64,
    cpu_pressure10: Option<f32>,
}

#[derive(Encode, Decode)]
struct IntakeKeyV1 {
    device: u64,
    inode: u64,
    ctime_ns: i128,
    hash: [u8; 32],
}

/// What one record holds: the job, and the inbox file it came from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    pub job: Job,
    pub intake_key: Option<IntakeKey>,
}

impl Stored {
    /// Whether a rule may have marked it after its end: its record, which never changes, has none.
    pub(super) fn may_be_marked(&self) -> bool {
        let has_failed = self.job.verdict.is_some_and(Failure::is_one);
        has_failed && self.job.known_failure.is_none()
    }

    /// Makes every time what a record can say, so that a job reads as it was answered.
    pub(super) fn round(&mut self) {
        let whole = |at: Timestamp| Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
        let Job { submitted, started, ended, needs, conditions, holdings, .. } = &mut self.job;
        *submitted = whole(*submitted);
        *started = started.map(whole);
        *ended = ended.map(whole);
        let time = &mut needs.at_most;
        for time in [time].into_iter().chain(&mut conditions.queue_timeout) {
            *time = Duration::from_micros(micros(*time));
        }
        holdings.kept.iter_mut().for_each(|kept| kept.at = whole(kept.at));
        holdings.removed.iter_mut().for_each(|removal| removal.at = whole(removal.at));
    }
}

/// A damaged length must not ask for all memory.
pub(super) const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<{ 256 << 20 }>,
> = bincode::config::standard().with_limit::<{ 256 << 20 }>();

pub(super) fn encode(stored: &Stored) -> Vec<u8> {
    bincode::encode_to_vec(JobV2::of(stored), CONFIG).expect("plain data always encodes")
}

/// A job without its definition.
///
/// # Errors
/// [`StoreError::Damaged`] when these bytes are not one record.
pub(super) fn decode(id: JobId, bytes: &[u8]) -> Result<Stored, StoreError> {
    whole(bytes, || format!("job {id}"), |record: JobV2| record.into_stored(id))
}

/// The same of the first layout, with its definition.
///
/// # Errors
/// [`StoreError::Damaged`] when these bytes are not one record.
pub(super) fn decode_first(id: JobId, bytes: &[u8]) -> Result<Stored, StoreError> {
    whole(bytes, || format!("job {id}"), |record: JobV1| record.into_stored(id))
}

/// What `make` makes of the record that these bytes are, all of them. `what` it is, in words.
///
/// # Errors
/// [`StoreError::Damaged`] when they are not one record, or nothing can be made of it.
pub(super) fn whole<R: Decode<()>, T>(
    bytes: &[u8],
    what: impl Fn() -> String,
    make: impl FnOnce(R) -> Option<T>,
) -> Result<T, StoreError> {
    let (record, read) = bincode::decode_from_slice::<R, _>(bytes, CONFIG)
        .map_err(|error| StoreError::Damaged { what: what(), source: Some(Arc::new(error)) })?;
    let made = (read == bytes.len()).then_some(record).and_then(make);
    made.ok_or_else(|| StoreError::Damaged { what: what(), source: None })
}

impl JobV2 {
    fn of(stored: &Stored) -> Self {
        let Job { submitter, conditions, decision, .. } = &stored.job;
        let after = conditions.after.iter();
        Self {
            first: JobV1::of(stored),
            submitter_uid: submitter.uid,
            wants_device: conditions.device.clone(),
            health_check: conditions.health_check,
            after: after.map(|after| (after.job.0, after.must.name().into())).collect(),
            queue_timeout_us: conditions.queue_timeout.map(micros),
            decision: decision.clone(),
        }
    }

    fn into_stored(self, id: JobId) -> Option<Stored> {
        let mut stored = self.first.into_stored(id)?;
        let after = self.after.into_iter().map(|(job, must)| {
            Some(After { job: JobId(job), must: named(Must::ALL, Must::name, &must)? })
        });
        stored.job.submitter.uid = self.submitter_uid;
        stored.job.conditions = Conditions {
            device: self.wants_device,
            health_check: self.health_check,
            after: after.collect::<Option<_>>()?,
            queue_timeout: self.queue_timeout_us.map(Duration::from_micros),
        };
        stored.job.decision = self.decision;
        Some(stored)
    }
}

impl JobV1 {
    fn of(Stored { job, intake_key }: &Stored) -> Self {
        let pairs = |map: &std::collections::BTreeMap<String, String>| {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        Self {
            uuid: job.uuid.as_u128(),
            name: job.name.clone(),
            definition: String::new(),
            definition_hash: *job.definition_hash.as_bytes(),
            bundle: *job.bundle.as_bytes(),
            submitter_uid: job.submitter.uid.unwrap_or_default(),
            submitter_name: job.submitter.name.clone(),
            way_in: job.way_in.name().into(),
            submitted_us: job.submitted.as_microsecond(),
            started_us: job.started.map(Timestamp::as_microsecond),
            ended_us: job.ended.map(Timestamp::as_microsecond),
            priority: job.priority.0,
            device_type: job.device_type.clone(),
            tags: job.tags.clone(),
            settings: pairs(&job.settings),
            metadata: pairs(&job.metadata),
            visibility: match &job.visibility {
                Visibility::Public => VisibilityV1::Public,
                Visibility::Personal => VisibilityV1::Personal,
                Visibility::Group(names) => VisibilityV1::Group(names.clone()),
            },
            stream: job.stream.clone(),
            group: job.group.clone(),
            server: job.server.clone(),
            memory_mib: job.needs.memory_mib,
            cores: job.needs.cores,
            at_most_us: micros(job.needs.at_most),
            state: job.state as u8,
            cancel_asked: job.cancel_asked,
            verdict: job.verdict.map(|verdict| verdict.name().into()),
            cause: job.cause.as_ref().map(CauseV1::of),
            backend: serde_json::to_string(&job.backend).expect("a JSON object always prints"),
            resubmitted_from: job.lineage.resubmitted_from.map(|id| id.0),
            retried_from: job.lineage.retried_from.map(|id| id.0),
            retried_by: job.lineage.retried_by.clone(),
            cloned_from: job.lineage.cloned_from.clone(),
            proxied_for: job.lineage.proxied_for.clone(),
            device: job.device.clone(),
            parts: job.parts.iter().map(PartV1::of).collect(),
            known_failure: job.known_failure.clone(),
            load: job.load_at_end.map(LoadV1::of),
            intake_key: intake_key.map(IntakeKeyV1::of),
        }
    }

    fn into_stored(self, id: JobId) -> Option<Stored> {
        let time = |us: i64| Timestamp::from_microsecond(us).ok();
        let job = Job {
            id,
            uuid: Uuid::from_u128(self.uuid),
            name: self.name,
            definition: self.definition,
            definition_hash: Digest::from_bytes(self.definition_hash),
            bundle: Digest::from_bytes(self.bundle),
            submitter: Submitter { uid: Some(self.submitter_uid), name: self.submitter_name },
            way_in: named(WayIn::ALL, WayIn::name, &self.way_in)?,
            submitted: time(self.submitted_us)?,
            started: flip(self.started_us.map(time))?,
            ended: flip(self.ended_us.map(time))?,
            priority: Priority(self.priority),
            device_type: self.device_type,
            tags: self.tags,
            settings: self.settings.into_iter().collect(),
            metadata: self.metadata.into_iter().collect(),
            visibility: match self.visibility {
                VisibilityV1::Public => Visibility::Public,
                VisibilityV1::Personal => Visibility::Personal,
                VisibilityV1::Group(names) => Visibility::Group(names),
            },
            stream: self.stream,
            group: self.group,
            server: self.server,
            needs: Needs {
                memory_mib: self.memory_mib,
                cores: self.cores,
                at_most: Duration::from_micros(self.at_most_us),
            },
            conditions: Conditions::default(),
            state: JobState::ALL.into_iter().find(|state| *state as u8 == self.state)?,
            cancel_asked: self.cancel_asked,
            verdict: flip(self.verdict.map(|name| named(Verdict::ALL, Verdict::name, &name)))?,
            cause: flip(self.cause.map(CauseV1::into_cause))?,
            backend: serde_json::from_str(&self.backend).ok()?,
            lineage: Lineage {
                resubmitted_from: self.resubmitted_from.map(JobId),
                retried_from: self.retried_from.map(JobId),
                retried_by: self.retried_by,
                cloned_from: self.cloned_from,
                proxied_for: self.proxied_for,
            },
            device: self.device,
            decision: None,
            parts: self.parts.into_iter().map(PartV1::into_part).collect::<Option<_>>()?,
            known_failure: self.known_failure,
            load_at_end: self.load.map(LoadV1::into_load),
            holdings: Holdings::default(),
        };
        Some(Stored { job, intake_key: self.intake_key.map(IntakeKeyV1::into_key) })
    }
}

impl CauseV1 {
    fn of(cause: &Cause) -> Self {
        Self {
            who: cause.who.name().into(),
            code: cause.code.name().into(),
            words: cause.words.clone(),
            part: cause.place.part.map(|part| part.name().into()),
            action: cause.place.action,
            step: cause.place.step.clone(),
            lines: cause.evidence.lines.clone(),
            screen: cause.evidence.screen.clone(),
            file: cause.evidence.file.clone(),
        }
    }

    fn into_cause(self) -> Option<Cause> {
        const WHO: [Who; 5] = [Who::Author, Who::Lab, Who::Host, Who::Guest, Who::Sutler];
        Some(Cause {
            who: named(WHO, Who::name, &self.who)?,
            code: named(Code::ALL, Code::name, &self.code)?,
            words: self.words,
            place: Place {
                part: flip(self.part.map(|name| part(&name)))?,
                action: self.action,
                step: self.step,
            },
            evidence: Evidence { lines: self.lines, screen: self.screen, file: self.file },
        })
    }
}

impl PartV1 {
    fn of(part: &PartDuration) -> Self {
        Self { part: part.part.name().into(), name: part.name.clone(), millis: part.millis }
    }

    fn into_part(self) -> Option<PartDuration> {
        Some(PartDuration { part: part(&self.part)?, name: self.name, millis: self.millis })
    }
}

impl LoadV1 {
    const fn of(load: HostLoad) -> Self {
        Self {
            load1: load.load1,
            memory_available_mib: load.memory_available_mib,
            cpu_pressure10: load.cpu_pressure10,
        }
    }

    const fn into_load(self) -> HostLoad {
        HostLoad {
            load1: self.load1,
            memory_available_mib: self.memory_available_mib,
            cpu_pressure10: self.cpu_pressure10,
        }
    }
}

impl IntakeKeyV1 {
    const fn of(key: IntakeKey) -> Self {
        Self {
            device: key.device,
            inode: key.inode,
            ctime_ns: key.ctime_ns,
            hash: *key.hash.as_bytes(),
        }
    }

    const fn into_key(self) -> IntakeKey {
        IntakeKey {
            device: self.device,
            inode: self.inode,
            ctime_ns: self.ctime_ns,
            hash: Digest::from_bytes(self.hash),
        }
    }
}

fn part(name: &str) -> Option<Part> {
    let all = [Part::Fetch, Part::Deploy, Part::Boot, Part::Test, Part::Collect];
    named(all, Part::name, name)
}

pub(super) fn named<T: Copy, const N: usize>(
    all: [T; N],
    of: fn(T) -> &'static str,
    name: &str,
) -> Option<T> {
    all.into_iter().find(|one| of(*one) == name)
}

/// Absent is fine, present but unreadable is not.
fn flip<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |inner| inner.map(Some))
}

/// Longer than a record can say is as long as it can say.
fn micros(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX)
}
