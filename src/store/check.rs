//! Do all tables say the same? Walked by `sutler store check` and at the end of every test.

use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::{
    Counts, Inconsistency, StoreError, Totals,
    audience::AUDIENCES,
    definitions::{REFS, TEXTS},
    estimates::{self, Recount},
    idempotency::{KEYS, KEYS_BY_TIME},
    known::{self, MARKS},
    measures,
    occurrences::{self, OCCURRENCES},
    people, read,
    record::Stored,
    table::{ReadTable, Rows as _, Snapshot as _},
    tables::{
        self, BUNDLES, BY_END, BY_INTAKE, BY_STATE, BY_UUID, COUNTS, HOLDINGS, LAST_JOB, REMOVABLE,
        UNMEASURED, UNSHELVED, end_key, intake, state_key,
    },
    terms::{self, BY_TERM, TERMS},
};
use crate::model::{Counted, Job, JobId};

/// How many jobs there are.
///
/// # Errors
/// The first disagreement found.
pub(super) fn consistent(txn: &ReadTransaction) -> Result<u64, Inconsistency> {
    let mut walk = Walk::open(txn)?;
    let jobs = read::Jobs::open(txn)?;
    for entry in jobs.records().range::<u64>(..)? {
        let (id, bytes) = entry?;
        let stored = jobs.read(JobId(id.value()), bytes.value())?;
        walk.job(&stored)?;
        walk.foretold.job(txn, &stored.job)?;
    }
    for bundle in known::consistent(txn, &jobs)? {
        *walk.bundles.entry(bundle).or_default() += 1;
    }
    people::consistent(txn)?;
    walk.end(txn)
}

