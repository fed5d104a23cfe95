//! The month itself: what happens, and how the decisions about it are carried out.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sutler::{
    config::{Order, Retry},
    decide::{
        Dependency, Lab, Open, Plan, Running, Shares, Start, Waiting, cost, dependency,
        outlook::{Scene, Underway, Upcoming, outlook},
        plan,
        retry::{Asked, Decision, Why, day, retry},
    },
    model::{
        After, JobId, JobState, KnownRule, Outlook, Pattern, Priority, RuleRetry, Touch, Verdict,
    },
};

use super::{
    at,
    dice::Dice,
    facts::Facts,
    learned::{Expected, Learned},
    records::Records,
    work::{JOBS, Kind, MONTH, Wish, jobs, kinds, lab},
};

/// As in the appliance.
const AHEAD: usize = 1_000;
/// A day's budget is used up on some days.
pub(super) const RETRIES: Retry =
    Retry { automatic: false, most: 2, backoff: Duration::from_secs(60), per_day: 130 };

/// In the order in which they happen at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(JobId),
    Submitted(JobId),
    /// It is time for the retry of a job.
    Due(JobId),
    Canceled(JobId),
    Moved(JobId, u8),
    /// A device goes out of service, or comes back.
    Out(usize),
    Back(usize),
}

/// A job that has a device.
struct Held {
    running: Running,
    started: i64,
    expected: Expected,
}

/// How often what has happened.
#[derive(Default)]
pub(super) struct Counts {
    pub ended: u64,
    pub skipped: u64,
    pub blocked: u64,
    pub retries: u64,
    pub retried_enough: u64,
    pub over_budget: u64,
    pub canceled_waiting: u64,
    pub canceled_running: u64,
    /// Cancels and new priorities of jobs that had ended or started.
    pub too_late: u64,
    pub moved: u64,
    pub busy_seconds: i64,
}

pub(super) struct Month {
    pub records: Records,
    kinds: Vec<Kind>,
    dice: Dice,
    lab: Arc<Lab>,
    order: Order,
    waiting: Waiting,
    /// Jobs that wait for the end of another, and of which.
    blocked: BTreeMap<JobId, After>,
    /// (who is waited for, who waits)
    waited_for: BTreeSet<(JobId, JobId)>,
    shares: Shares,
    running: BTreeMap<JobId, Held>,
    facts: Facts,
    events: BinaryHeap<Reverse<(i64, Event)>>,
    rules: [KnownRule; 1],
    /// By day.
    pub retries: BTreeMap<i64, u64>,
    reserved: Option<(JobId, Timestamp)>,
    pub learned: Learned,
    pub counts: Counts,
}

/// What the lab breaks off is retried.
fn rule() -> KnownRule {
    let touch = Touch { at: at(0), by: "ada".into() };
    KnownRule {
        name: "broken-off".into(),
        owner: "ada".into(),
        notes: String::new(),
        bug: None,
        created: touch.clone(),
        changed: touch,
        enabled: true,
        pattern: Pattern::default(),
        retry: RuleRetry { automatic: Some(true), most: None, backoff_s: None },
    }
}

/// What is known to happen from the beginning: what is submitted and wished, and which devices go out of
/// service.
fn events(records: &Records, dice: &mut Dice) -> BinaryHeap<Reverse<(i64, Event)>> {
    let mut events = BinaryHeap::new();
    for record in records.iter() {
        let (id, from) = (record.job.queued.id, record.job.queued.submitted.as_second());
        events.push(Reverse((from, Event::Submitted(id))));
        match record.job.wish {
            Some(Wish::Cancel(later)) => events.push(Reverse((from + later, Event::Canceled(id)))),
            Some(Wish::Move(later, to)) => {
                events.push(Reverse((from + later, Event::Moved(id, to.0))));
            }
            Some(Wish::Stop { .. }) | None => {}
        }
    }
    for _ in 0..150 {
        let device = usize::try_from(dice.below(100)).unwrap();
        let from = dice.upto(MONTH);
        let until = from + 600 + dice.upto(6 * 3600);
        events.push(Reverse((from, Event::Out(device))));
        events.push(Reverse((until, Event::Back(device))));
    }
    events
}

