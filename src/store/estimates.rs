//! What was foretold of jobs, how right it was, and what parts of jobs take on a device type
//! whatever the jobs are.
//!
//! Of a job the first thing that was said is kept, and what was said when it started. When it ends
//! both are compared with what came, in the transaction of its end; what was learned by that stays
//! when the job is forgotten. A start is compared for every job that started, an end only for one
//! that went well: what is foretold is how long a job takes that does.
//!
//! As in `record`, bincode's order of fields is the format: `ForesightV1`, `AccuracyV1` and
//! `TimesV1` never change.

use std::{collections::BTreeMap, time::Duration};

use bincode::{Decode, Encode};
use jiff::Timestamp;
use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError,
    record::{CONFIG, whole},
    sketch::Sketch,
    table::{Rows as _, Snapshot as _, Table, Writing},
};
use crate::model::{Foresight, Foretold, Job, JobId, LONGEST_SPOT, Outlook, Part, Stage, Verdict};

/// Job number to what was foretold of it (`ForesightV1`).
pub(super) const ESTIMATES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("estimates-1");
/// (device type, stage) to how right it was (`AccuracyV1`).
pub(super) const ACCURACY: TableDefinition<'_, (&str, &str), &[u8]> =
    TableDefinition::new("estimates-accuracy-1");
/// (device type, part) to what it took in all jobs that went well (`TimesV1`).
pub(super) const TIMES: TableDefinition<'_, (&str, &str), &[u8]> =
    TableDefinition::new("device-times-1");

/// Names in `counts`: forgotten jobs whose starts were compared, by stage.
pub(super) const FORGOTTEN: [&str; 2] =
    ["estimates forgotten submitted", "estimates forgotten started"];

/// Device types that anything is learned for. A box has a few; names in job files that no device
/// has never come here, as their jobs do not start.
const MOST_DEVICE_TYPES: usize = 1_000;

/// What [`TIMES`] calls the wait in the queue, beside the names of parts.
const QUEUE: &str = "queue";
/// The same of the time from start to end.
const WHOLE: &str = "whole";

#[derive(Encode, Decode)]
struct ForesightV1 {
    submitted: Option<OutlookV1>,
    started: Option<OutlookV1>,
}

/// Microseconds since 1970.
#[derive(Encode, Decode)]
struct OutlookV1 {
    start_us: i64,
    start_late_us: i64,
    end_us: i64,
    end_late_us: i64,
}

#[derive(Encode, Decode)]
struct AccuracyV1 {
    start: MissesV1,
    end: MissesV1,
}

/// Milliseconds.
#[derive(Encode, Decode)]
struct MissesV1 {
    in_time: u64,
    sooner: Vec<u8>,
    later: Vec<u8>,
}

#[derive(Encode, Decode)]
struct TimesV1 {
    /// Milliseconds.
    millis: Vec<u8>,
}

/// By how much moments of one kind were missed. Milliseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Misses {
    /// How many came by the moment after which they hardly come.
    pub in_time: u64,
    /// By how much too early those came that came before their usual moment.
    pub sooner: Sketch,
    /// By how much too late, or (0) at the moment itself.
    pub later: Sketch,
}

impl Misses {
    pub fn count(&self) -> u64 {
        self.sooner.count() + self.later.count()
    }

    /// The miss that a share of `at` of all are not above; below nothing is too early.
    pub fn quantile(&self, at: f64) -> Option<f64> {
        let all = self.count();
        let place = at.clamp(0.0, 1.0) * (all.checked_sub(1)? as f64);
        let sooner = self.sooner.count() as f64;
        if place < sooner {
            // The largest of those that came too early are the least of all.
            let from_top = sooner - 1.0 - place.floor();
            let share = if sooner > 1.0 { from_top / (sooner - 1.0) } else { 0.0 };
            return self.sooner.quantile(share).map(|millis| -millis);
        }
        let later = self.later.count() as f64;
        let share = if later > 1.0 { (place.floor() - sooner) / (later - 1.0) } else { 0.0 };
        self.later.quantile(share)
    }

    fn add(&mut self, foretold: Foretold, came: Timestamp) {
        let miss = foretold.missed(came);
        let millis = miss.micros as f64 / 1e3;
        self.in_time += u64::from(miss.in_time);
        if millis < 0.0 { self.sooner.add(-millis) } else { self.later.add(millis) }
    }

