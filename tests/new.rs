//! `sutler new`: what it writes passes as it is, and again.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::{appliance::SUTLER, job::run_alone, tiny_guest};

/// Of Debian's package `memtest86+`; jobs may read it where it is.
const MEMTEST: &str = "/usr/lib/memtest86+/memtest86+x64.iso";

fn new(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(SUTLER).arg("new").arg(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_passes_twice(folder: &Path) {
    let strict = Command::new(SUTLER).args(["validate", "--strict"]).arg(folder).output().unwrap();
    assert!(strict.status.success(), "{}", text(&strict.stdout));
    for out in ["first", "second"] {
        run_alone(&folder.join("job.yaml"), &folder.with_extension(out));
    }
}

#[test]
fn a_first_job_is_cut_from_the_tiny_guest_and_passes_twice() {
    let place = tempfile::tempdir().unwrap();
    let disk = tiny_guest::disk(place.path());
    let folder = place.path().join("tiny");
    let disk = disk.to_str().unwrap();
    let made = new(&folder, &["--disk", disk, "--memory", "32M", "--wait", "5s", "--json"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let told: Value = serde_json::from_slice(&made.stdout).unwrap();
    let areas = told["areas"].as_array().unwrap();
    assert!((1..=3).contains(&areas.len()), "{told}");
    assert!(folder.join("tiny_guest.img").exists(), "the job's folder holds all it needs");
    assert_passes_twice(&folder);
}

#[test]
fn memtest86_gets_a_needle_of_what_stays_the_same_while_its_clock_goes_on() {
    assert!(Path::new(MEMTEST).exists(), "{MEMTEST} is missing: run packaging/test.sh");
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("memtest");
    let made = new(&folder, &["--iso", MEMTEST, "--memory", "64M", "--tag", "memtest"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let job = fs::read_to_string(folder.join("job.yaml")).unwrap();
    assert!(job.contains(MEMTEST) && job.contains("tags: memtest"), "{job}");
    assert_passes_twice(&folder);
}

#[test]
fn without_a_guest_there_is_only_the_job_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("bare");
    let made = new(&folder, &["--bare", "--name", "a: \"first\" # job"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&made.stdout).contains("sutler run"));
    let files: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(files, ["job.yaml"]);
    let again = new(&folder, &["--bare"]);
    assert_eq!(again.status.code(), Some(73), "it is not written over");
    assert!(text(&again.stderr).contains("not empty"));
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_is_left() {
    let place = tempfile::tempdir().unwrap();
    let disk = tiny_guest::disk(place.path());
    let disk = disk.to_str().unwrap();
    let before = fs::read_dir(place.path()).unwrap().count();
    let folder = place.path().join("none");
    let tiny = ["--disk", disk, "--memory", "32M", "--wait", "3s"];
    for (arguments, code, words) in [
        (vec![], 2, "--bare"),
        (vec!["--iso", "/none.iso"], 66, "/none.iso"),
        (vec!["--iso", "a", "--bare"], 2, "cannot be used with"),
        (vec!["--initrd", "a"], 2, "--kernel"),
        ([&tiny[..], &["--area", "5000,0,20x20"]].concat(), 2, "is not on the screen"),
    ] {
        let said = new(&folder, &arguments);
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(words), "{arguments:?}: {told}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), before, "{arguments:?}");
    }
}
