//! What is learned from jobs, and what is set and counted beside it.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use tempfile::tempdir;

use super::sample::{at, ended, job, open, wait};
use crate::{
    model::{
        Counted, JobId, Keepsake, LimitMode, Measure, NewJob, Rule, Sample, Scope, Series,
        SetLimit, SetThreshold, Spot, Verdict,
    },
    store::{Change, MeasuredJob, Store},
};

const DAY: u64 = 86_400;

fn sample(measure: Measure, spot: Spot, value: f64) -> Sample {
    Sample { measure, spot, value }
}

/// The end of a job that took `millis` as a whole.
fn end(seconds: u64, verdict: Verdict, more: Vec<Sample>, millis: f64) -> Change {
    let mut change = ended(seconds, verdict);
    if let Change::Ended { samples, .. } = &mut change {
        samples.push(sample(Measure::JobTime, Spot::default(), millis));
        samples.extend(more);
    }
    change
}

fn series(job: &str, measure: Measure) -> Series {
    let (job, device_type) = (job.into(), "qemu-x86_64".into());
    Series { job, device_type, measure, spot: Spot::default() }
}

async fn add(store: &Store, n: u64, name: &str, end: Change) {
    let new = NewJob { name: name.into(), ..job(n, 50) };
    let id = store.submit(new).await.unwrap().id;
    store.change(id, Change::Started { at: at(n), device: None, decision: None }).await.unwrap();
    store.change(id, end).await.unwrap();
}

/// Runs, good runs and the slowest good one.
async fn known(store: &Store, name: &str, measure: Measure) -> Option<(u64, u64, Option<f64>)> {
    let one = store.measured_one(series(name, measure)).await.unwrap()?;
    Some((one.runs, one.good.count(), one.good.max()))
}

#[tokio::test]
async fn only_good_runs_teach_once_each_and_for_good() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    for (n, verdict) in (1..).zip(Verdict::ALL) {
        let millis = if verdict == Verdict::Passed { 1e3 } else { 5e3 };
        add(&store, n, "x", end(10 + n, verdict, vec![], millis)).await;
    }
    let expected = Some((Verdict::ALL.len() as u64, 2, Some(5e3)));
    assert_eq!(known(&store, "x", Measure::JobTime).await, expected);
    let again = store.change(JobId(1), end(99, Verdict::Passed, vec![], 9e9)).await;
    assert!(again.is_err());

    let gone = |what| Change::Removed { what, at: at(50), rule: Rule::Age { limit_s: 1 } };
    let measured = Change::Measured { video_bytes: 0, results_bytes: 1 };
    store.change(JobId(1), measured).await.unwrap();
    store.change(JobId(1), gone(Keepsake::Results)).await.unwrap();
    for leftover in store.leftovers(9).await.unwrap() {
        store.cleared(leftover).await.unwrap();
    }
    store.forget(JobId(1)).await.unwrap();
    store.check_consistent().unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    assert_eq!(known(&store, "x", Measure::JobTime).await, expected);
    assert_eq!(known(&store, "y", Measure::JobTime).await, None);
    writer.close().await;
}

