//! What the facts come to, and what to do about it. Pure.

use std::{net::SocketAddr, time::Duration};

use jiff::{Timestamp, civil::date, tz::TimeZone};

use super::{
    facts::{
        Asked, ClockFacts, Disk, Facts, Folder, FolderState, KeptTime, Program, Qemu, Viewer,
        Watching,
    },
    finding::Finding,
};
use crate::{
    model::Acceleration,
    vm::{Proof, QEMU},
};

const INSTALL_QEMU: &str = "sudo apt install qemu-system-x86";
/// Oldest QEMU this is tested with.
const OLDEST_QEMU: (u32, u32) = (7, 2);
/// A guest of the default size.
const LEAST_LENT_MIB: u32 = 1024;
/// File systems that are gone with the power.
const FLEETING: [&str; 2] = ["tmpfs", "ramfs"];
/// File systems whose other end may go away.
const DISTANT: [&str; 6] = ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs"];
/// A submission is answered when it is durable, so this is felt.
const SLOW_DISK: Duration = Duration::from_millis(250);
/// An appliance with a few jobs needs some dozens.
const FEW_OPEN_FILES: u64 = 512;

/// From where on guests are not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Screens and the video of a long job, in the data folder.
    pub least_disk_mib: u64,
    /// Room to be had at any moment: below it the kernel would kill a guest.
    pub least_memory_mib: u64,
    /// A job leaves about a hundred files.
    pub least_files: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { least_disk_mib: 512, least_memory_mib: 96, least_files: 2_000 }
    }
}

pub(super) fn check(facts: &Facts, bounds: Bounds) -> Vec<Finding> {
    let mut findings = vec![qemu(&facts.qemu)];
    if facts.qemu.version.is_ok() {
        findings.push(parts(&facts.qemu));
        findings.push(bios(&facts.qemu));
    }
    findings.push(uefi(&facts.qemu));
    findings.extend(facts.programs.iter().map(program));
    findings.push(match &facts.acceleration {
        Some(proof) => acceleration(proof, facts),
        None => Finding::not_used("acceleration", "there is no QEMU to prove it with"),
    });
    findings.push(memory(facts, bounds));
    findings.push(folder("data folder", &facts.data));
    findings.push(disk(facts.disk.as_ref(), bounds));
    findings.push(inbox(&facts.inbox));
    findings.push(watching(&facts.watching));
    findings.push(account(facts));
    findings.push(clock(&facts.clock));
    findings.push(open_files(facts));
    findings.push(left_over(&facts.left_over));
    findings.push(page_address(facts));
    findings.push(appliance(facts));
    findings
}

fn qemu(qemu: &Qemu) -> Finding {
    match &qemu.version {
        Err(Asked::NotInstalled) => {
            let seen = format!("no {QEMU} in PATH");
            Finding::holding("qemu", seen, format!("{QEMU} is not installed")).remedy(INSTALL_QEMU)
        }
        Err(Asked::Failed(why)) => {
            let seen = format!("{QEMU} --version: {why}");
            Finding::holding("qemu", seen, format!("{QEMU} does not start"))
                .remedy("sudo apt install --reinstall qemu-system-x86")
        }
        Ok(line) => match qemu_version(line) {
            Some(version) if version >= OLDEST_QEMU => Finding::fine("qemu", line),
            Some(_) => {
                let (major, minor) = OLDEST_QEMU;
                let wrong = format!("Sutler is tested with {major}.{minor} and newer");
                Finding::warning("qemu", line, wrong).remedy("sudo apt update && sudo apt upgrade")
            }
            None => Finding::warning("qemu", line, "this is no version")
                .remedy("sudo apt install --reinstall qemu-system-x86"),
        },
    }
}

