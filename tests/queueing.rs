//! The commands that change the queue and what there is to run jobs on, as a person types them. Nothing
//! runs: the only device that could is out of service.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::appliance::{Appliance, SUTLER, wait_for};

const WAITS: &str = "job_name: waits for ever\nactions:\n- boot: { guest: { memory: 64M } }\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// An appliance, and a job file that it takes in.
struct Lab {
    folder: tempfile::TempDir,
    appliance: Appliance,
}

impl Lab {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(folder.path().join("job.yaml"), WAITS).unwrap();
        let lab = Self { appliance: Appliance::start(&data), folder };
        lab.says(&["device", "maintenance", "local", "nothing runs in this test"]);
        lab
    }

    /// What a command prints that does what it is asked to.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.appliance.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let said = self.says(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// What a command complains of.
    fn refuses(&self, arguments: &[&str], code: i32) -> String {
        let output = self.appliance.command(arguments);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {complaint}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        complaint
    }

    /// Sends the job.
    fn submit(&self, more: &[&str]) -> u64 {
        let file = self.file("job.yaml");
        self.json(&[&["submit", &*file], more].concat())["number"].as_u64().unwrap()
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn job(&self, number: u64) -> Value {
        self.json(&["show", &number.to_string()])
    }

    /// Numbers of the jobs that wait, best first.
    fn queue(&self) -> Vec<u64> {
        let plan = self.json(&["plan", "--limit", "2"]);
        let rest = match plan["next"].as_str() {
            Some(next) => self.json(&["plan", "--cursor", next])["jobs"].take(),
            None => json!([]),
        };
        let first = plan["jobs"].as_array().unwrap().iter();
        first.chain(rest.as_array().unwrap()).map(|job| job["number"].as_u64().unwrap()).collect()
    }

    /// Runs a command whose editor is that line of shell.
    fn edits(&self, editor: &str, arguments: &[&str]) -> Output {
        Command::new(SUTLER)
            .env("SUTLER_CONFIG", "/dev/null")
            .env_remove("VISUAL")
            .env("EDITOR", editor)
            .args(arguments)
            .arg("--data")
            .arg(&self.appliance.data)
            .output()
            .unwrap()
    }
}

#[test]
fn validate_says_what_would_be_refused_or_skipped() {
    let lab = Lab::start();
    assert_eq!(lab.submit(&[]), 1);
    lab.says(&["cancel", "1"]);
    lab.appliance.wait_ended(1);
    let file = lab.file("wrong.yaml");
    for (more, why) in [
        ("after: [1]", "it would be skipped at once: job 1 had to pass before it, and ended as"),
        ("after: [99]", "after: there is no job 99"),
        ("stream: /private/team/nobody/x/", "nobody is in the group"),
    ] {
        fs::write(&file, format!("{more}\n{WAITS}")).unwrap();
        let said = lab.edits("false", &["validate", &file]);
        let (said, code) = (String::from_utf8_lossy(&said.stdout).into_owned(), said.status.code());
        assert!(said.contains("cannot be run on this box") && said.contains(why), "{said}");
        assert_eq!(code, Some(65), "{said}");
        assert!(!said.contains("If it were submitted now"), "{said}");
    }
    let said = lab.says(&["submit", &lab.file("job.yaml"), "--after", "1"]);
    assert!(said.contains("job 2") && !said.contains("starts"), "{said}");
    assert_eq!(lab.appliance.wait_ended(2)["verdict"], "skipped");
}

