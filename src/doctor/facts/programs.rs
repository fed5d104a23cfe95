//! The programs the appliance starts: are they there, and what do they say of themselves?

use std::{
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::fs::{Access, access};
use tokio::{process::Command, time::timeout};

use crate::vm::{self, UefiFiles};

/// A program that has not answered after this long will not. QEMU alone takes some seconds to start
/// where the box is an emulated machine itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// What a BIOS guest with a screen starts from, as QEMU looks for it in its data folders.
const BIOS_FILES: [&str; 2] = ["bios-256k.bin", "vgabios-stdvga.bin"];
/// Programs beside QEMU, with Debian's package of each and whether a guest needs it to start.
const OTHERS: [(&str, &str, bool); 3] = [
    ("qemu-img", "qemu-utils", true),
    ("setpriv", "util-linux", true),
    ("chrt", "util-linux", false),
];

/// Something that must be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) struct Program {
    pub(in crate::doctor) name: &'static str,
    /// Debian's.
    pub(in crate::doctor) package: &'static str,
    /// Without it no guest starts.
    pub(in crate::doctor) is_needed: bool,
    pub(in crate::doctor) path: Option<PathBuf>,
}

/// What QEMU is and offers.
#[derive(Debug, Clone)]
pub(in crate::doctor) struct Qemu {
    /// What it says of its version, or why it says nothing.
    pub(in crate::doctor) version: Result<String, Asked>,
    /// What Sutler uses of it and it does not offer: machine, accelerators, devices.
    pub(in crate::doctor) lacks: Vec<String>,
    /// Files of the BIOS that are in none of its folders.
    pub(in crate::doctor) bios_missing: Vec<&'static str>,
    /// Files for UEFI guests that are missing.
    pub(in crate::doctor) uefi_missing: Vec<PathBuf>,
}

/// Why a program says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::doctor) enum Asked {
    NotInstalled,
    Failed(String),
}

/// The file a program is, as it was when it was asked: another is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(PathBuf, u64, u64, i64);

/// What the QEMU of this identity has said.
#[derive(Debug)]
pub(super) struct Known {
    identity: Identity,
    version: Result<String, Asked>,
    lacks: Vec<String>,
    /// Where it looks for firmware; none when it did not tell.
    folders: Option<Vec<PathBuf>>,
}

pub(super) async fn qemu(known: &mut Option<Known>) -> Qemu {
    let uefi = UefiFiles::debian();
    let uefi_missing =
        [uefi.code, uefi.variables].into_iter().filter(|file| !file.is_file()).collect();
    let Some(identity) = find(vm::QEMU).and_then(|path| Identity::of(&path)) else {
        *known = None;
        let version = Err(Asked::NotInstalled);
        return Qemu { version, lacks: vec![], bios_missing: vec![], uefi_missing };
    };
    // One that failed to answer is asked again: a library may have come meanwhile.
    let known = match known.take() {
        Some(same) if same.identity == identity && same.folders.is_some() => known.insert(same),
        Some(_) | None => known.insert(ask(identity).await),
    };
    let bios_missing = known.folders.as_deref().map_or_else(Vec::new, missing_bios);
    Qemu { version: known.version.clone(), lacks: known.lacks.clone(), bios_missing, uefi_missing }
}

/// What of the BIOS is in none of these folders.
fn missing_bios(folders: &[PathBuf]) -> Vec<&'static str> {
    let is_missing = |name: &&str| !folders.iter().any(|folder| folder.join(name).is_file());
    BIOS_FILES.into_iter().filter(is_missing).collect()
}

async fn ask(identity: Identity) -> Known {
    let program = identity.0.clone();
    let version = said(&program, &["--version"]).await;
    let version = version.map(|text| text.lines().next().unwrap_or_default().to_owned());
    let mut known = Known { identity, version, lacks: vec![], folders: None };
    if known.version.is_err() {
        return known;
    }
    let (machines, accelerators, devices, folders) = tokio::join!(
        said(&program, &["-machine", "help"]),
        said(&program, &["-accel", "help"]),
        said(&program, &["-device", "help"]),
        said(&program, &["-L", "help"]),
    );
    let first_word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let device = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
    known.lacks.extend(lacking("machine type", &[vm::MACHINE], &machines, first_word));
    known.lacks.extend(lacking("accelerator", &["tcg"], &accelerators, first_word));
    known.lacks.extend(lacking("device", &vm::DEVICES, &devices, device));
    known.folders = folders.ok().map(|list| list.lines().map(PathBuf::from).collect());
    known
}

/// What of `wanted` is in no line of a list. A list that could not be had lacks nothing: what is
/// wrong then shows elsewhere.
fn lacking(
    kind: &str,
    wanted: &[&str],
    list: &Result<String, Asked>,
    name: impl Fn(&str) -> String,
) -> Vec<String> {
    let Ok(list) = list else { return vec![] };
    let offered: Vec<_> = list.lines().map(name).collect();
    let is_missing = |name: &&&str| !offered.iter().any(|offer| offer == **name);
    wanted.iter().filter(is_missing).map(|name| format!("{kind} {name}")).collect()
}

async fn said(program: &Path, arguments: &[&str]) -> Result<String, Asked> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let failed = |error: io::Error| {
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        if is_missing { Asked::NotInstalled } else { Asked::Failed(error.to_string()) }
    };
    let Ok(output) = timeout(PATIENCE, command.output()).await else {
        return Err(Asked::Failed(format!("it said nothing within {} s", PATIENCE.as_secs())));
    };
    let output = output.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().last().unwrap_or("it said nothing");
    Err(Asked::Failed(format!("{words} ({})", output.status)))
}

pub(super) fn others() -> Vec<Program> {
    let look = |(name, package, is_needed)| Program { name, package, is_needed, path: find(name) };
    OTHERS.map(look).into()
}

/// A program as it would be started: the first of its name in `PATH` that may be executed.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Self(path.into(), found.ino(), found.len(), found.mtime()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_does_not_name_is_lacking() {
        let list = Ok("name \"VGA\", bus PCI\nname \"ide-cd\", bus IDE\n".to_owned());
        let device = |line: &str| line.split('"').nth(1).unwrap_or_default().to_owned();
        assert_eq!(lacking("device", &["VGA", "pvpanic"], &list, device), ["device pvpanic"]);
        let none = Err(Asked::Failed("no".into()));
        assert!(lacking("device", &["VGA"], &none, device).is_empty());
    }

    #[tokio::test]
    async fn a_qemu_that_does_not_tell_its_folders_lacks_no_firmware() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("qemu");
        fs::write(&script, "#!/bin/sh\n[ \"$1\" = --version ] && echo version 7\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let known = ask(Identity::of(&script).unwrap()).await;
        assert_eq!(
            (known.version, known.folders, known.lacks),
            (Ok("version 7".into()), None, vec![])
        );
        assert_eq!(missing_bios(&[folder.path().into()]), BIOS_FILES);
    }

    #[tokio::test]
    async fn the_installed_qemu_is_asked_once() {
        let mut known = None;
        let first = qemu(&mut known).await;
        assert!(first.version.unwrap().contains("version"));
        assert_eq!((first.lacks, first.bios_missing), (Vec::<String>::new(), vec![]));
        known.as_mut().unwrap().version = Ok("as it was".into());
        assert_eq!(qemu(&mut known).await.version, Ok("as it was".into()));
    }
}