/// From `QEMU emulator version 7.2.22 (Debian …)`.
fn qemu_version(line: &str) -> Option<(u32, u32)> {
    let (_, rest) = line.split_once("version ")?;
    let mut numbers = rest.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn parts(qemu: &Qemu) -> Finding {
    if qemu.lacks.is_empty() {
        return Finding::fine("qemu parts", "offers every machine type and device guests have");
    }
    let lacks = qemu.lacks.join(", ");
    Finding::holding("qemu parts", format!("lacks {lacks}"), format!("this QEMU has no {lacks}"))
        .remedy("sudo apt install qemu-system-x86 qemu-system-common")
}

fn bios(qemu: &Qemu) -> Finding {
    if qemu.bios_missing.is_empty() {
        return Finding::fine("bios firmware", "is there");
    }
    let missing = qemu.bios_missing.join(", ");
    let seen = format!("no {missing} in QEMU's folders");
    Finding::holding("bios firmware", seen, format!("the firmware {missing} is missing"))
        .remedy("sudo apt install seabios")
}

fn uefi(qemu: &Qemu) -> Finding {
    let [missing, ..] = qemu.uefi_missing.as_slice() else {
        return Finding::fine("uefi firmware", "is there");
    };
    let seen = format!("no {}", missing.display());
    Finding::warning("uefi firmware", seen, "guests with `firmware: uefi` cannot start")
        .remedy("sudo apt install ovmf")
}

fn program(program: &Program) -> Finding {
    let Program { name, package, is_needed, path } = program;
    if let Some(path) = path {
        return Finding::fine(*name, path.display().to_string());
    }
    let seen = format!("no {name} in PATH");
    let finding = if *is_needed {
        Finding::holding(*name, seen, format!("{name} is not installed"))
    } else {
        Finding::warning(
            *name,
            seen,
            "there will be no videos: they are encoded with idle priority",
        )
    };
    finding.remedy(format!("sudo apt install {package}"))
}

fn acceleration(proof: &Proof, facts: &Facts) -> Finding {
    let Proof { acceleration, why } = proof;
    if *acceleration == Acceleration::Kvm {
        return Finding::fine("acceleration", format!("KVM: {why}"));
    }
    let account = &facts.account.name;
    let remedy = if why.contains("Permission denied") {
        format!("sudo adduser {account} kvm, then start anew: groups count from the next login")
    } else if why.contains("does not open") {
        "on a real machine: switch on VT-x or AMD-V in its firmware, then sudo modprobe kvm_intel \
         or kvm_amd; in a virtual machine: have its host allow nested virtualization"
            .into()
    } else {
        let again = facts.proof.display();
        format!(
            "most often a virtual machine whose host lets KVM open and not run: allow nested \
             virtualization there; to try again before the next boot: rm -f {again}"
        )
    };
    let wrong = "guests are emulated, which is many times slower";
    Finding::warning("acceleration", format!("emulation (TCG): {why}"), wrong).remedy(remedy)
}

fn memory(facts: &Facts, bounds: Bounds) -> Finding {
    let (memory, lends) = (facts.memory, facts.lends);
    let available = memory.available_mib;
    let now = available.map(|mib| format!(", {mib} MiB to be had now")).unwrap_or_default();
    let seen = format!("{} MiB{now}; guests may have {lends}", memory.total_mib);
    let total = memory.total_mib;
    if u64::from(lends.memory_mib) > total {
        let wrong = format!("this box lends {} MiB and has {total}", lends.memory_mib);
        return Finding::holding("memory", seen, wrong).remedy("lend less, or add memory");
    }
    if let Some(available) = available
        && available < bounds.least_memory_mib
    {
        let wrong = format!("only {available} MiB of memory are left");
        return Finding::holding("memory", seen, wrong)
            .remedy("end what uses it: ps -eo rss,pid,comm --sort=-rss | head");
    }
    if lends.memory_mib < LEAST_LENT_MIB {
        let wrong = format!("only jobs that ask for less than {LEAST_LENT_MIB} MiB can start");
        return Finding::warning("memory", seen, wrong).remedy("add memory");
    }
    Finding::fine("memory", seen)
}

fn folder(name: &str, folder: &Folder) -> Finding {
    let path = folder.path.display();
    let rights = match folder.rights {
        Some((uid, gid, mode)) => format!("{path} (owner {uid}, group {gid}, mode {mode:04o})"),
        None => path.to_string(),
    };
    match folder.state {
        FolderState::Writable if folder.rights.is_some_and(|(_, _, mode)| mode & 0o002 != 0) => {
            Finding::warning(name, rights, "every account of this box may change what is in it")
                .remedy(format!("chmod o-w {path}"))
        }
        FolderState::Writable => Finding::fine(name, rights),
        FolderState::Missing => {
            Finding::not_used(name, format!("{path} is made by the first `sutler serve`"))
        }
        FolderState::Closed => {
            Finding::holding(name, rights, format!("this account cannot write into {path}")).remedy(
                "run as the account the appliance runs as, or name another folder with --data",
            )
        }
        FolderState::NoFolder => Finding::holding(name, rights, format!("{path} is no folder"))
            .remedy(format!("mv {path} {path}.old, or name another with --data")),
    }
}

fn disk(disk: Option<&Disk>, bounds: Bounds) -> Finding {
    let Some(disk) = disk else {
        let wrong = "how much is free cannot be told";
        return Finding::warning("disk", "could not be asked", wrong)
            .remedy("see whether `df` can tell");
    };
    let Disk { free_mib, free_files, file_system, is_read_only, durable } = disk;
    let kind = file_system.as_deref().unwrap_or("unknown file system");
    let files = free_files.map(|files| format!(", room for {files} files")).unwrap_or_default();
    let sync = match durable {
        Some(Ok(took)) => {
            format!(", a small file is durable in {:.1} ms", took.as_secs_f64() * 1e3)
        }
        Some(Err(_)) | None => String::new(),
    };
    let seen = format!("{free_mib} MiB free on {kind}{files}{sync}");
    let free_some = "free some (`sutler jobs` names old jobs), or choose another disk with --data";
    if *is_read_only {
        return Finding::holding("disk", seen, "the disk of the data folder is read-only")
            .remedy("dmesg | tail tells why; then mount it again: mount -o remount,rw");
    }
    if let Some(Err(why)) = durable {
        let wrong = format!("nothing can be written into the data folder: {why}");
        return Finding::holding("disk", seen, wrong).remedy(free_some);
    }
    let Bounds { least_disk_mib, least_files, .. } = bounds;
    if *free_mib < least_disk_mib {
        let wrong = format!("the disk has {free_mib} MiB left, less than {least_disk_mib}");
        return Finding::holding("disk", seen, wrong).remedy(free_some);
    }
    if let Some(files) = free_files
        && *files < least_files
    {
        let wrong = format!("the disk has room for {files} more files, less than {least_files}");
        return Finding::holding("disk", seen, wrong).remedy("df -i tells which disk");
    }
    if FLEETING.contains(&kind) {
        return Finding::warning("disk", seen, "results are gone with the next boot")
            .remedy("choose a real disk with --data");
    }
    if DISTANT.contains(&kind) {
        return Finding::warning("disk", seen, "the store wants a disk of this box")
            .remedy("choose a local disk with --data");
    }
    if *free_mib < least_disk_mib.saturating_mul(10) {
        return Finding::warning("disk", seen, "long jobs may fill it").remedy(free_some);
    }
    match durable {
        Some(Ok(took)) if *took > SLOW_DISK => {
            Finding::warning("disk", seen, "every job accepted and ended waits that long")
                .remedy("choose a faster disk with --data")
        }
        Some(Ok(_) | Err(_)) | None => Finding::fine("disk", seen),
    }
}

/// Closed or misused, it keeps files from becoming jobs, and no job from running.
fn inbox(inbox: &Folder) -> Finding {
    let finding = folder("inbox", inbox);
    if matches!(inbox.state, FolderState::Writable) {
        // A group, or everybody, may be meant to drop files here.
        return Finding::fine("inbox", finding.seen);
    }
    Finding { holds_queue: false, ..finding }
}

fn watching(watching: &Watching) -> Finding {
    let name = "inbox watch";
    match watching {
        Watching::Works { instances, watches } => {
            let limit =
                |most: &Option<u64>| most.map_or_else(|| "?".into(), |most| most.to_string());
            let (instances, watches) = (limit(instances), limit(watches));
            let seen = format!("works; at most {instances} watchers and {watches} watches");
            Finding::fine(name, seen)
        }
        Watching::UsedUp { what, most } => {
            let more = most.unwrap_or(128).saturating_mul(4);
            let seen = format!("fs.inotify.{what} is used up");
            let wrong = "the kernel tells nobody what lands in the inbox";
            Finding::broken(name, seen, wrong)
                .remedy(format!("sudo sysctl fs.inotify.{what}={more}"))
        }
        Watching::Refused(why) => {
            let wrong = "the kernel tells nobody what lands in the inbox";
            Finding::broken(name, why.clone(), wrong)
                .remedy("drop files with `sutler submit` instead")
        }
    }
}

fn account(facts: &Facts) -> Finding {
    let account = &facts.account;
    let umask = account.umask.as_deref().unwrap_or("unknown");
    let mut groups = account.groups.join(", ");
    if groups.is_empty() {
        groups.push_str("none");
    }
    let seen = format!("{} ({}); groups: {groups}; umask {umask}", account.name, account.uid);
    let of_owner = umask.len().checked_sub(3).map(|at| umask.as_bytes()[at]);
    if of_owner.is_some_and(|bits| (b'1'..=b'7').contains(&bits)) {
        let wrong = "what this account makes it cannot read itself";
        return Finding::warning("account", seen, wrong).remedy("umask 022");
    }
    Finding::fine("account", seen)
}

fn clock(clock: &ClockFacts) -> Finding {
    let kept = match clock.kept {
        KeptTime::Synchronized => "kept by the network",
        KeptTime::NotSynchronized => "not kept by the network",
        KeptTime::Unknown => "nobody here can say whether it is kept",
    };
    let seen = format!("{}; {kept}", clock.now.strftime("%Y-%m-%d %H:%M:%S UTC"));
    if clock.now < written() {
        return Finding::warning("clock", seen, "it says a time before this program was written")
            .remedy("sudo timedatectl set-ntp true");
    }
    if let Some(by) = clock.jumped {
        let way = if by.is_negative() { "back" } else { "on" };
        let wrong = format!(
            "it was set {way} by {} s, or the host slept, since the appliance started: times of \
             jobs before and after do not compare",
            by.abs().as_secs()
        );
        return Finding::warning("clock", seen, wrong)
            .remedy("have it kept: sudo timedatectl set-ntp true");
    }
    if clock.kept == KeptTime::NotSynchronized {
        return Finding::warning("clock", seen, "times of jobs may be wrong")
            .remedy("sudo timedatectl set-ntp true");
    }
    Finding::fine("clock", seen)
}

/// No clock that goes right says less.
fn written() -> Timestamp {
    let at = date(2026, 1, 1).to_zoned(TimeZone::UTC).expect("the date exists");
    at.timestamp()
}

fn open_files(facts: &Facts) -> Finding {
    let Some(most) = facts.open_files.most else {
        return Finding::fine("open files", "as many as memory holds");
    };
    let seen = format!("at most {most}");
    if most >= FEW_OPEN_FILES {
        return Finding::fine("open files", seen);
    }
    let wrong = format!("with less than {FEW_OPEN_FILES} many jobs at once cannot be followed");
    let remedy = match facts.open_files.could_be {
        Some(could_be) if could_be < FEW_OPEN_FILES => {
            "raise the limit: LimitNOFILE=4096 in the unit, or /etc/security/limits.conf"
        }
        Some(_) | None => "ulimit -n 4096",
    };
    Finding::warning("open files", seen, wrong).remedy(remedy)
}

fn left_over(processes: &[(i32, String)]) -> Finding {
    if processes.is_empty() {
        return Finding::fine("left-over processes", "none");
    }
    let pids: Vec<_> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
    let names: Vec<_> = processes.iter().map(|(pid, name)| format!("{name} ({pid})")).collect();
    Finding::warning("left-over processes", names.join(", "), "their engines are gone")
        .remedy(format!("kill -9 {}", pids.join(" ")))
}

/// Whether passwords can be read on their way.
fn page_address(facts: &Facts) -> Finding {
    let listen = &facts.listen;
    let is_open = listen.parse::<SocketAddr>().is_ok_and(|at| !at.ip().is_loopback());
    if !is_open {
        return Finding::fine("page address", format!("{listen}, this box only"));
    }
    let wrong = "plain HTTP carries passwords and tokens in the clear to other machines";
    Finding::warning("page address", format!("{listen}, open to other machines"), wrong).remedy(
        "listen on 127.0.0.1 and put a proxy with TLS in front, its name in hosts; see sutler handbook people",
    )
}

fn appliance(facts: &Facts) -> Finding {
    let (socket, listen) = (facts.socket.display(), &facts.listen);
    if facts.appliance_answers {
        let page = match facts.viewer {
            Viewer::Appliance => format!("; its page: http://{listen}/"),
            Viewer::Person => String::new(),
        };
        return Finding::fine("appliance", format!("answers at {socket}{page}"));
    }
    let seen = format!("nobody answers at {socket}");
    match &facts.listen_refused {
        Some(why) => {
            let wrong = format!("the page's address {listen} cannot be had: {why}");
            let port = listen.rsplit(':').next().unwrap_or_default();
            Finding::warning("appliance", seen, wrong).remedy(format!(
                "ss -tlnp 'sport = :{port}' names who has it; or sutler serve --listen 127.0.0.1:0"
            ))
        }
        None => Finding::not_used("appliance", seen)
            .remedy("only `sutler run` needs none; to have one: sutler serve"),
    }
}

#[cfg(test)]
mod tests;
