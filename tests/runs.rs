//! What becomes of a job when all goes well, and when anything at all goes wrong: real engines and
//! real QEMU on the tiny guest, driven through the built binary.

use std::{fs, path::Path, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    appliance::{Appliance, SUTLER, copy_folder, pause, processes_in, wait_for},
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
fn a_second_cancel_ends_a_job_whose_engine_hangs() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    let engine = Pid::from_raw(pid_of(&lab.data, " engine ")).unwrap();
    kill_process(engine, Signal::STOP).unwrap();
    for words in [
        "job 1 was asked to stop; once more stops it at once\n",
        "job 1 was asked before, and stops at once\n",
    ] {
        let canceled = appliance.command(&["cancel", "1"]);
        assert_eq!(String::from_utf8_lossy(&canceled.stdout), words);
    }
    let ended = appliance.wait_ended(1);
    assert_end(&ended, "canceled", "canceled");
    assert!(ended["cause"]["words"].as_str().unwrap().contains("killed"), "{ended:#}");
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

/// Runs a job alone with these flags and returns its exit code and events.
fn run_with(lab: &Lab, name: &str, steps: &str, flags: &[&str]) -> (Option<i32>, Vec<Value>) {
    let job = lab.job(name, steps);
    let out = lab.root.join(format!("{name}-out"));
    let mut run = Command::new(SUTLER);
    let ran = run.arg("run").arg(job.file()).arg("--out").arg(&out).args(flags).output().unwrap();
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ran.status.code(), events)
}

fn told<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}

/// Page B comes only after a key that nobody presses.
const NEVER: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n\
                     - check_screen: { tags: page-b, timeout: 5s }\n";

#[test]
fn a_slow_step_is_stopped_watched_or_left_alone_as_its_limit_says() {
    let lab = Lab::new();
    let limit = "step_time=2s";
    let (code, events) = run_with(&lab, "stops", NEVER, &["--limit", limit]);
    assert_eq!(code, Some(5));
    let ended = events.last().unwrap();
    let (cause, slow) = (&ended["cause"], &ended["backend"]["slow"]);
    assert_eq!((&ended["verdict"], &cause["code"]), (&"too_slow".into(), &"too_slow".into()));
    let words = cause["words"].as_str().unwrap();
    assert!(words.contains("the limit is 2 s, set by --limit; "), "{words}");
    assert!(cause["where"]["step"].is_string() && cause["evidence"]["screen"].is_string());
    let value = slow["value"].as_f64().unwrap();
    assert!((2000.0..4000.0).contains(&value), "{slow}");
    assert_eq!(slow["limit"], 2000.0);
    assert!(slow["host"]["host_load1"].is_number(), "{slow}");

    let watch = format!("{limit}:watch");
    let (code, events) = run_with(&lab, "watches", NEVER, &["--limit", &watch]);
    assert_eq!(code, Some(0));
    let slow = told(&events, "slow");
    let values: Vec<_> = slow.iter().map(|slow| slow["value"].as_f64().unwrap()).collect();
    let late = |event: &&&Value| event["spot"]["step"] == "check_screen page-b";
    assert_eq!(slow.iter().filter(late).count(), 2, "at 2 s and at 4 s: {values:?}");
    let kept = &events.last().unwrap()["backend"]["slow_events"];
    assert_eq!(kept.as_array().unwrap().len(), slow.len());

    let off = format!("{limit}:off");
    let (code, events) = run_with(&lab, "is-off", NEVER, &["--limit", &off]);
    assert_eq!((code, told(&events, "slow").len()), (Some(0), 0));
    assert!(events.last().unwrap()["backend"].get("slow_events").is_none());
}

