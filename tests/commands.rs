//! The built binary, as a person meets it where no appliance runs.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::appliance::Appliance;

fn sutler(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sutler"))
        .arg("--data")
        .arg(data)
        .args(arguments)
        .env_remove("SUTLER_DATA")
        .env("SUTLER_CONFIG", "/dev/null")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn without_an_appliance_commands_say_which_socket_and_how_to_start_one() {
    let place = tempfile::tempdir().unwrap();
    let deep = place.path().join("x".repeat(150));
    for (data, arguments) in [
        (place.path(), ["jobs"].as_slice()),
        (place.path(), &["show", "7"]),
        (place.path(), &["logs", "-f", "7"]),
        (place.path(), &["wait", "7"]),
        (place.path(), &["--json", "cancel", "7"]),
        (place.path(), &["submit", "assets/demo/installer"]),
        (&deep, &["jobs"]),
    ] {
        let output = sutler(data, arguments);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{arguments:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let socket = data.join("sutler.sock");
        assert!(complaint.contains(socket.to_str().unwrap()), "{complaint}");
        assert!(complaint.contains("sutler serve"), "{complaint}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let place = tempfile::tempdir().unwrap();
    for arguments in [
        ["jobs", "--state", "sleeping"].as_slice(),
        &["show", "../status"],
        &["wait"],
        &["dance"],
        &[],
    ] {
        assert_eq!(sutler(place.path(), arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn the_doctor_answers_people_and_programs_alike() {
    let place = tempfile::tempdir().unwrap();
    let said = sutler(place.path(), &["doctor"]);
    let told = sutler(place.path(), &["doctor", "--json"]);
    assert_eq!(said.status, told.status);
    let told_text = text(&told.stdout);
    let report: serde_json::Value = serde_json::from_str(told_text).unwrap();
    let is_broken = report["state"] == "broken";
    assert_eq!(told.status.code(), Some(is_broken.into()), "{told_text}");
    assert_eq!(report["seen_by"], "this account");
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        let name = finding["name"].as_str().unwrap();
        assert!(text(&said.stdout).contains(name), "{name}");
    }
    let data = findings.iter().find(|finding| finding["name"] == "data folder").unwrap();
    assert_eq!(data["state"], "fine");
}

#[test]
fn a_reader_that_has_heard_enough_is_no_failure() {
    let place = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_sutler"))
        .args(["doctor", "--data"])
        .arg(place.path())
        .stdout(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_job_file_is_checked_without_an_appliance() {
    let place = tempfile::tempdir().unwrap();
    let job = place.path().join("boot.yaml");
    let sound = "job_name: boot\nactions:\n- boot: { method: qemu }\n";
    for (text, code, words) in [
        (sound.to_owned(), 0, "can be run"),
        (sound.replace("actions", "acitons"), 65, "actions"),
        (
            format!("{sound}- test:\n    screen: {{ needles: gone/, steps: [save_screenshot] }}\n"),
            65,
            "gone",
        ),
    ] {
        std::fs::write(&job, &text).unwrap();
        let said = sutler(place.path(), &["validate", job.to_str().unwrap()]);
        assert_eq!(said.status.code(), Some(code), "{text}{}", self::text(&said.stderr));
        assert!(self::text(&said.stdout).contains(words), "{}", self::text(&said.stdout));
        let told = sutler(place.path(), &["validate", "--json", job.to_str().unwrap()]);
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        assert_eq!(told["valid"], code == 0);
        assert!(code == 0 || told["problems"][0]["line"].is_u64(), "{told}");
    }
    let empty = sutler(place.path(), &["validate", place.path().to_str().unwrap()]);
    assert_eq!(empty.status.code(), Some(66), "{}", text(&empty.stderr));
}

#[test]
fn a_job_file_is_checked_by_the_settings_of_the_appliance_that_answers() {
    let place = tempfile::tempdir().unwrap();
    let (folder, data) = (place.path().join("jobs"), place.path().join("data"));
    let roots = place.path().join("roots");
    for folder in [&folder, &roots] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(roots.join("disk.img"), "x").unwrap();
    let file = folder.join("job.yaml");
    let job = |more: &str, disk: &str| {
        let text =
            format!("job_name: boot\n{more}\nactions:\n- boot: {{ guest: {{ disk: {disk} }} }}\n");
        std::fs::write(&file, text).unwrap();
    };
    let disk = roots.join("disk.img");
    let disk = disk.to_str().unwrap();
    let validate = |more: &[&str]| {
        let said = sutler(&data, &[&["validate", file.to_str().unwrap()], more].concat());
        (said.status.code(), text(&said.stdout).to_owned() + text(&said.stderr))
    };
    job("", disk);
    let (code, said) = validate(&[]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("No appliance answers here, so your own settings hold"), "{said}");

    let environment = [("SUTLER_TIMEOUTS_JOB", "23m"), ("SUTLER_ROOTS", roots.to_str().unwrap())];
    let appliance = Appliance::start_with(&data, &environment);
    let (code, said) = validate(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("23 min") && said.contains("If it were submitted now"), "{said}");
    assert!(!said.contains("your own settings"), "{said}");
    let (_, told) = validate(&["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["settings_of"], "appliance");
    assert_eq!(told["timeouts"][0]["timeout_ms"], 23 * 60_000, "{told}");

    job("device_type: toaster", disk);
    let (code, said) = validate(&[]);
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("cannot be run on this box") && said.contains("toaster"), "{said}");

    // Files of another machine are not looked at, those that travel are.
    let server = format!("http://{}", appliance.address);
    for (disk, code) in [("/of/another/machine.img", 0), ("gone.img", 65)] {
        job("", disk);
        let (found, said) = validate(&["--server", &server]);
        assert_eq!(found, Some(code), "{said}");
    }
    appliance.stop();
}

#[test]
fn the_demo_can_be_run() {
    let place = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/installer");
    let output = sutler(place.path(), &["validate", "--strict", demo.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}
