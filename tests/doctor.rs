//! A box that cannot start a guest: nothing fails for it, everything waits and says why, and goes
//! on when it is mended.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use crate::support::{
    appliance::{Appliance, SUTLER, wait_for},
    job::JobFolder,
};

const QEMU: &str = "qemu-system-x86_64";
const ONE_PAGE: &str = "- assert_screen: { tags: page-a, timeout: 60s }\n";

/// A box with a folder of installed programs of its own.
struct Bench {
    _folder: tempfile::TempDir,
    root: PathBuf,
    data: PathBuf,
    programs: PathBuf,
}

impl Bench {
    /// All that Sutler needs is installed, but QEMU.
    fn without_qemu() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let (data, programs) = (root.join("data"), root.join("bin"));
        fs::create_dir(&data).unwrap();
        fs::create_dir(&programs).unwrap();
        let this = Self { _folder: folder, root, data, programs };
        for name in ["qemu-img", "setpriv", "chrt"] {
            this.install(name);
        }
        this
    }

    fn install(&self, name: &str) {
        let path = env::var_os("PATH").unwrap();
        let real = env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.exists());
        symlink(real.unwrap(), self.programs.join(name)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.programs.join(name)).unwrap();
    }

    /// The environment in which only these programs are installed.
    fn path(&self) -> [(&str, &str); 1] {
        [("PATH", self.programs.to_str().unwrap())]
    }

    fn sutler(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(SUTLER);
        command.args(arguments).arg("--data").arg(&self.data).env("PATH", &self.programs);
        command.output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn wait_until_held(appliance: &Appliance, why: &str) {
    wait_for("the job to say why it waits", || {
        let job = appliance.json("/api/jobs/1");
        let reason = job["reason"].as_str()?.to_owned();
        (job["state"] == "waiting" && reason.contains(why)).then_some(())
    });
}

#[test]
fn jobs_wait_with_the_reason_until_qemu_is_installed_and_then_pass() {
    let here = Bench::without_qemu();
    let appliance = Appliance::start_with(&here.data, &here.path());
    let job = JobFolder::new(&here.root, "one-page", ONE_PAGE);
    appliance.drop_folder(&job.0, job.name());
    wait_for("the job to be accepted", || {
        appliance.json("/api/jobs").to_string().contains("one-page").then_some(())
    });
    let why = "qemu-system-x86_64 is not installed";
    wait_until_held(&appliance, why);
    assert!(text(&appliance.command(&["jobs"]).stdout).contains(why));
    let queue = appliance.get("/");
    assert!(queue.contains("Nothing starts") && queue.contains(why), "{queue}");
    assert!(queue.contains("href=\"/doctor\""));
    let page = appliance.get("/doctor");
    assert!(page.contains("sudo apt install qemu-system-x86"), "{page}");
    let said = here.sutler(&["doctor"]);
    assert_eq!(said.status.code(), Some(1));
    assert!(text(&said.stdout).contains("As the appliance sees it: no job starts"));

    here.install(QEMU);
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");
    let mended = appliance.json("/api/doctor");
    assert_eq!(mended["hold"], serde_json::Value::Null, "{mended:#}");
    assert!(!appliance.get("/").contains("Nothing starts"));
    assert_eq!(here.sutler(&["doctor"]).status.code(), Some(0));
    appliance.stop();
}

#[test]
fn a_job_that_was_taken_when_qemu_went_away_waits_again_and_its_sender_with_it() {
    let here = Bench::without_qemu();
    here.install(QEMU);
    let appliance = Appliance::start_with(&here.data, &here.path());
    // The doctor has looked, and will not for a minute.
    wait_for("the queue to be free", || {
        (appliance.json("/api/status")["acceleration"] != serde_json::Value::Null).then_some(())
    });
    here.remove(QEMU);
    let job = JobFolder::new(&here.root, "one-page", ONE_PAGE);
    let sender = Command::new(SUTLER)
        .args(["submit", "--wait", "--data"])
        .arg(&here.data)
        .arg(job.file())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the job to be accepted", || {
        appliance.json("/api/jobs").to_string().contains("one-page").then_some(())
    });
    wait_until_held(&appliance, "qemu-system-x86_64 is not installed");
    assert!(!Path::new(&here.data.join("jobs/1")).exists(), "nothing is left of the first try");

    here.install(QEMU);
    let ended = sender.wait_with_output().unwrap();
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{told}{}", text(&ended.stdout));
    assert_eq!(appliance.wait_ended(1)["verdict"], "passed");
    appliance.stop();
}

#[test]
fn the_doctor_names_what_a_box_lacks_without_an_appliance() {
    let here = Bench::without_qemu();
    here.remove("qemu-img");
    let said = here.sutler(&["doctor", "--json"]);
    assert_eq!(said.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let holding: Vec<_> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["holds_queue"] == true)
        .map(|finding| finding["name"].as_str().unwrap())
        .collect();
    assert_eq!(holding, ["qemu", "qemu-img"]);
    assert_eq!(report["state"], "broken");
}
