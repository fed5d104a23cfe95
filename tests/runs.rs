//! What becomes of a job when all goes well, and when anything at all goes wrong: real engines and
//! real QEMU on the tiny guest, driven through the built binary.

use std::{fs, path::Path, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    appliance::{Appliance, SUTLER, copy_folder, processes_in, wait_for},
    job::JobFolder,
};

/// A run that sits on page A until something happens to it.
const WAITS: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - assert_screen: { tags: page-b, timeout: 100s }\n";
const TWO_PAGES: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                         - module: turn the page\n\
                         \x20 flags: { fatal: true }\n\
                         \x20 steps:\n\
                         \x20 - send_key: b\n\
                         \x20 - assert_screen: page-b\n\
                         \x20 - wait_serial: page B\n";

struct Lab {
    _folder: tempfile::TempDir,
    root: std::path::PathBuf,
    data: std::path::PathBuf,
}

impl Lab {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let data = root.join("data");
        fs::create_dir(&data).unwrap();
        Self { _folder: folder, root, data }
    }

    fn job(&self, name: &str, steps: &str) -> JobFolder {
        JobFolder::new(&self.root, name, steps)
    }

    /// Drops a job and waits until it is on its second step.
    fn start_waiting_job(&self, appliance: &Appliance) {
        let job = self.job("waits", WAITS);
        appliance.drop_folder(&job.0, job.name());
        wait_for("the first step to end", || {
            let job = appliance.json("/api/jobs/1");
            (job["run"]["progress"]["done"] == 1).then_some(())
        });
    }

    fn assert_nothing_left(&self) {
        assert_eq!(processes_in(&self.data), Vec::<String>::new());
    }
}

fn pid_of(data: &Path, what: &str) -> i32 {
    let all = processes_in(data);
    let found = all.iter().find(|process| process.contains(what));
    let found = found.unwrap_or_else(|| panic!("no {what} among {all:?}"));
    found.split_once(' ').unwrap().0.parse().unwrap()
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn assert_end(job: &Value, verdict: &str, code: &str) {
    assert_eq!(job["verdict"], verdict, "{job:#}");
    assert_eq!(job["cause"]["code"], code, "{job:#}");
}

#[test]
fn run_alone_passes_and_leaves_a_result_folder() {
    let lab = Lab::new();
    let job = lab.job("two-pages", TWO_PAGES);
    let out = lab.root.join("out");
    let ran = Command::new(SUTLER).arg("run").arg(job.file()).arg("--out").arg(&out).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for file in ["events.jsonl", "video.mp4", "serial0.txt"] {
        assert!(fs::metadata(out.join(file)).unwrap().len() > 0, "{file}");
    }
    let serial = fs::read_to_string(out.join("serial0.txt")).unwrap();
    assert!(serial.contains("page A") && serial.contains("page B"), "{serial}");
}

#[test]
fn run_alone_fails_with_exit_code_1_and_says_what_was_seen() {
    let lab = Lab::new();
    let job = lab.job("no-page-b", "- assert_screen: { tags: page-b, timeout: 3s }\n");
    let out = lab.root.join("out");
    let ran = Command::new(SUTLER).arg("run").arg(job.file()).arg("--out").arg(&out).output();
    let ran = ran.unwrap();
    assert_eq!(ran.status.code(), Some(1), "{}", String::from_utf8_lossy(&ran.stdout));
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let ended: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(ended["cause"]["code"], "no_match");
    assert_eq!(ended["cause"]["where"]["step"], "1/0");
    let seen = ended["cause"]["evidence"]["screen"].as_str().unwrap();
    assert!(out.join(seen).exists());
}

#[test]
fn a_folder_in_the_inbox_becomes_a_passed_job() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    let job = lab.job("two-pages", TWO_PAGES);
    appliance.drop_folder(&job.0, job.name());
    wait_for("the job to be accepted", || {
        appliance.json("/api/jobs").to_string().contains("two-pages").then_some(())
    });
    let ended = appliance.wait_ended(1);
    assert_eq!(ended["verdict"], "passed", "{ended:#}");
    assert!(appliance.get("/jobs/1").contains("turn the page"));
    lab.assert_nothing_left();
    appliance.stop();
}

#[test]
fn a_canceled_job_ends_canceled_and_leaves_nothing() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    let canceled = appliance.command(&["cancel", "1"]);
    assert!(canceled.status.success(), "{}", String::from_utf8_lossy(&canceled.stderr));
    assert_end(&appliance.wait_ended(1), "canceled", "canceled");
    lab.assert_nothing_left();
}

#[test]
fn a_dead_qemu_is_said_to_be_dead() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    kill(pid_of(&lab.data, "qemu-system"));
    assert_end(&appliance.wait_ended(1), "incomplete", "qemu_died");
    lab.assert_nothing_left();
}

#[test]
fn a_dead_engine_takes_its_guest_along_and_the_job_says_so() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    kill(pid_of(&lab.data, " engine "));
    assert_end(&appliance.wait_ended(1), "incomplete", "engine_died");
    lab.assert_nothing_left();
}

#[test]
fn a_dead_encoder_costs_the_video_and_not_the_job() {
    let lab = Lab::new();
    let job = lab.job("two-pages", TWO_PAGES);
    let appliance = Appliance::start(&lab.data);
    appliance.drop_folder(&job.0, job.name());
    let encoder = wait_for("the encoder", || {
        let all = processes_in(&lab.data);
        let found = all.iter().find(|process| process.contains("encode-video"))?;
        found.split_once(' ')?.0.parse::<i32>().ok()
    });
    kill(encoder);
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");
    lab.assert_nothing_left();
}

