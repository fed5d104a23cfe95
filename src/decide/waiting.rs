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
//! starting keeps all behind it, so a decision looks at the fronts of lines and not at jobs. The fronts of
//! a submitter's lines are kept in their order, which nobody's share changes; a decision merges those of
//! all submitters, and so costs as many steps as it looks at fronts, however many there are. They are kept
//! by what they ask of a device beside its size, so that no front is looked at that no idle device serves.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, btree_map::Entry},
    ops::Bound::{Excluded, Unbounded},
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

    /// Of a job as if it were submitted: it has a number that no job has.
    pub fn of_new(job: &NewJob) -> Self {
        Self {
            id: JobId(u64::MAX),
            demand: Demand::of_new(job),
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
    /// The demand without what it needs.
    class: Arc<Demand>,
}

impl LineName {
    fn of(job: &Queued) -> Self {
        let needs = Needs { memory_mib: 0, cores: 0, at_most: Duration::ZERO };
        let class = Demand { needs, ..job.demand.clone() };
        Self {
            demand: Arc::new(job.demand.clone()),
            submitter: job.submitter.as_str().into(),
            class: Arc::new(class),
        }
    }
}

/// Of each submitter the first of every line, in the order of their places.
type Fronts = HashMap<Arc<str>, FrontsOfOne>;
type FrontsOfOne = BTreeMap<Place, LineName>;

/// The jobs that could start now if there were room.
#[derive(Debug, Clone)]
pub struct Waiting {
    order: Order,
    lines: HashMap<LineName, BTreeSet<Place>>,
    /// By class.
    fronts: HashMap<Arc<Demand>, Fronts>,
    /// How many jobs need so much memory, and so many cores.
    sizes: [BTreeMap<u32, usize>; 2],
    places: HashMap<JobId, (LineName, Place)>,
}

impl Waiting {
    pub fn new(order: Order) -> Self {
        Self {
            order,
            lines: HashMap::new(),
            fronts: HashMap::new(),
            sizes: [BTreeMap::new(), BTreeMap::new()],
            places: HashMap::new(),
        }
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
        let name = LineName::of(job);
        let name = match self.lines.get_key_value(&name) {
            Some((name, _)) => name.clone(),
            None => match self.fronts.get_key_value(&name.class) {
                Some((class, _)) => LineName { class: class.clone(), ..name },
                None => name,
            },
        };
        for (sizes, size) in self.sizes.iter_mut().zip(sizes(&name.demand)) {
            *sizes.entry(size).or_default() += 1;
        }
        let line = self.lines.entry(name.clone()).or_default();
        let front = line.first().copied();
        line.insert(place);
        if front.is_none_or(|front| place < front) {
            self.move_front(&name, front, Some(place));
        }
        self.places.insert(job.id, (name, place));
    }

    pub fn remove(&mut self, id: JobId) {
        let Some((name, place)) = self.places.remove(&id) else { return };
        for (sizes, size) in self.sizes.iter_mut().zip(sizes(&name.demand)) {
            if let Entry::Occupied(mut count) = sizes.entry(size) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        let Some(line) = self.lines.get_mut(&name) else { return };
        let was_front = line.first() == Some(&place);
        line.remove(&place);
        let front = line.first().copied();
        if front.is_none() {
            self.lines.remove(&name);
        }
        if was_front {
            self.move_front(&name, Some(place), front);
        }
    }

    fn move_front(&mut self, name: &LineName, from: Option<Place>, to: Option<Place>) {
        let of_class = self.fronts.entry(name.class.clone()).or_default();
        let fronts = of_class.entry(name.submitter.clone()).or_default();
        if let Some(from) = from {
            fronts.remove(&from);
        }
        if let Some(to) = to {
            fronts.insert(to, name.clone());
        }
        if fronts.is_empty() {
            of_class.remove(&name.submitter);
        }
        if of_class.is_empty() {
            self.fronts.remove(&name.class);
        }
    }

    /// The least memory (MiB) and the fewest cores that any of them needs; zero of nobody.
    pub(super) fn least(&self) -> (u32, u32) {
        let [memory, cores] = &self.sizes;
        let least = |sizes: &BTreeMap<u32, usize>| sizes.keys().next().copied().unwrap_or(0);
        (least(memory), least(cores))
    }

    /// The jobs best first, as long as nobody uses anything.
    pub fn best<'a>(&'a self, shares: &'a Shares) -> impl Iterator<Item = JobId> + 'a {
        let mut heads = self.heads(shares, |_| true);
        std::iter::from_fn(move || {
            let head = heads.next(shares)?;
            heads.step_up(&head, shares);
            Some(head.id)
        })
    }

    /// How far a submitter's jobs are moved back.
    fn back(&self, submitter: &str, shares: &Shares) -> i64 {
        let most = micros(self.order.point).saturating_mul(i64::from(self.order.share));
        #[expect(clippy::cast_possible_truncation, reason = "a share is 1 at most")]
        let back = (most as f64 * shares.of(submitter)) as i64;
        back
    }

    /// The lines of all classes for which `is_open`, the best front first.
    pub(super) fn heads(&self, shares: &Shares, is_open: impl Fn(&Demand) -> bool) -> Heads<'_> {
        let mut heads = Heads { waiting: self, heap: BinaryHeap::new(), closed: Vec::new() };
        let open = self.fronts.iter().filter(|(class, _)| is_open(class));
        for fronts in open.flat_map(|(_, fronts)| fronts.values()) {
            heads.push(fronts.first_key_value(), Some(fronts), shares);
        }
        heads
    }
}

fn sizes(demand: &Demand) -> [u32; 2] {
    [demand.needs.memory_mib, demand.needs.cores]
}

/// Walks the lines of all submitters, the best place first.
pub(super) struct Heads<'a> {
    waiting: &'a Waiting,
    heap: BinaryHeap<Reverse<Head<'a>>>,
    /// Classes of which no more are wanted: few, and each is in one place only.
    closed: Vec<&'a Demand>,
}

