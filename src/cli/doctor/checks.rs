//! What the facts come to, and what to do about it. Pure.

use std::fmt::Write as _;

use serde::Serialize;

use super::facts::{Facts, Folder, FolderState, QEMU, Tool};
use crate::{cli::render::clean, model::Acceleration, vm::Proof};

/// Oldest QEMU this is tested with.
const OLDEST_QEMU: (u32, u32) = (7, 2);
/// A guest of the default size.
const LEAST_LENT_MIB: u32 = 1024;
/// Screens and the video of a long job.
const LEAST_DISK_MIB: u64 = 512;
const GOOD_DISK_MIB: u64 = 5 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Health {
    Ok,
    /// Jobs run, but not all of them, or not as well as they could.
    Warn,
    /// Jobs cannot run.
    Bad,
}

/// One line of the doctor.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub health: Health,
    pub what: String,
    pub words: String,
    /// What to do; nothing when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn new(health: Health, what: impl Into<String>, words: impl Into<String>) -> Self {
        Self { health, what: what.into(), words: words.into(), remedy: None }
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![qemu(&facts.qemu)];
    findings.extend(facts.tools.iter().map(|tool| installed(tool, Health::Bad)));
    findings.extend(facts.firmware.iter().map(|file| {
        // Guests that boot the other way still run.
        let health = if file.package == "ovmf" { Health::Warn } else { Health::Bad };
        installed(file, health)
    }));
    findings.extend(facts.acceleration.as_ref().map(acceleration));
    findings.push(memory(facts));
    findings.push(disk(facts.free_disk_mib));
    findings.push(folder("data folder", &facts.data));
    findings.push(folder("inbox", &facts.inbox));
    findings.push(appliance(facts));
    findings
}

fn qemu(said: &Result<String, String>) -> Finding {
    let install = "sudo apt install qemu-system-x86";
    match said {
        Err(why) => Finding::new(Health::Bad, QEMU, why).remedy(install),
        Ok(line) => match qemu_version(line) {
            Some(version) if version >= OLDEST_QEMU => Finding::new(Health::Ok, QEMU, line),
            Some(_) => {
                let (major, minor) = OLDEST_QEMU;
                let words = format!("{line}; this is tested with {major}.{minor} and newer");
                Finding::new(Health::Warn, QEMU, words).remedy(install)
            }
            None => Finding::new(Health::Warn, QEMU, format!("says {line:?}, which is no version")),
        },
    }
}

