//! Limits over the store, and a week of a lab.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tempfile::tempdir;

use super::{Held, Insight, MOST_LIMITS};
use crate::{
    config::Thresholds,
    markup::samples,
    model::{
        Conditions, Job, Limit, LimitMode, LimitOrigin, Lineage, Measure, NewJob, Sample, Scope,
        Series, SetLimit, Spot, Verdict,
    },
    store::{Change, Measured, Sketch, Store, StoreSettings, Writer},
};

const NAME: &str = "debian installer asks the right questions";

struct Lab {
    _folder: tempfile::TempDir,
    store: Store,
    writer: Writer,
    insight: Insight,
    ran: u64,
}

impl Lab {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path().join("s");
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        let insight = Insight::new(store.clone(), Thresholds::default());
        Self { _folder: folder, store, writer, insight, ran: 0 }
    }

    /// A job that waits, and what it would be held to.
    async fn start(&mut self) -> (Job, Vec<Limit>) {
        self.ran += 1;
        let job = samples::waiting(self.ran, NAME, 1);
        let new = NewJob {
            uuid: uuid::Uuid::from_u128(u128::from(self.ran)),
            name: job.name.clone(),
            definition: job.definition.clone(),
            definition_hash: job.definition_hash,
            bundle: job.bundle,
            submitter: job.submitter.clone(),
            way_in: job.way_in,
            submitted: job.submitted,
            priority: job.priority,
            device_type: job.device_type.clone(),
            tags: vec![],
            settings: BTreeMap::new(),
            metadata: BTreeMap::new(),
            visibility: job.visibility,
            stream: None,
            needs: job.needs,
            conditions: Conditions::default(),
            lineage: Lineage::default(),
            idempotency: None,
            intake_key: None,
        };
        let id = self.store.submit(new).await.unwrap().id;
        let job = self.store.job(id).await.unwrap().unwrap();
        let limits = self.insight.limits(&job).await.unwrap();
        (job, limits)
    }

    async fn end(&self, job: &Job, verdict: Verdict, samples: Vec<Sample>) {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(self.ran.cast_signed());
        let (cause, load, parts) = (None, None, vec![]);
        let backend = serde_json::Map::new();
        let end = Change::Ended { at, verdict, cause, backend, load, parts, samples };
        self.store.change(job.id, end).await.unwrap();
    }

    /// Runs a job that takes so many seconds; what it was held to.
    async fn run(&mut self, verdict: Verdict, seconds: f64) -> Option<Limit> {
        let (job, limits) = self.start().await;
        let value = seconds * 1e3;
        let whole = Sample { measure: Measure::JobTime, spot: Spot::default(), value };
        self.end(&job, verdict, vec![whole]).await;
        limits.into_iter().find(|limit| limit.measure == Measure::JobTime)
    }

    async fn close(self) {
        self.store.check_consistent().unwrap();
        self.writer.close().await;
    }
}

#[tokio::test]
async fn ten_runs_teach_a_threshold_that_then_holds() {
    let mut lab = Lab::new();
    let mut chance = Chance(4);
    for n in 1..=10 {
        let limit = lab.run(Verdict::Passed, chance.about(60.0, 0.1)).await;
        assert_eq!(limit, None, "before run {n} too little is known");
        // What went wrong teaches nothing, however long it took.
        assert_eq!(lab.run(Verdict::Failed, 5_000.0).await.is_some(), n == 10);
    }
    for _ in 0..40 {
        let took = chance.about(60.0, 0.1);
        let limit = lab.run(Verdict::Passed, took).await.unwrap();
        assert!((180e3..300e3).contains(&limit.value), "{limit:?}");
        assert!(took * 1e3 < limit.value && limit.value < 4.0 * 60e3 * 1.5, "{took} {limit:?}");
        assert_eq!((limit.mode, limit.spot), (LimitMode::Watch, Spot::default()));
        let LimitOrigin::Learned { quantile, factor, runs, typical, .. } = limit.origin else {
            panic!("nobody has set it");
        };
        assert_eq!((quantile, factor), (0.99, 3.0));
        assert!(runs >= 10 && (50e3..70e3).contains(&typical));
    }
    lab.close().await;
}

