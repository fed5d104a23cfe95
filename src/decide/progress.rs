//! How far a job has come, in percent of what it is expected to take.
//!
//! Each part counts for as much as it usually takes. A part that runs approaches its end without
//! reaching it: up to its usual time by the clock, then ever slower, so what is told never goes
//! backward and never says that it is over before it is. Of a job that nobody has seen run, the
//! steps it has done are all there is to go by.

use std::time::Duration;

use super::outlook::Takes;
use crate::model::{Part, PartRun, Run};

/// The most that is said of what still runs.
const ALMOST: f64 = 0.99;
/// Of a part whose usual time is up.
const USUAL: f64 = 0.95;

/// A part that is to come, and what it takes if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub part: Part,
    pub name: String,
    pub takes: Option<Takes>,
}

/// How far a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    ToCome,
    Runs { percent: Option<u8> },
    Over,
}

/// A part as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartProgress {
    pub part: Part,
    pub name: String,
    pub standing: Standing,
    /// How long it has taken so far.
    pub took: Duration,
    pub takes: Option<Takes>,
}

/// A job as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// 0 to 99; none when there is nothing to go by.
    pub percent: Option<u8>,
    pub parts: Vec<PartProgress>,
    /// The part that runs takes longer than nearly all did.
    pub is_long: bool,
}

impl PartProgress {
    /// Longer than nearly all that went well.
    pub fn is_long(&self) -> bool {
        self.takes.is_some_and(|takes| self.took > takes.long)
    }
}

/// How far a run has come, `until` on its clock, of the parts that were planned.
pub fn progress(planned: &[Planned], run: &Run, until: Duration) -> Progress {
    let took = |part: &PartRun| part.took.unwrap_or_else(|| until.saturating_sub(part.started));
    let mut seen: Vec<&PartRun> = run.parts.iter().collect();
    let mut parts: Vec<_> = planned
        .iter()
        .map(|planned| {
            let is_it = |one: &&PartRun| one.part == planned.part && one.name == planned.name;
            let run = seen.iter().position(is_it).map(|at| seen.remove(at));
            stands(planned, run.map(|run| (took(run), run.took.is_some())))
        })
        .collect();
    // What nobody has planned has a place, and no weight.
    parts.extend(seen.into_iter().map(|run| {
        let planned = Planned { part: run.part, name: run.name.clone(), takes: None };
        stands(&planned, Some((took(run), run.took.is_some())))
    }));
    let is_long =
        parts.iter().any(|part| matches!(part.standing, Standing::Runs { .. }) && part.is_long());
    let percent = by_time(&parts).or_else(|| by_steps(run));
    Progress { percent, parts, is_long }
}

fn stands(planned: &Planned, run: Option<(Duration, bool)>) -> PartProgress {
    let (took, standing) = match run {
        None => (Duration::ZERO, Standing::ToCome),
        Some((took, true)) => (took, Standing::Over),
        Some((took, false)) => {
            let percent = planned.takes.map(|takes| percent(share(took, takes.usual)));
            (took, Standing::Runs { percent })
        }
    };
    let Planned { part, name, takes } = planned.clone();
    PartProgress { part, name, standing, took, takes }
}

/// Of what all parts together usually take. Parts of unknown length do not count; where all are, it
/// is not known.
fn by_time(parts: &[PartProgress]) -> Option<u8> {
    let (mut whole, mut done) = (0.0, 0.0);
    for part in parts {
        let Some(takes) = part.takes else { continue };
        let weight = takes.usual.as_secs_f64();
        whole += weight;
        done += weight
            * match part.standing {
                Standing::ToCome => 0.0,
                Standing::Runs { .. } => share(part.took, takes.usual),
                Standing::Over => 1.0,
            };
    }
    (whole > 0.0).then(|| percent(done / whole))
}

fn by_steps(run: &Run) -> Option<u8> {
    let (done, total) = run.progress?;
    (total > 0).then(|| percent(f64::from(done) / f64::from(total)))
}

