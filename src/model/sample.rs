//! What one job has to teach: a value for each measure and place in the test.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{Measure, Outcome, Part, PartDuration, Run, Spot};

/// Samples of one job. A test of more steps is learned from up to here: whoever writes tests must
/// not be able to fill the store with one of them.
pub const MOST_SAMPLES: usize = 500;

/// Bytes of a name that anything is learned for. A longer one is left out rather than cut, for two
/// names that begin alike would become one.
pub const LONGEST_SPOT: usize = 256;

/// The largest value there can be: in milliseconds, more than thirty years.
pub const LARGEST_SAMPLE: f64 = 1e12;

/// One value of a job that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub measure: Measure,
    pub spot: Spot,
    /// In the measure's unit.
    pub value: f64,
}

impl Sample {
    /// Whether anything can be learned from it.
    pub fn is_sound(&self) -> bool {
        let Spot { module, step } = &self.spot;
        (0.0..=LARGEST_SAMPLE).contains(&self.value)
            && module.len() <= LONGEST_SPOT
            && step.len() <= LONGEST_SPOT
    }
}

impl Spot {
    /// A module, or where the measure is of parts, a part.
    pub fn of_module(name: &str) -> Self {
        Self { module: name.into(), step: String::new() }
    }

    /// A step; `module` is empty for one that stands alone.
    pub fn of_step(module: &str, verb: &str, subject: &str) -> Self {
        let step = format!("{verb} {subject}").trim_end().to_owned();
        Self { module: module.into(), step }
    }
}

/// All that a run has to teach, at most [`MOST_SAMPLES`]. Of several at one place (a key that is
/// sent twice) the largest counts, as each of them is held to the same limit. What was not run, and
/// what failed, teaches nothing, and neither does the collecting of results, which is our own work.
pub fn samples(run: &Run) -> Vec<Sample> {
    let mut found = Largest::default();
    let parts = || run.parts.iter().filter(|part| part.part != Part::Collect);
    let ends = parts().filter_map(|part| Some(part.started + part.took?));
    if let Some(end) = ends.max() {
        found.add(Measure::JobTime, Spot::default(), millis(end));
    }
    for part in parts() {
        if let Some(took) = part.took {
            found.add(Measure::PartTime, Spot::of_module(&part.name), millis(took));
        }
    }
    for item in &run.items {
        let module = item.module.as_ref();
        let name = module.map_or("", |module| module.name.as_str());
        let ends = item.steps.iter().filter_map(|step| Some(step.started + step.took?));
        if let (Some(first), Some(end), true) =
            (item.steps.first(), ends.max(), module.is_some_and(|module| is_good(module.result)))
        {
            let took = end.saturating_sub(first.started);
            found.add(Measure::ModuleTime, Spot::of_module(name), millis(took));
        }
        for step in item.steps.iter().filter(|step| is_good(step.result)) {
            if let Some(took) = step.took {
                let spot = Spot::of_step(name, &step.verb, &step.subject);
                found.add(Measure::StepTime, spot, millis(took));
            }
        }
    }
    if let Some(end) = &run.end {
        found.add_backend(&end.backend);
    }
    found.samples()
}

const fn is_good(result: Option<Outcome>) -> bool {
    matches!(result, Some(Outcome::Ok | Outcome::Softfail))
}

/// What the record of a job tells of its parts alone, for a job whose run nobody read.
pub fn samples_of_parts(parts: &[PartDuration]) -> Vec<Sample> {
    let mut found = Largest::default();
    let acted = || parts.iter().filter(|part| part.part != Part::Collect);
    for part in acted() {
        let took = Duration::from_millis(part.millis);
        found.add(Measure::PartTime, Spot::of_module(&part.name), millis(took));
    }
    if acted().next().is_some() {
        let whole = acted().map(|part| Duration::from_millis(part.millis));
        let whole = whole.fold(Duration::ZERO, Duration::saturating_add);
        found.add(Measure::JobTime, Spot::default(), millis(whole));
    }
    found.samples()
}

/// The largest value at each place.
#[derive(Default)]
struct Largest(BTreeMap<(Measure, Spot), f64>);

impl Largest {
    fn add(&mut self, measure: Measure, spot: Spot, value: f64) {
        if (Sample { measure, spot: spot.clone(), value }).is_sound() {
            let largest = self.0.entry((measure, spot)).or_insert(value);
            *largest = largest.max(value);
        }
    }

    /// What the engine says of its own operations: `operations.<measure>.p95_ms` and
    /// `guest_wait_percent`.
    fn add_backend(&mut self, backend: &serde_json::Map<String, Value>) {
        for measure in [Measure::KeyToScreen, Measure::FrameLag, Measure::MatchTime] {
            let operations = backend.get("operations").and_then(|all| all.get(measure.name()));
            if let Some(value) = operations.and_then(|one| one.get("p95_ms")?.as_f64()) {
                self.add(measure, Spot::default(), value);
            }
        }
        if let Some(value) = backend.get("guest_wait_percent").and_then(Value::as_f64) {
            self.add(Measure::GuestWait, Spot::default(), value);
        }
    }