#[tokio::test]
async fn what_is_set_reaches_the_next_job_and_what_is_taken_back_does_not() {
    let mut lab = Lab::new();
    for _ in 0..12 {
        lab.run(Verdict::Passed, 60.0).await;
    }
    let insight = lab.insight.clone();
    let job = Scope { job: Some(NAME.into()), ..Scope::all(Measure::JobTime) };
    let set = async |mode, limit| {
        insight.change(job.clone(), mode, limit, "ada".into(), Timestamp::UNIX_EPOCH).await.unwrap()
    };
    set(Some(LimitMode::Stop), None).await;
    let learned = lab.run(Verdict::Passed, 60.0).await.unwrap();
    assert_eq!(learned.mode, LimitMode::Stop);
    // A limit set afterwards leaves the mode as it was set.
    let now = set(None, Some(SetLimit::Value(1234.0))).await;
    assert_eq!((now.mode, now.limit), (Some(LimitMode::Stop), Some(SetLimit::Value(1234.0))));
    let limit = lab.run(Verdict::Passed, 60.0).await.unwrap();
    assert_eq!((limit.value, limit.mode), (1234.0, LimitMode::Stop));
    assert_eq!(limit.origin, LimitOrigin::Set { by: "ada".into() });
    set(Some(LimitMode::Off), None).await;
    assert_eq!(lab.run(Verdict::Passed, 60.0).await, None);
    assert!(insight.reset(job.clone()).await.unwrap());
    assert!(!insight.reset(job).await.unwrap());
    assert_eq!(lab.run(Verdict::Passed, 60.0).await.unwrap().mode, LimitMode::Watch);
    insight.unlearn(NAME.into(), None).await.unwrap();
    assert_eq!(lab.run(Verdict::Passed, 60.0).await, None, "it begins to learn anew");
    lab.close().await;
}

#[tokio::test]
async fn a_limit_that_is_set_holds_for_what_was_never_measured() {
    let mut lab = Lab::new();
    let set = [
        (Scope::all(Measure::StepTime), SetLimit::Value(7.0)),
        (
            Scope { step: Some("assert_screen grub".into()), ..Scope::all(Measure::StepTime) },
            SetLimit::Value(8.0),
        ),
        (
            Scope { job: Some("another".into()), ..Scope::all(Measure::JobTime) },
            SetLimit::Value(9.0),
        ),
        (Scope::all(Measure::PartTime), SetLimit::Factor(2.0)),
    ];
    for (scope, limit) in set {
        let at = Timestamp::UNIX_EPOCH;
        lab.insight.change(scope, None, Some(limit), "ada".into(), at).await.unwrap();
    }
    let (_, limits) = lab.start().await;
    let told: Vec<_> = limits.iter().map(|limit| (limit.value, limit.spot.step.as_str())).collect();
    assert_eq!(told, [(7.0, ""), (8.0, "assert_screen grub")]);
    lab.close().await;
}

#[tokio::test]
async fn an_order_holds_a_bounded_number_of_limits_the_set_ones_among_them() {
    let mut lab = Lab::new();
    let one = Scope { step: Some("zzz".into()), ..Scope::all(Measure::StepTime) };
    let (limit, at) = (Some(SetLimit::Value(1.0)), Timestamp::UNIX_EPOCH);
    lab.insight.change(one, Some(LimitMode::Stop), limit, "ada".into(), at).await.unwrap();
    let held = |n: u32| {
        let series = Series {
            job: NAME.into(),
            device_type: "qemu-x86_64".into(),
            measure: if n == 0 { Measure::GuestWait } else { Measure::StepTime },
            spot: Spot::of_step("", "send_key", &n.to_string()),
        };
        let good: Sketch = std::iter::repeat_n(50.0, 20).collect();
        Held::of(Measured { series, runs: 20, good }, &[], &Thresholds::default())
    };
    let known = (0..900).map(held).map(|held| (held.threshold, held.series)).collect();
    let (job, _) = lab.start().await;
    let set = lab.insight.set().await.unwrap();
    let general = super::thresholds::general(&job, &set, &Thresholds::default());
    let limits = super::thresholds::choose(known, general);
    assert_eq!(limits.len(), MOST_LIMITS);
    assert_eq!(limits[0].spot.step, "zzz");
    assert_eq!(limits[1].measure, Measure::GuestWait, "the rare is not crowded out by steps");
    lab.close().await;
}

