//! How long a decision takes when a hundred thousand jobs wait, beside one that looks at every job.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use sutler::{
    clock::Stopwatch,
    config::Order,
    decide::{Demand, Device, Lab, Open, Queued, Running, Shares, Waiting, plan},
    model::{JobId, Needs, Priority},
};

use crate::support::figures::{Aim, Figure, Figures, Spread};

const WAITING: u64 = 100_000;
const ROUNDS: u64 = 200;

pub(crate) fn run() {
    let mut figures = Figures::new("decide");
    for (what, submitters, names) in [
        ("a decision, 100,000 wait, 50 submitters of 40 kinds of jobs", 50, 40),
        ("a decision, 100,000 wait, no two of them alike", 50, WAITING),
    ] {
        let queued: Vec<_> = (1..=WAITING).map(|id| job(id, submitters, names)).collect();
        let mut waiting = Waiting::new(Order::default());
        queued.iter().for_each(|job| waiting.insert(job));
        // The least that looking at each of them would take.
        let walk = (0..ROUNDS).map(|round| {
            let since = Stopwatch::start();
            let best =
                queued.iter().map(|job| (job.priority, job.submitted, job.id.0 ^ round)).max();
            std::hint::black_box(best);
            millis(since.elapsed())
        });
        let walk = Spread::p99(&walk.collect::<Vec<_>>());
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            // One device has become free; all others are busy.
            let lab = lab();
            let running: Vec<_> = (0..99).map(|n| running((n + round) % 100)).collect();
            let shares = Shares::new(Duration::from_secs(86_400));
            let since = Stopwatch::start();
            let plan = plan(now(), &waiting, &shares, &running, &lab);
            took.push(millis(since.elapsed()));
            assert_eq!(plan.start.len(), 1, "somebody starts");
        }
        let figure = Figure::new(what, "ms", Spread::p99(&took));
        figures.push(figure.beside("a walk over all of them", walk).aim(Aim::AtMost(5.0)));
    }
    stuck(&mut figures);
    figures.finish();
}

/// Decisions in which nobody can start, though something is idle.
fn stuck(figures: &mut Figures) {
    let mut waiting = Waiting::new(Order::default());
    (1..=WAITING).for_each(|id| waiting.insert(&job(id, 50, WAITING)));
    let shares = Shares::new(Duration::from_secs(86_400));
    let all: Vec<_> = (0..100).map(running).collect();
    let mut other = Lab::clone(&lab());
    other.devices.push(Device { device_type: "other".into(), ..device(100) });
    let mut lent = Lab::clone(&lab());
    lent.memory_mib = 99 * 1024 + 512;
    for (what, lab, running) in [
        ("a decision, only a device of another type is idle", other, &all[..]),
        ("a decision, a device is idle and all memory is lent", lent, &all[..99]),
    ] {
        let lab = Arc::new(lab);
        let times = (0..ROUNDS).map(|_| {
            let since = Stopwatch::start();
            let plan = plan(now(), &waiting, &shares, running, &lab);
            assert_eq!(plan.start, [], "nobody starts");
            millis(since.elapsed())
        });
        let times: Vec<_> = times.collect();
        figures.push(Figure::new(what, "ms", Spread::p99(&times)).aim(Aim::AtMost(5.0)));
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(2_000_000).expect("a time")
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn job(id: u64, submitters: u64, kinds: u64) -> Queued {
    let at_most = Duration::from_secs(600 + id % kinds);
    let demand = Demand {
        device_type: "qemu-x86_64".into(),
        tags: ["uefi".into()].into(),
        device: None,
        health_check: false,
        needs: Needs { memory_mib: 1024, cores: 1, at_most },
    };
    Queued {
        id: JobId(id),
        demand,
        submitter: format!("submitter {}", id % submitters),
        submitted: Timestamp::from_second(1_000_000 + id.cast_signed()).expect("a time"),
        priority: Priority(u8::try_from(id * 7 % 101).expect("below 101")),
    }
}

fn running(device: u64) -> Running {
    let needs = Needs { memory_mib: 1024, cores: 1, at_most: Duration::from_secs(600) };
    Running { needs, device: Some(format!("qemu-{device}")), expected_end: now() }
}

fn lab() -> Arc<Lab> {
    let devices = (0..100).map(device).collect();
    Arc::new(Lab { memory_mib: 1 << 20, cores: 1_000, machines: 100, devices })
}

fn device(n: u32) -> Device {
    Device {
        name: format!("qemu-{n}"),
        device_type: "qemu-x86_64".into(),
        tags: ["uefi".into()].into(),
        memory_mib: 4096,
        cores: 4,
        at_once: 1,
        open: Open::Jobs,
        last_used: None,
    }
}
