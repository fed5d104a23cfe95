//! What jobs teach, and limits that somebody sets, on an appliance with real guests.

use serde_json::Value;

use crate::support::{
    appliance::{Appliance, wait_for},
    job::JobFolder,
};

const STEPS: &str =
    "- wait_serial: page A\n- module: turn the page\n\u{20} steps:\n\u{20} - send_key: b\n";

fn told(appliance: &Appliance, arguments: &[&str]) -> String {
    let output = appliance.command(arguments);
    let words = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{arguments:?}: {words}");
    words
}

#[test]
fn a_job_teaches_and_the_next_one_is_held_to_what_was_set() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("lab");
    let appliance = Appliance::start(&data);
    let job = JobFolder::new(place.path(), "boots", STEPS);
    appliance.drop_folder(&job.0, "boots");
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");

    let known = told(&appliance, &["threshold", "list", "boots"]);
    for line in ["job_time", "part_time", "module_time", "send_key b", "in 9 runs"] {
        assert!(known.contains(line), "{line} in:\n{known}");
    }
    let explained = told(&appliance, &["threshold", "explain", "boots", "job_time"]);
    assert!(explained.contains("9 more good runs are needed"), "{explained}");

    told(&appliance, &["threshold", "set", "job_time", "1h", "--mode", "stop", "--job", "boots"]);
    told(&appliance, &["threshold", "set", "guest_wait", "90%"]);
    let page = appliance.get("/thresholds?job=boots");
    assert!(page.contains("1 h 00 m") && page.contains("<svg"), "{page}");
    appliance.drop_folder(&job.0, "boots");
    appliance.wait_ended(2);
    let order = |id: u64| -> Vec<Value> {
        let path = data.join(format!("jobs/{id}/order.json"));
        let order: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        order["limits"].as_array().unwrap().clone()
    };
    assert_eq!(order(1), [] as [Value; 0]);
    let limits = order(2);
    assert_eq!(limits.len(), 2, "{limits:?}");
    let job_time = limits.iter().find(|limit| limit["measure"] == "job_time").unwrap();
    assert_eq!((&job_time["value"], &job_time["mode"]), (&3_600_000.0.into(), &"stop".into()));

    told(&appliance, &["threshold", "reset", "job_time", "--job", "boots"]);
    told(&appliance, &["threshold", "reset", "--learned", "--job", "boots"]);
    let none = told(&appliance, &["threshold", "list", "boots"]);
    assert!(none.contains("Nothing is known"), "{none}");
    let counts = told(&appliance, &["stats", "--since", "2d", "--csv"]);
    assert!(counts.starts_with("day,kind,subject"), "{counts}");
    appliance.stop();
    let again = Appliance::start(&data);
    let set = again.json("/api/thresholds");
    assert_eq!(set["set"].as_array().unwrap().len(), 1, "{set}");
    wait_for("the appliance to answer", || again.get("/thresholds").contains("90 %").then_some(()));
    again.stop();
}
