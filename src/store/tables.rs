//! The tables of layout 6, and the one place that changes them.

use jiff::Timestamp;
use redb::TableDefinition;
use uuid::Uuid;

use super::{
    StoreError,
    audience::Audiences,
    definitions::Definitions,
    devices::{DeviceChange, Devices},
    estimates::{self, Estimates},
    holdings,
    idempotency::Keys,
    known::KnownTables,
    measures::{self, Growth, Measures},
    occurrences::Occurrences,
    people::People,
    record::{self, Stored},
    table::{Rows as _, Table, Writing},
    tally,
    terms::Terms,
    thresholds::{self, THRESHOLDS},
};
use crate::model::{
    Counted, Digest, DiskSample, Holdings, IntakeKey, Job, JobId, JobState, Keepsake, NewJob,
    Outlook, Sample, Scope, SetThreshold, Shelved, Stage, Verdict,
};

/// Job number to its record (`JobV2`).
pub(super) const JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs-2");
/// The same of layouts before 5 (`JobV1`).
pub(super) const FIRST_JOBS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("jobs-1");
/// (state, 255 - priority, job number): best first within a state.
pub(super) const BY_STATE: TableDefinition<'_, (u8, u8, u64), ()> =
    TableDefinition::new("jobs-by-state-1");
/// (end in microseconds since 1970, job number) of ended jobs: the history, oldest first.
pub(super) const BY_END: TableDefinition<'_, (i64, u64), ()> =
    TableDefinition::new("jobs-by-end-1");
/// Uuid to job number.
pub(super) const BY_UUID: TableDefinition<'_, u128, u64> = TableDefinition::new("jobs-by-uuid-1");
/// (device, inode, ctime in nanoseconds, hash) of the inbox file to the job it became.
pub(super) const BY_INTAKE: TableDefinition<'_, Intake, u64> =
    TableDefinition::new("jobs-by-intake-key-1");
/// Job number to what it holds (`HoldingsV1`); a job that is not in it holds nothing known.
pub(super) const HOLDINGS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("holdings-1");
/// (what, end, job number) to bytes: what retention may take, oldest first.
pub(super) const REMOVABLE: TableDefinition<'_, Removable, u64> =
    TableDefinition::new("removable-1");
/// (job number, what): the record has it as removed, the files may still be there.
pub(super) const REMOVING: TableDefinition<'_, (u64, u8), ()> = TableDefinition::new("removing-1");
/// Numbers of ended jobs whose folder has not been measured.
pub(super) const UNMEASURED: TableDefinition<'_, u64, ()> = TableDefinition::new("unmeasured-1");
/// Numbers of ended jobs whose screens are not on the shelf yet, or not all of them.
pub(super) const UNSHELVED: TableDefinition<'_, u64, ()> = TableDefinition::new("unshelved-1");
/// Bundle to (jobs that refer to it, bytes); a bundle of no job is not in it. No bytes: not yet
/// measured.
pub(super) const BUNDLES: TableDefinition<'_, [u8; 32], (u64, u64)> =
    TableDefinition::new("bundles-1");
/// Time in seconds since 1970 to what the disk held then (`SampleV1`).
pub(super) const SAMPLES: TableDefinition<'_, i64, &[u8]> = TableDefinition::new("disk-samples-1");
/// Name to number: `last job`, `state waiting`, `verdict passed`, `bytes videos` and so on.
pub(super) const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts-1");

pub(super) type Intake = (u64, u64, i128, [u8; 32]);
pub(super) type Removable = (u8, i64, u64);

/// Name of the count that holds the highest number ever given to a job.
pub(super) const LAST_JOB: &str = "last job";
pub(super) const BYTES_VIDEOS: &str = "bytes videos";
pub(super) const BYTES_RESULTS: &str = "bytes results";
pub(super) const BYTES_BUNDLES: &str = "bytes bundles";
pub(super) const ADDED_VIDEOS: &str = "bytes added videos";
pub(super) const ADDED_RESULTS: &str = "bytes added results";
pub(super) const KEPT: &str = "kept jobs";
pub(super) const SCREENS: &str = "ever shelved screens";
pub(super) const SCREENS_SHARED: &str = "ever shelved screens shared";
pub(super) const SCREENS_SAVED: &str = "ever shelved bytes saved";