/// Numbers that look like chance and are the same every time (splitmix64).
struct Chance(u64);

impl Chance {
    /// Above 0, at most 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 + f64::EPSILON
    }

    /// Log-normal, as durations are: half of them below `middle`.
    fn about(&mut self, middle: f64, sigma: f64) -> f64 {
        let (one, other) = (self.share(), self.share());
        let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        middle * (sigma * normal).exp()
    }
}

/// A test of the simulated lab: its steps, each with the middle of what it takes and its spread.
struct SimulatedTest {
    steps: Vec<(f64, f64)>,
    known: BTreeMap<Option<usize>, Sketch>,
}

/// What a simulated job came to.
struct Run {
    is_planted: bool,
    is_stopped: bool,
}

impl SimulatedTest {
    fn new(chance: &mut Chance) -> Self {
        let count = 4 + (0..40).filter(|_| chance.share() < 0.25).count();
        // It boots for half a minute; its steps take from a tenth of a second to some minutes.
        let mut steps = vec![(30e3, 0.1)];
        for _ in 0..count {
            let middle = 100.0 * 10_f64.powf(chance.share() * 3.3);
            steps.push((middle, 0.05 + 0.15 * chance.share()));
        }
        Self { steps, known: BTreeMap::new() }
    }

    /// Runs once; a planted one is ten times as slow as it should be.
    fn run(&mut self, chance: &mut Chance, is_planted: bool) -> Run {
        let slow = if is_planted { 10.0 } else { 1.0 };
        let mut values = BTreeMap::new();
        for (index, (middle, sigma)) in self.steps.iter().enumerate() {
            // One step in two hundred meets a busy moment of the host.
            let busy = if chance.share() < 0.005 { 2.0 } else { 1.0 };
            values.insert(Some(index), chance.about(*middle, *sigma) * slow * busy);
        }
        values.insert(None, values.values().sum());
        let is_stopped = values.iter().any(|(place, value)| {
            let limit = self.limit(*place);
            limit.is_some_and(|limit| *value > limit)
        });
        // One in twenty fails for reasons of its own; neither that nor a stopped one teaches.
        if !is_stopped && chance.share() > 0.05 {
            for (place, value) in values {
                self.known.entry(place).or_default().add(value);
            }
        }
        Run { is_planted, is_stopped }
    }

    fn limit(&self, place: Option<usize>) -> Option<f64> {
        let good = self.known.get(&place)?.clone();
        let series = Series {
            job: NAME.into(),
            device_type: "qemu-x86_64".into(),
            measure: if place.is_some() { Measure::StepTime } else { Measure::JobTime },
            spot: Spot::default(),
        };
        let held = Held::of(Measured { series, runs: 0, good }, &[], &Thresholds::default());
        held.threshold.limit.map(|(limit, _)| limit)
    }
}

/// Twenty tests, each run every hour for a week; after its first day one run in fifty is as slow as
/// a guest whose processor is taken away again and again.
#[test]
fn in_a_week_of_a_lab_the_planted_slow_jobs_are_stopped_and_hardly_any_other() {
    let mut chance = Chance(2026);
    let mut tests: Vec<_> = (0..20).map(|_| SimulatedTest::new(&mut chance)).collect();
    let mut runs = Vec::new();
    for hour in 0..7 * 24 {
        for test in &mut tests {
            let is_planted = hour >= 24 && chance.share() < 0.02;
            runs.push(test.run(&mut chance, is_planted));
        }
    }
    let count = |is: &dyn Fn(&Run) -> bool| runs.iter().filter(|run| is(run)).count();
    let planted = count(&|run| run.is_planted);
    let caught = count(&|run| run.is_planted && run.is_stopped);
    let innocent = count(&|run| !run.is_planted);
    let wronged = count(&|run| !run.is_planted && run.is_stopped);
    assert!(planted > 40, "{planted} planted");
    assert_eq!(caught, planted, "every planted one is stopped");
    assert!(wronged * 1_000 < innocent, "{wronged} of {innocent} were stopped for nothing");
}