#[test]
fn a_job_runs_once_more_as_it_was_edited_or_from_a_file() {
    let lab = Lab::start();
    assert_eq!(lab.submit(&[]), 1);
    assert_eq!(lab.says(&["cancel", "1"]), "job 1 is canceled and will not start\n");
    assert_eq!(lab.appliance.wait_ended(1)["verdict"], "canceled");

    assert_eq!(lab.says(&["resubmit", "1"]), "job 2 is job 1 once more\n");
    let again = lab.job(2);
    assert_eq!((&again["definition"], &again["resubmitted_from"]), (&json!(WAITS), &json!(1)));
    assert_eq!(lab.job(1)["standing"]["resubmitted_as"], json!([2]));

    let changed = WAITS.replace("64M", "96M");
    fs::write(lab.file("other.yaml"), &changed).unwrap();
    let diff = lab.says(&["resubmit", "1", "--file", &lab.file("other.yaml"), "--dry-run"]);
    for line in ["-- boot: { guest: { memory: 64M } }", "+- boot: { guest: { memory: 96M } }"] {
        assert!(diff.lines().any(|one| one == line), "{line}: {diff}");
    }
    let hunks =
        lab.json(&["resubmit", "1", "--file", &lab.file("other.yaml"), "--dry-run"])["hunks"]
            .take();
    let changed_lines = hunks[0]["lines"].as_array().unwrap().iter();
    let kinds: Vec<_> =
        changed_lines.map(|line| &line["kind"]).filter(|kind| **kind != "same").collect();
    assert_eq!(kinds, ["removed", "added"], "{hunks}");
    fs::write(lab.file("same.yaml"), WAITS).unwrap();
    for (asked, told) in [
        (&["resubmit", "1", "--dry-run"][..], "job 1: runs once more\n"),
        (
            &["resubmit", "1", "--file", &lab.file("same.yaml"), "--dry-run"],
            "job 1: runs once more, as it was\n",
        ),
    ] {
        assert_eq!(lab.says(asked), told);
    }
    assert_eq!(lab.queue(), [2], "to look is to send nothing");

    let told = lab.json(&["resubmit", "1", "--file", &lab.file("other.yaml")]);
    assert_eq!((&told["number"], &told["resubmitted_from"]), (&json!(3), &json!(1)));
    assert_eq!(lab.job(3)["definition"], changed);
    assert_eq!(
        lab.appliance.json("/api/jobs/3/diff")["hunks"],
        hunks,
        "a program sees the same afterwards"
    );

    let sent = lab.edits("sed -i s/64M/128M/", &["resubmit", "1", "--edit"]);
    assert_eq!(text(&sent.stdout), "job 4 is job 1 once more\n", "{}", text(&sent.stderr));
    assert_eq!(lab.job(4)["definition"], WAITS.replace("64M", "128M"));
    let given_up = lab.edits("false", &["resubmit", "1", "--edit"]);
    assert_eq!(given_up.status.code(), Some(70));
    assert!(text(&given_up.stderr).contains("false"), "{}", text(&given_up.stderr));

    fs::write(lab.file("bad.yaml"), WAITS.replace("memory", "memroy")).unwrap();
    let bad = lab.refuses(&["resubmit", "1", "--file", &lab.file("bad.yaml")], 65);
    assert!(bad.contains("memroy") && bad.contains('3'), "{bad}");
    lab.refuses(&["resubmit", "1", "--file", &lab.file("gone.yaml")], 66);
    for command in ["resubmit", "show", "cancel", "wait", "keep"] {
        assert_eq!(lab.refuses(&[command, "99"], 66), "sutler: there is no job 99\n", "{command}");
    }
    lab.refuses(&["resubmit", "1", "--edit", "--file", "other.yaml"], 2);
    assert_eq!(lab.queue(), [2, 3, 4]);
}

#[test]
fn a_waiting_job_is_moved_in_the_queue() {
    let lab = Lab::start();
    for number in 1..=4 {
        assert_eq!(lab.submit(&[]), number);
    }
    assert_eq!(lab.submit(&["--priority", "80"]), 5);
    assert_eq!(lab.queue(), [5, 1, 2, 3, 4]);
    assert_eq!(lab.says(&["priority", "3", "high"]), "job 3 has priority 100 now\n");
    assert_eq!(lab.json(&["priority", "1", "0"])["priority"], 0);
    assert_eq!(lab.queue(), [3, 5, 2, 4, 1]);
    assert_eq!(lab.job(3)["priority"], 100);
    let plan = lab.says(&["plan", "--all"]);
    assert_eq!(plan.lines().filter(|line| line.contains("waits for ever")).count(), 5, "{plan}");
    let plan = lab.says(&["plan", "--limit", "2"]);
    assert!(plan.ends_with("and 3 more that wait\n"), "{plan}");

    lab.says(&["cancel", "2"]);
    lab.appliance.wait_ended(2);
    let ended = lab.refuses(&["priority", "2", "high"], 2);
    assert!(ended.contains("job 2"), "{ended}");
    lab.refuses(&["cancel", "2"], 2);
    lab.refuses(&["priority", "99", "high"], 66);
    for wrong in ["101", "highest", "-1"] {
        lab.refuses(&["priority", "1", wrong], 2);
    }
}