/// How much of itself a part has done that runs: below 1 for ever.
fn share(took: Duration, usual: Duration) -> f64 {
    let (took, usual) = (took.as_secs_f64(), usual.as_secs_f64());
    if took < usual {
        return USUAL * took / usual;
    }
    if took == 0.0 { USUAL } else { USUAL + (ALMOST - USUAL) * (1.0 - usual / took) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 99")]
fn percent(share: f64) -> u8 {
    (share.clamp(0.0, ALMOST) * 100.0).floor() as u8
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn planned(part: Part, name: &str, usual: u64, long: u64) -> Planned {
        let takes = Takes { usual: seconds(usual), long: seconds(long) };
        Planned { part, name: name.into(), takes: Some(takes) }
    }

    fn ran(part: Part, name: &str, started: u64, took: Option<u64>) -> PartRun {
        let took = took.map(seconds);
        PartRun { part, name: name.into(), started: seconds(started), took, result: None }
    }

    fn three() -> [Planned; 3] {
        [
            planned(Part::Boot, "boot", 10, 20),
            planned(Part::Test, "screen", 80, 100),
            planned(Part::Collect, "collect", 10, 20),
        ]
    }

    #[test]
    fn parts_count_for_what_they_usually_take() {
        let over = ran(Part::Boot, "boot", 0, Some(30));
        for (case, parts, until, percent, is_long) in [
            ("nothing has begun", vec![], 0, 0, false),
            ("half of the boot", vec![ran(Part::Boot, "boot", 0, None)], 5, 4, false),
            ("a slow boot", vec![ran(Part::Boot, "boot", 0, None)], 21, 9, true),
            ("it is over, and forgotten", vec![over.clone()], 30, 10, false),
            ("in the test", vec![over.clone(), ran(Part::Test, "screen", 30, None)], 70, 48, false),
            (
                "the test takes long",
                vec![over.clone(), ran(Part::Test, "screen", 30, None)],
                131,
                86,
                true,
            ),
            (
                "a part nobody knows",
                vec![over, ran(Part::Test, "other", 30, None)],
                9_999,
                10,
                false,
            ),
        ] {
            let run = Run { parts, ..Run::default() };
            let found = progress(&three(), &run, seconds(until));
            assert_eq!((found.percent, found.is_long), (Some(percent), is_long), "{case}");
        }
    }

    #[test]
    fn a_job_nobody_has_seen_run_is_as_far_as_its_steps() {
        let unknown = three().map(|one| Planned { takes: None, ..one });
        let mut run = Run { parts: vec![ran(Part::Boot, "boot", 0, None)], ..Run::default() };
        assert_eq!(progress(&unknown, &run, seconds(5)).percent, None);
        run.progress = Some((3, 4));
        assert_eq!(progress(&unknown, &run, seconds(5)).percent, Some(75));
        run.progress = Some((4, 4));
        assert_eq!(progress(&unknown, &run, seconds(5)).percent, Some(99), "it still runs");
    }

    proptest! {
        /// As time goes on and parts end in their order, it never goes backward and never says 100.
        #[test]
        fn it_never_goes_backward(
            usual in vec((0_u64..50, 0_u64..50), 1..6),
            takes in vec(1_u64..200, 6),
        ) {
            let names: Vec<_> = (0..usual.len()).map(|n| n.to_string()).collect();
            let plan: Vec<_> = names.iter().zip(&usual)
                .map(|(name, (usual, more))| planned(Part::Test, name, *usual, usual + more))
                .collect();
            let (mut run, mut now, mut before) = (Run::default(), 0, 0);
            for (name, takes) in names.iter().zip(&takes) {
                let started = now;
                run.parts.push(ran(Part::Test, name, started, None));
                for _ in 0..*takes {
                    now += 1;
                    let found = progress(&plan, &run, seconds(now)).percent.unwrap_or(0);
                    prop_assert!(before <= found && found <= 99, "{before} then {found}");
                    before = found;
                }
                run.parts.last_mut().unwrap().took = Some(seconds(now - started));
                let found = progress(&plan, &run, seconds(now)).percent.unwrap_or(0);
                prop_assert!(before <= found && found <= 99, "{before} then {found}");
                before = found;
            }
        }
    }
}