    /// As if all of `other` had been added.
    pub fn merge(&mut self, other: &Self) {
        self.in_time += other.in_time;
        self.sooner.merge(&other.sooner);
        self.later.merge(&other.later);
    }
}

/// How right what was foretold at one stage has been.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Accuracy {
    pub start: Misses,
    pub end: Misses,
}

impl Accuracy {
    /// Whether both have counted the same, in whatever order.
    fn is_like(&self, other: &Self) -> bool {
        let told = |misses: &Misses| (misses.in_time, misses.sooner.bins(), misses.later.bins());
        told(&self.start) == told(&other.start) && told(&self.end) == told(&other.end)
    }
}

/// What parts of jobs take on a device type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceTimes {
    /// From the submission to the start.
    pub queue: Sketch,
    /// From the start to the end.
    pub whole: Sketch,
    pub parts: BTreeMap<Part, Sketch>,
}

/// The three tables, open in one transaction.
pub(super) struct Estimates<'txn> {
    estimates: Table<'txn, u64, &'static [u8]>,
    accuracy: Table<'txn, (&'static str, &'static str), &'static [u8]>,
    times: Table<'txn, (&'static str, &'static str), &'static [u8]>,
}

impl<'txn> Estimates<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self {
            estimates: txn.table(ESTIMATES)?,
            accuracy: txn.table(ACCURACY)?,
            times: txn.table(TIMES)?,
        })
    }

    /// Keeps what was foretold of a job at a stage. What was said first stands. Whether it was
    /// otherwise before.
    pub(super) fn keep(
        &mut self,
        id: JobId,
        stage: Stage,
        outlook: Outlook,
    ) -> Result<bool, StoreError> {
        let mut kept = self.kept(id)?.unwrap_or_default();
        let place = match stage {
            Stage::Submitted => &mut kept.submitted,
            Stage::Started => &mut kept.started,
        };
        if place.is_some() {
            return Ok(false);
        }
        *place = Some(outlook);
        let record = ForesightV1 {
            submitted: kept.submitted.as_ref().map(OutlookV1::of),
            started: kept.started.as_ref().map(OutlookV1::of),
        };
        self.estimates.insert(id.0, encode(record).as_slice())?;
        Ok(true)
    }

    fn kept(&self, id: JobId) -> Result<Option<Foresight>, StoreError> {
        let bytes = self.estimates.get(id.0)?;
        bytes.map(|bytes| foresight(id, bytes.value())).transpose()
    }

    /// Learns from a job that has ended.
    pub(super) fn learn(&mut self, job: &Job) -> Result<(), StoreError> {
        let kept = self.kept(job.id)?.unwrap_or_default();
        if self.is_learned_for(&job.device_type)? {
            for (stage, outlook) in stages(&kept) {
                let key = (&*job.device_type, stage.name());
                let mut accuracy = match self.accuracy.get(key)? {
                    Some(bytes) => accuracy(key, bytes.value())?,
                    None => Accuracy::default(),
                };
                if compare(&mut accuracy, &outlook, job) {
                    let record = encode(AccuracyV1::of(&accuracy));
                    self.accuracy.insert(key, record.as_slice())?;
                }
            }
            self.time(job)?;
        }
        Ok(())
    }

    /// Takes what the parts of a job took.
    pub(super) fn time(&mut self, job: &Job) -> Result<(), StoreError> {
        for (name, time) in times(job) {
            let key = (&*job.device_type, name);
            let mut sketch = match self.times.get(key)? {
                Some(bytes) => times_of(key, bytes.value())?,
                None => Sketch::default(),
            };
            sketch.add(time.as_secs_f64() * 1e3);
            let record = encode(TimesV1 { millis: sketch.encode() });
            self.times.insert(key, record.as_slice())?;
        }
        Ok(())
    }

    fn is_learned_for(&self, device_type: &str) -> Result<bool, StoreError> {
        if device_type.len() > LONGEST_SPOT {
            return Ok(false);
        }
        let is_there = |key| Ok::<_, StoreError>(self.times.get(key)?.is_some());
        if is_there((device_type, QUEUE))? {
            return Ok(true);
        }
        let mut count = 0;
        for entry in self.times.iter()? {
            count += usize::from(entry?.0.value().1 == QUEUE);
        }
        Ok(count < MOST_DEVICE_TYPES)
    }

    /// The job is taken out of the store. Returns for each stage whether it was learned from.
    pub(super) fn forget(&mut self, job: &Job) -> Result<[bool; 2], StoreError> {
        let kept = self.kept(job.id)?.unwrap_or_default();
        self.estimates.remove(job.id.0)?;
        let learned = |outlook: Option<Outlook>| outlook.is_some() && job.started.is_some();
        Ok([learned(kept.submitted), learned(kept.started)])
    }
}