#[test]
fn a_job_waits_for_another_to_pass_or_to_end() {
    let lab = Lab::start();
    assert_eq!(lab.submit(&[]), 1);
    assert_eq!(lab.submit(&["--after", "1"]), 2);
    assert_eq!(lab.submit(&["--after-end", "1"]), 3);
    assert_eq!(lab.submit(&["--after", "2", "--after-end", "3"]), 4);
    for (number, reason) in [
        (2, "waits for job 1 to pass"),
        (3, "waits for job 1 to end"),
        (4, "waits for job 2 to pass"),
    ] {
        assert_eq!(lab.job(number)["reason"], reason);
    }
    let unknown = lab.refuses(&["submit", &lab.file("job.yaml"), "--after", "99"], 65);
    assert!(unknown.contains("99"), "{unknown}");
    lab.refuses(&["submit", &lab.file("job.yaml"), "--after", "last"], 2);

    lab.says(&["cancel", "1"]);
    for number in [2, 4] {
        assert_eq!(lab.appliance.wait_ended(number)["verdict"], "skipped");
    }
    assert_eq!(lab.queue(), [3]);
    // What can never be is over at once.
    assert_eq!(lab.submit(&["--after", "1"]), 5);
    assert_eq!(lab.appliance.wait_ended(5)["verdict"], "skipped");
}

