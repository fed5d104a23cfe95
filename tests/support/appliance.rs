//! The built binary driven as a user would: its own data folder, port 0, an inbox to drop into.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use sutler::clock::Stopwatch;

/// The binary under test.
pub(crate) const SUTLER: &str = env!("CARGO_BIN_EXE_sutler");

/// How long a test waits for something that should happen before it says that it did not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running `sutler serve`. Dropping it kills it, as `SIGKILL` would.
pub(crate) struct Appliance {
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    child: Option<Child>,
}

impl Appliance {
    /// Starts one on `data` and returns when its page can be asked for.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_as(Path::new(SUTLER), data)
    }

    /// The same with another binary, as after an upgrade.
    pub(crate) fn start_as(binary: &Path, data: &Path) -> Self {
        Self::launch(Command::new(binary), data)
    }

    /// The same with something in its environment.
    pub(crate) fn start_with(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(SUTLER);
        command.envs(environment.iter().copied());
        Self::launch(command, data)
    }

    fn launch(mut command: Command, data: &Path) -> Self {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data.with_extension("serve.log"))
            .unwrap();
        let mut child = command
            // Not the settings of the box the tests run on.
            .env("SUTLER_CONFIG", "/dev/null")
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.ok()?.split_once("http://")?.1.trim_end_matches('/').into()))
            .unwrap_or_else(|| {
                let log = fs::read_to_string(data.with_extension("serve.log"));
                panic!("sutler serve did not name its address: {}", log.unwrap_or_default())
            });
        Self { data: data.into(), address, child: Some(child) }
    }

    /// Ends it without a word, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end(rustix::process::Signal::KILL);
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        self.end(rustix::process::Signal::TERM);
    }

    fn end(&mut self, signal: rustix::process::Signal) {
        if let Some(mut child) = self.child.take() {
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, signal);
            child.wait().unwrap();
        }
    }

    /// Drops a folder into the inbox as a careful user would: under a hidden name first.
    pub(crate) fn drop_folder(&self, folder: &Path, name: &str) {
        let inbox = self.data.join("inbox");
        let hidden = inbox.join(format!(".{name}"));
        copy_folder(folder, &hidden);
        fs::rename(hidden, inbox.join(name)).unwrap();
    }

    /// `GET` a path and return the body.
    pub(crate) fn get(&self, path: &str) -> String {
        try_get(&self.address, path).unwrap()
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }

    /// Waits until job `id` has ended and returns what the API says of it.
    pub(crate) fn wait_ended(&self, id: u64) -> Value {
        wait_for(&format!("job {id} to end"), || {
            let job = self.json(&format!("/api/jobs/{id}"));
            self.assert_nothing_refused();
            (job["state"] == "ended").then_some(job)
        })
    }

    fn assert_nothing_refused(&self) {
        let refused = fs::read_dir(self.data.join("inbox/rejected")).unwrap().flatten();
        let mut words = refused
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "txt"));
        if let Some(path) = words.next() {
            panic!("{}", fs::read_to_string(path).unwrap());
        }
    }

    /// Runs a `sutler` command against this appliance.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Output {
        Command::new(SUTLER)
            .env("SUTLER_CONFIG", "/dev/null")
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .output()
            .unwrap()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        self.end(rustix::process::Signal::KILL);
    }
}

/// Lets time pass, where a test acts on other processes and nothing can wake it.
#[expect(clippy::disallowed_methods, reason = "another process is not heard, only looked at")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Looks again and again until there is an answer. Tests look at another process from outside,
/// where nothing can wake them.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        pause(Duration::from_millis(20));
    }
}

pub(crate) fn try_get(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Ok(unchunk(body));
    }
    Ok(body.into())
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let Ok(length @ 1..) = usize::from_str_radix(length.trim(), 16) else { break };
        whole.push_str(&rest[..length]);
        body = rest[length..].trim_start_matches("\r\n");
    }
    whole
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The living processes that belong to a job of `data`, by their mark and their open folder.
/// Zombies do not count: they hold nothing.
pub(crate) fn processes_in(data: &Path) -> Vec<String> {
    let data = data.canonicalize().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let proc = entry.path();
        let Ok(cwd) = fs::read_link(proc.join("cwd")) else { continue };
        let cmdline = fs::read(proc.join("cmdline")).unwrap_or_default();
        if cwd.starts_with(&data) && !cmdline.is_empty() {
            let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
            found.push(format!("{} {cmdline}", entry.file_name().to_string_lossy()));
        }
    }
    found
}
