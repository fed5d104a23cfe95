//! What jobs have been measured to take: a sketch for each series of values.
//!
//! Only good runs (passed, softfailed) teach; the others are counted beside them. What was learned
//! stays when the job it was learned from is forgotten. The number of series is bounded: beyond
//! [`MOST_SERIES`] the one goes that was fed longest ago, and first among those that too few jobs
//! have fed for anything to be learned, so that a job with a new name every day displaces only its
//! likes.
//!
//! As in `record`, bincode's order of fields is the format: `SeriesV1` never changes.

use std::collections::BTreeSet;

use bincode::{Decode, Encode};
use jiff::Timestamp;
use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError,
    record::{CONFIG, whole},
    sketch::Sketch,
    table::{Rows as _, Snapshot as _, Table, Writing},
};
use crate::model::{Job, LONGEST_SPOT, MOST_SAMPLES, Measure, Sample, Series, Spot, Verdict};

/// (job name, device type, measure, module, step): all of a job stand together.
pub(super) type Key<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);
/// (has taught, day it was last fed since 1970, then as [`Key`]).
pub(super) type DayKey<'a> = (u8, u32, &'a str, &'a str, &'a str, &'a str, &'a str);

/// Series to its sketch (`SeriesV1`).
pub(super) const SERIES: TableDefinition<'_, Key<'_>, &[u8]> = TableDefinition::new("series-1");
/// What goes first when there are too many: the least of these.
pub(super) const SERIES_BY_DAY: TableDefinition<'_, DayKey<'_>, ()> =
    TableDefinition::new("series-by-day-1");

/// Names in `counts`: series there are, and the runs and good runs they have counted.
pub(super) const COUNTED: [&str; 3] = ["series", "series runs", "series good runs"];

/// Some 50 MB at the size a sketch usually has.
pub(super) const MOST_SERIES: u64 = if cfg!(test) { 64 } else { 100_000 };
/// Runs from which on a series is kept before others.
const HAS_TAUGHT: u64 = 10;

#[derive(Encode, Decode)]
struct SeriesV1 {
    /// Of any verdict.
    runs: u64,
    /// When it was last fed, in days since 1970.
    day: u32,
    /// The good runs' values.
    good: Vec<u8>,
}

/// What is known of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    pub series: Series,
    /// Runs of any verdict.
    pub runs: u64,
    /// Values of the good ones.
    pub good: Sketch,
}

/// A job name on a device type that something has been measured of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeasuredJob {
    pub job: String,
    pub device_type: String,
}

/// By how much the numbers in `counts` change.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Growth {
    pub by: [i64; COUNTED.len()],
}

/// The two tables, open in one transaction.
pub(super) struct Measures<'txn> {
    series: Table<'txn, Key<'static>, &'static [u8]>,
    by_day: Table<'txn, DayKey<'static>, ()>,
}

