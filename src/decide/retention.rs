//! Decides what of ended jobs goes now and why, and when to look again.
//!
//! Age comes first: what is older than its limit goes, oldest first. When the disk still has less
//! free than it should, or ended jobs take more than they may, more goes before its time: first
//! videos, which are nearly all of the bytes and the least of the evidence, oldest first; only when
//! no video is left, results, oldest first. It stops as soon as enough is free.
//!
//! A job that runs or is kept is not among the candidates: the store lists none. `upkeep` carries
//! the [`Plan`] out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    config::Retention,
    model::{JobId, Keepsake, Rule},
};

/// Something of an ended job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub job: JobId,
    pub ended: Timestamp,
    pub bytes: u64,
}

/// Candidates of one kind, oldest end first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Oldest {
    pub list: Vec<Candidate>,
    /// There are younger ones that are not in the list.
    pub more: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    pub videos: Oldest,
    pub results: Oldest,
    /// Of jobs that hold nothing else any more.
    pub records: Oldest,
}

/// Bytes, as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub free: u64,
    /// What the folders of all ended jobs take.
    pub held: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    pub job: JobId,
    pub what: Keepsake,
    pub rule: Rule,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub remove: Vec<Removal>,
    /// When something becomes too old, or now, when there is more to do than was listed. Never,
    /// when nothing does.
    pub look_again: Option<Timestamp>,
}

pub fn plan(now: Timestamp, keep: &Retention, space: Space, candidates: &Candidates) -> Plan {
    let kinds = [
        (Keepsake::Video, &candidates.videos),
        (Keepsake::Results, &candidates.results),
        (Keepsake::Record, &candidates.records),
    ];
    let mut plan = Plan::default();
    // What is left of each kind when the old is gone.
    let mut left: [&[Candidate]; 3] = [&[]; 3];
    let (mut freed, mut unseen) = (0, false);
    for (index, (what, oldest)) in kinds.into_iter().enumerate() {
        let limit = age_limit(keep, what);
        let too_old = |one: &Candidate| limit.is_some_and(|limit| expiry(one, limit) <= now);
        let old = oldest.list.iter().take_while(|one| too_old(one)).count();
        for one in &oldest.list[..old] {
            let rule = Rule::age(limit.expect("without a limit nothing is too old"));
            plan.remove.push(Removal { job: one.job, what, rule });
            freed += one.bytes;
        }
        left[index] = &oldest.list[old..];
        match left[index].first() {
            Some(next) => {
                plan.look_again = earliest(plan.look_again, limit.map(|l| expiry(next, l)))
            }
            None => unseen |= oldest.more,
        }
    }
    if !unseen {
        for (what, left, more) in [
            (Keepsake::Video, left[0], candidates.videos.more),
            (Keepsake::Results, left[1], candidates.results.more),
        ] {
            let mut left = left.iter();
            while let Some(rule) = lack(keep, space, freed) {
                let Some(one) = left.next() else { break };
                freed += one.bytes;
                plan.remove.push(Removal { job: one.job, what, rule });
            }
            if lack(keep, space, freed).is_none() {
                break;
            }
            if more {
                unseen = true;
                break;
            }
        }
    }
    if unseen {
        plan.look_again = Some(now);
    }
    plan
}

/// How old this may become. What a record describes goes no later than the record, and a video no
/// later than the results it lies with.
pub fn age_limit(keep: &Retention, what: Keepsake) -> Option<Duration> {
    let shorter = |a: Option<Duration>, b: Option<Duration>| [a, b].into_iter().flatten().min();
    let results = shorter(keep.results, keep.records);
    match what {
        Keepsake::Video => shorter(keep.videos, results),
        Keepsake::Results => results,
        Keepsake::Record => keep.records,
    }
}

/// When this becomes too old.
pub fn expiry(candidate: &Candidate, limit: Duration) -> Timestamp {
    let limit = SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX);
    candidate.ended.checked_add(limit).unwrap_or(Timestamp::MAX)
}

/// The rule that still wants more gone.
fn lack(keep: &Retention, space: Space, freed: u64) -> Option<Rule> {
    let bytes = |mib: u64| mib.saturating_mul(1 << 20);
    if space.free.saturating_add(freed) < bytes(keep.least_free_mib) {
        return Some(Rule::LeastFree { limit_mib: keep.least_free_mib });
    }
    let limit_mib = keep.most_mib?;
    let too_much = space.held.saturating_sub(freed) > bytes(limit_mib);
    too_much.then_some(Rule::Most { limit_mib })
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests;
