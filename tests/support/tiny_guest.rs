//! The guest of `tiny_guest.S`, assembled where the tests run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use sutler::{
    model::{Acceleration, Display, Network},
    vm::MachineSpec,
};

/// Smaller disks have no cylinder, and then the BIOS does not boot them.
const DISK_BYTES: u64 = 1 << 20;

/// Makes the guest's disk in `folder`, in raw format.
pub(crate) fn disk(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tiny_guest.S");
    let (object, disk) = (folder.join("tiny_guest.o"), folder.join("tiny_guest.img"));
    run(Command::new("as").arg("--32").arg("-o").arg(&object).arg(source));
    let link = ["-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o"];
    run(Command::new("ld").args(link).arg(&disk).arg(&object));
    let file = std::fs::OpenOptions::new().write(true).open(&disk).unwrap();
    file.set_len(DISK_BYTES).unwrap();
    disk
}

fn run(command: &mut Command) {
    let output = command.output().expect("binutils are installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A machine that boots it.
pub(crate) fn machine(folder: &Path) -> MachineSpec {
    MachineSpec {
        name: "tiny".into(),
        qemu: "qemu-system-x86_64".into(),
        qemu_img: "qemu-img".into(),
        acceleration: Acceleration::Tcg,
        memory_mib: 32,
        cpus: 1,
        uefi: None,
        display: Display::Std,
        network: Network::None,
        disk: Some(disk(folder)),
        cdrom: None,
        kernel: None,
        initrd: None,
        append: None,
        extra: vec![],
    }
}
