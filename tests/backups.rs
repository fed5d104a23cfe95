//! A lab is backed up while it runs, and comes back somewhere else.

use std::{fs, path::Path, process::Command};

use crate::support::{
    appliance::{Appliance, SUTLER},
    job::JobFolder,
};

fn sutler(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(SUTLER).args(arguments).output().unwrap();
    let words = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(words).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_lab_comes_back_from_its_backup() {
    let place = tempfile::tempdir().unwrap();
    let (data, other) = (place.path().join("lab"), place.path().join("other"));
    let file = place.path().join("lab.tar.zst");
    let appliance = Appliance::start(&data);
    let job = JobFolder::new(place.path(), "boot", "- wait_serial: page A\n- save_screenshot\n");
    appliance.drop_folder(&job.0, "boot");
    let before = appliance.wait_ended(1);
    assert!(appliance.command(&["keep", "1"]).status.success());

    let (code, words) = sutler(&["backup", text(&file), "--data", text(&data)]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("1 jobs"), "{words}");
    let (code, words) = sutler(&["backup", text(&file), "--data", text(&data)]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("is there already"), "{words}");
    let (code, words) = sutler(&["store", "check", "--data", text(&data)]);
    assert_eq!(code, Some(2), "{words}");
    assert!(words.contains("another sutler serve"), "{words}");
    let in_use = sutler(&["restore", text(&file), "--data", text(&data)]);
    assert_eq!(in_use.0, Some(65), "{}", in_use.1);
    let staging = fs::read_dir(data.join("staging")).unwrap();
    assert_eq!(staging.count(), 0, "the copy of the store is gone");
    appliance.stop();

    let (code, words) = sutler(&["restore", text(&file), "--data", text(&other)]);
    assert_eq!(code, Some(0), "{words}");
    let (code, words) = sutler(&["store", "check", "--data", text(&other), "--json"]);
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains("\"jobs\": 1"), "{words}");
    assert_eq!(sutler(&["store", "compact", "--data", text(&other)]).0, Some(0));
    let appliance = Appliance::start(&other);
    let after = appliance.json("/api/jobs/1");
    for same in ["uuid", "verdict", "ended", "run", "cause", "definition_hash"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(after["kept"]["by"].as_str().map(str::is_empty), Some(false));
    let screen = after["run"]["items"][1]["steps"][0]["screens"][0]["file"].as_str().unwrap();
    let path = format!("jobs/1/{screen}");
    assert_eq!(fs::read(data.join(&path)).unwrap(), fs::read(other.join(&path)).unwrap());
    // And one that is off is backed up as well.
    appliance.stop();
    let off = place.path().join("off.tar.zst");
    let (code, words) = sutler(&["backup", text(&off), "--data", text(&other), "--json"]);
    assert_eq!(code, Some(0), "{words}");
}

#[test]
fn the_disk_is_told_to_people_and_programs() {
    let place = tempfile::tempdir().unwrap();
    let appliance = Appliance::start(&place.path().join("lab"));
    let told = appliance.command(&["disk", "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert!(told["disk"].as_u64().unwrap() >= told["now"]["free"].as_u64().unwrap());
    let said = appliance.command(&["disk"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains(told["forecast"]["words"].as_str().unwrap()), "{said}");
    assert!(appliance.get("/disk").contains("older than 30 days"));
    let nobody = appliance.command(&["keep", "7"]);
    assert_eq!(nobody.status.code(), Some(66));
    appliance.stop();
}