pub(super) const fn intake(key: &IntakeKey) -> Intake {
    (key.device, key.inode, key.ctime_ns, *key.hash.as_bytes())
}

pub(super) const fn state_key(job: &Job) -> (u8, u8, u64) {
    (job.state as u8, u8::MAX - job.priority.0, job.id.0)
}

/// None for a job that has not ended.
pub(super) fn end_key(job: &Job) -> Option<(i64, u64)> {
    job.ended.map(|at| (at.as_microsecond(), job.id.0))
}

/// What of a job retention may take, as [`REMOVABLE`] has it.
pub(super) fn removable(job: &Job) -> impl Iterator<Item = (Removable, u64)> {
    end_key(job).into_iter().flat_map(|(end, id)| {
        job.holdings.removable().map(move |(what, bytes)| ((what as u8, end, id), bytes))
    })
}

pub(super) fn state_count(state: JobState) -> String {
    format!("state {state}")
}

pub(super) fn verdict_count(verdict: Verdict) -> String {
    format!("verdict {verdict}")
}

/// All tables, open in one transaction.
pub(super) struct Tables<'txn> {
    jobs: Table<'txn, u64, &'static [u8]>,
    definitions: Definitions<'txn>,
    idempotency: Keys<'txn>,
    devices: Devices<'txn>,
    /// Whether what there is to run jobs on may be otherwise now.
    devices_changed: bool,
    by_state: Table<'txn, (u8, u8, u64), ()>,
    by_end: Table<'txn, (i64, u64), ()>,
    terms: Terms<'txn>,
    by_uuid: Table<'txn, u128, u64>,
    by_intake: Table<'txn, Intake, u64>,
    holdings: Table<'txn, u64, &'static [u8]>,
    removable: Table<'txn, Removable, u64>,
    removing: Table<'txn, (u64, u8), ()>,
    unmeasured: Table<'txn, u64, ()>,
    unshelved: Table<'txn, u64, ()>,
    bundles: Table<'txn, [u8; 32], (u64, u64)>,
    samples: Table<'txn, i64, &'static [u8]>,
    counts: Table<'txn, &'static str, u64>,
    pub(super) known: KnownTables<'txn>,
    measures: Measures<'txn>,
    estimates: Estimates<'txn>,
    occurrences: Occurrences<'txn>,
    audiences: Audiences<'txn>,
    pub(super) people: People<'txn>,
    thresholds: Table<'txn, thresholds::Key<'static>, &'static [u8]>,
}

