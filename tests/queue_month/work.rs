//! What is submitted in the month, and what will become of it as only the simulation knows it.

use std::time::Duration;

use sutler::{
    decide::{Demand, Device, Lab, Open, Queued},
    model::{After, JobId, Must, Needs, Priority, Verdict},
};

use super::{at, dice::Dice};

pub(super) const JOBS: u64 = 100_000;
pub(super) const KINDS: u64 = 200;
pub(super) const MONTH: i64 = 30 * 86_400;
const MEMORY_MIB: u32 = 100 * 4096;
/// Devices by type and tag.
const DEVICES: [(&str, &str, u32); 4] =
    [("x86", "", 50), ("x86", "tpm", 10), ("arm", "", 30), ("riscv", "", 10)];
/// Of a hundred first runs, how many the lab breaks off.
const BREAKS: u64 = 3;
/// The same of retries: what breaks once breaks more easily again.
const BREAKS_AGAIN: u64 = 30;

/// A test that is run again and again.
pub(super) struct Kind {
    pub demand: Demand,
    /// Seconds.
    pub usual: i64,
}

/// What will become of a job once it runs.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    /// Seconds it will really take.
    pub time: i64,
    pub verdict: Verdict,
}

/// What somebody will want of a job after they have submitted it.
#[derive(Clone, Copy)]
pub(super) enum Wish {
    /// To end it, so many seconds after the submission.
    Cancel(i64),
    /// To end it when it has run for so much of its time.
    Stop { percent: i64 },
    /// To give it another priority, so many seconds after the submission.
    Move(i64, Priority),
}

/// A job as only the simulation knows it.
pub(super) struct Job {
    pub queued: Queued,
    /// Which of the kinds.
    pub kind: usize,
    pub after: Vec<After>,
    pub fate: Fate,
    pub wish: Option<Wish>,
    /// How often it was retried before: 0 for one that is no retry.
    pub depth: u32,
}

impl Fate {
    fn of(dice: &mut Dice, usual: i64, breaks: u64) -> Self {
        if dice.below(100) < breaks {
            return Self { time: early(dice, usual), verdict: Verdict::Incomplete };
        }
        let whole = usual * 8 / 10 + usual * dice.upto(100) * dice.upto(100) / 20_000;
        match dice.below(100) {
            // Now and then one takes as long as it may.
            0 | 1 => Self { time: usual * 3, verdict: Verdict::TimedOut },
            2..=9 => Self { time: early(dice, usual), verdict: Verdict::Failed },
            10..=13 => Self { time: whole, verdict: Verdict::Softfailed },
            _ => Self { time: whole, verdict: Verdict::Passed },
        }
    }
}

impl Job {
    /// The same once more.
    pub(super) fn again(&self, dice: &mut Dice, kinds: &[Kind], id: JobId, now: i64) -> Self {
        Self {
            queued: Queued { id, submitted: at(now), ..self.queued.clone() },
            kind: self.kind,
            // What it waited for has come about.
            after: Vec::new(),
            fate: Fate::of(dice, kinds[self.kind].usual, BREAKS_AGAIN),
            wish: None,
            depth: self.depth + 1,
        }
    }
}

/// Seconds after which a run is over that does not come to its end.
fn early(dice: &mut Dice, usual: i64) -> i64 {
    usual * (1 + dice.upto(70)) / 100
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.try_into().unwrap())
}

pub(super) fn kinds(dice: &mut Dice) -> Vec<Kind> {
    (0..KINDS).map(|_| kind(dice)).collect()
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
pub(super) fn jobs(dice: &mut Dice, kinds: &[Kind]) -> Vec<Job> {
    let mut times: Vec<i64> = (0..JOBS)
        .map(|n| match n % 10 {
            // Every night a great many at once.
            0 | 1 => dice.upto(30) * 86_400 + 7_200,
            _ => dice.upto(MONTH),
        })
        .collect();
    times.sort_unstable();
    times.into_iter().zip(1..).map(|(submitted, id)| job(dice, kinds, id, submitted)).collect()
}

fn job(dice: &mut Dice, kinds: &[Kind], id: u64, submitted: i64) -> Job {
    // Half of all jobs are one submitter's, a quarter the next one's and so on, down to a few.
    let submitter = format!("submitter {}", dice.halving());
    let kind = usize::try_from(dice.below(KINDS)).unwrap();
    let priority = Priority(dice.one_of(&[0, 50, 50, 50, 50, 50, 100]));
    let Kind { demand, usual } = &kinds[kind];
    let (demand, submitted) = (demand.clone(), at(submitted));
    Job {
        queued: Queued { id: JobId(id), demand, submitter, submitted, priority },
        kind,
        after: after(dice, id),
        fate: Fate::of(dice, *usual, BREAKS),
        wish: wish(dice),
        depth: 0,
    }
}

/// One in thirty waits for one that was submitted not long before it, or for two.
fn after(dice: &mut Dice, id: u64) -> Vec<After> {
    let count = match dice.below(100) {
        0 | 1 => 1,
        2 => 2,
        _ => 0,
    };
    let earlier = (id - 1).min(100);
    let mut after = Vec::new();
    for _ in 0..if earlier == 0 { 0 } else { count } {
        let job = JobId(id - 1 - dice.below(earlier));
        after.push(After { job, must: dice.one_of(&[Must::Pass, Must::Pass, Must::End]) });
    }
    after
}

fn wish(dice: &mut Dice) -> Option<Wish> {
    match dice.below(200) {
        0 | 1 => Some(Wish::Cancel(dice.upto(900))),
        2 | 3 => Some(Wish::Stop { percent: dice.upto(100) }),
        // Most of these come too late.
        4..=9 => Some(Wish::Move(dice.upto(900), Priority(dice.one_of(&[0, 25, 75, 100])))),
        _ => None,
    }
}

pub(super) fn lab() -> Lab {
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
