//! Whether this host runs guests under KVM: proved by one that does.
//!
//! `/dev/kvm` that opens, and QEMU that says KVM is enabled, prove nothing: there are hosts where
//! a guest gets through a handful of instructions and no further. So the machine our guests get, with
//! its firmware, has to boot a disk whose first sector ends QEMU with a number of its own.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{fs, process::Command, time::timeout};

use super::{arguments::MACHINE, with_file};
use crate::model::Acceleration;

/// A guest that runs at all has its firmware behind it in half of this.
const PATIENCE: Duration = Duration::from_secs(2);
/// A boot sector, and room behind it: smaller disks have no cylinder, and firmware does not boot
/// them.
const DISK_SIZE: usize = 1 << 20;
/// `mov dx, 0xf4; mov al, 0x2a; out dx, al; hlt; jmp $-1`
const PROGRAM: [u8; 9] = [0xba, 0xf4, 0x00, 0xb0, 0x2a, 0xee, 0xf4, 0xeb, 0xfd];
/// What `isa-debug-exit` makes of 0x2a.
const EXIT_CODE: i32 = (0x2a << 1) | 1;

/// How guests run here, and why so, in words for the doctor page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub acceleration: Acceleration,
    pub why: String,
}

impl Proof {
    fn tcg(why: impl Into<String>) -> Self {
        Self { acceleration: Acceleration::Tcg, why: why.into() }
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    boot: String,
    qemu: PathBuf,
    proof: Proof,
}

/// Finds out, within [`PATIENCE`] plus the start of a process, or reads from `cache` what was found
/// since this host booted. Nothing here fails: what cannot be proved is emulated.
pub async fn probe(qemu: &Path, cache: &Path) -> Proof {
    // Permissions change without a boot, and asking is cheap.
    if let Err(error) = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").await {
        return Proof::tcg(format!("/dev/kvm does not open: {error}"));
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").await.unwrap_or_default();
    if let Some(proof) = read(cache, &boot, qemu).await {
        return proof;
    }
    let proof = match run(qemu, "kvm", cache, PATIENCE).await {
        Ok(Ran::Answered) => {
            Proof { acceleration: Acceleration::Kvm, why: "a guest booted under KVM".into() }
        }
        Ok(Ran::Silent) => Proof::tcg(format!(
            "/dev/kvm opens, but a guest under KVM made no progress within {} s",
            PATIENCE.as_secs()
        )),
        Ok(Ran::Ended(words)) => Proof::tcg(format!("qemu could not use KVM: {words}")),
        // Not kept: the host may have been short of something for a moment.
        Err(error) => return Proof::tcg(format!("the KVM probe could not run: {error}")),
    };
    let kept = Kept { boot, qemu: qemu.into(), proof };
    if let Err(error) = write(cache, &kept).await {
        tracing::warn!(%error, path = %cache.display(), "could not keep the result of the KVM probe");
    }
    kept.proof
}

async fn read(cache: &Path, boot: &str, qemu: &Path) -> Option<Proof> {
    let kept: Kept = serde_json::from_slice(&fs::read(cache).await.ok()?).ok()?;
    (kept.boot == boot && kept.qemu == qemu).then_some(kept.proof)
}

async fn write(cache: &Path, kept: &Kept) -> io::Result<()> {
    let neighbour = beside(cache, "part");
    fs::write(&neighbour, serde_json::to_vec(kept)?).await?;
    fs::rename(&neighbour, cache).await
}

fn beside(cache: &Path, ending: &str) -> PathBuf {
    cache.with_extension(format!("{}.{ending}", std::process::id()))
}

#[derive(Debug, PartialEq, Eq)]
enum Ran {
    /// The program spoke.
    Answered,
    Silent,
    /// QEMU ended otherwise, with its last words.
    Ended(String),
}

async fn run(qemu: &Path, accelerator: &str, cache: &Path, patience: Duration) -> io::Result<Ran> {
    let mut disk = vec![0; DISK_SIZE];
    disk[..PROGRAM.len()].copy_from_slice(&PROGRAM);
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let path = beside(cache, "disk");
    fs::write(&path, disk).await?;
    let ran = boot(qemu, accelerator, &path, patience).await;
    fs::remove_file(&path).await?;
    ran
}

async fn boot(qemu: &Path, accelerator: &str, disk: &Path, patience: Duration) -> io::Result<Ran> {
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(qemu)
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-m", "16M"])
        // What `arguments` gives every guest.
        .args(["-machine", MACHINE, "-accel", accelerator])
        .args(["-cpu", if accelerator == "kvm" { "host" } else { "max" }])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .args(["-device", "virtio-blk-pci,drive=disk", "-drive"])
        .arg(with_file("if=none,id=disk,format=raw,file={disk}", "disk", disk))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // Dropping the future kills the child; the runtime reaps it.
    let Ok(output) = timeout(patience, child.wait_with_output()).await else {
        return Ok(Ran::Silent);
    };
    let output = output?;
    if output.status.code() == Some(EXIT_CODE) {
        return Ok(Ran::Answered);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.lines().last().unwrap_or("it said nothing");
    Ok(Ran::Ended(format!("{words} ({})", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::QEMU;

    #[tokio::test]
    async fn the_program_speaks_where_guests_run() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("kvm.json");
        // Emulated firmware on a busy host takes its time.
        let long = Duration::from_secs(60);
        assert_eq!(run(Path::new(QEMU), "tcg", &cache, long).await.unwrap(), Ran::Answered);
        let Ran::Ended(words) = run(Path::new(QEMU), "hope", &cache, long).await.unwrap() else {
            panic!("there is no such accelerator")
        };
        assert!(words.contains("hope"), "{words}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no disk is left");
    }

    #[tokio::test]
    async fn a_result_is_kept_for_one_boot_and_one_qemu() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("kvm.json");
        let proof = Proof { acceleration: Acceleration::Kvm, why: "tried".into() };
        let kept = Kept { boot: "one".into(), qemu: QEMU.into(), proof: proof.clone() };
        write(&cache, &kept).await.unwrap();
        assert_eq!(read(&cache, "one", Path::new(QEMU)).await, Some(proof));
        assert_eq!(read(&cache, "two", Path::new(QEMU)).await, None);
        assert_eq!(read(&cache, "one", Path::new("/opt/qemu")).await, None);
        std::fs::write(&cache, "{").unwrap();
        assert_eq!(read(&cache, "one", Path::new(QEMU)).await, None);
    }

    #[tokio::test]
    async fn it_always_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("kvm.json");
        let proof = probe(Path::new(QEMU), &cache).await;
        assert!(!proof.why.is_empty());
        assert_eq!(probe(Path::new(QEMU), &cache).await, proof);
    }
}