#[test]
fn devices_and_their_types_are_told_and_taken_out_of_service() {
    let lab = Lab::start();
    let add = ["device", "add", "small-1", "--tag", "small", "--memory", "2G", "--at-once", "1"];
    let said = lab.says(&[&add[..], &["--description", "by the window"]].concat());
    for words in ["small-1 is ", "small", "2.0 GiB", "by the window"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let device = lab.json(&["device", "show", "small-1"]);
    assert_eq!((&device["memory_mib"], &device["at_once"]), (&json!(2048), &json!(1)));
    assert_eq!(lab.json(&[&add[..7], &["--cores", "3"]].concat())["cores"], 3);
    let device = lab.json(&["device", "show", "small-1"]);
    // What is not said stays as it is.
    let as_before = (&json!(1), &json!("by the window"));
    assert_eq!((&device["at_once"], &device["description"]), as_before);
    lab.says(&["device", "add", "small-1", "--no-tags"]);
    assert_eq!(lab.json(&["device", "show", "small-1"])["tags"], json!([]));

    let check = lab.file("job.yaml");
    let kind = ["device", "type", "board", "--description", "under the desk"];
    let checked = ["--health-check", &*check, "--every", "1d", "--after-jobs", "20"];
    let said = lab.says(&[&kind[..], &checked[..]].concat());
    assert_eq!(said, "device type board is as you say\n");
    let types = lab.says(&["device", "types"]);
    assert!(types.contains(&format!("{check}, every 24 h, after 20 jobs")), "{types}");
    // What is not said stays as it is.
    lab.says(&["device", "type", "board", "--description", "on the desk"]);
    let types = lab.says(&["device", "types"]);
    assert!(types.contains("on the desk") && types.contains("after 20 jobs"), "{types}");
    lab.says(&["device", "type", "board", "--no-health-check"]);
    let types = lab.says(&["device", "types"]);
    assert!(types.contains("on the desk") && !types.contains("after 20 jobs"), "{types}");
    lab.says(&[&["device", "type", "board"][..], &checked[..]].concat());

    lab.says(&["device", "bad", "small-1", "it smells"]);
    let said = lab.says(&["device", "check", "small-1", "the window is open"]);
    assert_eq!(said, "device small-1 is unknown\n");
    // A type with a check has it run on a device of which nobody knows how it is. This one is too small
    // for it.
    lab.says(&["device", "add", "board-1", "--type", "board", "--memory", "32M"]);
    let why = wait_for("the health check", || {
        let device = lab.json(&["device", "show", "board-1"]);
        (device["health"] == "bad").then(|| device["why"].to_string())
    });
    assert!(why.contains("its health check cannot be run"), "{why}");

    let said = lab.says(&["device", "retire", "small-1", "no longer needed"]);
    assert_eq!(said, "device small-1 is retired\n");
    let log = lab.says(&["device", "log", "small-1"]);
    let at = |words: &str| log.find(words).unwrap_or_else(|| panic!("{words}: {log}"));
    assert!(at("no longer needed") < at("the window is open"), "{log}");
    assert!(at("the window is open") < at("it smells"), "{log}");
    let list = lab.says(&["device", "list"]);
    assert!(list.lines().any(|line| line.starts_with("small-1  retired")), "{list}");

    for (wrong, code) in [
        (["device", "check", "nobody", "why not"].as_slice(), 66),
        (&["device", "retire", "nobody", "why not"], 66),
        (&["device", "retire", "small-1", " "], 2),
        (&["device", "retire", "small-1"], 2),
        (&["device", "add", "a b"], 2),
        (&["device", "add", "small-2", "--memory", "much"], 2),
        (&["device", "add", "small-2", "--memory", "2"], 2),
        (&["device", "add", "small-2", "--memory", "2M"], 2),
        (&["device", "type", "board", "--every", "1d"], 2),
        (&["device", "type", "board", "--health-check", "job.yaml"], 2),
        (&["device", "remove-type", "nothing"], 66),
    ] {
        lab.refuses(wrong, code);
    }

    let with = |file: &str, text: &str| {
        fs::write(lab.file(file), text).unwrap();
        ["device", "type", "panel", "--health-check", &lab.file(file)].map(str::to_owned)
    };
    let large = "job_name: x\nactions:\n- boot: { guest: { memory: 900G } }\n";
    for (file, text, why) in [
        ("no-job.yaml", "job_name: x\nactoins: []\n", "actoins"),
        ("large.yaml", large, "needs 900 GiB"),
        ("tagged.yaml", "job_name: x\ntags: [odd]\nactions:\n- boot: { method: qemu }\n", ""),
    ] {
        let arguments = with(file, text);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        // As long as it has no device, one may come that has any tag.
        if why.is_empty() {
            lab.says(&arguments);
            continue;
        }
        let said = lab.refuses(&arguments, 65);
        assert!(said.contains("no device of the type panel can be checked with"), "{said}");
        assert!(said.contains(file) && said.contains(why), "{said}");
        assert!(said.contains("sutler validate"), "{said}");
    }
    lab.says(&["device", "add", "panel-1", "--type", "panel"]);
    let tagged = ["device", "type", "panel", "--health-check", &*lab.file("tagged.yaml")];
    let said = lab.refuses(&tagged, 65);
    assert!(said.contains("odd"), "{said}");
    let gone = ["device", "type", "panel", "--health-check", "/no/such/job.yaml"];
    let said = lab.refuses(&gone, 65);
    assert!(said.contains("/no/such/job.yaml: No such file"), "{said}");

    let said = lab.refuses(&["device", "remove-type", "panel"], 2);
    assert!(said.contains("panel-1 is of the device type panel"), "{said}");
    lab.says(&["device", "remove", "panel-1"]);
    assert_eq!(lab.says(&["device", "remove-type", "panel"]), "device type panel is gone\n");
    assert!(!lab.says(&["device", "types"]).contains("panel"));
}

#[test]
fn many_jobs_are_meant_by_a_filter_and_nothing_is_done_unasked() {
    let lab = Lab::start();
    for number in 1..=3 {
        fs::write(lab.file("job.yaml"), WAITS.replace("ever", &format!("{number}"))).unwrap();
        assert_eq!(lab.submit(&[]), number);
    }
    lab.says(&["cancel", "3"]);
    lab.appliance.wait_ended(3);

    let all = ["--name", "waits for *"];
    let asked = lab.refuses(&[&["cancel"], &all[..]].concat(), 2);
    for words in
        ["2 jobs, meant:\n  job 1: ends before", "Cancel 2 jobs? There is nobody to ask", "--yes"]
    {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    lab.refuses(&[&["priority", "0"], &all[..]].concat(), 2);
    lab.refuses(&[&["resubmit"], &all[..]].concat(), 2);
    let would = lab.says(&["priority", "70", "--name", "waits for 2", "--dry-run"]);
    assert_eq!(would, "job 2: 50 becomes 70\n");
    assert_eq!(lab.queue(), [1, 2]);

    let told = lab.json(&["priority", "70", "--name", "waits for 2", "--yes"]);
    let moved = json!({ "number": 2, "done": true, "words": "50 becomes 70" });
    assert_eq!(told, json!({ "results": [moved] }));
    assert_eq!(lab.queue(), [2, 1]);
    let told = lab.says(&["priority", "1", "2", "high"]);
    assert_eq!(told, "job 1: 50 becomes 100\njob 2: 70 becomes 100\n");
    assert_eq!(lab.queue(), [1, 2]);

    assert_eq!(
        lab.says(&[&["resubmit", "--yes"], &all[..]].concat()),
        "job 3: runs once more, as job 4\n"
    );
    assert_eq!(lab.job(4)["resubmitted_from"], 3);
    assert_eq!(lab.says(&["resubmit", "--verdict", "failed", "--yes"]), "no job is meant\n");
    let some = lab.appliance.command(&["priority", "99", "4", "51"]);
    assert_eq!(some.status.code(), Some(1));
    let told = text(&some.stdout);
    assert_eq!(told, "there is no job 99\njob 4: 50 becomes 51\n");
    lab.says(&["cancel", "--yes", "--mine", "--name", "*1", "--name", "*2"]);
    for number in [1, 2] {
        assert_eq!(lab.appliance.wait_ended(number)["verdict"], "canceled");
    }
    assert_eq!(lab.queue(), [4]);
    let told = lab.says(&["resubmit", "1", "2"]);
    assert_eq!(told, "job 1: runs once more, as job 5\njob 2: runs once more, as job 6\n");
    assert_eq!(lab.queue(), [4, 5, 6]);

    for wrong in [
        ["cancel"].as_slice(),
        &["cancel", "4", "--mine"],
        &["cancel", "--waiting", "--mine"],
        &["priority", "high"],
        &["priority", "4"],
        &["resubmit", "1", "2", "--wait"],
        &["resubmit", "--mine", "--edit"],
    ] {
        lab.refuses(wrong, 2);
    }
}

#[test]
fn the_devices_file_is_read_again_when_somebody_says_so_and_a_mistake_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("devices.toml"));
    fs::create_dir(&data).unwrap();
    let write = |devices: &[&str]| {
        let lines = devices.iter().map(|name| {
            format!(
                "[[device]]\nname = \"{name}\"\ndevice_type = \"qemu-x86_64\"\nmemory = \"1G\"\n"
            )
        });
        fs::write(&file, lines.collect::<String>()).unwrap();
    };
    write(&["small-1"]);
    let path = file.display().to_string();
    let appliance = Appliance::start_with(&data, &[("SUTLER_DEVICES", &path)]);
    let lab = Lab { folder, appliance };
    let names = || -> Vec<String> {
        let list = lab.json(&["device", "list"]);
        let devices = list["devices"].as_array().unwrap().iter();
        devices.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(), ["small-1"]);
    let said = lab.says(&["device", "reload"]);
    assert_eq!(said, format!("{path} has 1 device and 0 device types; nothing has changed\n"));

    write(&["small-1", "small-2"]);
    let told = lab.json(&["device", "reload"]);
    let wanted = json!({ "file": path, "devices": 2, "device_types": 0, "changed": true });
    assert_eq!(told, wanted);
    assert_eq!(names(), ["small-1", "small-2"]);
    assert_eq!(lab.json(&["audit"])["deeds"][0]["what"], "reload devices file");

    fs::write(&file, "[[device]]\nname = \"small-3\"\nmemroy = \"1G\"\n").unwrap();
    let complaint = lab.refuses(&["device", "reload"], 65);
    assert!(complaint.contains("devices.toml has a mistake"), "{complaint}");
    assert!(complaint.contains("line 3") && complaint.contains("memroy"), "{complaint}");
    assert!(!complaint.contains("the job"), "{complaint}");
    assert_eq!(names(), ["small-1", "small-2"]);
    lab.appliance.stop();

    // One that would start is told the same, beside the line.
    let sutler = |arguments: &[&str]| {
        let mut command = Command::new(SUTLER);
        command.args(arguments).arg("--data").arg(&data).env("SUTLER_DEVICES", &path);
        command.output().unwrap()
    };
    let serve = sutler(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(serve.status.code(), Some(2));
    let complaint = text(&serve.stderr);
    assert!(complaint.contains("memroy = \"1G\"") && complaint.contains(":3:"), "{complaint}");
    let checked = sutler(&["config", "check"]);
    assert_eq!(checked.status.code(), Some(2));
    assert!(text(&checked.stdout).contains("memroy"), "{}", text(&checked.stdout));
}
