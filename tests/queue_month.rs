//! A month of a busy lab, played through in seconds: a hundred devices of four types, a hundred thousand
//! jobs of uneven submitters, devices that go out of service, jobs that overstay.
//!
//! What is played is the decision itself, as the appliance makes it. After each one it is looked at from
//! outside: has somebody been forgotten, is something idle that could work, was a promise kept?

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use sutler::{
    config::Order,
    decide::{
        Demand, Device, Lab, Open, Plan, Queued, Running, Shares, Waiting, cost,
        outlook::{Scene, Takes, Underway, Upcoming, outlook},
        plan,
    },
    model::{JobId, Needs, Priority},
};

const JOBS: u64 = 100_000;
const KINDS: u64 = 200;
const MONTH: i64 = 30 * 86_400;
const MEMORY_MIB: u32 = 100 * 4096;
/// Devices by type and tag.
const DEVICES: [(&str, &str, u32); 4] =
    [("x86", "", 50), ("x86", "tpm", 10), ("arm", "", 30), ("riscv", "", 10)];

/// Numbers that look random and are the same each time (splitmix64: Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn upto(&mut self, limit: i64) -> i64 {
        (self.next() >> 1).cast_signed() % limit
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap();
        all[at]
    }
}

/// A job as only the simulation knows it.
struct Job {
    queued: Queued,
    /// How long it will really take.
    time: i64,
    takes: Takes,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.try_into().unwrap())
}

/// A test that is run again and again.
struct Kind {
    demand: Demand,
    /// Seconds.
    usual: i64,
}

fn kind(dice: &mut Dice) -> Kind {
    let (device_type, tags) = match dice.below(20) {
        0..=11 => ("x86", vec![]),
        12 => ("x86", vec!["tpm".to_owned()]),
        13..=17 => ("arm", vec![]),
        _ => ("riscv", vec![]),
    };
    let usual = 300 + dice.upto(12) * dice.upto(40) * 14;
    let memory_mib = match dice.below(200) {
        0..=3 => 64 * 1024,
        n => 1024 << (n % 4),
    };
    let needs = Needs { memory_mib, cores: 1, at_most: seconds(usual * 3) };
    let demand = Demand {
        device_type: device_type.into(),
        tags: tags.into_iter().collect(),
        device: None,
        health_check: false,
        needs,
    };
    Kind { demand, usual }
}

/// Everything that will be submitted, in order.
fn jobs(dice: &mut Dice) -> Vec<Job> {
    let mut times: Vec<i64> = (0..JOBS)
        .map(|n| match n % 10 {
            // Every night a great many at once.
            0 | 1 => dice.upto(30) * 86_400 + 7_200,
            _ => dice.upto(MONTH),
        })
        .collect();
    times.sort_unstable();
    // Some tests are run again and again.
    let kinds: Vec<_> = (0..KINDS).map(|_| kind(dice)).collect();
    let job = |(submitted, id): (i64, u64)| {
        // Half of all jobs are one submitter's, a quarter the next one's and so on, down to a few.
        let who = dice.next().leading_zeros().min(11);
        let Kind { demand, usual } = &kinds[usize::try_from(dice.below(KINDS)).unwrap()];
        // Now and then one takes as long as it may.
        let time = if dice.below(50) == 0 {
            usual * 3
        } else {
            usual * 8 / 10 + usual * dice.upto(100) * dice.upto(100) / 20_000
        };
        let priority = Priority(dice.one_of(&[0, 50, 50, 50, 50, 50, 100]));
        let takes = Takes { usual: seconds(*usual), long: seconds(usual * 3 / 2) };
        let queued = Queued {
            id: JobId(id),
            demand: demand.clone(),
            submitter: format!("submitter {who}"),
            submitted: at(submitted),
            priority,
        };
        Job { queued, time, takes }
    };
    times.into_iter().zip(1..).map(job).collect()
}

fn lab() -> Lab {
    let mut devices = Vec::new();
    for (device_type, tag, count) in DEVICES {
        devices.extend((0..count).map(|n| Device {
            name: format!("{device_type}-{tag}-{n}"),
            device_type: device_type.into(),
            tags: [tag.to_owned()].into(),
            memory_mib: 64 * 1024,
            cores: 8,
            at_once: 1,
            open: Open::Jobs,
            last_used: None,
        }));
    }
    Lab { memory_mib: MEMORY_MIB, cores: 800, machines: 100, devices }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(u64),
    Submitted(u64),
    /// A device goes out of service, or comes back.
    Out(usize),
    Back(usize),
}

struct Month {
    jobs: Vec<Job>,
    lab: Arc<Lab>,
    order: Order,
    waiting: Waiting,
    shares: Shares,
    running: BTreeMap<JobId, (Running, Timestamp)>,
    events: BinaryHeap<Reverse<(i64, Event)>>,
    /// Number to start.
    started: HashMap<u64, i64>,
    ended: u64,
    reserved: Option<(JobId, Timestamp)>,
    busy_seconds: i64,
}