/// From `QEMU emulator version 7.2.22 (Debian …)`.
fn qemu_version(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once("version ")?;
    let mut numbers = rest.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn installed(tool: &Tool, otherwise: Health) -> Finding {
    if tool.is_there {
        return Finding::new(Health::Ok, tool.name, "is there");
    }
    Finding::new(otherwise, tool.name, "is not there")
        .remedy(format!("sudo apt install {}", tool.package))
}

fn acceleration(proof: &Proof) -> Finding {
    match proof.acceleration {
        Acceleration::Kvm => {
            Finding::new(Health::Ok, "acceleration", format!("kvm: {}", proof.why))
        }
        Acceleration::Tcg => {
            let words = format!("guests are emulated, which is slow: {}", proof.why);
            Finding::new(Health::Warn, "acceleration", words).remedy(
                "where /dev/kvm is there but closed: sudo adduser $USER kvm, then log in again",
            )
        }
    }
}

fn memory(facts: &Facts) -> Finding {
    let words = format!("{} MiB, of which guests may have {}", facts.memory_mib, facts.lends);
    if facts.lends.memory_mib >= LEAST_LENT_MIB {
        return Finding::new(Health::Ok, "memory", words);
    }
    Finding::new(Health::Warn, "memory", words).remedy(format!(
        "only jobs that ask for less than {LEAST_LENT_MIB} MiB can start; add memory"
    ))
}

fn disk(free_mib: Option<u64>) -> Finding {
    let Some(free) = free_mib else {
        return Finding::new(Health::Warn, "disk", "could not be asked how much is free");
    };
    let words = format!("{free} MiB free for the data folder");
    match free {
        GOOD_DISK_MIB.. => Finding::new(Health::Ok, "disk", words),
        LEAST_DISK_MIB.. => Finding::new(Health::Warn, "disk", words)
            .remedy("long jobs may fill it; free some, or choose another with --data"),
        _ => Finding::new(Health::Bad, "disk", words)
            .remedy("free some, or choose another with --data"),
    }
}

fn folder(what: &str, folder: &Folder) -> Finding {
    let path = folder.path.display();
    match folder.state {
        FolderState::Writable => Finding::new(Health::Ok, what, format!("{path} can be written")),
        FolderState::Missing => {
            Finding::new(Health::Ok, what, format!("{path} is made by the first `sutler serve`"))
        }
        FolderState::Closed => {
            Finding::new(Health::Bad, what, format!("{path} cannot be written by this account"))
                .remedy("run as the account the appliance runs as, or name another with --data")
        }
        FolderState::NoFolder => Finding::new(Health::Bad, what, format!("{path} is no folder"))
            .remedy("move it away, or name another with --data"),
    }
}

fn appliance(facts: &Facts) -> Finding {
    let socket = facts.socket.display();
    if facts.appliance_answers {
        return Finding::new(Health::Ok, "appliance", format!("answers at {socket}"));
    }
    Finding::new(Health::Warn, "appliance", format!("nobody answers at {socket}"))
        .remedy("sutler serve")
}

/// A line for each finding, and one for what to do about it.
pub(super) fn render(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Finding { health, what, words, remedy } in findings {
        let health = match health {
            Health::Ok => "ok",
            Health::Warn => "warn",
            Health::Bad => "bad",
        };
        let _ = writeln!(text, "{health:<5} {what:<width$}  {}", clean(words));
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "      {:<width$}  -> {}", "", clean(remedy));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Lends;

    fn well() -> Facts {
        let tool = |name, package| Tool { name, package, is_there: true };
        let folder = |path: &str, state| Folder { path: path.into(), state };
        Facts {
            qemu: Ok("QEMU emulator version 7.2.22 (Debian 1:7.2)".into()),
            tools: vec![tool("qemu-img", "qemu-utils"), tool("setpriv", "util-linux")],
            firmware: vec![tool("/seabios", "seabios"), tool("/OVMF", "ovmf")],
            acceleration: Some(Proof {
                acceleration: Acceleration::Kvm,
                why: "a guest booted under KVM".into(),
            }),
            memory_mib: 16_000,
            lends: Lends { memory_mib: 14_000, cores: 4, machines: 4 },
            data: folder("/lab", FolderState::Writable),
            inbox: folder("/lab/inbox", FolderState::Missing),
            free_disk_mib: Some(100_000),
            socket: "/lab/sutler.sock".into(),
            appliance_answers: true,
        }
    }

    #[test]
    fn a_box_that_is_well_has_nothing_to_do() {
        let findings = check(&well());
        assert!(findings.iter().all(|finding| finding.health == Health::Ok), "{findings:?}");
        assert!(findings.iter().all(|finding| finding.remedy.is_none()));
    }

    #[test]
    fn each_fault_is_found_by_name_and_has_a_remedy() {
        type Break = fn(&mut Facts);
        let cases: [(&str, Health, Break); 11] = [
            (QEMU, Health::Bad, |facts| facts.qemu = Err("it is not installed".into())),
            (QEMU, Health::Warn, |facts| facts.qemu = Ok("QEMU emulator version 5.2.0".into())),
            ("qemu-img", Health::Bad, |facts| facts.tools[0].is_there = false),
            ("/seabios", Health::Bad, |facts| facts.firmware[0].is_there = false),
            ("/OVMF", Health::Warn, |facts| facts.firmware[1].is_there = false),
            ("acceleration", Health::Warn, |facts| {
                let why = "/dev/kvm does not open".into();
                facts.acceleration = Some(Proof { acceleration: Acceleration::Tcg, why });
            }),
            ("memory", Health::Warn, |facts| facts.lends.memory_mib = 512),
            ("disk", Health::Warn, |facts| facts.free_disk_mib = Some(2_000)),
            ("disk", Health::Bad, |facts| facts.free_disk_mib = Some(100)),
            ("inbox", Health::Bad, |facts| facts.inbox.state = FolderState::Closed),
            ("appliance", Health::Warn, |facts| facts.appliance_answers = false),
        ];
        for (what, health, harm) in cases {
            let mut facts = well();
            harm(&mut facts);
            let findings = check(&facts);
            let faults: Vec<_> =
                findings.iter().filter(|finding| finding.health != Health::Ok).collect();
            assert_eq!(faults.len(), 1, "{what}: {faults:?}");
            assert_eq!((faults[0].what.as_str(), faults[0].health), (what, health));
            assert!(faults[0].remedy.is_some(), "{what}");
        }
    }

    #[test]
    fn what_to_do_stands_under_what_is_wrong() {
        let mut facts = well();
        facts.tools[1].is_there = false;
        insta::assert_snapshot!(render(&check(&facts)), @r"
        ok    qemu-system-x86_64  QEMU emulator version 7.2.22 (Debian 1:7.2)
        ok    qemu-img            is there
        bad   setpriv             is not there
                                  -> sudo apt install util-linux
        ok    /seabios            is there
        ok    /OVMF               is there
        ok    acceleration        kvm: a guest booted under KVM
        ok    memory              16000 MiB, of which guests may have 14000 MiB, 4 cores, 4 machines at a time
        ok    disk                100000 MiB free for the data folder
        ok    data folder         /lab can be written
        ok    inbox               /lab/inbox is made by the first `sutler serve`
        ok    appliance           answers at /lab/sutler.sock
        ");
    }
}