#[tokio::test]
async fn what_is_known_is_found_by_job_and_by_device_type() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for (n, name, device_type) in
        [(1, "b", "qemu"), (2, "a", "qemu"), (3, "a", "arm"), (4, "a\0", "qemu"), (5, "", "qemu")]
    {
        let new = NewJob { name: name.into(), device_type: device_type.into(), ..job(n, 50) };
        let id = store.submit(new).await.unwrap().id;
        let step = sample(Measure::StepTime, Spot::of_step("m", "send_key", "ret"), 7.0);
        store.change(id, end(n, Verdict::Passed, vec![step], 1e3)).await.unwrap();
    }
    let all = [("", "qemu"), ("a", "arm"), ("a", "qemu"), ("a\0", "qemu"), ("b", "qemu")];
    let told = |jobs: Vec<MeasuredJob>| -> Vec<(String, String)> {
        jobs.into_iter().map(|one| (one.job, one.device_type)).collect()
    };
    let all = all.map(|(job, device)| (job.to_owned(), device.to_owned()));
    assert_eq!(told(store.measured_jobs(None, 9).await.unwrap()), all);
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = store.measured_jobs(after.clone(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(told(page));
    }
    assert_eq!(paged, all, "a page at a time");
    let of = async |device: Option<&str>, limit| {
        let device = device.map(str::to_owned);
        store.measured("a".into(), device, limit).await.unwrap().len()
    };
    assert_eq!((of(None, 9).await, of(Some("arm"), 9).await, of(Some("mips"), 9).await), (4, 2, 0));
    assert_eq!(of(None, 3).await, 3);

    store.unlearn("a".into(), Some("arm".into())).await.unwrap();
    assert_eq!((of(None, 9).await, of(Some("arm"), 9).await), (2, 0));
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn a_flood_of_names_displaces_its_likes_and_not_what_has_taught() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    for n in 1..=10 {
        add(&store, n, "regular", end(n, Verdict::Passed, vec![], 1e3)).await;
    }
    add(&store, 11, "of yesterday", end(2 * DAY, Verdict::Passed, vec![], 1e3)).await;
    let step = |n: u64| sample(Measure::StepTime, Spot::of_module(&format!("m{n}")), 1.0);
    for n in 0..5 {
        let steps = (n * 50..n * 50 + 50).map(step).collect();
        add(&store, 20 + n, "flood", end((3 + n) * DAY, Verdict::Passed, steps, 1e3)).await;
        store.check_consistent().unwrap();
    }
    assert_eq!(known(&store, "regular", Measure::JobTime).await, Some((10, 10, Some(1e3))));
    assert_eq!(known(&store, "of yesterday", Measure::JobTime).await, None);
    let left = store.measured("flood".into(), None, 999).await.unwrap();
    assert_eq!(left.len() as u64, super::super::measures::MOST_SERIES - 1);
    let last = store.measured("flood".into(), None, 999).await.unwrap();
    assert!(last.iter().any(|one| one.series.spot.module == "m249"), "the newest is there");
    writer.close().await;
}

#[tokio::test]
async fn what_nobody_could_have_measured_is_not_learned() {
    let folder = tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("s"));
    let long = "x".repeat(257);
    let bad = vec![
        sample(Measure::FrameLag, Spot::default(), f64::NAN),
        sample(Measure::MatchTime, Spot::default(), -1.0),
        sample(Measure::KeyToScreen, Spot::default(), f64::INFINITY),
        sample(Measure::ModuleTime, Spot::of_module(&long), 1.0),
    ];
    add(&store, 1, "x", end(1, Verdict::Passed, bad, 1e3)).await;
    add(&store, 2, &long, end(2, Verdict::Passed, vec![], 1e3)).await;
    assert_eq!(store.measured("x".into(), None, 9).await.unwrap().len(), 1);
    assert_eq!(store.measured_jobs(None, 9).await.unwrap().len(), 1);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn slow_jobs_are_counted_by_day_with_what_they_cost() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    let slow = |seconds, verdict, measures: &[&str]| {
        let mut change = ended(seconds, verdict);
        if let Change::Ended { backend, .. } = &mut change {
            let events: Vec<_> =
                measures.iter().map(|name| serde_json::json!({ "measure": name })).collect();
            backend.insert("slow_events".into(), events.into());
            if verdict == Verdict::TooSlow {
                backend.insert("slow".into(), serde_json::json!({ "measure": measures[0] }));
            }
        }
        change
    };
    // Job n starts at second n.
    add(&store, 1, "a", slow(DAY - 1, Verdict::Passed, &["step_time", "job_time"])).await;
    add(&store, 2, "a", slow(DAY + 2, Verdict::TooSlow, &["job_time"])).await;
    add(&store, 3, "a", slow(DAY + 3, Verdict::TooSlow, &["job_time"])).await;
    add(&store, 4, "b", slow(DAY + 4, Verdict::Passed, &[])).await;
    store.check_consistent().unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    let told = async |first, last| -> Vec<(u32, Counted, u64, u64)> {
        let rows = store.occurrences(first, last).await.unwrap();
        rows.into_iter().map(|row| (row.day, row.what, row.count, row.seconds)).collect()
    };
    let watched = |measure| (0, Counted::Slow { measure }, 1, DAY - 2);
    let stopped = (1, Counted::Stopped { measure: Measure::JobTime }, 2, 2 * DAY);
    let day0 = [watched(Measure::JobTime), watched(Measure::StepTime)];
    assert_eq!(told(0, 0).await, day0);
    assert_eq!(told(1, 9).await, std::slice::from_ref(&stopped));
    assert_eq!(told(0, u32::MAX).await, [day0[0].clone(), day0[1].clone(), stopped]);
    assert_eq!(told(2, 9).await, []);
    writer.close().await;
}