    /// Steps come last: they are the many, and the first to be left out.
    fn samples(self) -> Vec<Sample> {
        let all =
            self.0.into_iter().map(|((measure, spot), value)| Sample { measure, spot, value });
        let (steps, mut samples): (Vec<_>, Vec<_>) =
            all.partition(|sample| sample.measure == Measure::StepTime);
        samples.extend(steps);
        samples.truncate(MOST_SAMPLES);
        samples
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{End, ItemRun, ModuleRun, PartRun, StepRun, Verdict};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn part(part: Part, name: &str, started: u64, took: Option<u64>) -> PartRun {
        let took = took.map(seconds);
        PartRun { part, name: name.into(), started: seconds(started), took, result: None }
    }

    fn step(verb: &str, subject: &str, started: u64, took: Option<u64>) -> StepRun {
        StepRun {
            path: String::new(),
            verb: verb.into(),
            subject: subject.into(),
            started: seconds(started),
            took: took.map(seconds),
            result: took.map(|_| Outcome::Ok),
            words: String::new(),
            screens: Vec::new(),
        }
    }

    fn module(name: &str, result: Option<Outcome>, steps: Vec<StepRun>) -> ItemRun {
        let module = Some(ModuleRun { path: String::new(), name: name.into(), result });
        ItemRun { module, steps }
    }

    fn told(samples: &[Sample]) -> Vec<String> {
        let line = |sample: &Sample| {
            let Sample { measure, spot: Spot { module, step }, value } = sample;
            format!("{} [{module}] [{step}] {value}", measure.name())
        };
        samples.iter().map(line).collect()
    }

    #[test]
    fn a_run_teaches_its_times_and_what_its_engine_says_of_itself() {
        let backend = serde_json::json!({
            "operations": { "frame_lag": { "p95_ms": 4.5 }, "match_time": { "p95_ms": "fast" } },
            "guest_wait_percent": 2.5,
        });
        let run = Run {
            parts: vec![
                part(Part::Boot, "boot", 1, Some(9)),
                part(Part::Test, "screen", 10, Some(30)),
                part(Part::Collect, "collect", 40, Some(500)),
            ],
            items: vec![
                ItemRun { module: None, steps: vec![step("send_key", "ret", 10, Some(1))] },
                module(
                    "country",
                    Some(Outcome::Ok),
                    vec![
                        step("send_key", "ret", 11, Some(2)),
                        step("send_key", "ret", 14, Some(5)),
                    ],
                ),
                module("cut off", None, vec![step("save_screenshot", "", 20, Some(1))]),
                module("cut off", None, vec![step("assert_screen", "never", 22, None)]),
                module(
                    "did not come",
                    Some(Outcome::Fail),
                    vec![
                        StepRun {
                            result: Some(Outcome::Fail),
                            ..step("assert_screen", "popup", 24, Some(9))
                        },
                        StepRun {
                            result: Some(Outcome::NotRun),
                            ..step("send_key", "esc", 33, Some(0))
                        },
                    ],
                ),
            ],
            end: Some(End {
                wall: jiff::Timestamp::UNIX_EPOCH,
                at: seconds(600),
                verdict: Verdict::Passed,
                cause: None,
                backend: backend.as_object().unwrap().clone(),
                load: None,
            }),
            ..Run::default()
        };
        assert_eq!(
            told(&samples(&run)),
            [
                "job_time [] [] 40000",
                "part_time [boot] [] 9000",
                "part_time [screen] [] 30000",
                "module_time [country] [] 8000",
                "frame_lag [] [] 4.5",
                "guest_wait [] [] 2.5",
                "step_time [] [send_key ret] 1000",
                "step_time [country] [send_key ret] 5000",
                "step_time [cut off] [save_screenshot] 1000",
            ]
        );
    }

    #[test]
    fn a_record_teaches_its_parts_and_their_sum() {
        let part = |part, name: &str, millis| PartDuration { part, name: name.into(), millis };
        let parts = [
            part(Part::Boot, "boot", 100),
            part(Part::Test, "screen", 400),
            part(Part::Collect, "collect", 7),
        ];
        let expected =
            ["job_time [] [] 500", "part_time [boot] [] 100", "part_time [screen] [] 400"];
        assert_eq!(told(&samples_of_parts(&parts)), expected);
        assert_eq!(samples_of_parts(&parts[2..]), []);
    }

    #[test]
    fn a_hostile_run_teaches_no_more_than_fits() {
        let long = "x".repeat(LONGEST_SPOT);
        let steps = (0..9_000).map(|n| step("type_string", &n.to_string(), n, Some(1)));
        let mut steps: Vec<_> = steps.collect();
        steps.push(step("type_string", &long, 9_000, Some(1)));
        let mut run = Run { items: vec![module("m", Some(Outcome::Ok), steps)], ..Run::default() };
        run.parts.push(part(Part::Test, &(long.clone() + "x"), 0, Some(1)));
        run.parts.push(part(Part::Test, &long, 0, Some(u64::MAX / 2)));
        let taught = samples(&run);
        assert_eq!(taught.len(), MOST_SAMPLES);
        assert!(taught.iter().all(Sample::is_sound));
        assert_eq!(taught[0].measure, Measure::ModuleTime, "the rare is not crowded out");
    }
}
