//! Known failures and retries, as whoever keeps the box sees them.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;

use crate::support::{
    appliance::{Appliance, pause, wait_for},
    job::JobFolder,
};

/// Fails within a second: the guest never says that.
const STEPS: &str = "- wait_serial: page A\n\
                     - wait_serial: { regex: page Z, timeout: 1s }\n";

fn json(told: &std::process::Output) -> Value {
    let words = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{words}");
    serde_json::from_slice(&told.stdout).unwrap()
}

fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    (folder, data)
}

/// Every job there is, by number.
fn jobs(appliance: &Appliance) -> Vec<Value> {
    let mut jobs = appliance.json("/api/jobs?limit=500")["jobs"].as_array().unwrap().clone();
    jobs.sort_by_key(|job| job["number"].as_u64());
    jobs
}

/// Nothing runs, waits or is going to be retried.
fn is_quiet(appliance: &Appliance) -> bool {
    let pending = appliance.json("/api/known")["retry"]["pending"].as_array().unwrap().len();
    pending == 0 && jobs(appliance).iter().all(|job| job["state"] == "ended")
}

fn drop_failing(appliance: &Appliance, folder: &Path) {
    let job = JobFolder::with_limits(folder, "never-says-z", STEPS, 60, 60);
    appliance.drop_folder(&job.0, job.name());
}

const RULE: [&str; 6] = ["known", "add", "no-z", "--code", "no_serial_match", "--job"];

#[test]
fn a_known_failure_is_retried_exactly_as_often_as_allowed_whatever_is_killed() {
    let (folder, data) = place();
    let mut appliance = Appliance::start(&data);
    let auto = ["never-says-*", "--auto", "--most", "2", "--backoff", "1s", "--json"];
    let rule = json(&appliance.command(&[&RULE[..], &auto].concat()));
    assert_eq!(rule["retry"]["automatic"], true);
    drop_failing(&appliance, folder.path());
    // Killed at the first end (a retry is due), at the second job, and now and then until it is
    // quiet; each time another appliance goes on.
    for number in 1..=3 {
        wait_for("the job to end or its retry to be there", || {
            let all = jobs(&appliance);
            let state = all.get(number - 1).map(|job| job["state"].clone())?;
            (state == "ended" || all.len() > number).then_some(())
        });
        appliance.kill();
        appliance = Appliance::start(&data);
    }
    for _ in 0..5 {
        pause(Duration::from_millis(700));
        appliance.kill();
        appliance = Appliance::start(&data);
    }
    wait_for("all retries to have been made", || is_quiet(&appliance).then_some(()));

    let all = jobs(&appliance);
    let lines: Vec<_> =
        all.iter().map(|job| (job["number"].as_u64(), job["retried_from"].as_u64())).collect();
    assert_eq!(lines, [(Some(1), None), (Some(2), Some(1)), (Some(3), Some(2))]);
    for job in &all {
        assert_eq!((&job["verdict"], &job["known_failure"]), (&"failed".into(), &"no-z".into()));
    }
    assert_eq!(appliance.json("/api/known")["retry"]["today"], 2);
    let middle = appliance.json("/api/jobs/2");
    assert_eq!(middle["lineage"]["retried_by"], "no-z");
    assert_eq!(middle["standing"]["retried_as"], serde_json::json!([3]));
    assert_eq!(middle["priority"], all[0]["priority"]);
    let page = appliance.get("/jobs/2");
    for link in ["/jobs/1", "/jobs/3", "/failures#rule-no-z"] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link} in {page}");
    }
    assert!(appliance.get("/history").contains("/failures#rule-no-z"));
    let listed = appliance.command(&["jobs"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("(known: no-z)"));
    let report = appliance.command(&["report", "3", "-o", "-"]);
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains("no-z"), "{report}");
    appliance.stop();
}

#[test]
fn without_the_switch_nothing_is_retried_and_a_person_may_do_it() {
    let (folder, data) = place();
    let appliance = Appliance::start(&data);
    drop_failing(&appliance, folder.path());
    appliance.wait_ended(1);
    let groups = json(&appliance.command(&["known", "groups", "--json"]));
    assert_eq!(groups["groups"][0]["count"], 1);
    let page = appliance.get("/failures");
    assert!(page.contains("sutler known add no-serial-match"), "{page}");

    // Tried first, then kept, then applied to what was before.
    let asked = ["known", "try", "--code", "no_serial_match", "--serial", "^page", "--json"];
    let tried = json(&appliance.command(&asked));
    assert_eq!((&tried["looked"], &tried["matched"]), (&1.into(), &1.into()), "{tried}");
    assert!(appliance.json("/api/jobs/1")["known_failure"].is_null());
    json(&appliance.command(&[&RULE[..], &["*", "--json"]].concat()));
    let applied = json(&appliance.command(&["known", "apply", "no-z", "--json"]));
    assert_eq!(applied["marked"], 1);
    assert_eq!(appliance.json("/api/jobs/1")["known_failure"], "no-z");
    assert_eq!(appliance.json("/api/failures")["groups"], serde_json::json!([]));

    let asked = ["retry", "--rule", "no-z", "--dry-run", "--json"];
    let preview = json(&appliance.command(&asked));
    assert_eq!(preview["would_retry"], serde_json::json!(["1"]));
    assert_eq!(jobs(&appliance).len(), 1, "a preview retries nothing");
    let retried = json(&appliance.command(&["retry", "--rule", "no-z", "--json"]));
    assert_eq!(retried["retried"][0]["number"], 2);
    assert_eq!(appliance.wait_ended(2)["known_failure"], "no-z");
    let again = json(&appliance.command(&["retry", "--rule", "no-z", "--json"]));
    assert_eq!(again["left_out"], serde_json::json!([1]), "{again}");
    appliance.wait_ended(3);
    assert!(is_quiet(&appliance));
    assert_eq!(jobs(&appliance).len(), 3);
    assert_eq!(appliance.json("/api/known")["retry"]["today"], 0);

    // What cannot be, is said.
    for (arguments, code, words) in [
        (&["known", "add", "no-z", "--log", "x"][..], 2, "already"),
        (&["known", "add", "bad", "--log", "("], 65, "unclosed"),
        (&["known", "add", "bad"], 65, "every failure"),
        (&["known", "add", "Bad", "--log", "x"], 2, "small letters"),
        (&["known", "add", "bad", "--log", "x", "--bug", "javascript:x"], 65, "https://"),
        (&["known", "show", "none"], 66, "known failure"),
        (&["retry", "99"], 66, "job"),
        (&["retry"], 2, "required"),
    ] {
        let told = appliance.command(arguments);
        let said = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    json(&appliance.command(&["known", "remove", "no-z", "--json"]));
    assert!(appliance.json("/api/jobs/1")["known_failure"].is_null(), "marked later");
    assert_eq!(appliance.json("/api/jobs/2")["known_failure"], "no-z", "it ended as one");
    appliance.stop();
}