/// Takes a job into what is known of a stage. Whether there was anything to take.
fn compare(accuracy: &mut Accuracy, outlook: &Outlook, job: &Job) -> bool {
    let Some(started) = job.started else { return false };
    accuracy.start.add(outlook.start, started);
    if let (true, Some(ended)) = (went_well(job), job.ended) {
        accuracy.end.add(outlook.end, ended);
    }
    true
}

const fn went_well(job: &Job) -> bool {
    matches!(job.verdict, Some(Verdict::Passed | Verdict::Softfailed))
}

fn stages(kept: &Foresight) -> impl Iterator<Item = (Stage, Outlook)> {
    let both = [(Stage::Submitted, kept.submitted), (Stage::Started, kept.started)];
    both.into_iter().filter_map(|(stage, outlook)| Some((stage, outlook?)))
}

/// What a job has taken, by the names of [`TIMES`]. Parts of a kind count together.
fn times(job: &Job) -> Vec<(&'static str, Duration)> {
    let mut found = Vec::new();
    let between = |from: Timestamp, to: Timestamp| -> Duration {
        to.duration_since(from).try_into().unwrap_or_default()
    };
    let Some(started) = job.started else { return found };
    found.push((QUEUE, between(job.submitted, started)));
    if !went_well(job) {
        return found;
    }
    if let Some(ended) = job.ended {
        found.push((WHOLE, between(started, ended)));
    }
    let mut parts: BTreeMap<Part, Duration> = BTreeMap::new();
    for part in &job.parts {
        let sum = parts.entry(part.part).or_default();
        *sum = sum.saturating_add(Duration::from_millis(part.millis));
    }
    found.extend(parts.into_iter().map(|(part, time)| (part.name(), time)));
    found
}

pub(super) fn of_job(txn: &ReadTransaction, id: JobId) -> Result<Foresight, StoreError> {
    let table = txn.table(ESTIMATES)?;
    let bytes = table.get(id.0)?;
    Ok(bytes.map(|bytes| foresight(id, bytes.value())).transpose()?.unwrap_or_default())
}

/// How right it was, by device type and stage.
pub(super) fn accuracies(
    txn: &ReadTransaction,
) -> Result<Vec<(String, Stage, Accuracy)>, StoreError> {
    let table = txn.table(ACCURACY)?;
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (key, bytes) = entry?;
        let key = key.value();
        // One of a later version is not ours to tell.
        let Some(stage) = Stage::ALL.into_iter().find(|stage| stage.name() == key.1) else {
            continue;
        };
        found.push((key.0.to_owned(), stage, accuracy(key, bytes.value())?));
    }
    Ok(found)
}

pub(super) fn device_times(
    txn: &ReadTransaction,
    device_type: &str,
) -> Result<DeviceTimes, StoreError> {
    let table = txn.table(TIMES)?;
    let one = |name: &str| -> Result<Sketch, StoreError> {
        let key = (device_type, name);
        let bytes = table.get(key)?;
        bytes.map_or_else(|| Ok(Sketch::default()), |bytes| times_of(key, bytes.value()))
    };
    let mut parts = BTreeMap::new();
    for part in Part::ALL {
        let sketch = one(part.name())?;
        if !sketch.is_empty() {
            parts.insert(part, sketch);
        }
    }
    Ok(DeviceTimes { queue: one(QUEUE)?, whole: one(WHOLE)?, parts })
}

/// What the jobs there are have taught, told anew, to be compared with the tables.
#[derive(Default)]
pub(super) struct Recount {
    accuracy: BTreeMap<(String, Stage), Accuracy>,
    /// Jobs that something was foretold of.
    foretold: u64,
}

