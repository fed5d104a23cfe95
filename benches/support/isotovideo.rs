//! The peer: Debian's os-autoinst, with the tests of `benches/os-autoinst`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::copy_folder;

pub(crate) const ISOTOVIDEO: &str = "/usr/bin/isotovideo";

/// A run of one scenario in a folder of its own.
pub(crate) struct Isotovideo {
    pub(crate) folder: PathBuf,
    variables: Value,
    /// Another than the one it finds.
    qemu: Option<PathBuf>,
}

impl Isotovideo {
    /// `None`, with a word to the person, when os-autoinst is not installed.
    pub(crate) fn new(scenario: &str, folder: &Path, needles: &Path) -> Option<Self> {
        if !Path::new(ISOTOVIDEO).exists() {
            eprintln!("os-autoinst is not installed, so nothing stands beside our figures");
            return None;
        }
        let case = folder.join("case");
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/os-autoinst"), &case);
        copy_folder(needles, &case.join("needles"));
        let variables = json!({
            "BACKEND": "qemu", "ARCH": "x86_64", "QEMU_NO_KVM": 1, "QEMUCPUS": 1, "NUMDISKS": 0,
            "VIRTIO_CONSOLE": 0, "VNC": 91, "QEMUPORT": 15300,
            "CASEDIR": case, "PRODUCTDIR": case, "SCENARIO": scenario,
        });
        Some(Self { folder: folder.into(), variables, qemu: None })
    }

    /// The QEMU to start. It is told in the environment: the variable of this name is the guest's
    /// architecture.
    pub(crate) fn qemu(mut self, path: PathBuf) -> Self {
        self.qemu = Some(path);
        self
    }

    pub(crate) fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.variables[name] = value.into();
        self
    }

    pub(crate) fn start(&self) -> Child {
        let text = self.variables.to_string();
        fs::write(self.folder.join("vars.json"), text).expect("a bench can write to its folder");
        let log = fs::File::create(self.folder.join("log.txt")).expect("the same");
        let errors = log.try_clone().expect("a file can be shared");
        let mut command = Command::new(ISOTOVIDEO);
        command.arg("-d").current_dir(&self.folder);
        if let Some(qemu) = &self.qemu {
            command.env("QEMU", qemu);
        }
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        command.spawn().expect("isotovideo starts")
    }

    /// Waits for its end. It ends with 0 also when a test failed, so what it left is looked at.
    pub(crate) fn must_pass(&self, mut child: Child, scenario: &str) {
        child.wait().expect("it is our child");
        let result = self.folder.join(format!("testresults/result-{scenario}.json"));
        let result = fs::read(&result).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let result: Value = result.unwrap_or_default();
        assert_eq!(result["result"], "ok", "see {}", self.folder.join("log.txt").display());
    }

    /// When it said that it found a needle.
    pub(crate) fn found(&self) -> Vec<Timestamp> {
        let log = fs::read(self.folder.join("log.txt")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let found = log.lines().filter(|line| line.contains("_handle_found_needle: found"));
        // A colour may stand before the time, and begins with the same sign.
        let time =
            |line: &str| line.split('[').find_map(|part| part.split_once(']')?.0.parse().ok());
        found.filter_map(time).collect()
    }

    /// "os-autoinst 4.6".
    pub(crate) fn name() -> String {
        let asked = ["--showformat", "${Version}", "--show", "os-autoinst"];
        let output = Command::new("dpkg-query").args(asked).output();
        let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let version = version.unwrap_or_default();
        let short: Vec<_> = version.split('.').take(2).collect();
        format!("os-autoinst {}", short.join("."))
    }

    /// What a process of it is for.
    pub(crate) fn kind(command: &str) -> &'static str {
        match () {
            () if command.contains("qemu-system") => "qemu",
            () if command.contains("videoencoder") => "video",
            () => "harness",
        }
    }
}