impl<'txn> Tables<'txn> {
    /// Opens them, or makes them when the file is new.
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self {
            jobs: txn.table(JOBS)?,
            definitions: Definitions::open(txn)?,
            idempotency: Keys::open(txn)?,
            devices: Devices::open(txn)?,
            devices_changed: false,
            by_state: txn.table(BY_STATE)?,
            by_end: txn.table(BY_END)?,
            terms: Terms::open(txn)?,
            by_uuid: txn.table(BY_UUID)?,
            by_intake: txn.table(BY_INTAKE)?,
            holdings: txn.table(HOLDINGS)?,
            removable: txn.table(REMOVABLE)?,
            removing: txn.table(REMOVING)?,
            unmeasured: txn.table(UNMEASURED)?,
            unshelved: txn.table(UNSHELVED)?,
            bundles: txn.table(BUNDLES)?,
            samples: txn.table(SAMPLES)?,
            counts: txn.table(COUNTS)?,
            known: KnownTables::open(txn)?,
            measures: Measures::open(txn)?,
            estimates: Estimates::open(txn)?,
            occurrences: Occurrences::open(txn)?,
            audiences: Audiences::open(txn)?,
            people: People::open(txn)?,
            thresholds: txn.table(THRESHOLDS)?,
        })
    }

    pub(super) fn stored(&self, id: JobId) -> Result<Option<Stored>, StoreError> {
        let bytes = self.jobs.get(id.0)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let mut stored = record::decode(id, bytes.value())?;
        stored.job.definition = self.definitions.text(id, stored.job.definition_hash)?;
        if let Some(bytes) = self.holdings.get(id.0)? {
            stored.job.holdings = holdings::decode(id, bytes.value())?;
        }
        if stored.may_be_marked() {
            stored.job.known_failure = self.known.mark_of(id.0)?;
        }
        Ok(Some(stored))
    }

    /// The job that this submission has become already: the same inbox file, key or uuid.
    pub(super) fn known(&self, new: &NewJob) -> Result<Option<JobId>, StoreError> {
        if let Some(key) = &new.intake_key
            && let Some(id) = self.by_intake.get(intake(key))?
        {
            return Ok(Some(JobId(id.value())));
        }
        if let Some(id) = self.idempotency.known(new)? {
            return Ok(Some(id));
        }
        self.with_uuid(new.uuid)
    }

    pub(super) fn with_uuid(&self, uuid: Uuid) -> Result<Option<JobId>, StoreError> {
        let id = self.by_uuid.get(uuid.as_u128())?;
        Ok(id.map(|id| JobId(id.value())))
    }

    /// Knows a submission by its key from now on.
    pub(super) fn note_key(&mut self, new: &NewJob, id: JobId) -> Result<(), StoreError> {
        self.idempotency.note(new, id)
    }

    /// A number no job has had.
    pub(super) fn next_id(&mut self) -> Result<JobId, StoreError> {
        self.count(LAST_JOB, 1).map(JobId)
    }

    /// Makes the job in every table what it is in `now`. `before` is what the record held.
    pub(super) fn put(&mut self, before: Option<&Stored>, now: &Stored) -> Result<(), StoreError> {
        let record = record::encode(now);
        let same = before.is_some_and(|before| record::encode(before) == record);
        if !same {
            self.jobs.insert(now.job.id.0, record.as_slice())?;
            if let Some(before) = before {
                self.leave_lists(&before.job)?;
            }
            self.enter_lists(&now.job)?;
            for name in tally::names(before.map(|before| &before.job), &now.job) {
                self.count(&name, 1)?;
            }
        }
        if before.is_none() {
            self.by_uuid.insert(now.job.uuid.as_u128(), now.job.id.0)?;
            if let Some(key) = &now.intake_key {
                self.by_intake.insert(intake(key), now.job.id.0)?;
            }
            self.audiences.add(&now.job)?;
            self.refer(now.job.bundle)?;
            self.definitions.refer(&now.job)?;
            self.known.resubmitted(&now.job)?;
        }
        self.tell_device(before.map(|before| &before.job), &now.job)?;
        let had_ended = before.is_some_and(|before| before.job.ended.is_some());
        if now.job.ended.is_some() && !had_ended {
            self.unmeasured.insert(now.job.id.0, ())?;
            self.unshelved.insert(now.job.id.0, ())?;
        }
        self.hold(before.map(|before| &before.job), &now.job)
    }

    fn tell_device(&mut self, before: Option<&Job>, now: &Job) -> Result<(), StoreError> {
        let Some(before) = before else {
            if now.conditions.health_check {
                self.devices.checking(now)?;
                self.devices_changed = true;
            }
            return Ok(());
        };
        if before.state == JobState::Waiting && now.state == JobState::Preparing {
            self.devices.started(now)?;
        }
        if now.ended.is_some() && before.ended.is_none() {
            self.devices_changed |= self.devices.ended(now)?;
        }
        Ok(())
    }

    /// Whether anything is otherwise now.
    pub(super) fn change_devices(
        &mut self,
        change: &DeviceChange,
        by: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = self.devices.change(change, by, now)?;
        self.devices_changed |= changed;
        Ok(changed)
    }

    pub(super) const fn devices_changed(&self) -> bool {
        self.devices_changed
    }

    /// Takes a job whose files are gone out of every table. Whether a retry of it goes with it, for
    /// which others may wait.
    ///
    /// # Errors
    /// [`StoreError::Holds`] when it has not ended, is kept, or files of it may be there.
    pub(super) fn forget(&mut self, stored: &Stored) -> Result<bool, StoreError> {
        let job = &stored.job;
        let may_go = removable(job).any(|((what, ..), _)| what == Keepsake::Record as u8);
        let files = (job.id.0, 0)..=(job.id.0, u8::MAX);
        let may_be_there = self.removing.range(files)?.next().is_some();
        if !may_go || may_be_there {
            return Err(StoreError::Holds(job.id));
        }
        self.jobs.remove(job.id.0)?;
        self.definitions.unrefer(job)?;
        self.leave_lists(job)?;
        self.by_uuid.remove(job.uuid.as_u128())?;
        if let Some(key) = &stored.intake_key {
            self.by_intake.remove(intake(key))?;
        }
        for (key, _) in removable(job) {
            self.removable.remove(key)?;
        }
        self.holdings.remove(job.id.0)?;
        let was_to_be_retried = self.drop_retry(job)?;
        for (name, learned) in estimates::FORGOTTEN.into_iter().zip(self.estimates.forget(job)?) {
            self.add(name, 0, learned.into())?;
        }
        self.known.forget(job)?;
        Ok(was_to_be_retried)
    }

    /// The files are gone, too.
    pub(super) fn cleared(&mut self, id: JobId, what: Keepsake) -> Result<(), StoreError> {
        self.removing.remove((id.0, what as u8))?;
        Ok(())
    }

    /// Notes how large a bundle is, if a job still refers to it.
    pub(super) fn measure_bundle(&mut self, bundle: Digest, bytes: u64) -> Result<(), StoreError> {
        let Some((refs, before)) = self.bundle(bundle)? else { return Ok(()) };
        self.bundles.insert(*bundle.as_bytes(), (refs, bytes))?;
        self.add(BYTES_BUNDLES, before, bytes)?;
        self.add(ADDED_RESULTS, before, bytes)
    }

    /// Adds a sample and drops those in `drop`.
    pub(super) fn sample(&mut self, sample: &DiskSample, drop: &[i64]) -> Result<(), StoreError> {
        for at in drop {
            self.samples.remove(at)?;
        }
        let bytes = holdings::encode_sample(sample);
        self.samples.insert(sample.at.as_second(), bytes.as_slice())?;
        Ok(())
    }

    /// Learns from a job that has ended, and counts what happened to it.
    pub(super) fn learn(&mut self, job: &Job, samples: &[Sample]) -> Result<(), StoreError> {
        let growth = self.measures.feed(job, samples)?;
        self.grow(growth)?;
        self.estimates.learn(job)?;
        self.happened(job, &Counted::of(job))
    }

    /// Keeps what was foretold of a job. Whether that was otherwise before.
    pub(super) fn foretell(
        &mut self,
        id: JobId,
        stage: Stage,
        outlook: Outlook,
    ) -> Result<bool, StoreError> {
        self.estimates.keep(id, stage, outlook)
    }

    /// As a job that ended under an older layout is learned from, which kept no times of parts by
    /// device type.
    pub(super) fn adopt_times(&mut self, job: &Job) -> Result<(), StoreError> {
        self.estimates.time(job)
    }

    /// Counts what happened to a job that has ended.
    pub(super) fn happened(&mut self, job: &Job, what: &[Counted]) -> Result<(), StoreError> {
        self.occurrences.count(job, what)
    }

    /// Takes back what [`Self::happened`] has counted.
    pub(super) fn did_not_happen(&mut self, job: &Job, what: &Counted) -> Result<(), StoreError> {
        self.occurrences.uncount(job, what)
    }

    /// Forgets what was learned of the jobs of a name.
    pub(super) fn unlearn(
        &mut self,
        job: &str,
        device_type: Option<&str>,
    ) -> Result<(), StoreError> {
        let growth = self.measures.unlearn(job, device_type)?;
        self.grow(growth)
    }

    fn grow(&mut self, growth: Growth) -> Result<(), StoreError> {
        for (name, by) in measures::COUNTED.into_iter().zip(growth.by) {
            self.count(name, by)?;
        }
        Ok(())
    }

    pub(super) fn set_threshold(
        &mut self,
        scope: &Scope,
        set: Option<&SetThreshold>,
    ) -> Result<bool, StoreError> {
        thresholds::set(&mut self.thresholds, scope, set)
    }

    /// The numbers of the jobs that ended last, newest first.
    pub(super) fn ended_last(&self, limit: usize) -> Result<Vec<JobId>, StoreError> {
        let ends = self.by_end.range::<(i64, u64)>(..)?.rev().take(limit);
        ends.map(|end| Ok(JobId(end?.0.value().1))).collect()
    }

    /// Takes over a job whose record an older layout wrote, definition and all.
    pub(super) fn adopt_record(&mut self, stored: &Stored) -> Result<(), StoreError> {
        let record = record::encode(stored);
        self.jobs.insert(stored.job.id.0, record.as_slice())?;
        self.definitions.refer(&stored.job)
    }

    /// Layouts before 5 knew nothing of who may look.
    pub(super) fn adopt_audience(&mut self, job: &Job) -> Result<(), StoreError> {
        self.audiences.add(job)
    }

    /// The same of names whose jobs are gone.
    pub(super) fn adopt_names(&mut self) -> Result<(), StoreError> {
        let mut names = self.measures.names()?;
        names.extend(self.occurrences.names()?);
        names.iter().try_for_each(|name| self.audiences.adopt(name))
    }

    /// As a job is entered that an older layout has: without what that layout did not know.
    pub(super) fn adopt(&mut self, job: &Job) -> Result<(), StoreError> {
        self.refer(job.bundle)?;
        if job.ended.is_some() {
            self.unmeasured.insert(job.id.0, ())?;
        }
        Ok(())
    }

    /// Layouts before 5 found ended jobs by nothing but their ends.
    pub(super) fn adopt_terms(&mut self, job: &Job) -> Result<(), StoreError> {
        self.terms.enter(job)
    }

    /// Layout 5 did not find ended jobs by how long they ran.
    pub(super) fn adopt_duration(&mut self, job: &Job) -> Result<(), StoreError> {
        self.terms.enter_duration(job)
    }

    /// Older layouts kept every screen in its job's folder.
    pub(super) fn adopt_screens(&mut self, job: &Job) -> Result<(), StoreError> {
        if job.ended.is_some() && job.holdings.has_results() {
            self.unshelved.insert(job.id.0, ())?;
        }
        Ok(())
    }

    /// The screens of a measured job are on the shelf, and its folder takes what `shelved` says now.
    /// Said again, or of a job that has lost its results meanwhile, it changes nothing.
    pub(super) fn shelved(&mut self, before: &Stored, shelved: &Shelved) -> Result<(), StoreError> {
        let id = before.job.id.0;
        // Before its size is known it cannot be told what has been saved.
        let was_to_do = before.job.holdings.measured && self.unshelved.remove(id)?.is_some();
        if !was_to_do {
            return Ok(());
        }
        let mut now = before.clone();
        let saved = before.job.holdings.results_bytes.saturating_sub(shelved.results_bytes);
        now.job.holdings.results_bytes = shelved.results_bytes;
        self.hold(Some(&before.job), &now.job)?;
        // What grows is told by what is kept for good.
        self.add(ADDED_RESULTS, saved, 0)?;
        self.add(SCREENS, 0, shelved.screens)?;
        self.add(SCREENS_SHARED, 0, shelved.shared)?;
        self.add(SCREENS_SAVED, 0, saved)
    }

    /// The record at or after a number, for walks that must not hold the whole table.
    pub(super) fn next_stored(&self, from: u64) -> Result<Option<Stored>, StoreError> {
        let next = self.jobs.range(from..)?.next();
        let Some((id, _)) = next.transpose()? else { return Ok(None) };
        self.stored(JobId(id.value()))
    }

    fn hold(&mut self, before: Option<&Job>, now: &Job) -> Result<(), StoreError> {
        let none = Holdings::default();
        let held = before.map_or(&none, |before| &before.holdings);
        for (key, _) in before.into_iter().flat_map(removable) {
            self.removable.remove(key)?;
        }
        for (key, bytes) in removable(now) {
            self.removable.insert(key, bytes)?;
        }
        if *held == now.holdings {
            return Ok(());
        }
        let bytes = holdings::encode(&now.holdings);
        self.holdings.insert(now.id.0, bytes.as_slice())?;
        self.add(BYTES_VIDEOS, held.video_bytes, now.holdings.video_bytes)?;
        self.add(BYTES_RESULTS, held.results_bytes, now.holdings.results_bytes)?;
        self.add(KEPT, held.kept.is_some().into(), now.holdings.kept.is_some().into())?;
        if now.holdings.measured && !held.measured {
            self.unmeasured.remove(now.id.0)?;
            self.add(ADDED_VIDEOS, 0, now.holdings.video_bytes)?;
            self.add(ADDED_RESULTS, 0, now.holdings.results_bytes)?;
        }
        for removal in now.holdings.removed.iter().skip(held.removed.len()) {
            let key = (now.id.0, removal.what as u8);
            self.removing.insert(key, ())?;
        }
        if held.has_results() && !now.holdings.has_results() {
            self.unshelved.remove(now.id.0)?;
            self.unrefer(now.bundle)?;
        }
        Ok(())
    }

    fn leave_lists(&mut self, job: &Job) -> Result<(), StoreError> {
        self.by_state.remove(state_key(job))?;
        self.count(&state_count(job.state), -1)?;
        if let Some(key) = end_key(job) {
            self.by_end.remove(key)?;
            self.terms.leave(job)?;
        }
        if let Some(verdict) = job.verdict {
            self.count(&verdict_count(verdict), -1)?;
        }
        Ok(())
    }

    fn enter_lists(&mut self, job: &Job) -> Result<(), StoreError> {
        self.by_state.insert(state_key(job), ())?;
        self.count(&state_count(job.state), 1)?;
        if let Some(key) = end_key(job) {
            self.by_end.insert(key, ())?;
            self.terms.enter(job)?;
        }
        if let Some(verdict) = job.verdict {
            self.count(&verdict_count(verdict), 1)?;
        }
        Ok(())
    }

    pub(super) fn bundle(&self, bundle: Digest) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(self.bundles.get(*bundle.as_bytes())?.map(|entry| entry.value()))
    }

    pub(super) fn refer(&mut self, bundle: Digest) -> Result<(), StoreError> {
        let (refs, bytes) = self.bundle(bundle)?.unwrap_or_default();
        self.bundles.insert(*bundle.as_bytes(), (refs + 1, bytes))?;
        Ok(())
    }

    pub(super) fn unrefer(&mut self, bundle: Digest) -> Result<(), StoreError> {
        let (refs, bytes) = self.bundle(bundle)?.unwrap_or_default();
        if refs > 1 {
            self.bundles.insert(*bundle.as_bytes(), (refs - 1, bytes))?;
            return Ok(());
        }
        self.bundles.remove(*bundle.as_bytes())?;
        self.add(BYTES_BUNDLES, bytes, 0)
    }

    /// Changes a total by the difference.
    fn add(&mut self, name: &str, before: u64, now: u64) -> Result<(), StoreError> {
        if before != now {
            self.count(name, now.cast_signed().wrapping_sub(before.cast_signed()))?;
        }
        Ok(())
    }

    fn count(&mut self, name: &str, by: i64) -> Result<u64, StoreError> {
        let now = self.counts.get(name)?.map_or(0, |count| count.value());
        let then = now.saturating_add_signed(by);
        self.counts.insert(name, then)?;
        Ok(then)
    }
}