#[test]
fn a_run_is_measured_once_a_second_and_each_operation_is_summed_up() {
    let lab = Lab::new();
    let steps = format!("{NEVER}- send_key: b\n- assert_screen: page-b\n");
    let (code, events) = run_with(&lab, "measured", &steps, &[]);
    assert_eq!(code, Some(0));
    let measures = told(&events, "measure");
    assert!(measures.len() >= 4, "{}", measures.len());
    let names = |event: &Value| -> Vec<String> {
        event["values"].as_object().unwrap().keys().cloned().collect()
    };
    for event in &measures {
        for name in names(event) {
            assert!(sutler::model::Gauge::named(&name).is_some(), "{name} is in no list");
        }
    }
    let last = &measures.last().unwrap()["values"];
    for name in ["guest_cpu", "guest_memory", "engine_cpu", "frames", "host_load1"] {
        assert!(last[name].is_number(), "{name}: {last}");
    }
    assert!(last["guest_memory"].as_f64().unwrap() > 10.0, "{last}");
    let times: Vec<_> = measures.iter().map(|m| m["mono_us"].as_u64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{times:?}");

    let operations = &events.last().unwrap()["backend"]["operations"];
    for name in ["frame_lag", "ppm_write", "encode", "png_write", "match_time", "key_to_screen"] {
        let found = &operations[name];
        assert!(found["count"].as_u64().unwrap() > 0, "{name}: {operations:#}");
        assert!(found["p50_ms"].as_f64().unwrap() <= found["max_ms"].as_f64().unwrap() * 1.02);
    }
    assert!(events.last().unwrap()["backend"]["host"]["host_load1"].is_number());
}

#[test]
fn a_guest_whose_process_is_stopped_is_frozen_and_the_hosts_fault() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    let qemu = Pid::from_raw(pid_of(&lab.data, "qemu-system")).unwrap();
    kill_process(qemu, Signal::STOP).unwrap();
    let named = wait_for("somebody to name it", || {
        let log = appliance.get("/api/jobs/1/events");
        log.contains("the guest is frozen").then_some(log)
    });
    assert!(!named.contains("\"event\":\"ended\""), "it is named before it ends");
    let ended = appliance.wait_ended(1);
    assert_end(&ended, "incomplete", "guest_frozen");
    assert_eq!(ended["cause"]["who"], "host");
    assert_eq!(ended["backend"]["stalls"][0]["stall"], "frozen", "{ended:#}");
    lab.assert_nothing_left();
}

#[test]
fn a_guest_that_is_stopped_for_a_moment_goes_on_and_its_slowness_is_the_hosts() {
    let lab = Lab::new();
    let job = lab.job("stopped", WAITS);
    let out = lab.root.join("out");
    let mut run = Command::new(SUTLER);
    run.arg("run").arg(job.file()).arg("--out").arg(&out);
    let mut run = run.args(["--limit", "step_time=10s:stop"]).spawn().unwrap();
    wait_for("its second step", || {
        let events = fs::read_to_string(out.join("events.jsonl")).unwrap_or_default();
        events.contains("\"path\":\"1/1\"").then_some(())
    });
    let qemu = Pid::from_raw(pid_of(&out, "qemu-system")).unwrap();
    kill_process(qemu, Signal::STOP).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(5));
    let ended = last_event(&out);
    assert_eq!(ended["backend"]["slow"]["slowness"], "host", "{ended:#}");
    let words = ended["cause"]["words"].as_str().unwrap();
    assert!(words.contains("QEMU's process was stopped from outside"), "{words}");
}

/// Programs that only use up processors, ended at the end of the test.
struct Hogs(Vec<std::process::Child>);

impl Hogs {
    /// Processes that want all of every processor, several of each. Each in a session of its own:
    /// the scheduler may share the time among sessions first (autogroups of sched(7)).
    fn start() -> Self {
        let cores = std::thread::available_parallelism().unwrap().get();
        let hog = || {
            let mut hog = Command::new("setsid");
            hog.args(["--wait", "setpriv", "--pdeathsig", "KILL", "sh", "-c"]);
            hog.arg("while :; do :; done").spawn().unwrap()
        };
        Self((0..4 * cores).map(|_| hog()).collect())
    }
}

impl Drop for Hogs {
    fn drop(&mut self) {
        for hog in &mut self.0 {
            hog.kill().unwrap();
            hog.wait().unwrap();
        }
    }
}

#[test]
fn a_hog_beside_a_guest_makes_it_slow_and_that_is_the_hosts_fault() {
    let lab = Lab::new();
    let steps = "- wait_serial: page A\n- send_key: l\n- wait_serial: nobody says this\n";
    let job = lab.job("hog", steps);
    let out = lab.root.join("out");
    let mut run = Command::new(SUTLER);
    run.arg("run").arg(job.file()).arg("--out").arg(&out);
    let mut run = run.args(["--limit", "guest_wait=15%:stop"]).spawn().unwrap();
    wait_for("the guest to be busy", || {
        let said = fs::read_to_string(out.join("serial0.txt")).unwrap_or_default();
        said.contains("busy").then_some(())
    });
    let hogs = Hogs::start();
    assert_eq!(run.wait().unwrap().code(), Some(5));
    drop(hogs);
    let ended = last_event(&out);
    let slow = &ended["backend"]["slow"];
    assert_eq!((&slow["measure"], &slow["slowness"]), (&"guest_wait".into(), &"host".into()));
    let words = ended["cause"]["words"].as_str().unwrap();
    assert!(words.contains("processors were ready and had to wait"), "{words}");
}

