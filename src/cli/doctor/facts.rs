//! Looks at the box. Judges nothing.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{Access, access, statvfs};

use crate::{
    config::{Host, Lends, Settings},
    vm::{self, Proof},
};

pub(super) const QEMU: &str = "qemu-system-x86_64";

/// Firmware of guests, with Debian's package of each.
const FIRMWARE: [(&str, &str); 3] = [
    ("/usr/share/seabios/bios-256k.bin", "seabios"),
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
    ("/usr/share/OVMF/OVMF_VARS_4M.fd", "ovmf"),
];

/// Programs the appliance starts, with Debian's package of each.
const TOOLS: [(&str, &str); 3] =
    [("qemu-img", "qemu-utils"), ("setpriv", "util-linux"), ("chrt", "util-linux")];

/// What was seen.
#[derive(Debug)]
pub(super) struct Facts {
    /// What it says of its version, or why it says nothing.
    pub qemu: Result<String, String>,
    pub tools: Vec<Tool>,
    pub firmware: Vec<Tool>,
    /// None where there is no QEMU to ask.
    pub acceleration: Option<Proof>,
    pub memory_mib: u64,
    pub lends: Lends,
    pub data: Folder,
    pub inbox: Folder,
    pub free_disk_mib: Option<u64>,
    pub socket: PathBuf,
    pub appliance_answers: bool,
}

/// Something that must be installed.
#[derive(Debug)]
pub(super) struct Tool {
    pub name: &'static str,
    pub package: &'static str,
    pub is_there: bool,
}

#[derive(Debug)]
pub(super) struct Folder {
    pub path: PathBuf,
    pub state: FolderState,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum FolderState {
    Writable,
    /// Not there, and can be made.
    Missing,
    /// This account cannot write into it, or make it.
    Closed,
    /// Something else has its name.
    NoFolder,
}

impl Facts {
    pub(super) async fn look(host: &Host, settings: &Settings) -> Self {
        let tool = |is_there: fn(&str) -> bool| {
            move |(name, package)| Tool { name, package, is_there: is_there(name) }
        };
        let qemu = version(QEMU);
        let acceleration = if qemu.is_ok() { Some(acceleration().await) } else { None };
        Self {
            qemu,
            acceleration,
            tools: TOOLS.map(tool(|name| version(name).is_ok())).into(),
            firmware: FIRMWARE.map(tool(|path| Path::new(path).is_file())).into(),
            memory_mib: host.memory_mib,
            lends: settings.lends,
            data: folder(&settings.data),
            inbox: folder(&settings.inbox),
            free_disk_mib: free_mib(&settings.data),
            socket: settings.socket(),
            appliance_answers: UnixStream::connect(settings.socket()).is_ok(),
        }
    }
}

/// Tries again each time: who asks the doctor has perhaps just changed something.
async fn acceleration() -> Proof {
    let kept = std::env::temp_dir().join(format!("sutler-doctor-{}.json", uuid::Uuid::new_v4()));
    let proof = vm::probe(Path::new(QEMU), &kept).await;
    // It is not there when nothing could be proved.
    let _ = std::fs::remove_file(&kept);
    proof
}

/// The first line of what a program says of its version.
fn version(program: &str) -> Result<String, String> {
    let output =
        Command::new(program).arg("--version").stdin(Stdio::null()).output().map_err(|error| {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            if is_missing { "it is not installed".to_owned() } else { error.to_string() }
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() => Ok(line.to_owned()),
        _ => Err(format!("it does not start: {}", output.status)),
    }
}

fn folder(path: &Path) -> Folder {
    let may_write = |path: &Path| access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok();
    let state = match path.metadata() {
        Ok(found) if !found.is_dir() => FolderState::NoFolder,
        Ok(_) if may_write(path) => FolderState::Writable,
        Ok(_) => FolderState::Closed,
        Err(_) if may_write(existing(path)) => FolderState::Missing,
        Err(_) => FolderState::Closed,
    };
    Folder { path: path.into(), state }
}

/// The folder, or the nearest above it that exists.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|path| path.is_dir()).unwrap_or_else(|| Path::new("/"))
}

fn free_mib(path: &Path) -> Option<u64> {
    let disk = statvfs(existing(path)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}