impl<'a> Heads<'a> {
    /// The next one, as shares are now.
    pub(super) fn next(&mut self, shares: &Shares) -> Option<Head<'a>> {
        loop {
            let Reverse(head) = self.heap.pop()?;
            if self.closed.iter().any(|class| std::ptr::eq(*class, &*head.name.class)) {
                continue;
            }
            let place = self.place(head.own, head.name, shares);
            // What its submitter was given meanwhile has moved it back.
            if place > head.place {
                self.heap.push(Reverse(Head { place, ..head }));
                continue;
            }
            if let Some(fronts) = head.fronts {
                let next = fronts.range((Excluded(head.own), Unbounded)).next();
                self.push(next, Some(fronts), shares);
            }
            return Some(head);
        }
    }

    /// No more of its class.
    pub(super) fn close(&mut self, head: &Head<'a>) {
        self.closed.push(&head.name.class);
    }

    /// This one has left its line; whoever is behind it comes into view.
    pub(super) fn step_up(&mut self, head: &Head<'a>, shares: &Shares) {
        let line = &self.waiting.lines[head.name];
        let next = line.range((Excluded(head.own), Unbounded)).next();
        self.push(next.map(|place| (place, head.name)), None, shares);
    }

    fn push(
        &mut self,
        next: Option<(&Place, &'a LineName)>,
        fronts: Option<&'a FrontsOfOne>,
        shares: &Shares,
    ) {
        let Some((own, name)) = next else { return };
        let place = self.place(*own, name, shares);
        self.heap.push(Reverse(Head { place, id: own.1, own: *own, name, fronts }));
    }

    fn place(&self, own: Place, name: &LineName, shares: &Shares) -> i64 {
        own.0.saturating_add(self.waiting.back(&name.submitter, shares))
    }
}

/// The first of a line, as far as the line has come.
#[derive(Debug, Clone)]
pub(super) struct Head<'a> {
    place: i64,
    pub(super) id: JobId,
    own: Place,
    name: &'a LineName,
    /// Where the next of its submitter's fronts is; none of one that has come to the front since the walk
    /// began.
    fronts: Option<&'a FrontsOfOne>,
}

impl<'a> Head<'a> {
    pub(super) fn demand(&self) -> &'a Demand {
        &self.name.demand
    }

    /// What it asks of a device beside its size.
    pub(super) fn class(&self) -> &'a Demand {
        &self.name.class
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
