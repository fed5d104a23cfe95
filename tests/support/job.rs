//! Jobs on the tiny guest, written as a user would write them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{appliance::SUTLER, cached::cached, tiny_guest};

/// A job folder: `job.yaml`, the tiny guest's disk, and needles for its pages.
pub(crate) struct JobFolder(pub(crate) PathBuf);

impl JobFolder {
    /// A job with these steps (YAML list items, not indented) and time limits in seconds.
    pub(crate) fn new(parent: &Path, name: &str, steps: &str) -> Self {
        Self::with_limits(parent, name, steps, 120, 120)
    }

    pub(crate) fn with_limits(
        parent: &Path,
        name: &str,
        steps: &str,
        job: u32,
        action: u32,
    ) -> Self {
        let folder = Self::bare(parent, name, steps, job, action);
        let needles = folder.0.join("needles");
        super::appliance::copy_folder(&page_needles(), &needles);
        folder
    }

    /// One without needles.
    pub(crate) fn bare(parent: &Path, name: &str, steps: &str, job: u32, action: u32) -> Self {
        let folder = parent.join(name);
        fs::create_dir_all(folder.join("needles")).unwrap();
        tiny_guest::disk(&folder);
        fs::remove_file(folder.join("tiny_guest.o")).unwrap();
        let steps = steps.lines().map(|line| format!("      {line}\n")).collect::<String>();
        let text = format!(
            "job_name: {name}\n\
             device_type: qemu-x86_64\n\
             timeouts: {{ job: {{ seconds: {job} }}, action: {{ seconds: {action} }} }}\n\
             actions:\n\
             - boot:\n\
             \x20   method: qemu\n\
             \x20   guest: {{ memory: 32M, disk: tiny_guest.img }}\n\
             - test:\n\
             \x20   screen:\n\
             \x20     needles: needles/\n\
             \x20     steps:\n{steps}"
        );
        fs::write(folder.join("job.yaml"), text).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("job.yaml")
    }

    pub(crate) fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

/// Needles `page-a` and `page-b`, cut from what Sutler itself saw of the tiny guest: the first
/// thing a new user does.
fn page_needles() -> PathBuf {
    cached("page-needles", include_str!("tiny_guest.S"), make_page_needles)
}

fn make_page_needles(needles: &Path) {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let work = work.path();
    let steps = "- wait_serial: page A\n\
                 - wait_still_screen: { stilltime: 0.5s, timeout: 10s }\n\
                 - save_screenshot\n\
                 - send_key: b\n\
                 - wait_serial: page B\n\
                 - wait_still_screen: { stilltime: 0.5s, timeout: 10s }\n\
                 - save_screenshot\n";
    let job = JobFolder::bare(work, "look-at-the-pages", steps, 60, 60);
    let out = work.join("out");
    run_alone(&job.file(), &out);
    fs::create_dir(needles).unwrap();
    let saved = saved_screens(&out);
    assert_eq!(saved.len(), 2);
    for (screen, page) in saved.iter().zip(["a", "b"]) {
        let area = [40, 40, 400, 200];
        write_needle(needles, &format!("page-{page}"), &out.join(screen), area);
    }
}

/// A needle of the same name as its tag: `area` (x, y, width, height) of a screen.
pub(crate) fn write_needle(folder: &Path, tag: &str, screen: &Path, area: [u32; 4]) {
    let name = folder.join(tag);
    fs::copy(screen, name.with_extension("png")).unwrap();
    let [x, y, w, h] = area;
    let area = serde_json::json!({"type": "match", "xpos": x, "ypos": y, "width": w, "height": h});
    let json = serde_json::json!({ "tags": [tag], "area": [area] });
    fs::write(name.with_extension("json"), json.to_string()).unwrap();
}

/// `sutler run`, which must pass.
pub(crate) fn run_alone(job: &Path, out: &Path) {
    let ran = Command::new(SUTLER).arg("run").arg(job).arg("--out").arg(out).output().unwrap();
    let (said, told) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}{told}");
}

/// Files of the screens that `save_screenshot` kept, in order.
pub(crate) fn saved_screens(out: &Path) -> Vec<String> {
    let events = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let mut saving = None;
    let mut files = Vec::new();
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str() {
            Some("step_started") => saving = (event["verb"] == "save_screenshot").then_some(()),
            Some("screen") if saving.is_some() => {
                files.push(event["file"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }
    files
}