impl<'txn> Measures<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self { series: txn.table(SERIES)?, by_day: txn.table(SERIES_BY_DAY)? })
    }

    /// Takes what a job that has ended was measured to take.
    pub(super) fn feed(&mut self, job: &Job, samples: &[Sample]) -> Result<Growth, StoreError> {
        let mut growth = Growth::default();
        let fits = |name: &str| name.len() <= LONGEST_SPOT;
        if !fits(&job.name) || !fits(&job.device_type) {
            return Ok(growth);
        }
        let is_good = matches!(job.verdict, Some(Verdict::Passed | Verdict::Softfailed));
        let today = job.ended.map_or(0, day);
        for sample in samples.iter().filter(|sample| sample.is_sound()).take(MOST_SAMPLES) {
            let Sample { measure, spot: Spot { module, step }, value } = sample;
            let key = (&*job.name, &*job.device_type, measure.name(), &**module, &**step);
            self.add(key, today, is_good.then_some(*value), &mut growth)?;
        }
        while self.series.len()? > MOST_SERIES {
            self.drop_first(&mut growth)?;
        }
        Ok(growth)
    }

    fn add(
        &mut self,
        key: Key<'_>,
        today: u32,
        good: Option<f64>,
        growth: &mut Growth,
    ) -> Result<(), StoreError> {
        let found = self.series.get(key)?;
        let before = found.map(|bytes| read(key, bytes.value())).transpose()?;
        let is_new = before.is_none();
        let mut record = before.unwrap_or_else(|| SeriesV1 { runs: 0, day: 0, good: Vec::new() });
        let place = day_key(&record, key);
        record.runs += 1;
        record.day = record.day.max(today);
        if let Some(value) = good {
            let mut sketch = sketch(key, &record)?;
            sketch.add(value);
            record.good = sketch.encode();
        }
        let now = day_key(&record, key);
        if is_new || now != place {
            self.by_day.remove(place)?;
            self.by_day.insert(now, ())?;
        }
        let bytes = bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes");
        self.series.insert(key, bytes.as_slice())?;
        growth.by[0] += i64::from(is_new);
        growth.by[1] += 1;
        growth.by[2] += i64::from(good.is_some());
        Ok(())
    }

    /// Names of the jobs that something is known of.
    pub(super) fn names(&self) -> Result<BTreeSet<String>, StoreError> {
        let mut names = BTreeSet::new();
        for entry in self.series.iter()? {
            names.insert(entry?.0.value().0.to_owned());
        }
        Ok(names)
    }

    fn drop_first(&mut self, growth: &mut Growth) -> Result<(), StoreError> {
        let first = self.by_day.first()?;
        let owned = first.map(|(key, _)| {
            let (_, _, job, device_type, measure, module, step) = key.value();
            [job, device_type, measure, module, step].map(str::to_owned)
        });
        match owned {
            Some([job, device_type, measure, module, step]) => {
                self.forget((&job, &device_type, &measure, &module, &step), growth)
            }
            None => Err(damaged("the order of the series")),
        }
    }

    /// Forgets what was learned of one series.
    fn forget(&mut self, key: Key<'_>, growth: &mut Growth) -> Result<(), StoreError> {
        let Some(record) = ({
            let found = self.series.remove(key)?;
            found.map(|bytes| read(key, bytes.value())).transpose()?
        }) else {
            return Err(damaged("the order of the series"));
        };
        self.by_day.remove(day_key(&record, key))?;
        let good = sketch(key, &record)?.count();
        growth.by[0] -= 1;
        growth.by[1] -= record.runs.cast_signed();
        growth.by[2] -= good.cast_signed();
        Ok(())
    }

    /// Forgets all that was learned of the jobs of a name, on one device type or on all of them.
    pub(super) fn unlearn(
        &mut self,
        job: &str,
        device_type: Option<&str>,
    ) -> Result<Growth, StoreError> {
        let mut growth = Growth::default();
        let mut keys = Vec::new();
        for entry in self.series.range(from(job, device_type)..)? {
            let (key, _) = entry?;
            let (name, device, measure, module, step) = key.value();
            if name != job || device_type.is_some_and(|only| device != only) {
                break;
            }
            keys.push([device, measure, module, step].map(str::to_owned));
        }
        for [device, measure, module, step] in keys {
            self.forget((job, &device, &measure, &module, &step), &mut growth)?;
        }
        Ok(growth)
    }
}

/// Days since 1970, in UTC.
pub(super) fn day(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().div_euclid(86_400)).unwrap_or(0)
}

fn day_key<'a>(record: &SeriesV1, key: Key<'a>) -> DayKey<'a> {
    let (job, device_type, measure, module, step) = key;
    let has_taught = u8::from(record.runs >= HAS_TAUGHT);
    (has_taught, record.day, job, device_type, measure, module, step)
}

const fn from<'a>(job: &'a str, device_type: Option<&'a str>) -> Key<'a> {
    (
        job,
        match device_type {
            Some(device_type) => device_type,
            None => "",
        },
        "",
        "",
        "",
    )
}

fn read(key: Key<'_>, bytes: &[u8]) -> Result<SeriesV1, StoreError> {
    whole(bytes, || name(key), Some)
}

fn sketch(key: Key<'_>, record: &SeriesV1) -> Result<Sketch, StoreError> {
    Sketch::decode(&record.good).ok_or_else(|| damaged(&name(key)))
}

fn name((job, _, measure, ..): Key<'_>) -> String {
    format!("{measure} of {job:?}")
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged { what: what.into(), source: None }
}

