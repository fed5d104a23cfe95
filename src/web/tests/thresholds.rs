//! What jobs are held to and what happened to them, as the web tells it.

use std::time::Duration;

use axum::body::Body;
use hyper::{Method, Request};

use super::site::{Answer, Site};
use crate::{
    insight::{Held, Insight, Statistics},
    markup::samples,
    model::*,
    store::{Change, Occurrence},
    web::{Access, statistics_page, threshold_pages, threshold_pages::JobRow},
};

const NAME: &str = "debian installer asks the right questions";
const QUERY: &str = "job=debian%20installer%20asks%20the%20right%20questions";

/// Runs the job so many times, each a second longer than the one before.
async fn run(site: &Site, times: u32) {
    for n in 1..=times {
        let mut job = samples::waiting(n.into(), NAME, 1);
        job.uuid = uuid::Uuid::from_u128(n.into());
        site.add(&job).await;
        let whole = Duration::from_secs(60 + u64::from(n));
        let sample = |measure, spot, value| Sample { measure, spot, value };
        let samples = vec![
            sample(Measure::JobTime, Spot::default(), whole.as_secs_f64() * 1e3),
            sample(Measure::StepTime, Spot::of_step("country", "send_key", "ret"), 40.0),
        ];
        let (at, verdict) = (crate::clock::now(), Verdict::Passed);
        let (cause, load, parts) = (None, None, vec![]);
        let events = serde_json::json!([{ "measure": "job_time" }]);
        let mut backend = serde_json::Map::new();
        if n == times {
            backend.insert("slow_events".into(), events);
        }
        let end = Change::Ended { at, verdict, cause, backend, load, parts, samples };
        site.store.change(job.id, end).await.unwrap();
    }
}

async fn ask(site: &Site, method: Method, path: &str, uid: u32) -> Answer {
    let access = Access::Socket { uid, name: "ada".into() };
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    site.ask(access, request).await.read().await
}

#[tokio::test]
async fn a_limit_is_told_with_its_data_set_and_taken_back() {
    let site = Site::new();
    run(&site, 20).await;
    let told = site.get(&format!("/api/thresholds?{QUERY}")).await.json();
    let whole = &told["thresholds"][0];
    assert_eq!((&whole["measure"], &whole["good_runs"]), (&"job_time".into(), &20.into()));
    let limit = whole["limit"].as_f64().unwrap();
    // The nineteenth of twenty is 79 s.
    assert!((234e3..240e3).contains(&limit), "{limit}");
    let step = &told["thresholds"][1];
    assert_eq!((&step["limit"], &step["step"]), (&10_000.0.into(), &"send_key ret".into()));

    let path = format!("/api/thresholds/explain?{QUERY}&measure=job_time&factor=1");
    let explained = site.get(&path).await.json();
    let past = &explained["thresholds"][0]["past"];
    let above: Vec<_> = past.as_array().unwrap().iter().map(|past| &past["above"]).collect();
    assert_eq!(above, [0, 0, 0, 1], "factors 2, 3, 5 and 1");

    let keeper = rustix::process::geteuid().as_raw();
    let set = format!("/api/thresholds?{QUERY}&measure=job_time&value=70000&mode=stop");
    let refused = ask(&site, Method::POST, &set, keeper + 1).await;
    assert!(keeper + 1 == 0 || refused.status == 403, "{}", refused.text());
    assert_eq!(site.asked.lock().unwrap().limits_changed, 0);
    let done = ask(&site, Method::POST, &set, keeper).await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(site.asked.lock().unwrap().limits_changed, 1, "running jobs hear of it");
    let told = site.get(&format!("/api/thresholds?{QUERY}")).await.json();
    let whole = &told["thresholds"][0];
    assert_eq!((&whole["limit"], &whole["mode"]), (&70_000.0.into(), &"stop".into()));
    assert_eq!(whole["limit_set_by"], "ada");
    assert_eq!(whole["above_limit"], 10);
    assert_eq!(told["set"][0]["words"], format!("job {NAME:?}"));

    let reset = format!("/api/thresholds?{QUERY}&measure=job_time");
    assert_eq!(ask(&site, Method::DELETE, &reset, keeper + 1).await.status, 403);
    let done = ask(&site, Method::DELETE, &reset, keeper).await.json();
    assert_eq!(done["reset"].as_array().unwrap().len(), 1);
    let again = ask(&site, Method::DELETE, &reset, keeper).await.json();
    assert_eq!(again["reset"].as_array().unwrap().len(), 0);
    let unlearn = format!("/api/thresholds/learned?{QUERY}");
    assert_eq!(ask(&site, Method::DELETE, &unlearn, keeper + 1).await.status, 403);
    assert_eq!(ask(&site, Method::DELETE, &unlearn, keeper).await.json()["forgotten"], 2);
    assert_eq!(site.get(&format!("/thresholds?{QUERY}")).await.status, 404);
    site.store.check_consistent().unwrap();
    site.close().await;
}

