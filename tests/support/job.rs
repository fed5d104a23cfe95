//! Jobs on the tiny guest, written as a user would write them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use super::{appliance::SUTLER, tiny_guest};

/// A job folder: `job.yaml`, the tiny guest's disk, and needles for its pages.
pub struct JobFolder(pub PathBuf);

impl JobFolder {
    /// A job with these steps (YAML list items, not indented) and time limits in seconds.
    pub fn new(parent: &Path, name: &str, steps: &str) -> Self {
        Self::with_limits(parent, name, steps, 120, 120)
    }

    pub fn with_limits(parent: &Path, name: &str, steps: &str, job: u32, action: u32) -> Self {
        let folder = Self::bare(parent, name, steps, job, action);
        let needles = folder.0.join("needles");
        super::appliance::copy_folder(page_needles(), &needles);
        folder
    }

    fn bare(parent: &Path, name: &str, steps: &str, job: u32, action: u32) -> Self {
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

    pub fn file(&self) -> PathBuf {
        self.0.join("job.yaml")
    }

    pub fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

/// Needles `page-a` and `page-b`, cut from what Sutler itself saw of the tiny guest: the first
/// thing a new user does, and made once for all tests.
fn page_needles() -> &'static Path {
    static NEEDLES: OnceLock<tempfile::TempDir> = OnceLock::new();
    NEEDLES
        .get_or_init(|| {
            let work = tempfile::tempdir().unwrap();
            let steps = "- wait_serial: page A\n\
                         - wait_still_screen: { stilltime: 0.5s, timeout: 10s }\n\
                         - save_screenshot\n\
                         - send_key: b\n\
                         - wait_serial: page B\n\
                         - wait_still_screen: { stilltime: 0.5s, timeout: 10s }\n\
                         - save_screenshot\n";
            let job = JobFolder::bare(work.path(), "look-at-the-pages", steps, 60, 60);
            let out = work.path().join("out");
            let mut run = Command::new(SUTLER);
            let ran = run.arg("run").arg(job.file()).arg("--out").arg(&out).output().unwrap();
            assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
            let needles = tempfile::tempdir().unwrap();
            let saved = saved_screens(&out);
            for (screen, page) in saved.iter().zip(["a", "b"]) {
                let name = needles.path().join(format!("page-{page}"));
                fs::copy(out.join(screen), name.with_extension("png")).unwrap();
                let json = serde_json::json!({
                    "tags": [format!("page-{page}")],
                    "area": [{"type": "match", "xpos": 40, "ypos": 40, "width": 400, "height": 200}],
                });
                fs::write(name.with_extension("json"), json.to_string()).unwrap();
            }
            assert_eq!(saved.len(), 2);
            needles
        })
        .path()
}

/// Files of the screens that `save_screenshot` kept, in order.
pub fn saved_screens(out: &Path) -> Vec<String> {
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
