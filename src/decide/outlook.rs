//! Plays the queue forward: when each job will start and end if jobs take as long as they usually do.
//!
//! The play is [`plan()`]'s own choice at each end of a job, so what it foretells is what will happen as
//! long as the times come true, nobody sends another job, and jobs that others wait for come out as
//! those need it. It is played twice, with what half of the runs stay within and with what nearly all
//! do.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Lab, Queued, Running, Shares, Waiting, cost,
    plan::{after, plan},
};
use crate::{
    config::Order,
    model::{After, Foretold, JobId, Outlook},
};

/// How long a job takes. By default no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Takes {
    /// Half of the runs stay within.
    pub usual: Duration,
    /// Nearly all do.
    pub long: Duration,
}

impl Takes {
    /// Nothing.
    pub const NONE: Self = Self { usual: Duration::ZERO, long: Duration::ZERO };

    /// Of a job nobody has seen run: as long as it may.
    pub const fn unknown(at_most: Duration) -> Self {
        Self { usual: at_most, long: at_most }
    }

    /// Both one after the other.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            usual: self.usual.saturating_add(other.usual),
            long: self.long.saturating_add(other.long),
        }
    }
}

/// What a job that has outrun all known runs is given: such a part of the time it has taken.
const LONGER: u32 = 5;

/// A job that has not started.
#[derive(Debug, Clone)]
pub struct Upcoming {
    pub queued: Queued,
    pub takes: Takes,
    /// Jobs whose ends it waits for, before it is its turn.
    pub after: Vec<JobId>,
}

/// A job that has an engine.
#[derive(Debug, Clone)]
pub struct Underway {
    pub id: JobId,
    pub running: Running,
    pub started: Timestamp,
    pub takes: Takes,
}

impl Underway {
    /// When it ends, for all that is known now.
    ///
    /// One that has taken longer than half of the runs ends, for all we know, in the middle of what is
    /// left until nearly all have. One that has taken longer than those is like none of them: the
    /// longer it has gone on, the longer it may, up to its limit.
    fn end(&self, now: Timestamp) -> Foretold {
        let usual = after(self.started, self.takes.usual);
        let late = after(self.started, self.takes.long).max(usual);
        let limit = self.running.expected_end.max(now);
        let since = |from: Timestamp, to: Timestamp| {
            Duration::try_from(to.duration_since(from)).unwrap_or_default()
        };
        match now {
            _ if now < usual => Foretold { usual, late },
            _ if now < late => Foretold { usual: after(now, since(now, late) / 2), late },
            _ => {
                let more = since(self.started, now) / LONGER;
                Foretold { usual: after(now, more).min(limit), late: limit }
            }
        }
    }
}

/// Where the queue is played forward from.
#[derive(Debug, Clone)]
pub struct Scene {
    pub lab: Arc<Lab>,
    pub shares: Shares,
    pub order: Order,
    /// Jobs that wait for the end of another, or of its retry, and of which.
    pub blocked: Arc<BTreeMap<JobId, After>>,
}

/// What is to come of all jobs. A job that cannot run on this box has none, and neither has one that
/// waits for the end of a job that is not among these.
pub fn outlook(
    now: Timestamp,
    waiting: &[Upcoming],
    underway: &[Underway],
    scene: &Scene,
) -> BTreeMap<JobId, Outlook> {
    let ends = |pick: fn(Foretold) -> Timestamp| move |job: &Underway| pick(job.end(now));
    let usual = play(now, waiting, underway, scene, |takes| takes.usual, ends(|end| end.usual));
    let late = play(now, waiting, underway, scene, |takes| takes.long, ends(|end| end.late));
    let both = usual.into_iter().filter_map(|(id, (start, end))| {
        let (late_start, late_end) = late.get(&id)?;
        // Longer times may bring a job forward: a gap it fits into opens elsewhere.
        let foretold =
            |usual: Timestamp, late: Timestamp| Foretold { usual, late: late.max(usual) };
        Some((id, Outlook { start: foretold(start, *late_start), end: foretold(end, *late_end) }))
    });
    both.collect()
}

/// What is to come of a job so far back in the queue that nobody plays as far: when the last that
/// is played starts, the work before it is done by all machines together, and then its own.
pub fn behind(from: Foretold, ahead: Takes, machines: u32, takes: Takes) -> Outlook {
    let machines = machines.max(1);
    let usual = after(from.usual, ahead.usual / machines);
    let late = after(from.late, ahead.long / machines).max(usual);
    let end = after(usual, takes.usual);
    Outlook {
        start: Foretold { usual, late },
        end: Foretold { usual: end, late: after(late, takes.long).max(end) },
    }
}

