//! What is said of a month that has been played, and what it must not say.
#![expect(clippy::print_stderr, reason = "whoever runs the test reads it there")]

use std::collections::BTreeMap;

use sutler::{
    decide::Queued,
    model::{JobId, Outlook, Priority, Verdict},
};

use super::{
    learned::Hits,
    month::{Counts, Month, RETRIES},
    work::MONTH,
};

/// What was foretold of a job at one moment.
pub(super) struct Told {
    pub id: JobId,
    /// It waited for the end of another one then.
    pub is_blocked: bool,
    pub outlook: Outlook,
}

/// The value that so many percent of all stay within.
fn within(values: &mut [i64], percent: usize) -> i64 {
    values.sort_unstable();
    values[(values.len() - 1) * percent / 100]
}

fn percent(part: u64, of: u64) -> u64 {
    part * 100 / of.max(1)
}

pub(super) fn counts(month: &Month) {
    let Counts { retries, retried_enough, over_budget, .. } = month.counts;
    let Counts { canceled_waiting, canceled_running, too_late, moved, .. } = month.counts;
    let Counts { ended, skipped, blocked, busy_seconds, .. } = month.counts;
    let busy = busy_seconds * 100 / (MONTH * 100);
    eprintln!("{ended} jobs ended, devices were busy for {busy} % of the time");
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    for verdict in month.records.iter().filter_map(|record| record.verdict) {
        *ends.entry(verdict.name()).or_default() += 1;
    }
    let ends: Vec<_> = ends.iter().map(|(name, count)| format!("{name} {count}")).collect();
    eprintln!("ends: {}", ends.join(", "));
    eprintln!(
        "{retries} retries; {retried_enough} were retried often enough, {over_budget} over the \
         day's budget"
    );
    eprintln!(
        "canceled {canceled_waiting} that waited and {canceled_running} that ran; {moved} got \
         another priority; {too_late} wishes came too late"
    );
    eprintln!("{blocked} came to wait for another job; {skipped} were skipped");
    assert!(retries > 1_000 && retried_enough > 0 && over_budget > 0, "retries are played");
    assert!(canceled_waiting > 300 && canceled_running > 300, "cancels are played");
    assert!(moved > 300 && blocked > 300 && skipped > 50, "the rest is played too");
    let most = month.retries.values().max().copied();
    assert!(most <= Some(RETRIES.per_day.into()), "more retries than a day has");
    let deepest = month.records.iter().map(|record| record.job.depth).max();
    assert_eq!(deepest, Some(RETRIES.most), "no chain of retries is longer");
    let canceled = month.records.iter().filter(|one| one.verdict == Some(Verdict::Canceled));
    assert_eq!(canceled.count() as u64, canceled_waiting + canceled_running);
}

/// Nobody starves, and whoever asks for little waits no longer than whoever asks for much.
pub(super) fn waits(month: &Month) {
    let waits = |which: &dyn Fn(&Queued) -> bool| -> Vec<i64> {
        let jobs = month.records.iter().filter(|record| which(&record.job.queued));
        jobs.filter_map(|record| record.waited()).collect()
    };
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
}

/// What a kind takes is learned from what it took, so half of the runs stay within the usual time and
/// nearly all within the long one.
pub(super) fn learned(Hits { of, usual, long }: &Hits) {
    let (usual, long) = (percent(*usual, *of), percent(*long, *of));
    eprintln!(
        "{of} good runs of known kinds: {usual} % within the usual time, {long} % the long one"
    );
    assert!((46..=54).contains(&usual) && (90..=97).contains(&long));
}

pub(super) fn foretold(month: &Month, told: &[Told]) {
    let (blocked, in_line): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.is_blocked);
    let in_time = errors(month, "in line", &in_line);
    assert!(in_time > 50, "more than half start no later than said");
    // It may be retried, or be moved back by whoever came meanwhile.
    let in_time = errors(month, "behind another job", &blocked);
    assert!(in_time > 33, "more than a third start no later than said");
}

/// Says how right it was, and returns of how many percent it was not too early.
fn errors(month: &Month, what: &str, told: &[&Told]) -> u64 {
    let (mut starts, mut ends, mut in_time) = (Vec::new(), Vec::new(), 0);
    for Told { id, outlook, .. } in told {
        let record = month.records.get(*id);
        let Some(started) = record.started else { continue };
        starts.push((started - outlook.start.usual.as_second()).abs());
        in_time += u64::from(started <= outlook.start.late.as_second());
        if let Some(ended) = record.ended.filter(|_| record.is_good()) {
            ends.push((ended - outlook.end.usual.as_second()).abs());
        }
    }
    assert!(starts.len() > 20 && ends.len() > 20, "{what}: too few are foretold");
    let in_time = percent(in_time, starts.len() as u64);
    for (which, errors) in [("starts", &mut starts), ("ends", &mut ends)] {
        let [half, most] = [50, 90].map(|percent| within(errors, percent));
        let count = errors.len();
        eprintln!("{what}, {count} {which} foretold: half within {half} s, 90 % within {most} s");
    }
    eprintln!("{what}: {in_time} % started not later than said");
    in_time
}
