use std::time::Duration;

use super::*;
use crate::{
    clock::Stopwatch,
    engine::journal::Journal,
    gauges::Timings,
    model::{Event, LimitOrigin, Part, Spot, Step, Verdict},
};

struct Stage {
    folder: tempfile::TempDir,
    narrator: Narrator,
    stopper: Stopper,
    watcher: Watcher,
}

impl Stage {
    /// A run in its first step.
    fn new(limits: Vec<Limit>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Stopwatch::start();
        let journal = Journal::begin(&folder.path().join("events.jsonl"), clock).unwrap();
        let narrator = Narrator::new(journal, Timings::new(clock), 2);
        let stopper = Stopper::new();
        let watcher = Watcher::new(limits, narrator.clone(), stopper.clone());
        narrator.start_part(Part::Test, "screen");
        narrator.start_step("1/0", &Step::SendKey { keys: "ret".into() });
        Self { folder, narrator, stopper, watcher }
    }

    /// Watches until the run is to stop, at most so long.
    async fn stopped(&self, within: Duration) -> Option<Reason> {
        tokio::select! {
            never = self.watcher.serve() => match never {},
            reason = tokio::time::timeout(within, self.stopper.wanted()) => reason.ok(),
        }
    }

    fn facts(&self) -> Vec<Fact> {
        let text = std::fs::read_to_string(self.folder.path().join("events.jsonl")).unwrap();
        let event = |line| serde_json::from_str::<Event>(line).unwrap().fact;
        text.lines().map(event).collect()
    }

    fn slow(&self) -> Vec<(String, LimitMode)> {
        let slow = |fact| {
            let Fact::Slow { measure, mode, .. } = fact else { return None };
            Some((measure, mode?))
        };
        self.facts().into_iter().filter_map(slow).collect()
    }
}

fn limit(measure: Measure, value: f64, mode: LimitMode) -> Limit {
    let origin = LimitOrigin::Set { by: "ada".into() };
    Limit { measure, spot: Spot::default(), value, mode, origin }
}

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_limit_that_stops_ends_the_run_with_its_cause() {
    let stage = Stage::new(vec![limit(Measure::StepTime, 50.0, LimitMode::Stop)]);
    let reason = stage.stopped(LONG).await.expect("it stops");
    assert_eq!(reason.verdict(), Verdict::TooSlow);
    let cause = reason.cause();
    assert_eq!(cause.code, Code::TooSlow);
    let words = &cause.words;
    assert!(words.starts_with("the step send_key ret has taken "), "{words}");
    assert!(words.contains("the limit is 50 ms, set by ada; "), "{words}");

    let mut backend = Map::new();
    stage.watcher.end(&mut backend);
    let slow = &backend["slow"];
    assert_eq!((&slow["measure"], &slow["unit"]), (&json!("step_time"), &json!("ms")));
    assert_eq!(slow["spot"], json!({"step": "send_key ret"}));
    assert!(slow["value"].as_f64().unwrap() >= 50.0);
    assert!(backend["host"]["host_load1"].is_number(), "{backend:?}");
    assert_eq!(backend["slow_events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_limit_that_watches_only_tells_and_one_that_is_off_does_not() {
    let limits = vec![
        limit(Measure::StepTime, 30.0, LimitMode::Watch),
        limit(Measure::PartTime, 30.0, LimitMode::Off),
    ];
    let stage = Stage::new(limits);
    assert_eq!(stage.stopped(SHORT).await, None);
    assert_eq!(stage.slow(), [("step_time".into(), LimitMode::Watch)]);
    let mut backend = Map::new();
    stage.watcher.end(&mut backend);
    assert!(!backend.contains_key("slow") && backend.contains_key("slow_events"), "{backend:?}");
}

#[tokio::test]
async fn new_limits_hold_at_once_and_none_after_the_last_action() {
    let stage = Stage::new(Vec::new());
    let order = async {
        stage.watcher.limits_are(vec![limit(Measure::JobTime, 20.0, LimitMode::Stop)]);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        reason = stage.stopped(LONG) => assert_eq!(reason.unwrap().verdict(), Verdict::TooSlow),
        () = order => unreachable!("it never ends"),
    }

    let stage = Stage::new(vec![limit(Measure::JobTime, 20.0, LimitMode::Stop)]);
    stage.watcher.end(&mut Map::new());
    assert_eq!(stage.stopped(SHORT).await, None);
    assert_eq!(stage.slow(), []);
}

#[tokio::test]
async fn a_step_that_is_over_is_not_slow_any_more() {
    let stage = Stage::new(vec![limit(Measure::StepTime, 100.0, LimitMode::Stop)]);
    let steps = async {
        for number in 0..6 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            stage.narrator.end_step(crate::model::Outcome::Ok, "");
            let step = Step::SendKey { keys: "ret".into() };
            stage.narrator.start_step(&format!("1/{number}"), &step);
        }
    };
    tokio::select! {
        reason = stage.stopped(LONG) => panic!("{reason:?}"),
        () = steps => {}
    }
}

#[test]
fn a_guest_that_resets_in_a_loop_ends_the_run_and_explains_itself() {
    let stage = Stage::new(Vec::new());
    // The clock does not wait for us, so resets are put in as if they were seconds apart.
    for second in 1..=3 {
        let remark =
            stage.watcher.inner.borrow_mut().stalls.on_reset(Duration::from_secs(5 * second));
        remark.into_iter().for_each(|remark| stage.watcher.say(remark));
    }
    let words = stage.narrator.with_remarks("no needle matched");
    assert_eq!(words, "no needle matched; the guest was reset 3 times in 10 s");
    for second in 4..=5 {
        let remark =
            stage.watcher.inner.borrow_mut().stalls.on_reset(Duration::from_secs(5 * second));
        remark.into_iter().for_each(|remark| stage.watcher.say(remark));
    }
    let mut backend = Map::new();
    stage.watcher.end(&mut backend);
    assert_eq!(backend["stalls"].as_array().unwrap().len(), 2, "{backend:?}");
    let reason = futures_util::FutureExt::now_or_never(stage.stopper.wanted()).unwrap();
    assert_eq!((reason.verdict(), reason.cause().code), (Verdict::Incomplete, Code::ResetLoop));
}