/// Start and end of each job.
fn play(
    now: Timestamp,
    upcoming: &[Upcoming],
    underway: &[Underway],
    scene: &Scene,
    time: impl Fn(Takes) -> Duration,
    ends: impl Fn(&Underway) -> Timestamp,
) -> BTreeMap<JobId, (Timestamp, Timestamp)> {
    let mut played = BTreeMap::new();
    // (expected end, number, what it holds until then)
    let mut running = Vec::new();
    for job in underway {
        let end = ends(job);
        played.insert(job.id, (job.started, end));
        running.push((end, job.id, job.running.clone()));
    }
    let jobs: HashMap<JobId, &Upcoming> = upcoming.iter().map(|job| (job.queued.id, job)).collect();
    let mut waiting = Waiting::new(scene.order);
    // How many ends each waits for that has to, and who waits for the end of each.
    let mut blocked: HashMap<JobId, usize> = HashMap::new();
    let mut dependents: HashMap<JobId, Vec<JobId>> = HashMap::new();
    for job in jobs.values() {
        if job.after.is_empty() {
            waiting.insert(&job.queued);
        } else {
            let id = job.queued.id;
            blocked.insert(id, job.after.len());
            job.after.iter().for_each(|after| dependents.entry(*after).or_default().push(id));
        }
    }
    let mut shares = scene.shares.clone();
    let mut clock = now;
    loop {
        let held = running.iter().map(|(.., held)| held);
        for start in plan(clock, &waiting, &shares, held, &scene.lab).start {
            let Upcoming { queued: job, takes, .. } = jobs[&start.id];
            let (needs, takes) = (job.demand.needs, time(*takes));
            let end = after(clock, takes);
            let expected_end = after(clock, needs.at_most);
            waiting.remove(job.id);
            shares.charge(&job.submitter, clock, cost(&needs, takes));
            played.insert(job.id, (clock, end));
            running.push((
                end,
                job.id,
                Running { needs, device: Some(start.device), expected_end },
            ));
        }
        if waiting.is_empty() && blocked.is_empty() {
            break;
        }
        let Some(next) = running.iter().map(|(end, ..)| *end).min() else { break };
        // Time goes on also where a job takes none.
        clock = next.max(clock);
        for (_, ended, _) in running.extract_if(.., |(end, ..)| *end <= clock) {
            for id in dependents.remove(&ended).unwrap_or_default() {
                let left = blocked.get_mut(&id).expect("it waits for this one too");
                *left -= 1;
                if *left == 0 {
                    blocked.remove(&id);
                    waiting.insert(&jobs[&id].queued);
                }
            }
        }
    }
    played
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        decide::{Demand, Device, Open},
        model::{Needs, Priority},
    };

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(minute: u32) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, MINUTE * minute)
    }

    fn scene(memory_mib: u32, machines: u32) -> Scene {
        let device = Device {
            name: "qemu-1".into(),
            device_type: "qemu".into(),
            tags: [].into(),
            memory_mib,
            cores: 64,
            at_once: machines,
            open: Open::Jobs,
            last_used: None,
        };
        let lab = Lab { memory_mib, cores: 64, machines, devices: vec![device] };
        let order = Order::default();
        Scene {
            lab: Arc::new(lab),
            shares: Shares::new(order.half_life),
            order,
            blocked: Arc::default(),
        }
    }

    fn job(id: u64, memory_mib: u32, usual: u32, long: u32) -> Upcoming {
        let needs = Needs { memory_mib, cores: 1, at_most: MINUTE * 60 };
        let takes = Takes { usual: MINUTE * usual, long: MINUTE * long };
        let demand = Demand {
            device_type: "qemu".into(),
            tags: [].into(),
            device: None,
            health_check: false,
            needs,
        };
        let queued = Queued {
            id: JobId(id),
            demand,
            submitter: "ada".into(),
            submitted: at(0),
            priority: Priority::MEDIUM,
        };
        Upcoming { queued, takes, after: Vec::new() }
    }

    fn underway(id: u64, started: u32, usual: u32) -> Underway {
        let needs = Needs { memory_mib: 100, cores: 1, at_most: MINUTE * 60 };
        let expected_end = after(at(started), needs.at_most);
        let running = Running { needs, device: Some("qemu-1".into()), expected_end };
        let takes = Takes { usual: MINUTE * usual, long: MINUTE * usual };
        Underway { id: JobId(id), running, started: at(started), takes }
    }

    /// Minutes of start and end, usual and late.
    fn told(outlook: &BTreeMap<JobId, Outlook>, id: u64) -> Option<[i64; 4]> {
        let Outlook { start, end } = outlook.get(&JobId(id))?;
        let minute = |at: Timestamp| at.as_second() / 60;
        Some([start.usual, start.late, end.usual, end.late].map(minute))
    }

    #[test]
    fn jobs_follow_each_other_as_machines_become_free() {
        let waiting = [job(2, 100, 10, 20), job(3, 100, 5, 5), job(4, 9_999, 1, 1)];
        let found = outlook(at(100), &waiting, &[underway(1, 90, 15)], &scene(1_000, 1));
        assert_eq!(told(&found, 1), Some([90, 90, 105, 105]));
        assert_eq!(told(&found, 2), Some([105, 105, 115, 125]));
        assert_eq!(told(&found, 3), Some([115, 125, 120, 130]));
        assert_eq!(told(&found, 4), None, "this box has not that much memory");
    }

    #[test]
    fn one_that_is_late_already_may_go_on_as_it_did() {
        let job = job(2, 100, 10, 10);
        let late = |started: u32, usual: u32, long: u32| {
            let takes = Takes { usual: MINUTE * usual, long: MINUTE * long };
            let late = Underway { takes, ..underway(1, started, usual) };
            let found = outlook(at(100), std::slice::from_ref(&job), &[late], &scene(100, 1));
            (told(&found, 1).unwrap(), told(&found, 2).unwrap())
        };
        // Half of the runs have ended, nearly all within 20 minutes more.
        let want = ([80, 80, 110, 120], [110, 120, 120, 130]);
        assert_eq!(late(80, 10, 40), want);
        // All have ended; its limit is an hour.
        let want = ([80, 80, 104, 140], [104, 140, 114, 150]);
        assert_eq!(late(80, 10, 20), want);
        let want = ([41, 41, 101, 101], [101, 101, 111, 111]);
        assert_eq!(late(41, 10, 10), want, "no later than its limit");
        let want = ([30, 30, 100, 100], [100, 100, 110, 110]);
        assert_eq!(late(30, 10, 10), want, "its end is overdue");
    }

    #[test]
    fn what_waits_for_others_starts_when_the_last_of_them_has_ended() {
        let then = |job: Upcoming, after: &[u64]| Upcoming {
            after: after.iter().copied().map(JobId).collect(),
            ..job
        };
        let waiting = [
            then(job(4, 100, 5, 5), &[1, 3]),
            job(2, 100, 10, 20),
            job(3, 100, 30, 30),
            then(job(5, 100, 1, 1), &[4]),
            then(job(6, 100, 1, 1), &[99]),
            then(job(7, 100, 1, 1), &[6]),
        ];
        let found = outlook(at(100), &waiting, &[underway(1, 90, 15)], &scene(1_000, 2));
        assert_eq!(told(&found, 2), Some([100, 100, 110, 120]));
        assert_eq!(told(&found, 3), Some([105, 105, 135, 135]));
        assert_eq!(told(&found, 4), Some([135, 135, 140, 140]));
        assert_eq!(told(&found, 5), Some([140, 140, 141, 141]));
        assert_eq!((told(&found, 6), told(&found, 7)), (None, None), "99 is not played");
    }

    #[test]
    fn what_is_far_back_waits_for_the_work_before_it() {
        let from = Foretold { usual: at(10), late: at(20) };
        let minutes = |usual, long| Takes { usual: MINUTE * usual, long: MINUTE * long };
        let found = behind(from, minutes(60, 90), 3, minutes(5, 6));
        let expected = Outlook {
            start: Foretold { usual: at(30), late: at(50) },
            end: Foretold { usual: at(35), late: at(56) },
        };
        assert_eq!(found, expected);
    }

    proptest! {
        /// No more is out at any time than is lent, every job that fits is played once, and the
        /// first starts at once on an empty box.
        #[test]
        fn a_play_keeps_to_the_box(
            jobs in vec((1_u32..12, 0_u32..30, 0_u32..30), 1..40),
            memory in 4_u32..20,
            machines in 1_u32..5,
        ) {
            let waiting: Vec<_> = (1..).zip(&jobs).map(|(id, (memory, usual, more))| {
                job(id, *memory, *usual, usual + more)
            }).collect();
            let scene = scene(memory, machines);
            let found = outlook(at(0), &waiting, &[], &scene);
            for Upcoming { queued: job, takes, .. } in &waiting {
                let fits = job.demand.needs.memory_mib <= memory;
                prop_assert_eq!(found.contains_key(&job.id), fits);
                let Some(Outlook { start, end }) = found.get(&job.id) else { continue };
                prop_assert_eq!(end.usual, after(start.usual, takes.usual));
                prop_assert!(start.late >= start.usual && end.late >= end.usual);
                let at_once = waiting.iter().map(|one| &one.queued).filter(|other| {
                    found.get(&other.id).is_some_and(|other| {
                        other.start.usual <= start.usual && start.usual < other.end.usual
                    })
                });
                let out: Vec<_> = at_once.map(|other| other.demand.needs.memory_mib).collect();
                prop_assert!(out.len() <= machines as usize && out.iter().sum::<u32>() <= memory);
            }
            let mut all = waiting.iter().map(|one| &one.queued);
            if let Some(first) = all.find(|job| job.demand.needs.memory_mib <= memory) {
                prop_assert_eq!(found[&first.id].start.usual, at(0));
            }
        }
    }
}