impl Recount {
    pub(super) fn job(&mut self, txn: &ReadTransaction, job: &Job) -> Result<(), StoreError> {
        let kept = of_job(txn, job.id)?;
        self.foretold += u64::from(kept != Foresight::default());
        if job.ended.is_some() {
            for (stage, outlook) in stages(&kept) {
                let mut accuracy = Accuracy::default();
                if compare(&mut accuracy, &outlook, job) {
                    let all = self.accuracy.entry((job.device_type.clone(), stage)).or_default();
                    all.start.merge(&accuracy.start);
                    all.end.merge(&accuracy.end);
                }
            }
        }
        Ok(())
    }

    /// Whether the tables say the same; of forgotten jobs only how many there were is known. Of a
    /// device type beyond the most there may be, nothing was learned.
    pub(super) fn compare(
        self,
        txn: &ReadTransaction,
        forgotten: [u64; 2],
    ) -> Result<Result<(), String>, StoreError> {
        let table = txn.table(ESTIMATES)?;
        let kept = table.len()?;
        if kept != self.foretold {
            return Ok(Err(format!("{kept} jobs, not {}", self.foretold)));
        }
        let kept: BTreeMap<_, _> = accuracies(txn)?
            .into_iter()
            .map(|(device_type, stage, accuracy)| ((device_type, stage), accuracy))
            .collect();
        for (stage, forgotten) in Stage::ALL.into_iter().zip(forgotten) {
            let of = |all: &BTreeMap<(String, Stage), Accuracy>| -> u64 {
                let known = all.iter().filter(|(key, _)| key.1 == stage && kept.contains_key(*key));
                known.map(|(_, accuracy)| accuracy.start.count()).sum()
            };
            let (found, expected) = (of(&kept), of(&self.accuracy) + forgotten);
            if found != expected {
                return Ok(Err(format!("{found} starts at {}, not {expected}", stage.name())));
            }
            let same = |(key, accuracy): (&(String, Stage), &Accuracy)| {
                key.1 != stage || kept.get(key).is_none_or(|kept| kept.is_like(accuracy))
            };
            if forgotten == 0 && !self.accuracy.iter().all(same) {
                return Ok(Err(format!("other misses at {} than those of the jobs", stage.name())));
            }
        }
        Ok(Ok(()))
    }
}

impl OutlookV1 {
    fn of(outlook: &Outlook) -> Self {
        Self {
            start_us: outlook.start.usual.as_microsecond(),
            start_late_us: outlook.start.late.as_microsecond(),
            end_us: outlook.end.usual.as_microsecond(),
            end_late_us: outlook.end.late.as_microsecond(),
        }
    }

    fn outlook(&self) -> Option<Outlook> {
        let at = |micros| Timestamp::from_microsecond(micros).ok();
        Some(Outlook {
            start: Foretold { usual: at(self.start_us)?, late: at(self.start_late_us)? },
            end: Foretold { usual: at(self.end_us)?, late: at(self.end_late_us)? },
        })
    }
}

impl AccuracyV1 {
    fn of(accuracy: &Accuracy) -> Self {
        let misses = |misses: &Misses| MissesV1 {
            in_time: misses.in_time,
            sooner: misses.sooner.encode(),
            later: misses.later.encode(),
        };
        Self { start: misses(&accuracy.start), end: misses(&accuracy.end) }
    }
}

impl MissesV1 {
    fn misses(&self) -> Option<Misses> {
        let (sooner, later) = (Sketch::decode(&self.sooner)?, Sketch::decode(&self.later)?);
        Some(Misses { in_time: self.in_time, sooner, later })
    }
}

fn encode(record: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

fn foresight(id: JobId, bytes: &[u8]) -> Result<Foresight, StoreError> {
    let what = || format!("what was foretold of job {id}");
    whole(bytes, what, |record: ForesightV1| {
        let outlook = |one: Option<OutlookV1>| match one {
            Some(one) => one.outlook().map(Some),
            None => Some(None),
        };
        Some(Foresight { submitted: outlook(record.submitted)?, started: outlook(record.started)? })
    })
}

fn accuracy((device_type, stage): (&str, &str), bytes: &[u8]) -> Result<Accuracy, StoreError> {
    let what = || format!("how right {stage} was on {device_type}");
    whole(bytes, what, |record: AccuracyV1| {
        Some(Accuracy { start: record.start.misses()?, end: record.end.misses()? })
    })
}

fn times_of((device_type, name): (&str, &str), bytes: &[u8]) -> Result<Sketch, StoreError> {
    let what = || format!("what {name} takes on {device_type}");
    whole(bytes, what, |record: TimesV1| Sketch::decode(&record.millis))
}
