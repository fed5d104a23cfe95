use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{config::Order, decide::Queued, model::Priority};

const TYPE: &str = "qemu-x86_64";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn needs(memory_mib: u32, cores: u32, seconds: u64) -> Needs {
    Needs { memory_mib, cores, at_most: Duration::from_secs(seconds) }
}

fn job(id: u64, memory_mib: u32, cores: u32, seconds: u64) -> Queued {
    let demand = Demand {
        device_type: TYPE.into(),
        tags: [].into(),
        device: None,
        health_check: false,
        needs: needs(memory_mib, cores, seconds),
    };
    Queued {
        id: JobId(id),
        demand,
        submitter: "ada".into(),
        submitted: at(0),
        priority: Priority::MEDIUM,
    }
}

fn of(job: Queued, device_type: &str, tags: &[&str]) -> Queued {
    let tags = tags.iter().map(|tag| (*tag).into()).collect();
    let demand = Demand { device_type: device_type.into(), tags, ..job.demand };
    Queued { demand, ..job }
}

fn running(memory_mib: u32, cores: u32, end: i64) -> Running {
    let device = Some("qemu-1".into());
    Running { needs: needs(memory_mib, cores, 1000), device, expected_end: at(end) }
}

fn device(name: &str, device_type: &str, at_once: u32) -> Device {
    Device {
        name: name.into(),
        device_type: device_type.into(),
        tags: ["uefi".into()].into(),
        memory_mib: 4096,
        cores: 4,
        at_once,
        open: Open::Jobs,
        last_used: None,
    }
}

/// 4 GiB, 4 cores, 4 machines, of which one may be of the type `arm`.
fn lab() -> Lab {
    let devices = vec![device("qemu-1", TYPE, 9), device("arm-1", "arm", 1)];
    Lab { memory_mib: 4096, cores: 4, machines: 4, devices }
}

fn decide(queue: &[Queued], out: &[Running], lab: Lab) -> Plan {
    decide_after(queue, out, lab, &Shares::new(Order::default().half_life))
}

fn decide_after(queue: &[Queued], out: &[Running], lab: Lab, shares: &Shares) -> Plan {
    let mut waiting = Waiting::new(Order::default());
    queue.iter().for_each(|job| waiting.insert(job));
    plan(at(10), &waiting, shares, out, &Arc::new(lab))
}

fn started(plan: &Plan) -> Vec<u64> {
    plan.start.iter().map(|start| start.id.0).collect()
}

fn words(plan: &Plan, queue: &[Queued]) -> String {
    let reason = |job: &Queued| {
        let why = plan.standing.reason(job.id, &job.demand)?;
        (!started(plan).contains(&job.id.0)).then(|| format!("{}: {why}", job.id))
    };
    queue.iter().filter_map(reason).collect::<Vec<_>>().join("\n")
}

#[test]
fn who_starts() {
    for (case, queue, out, start, wake) in [
        ("all that fit", vec![job(1, 1024, 1, 60), job(2, 1024, 1, 60)], vec![], vec![1, 2], None),
        (
            "a large job is next, and what may end too late waits behind it",
            vec![job(1, 4096, 1, 60), job(2, 512, 1, 100)],
            vec![running(1024, 1, 50)],
            vec![],
            Some(50),
        ),
        (
            "what ends in time goes before it",
            vec![job(1, 4096, 1, 60), job(2, 512, 1, 40), job(3, 512, 1, 41)],
            vec![running(1024, 1, 50)],
            vec![2],
            Some(50),
        ),
        (
            "the reservation is for when enough have ended",
            vec![job(1, 3072, 1, 60), job(2, 512, 1, 61), job(3, 512, 1, 60)],
            vec![running(1024, 1, 30), running(1024, 1, 70), running(1024, 1, 90)],
            vec![3],
            Some(70),
        ),
        (
            "cores are waited for as memory is",
            vec![job(1, 512, 4, 60), job(2, 512, 1, 100)],
            vec![running(512, 1, 50)],
            vec![],
            Some(50),
        ),
        (
            "what never fits holds nobody up",
            vec![job(1, 5000, 1, 60), job(2, 512, 9, 60), job(3, 512, 1, 60)],
            vec![],
            vec![3],
            None,
        ),
        (
            "nor does an unknown device, tag or a busy device",
            vec![
                of(job(1, 512, 1, 60), "toaster", &[]),
                of(job(2, 512, 1, 60), TYPE, &["gpu"]),
                of(job(3, 512, 1, 60), "arm", &[]),
                of(job(4, 512, 1, 60), "arm", &[]),
                of(job(5, 512, 1, 60), TYPE, &["uefi", TYPE]),
            ],
            vec![],
            vec![3, 5],
            None,
        ),
        (
            "every machine is out",
            vec![job(1, 512, 1, 60)],
            vec![running(1, 0, 20), running(1, 0, 30), running(1, 0, 40), running(1, 0, 50)],
            vec![],
            Some(20),
        ),
        (
            "a job that overstays is about to end",
            vec![job(1, 4096, 1, 60), job(2, 512, 1, 1)],
            vec![running(1024, 1, 5)],
            vec![],
            None,
        ),
    ] {
        let plan = decide(&queue, &out, lab());
        assert_eq!((started(&plan), plan.wake_at), (start, wake.map(at)), "{case}");
    }
}