impl Month {
    fn new() -> Self {
        let mut dice = Dice(7);
        let jobs = jobs(&mut dice);
        let submitted = jobs.iter().map(|job| {
            Reverse((job.queued.submitted.as_second(), Event::Submitted(job.queued.id.0)))
        });
        let mut events: BinaryHeap<_> = submitted.collect();
        for _ in 0..150 {
            let device = usize::try_from(dice.below(100)).unwrap();
            let from = dice.upto(MONTH);
            let until = from + 600 + dice.upto(6 * 3600);
            events.push(Reverse((from, Event::Out(device))));
            events.push(Reverse((until, Event::Back(device))));
        }
        let order = Order::default();
        Self {
            jobs,
            lab: Arc::new(lab()),
            order,
            waiting: Waiting::new(order),
            shares: Shares::new(order.half_life),
            running: BTreeMap::new(),
            events,
            started: HashMap::new(),
            ended: 0,
            reserved: None,
            busy_seconds: 0,
        }
    }

    fn job(&self, id: u64) -> &Job {
        &self.jobs[usize::try_from(id - 1).unwrap()]
    }

    /// Everything that happens at the next moment at which something does.
    fn happens(&mut self) -> Option<i64> {
        let Reverse((now, _)) = *self.events.peek()?;
        while let Some(Reverse((_, event))) = self.events.peek().copied().filter(|e| e.0.0 == now) {
            self.events.pop();
            match event {
                Event::Submitted(id) => {
                    let job = self.job(id).queued.clone();
                    self.waiting.insert(&job);
                }
                Event::Ends(id) => self.ends(id, now),
                Event::Out(device) => self.open(device, Open::Nobody { why: "a test".into() }),
                Event::Back(device) => self.open(device, Open::Jobs),
            }
        }
        Some(now)
    }

    fn open(&mut self, device: usize, open: Open) {
        Arc::make_mut(&mut self.lab).devices[device].open = open;
        // Promises are made for the lab as it is.
        self.reserved = None;
    }

    fn ends(&mut self, id: u64, now: i64) {
        let (running, started) = self.running.remove(&JobId(id)).expect("it runs");
        let submitter = self.job(id).queued.submitter.clone();
        let unused = running.needs.at_most - seconds(now - started.as_second());
        self.shares.charge(&submitter, started, -cost(&running.needs, unused));
        self.ended += 1;
    }

    fn decides(&mut self, now: i64) {
        let running = self.running.values().map(|(running, _)| running);
        let plan = plan(at(now), &self.waiting, &self.shares, running, &self.lab);
        self.promises_are_kept(&plan);
        for start in &plan.start {
            let id = start.id.0;
            let job = &self.jobs[usize::try_from(id - 1).unwrap()];
            let (needs, time) = (job.queued.demand.needs, job.time);
            let end = at(now) + SignedDuration::try_from(needs.at_most).unwrap();
            let device = Some(start.device.clone());
            assert!(self.waiting.contains(start.id), "job {id} starts and does not wait");
            self.waiting.remove(start.id);
            assert!(self.started.insert(id, now).is_none(), "job {id} is started twice");
            self.shares.charge(&job.queued.submitter, at(now), cost(&needs, needs.at_most));
            self.running.insert(start.id, (Running { needs, device, expected_end: end }, at(now)));
            self.events.push(Reverse((now + time, Event::Ends(id))));
            self.busy_seconds += time;
            let devices = &mut Arc::make_mut(&mut self.lab).devices;
            let used = devices.iter_mut().find(|one| one.name == start.device).unwrap();
            used.last_used = Some(at(now));
        }
        if self.started.len().is_multiple_of(97) {
            self.nothing_idle_could_work(now, plan.standing.reserved());
        }
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

    /// Looked at with nothing but the facts: is there a device and memory for somebody who waits, and no
    /// promise that keeps them?
    fn nothing_idle_could_work(&self, now: i64, reserved: Option<(JobId, Timestamp)>) {
        let out: u32 = self.running.values().map(|(running, _)| running.needs.memory_mib).sum();
        assert!(out <= MEMORY_MIB && self.running.len() <= 100);
        let busy: Vec<_> =
            self.running.values().filter_map(|(running, _)| running.device.as_ref()).collect();
        let mut unique = busy.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), busy.len(), "a device runs two jobs");
        let devices = self.lab.devices.iter().filter(|one| one.open == Open::Jobs);
        let idle: Vec<_> = devices.filter(|one| !busy.contains(&&one.name)).collect();
        for id in self.waiting.best(&self.shares) {
            let Demand { device_type, tags, needs, .. } = &self.job(id.0).queued.demand;
            let device = idle.iter().find(|one| {
                one.device_type == *device_type && tags.iter().all(|tag| one.tags.contains(tag))
            });
            let (Some(device), true) = (device, needs.memory_mib <= MEMORY_MIB - out) else {
                continue;
            };
            let end = at(now) + SignedDuration::try_from(needs.at_most).unwrap();
            let is_kept = reserved.is_some_and(|(first, by)| first != id && end > by);
            assert!(is_kept, "{} is idle, and job {id} could run on it", device.name);
        }
    }

    /// What a submitter would be told now: start and end of a job, the usual and the late ones.
    fn foretell(&self, now: i64, id: u64) -> Option<[i64; 4]> {
        let first = self.waiting.best(&self.shares).take(1_000);
        let upcoming = |id: JobId| {
            let Job { queued, takes, .. } = self.job(id.0);
            Upcoming { queued: queued.clone(), takes: *takes, after: Vec::new() }
        };
        let waiting: Vec<_> = first.map(upcoming).collect();
        let underway: Vec<_> = self
            .running
            .iter()
            .map(|(id, (running, started))| Underway {
                id: *id,
                running: running.clone(),
                started: *started,
                takes: self.job(id.0).takes,
            })
            .collect();
        let (lab, shares, order) = (self.lab.clone(), self.shares.clone(), self.order);
        let scene = Scene { lab, shares, order, blocked: Arc::default() };
        let found = outlook(at(now), &waiting, &underway, &scene);
        let told = found.get(&JobId(id))?;
        let (start, end) = (told.start, told.end);
        Some([start.usual, start.late, end.usual, end.late].map(Timestamp::as_second))
    }
}

