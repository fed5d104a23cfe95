use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use super::*;

const TYPE: &str = "qemu-x86_64";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn needs(memory_mib: u32, cores: u32, seconds: u64) -> Needs {
    Needs { memory_mib, cores, at_most: Duration::from_secs(seconds) }
}

fn job(id: u64, memory_mib: u32, cores: u32, seconds: u64) -> Queued {
    Queued {
        id: JobId(id),
        needs: needs(memory_mib, cores, seconds),
        device_type: TYPE.into(),
        tags: vec![],
    }
}

fn running(memory_mib: u32, cores: u32, end: i64) -> Running {
    Running {
        needs: needs(memory_mib, cores, 1000),
        device_type: TYPE.into(),
        expected_end: at(end),
    }
}

/// 4 GiB, 4 cores, 4 machines, of which one may be of the type `arm`.
fn lends() -> Lends {
    let kind = |name: &str, machines| DeviceType {
        name: name.into(),
        tags: vec!["uefi".into()],
        machines,
    };
    Lends {
        memory_mib: 4096,
        cores: 4,
        machines: 4,
        device_types: vec![kind(TYPE, 9), kind("arm", 1)],
    }
}

fn of(job: Queued, device_type: &str, tags: &[&str]) -> Queued {
    let tags = tags.iter().map(|tag| (*tag).into()).collect();
    Queued { device_type: device_type.into(), tags, ..job }
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
        let plan = plan(at(10), &queue, &out, &lends());
        let start: Vec<_> = start.into_iter().map(JobId).collect();
        assert_eq!((&plan.start, plan.wake_at), (&start, wake.map(at)), "{case}");
        assert_eq!(plan.start.len() + plan.reasons.len(), queue.len(), "{case}");
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
    busy.device_type = "arm".into();
    let plan = plan(at(10), &queue, &[busy], &lends());
    let words: Vec<_> = plan.reasons.iter().map(|(id, why)| format!("{id}: {why}")).collect();
    insta::assert_snapshot!(words.join("\n"), @r"
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
fn a_hundred_thousand_waiting_jobs_are_decided_in_one_go() {
    let queue: Vec<_> = (0..100_000).map(|id| job(id, 2048, 1, 60)).collect();
    let since = crate::clock::Stopwatch::start();
    let plan = plan(at(10), &queue, &[], &lends());
    let took = since.elapsed();
    assert_eq!((plan.start.len(), plan.reasons.len()), (2, 99_998));
    eprintln!("planned 100000 jobs in {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

fn queues() -> impl Strategy<Value = Vec<Queued>> {
    let one = (0..5000_u32, 0..6_u32, 1..100_u64, 0..4_u8);
    vec(one, 0..12).prop_map(|jobs| {
        let numbered = jobs.into_iter().zip(1..);
        numbered
            .map(|((memory, cores, seconds, device), id)| match device {
                0 => of(job(id, memory, cores, seconds), "arm", &[]),
                1 => of(job(id, memory, cores, seconds), "toaster", &[]),
                _ => job(id, memory, cores, seconds),
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
    for id in &plan.start {
        let job = queue.iter().find(|job| job.id == *id).unwrap();
        out.push(Running {
            needs: job.needs,
            device_type: job.device_type.clone(),
            expected_end: after(at(10), job.needs.at_most),
        });
    }
    out
}

proptest! {
    #[test]
    fn never_more_is_out_than_there_is(queue in queues(), out in houses()) {
        let plan = plan(at(10), &queue, &out, &lends());
        let out = carried_out(&plan, &queue, out);
        let sum = |of: fn(&Needs) -> u32| out.iter().map(|job| of(&job.needs)).sum::<u32>();
        prop_assert!(sum(|needs| needs.memory_mib) <= 4096);
        prop_assert!(sum(|needs| needs.cores) <= 4);
        prop_assert!(out.len() <= 4);
        prop_assert!(out.iter().filter(|job| job.device_type == "arm").count() <= 1);
    }

    #[test]
    fn nobody_makes_the_reserved_job_later(queue in queues(), out in houses()) {
        let whole = plan(at(10), &queue, &out, &lends());
        let reserved = whole.reasons.iter().find_map(|(id, reason)| {
            let Reason::Reserved { expected, .. } = reason else { return None };
            Some((*id, *expected))
        });
        if let Some((id, expected)) = reserved {
            let job = queue.iter().find(|job| job.id == id).unwrap();
            let lends = lends();
            let then = House::of(&carried_out(&whole, &queue, out), &lends);
            prop_assert!(then.frees(&job.needs, at(10)) <= expected);
        }
    }

    #[test]
    fn those_who_cannot_run_change_nothing_for_the_others(queue in queues(), out in houses()) {
        let whole = plan(at(10), &queue, &out, &lends());
        prop_assert_eq!(&whole, &plan(at(10), &queue, &out, &lends()));
        let hopeless = |reason: &Reason| {
            matches!(
                reason,
                Reason::NoSuchDevice { .. } | Reason::NoSuchTag { .. } | Reason::NeverFits { .. }
                    | Reason::DeviceBusy { .. }
            )
        };
        let rest: Vec<_> = queue
            .iter()
            .filter(|job| !whole.reasons.iter().any(|(id, why)| *id == job.id && hopeless(why)))
            .cloned()
            .collect();
        prop_assert_eq!(whole.start, plan(at(10), &rest, &out, &lends()).start);
    }
}