#[test]
fn everyone_who_waits_hears_why() {
    let queue = [
        of(job(1, 512, 1, 60), "toaster", &[]),
        of(job(2, 512, 1, 60), TYPE, &["gpu"]),
        job(3, 65_536, 1, 60),
        job(4, 4096, 1, 60),
        job(5, 512, 1, 100),
        job(6, 4000, 1, 100),
        of(job(7, 512, 1, 10), "arm", &[]),
    ];
    let mut busy = running(1024, 1, 50);
    busy.device = Some("arm-1".into());
    let plan = decide(&queue, &[busy], lab());
    insta::assert_snapshot!(words(&plan, &queue), @r"
    1: this box has no device of type toaster
    2: no qemu-x86_64 of this box has the tag gpu
    3: needs 64 GiB, this box lends 4 GiB
    4: next: needs 4 GiB, 3 GiB free, expected by 1970-01-01 00:00 UTC
    5: would fit, but may not end before job 4 can start
    6: needs 3.9 GiB, 3 GiB free
    7: every arm is busy (1 machine)
    ");
}

#[test]
fn only_devices_that_would_do_are_called_busy() {
    let slow = Device { tags: ["slow".into()].into(), ..device("pc-2", TYPE, 1) };
    let devices = vec![device("pc-1", TYPE, 4), slow];
    let busy = Running { device: Some("pc-2".into()), ..running(64, 1, 50) };
    let queue = [of(job(1, 64, 1, 10), TYPE, &["slow"])];
    let plan = decide(&queue, &[busy], Lab { devices, ..lab() });
    assert_eq!(words(&plan, &queue), "1: pc-2 is busy (1 machine)");
}

#[test]
fn the_device_that_was_used_least_recently_gets_the_job() {
    let used = |name: &str, seconds: Option<i64>| Device {
        last_used: seconds.map(at),
        ..device(name, TYPE, 1)
    };
    let devices = vec![used("a", Some(5)), used("b", Some(3)), used("c", None), used("d", Some(4))];
    let queue: Vec<_> = (1..=5).map(|id| job(id, 64, 1, 60)).collect();
    let plan = decide(&queue, &[], Lab { devices, ..lab() });
    let names: Vec<_> = plan.start.iter().map(|start| start.device.as_str()).collect();
    assert_eq!(names, ["c", "b", "d", "a"], "never, then longest ago");
    let why: Vec<_> = plan.start.iter().map(|start| start.why.idle).collect();
    assert_eq!(why, [4, 3, 2, 1]);
}

#[test]
fn what_is_out_of_service_runs_nothing_and_what_is_unchecked_runs_its_check() {
    let with = |name: &str, open| Device { open, ..device(name, TYPE, 1) };
    let out = with("a", Open::Nobody { why: "maintenance by ann: new disk".into() });
    let unchecked = with("b", Open::HealthChecks);
    let mut check = job(1, 64, 1, 60);
    check.demand.health_check = true;
    check.demand.device = Some("b".into());
    let mut elsewhere = job(2, 64, 1, 60);
    elsewhere.demand.device = Some("z".into());
    let queue = [job(3, 64, 1, 60), check, elsewhere];

    let plan = decide(&queue, &[], Lab { devices: vec![out.clone()], ..lab() });
    assert_eq!(started(&plan), [0; 0]);
    insta::assert_snapshot!(words(&plan, &queue), @r"
    3: a is out of service: maintenance by ann: new disk
    1: this box has no device b
    2: this box has no device z
    ");
    let plan = decide(&queue, &[], Lab { devices: vec![unchecked, out], ..lab() });
    assert_eq!(started(&plan), [1]);
    insta::assert_snapshot!(words(&plan, &queue), @r"
    3: whether b is well is being found out
    2: this box has no device z
    ");
}

/// The order in which these start, one after the other on one machine.
fn order(jobs: &[Queued], shares: &Shares) -> Vec<u64> {
    let mut waiting = Waiting::new(Order::default());
    jobs.iter().for_each(|job| waiting.insert(job));
    waiting.best(shares).map(|id| id.0).collect()
}

#[test]
fn priority_and_waiting_and_use_are_told_in_points() {
    let new = |id, priority, minutes: i64, who: &str| Queued {
        priority: Priority(priority),
        submitted: at(minutes * 60),
        submitter: who.into(),
        ..job(id, 64, 1, 60)
    };
    let mut shares = Shares::new(Duration::from_secs(3600));
    let first_come = [new(1, 50, 2, "ada"), new(2, 50, 1, "bob"), new(3, 50, 1, "ada")];
    assert_eq!(order(&first_come, &shares), [2, 3, 1], "and of the same moment the lower number");
    let priorities = [new(1, 0, 0, "ada"), new(2, 50, 1, "ada"), new(3, 100, 2, "ada")];
    assert_eq!(order(&priorities, &shares), [3, 2, 1]);
    // 50 points are 750 minutes: one that was there for longer has overtaken all that come later.
    let waited = [new(1, 0, 0, "ada"), new(2, 50, 749, "ada"), new(3, 50, 751, "ada")];
    assert_eq!(order(&waited, &shares), [2, 1, 3]);
    // Who has had all is 20 points behind one who has had nothing: 300 minutes.
    shares.charge("ada", at(0), 100.0);
    let shared = [new(1, 50, 0, "ada"), new(2, 50, 299, "bob"), new(3, 50, 301, "bob")];
    assert_eq!(order(&shared, &shares), [2, 1, 3]);
}

#[test]
fn in_one_decision_two_submitters_take_turns() {
    let jobs: Vec<_> = (1..=8)
        .map(|id| Queued {
            submitter: if id <= 6 { "ada" } else { "bob" }.into(),
            ..job(id, 64, 1, 60)
        })
        .collect();
    let mut shares = Shares::new(Duration::from_secs(3600));
    for who in ["ada", "bob"] {
        shares.charge(who, at(0), 1_000.0);
    }
    let plan = decide_after(&jobs, &[], lab(), &shares);
    assert_eq!(started(&plan), [1, 7, 2, 8], "though all of ada's came first");
}

fn queues() -> impl Strategy<Value = Vec<Queued>> {
    let one = (0..5000_u32, 0..6_u32, 1..100_u64, 0..4_u8, 0..=100_u8, 0..3_u8);
    vec(one, 0..12).prop_map(|jobs| {
        let numbered = jobs.into_iter().zip(1..);
        numbered
            .map(|((memory, cores, seconds, device, priority, who), id)| {
                let job = match device {
                    0 => of(job(id, memory, cores, seconds), "arm", &[]),
                    1 => of(job(id, memory, cores, seconds), "toaster", &[]),
                    _ => job(id, memory, cores, seconds),
                };
                Queued { priority: Priority(priority), submitter: who.to_string(), ..job }
            })
            .collect()
    })
}

fn houses() -> impl Strategy<Value = Vec<Running>> {
    vec((0..2000_u32, 0..2_u32, 0..200_i64), 0..4).prop_map(|jobs| {
        let mut free = Free { memory_mib: 4096, cores: 4, machines: 4 };
        jobs.into_iter()
            .map(|(memory, cores, end)| running(memory, cores, end))
            .filter(|job| {
                let fits = free.short_of(&job.needs).is_none();
                free = if fits { free.without(&job.needs) } else { free };
                fits
            })
            .collect()
    })
}

/// What runs once a plan is carried out.
fn carried_out(plan: &Plan, queue: &[Queued], mut out: Vec<Running>) -> Vec<Running> {
    for start in &plan.start {
        let job = queue.iter().find(|job| job.id == start.id).unwrap();
        let needs = job.demand.needs;
        let expected_end = after(at(10), needs.at_most);
        out.push(Running { needs, device: Some(start.device.clone()), expected_end });
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_more_is_out_than_there_is(queue in queues(), out in houses()) {
        let plan = decide(&queue, &out, lab());
        let out = carried_out(&plan, &queue, out);
        let sum = |of: fn(&Needs) -> u32| out.iter().map(|job| of(&job.needs)).sum::<u32>();
        prop_assert!(sum(|needs| needs.memory_mib) <= 4096);
        prop_assert!(sum(|needs| needs.cores) <= 4);
        prop_assert!(out.len() <= 4);
        let arms = out.iter().filter(|job| job.device.as_deref() == Some("arm-1"));
        prop_assert!(arms.count() <= 1);
    }

    #[test]
    fn nobody_makes_the_reserved_job_later(queue in queues(), out in houses()) {
        let whole = decide(&queue, &out, lab());
        if let Some((id, expected)) = whole.standing.reserved {
            let job = queue.iter().find(|job| job.id == id).unwrap();
            let then = carried_out(&whole, &queue, out);
            let then = House::of(at(10), &then, &Arc::new(lab()));
            prop_assert!(then.frees(&job.demand.needs) <= expected);
        }
    }

    #[test]
    fn whoever_waits_hears_why_and_whoever_starts_was_not_kept(queue in queues(), out in houses()) {
        let whole = decide(&queue, &out, lab());
        let start = started(&whole);
        for job in &queue {
            let reason = whole.standing.reason(job.id, &job.demand);
            prop_assert!(reason.is_some() || start.contains(&job.id.0), "{job:?}");
        }
    }

    #[test]
    fn those_who_cannot_run_change_nothing_for_the_others(queue in queues(), out in houses()) {
        let whole = decide(&queue, &out, lab());
        prop_assert_eq!(started(&whole), started(&decide(&queue, &out, lab())));
        let hopeless = |job: &Queued| {
            let starts = started(&whole).contains(&job.id.0);
            let reason = whole.standing.reason(job.id, &job.demand);
            !starts && matches!(
                reason,
                Some(
                    Reason::NoSuchDevice { .. } | Reason::NoSuchTag { .. } | Reason::NeverFits { .. }
                        | Reason::NoDeviceFits { .. } | Reason::DeviceBusy { .. } | Reason::TheseBusy { .. }
                )
            )
        };
        let rest: Vec<_> = queue.iter().filter(|job| !hopeless(job)).cloned().collect();
        prop_assert_eq!(started(&whole), started(&decide(&rest, &out, lab())));
    }

    #[test]
    fn a_queue_that_is_changed_is_the_queue_made_anew(queue in queues(), gone in vec(0..12_usize, 0..6)) {
        let mut waiting = Waiting::new(Order::default());
        queue.iter().for_each(|job| waiting.insert(job));
        let mut rest = queue.clone();
        for at in gone.into_iter().filter(|at| *at < queue.len()) {
            waiting.remove(queue[at].id);
            rest.retain(|job| job.id != queue[at].id);
        }
        // Noted again, a job is where it was.
        rest.iter().for_each(|job| waiting.insert(job));
        let shares = Shares::new(Duration::from_secs(60));
        let best: Vec<_> = waiting.best(&shares).map(|id| id.0).collect();
        prop_assert_eq!(best, order(&rest, &shares));
        prop_assert_eq!(waiting.len(), rest.len());
    }
}
