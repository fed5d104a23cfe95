//! Rules and failures as bytes on disk.
//!
//! As in `record`, bincode's order of fields is the format: nothing in this file ever changes.

use bincode::{Decode, Encode};
use jiff::Timestamp;

use crate::{
    model::{
        Code, FailedStep, Failure, KnownRule, Part, Pattern, RuleRetry, Signature, Touch, Verdict,
        Who,
    },
    store::{
        StoreError,
        record::{CONFIG, named, whole},
    },
};

/// Times are microseconds since 1970.
#[derive(Encode, Decode)]
struct KnownRuleV1 {
    owner: String,
    notes: String,
    bug: Option<String>,
    created_us: i64,
    created_by: String,
    changed_us: i64,
    changed_by: String,
    enabled: bool,
    codes: Vec<String>,
    who: Option<String>,
    words: Option<String>,
    log: Option<String>,
    serial: Option<String>,
    needle: Option<String>,
    job: Option<String>,
    device_type: Option<String>,
    automatic: Option<bool>,
    most: Option<u32>,
    backoff_s: Option<u64>,
}

#[derive(Encode, Decode)]
struct FailureV1 {
    signature: u64,
    verdict: String,
    who: String,
    code: String,
    words: String,
    part: Option<String>,
    step: Option<FailedStepV1>,
    screen: Option<String>,
    evidence: Vec<String>,
    log: Vec<String>,
    serial: Vec<String>,
    job: String,
    device_type: String,
}

#[derive(Encode, Decode)]
struct FailedStepV1 {
    path: String,
    verb: String,
    subject: String,
    needles: Vec<String>,
    tags: Vec<String>,
}

pub(in crate::store) fn encode_rule(rule: &KnownRule) -> Vec<u8> {
    let KnownRule { pattern, retry, .. } = rule.clone();
    let record = KnownRuleV1 {
        owner: rule.owner.clone(),
        notes: rule.notes.clone(),
        bug: rule.bug.clone(),
        created_us: rule.created.at.as_microsecond(),
        created_by: rule.created.by.clone(),
        changed_us: rule.changed.at.as_microsecond(),
        changed_by: rule.changed.by.clone(),
        enabled: rule.enabled,
        codes: pattern.codes.iter().map(|code| code.name().into()).collect(),
        who: pattern.who.map(|who| who.name().into()),
        words: pattern.words,
        log: pattern.log,
        serial: pattern.serial,
        needle: pattern.needle,
        job: pattern.job,
        device_type: pattern.device_type,
        automatic: retry.automatic,
        most: retry.most,
        backoff_s: retry.backoff_s,
    };
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

/// # Errors
/// [`StoreError::Damaged`] when these bytes are not one record.
pub(in crate::store) fn decode_rule(name: &str, bytes: &[u8]) -> Result<KnownRule, StoreError> {
    let what = || format!("the known failure {name}");
    whole(bytes, what, |record: KnownRuleV1| record.into_rule(name))
}

pub(in crate::store) fn encode_failure(signature: Signature, failure: &Failure) -> Vec<u8> {
    let failure = failure.clone();
    let record = FailureV1 {
        signature: signature.0,
        verdict: failure.verdict.name().into(),
        who: failure.who.name().into(),
        code: failure.code.name().into(),
        words: failure.words,
        part: failure.part.map(|part| part.name().into()),
        step: failure.step.map(|step| FailedStepV1 {
            path: step.path,
            verb: step.verb,
            subject: step.subject,
            needles: step.needles,
            tags: step.tags,
        }),
        screen: failure.screen,
        evidence: failure.evidence,
        log: failure.log,
        serial: failure.serial,
        job: failure.job,
        device_type: failure.device_type,
    };
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

/// # Errors
/// [`StoreError::Damaged`] when these bytes are not one record.
pub(in crate::store) fn decode_failure(
    id: u64,
    bytes: &[u8],
) -> Result<(Signature, Failure), StoreError> {
    let what = || format!("the failure of job {id}");
    whole(bytes, what, |record: FailureV1| {
        let signature = Signature(record.signature);
        Some((signature, record.into_failure()?))
    })
}

fn who(name: &str) -> Option<Who> {
    named(Who::ALL, Who::name, name)
}

fn code(name: &str) -> Option<Code> {
    named(Code::ALL, Code::name, name)
}

fn part(name: &str) -> Option<Part> {
    let all = [Part::Fetch, Part::Deploy, Part::Boot, Part::Test, Part::Collect];
    named(all, Part::name, name)
}

/// Absent is fine, present but unreadable is not.
fn optional<T>(name: Option<String>, read: fn(&str) -> Option<T>) -> Option<Option<T>> {
    name.map_or(Some(None), |name| read(&name).map(Some))
}

impl KnownRuleV1 {
    fn into_rule(self, name: &str) -> Option<KnownRule> {
        let touch = |us, by| Some(Touch { at: Timestamp::from_microsecond(us).ok()?, by });
        Some(KnownRule {
            name: name.into(),
            owner: self.owner,
            notes: self.notes,
            bug: self.bug,
            created: touch(self.created_us, self.created_by)?,
            changed: touch(self.changed_us, self.changed_by)?,
            enabled: self.enabled,
            pattern: Pattern {
                codes: self.codes.iter().map(|name| code(name)).collect::<Option<_>>()?,
                who: optional(self.who, who)?,
                words: self.words,
                log: self.log,
                serial: self.serial,
                needle: self.needle,
                job: self.job,
                device_type: self.device_type,
            },
            retry: RuleRetry {
                automatic: self.automatic,
                most: self.most,
                backoff_s: self.backoff_s,
            },
        })
    }
}

impl FailureV1 {
    fn into_failure(self) -> Option<Failure> {
        Some(Failure {
            verdict: named(Verdict::ALL, Verdict::name, &self.verdict)?,
            who: who(&self.who)?,
            code: code(&self.code)?,
            words: self.words,
            part: optional(self.part, part)?,
            step: self.step.map(|step| FailedStep {
                path: step.path,
                verb: step.verb,
                subject: step.subject,
                needles: step.needles,
                tags: step.tags,
            }),
            screen: self.screen,
            evidence: self.evidence,
            log: self.log,
            serial: self.serial,
            job: self.job,
            device_type: self.device_type,
        })
    }
}