/// The value that so many percent of all stay within.
fn within(values: &mut [i64], percent: usize) -> i64 {
    values.sort_unstable();
    values[(values.len() - 1) * percent / 100]
}

#[test]
fn a_month_of_a_busy_lab() {
    let mut month = Month::new();
    // (job, when it was told, what)
    let mut told: Vec<(u64, i64, [i64; 4])> = Vec::new();
    let mut decisions = 0;
    let mut longest_queue = 0;
    while let Some(now) = month.happens() {
        let newest = month.jobs.partition_point(|job| job.queued.submitted.as_second() <= now);
        month.decides(now);
        decisions += 1;
        longest_queue = longest_queue.max(month.waiting.len());
        if decisions % 4_000 == 0 && newest > 0 {
            let id = newest as u64;
            told.extend(month.foretell(now, id).map(|what| (id, now, what)));
        }
    }
    assert_eq!(month.ended, JOBS, "none is lost");
    assert!(month.waiting.is_empty() && month.running.is_empty());

    let waits = |which: &dyn Fn(&Queued) -> bool| -> Vec<i64> {
        let jobs = month.jobs.iter().filter(|job| which(&job.queued));
        jobs.map(|job| month.started[&job.queued.id.0] - job.queued.submitted.as_second()).collect()
    };
    let utilisation = month.busy_seconds as f64 / (MONTH as f64 * 100.0);
    eprintln!("{decisions} decisions; devices busy {:.0} %", utilisation * 100.0);
    eprintln!("at most {longest_queue} waited");
    for (what, which) in [
        ("high", &(|job: &Queued| job.priority == Priority::HIGH) as &dyn Fn(&Queued) -> bool),
        ("medium", &|job: &Queued| job.priority == Priority::MEDIUM),
        ("low", &|job: &Queued| job.priority == Priority::LOW),
        ("64 GiB", &|job: &Queued| job.demand.needs.memory_mib > 32 * 1024),
    ] {
        let mut waited = waits(which);
        let [half, most, longest] = [50, 99, 100].map(|percent| within(&mut waited, percent));
        eprintln!("{what}: half waited {half} s or less, 99 % {most} s, the longest {longest} s");
        // A priority is worth 25 hours at most, and the queue is never longer than a day.
        assert!(longest < 48 * 3600, "{what}: somebody starves");
    }
    let mean = |waited: Vec<i64>| waited.iter().sum::<i64>() / waited.len() as i64;
    let medium = |who: &'static str| {
        move |job: &Queued| job.priority == Priority::MEDIUM && job.submitter == who
    };
    let heavy = mean(waits(&medium("submitter 0")));
    let light = mean(waits(&medium("submitter 6")));
    eprintln!("of medium priority, who sends half of all waits {heavy} s, who sends 1 % {light} s");
    assert!(light <= heavy, "whoever asks for little waits no longer");

    let mut errors: Vec<_> =
        told.iter().map(|(id, _, told)| (month.started[id] - told[0]).abs()).collect();
    let in_time = told.iter().filter(|(id, _, told)| month.started[id] <= told[1]).count();
    let [half, most] = [50, 90].map(|percent| within(&mut errors, percent));
    eprintln!(
        "{} starts foretold: half within {half} s, 90 % within {most} s; {in_time} not later than said",
        told.len()
    );
    assert!(told.len() > 20 && in_time * 2 > told.len());
}