#[tokio::test]
async fn what_is_set_is_kept_until_it_is_taken_back() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("s");
    let (store, writer) = open(&path);
    let any = Scope::all(Measure::StepTime);
    // A job may be named as anything is written.
    let odd = Scope { job: Some("=".into()), step: Some(String::new()), ..any.clone() };
    let set = |mode, limit| SetThreshold { mode, limit, by: "ada".into(), at: at(7) };
    let stop = set(Some(LimitMode::Stop), None);
    let value = set(None, Some(SetLimit::Value(1.5)));
    let factor = set(Some(LimitMode::Off), Some(SetLimit::Factor(2.0)));
    assert!(store.set_threshold(any.clone(), Some(stop.clone())).await.unwrap());
    assert!(!store.set_threshold(any.clone(), Some(stop)).await.unwrap(), "it was so before");
    assert!(store.set_threshold(any.clone(), Some(value.clone())).await.unwrap());
    assert!(store.set_threshold(odd.clone(), Some(factor.clone())).await.unwrap());
    writer.close().await;

    let (store, writer) = open(&path);
    let copied = folder.path().join("copy");
    store.copy_to(&copied).unwrap();
    assert_eq!(store.thresholds().await.unwrap(), [(any.clone(), value), (odd.clone(), factor)]);
    assert!(store.set_threshold(any.clone(), None).await.unwrap());
    assert!(!store.set_threshold(any, None).await.unwrap());
    assert_eq!(store.thresholds().await.unwrap().len(), 1);
    writer.close().await;
    let (copy, writer) = open(&copied);
    assert_eq!(copy.thresholds().await.unwrap().len(), 2);
    writer.close().await;
}

#[derive(Debug, Clone)]
enum Op {
    End { name: u8, good: bool, seconds: u16, steps: u8 },
    Unlearn { name: u8 },
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let name = 0..3_u8;
    let op = prop_oneof![
        8 => (name.clone(), any::<bool>(), 1..900_u16, 0..3_u8)
            .prop_map(|(name, good, seconds, steps)| Op::End { name, good, seconds, steps }),
        1 => name.prop_map(|name| Op::Unlearn { name }),
        1 => Just(Op::Reopen),
    ];
    vec(op, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn the_store_knows_what_a_list_of_all_runs_would(ops in ops()) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("s");
        // Name to all runs: whether it was good, and what it took.
        let mut model: BTreeMap<(u8, String), Vec<(bool, f64)>> = BTreeMap::new();
        wait(async {
            let (mut store, mut writer) = open(&path);
            for (n, op) in (1..).zip(ops) {
                match op {
                    Op::End { name, good, seconds, steps } => {
                        let value = f64::from(seconds) * 1e3;
                        let module = |step: u8| Spot::of_module(&step.to_string());
                        let more = (0..steps)
                            .map(|step| sample(Measure::ModuleTime, module(step), value))
                            .collect();
                        let verdict = if good { Verdict::Softfailed } else { Verdict::Failed };
                        let change = end(n, verdict, more, value);
                        add(&store, n, &name.to_string(), change).await;
                        for step in 0..steps {
                            let runs = model.entry((name, step.to_string())).or_default();
                            runs.push((good, value));
                        }
                        model.entry((name, String::new())).or_default().push((good, value));
                    }
                    Op::Unlearn { name } => {
                        store.unlearn(name.to_string(), None).await.unwrap();
                        model.retain(|(other, _), _| *other != name);
                    }
                    Op::Reopen => {
                        writer.close().await;
                        (store, writer) = open(&path);
                    }
                }
            }
            store.check_consistent().unwrap();
            let mut found = 0;
            for name in 0..3_u8 {
                for one in store.measured(name.to_string(), None, 99).await.unwrap() {
                    found += 1;
                    let runs = &model[&(name, one.series.spot.module.clone())];
                    let good: Vec<_> = runs.iter().filter(|run| run.0).map(|run| run.1).collect();
                    assert_eq!((one.runs, one.good.count()), (runs.len() as u64, good.len() as u64));
                    assert_eq!(one.good.max(), good.iter().copied().reduce(f64::max));
                }
            }
            assert_eq!(found, model.len());
            writer.close().await;
        });
    }
}