/// Day, kind, measure or rule, device type, job name.
type Happened = (u32, &'static str, String, String, String);

struct Walk {
    by_state: ReadTable<(u8, u8, u64), ()>,
    by_end: ReadTable<(i64, u64), ()>,
    by_term: ReadTable<(u64, i64, u64), ()>,
    terms: ReadTable<terms::Name<'static>, (u64, u64)>,
    by_uuid: ReadTable<u128, u64>,
    by_intake: ReadTable<tables::Intake, u64>,
    removable: ReadTable<tables::Removable, u64>,
    unmeasured: ReadTable<u64, ()>,
    unshelved: ReadTable<u64, ()>,
    holdings: ReadTable<u64, &'static [u8]>,
    marks: ReadTable<(u64, &'static str), bool>,
    audiences: ReadTable<(&'static str, u8, &'static str), ()>,
    /// Definition to the jobs that have it.
    definitions: BTreeMap<[u8; 32], u64>,
    counts: Counts,
    totals: Totals,
    /// Bundle to the jobs that refer to it, and the retries that wait for their time.
    bundles: BTreeMap<[u8; 32], u64>,
    /// What happened to the jobs there are, and how long they ran.
    occurrences: BTreeMap<Happened, (u64, u64)>,
    /// How many ended jobs have each term.
    by_terms: BTreeMap<(u8, String, String), u64>,
    /// What was foretold of them, and how right it was.
    foretold: Recount,
    jobs: u64,
    lengths: Lengths,
    last: u64,
}

/// How many entries each table should have.
#[derive(Default)]
struct Lengths {
    ended: u64,
    by_term: u64,
    from_inbox: u64,
    removable: u64,
    unmeasured: u64,
    unshelved: u64,
    holdings: u64,
}

impl Walk {
    fn open(txn: &ReadTransaction) -> Result<Self, Inconsistency> {
        Ok(Self {
            by_state: txn.table(BY_STATE)?,
            by_end: txn.table(BY_END)?,
            by_term: txn.table(BY_TERM)?,
            terms: txn.table(TERMS)?,
            by_uuid: txn.table(BY_UUID)?,
            by_intake: txn.table(BY_INTAKE)?,
            removable: txn.table(REMOVABLE)?,
            unmeasured: txn.table(UNMEASURED)?,
            unshelved: txn.table(UNSHELVED)?,
            holdings: txn.table(HOLDINGS)?,
            marks: txn.table(MARKS)?,
            audiences: txn.table(AUDIENCES)?,
            definitions: BTreeMap::new(),
            counts: Counts::default(),
            totals: Totals::default(),
            bundles: BTreeMap::new(),
            occurrences: BTreeMap::new(),
            by_terms: BTreeMap::new(),
            foretold: Recount::default(),
            jobs: 0,
            lengths: Lengths::default(),
            last: 0,
        })
    }

    /// Is this job in every index it belongs in? Entries too many show in the lengths.
    fn job(&mut self, Stored { job, intake_key }: &Stored) -> Result<(), Inconsistency> {
        let missing = |table| disagree(table, format!("job {} is not in it", job.id));
        self.jobs += 1;
        self.last = job.id.0;
        self.counts.states[job.state as usize] += 1;
        *self.definitions.entry(*job.definition_hash.as_bytes()).or_default() += 1;
        if self.by_state.get(state_key(job))?.is_none() {
            return Err(missing("jobs-by-state"));
        }
        let by_uuid = self.by_uuid.get(job.uuid.as_u128())?;
        if by_uuid.map(|id| id.value()) != Some(job.id.0) {
            return Err(missing("jobs-by-uuid"));
        }
        if let Some(key) = end_key(job) {
            self.lengths.ended += 1;
            if self.by_end.get(key)?.is_none() {
                return Err(missing("jobs-by-end"));
            }
            self.terms(job, key)?;
        }
        if let Some(verdict) = job.verdict {
            self.counts.verdicts[verdict as usize] += 1;
        }
        if let Some(key) = intake_key {
            self.lengths.from_inbox += 1;
            let id = self.by_intake.get(intake(key))?;
            if id.map(|id| id.value()) != Some(job.id.0) {
                return Err(missing("jobs-by-intake-key"));
            }
        }
        for (key, bytes) in tables::removable(job) {
            self.lengths.removable += 1;
            let found = self.removable.get(key)?;
            if found.map(|found| found.value()) != Some(bytes) {
                return Err(missing("removable"));
            }
        }
        if job.ended.is_some() && !job.holdings.measured {
            self.lengths.unmeasured += 1;
            if self.unmeasured.get(job.id.0)?.is_none() {
                return Err(missing("unmeasured"));
            }
        }
        if self.unshelved.get(job.id.0)?.is_some() {
            self.lengths.unshelved += 1;
            if job.ended.is_none() || !job.holdings.has_results() {
                return Err(disagree("unshelved", format!("job {} has no screens", job.id)));
            }
        }
        if self.holdings.get(job.id.0)?.is_some() {
            self.lengths.holdings += 1;
        }
        if job.holdings.has_results() {
            *self.bundles.entry(*job.bundle.as_bytes()).or_default() += 1;
        }
        people::audience(&self.audiences, job)?;
        self.happened(job)?;
        self.totals.videos += job.holdings.video_bytes;
        self.totals.results += job.holdings.results_bytes;
        self.totals.kept_jobs += u64::from(job.holdings.kept.is_some());
        Ok(())
    }

    fn end(mut self, txn: &ReadTransaction) -> Result<u64, Inconsistency> {
        for (table, length, expected) in [
            ("jobs-by-state", self.by_state.len(), self.jobs),
            ("jobs-by-term", self.by_term.len(), self.lengths.by_term),
            ("terms", self.terms.len(), self.by_terms.len() as u64),
            ("jobs-by-uuid", self.by_uuid.len(), self.jobs),
            ("jobs-by-end", self.by_end.len(), self.lengths.ended),
            ("jobs-by-intake-key", self.by_intake.len(), self.lengths.from_inbox),
            ("removable", self.removable.len(), self.lengths.removable),
            ("unmeasured", self.unmeasured.len(), self.lengths.unmeasured),
            ("unshelved", self.unshelved.len(), self.lengths.unshelved),
            ("holdings", self.holdings.len(), self.lengths.holdings),
        ] {
            let length = length?;
            if length != expected {
                return Err(disagree(table, format!("{length} entries, not {expected}")));
            }
        }
        self.term_counts()?;
        self.bundles(txn)?;
        self.definitions(txn)?;
        idempotency_agrees(txn)?;
        let counts = read::counts(txn)?;
        if counts != self.counts {
            return Err(disagree("counts", format!("{counts:?}, not {:?}", self.counts)));
        }
        let totals = read::totals(txn)?;
        // What was ever added cannot be told from what is there now.
        self.totals.added_videos = totals.added_videos;
        self.totals.added_results = totals.added_results;
        if totals != self.totals {
            return Err(disagree("counts", format!("{totals:?}, not {:?}", self.totals)));
        }
        self.occurrences(txn)?;
        let table = txn.table(COUNTS)?;
        let mut learned = [0; measures::COUNTED.len()];
        for (number, name) in learned.iter_mut().zip(measures::COUNTED) {
            *number = table.get(name)?.map_or(0, |count| count.value());
        }
        let mut forgotten = [0; estimates::FORGOTTEN.len()];
        for (number, name) in forgotten.iter_mut().zip(estimates::FORGOTTEN) {
            *number = table.get(name)?.map_or(0, |count| count.value());
        }
        let foretold = std::mem::take(&mut self.foretold).compare(txn, forgotten)?;
        foretold.map_err(|what| disagree("estimates", what))?;
        measures::check(txn, learned)?.map_err(|what| disagree("series", what))?;
        let last = table.get(LAST_JOB)?.map_or(0, |last| last.value());
        if last < self.last {
            return Err(disagree("counts", format!("last job {last}, but there is {}", self.last)));
        }
        Ok(self.jobs)
    }

    /// Is an ended job found by all that it has?
    fn terms(&mut self, job: &Job, (end, id): (i64, u64)) -> Result<(), Inconsistency> {
        terms::each_name(job, |(field, key, value)| {
            self.lengths.by_term += 1;
            *self.by_terms.entry((field, key.to_owned(), value.to_owned())).or_default() += 1;
            let known = self.terms.get((field, key, value))?;
            let entry = match known.map(|known| (known.value().0, end, id)) {
                Some(entry) => self.by_term.get(entry)?,
                None => None,
            };
            if entry.is_none() {
                let what = format!("job {id} is not in it as {field} {key:?} {value:?}");
                return Err(disagree("jobs-by-term", what));
            }
            Ok(())
        })
    }

    /// Is the number of jobs of each term what they come to?
    fn term_counts(&self) -> Result<(), Inconsistency> {
        for ((field, key, value), jobs) in &self.by_terms {
            let known = self.terms.get((*field, &**key, &**value))?;
            let found = known.map_or(0, |known| known.value().1);
            if found != *jobs {
                let what = format!("{field} {key:?} {value:?}: {found} jobs, not {jobs}");
                return Err(disagree("terms", what));
            }
        }
        Ok(())
    }

    fn happened(&mut self, job: &Job) -> Result<(), Inconsistency> {
        if job.ended.is_none() {
            return Ok(());
        }
        // At its end it counts for the first rule that knew it, later for each that finds it.
        let mut what = Counted::of(job);
        what.retain(|one| !matches!(one, Counted::Known { .. }));
        let mut at_end = None;
        let marks = (job.id.0, "")..(job.id.0 + 1, "");
        for mark in self.marks.range(marks)? {
            let (key, later) = mark?;
            let known = Counted::Known { rule: key.value().1.to_owned() };
            if later.value() {
                what.push(known);
            } else {
                at_end.get_or_insert(known);
            }
        }
        for one in what.into_iter().chain(at_end) {
            let (day, ..) = occurrences::key(job, &one);
            let (device_type, name) = (job.device_type.clone(), job.name.clone());
            let key = (day, one.kind(), one.subject().to_owned(), device_type, name);
            let (count, seconds) = self.occurrences.entry(key).or_default();
            *count += 1;
            *seconds += occurrences::cost(job);
        }
        Ok(())
    }

    /// Is everything counted that happened to the jobs there are? More may be: of jobs that were
    /// forgotten.
    fn occurrences(&self, txn: &ReadTransaction) -> Result<(), Inconsistency> {
        let table = txn.table(OCCURRENCES)?;
        for ((day, kind, subject, device_type, job), (count, seconds)) in &self.occurrences {
            let key = (*day, *kind, &**subject, &**device_type, &**job);
            let found = table.get(key)?.map_or((0, 0), |found| found.value());
            if found.0 < *count || found.1 < *seconds {
                let what =
                    format!("{kind} {subject} of {job:?}: {found:?}, not {:?}", (count, seconds));
                return Err(disagree("occurrences", what));
            }
        }
        Ok(())
    }

    fn definitions(&self, txn: &ReadTransaction) -> Result<(), Inconsistency> {
        let refs = txn.table(REFS)?;
        let texts = txn.table(TEXTS)?.len()?;
        let mut found = BTreeMap::new();
        for entry in refs.range::<[u8; 32]>(..)? {
            let (hash, jobs) = entry?;
            found.insert(hash.value(), jobs.value());
        }
        if found != self.definitions || texts != found.len() as u64 {
            let (found, expected) = (found.len(), self.definitions.len());
            let what = format!("{found} of {texts} texts, not {expected}, or other jobs");
            return Err(disagree("definitions", what));
        }
        Ok(())
    }

    fn bundles(&mut self, txn: &ReadTransaction) -> Result<(), Inconsistency> {
        let table = txn.table(BUNDLES)?;
        let mut found = BTreeMap::new();
        for entry in table.range::<[u8; 32]>(..)? {
            let (bundle, entry) = entry?;
            let (refs, bytes) = entry.value();
            self.totals.bundles += bytes;
            found.insert(bundle.value(), refs);
        }
        if found != self.bundles {
            let (found, expected) = (found.len(), self.bundles.len());
            return Err(disagree(
                "bundles",
                format!("{found} bundles, not {expected}, or other jobs"),
            ));
        }
        Ok(())
    }
}

/// Is every key found by its time?
fn idempotency_agrees(txn: &ReadTransaction) -> Result<(), Inconsistency> {
    let keys = txn.table(KEYS)?;
    let by_time = txn.table(KEYS_BY_TIME)?;
    let lengths = (keys.len()?, by_time.len()?);
    if lengths.0 != lengths.1 {
        return Err(disagree("idempotency-keys", format!("{lengths:?} entries")));
    }
    for entry in by_time.range::<(i64, &str, &str)>(..)? {
        let (place, _) = entry?;
        let (at, submitter, key) = place.value();
        let found = keys.get((submitter, key))?.map(|found| found.value().0);
        if found != Some(at) {
            return Err(disagree("idempotency-keys", format!("{key} of {submitter}: {found:?}")));
        }
    }
    Ok(())
}

pub(super) fn disagree(table: &'static str, what: String) -> Inconsistency {
    Inconsistency::Table { table, what }
}

impl From<StoreError> for Inconsistency {
    fn from(source: StoreError) -> Self {
        Self::Unreadable { source }
    }
}