#[tokio::test]
async fn what_cannot_be_set_is_refused_with_a_reason() {
    let site = Site::new();
    let keeper = rustix::process::geteuid().as_raw();
    for (query, words) in [
        ("", "name a limit, a mode or both"),
        ("value=7", "a limit is of one measure"),
        ("measure=job_time&value=0", "a limit is a value above 0"),
        ("measure=job_time&value=NaN", "a limit is a value above 0"),
        ("measure=job_time&factor=0.5", "a limit is a value above 0"),
        ("measure=job_time&value=7&factor=2", "not both"),
        ("measure=job_time&value=7&step=x", "job_time is of a whole job and has no step"),
        ("measure=weather&value=7", "weather"),
        ("mode=sometimes", "sometimes"),
        ("mode=off&colour=red", "colour"),
    ] {
        let answer = ask(&site, Method::POST, &format!("/api/thresholds?{query}"), keeper).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(words), "{query}: {}", answer.text());
    }
    // A mode of all measures at a step is of those that have steps.
    let path = "/api/thresholds?mode=off&step=send_key%20ret";
    let set = ask(&site, Method::POST, path, keeper).await.json();
    assert_eq!(set["set"].as_array().unwrap().len(), 1);
    assert_eq!(set["set"][0]["scope"]["measure"], "step_time");
    site.close().await;
}

#[tokio::test]
async fn statistics_leave_as_json_and_as_csv() {
    let site = Site::new();
    run(&site, 3).await;
    let counts = site.get("/api/statistics").await.json();
    let sum = &counts["by_subject"][0];
    assert_eq!(
        (&sum["kind"], &sum["name"], &sum["jobs"]),
        (&"slow".into(), &"job_time".into(), &1.into())
    );
    let csv = site.get("/api/statistics?format=csv&since=1d").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<_> = csv.text().lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.text());
    assert!(lines[1].contains(",slow,job_time,qemu-x86_64,debian installer"), "{}", lines[1]);

    let measures = site.get("/api/statistics?of=measures").await.json();
    let all = measures["measures"].as_array().unwrap();
    let names: Vec<_> = all.iter().map(|one| one["measure"].as_str().unwrap()).collect();
    assert_eq!(names, ["job_time", "step_time"]);
    assert_eq!((&all[0]["good_runs"], &all[0]["max"]), (&3.into(), &63_000.0.into()));
    let csv = site.get(&format!("/api/statistics?of=measures&format=csv&{QUERY}")).await;
    assert_eq!(csv.text().lines().count(), 3, "{}", csv.text());
    assert!(csv.text().contains("job_time,ms,,,3,3,61000,"), "{}", csv.text());
    for bad in ["since=soon", "of=weather", "of=measures&since=3d", "job=x", "format=xml"] {
        assert_eq!(site.get(&format!("/api/statistics?{bad}")).await.status, 400, "{bad}");
    }
    site.close().await;
}

/// What one series is held to after twenty runs, the limit set by hand or learned.
async fn held(job: &str) -> Vec<Held> {
    let site = Site::new();
    run(&site, 20).await;
    let insight = Insight::new(site.store.clone(), crate::config::Thresholds::default());
    let mut held = insight.of_job(NAME, None).await.unwrap();
    held.iter_mut().for_each(|one| one.series.job = job.into());
    site.close().await;
    held
}

fn lines(page: maud::Markup) -> String {
    let text = page.into_string();
    let (_, after) = text.split_once("<main").unwrap();
    let (content, _) = after.split_once("</main>").unwrap();
    content.replace("><", ">\n<")
}

#[tokio::test]
async fn a_job_s_thresholds_are_drawn_with_what_factors_would_have_stopped() {
    insta::assert_snapshot!(lines(threshold_pages::job(NAME, &held(NAME).await)));
}

#[tokio::test]
async fn hostile_names_stay_names_on_the_pages_of_thresholds() {
    let words = "<script>alert(1)</script>\"onload='x' </main>\u{202e}'; rm -rf ~";
    let held = held(words).await;
    let scope = Scope { job: Some(words.into()), ..Scope::all(Measure::JobTime) };
    let set = SetThreshold { mode: None, limit: None, by: words.into(), at: samples::moment().now };
    let row = |whole| JobRow { job: words.into(), device_type: words.into(), whole };
    let rows = [row(held.first().cloned()), row(None)];
    for page in [
        threshold_pages::job(words, &held),
        threshold_pages::jobs(&rows, &[(scope, set)], None, &samples::moment()),
        statistics_page::render(&statistics(words), &[]),
    ] {
        let page = page.into_string();
        assert_eq!(page.matches("<script").count(), 1, "only ours");
        assert_eq!(page.matches("</main>").count(), 1);
        assert!(!page.contains("\"onload"), "{page}");
    }
}

fn statistics(name: &str) -> Statistics {
    let row = |day, what, count| Occurrence {
        day,
        what,
        device_type: "qemu-x86_64".into(),
        job: name.into(),
        count,
        seconds: count * 90,
    };
    let measure = Measure::StepTime;
    let rows = vec![
        row(20_000, Counted::Slow { measure }, 2),
        row(20_000, Counted::Known { rule: name.into() }, 1),
        row(20_004, Counted::Stopped { measure }, 4),
    ];
    Statistics { first: 19_999, last: 20_005, rows }
}

#[test]
fn what_happened_is_drawn_by_day() {
    insta::assert_snapshot!(lines(statistics_page::render(&statistics(NAME), &[])));
}
