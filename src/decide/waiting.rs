//! The waiting jobs, and who of them is the next.
//!
//! A job's place is a time: that of its submission, moved forward for its priority and back for what its
//! submitter has had of the box lately. A point of priority is worth as much as some time of waiting, so
//! that a job which waits overtakes all that come later, and nobody starves. As everybody's waiting grows
//! alike, places do not move as time passes: only when a priority is changed or somebody uses the box.
//!
//! ```text
//! place = submitted − priority × point + (share of the submitter) × (share points) × point
//! ```
//!
//! Jobs of one submitter that ask for the same stand in one line. Whatever keeps the first of a line from
//! starting keeps all behind it, so a decision looks at lines, of which there are few, and not at jobs.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{Demand, Shares};
use crate::{
    config::Order,
    model::{Conditions, Job, JobId, Needs, NewJob, Priority},
};

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub id: JobId,
    pub demand: Demand,
    pub submitter: String,
    pub submitted: Timestamp,
    pub priority: Priority,
}

impl Queued {
    /// What a decision needs of a job that waits.
    pub fn of(job: &Job) -> Self {
        Self {
            id: job.id,
            demand: Demand::of(job),
            submitter: job.submitter.name.clone(),
            submitted: job.submitted,
            priority: job.priority,
        }
    }
}

impl Demand {
    pub fn of(job: &Job) -> Self {
        Self::new(&job.device_type, &job.tags, &job.conditions, job.needs)
    }

    /// Of a job that has no number yet.
    pub fn of_new(job: &NewJob) -> Self {
        Self::new(&job.device_type, &job.tags, &job.conditions, job.needs)
    }

    fn new(device_type: &str, tags: &[String], conditions: &Conditions, needs: Needs) -> Self {
        Self {
            device_type: device_type.to_owned(),
            tags: tags.iter().cloned().collect(),
            device: conditions.device.clone(),
            health_check: conditions.health_check,
            needs,
        }
    }
}

/// (its own part of the place, number)
type Place = (i64, JobId);

/// Jobs that differ in nothing but their place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct LineName {
    demand: Arc<Demand>,
    submitter: Arc<str>,
}

/// The jobs that could start now if there were room.
#[derive(Debug, Clone)]
pub struct Waiting {
    order: Order,
    lines: HashMap<LineName, BTreeSet<Place>>,
    places: HashMap<JobId, (LineName, Place)>,
}

impl Waiting {
    pub fn new(order: Order) -> Self {
        Self { order, lines: HashMap::new(), places: HashMap::new() }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn contains(&self, id: JobId) -> bool {
        self.places.contains_key(&id)
    }

    /// Takes a job in, or to the place that is its own now.
    pub fn insert(&mut self, job: &Queued) {
        self.remove(job.id);
        let forward = match job.demand.health_check {
            // A device waits for it, and with the device all jobs that could run there.
            true => i64::MAX / 2,
            false => micros(self.order.point).saturating_mul(i64::from(job.priority.0)),
        };
        let place = (job.submitted.as_microsecond().saturating_sub(forward), job.id);
        let name = LineName {
            demand: Arc::new(job.demand.clone()),
            submitter: job.submitter.as_str().into(),
        };
        let name = match self.lines.get_key_value(&name) {
            Some((name, _)) => name.clone(),
            None => name,
        };
        self.lines.entry(name.clone()).or_default().insert(place);
        self.places.insert(job.id, (name, place));
    }

    pub fn remove(&mut self, id: JobId) {
        let Some((name, place)) = self.places.remove(&id) else { return };
        if let Some(line) = self.lines.get_mut(&name) {
            line.remove(&place);
            if line.is_empty() {
                self.lines.remove(&name);
            }
        }
    }

    /// The jobs best first, as long as nobody uses anything.
    pub fn best<'a>(&'a self, shares: &'a Shares) -> impl Iterator<Item = JobId> + 'a {
        let mut heads = self.heads(shares);
        std::iter::from_fn(move || {
            let head = heads.pop()?.0;
            let id = head.id;
            heads.extend(self.behind(&head, shares).map(Reverse));
            Some(id)
        })
    }

    /// How far a submitter's jobs are moved back.
    fn back(&self, submitter: &str, shares: &Shares) -> i64 {
        let most = micros(self.order.point).saturating_mul(i64::from(self.order.share));
        #[expect(clippy::cast_possible_truncation, reason = "a share is 1 at most")]
        let back = (most as f64 * shares.of(submitter)) as i64;
        back
    }

    /// The first of every line.
    pub(super) fn heads<'a>(&'a self, shares: &Shares) -> BinaryHeap<Reverse<Head<'a>>> {
        let mut backs: HashMap<&str, i64> = HashMap::new();
        let heads = self.lines.iter().filter_map(|(name, line)| {
            let submitter: &str = &name.submitter;
            let back = *backs.entry(submitter).or_insert_with(|| self.back(submitter, shares));
            line.first().map(|own| Head::of(name, line, *own, back))
        });
        heads.map(Reverse).collect()
    }

    /// The one behind this in its line.
    pub(super) fn behind<'a>(&'a self, head: &Head<'a>, shares: &Shares) -> Option<Head<'a>> {
        use std::ops::Bound::{Excluded, Unbounded};
        let next = head.line.range((Excluded(head.own), Unbounded)).next()?;
        Some(Head::of(head.name, head.line, *next, self.back(&head.name.submitter, shares)))
    }

    /// The same job where its submitter's use has moved it to.
    pub(super) fn again<'a>(&self, head: &Head<'a>, shares: &Shares) -> Head<'a> {
        Head::of(head.name, head.line, head.own, self.back(&head.name.submitter, shares))
    }
}

/// The first of a line, as far as the line has come.
#[derive(Debug, Clone)]
pub(super) struct Head<'a> {
    place: i64,
    pub(super) id: JobId,
    own: Place,
    name: &'a LineName,
    line: &'a BTreeSet<Place>,
}

impl<'a> Head<'a> {
    fn of(name: &'a LineName, line: &'a BTreeSet<Place>, own: Place, back: i64) -> Self {
        Self { place: own.0.saturating_add(back), id: own.1, own, name, line }
    }

    pub(super) fn demand(&self) -> &'a Demand {
        &self.name.demand
    }

    pub(super) fn submitter(&self) -> &'a str {
        &self.name.submitter
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.place, self.id) == (other.place, other.id)
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.place, self.id).cmp(&(other.place, other.id))
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
