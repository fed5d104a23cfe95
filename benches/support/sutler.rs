//! Sutler as a bench uses it: the binary that was built with the benches.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{copy_folder, must};

pub(crate) const SUTLER: &str = env!("CARGO_BIN_EXE_sutler");

/// What a process of Sutler is for.
pub(crate) fn kind(command: &str) -> &'static str {
    match () {
        () if command.contains("qemu-system") => "qemu",
        () if command.contains("encode-video") => "video",
        () if command.contains(" engine") => "engine",
        () => "appliance",
    }
}

/// Starts `sutler run` on a job, with results in `out`.
pub(crate) fn start(job: &Path, out: &Path, path: &str) -> Child {
    let log = fs::File::create(out.with_extension("log")).expect("a bench can write");
    let errors = log.try_clone().expect("a file can be shared");
    let mut command = Command::new(SUTLER);
    command.arg("run").arg(job).arg("--out").arg(out).env("PATH", path);
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().expect("sutler starts")
}

/// Waits for its end, which must be a pass.
pub(crate) fn must_pass(mut child: Child, out: &Path) {
    let status = child.wait().expect("it is our child");
    let log = fs::read_to_string(out.with_extension("log")).unwrap_or_default();
    assert!(status.success(), "the job did not pass: {log}");
}

/// The events of a job that has ended, with their times.
pub(crate) fn events(out: &Path) -> Vec<(Timestamp, Value)> {
    let text = fs::read_to_string(out.join("events.jsonl")).expect("the job left events");
    let read = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        Some((event["wall"].as_str()?.parse().ok()?, event))
    };
    text.lines().filter_map(read).collect()
}

/// A running `sutler serve`.
pub(crate) struct Appliance {
    data: PathBuf,
    /// Of its page: address and port.
    pub(crate) address: String,
    child: Child,
}

impl Appliance {
    /// Starts one on `data` and returns when its page can be asked for. `path` is its `PATH`, ours
    /// when empty.
    pub(crate) fn start(data: &Path, path: &str) -> Self {
        let log = fs::File::create(data.with_extension("log")).expect("a bench can write");
        let mut command = Command::new(SUTLER);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        if !path.is_empty() {
            command.env("PATH", path);
        }
        let mut child = command.spawn().expect("sutler starts");
        let said = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let address = lines
            .find_map(|line| Some(line.split_once("http://")?.1.trim_end_matches('/').to_owned()))
            .expect("sutler serve names its address");
        Self { data: data.into(), address, child }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Drops a folder into the inbox: under a hidden name first, so that it arrives whole.
    pub(crate) fn drop_folder(&self, folder: &Path, name: &str) {
        let inbox = self.data.join("inbox");
        let hidden = inbox.join(format!(".{name}"));
        copy_folder(folder, &hidden);
        fs::rename(hidden, inbox.join(name)).expect("the inbox takes it");
    }

    pub(crate) fn submit(&self, job: &Path) {
        must(self.command("submit").arg(job));
    }

    /// Waits for the end of a job, which must be a pass.
    pub(crate) fn must_pass(&self, job: &str) {
        // It may not have been taken yet.
        while !self.command("show").arg(job).output().is_ok_and(|shown| shown.status.success()) {}
        must(self.command("wait").arg(job));
    }

    /// Where a job's processes run.
    pub(crate) fn folder(&self, job: u32) -> PathBuf {
        self.data.join("jobs").join(job.to_string())
    }

    /// Where it is spoken to by those who are on the same box.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data.join(sutler::config::SOCKET)
    }

    pub(crate) fn device(&self, words: &[&str]) {
        must(self.command("device").args(words));
    }

    pub(crate) fn cancel(&self, job: u32) {
        must(self.command("cancel").arg(job.to_string()));
    }

    /// Waits until a running job's log has a line with these words.
    pub(crate) fn follow(&self, job: u32, words: &str) {
        let mut follow = self.command("logs");
        follow.arg("-f").arg(job.to_string()).stdout(Stdio::piped());
        let mut child = follow.spawn().expect("sutler starts");
        let said = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains(words)), "job {job} comes to {words}");
        let _ = child.kill();
        let _ = child.wait();
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(SUTLER);
        command.arg(name).arg("--data").arg(&self.data);
        command
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