/// What is known of the jobs of a name, at most `limit` series, on one device type or on all.
pub(super) fn of_job(
    txn: &ReadTransaction,
    job: &str,
    device_type: Option<&str>,
    limit: usize,
) -> Result<Vec<Measured>, StoreError> {
    let table = txn.table(SERIES)?;
    let mut found = Vec::new();
    for entry in table.range(from(job, device_type)..)?.take(limit) {
        let (key, bytes) = entry?;
        let key = key.value();
        if key.0 != job || device_type.is_some_and(|only| key.1 != only) {
            break;
        }
        found.extend(measured(key, bytes.value())?);
    }
    Ok(found)
}

/// The whole and the parts of the jobs of a name on one device type, however many series of steps
/// there are beside them.
pub(super) fn times(
    txn: &ReadTransaction,
    job: &str,
    device_type: &str,
) -> Result<Vec<Measured>, StoreError> {
    let table = txn.table(SERIES)?;
    let mut found = Vec::new();
    for measure in [Measure::JobTime, Measure::PartTime] {
        let from = (job, device_type, measure.name(), "", "");
        for entry in table.range::<Key<'_>>(from..)? {
            let (key, bytes) = entry?;
            let key = key.value();
            if (key.0, key.1, key.2) != (job, device_type, measure.name()) {
                break;
            }
            found.extend(measured(key, bytes.value())?);
        }
    }
    Ok(found)
}

pub(super) fn one(txn: &ReadTransaction, series: &Series) -> Result<Option<Measured>, StoreError> {
    let table = txn.table(SERIES)?;
    let Series { job, device_type, measure, spot: Spot { module, step } } = series;
    let key = (&**job, &**device_type, measure.name(), &**module, &**step);
    let found = table.get(key)?;
    found.map_or(Ok(None), |bytes| measured(key, bytes.value()))
}

/// `None` for a measure of a later version.
fn measured(key: Key<'_>, bytes: &[u8]) -> Result<Option<Measured>, StoreError> {
    let (job, device_type, measure, module, step) = key;
    let record = read(key, bytes)?;
    let good = sketch(key, &record)?;
    Ok(Measure::named(measure).map(|measure| Measured {
        series: Series {
            job: job.into(),
            device_type: device_type.into(),
            measure,
            spot: Spot { module: module.into(), step: step.into() },
        },
        runs: record.runs,
        good,
    }))
}

/// Jobs that something is known of, by name, at most `limit` of those after `after`. A look for
/// each of them, however many series they have.
pub(super) fn jobs(
    txn: &ReadTransaction,
    after: Option<&MeasuredJob>,
    limit: usize,
) -> Result<Vec<MeasuredJob>, StoreError> {
    let table = txn.table(SERIES)?;
    let mut found: Vec<MeasuredJob> = Vec::new();
    while found.len() < limit {
        // No text sorts between a name and the same with the least letter behind it.
        let past = found.last().or(after);
        let past = past.map(|one| (one.job.clone(), format!("{}\0", one.device_type)));
        let from = past.as_ref().map_or(("", ""), |(job, device)| (job, device));
        let mut rest = table.range((from.0, from.1, "", "", "")..)?;
        let Some((key, _)) = rest.next().transpose()? else { break };
        let (job, device_type, ..) = key.value();
        found.push(MeasuredJob { job: job.into(), device_type: device_type.into() });
    }
    Ok(found)
}

/// Whether both tables and the numbers in `counts` say the same.
pub(super) fn check(
    txn: &ReadTransaction,
    counts: [u64; COUNTED.len()],
) -> Result<Result<(), String>, StoreError> {
    let table = txn.table(SERIES)?;
    let by_day = txn.table(SERIES_BY_DAY)?;
    let mut found = [0; COUNTED.len()];
    for entry in table.range::<Key<'_>>(..)? {
        let (key, bytes) = entry?;
        let key = key.value();
        let record = read(key, bytes.value())?;
        let good = sketch(key, &record)?.count();
        if good > record.runs {
            return Ok(Err(format!("{}: {good} good runs of {}", name(key), record.runs)));
        }
        if by_day.get(day_key(&record, key))?.is_none() {
            return Ok(Err(format!("{} is not in its order", name(key))));
        }
        for (sum, more) in found.iter_mut().zip([1, record.runs, good]) {
            *sum += more;
        }
    }
    if by_day.len()? != found[0] {
        return Ok(Err("there is something in the order of the series that is none".into()));
    }
    Ok(if found == counts { Ok(()) } else { Err(format!("{found:?}, not {counts:?}")) })
}