impl Month {
    pub(super) fn new() -> Self {
        let mut dice = Dice(7);
        let kinds = kinds(&mut dice);
        let (records, lab) = (Records::new(jobs(&mut dice, &kinds)), lab());
        let events = events(&records, &mut dice);
        let order = Order::default();
        Self {
            records,
            facts: Facts::new(&lab),
            learned: Learned::new(&kinds),
            kinds,
            dice,
            lab: Arc::new(lab),
            order,
            waiting: Waiting::new(order),
            blocked: BTreeMap::new(),
            waited_for: BTreeSet::new(),
            shares: Shares::new(order.half_life),
            running: BTreeMap::new(),
            events,
            rules: [rule()],
            retries: BTreeMap::new(),
            reserved: None,
            counts: Counts::default(),
        }
    }

    /// How many wait for their turn.
    pub(super) fn in_line(&self) -> usize {
        self.waiting.len()
    }

    /// Those that wait for the end of another.
    pub(super) const fn blocked(&self) -> &BTreeMap<JobId, After> {
        &self.blocked
    }

    pub(super) fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.blocked.is_empty()
    }

    /// Everything that happens at the next moment at which something does. Returns the moment and the
    /// newest job.
    pub(super) fn happens(&mut self) -> Option<(i64, Option<JobId>)> {
        let Reverse((now, _)) = *self.events.peek()?;
        let mut newest = None;
        while let Some(Reverse((_, event))) = self.events.peek().copied().filter(|e| e.0.0 == now) {
            self.events.pop();
            match event {
                Event::Submitted(id) => {
                    self.note_waiting(id, now);
                    self.counts.blocked += u64::from(self.blocked.contains_key(&id));
                    newest = Some(id);
                }
                Event::Ends(id) => self.comes_to_its_end(id, now),
                Event::Due(id) => self.retries(id, now),
                Event::Canceled(id) => self.cancel(id, now),
                Event::Moved(id, points) => self.moves(id, Priority(points), now),
                Event::Out(device) => self.open(device, &Open::Nobody { why: "a test".into() }),
                Event::Back(device) => self.open(device, &Open::Jobs),
            }
        }
        Some((now, newest))
    }

    fn open(&mut self, device: usize, open: &Open) {
        Arc::make_mut(&mut self.lab).devices[device].open = open.clone();
        self.facts.opens(device, open.clone());
        // Promises are made for the lab as it is.
        self.reserved = None;
    }

    /// Puts a job that waits where it belongs now: in line, behind another one, or to its end.
    fn note_waiting(&mut self, id: JobId, now: i64) {
        match dependency(&self.records.found(id)) {
            Dependency::Met => {
                self.unblock(id);
                let record = self.records.get_mut(id);
                record.in_line.get_or_insert(now);
                self.waiting.insert(&record.job.queued);
                self.facts.waits(&record.job.queued);
            }
            Dependency::Waits(after) => {
                self.forget_waiting(id);
                self.blocked.insert(id, after);
                self.waited_for.insert((after.job, id));
            }
            Dependency::Broken(_) => {
                self.counts.skipped += 1;
                self.ends(id, Verdict::Skipped, now);
            }
        }
    }

    fn forget_waiting(&mut self, id: JobId) {
        self.waiting.remove(id);
        self.facts.waits_no_more(id);
        self.unblock(id);
    }

    fn unblock(&mut self, id: JobId) {
        if let Some(after) = self.blocked.remove(&id) {
            self.waited_for.remove(&(after.job, id));
        }
    }

    /// A job that ran to its end, unless it was canceled before.
    fn comes_to_its_end(&mut self, id: JobId, now: i64) {
        let Some(Held { started, expected, .. }) = self.running.get(&id) else {
            assert_eq!(self.records.get(id).verdict, Some(Verdict::Canceled), "job {id} is lost");
            return;
        };
        let (time, expected) = (now - started, *expected);
        let (kind, verdict) =
            (self.records.get(id).job.kind, self.records.get(id).job.fate.verdict);
        self.ends(id, verdict, now);
        if self.records.get(id).is_good() {
            self.learned.learn(kind, time, expected);
        }
    }

    fn cancel(&mut self, id: JobId, now: i64) {
        match self.records.get(id).state {
            JobState::Ended => {
                self.counts.too_late += 1;
                return;
            }
            JobState::Waiting => self.counts.canceled_waiting += 1,
            JobState::Preparing | JobState::Running | JobState::Collecting => {
                self.counts.canceled_running += 1;
            }
        }
        self.ends(id, Verdict::Canceled, now);
    }

    /// Only who waits can get another place.
    fn moves(&mut self, id: JobId, priority: Priority, now: i64) {
        let record = self.records.get_mut(id);
        if record.state != JobState::Waiting {
            self.counts.too_late += 1;
            return;
        }
        record.job.queued.priority = priority;
        self.counts.moved += 1;
        self.note_waiting(id, now);
    }

    fn ends(&mut self, id: JobId, verdict: Verdict, now: i64) {
        self.forget_waiting(id);
        self.give_back(id, now);
        let record = self.records.get_mut(id);
        assert_ne!(record.state, JobState::Ended, "job {id} ends twice");
        record.state = JobState::Ended;
        record.verdict = Some(verdict);
        record.ended = Some(now);
        self.counts.ended += 1;
        self.decide_retry(id, verdict, now);
        self.look_again_at_who_waits_for(id, now);
    }

    /// What it has not used of what its submitter was charged.
    fn give_back(&mut self, id: JobId, now: i64) {
        let Some(Held { running: Running { needs, device, .. }, started, .. }) =
            self.running.remove(&id)
        else {
            return;
        };
        let used = Duration::from_secs((now - started).try_into().unwrap());
        let unused = cost(&needs, needs.at_most - used);
        self.shares.charge(&self.records.get(id).job.queued.submitter, at(started), -unused);
        self.facts.ends(id, &device.expect("each has one"));
        self.counts.busy_seconds += now - started;
    }

    fn look_again_at_who_waits_for(&mut self, id: JobId, now: i64) {
        let all = (id, JobId(0))..=(id, JobId(u64::MAX));
        let waiting: Vec<_> = self.waited_for.range(all).map(|(_, waiting)| *waiting).collect();
        for waiting in waiting {
            self.note_waiting(waiting, now);
        }
    }

    fn decide_retry(&mut self, id: JobId, verdict: Verdict, now: i64) {
        let today = self.retries.entry(day(at(now))).or_default();
        let record = self.records.get_mut(id);
        let asked = Asked {
            verdict,
            is_canceled: verdict == Verdict::Canceled,
            rules: if verdict == Verdict::Incomplete { &self.rules } else { &[] },
            depth: record.job.depth,
            today: *today,
            now: at(now),
        };
        match retry(&asked, &RETRIES) {
            Decision::Retry { at, .. } => {
                *today += 1;
                record.is_retry_due = true;
                self.events.push(Reverse((at.as_second(), Event::Due(id))));
            }
            Decision::No(Why::NotFailed | Why::Unknown) => {}
            Decision::No(Why::Most { .. }) => self.counts.retried_enough += 1,
            Decision::No(Why::Budget(_)) => self.counts.over_budget += 1,
            Decision::No(Why::Off) => panic!("the rule is on"),
        }
    }

    /// Makes the retry of a job. Whoever waited for the job waits for it now.
    fn retries(&mut self, of: JobId, now: i64) {
        let id = self.records.next_id();
        let again = self.records.get(of).job.again(&mut self.dice, &self.kinds, id, now);
        self.records.push_retry(of, again);
        self.counts.retries += 1;
        self.note_waiting(id, now);
        self.look_again_at_who_waits_for(of, now);
    }

    /// Decides, has the decision looked at, and carries it out.
    pub(super) fn decides(&mut self, now: i64) {
        let running = self.running.values().map(|held| &held.running);
        let plan = plan(at(now), &self.waiting, &self.shares, running, &self.lab);
        self.promises_are_kept(&plan);
        for start in &plan.start {
            self.starts(start, now);
        }
        assert_eq!(self.waiting.len(), self.facts.waiting(), "somebody is forgotten");
        self.facts.nothing_idle_could_work(now, plan.standing.reserved());
    }

    fn starts(&mut self, Start { id, device, .. }: &Start, now: i64) {
        self.facts.starts(*id, device);
        self.waiting.remove(*id);
        let record = self.records.get_mut(*id);
        assert_eq!(record.state, JobState::Waiting, "job {id} is started twice");
        record.state = JobState::Running;
        record.started = Some(now);
        let (needs, time) = (record.job.queued.demand.needs, record.job.fate.time);
        self.shares.charge(&record.job.queued.submitter, at(now), cost(&needs, needs.at_most));
        self.events.push(Reverse((now + time, Event::Ends(*id))));
        if let Some(Wish::Stop { percent }) = record.job.wish {
            self.events.push(Reverse((now + time * percent / 100, Event::Canceled(*id))));
        }
        let expected_end = at(now) + SignedDuration::try_from(needs.at_most).unwrap();
        let running = Running { needs, device: Some(device.clone()), expected_end };
        let expected = self.learned.expected(record.job.kind);
        self.running.insert(*id, Held { running, started: now, expected });
        let devices = &mut Arc::make_mut(&mut self.lab).devices;
        let used = devices.iter_mut().find(|one| one.name == *device).unwrap();
        used.last_used = Some(at(now));
    }

    /// Whoever is next never hears of a later time, unless somebody who is better has come meanwhile.
    fn promises_are_kept(&mut self, plan: &Plan) {
        let reserved = plan.standing.reserved();
        if let (Some((was, promised)), Some((is, expected))) = (self.reserved, reserved)
            && was == is
            && expected > promised
        {
            let better: Vec<_> =
                self.waiting.best(&self.shares).take_while(|id| *id != is).collect();
            let has_come = plan.start.iter().any(|start| better.contains(&start.id));
            assert!(has_come, "job {is}: {promised}, then {expected}");
        }
        self.reserved = reserved;
    }

    /// What submitters would be told now.
    pub(super) fn foretell(&self, now: i64) -> BTreeMap<JobId, Outlook> {
        let first = self.waiting.best(&self.shares).take(AHEAD);
        let in_line = first.map(|id| self.upcoming(id, Vec::new()));
        let blocked = self.blocked.keys().map(|id| self.upcoming(*id, self.awaited(*id)));
        let waiting: Vec<_> = in_line.chain(blocked).collect();
        let underway: Vec<_> = self
            .running
            .iter()
            .map(|(id, Held { running, started, .. })| Underway {
                id: *id,
                running: running.clone(),
                started: at(*started),
                takes: self.learned.expected(self.records.get(*id).job.kind).takes,
            })
            .collect();
        let (lab, shares, order) = (self.lab.clone(), self.shares.clone(), self.order);
        let scene = Scene { lab, shares, order, blocked: Arc::new(self.blocked.clone()) };
        let told = outlook(at(now), &waiting, &underway, &scene);
        self.blocked_ones_come_after(&told);
        told
    }

    fn upcoming(&self, id: JobId, after: Vec<JobId>) -> Upcoming {
        let job = &self.records.get(id).job;
        let takes = self.learned.expected(job.kind).takes;
        Upcoming { queued: job.queued.clone(), takes, after }
    }

    /// All whose ends a job waits for: the one that the decision names may be a retry.
    fn awaited(&self, id: JobId) -> Vec<JobId> {
        let decided = self.blocked[&id].job;
        let others = self.records.get(id).job.after.iter().map(|after| after.job);
        let open =
            others.filter(|one| *one != decided && self.records.get(*one).state != JobState::Ended);
        [decided].into_iter().chain(open).collect()
    }

    /// Nobody is told to start before the end of what it waits for, and who waits for what nobody
    /// foretells is told nothing.
    fn blocked_ones_come_after(&self, told: &BTreeMap<JobId, Outlook>) {
        for id in self.blocked.keys() {
            for other in self.awaited(*id) {
                let Some(Outlook { start, .. }) = told.get(id) else { continue };
                let Outlook { end, .. } =
                    told.get(&other).unwrap_or_else(|| panic!("job {id} waits for {other}"));
                let is_after = start.usual >= end.usual && start.late >= end.late;
                assert!(is_after, "job {id} is told to start before {other} ends");
            }
        }
    }
}

/// Of submitted jobs and their retries.
impl Counts {
    pub(super) const fn all(&self) -> u64 {
        JOBS + self.retries
    }
}
