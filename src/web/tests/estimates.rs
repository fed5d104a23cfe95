//! What is told of times to come, and of those there may be.

use serde_json::{Value, json};

use super::site::Site;
use crate::{
    markup::samples,
    model::{Foretold, JobId, Outlook, Stage, Verdict},
    store::Change,
};

#[tokio::test]
async fn a_job_says_when_it_starts_how_far_it_is_and_what_it_may_take() {
    let site = Site::furnished().await;
    let waits = site.get("/api/jobs/4").await.json();
    assert_eq!(waits["expected"]["position"], 1);
    assert_eq!(waits["expected"]["from"], "device_type");
    assert!(waits["expected"]["start"]["usual"].is_string(), "{waits}");
    assert!(waits["progress"].is_null());
    let timeouts = waits["timeouts"].as_array().unwrap();
    assert_eq!(timeouts[0]["what"], "job");
    assert_eq!(timeouts[0]["origin"]["key"], "timeouts.job");
    assert!(timeouts[0]["words"].as_str().unwrap().contains("from the job file, line"));
    assert!(timeouts.iter().any(|one| one["step"].is_string()), "{timeouts:?}");

    let runs = site.get("/api/jobs/3").await.json();
    assert!(runs["expected"]["position"].is_null());
    let percent = runs["progress"]["percent"].as_u64().unwrap();
    assert!(percent < 100, "{percent}");
    let parts = runs["progress"]["parts"].as_array().unwrap();
    assert!(
        parts.iter().any(|part| part["part"] == "boot" && part["state"] == "over"),
        "{parts:?}"
    );

    let ended = site.get("/api/jobs/1").await.json();
    assert!(ended["expected"].is_null() && ended["progress"].is_null());

    let page = site.get("/jobs/4").await;
    assert!(page.text().contains("Number 1 in the queue"));
    assert!(page.text().contains("from the job file, line"));
    let page = site.get("/jobs/3").await;
    assert!(page.text().contains("of what is expected"));
    site.close().await;
}

#[tokio::test]
async fn a_job_that_nobody_has_submitted_is_foretold() {
    let site = Site::furnished().await;
    let name = "debian%20installer%20asks%20the%20right%20questions";
    let told = site.get(&format!("/api/estimates?job={name}&priority=0")).await.json();
    assert_eq!(told["expected"]["position"], 2, "one waits already: {told}");
    assert_eq!((&told["expected"]["from"], &told["expected"]["runs"]), (&"job".into(), &1.into()));
    let series = told["series"].as_array().unwrap();
    let whole = series.iter().find(|one| one["measure"] == "job_time").unwrap();
    assert!(whole["p99_ms"].is_number() && whole["suggested_ms"].is_null(), "{whole}");
    let high = site.get(&format!("/api/estimates?job={name}&priority=100")).await.json();
    assert_eq!(high["expected"]["position"], 2, "the other one has waited for months");
    let arm = site.get(&format!("/api/estimates?job={name}&device_type=qemu-aarch64")).await.json();
    assert_eq!(arm["expected"]["from"], "other_device", "{arm}");
    for bad in ["", "?job=", "?job=x&priority=101", "?job=x&memory_mib=-1", "?job=x&colour=red"] {
        assert_eq!(site.get(&format!("/api/estimates{bad}")).await.status, 400, "{bad}");
    }
    site.close().await;
}

#[tokio::test]
async fn how_right_it_was_is_told_by_device_type() {
    let site = Site::furnished().await;
    // Something may have been said of the jobs that this site came with.
    let of = async |moment: &str| {
        let told = site.get("/api/estimates/accuracy").await.json();
        let rows = told["accuracy"].as_array().unwrap().clone();
        let is = |row: &&Value| {
            (&row["device_type"], &row["foretold_when"])
                == (&"qemu-x86_64".into(), &"submitted".into())
        };
        rows.iter().find(is).map_or(0, |row| row[moment]["jobs"].as_u64().unwrap())
    };
    let before = (of("start").await, of("end").await);
    let now = crate::clock::now();
    let moment = Foretold { usual: now, late: now };
    let outlook = Outlook { start: moment, end: moment };
    let id = JobId(4);
    // The keeper may have said something before us, and that stands.
    site.store.foretell(vec![(id, Stage::Submitted, outlook)]).await.unwrap();
    let at = crate::clock::now();
    site.store.change(id, Change::Started { at, device: None, decision: None }).await.unwrap();
    let end = Change::Ended {
        at,
        verdict: Verdict::Passed,
        cause: None,
        backend: serde_json::Map::new(),
        load: None,
        parts: vec![],
        samples: vec![],
    };
    site.store.change(id, end).await.unwrap();
    assert_eq!((of("start").await, of("end").await), (before.0 + 1, before.1 + 1));
    let page = site.get("/statistics").await;
    assert!(page.text().contains("the start, when it came in"), "{}", page.text());
    site.close().await;
}

#[tokio::test]
async fn the_plan_comes_a_page_at_a_time_and_has_each_job_once() {
    let site = Site::furnished().await;
    for id in 5..=8 {
        site.add(&samples::waiting(id, "waits, too", 1)).await;
    }
    let numbers = |plan: &Value| -> Vec<u64> {
        let jobs = plan["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["number"].as_u64().unwrap()).collect()
    };
    let all = site.get("/api/plan").await.json();
    assert_eq!(numbers(&all), [3, 4, 5, 6, 7, 8]);
    assert_eq!((&all["more"], &all["next"]), (&json!(0), &Value::Null));
    for limit in [1, 2, 4] {
        let (mut found, mut path) = (Vec::new(), format!("/api/plan?limit={limit}"));
        loop {
            let plan = site.get(&path).await.json();
            found.extend(numbers(&plan));
            assert_eq!(plan["more"], 6 - found.len());
            let Some(next) = plan["next"].as_str() else { break };
            path = format!("/api/plan?limit={limit}&cursor={next}");
        }
        assert_eq!(found, numbers(&all));
    }
    // What the cursor names may go; what waits behind it stays.
    let cancel = async |id| {
        let end = Change::Ended {
            at: crate::clock::now(),
            verdict: Verdict::Canceled,
            cause: None,
            backend: serde_json::Map::new(),
            load: None,
            parts: vec![],
            samples: vec![],
        };
        site.store.change(JobId(id), end).await.unwrap();
    };
    cancel(4).await;
    let plan = site.get("/api/plan?limit=2&cursor=waiting:5").await.json();
    assert_eq!((numbers(&plan), &plan["next"]), (vec![6, 7], &json!("waiting:7")));
    cancel(7).await;
    let plan = site.get("/api/plan?cursor=waiting:7").await.json();
    assert_eq!(numbers(&plan), [5, 6, 8]);
    for (asked, words) in [
        ("limit=0", "limit: a number from 1 to 500"),
        ("limit=501", "limit: a number from 1 to 500"),
        ("cursor=7", "cursor: the plan has no such place"),
        ("page=2", "there is no parameter page here; there are: cursor, limit"),
        ("limit=x", "limit: a whole number belongs here"),
    ] {
        let refused = site.get(&format!("/api/plan?{asked}")).await;
        assert_eq!(refused.status, 400, "{asked}");
        assert!(refused.text().contains(words), "{}", refused.text());
    }
    site.close().await;
}
