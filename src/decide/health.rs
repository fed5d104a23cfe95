//! Whether a device is well: what a job that has ended says of it, and when to look again.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    lab::{Demand, Device},
    plan::after,
};
use crate::model::{DeviceHealth, DeviceState, DeviceType, HealthCheck, Job, Verdict, Who};

/// What has been learned of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    pub health: DeviceHealth,
    pub why: String,
}

/// What a job that has ended on a device says of it; none when nothing new.
pub fn after_job(state: &DeviceState, kind: &DeviceType, job: &Job) -> Option<Learned> {
    let verdict = job.verdict?;
    let learned = |health, why| Some(Learned { health, why });
    let has_passed = matches!(verdict, Verdict::Passed | Verdict::Softfailed);
    // What somebody has said of it, no job takes back.
    if matches!(state.health, DeviceHealth::Maintenance | DeviceHealth::Retired) {
        return None;
    }
    if job.conditions.health_check {
        return match verdict {
            Verdict::Passed | Verdict::Softfailed => {
                learned(DeviceHealth::Good, format!("health check {} {verdict}", job.id))
            }
            // It has said nothing; the next one will.
            Verdict::Canceled | Verdict::Skipped => None,
            Verdict::Failed | Verdict::Incomplete | Verdict::TimedOut | Verdict::TooSlow => {
                learned(DeviceHealth::Bad, format!("health check {} ended as {verdict}", job.id))
            }
        };
    }
    let by_lab = job.cause.as_ref().filter(|cause| matches!(cause.who, Who::Lab | Who::Host));
    match (state.health, by_lab) {
        (DeviceHealth::Good, Some(cause)) => learned(
            DeviceHealth::Unknown,
            format!("job {} ended as {verdict}: {}", job.id, cause.words),
        ),
        // Without a check of its own, a device is proved by the first job that passes on it.
        (DeviceHealth::Unknown, None) if has_passed && kind.health_check.is_none() => {
            learned(DeviceHealth::Good, format!("job {} {verdict}", job.id))
        }
        _ => None,
    }
}

/// Whether somebody has canceled a health check: then the next one comes when it would have come after
/// this one, or when somebody asks. What the lab itself has given up says nothing of that.
pub fn is_put_off(check: &Job) -> bool {
    let by_lab = check.cause.as_ref().is_some_and(|cause| cause.who == Who::Lab);
    check.verdict == Some(Verdict::Canceled) && !by_lab
}

/// Why a health check that waits for its device can never run on it; none when it can. `device` is the
/// one there is of that name.
pub fn lost(check: &Demand, device: Option<&Device>) -> Option<String> {
    let name = check.device.as_deref()?;
    match device {
        None => Some(format!("device {name}, which it was to check, is gone")),
        Some(Device { device_type, .. }) if *device_type != check.device_type => {
            let was = &check.device_type;
            Some(format!(
                "{was} {name}, which it was to check, is gone: {name} is a {device_type} now"
            ))
        }
        Some(device) if !device.suits(check) => {
            Some(format!("device {name}, which it was to check, has less now than the check needs"))
        }
        Some(_) => None,
    }
}

/// When a device is to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// And why, in words.
    Now {
        why: String,
    },
    At(Timestamp),
    /// As long as nothing happens.
    Never,
}