#[test]
fn time_limits_name_the_part_that_used_up_its_time() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    for (number, name, job, action, code) in
        [(1, "job-limit", 4, 4, "job_timeout"), (2, "action-limit", 60, 4, "action_timeout")]
    {
        let folder = JobFolder::with_limits(&lab.root, name, WAITS, job, action);
        appliance.drop_folder(&folder.0, name);
        let ended = appliance.wait_ended(number);
        assert_end(&ended, "timed_out", code);
        assert_eq!(ended["cause"]["where"]["part"], "test");
    }
    lab.assert_nothing_left();
}

#[test]
fn a_guest_that_goes_off_by_itself_is_told_from_one_that_was_switched_off() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    let by_itself = format!(
        "- assert_screen: {{ tags: page-a, timeout: 60s }}\n- send_key: p\n{}",
        "- assert_screen: { tags: page-b, timeout: 60s }\n"
    );
    let job = lab.job("goes-off", &by_itself);
    appliance.drop_folder(&job.0, job.name());
    assert_end(&appliance.wait_ended(1), "incomplete", "guest_off");
    let job =
        lab.job("switched-off", "- assert_screen: { tags: page-a, timeout: 60s }\n- power: off\n");
    appliance.drop_folder(&job.0, job.name());
    assert_eq!(appliance.wait_ended(2)["verdict"], "passed");
    lab.assert_nothing_left();
}

#[test]
fn a_job_goes_on_when_the_appliance_is_killed_and_a_newer_build_finds_it() {
    let lab = Lab::new();
    // The old build lives in a file that the upgrade replaces while it runs.
    let old = lab.root.join("sutler-old");
    fs::copy(SUTLER, &old).unwrap();
    let appliance = Appliance::start_as(&old, &lab.data);
    fs::remove_file(&old).unwrap();
    lab.start_waiting_job(&appliance);
    appliance.kill();
    assert!(!processes_in(&lab.data).is_empty(), "the engine goes on without the appliance");

    let newer = lab.root.join("sutler-new");
    fs::copy(SUTLER, &newer).unwrap();
    let appliance = Appliance::start_as(&newer, &lab.data);
    let job = appliance.json("/api/jobs/1");
    assert_eq!(job["state"], "running", "{job:#}");
    let canceled = appliance.command(&["cancel", "1"]);
    assert!(canceled.status.success());
    assert_end(&appliance.wait_ended(1), "canceled", "canceled");
    lab.assert_nothing_left();
}

#[test]
fn a_job_that_ends_while_no_appliance_runs_is_settled_by_the_next() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    appliance.kill();
    kill(pid_of(&lab.data, " engine "));
    wait_for("the guest to go with its engine", || {
        processes_in(&lab.data).is_empty().then_some(())
    });
    let appliance = Appliance::start(&lab.data);
    assert_end(&appliance.wait_ended(1), "incomplete", "engine_died");
    lab.assert_nothing_left();
}

#[test]
fn several_guests_run_at_once() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    let job = lab.job("waits", WAITS);
    for copy in ["one", "two"] {
        let folder = lab.root.join(copy);
        copy_folder(&job.0, &folder);
        appliance.drop_folder(&folder, copy);
    }
    wait_for("both to run", || {
        let running = appliance.json("/api/jobs?state=running");
        (running["jobs"].as_array()?.len() == 2).then_some(())
    });
    for id in ["1", "2"] {
        assert!(appliance.command(&["cancel", id]).status.success());
        assert_eq!(appliance.wait_ended(id.parse().unwrap())["verdict"], "canceled");
    }
    lab.assert_nothing_left();
}

#[test]
fn a_job_sent_by_command_is_its_senders_and_ends_with_its_verdict() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    let job = lab.job("two-pages", TWO_PAGES);
    let file = job.file();
    let sent = appliance.command(&["submit", "--wait", "--json", file.to_str().unwrap()]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let job = appliance.json("/api/jobs/1");
    assert_eq!((&job["verdict"], &job["way_in"]), (&"passed".into(), &"command".into()));
    assert_eq!(job["submitter"]["uid"], rustix::process::geteuid().as_raw());

    let bad = lab.job("bad", "- assert_scren: page-a\n");
    let refused = appliance.command(&["submit", bad.file().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(65));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(words.contains("assert_screen"), "names the nearest step: {words}");
}

#[test]
fn a_bad_file_in_the_inbox_is_set_aside_with_its_explanation() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    let inbox = lab.data.join("inbox");
    fs::write(inbox.join(".bad.yaml"), "job_name: x\nactoins: []\n").unwrap();
    fs::rename(inbox.join(".bad.yaml"), inbox.join("bad.yaml")).unwrap();
    let why = wait_for("the explanation", || {
        fs::read_to_string(inbox.join("rejected/bad.yaml.why.txt")).ok()
    });
    assert!(why.contains("line 2") && why.contains("actions"), "{why}");
    assert!(inbox.join("rejected/bad.yaml").exists());
    assert_eq!(appliance.json("/api/jobs")["jobs"].as_array().unwrap().len(), 0);
}
