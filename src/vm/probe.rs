//! Whether this host runs guests under KVM: proved by one that does.
//!
//! `/dev/kvm` that opens, and QEMU that says KVM is enabled, prove nothing: there are hosts where
//! a guest gets through a handful of instructions and no further, and some where it gets through its
//! firmware and a kernel never boots. So the machine our guests get, with its firmware, has to boot a
//! disk whose first sector goes to long mode, does some work there, and ends QEMU with a number of its
//! own.

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
/// A boot sector that does what a kernel begins with: it goes from real to long mode (Intel SDM 3A,
/// "Initializing IA-32e Mode") with 16 MiB mapped one to one, fills 8 MiB, counts down from 2^26, and says
/// 0x2a at port 0xf4. In assembly, at 0x7c00:
#[rustfmt::skip]
const PROGRAM: [u8; 157] = [
    0xfa,                                           // cli
    0x66, 0x31, 0xc0,                               // xor eax, eax
    0x8e, 0xd8,                                     // mov ds, ax
    0x8e, 0xc0,                                     // mov es, ax
    0xbf, 0x00, 0x10,                               // mov di, 0x1000
    0xb9, 0x00, 0x18,                               // mov cx, 0x1800
    0xfc,                                           // cld
    0xf3, 0xab,                                     // rep stosw
    0xc7, 0x06, 0x00, 0x10, 0x03, 0x20,             // mov word [0x1000], 0x2003
    0xc7, 0x06, 0x00, 0x20, 0x03, 0x30,             // mov word [0x2000], 0x3003
    0xbf, 0x00, 0x30,                               // mov di, 0x3000
    0xb0, 0x83,                                     // mov al, 0x83
    0xb9, 0x08, 0x00,                               // mov cx, 8
    0x66, 0x89, 0x05,                               // .map: mov [di], eax
    0x66, 0x05, 0x00, 0x00, 0x20, 0x00,             // add eax, 0x200000
    0x83, 0xc7, 0x08,                               // add di, 8
    0xe2, 0xf2,                                     // loop .map
    0x66, 0xb8, 0x00, 0x10, 0x00, 0x00,             // mov eax, 0x1000
    0x0f, 0x22, 0xd8,                               // mov cr3, eax
    0x0f, 0x20, 0xe0,                               // mov eax, cr4
    0x0c, 0x20,                                     // or al, 0x20
    0x0f, 0x22, 0xe0,                               // mov cr4, eax
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,             // mov ecx, 0xc0000080
    0x0f, 0x32,                                     // rdmsr
    0x80, 0xcc, 0x01,                               // or ah, 1
    0x0f, 0x30,                                     // wrmsr
    0x0f, 0x01, 0x16, 0x87, 0x7c,                   // lgdt [gdtr]
    0x0f, 0x20, 0xc0,                               // mov eax, cr0
    0x66, 0x0d, 0x01, 0x00, 0x00, 0x80,             // or eax, 0x80000001
    0x0f, 0x22, 0xc0,                               // mov cr0, eax
    0xea, 0x67, 0x7c, 0x08, 0x00,                   // jmp 8:wide
    0xbf, 0x00, 0x00, 0x40, 0x00,                   // wide: mov edi, 0x400000 (64 bits from here)
    0xb9, 0x00, 0x00, 0x10, 0x00,                   // mov ecx, 0x100000
    0xf3, 0x48, 0xab,                               // rep stosq
    0xb9, 0x00, 0x00, 0x00, 0x04,                   // mov ecx, 1 << 26
    0xff, 0xc9,                                     // .count: dec ecx
    0x75, 0xfc,                                     // jnz .count
    0x66, 0xba, 0xf4, 0x00,                         // mov dx, 0xf4
    0xb0, 0x2a,                                     // mov al, 0x2a
    0xee,                                           // out dx, al
    0xf4,                                           // .end: hlt
    0xeb, 0xfd,                                     // jmp .end
    0x0f, 0x00,                                     // gdtr: dw 15
    0x8d, 0x7c, 0x00, 0x00,                         // dd gdt
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, // gdt: dq 0
    0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, // dq 0x00209a0000000000
];
/// Counts up when something else is asked of a guest: what was found before is found out again.
const ASKED: u32 = 2;
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
    /// [`ASKED`], where it is kept.
    #[serde(default)]
    asked: u32,
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
    let kept = Kept { asked: ASKED, boot, qemu: qemu.into(), proof };
    if let Err(error) = write(cache, &kept).await {
        tracing::warn!(%error, path = %cache.display(), "could not keep the result of the KVM probe");
    }
    kept.proof
}

async fn read(cache: &Path, boot: &str, qemu: &Path) -> Option<Proof> {
    let kept: Kept = serde_json::from_slice(&fs::read(cache).await.ok()?).ok()?;
    (kept.asked == ASKED && kept.boot == boot && kept.qemu == qemu).then_some(kept.proof)
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
        let (boot, qemu) = ("one".to_owned(), PathBuf::from(QEMU));
        let kept = Kept { asked: ASKED, boot, qemu, proof: proof.clone() };
        write(&cache, &kept).await.unwrap();
        assert_eq!(read(&cache, "one", Path::new(QEMU)).await, Some(proof));
        assert_eq!(read(&cache, "two", Path::new(QEMU)).await, None);
        assert_eq!(read(&cache, "one", Path::new("/opt/qemu")).await, None);
        // What an older program asked of a guest proved less.
        write(&cache, &Kept { asked: ASKED - 1, ..kept }).await.unwrap();
        assert_eq!(read(&cache, "one", Path::new(QEMU)).await, None);
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