/// When to check a device next, if nothing happens before.
pub fn due(now: Timestamp, state: &DeviceState, check: &HealthCheck) -> Due {
    if state.checking.is_some() {
        return Due::Never;
    }
    match state.health {
        DeviceHealth::Bad | DeviceHealth::Maintenance | DeviceHealth::Retired => return Due::Never,
        // A check since then was canceled, or somebody would know.
        DeviceHealth::Unknown if state.last_check.is_some_and(|last| last > state.since) => {}
        DeviceHealth::Unknown => return Due::Now { why: state.why.clone() },
        DeviceHealth::Good => {}
    }
    let Some(last) = state.last_check else {
        return Due::Now { why: "it has never been checked".into() };
    };
    if check.after_jobs.is_some_and(|jobs| state.jobs_since_check >= jobs) {
        return Due::Now { why: format!("{} jobs since the last check", state.jobs_since_check) };
    }
    match check.every.map(|every| after(last, every.max(Duration::from_secs(1)))) {
        Some(at) if at <= now => Due::Now { why: "the last check is too long ago".into() },
        Some(at) => Due::At(at),
        None => Due::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        decide::Open,
        markup::samples,
        model::{Cause, Code, Needs},
    };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn state(health: DeviceHealth) -> DeviceState {
        DeviceState { health, last_check: Some(at(0)), ..DeviceState::new("ann", at(0)) }
    }

    fn check(every: Option<u64>, after_jobs: Option<u32>) -> HealthCheck {
        let every = every.map(Duration::from_secs);
        HealthCheck { job: "check.yaml".into(), every, after_jobs }
    }

    #[test]
    fn what_a_job_says_of_its_device() {
        use DeviceHealth::{Bad, Good, Maintenance, Unknown};
        let plain = DeviceType::plain("qemu");
        let checked = DeviceType { health_check: Some(check(None, None)), ..plain.clone() };
        for (health, kind, is_check, verdict, who, expected) in [
            (Good, &plain, false, Verdict::Passed, None, None),
            (Good, &plain, false, Verdict::Failed, Some(Who::Guest), None),
            (Good, &plain, false, Verdict::Incomplete, Some(Who::Host), Some(Unknown)),
            (Unknown, &plain, false, Verdict::Passed, None, Some(Good)),
            (Unknown, &plain, false, Verdict::Incomplete, Some(Who::Lab), None),
            (Unknown, &checked, false, Verdict::Passed, None, None),
            (Unknown, &checked, true, Verdict::Passed, None, Some(Good)),
            (Good, &checked, true, Verdict::Failed, Some(Who::Guest), Some(Bad)),
            (Unknown, &checked, true, Verdict::Canceled, Some(Who::Author), None),
            (Maintenance, &checked, true, Verdict::Passed, None, None),
        ] {
            let mut job = samples::ended(7, "check", verdict, 1);
            job.cause = who.map(|who| Cause::new(who, Code::HostResources, "no room"));
            job.conditions.health_check = is_check;
            let learned = after_job(&state(health), kind, &job);
            let case = (health, is_check, verdict, who);
            assert_eq!(learned.map(|learned| learned.health), expected, "{case:?}");
        }
    }

    #[test]
    fn a_check_that_was_canceled_comes_no_sooner_than_after_one_that_ran() {
        let canceled = |second, since| DeviceState {
            last_check: Some(at(second)),
            since: at(since),
            ..state(DeviceHealth::Unknown)
        };
        let is_due = |due| matches!(due, Due::Now { .. });
        assert_eq!(due(at(5), &canceled(4, 1), &check(Some(10), None)), Due::At(at(14)));
        assert!(is_due(due(at(14), &canceled(4, 1), &check(Some(10), None))));
        assert_eq!(due(at(99), &canceled(4, 1), &check(None, None)), Due::Never);
        assert!(is_due(due(at(5), &canceled(4, 5), &check(None, None))), "somebody has asked");

        let mut job = samples::ended(7, "check", Verdict::Canceled, 1);
        for (who, verdict, expected) in [
            (None, Verdict::Canceled, true),
            (Some(Who::Author), Verdict::Canceled, true),
            (Some(Who::Lab), Verdict::Canceled, false),
            (Some(Who::Author), Verdict::Skipped, false),
            (None, Verdict::Passed, false),
        ] {
            job.cause = who.map(|who| Cause::new(who, Code::Canceled, "so"));
            job.verdict = Some(verdict);
            assert_eq!(is_put_off(&job), expected, "{who:?} {verdict}");
        }
    }

    #[test]
    fn a_check_is_lost_when_its_device_is_gone_or_another() {
        let needs = Needs { memory_mib: 512, cores: 1, at_most: Duration::from_secs(60) };
        let demand = Demand {
            device_type: "board".into(),
            tags: [].into(),
            device: Some("bench".into()),
            health_check: true,
            needs,
        };
        let device = |device_type: &str, memory_mib| Device {
            name: "bench".into(),
            device_type: device_type.into(),
            tags: [].into(),
            memory_mib,
            cores: 4,
            at_once: 1,
            open: Open::Nobody { why: "maintenance".into() },
            last_used: None,
        };
        for (device, words) in [
            (Some(device("board", 512)), None),
            (None, Some("device bench, which it was to check, is gone")),
            (Some(device("panel", 512)), Some("bench is a panel now")),
            (Some(device("board", 256)), Some("has less now than the check needs")),
        ] {
            let told = lost(&demand, device.as_ref());
            assert_eq!(told.is_some(), words.is_some(), "{device:?}: {told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{device:?}");
        }
        assert_eq!(lost(&Demand { device: None, ..demand }, None), None);
    }

    #[test]
    fn a_device_is_checked_by_time_by_count_and_when_nobody_knows() {
        let good = state(DeviceHealth::Good);
        let is_due = |due| matches!(due, Due::Now { .. });
        assert_eq!(due(at(5), &good, &check(Some(10), None)), Due::At(at(10)));
        assert!(is_due(due(at(10), &good, &check(Some(10), None))));
        assert_eq!(due(at(10), &good, &check(None, Some(3))), Due::Never);
        let used = DeviceState { jobs_since_check: 3, ..good.clone() };
        assert!(is_due(due(at(5), &used, &check(Some(10), Some(3)))));
        let unknown = state(DeviceHealth::Unknown);
        assert!(is_due(due(at(5), &unknown, &check(None, None))));
        let busy = DeviceState { checking: Some(crate::model::JobId(1)), ..unknown };
        assert_eq!(due(at(5), &busy, &check(None, None)), Due::Never);
        for out in [DeviceHealth::Bad, DeviceHealth::Maintenance, DeviceHealth::Retired] {
            assert_eq!(due(at(99), &state(out), &check(Some(1), Some(1))), Due::Never);
        }
    }
}