#[test]
fn a_slow_disk_makes_a_guest_slow_and_that_is_the_hosts_fault() {
    let lab = Lab::new();
    let steps = "- wait_serial: { regex: page A, timeout: 60s }\n- send_key: d\n\
                 - assert_screen: { tags: page-b, timeout: 60s }\n";
    let job = lab.job("slow-disk", steps);
    let text = fs::read_to_string(job.file()).unwrap();
    let disk = job.0.join("tiny_guest.img");
    let deploy = format!(
        "actions:\n- deploy:\n    to: tmpfs\n    images:\n      disk:\n        url: file://{}\n        \
         image_arg: '-drive file={{disk}},format=raw,throttling.iops-total=3'\n",
        disk.display()
    );
    let text = text.replacen("actions:\n", &deploy, 1).replace(", disk: tiny_guest.img", "");
    fs::write(job.file(), text).unwrap();
    let out = lab.root.join("out");
    let mut run = Command::new(SUTLER);
    run.arg("run").arg(job.file()).arg("--out").arg(&out);
    run.args(["--limit", "step_time@/assert_screen page-b=15s:stop"]);
    assert_eq!(run.output().unwrap().status.code(), Some(5));
    let ended = last_event(&out);
    assert_eq!(ended["backend"]["slow"]["slowness"], "host", "{ended:#}");
    let words = ended["cause"]["words"].as_str().unwrap();
    assert!(words.contains("the guest's disk kept it waiting"), "{words}");
}

/// The last event of a run.
fn last_event(out: &Path) -> Value {
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    serde_json::from_str(events.lines().last().unwrap()).unwrap()
}

#[test]
fn a_guest_that_resets_again_and_again_is_in_a_loop() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    // The tiny guest resets at this key; a loop is made of what nobody asked for by a step.
    for _ in 0..20 {
        if appliance.json("/api/jobs/1")["state"] != "running" {
            break;
        }
        // It may end while we speak.
        let _ = send(&lab.data, &serde_json::json!({"command": "input", "input": {"keys": "r"}}));
        pause(std::time::Duration::from_secs(3));
    }
    let ended = appliance.wait_ended(1);
    assert_end(&ended, "incomplete", "reset_loop");
    assert!(ended["cause"]["words"].as_str().unwrap().contains("resets in a loop"), "{ended:#}");
    lab.assert_nothing_left();
}

#[test]
fn limits_can_be_set_while_a_job_runs() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    let limits = serde_json::json!([{
        "measure": "step_time", "value": 500.0, "mode": "watch", "origin": {"set": {"by": "ada"}},
    }]);
    send(&lab.data, &serde_json::json!({"command": "limits", "limits": limits})).unwrap();
    let job = wait_for("it to be slow", || {
        let job = appliance.json("/api/jobs/1");
        job["run"]["slow_now"].is_object().then_some(job)
    });
    let words = job["run"]["slow_now"]["words"].as_str().unwrap();
    assert!(words.contains("assert_screen page-b") && words.contains("set by ada"), "{words}");
    for page in ["/", "/jobs/1"] {
        let shown = appliance.get(page);
        assert!(shown.contains("the step assert_screen page-b has taken"), "{page}");
    }
    let mut strict = limits;
    strict[0]["mode"] = "stop".into();
    send(&lab.data, &serde_json::json!({"command": "limits", "limits": strict})).unwrap();
    assert_end(&appliance.wait_ended(1), "too_slow", "too_slow");
    lab.assert_nothing_left();
}

/// Says something to the engine of job 1, and returns when it was heard.
fn send(data: &Path, command: &Value) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};
    let socket = data.join("jobs/1/engine.sock");
    let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
    writeln!(stream, "{command}")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    // It closes when it has read to our end; until then it wakes us with numbers.
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[test]
fn the_load_of_the_host_is_recorded_whatever_the_end() {
    let lab = Lab::new();
    let appliance = Appliance::start(&lab.data);
    lab.start_waiting_job(&appliance);
    kill(pid_of(&lab.data, " engine "));
    let ended = appliance.wait_ended(1);
    assert_end(&ended, "incomplete", "engine_died");
    assert!(ended["load_at_end"]["load1"].is_number(), "{ended:#}");
    assert!(ended["backend"]["host"]["host_load1"].is_number(), "{ended:#}");
}
