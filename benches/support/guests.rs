//! Guests of our own, assembled where the bench runs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::must;

/// Smaller disks have no cylinder, and then the BIOS does not boot them.
const DISK_BYTES: u64 = 1 << 20;

/// Makes the disk of `benches/guests/NAME.S` in `folder`, in raw format.
pub(crate) fn disk(name: &str, folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guests").join(name);
    let (object, disk) = (folder.join("guest.o"), folder.join(name).with_extension("img"));
    must(Command::new("as").arg("--32").arg("-o").arg(&object).arg(source.with_extension("S")));
    let link = ["-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o"];
    must(Command::new("ld").args(link).arg(&disk).arg(&object));
    fs::remove_file(object).expect("it was just made");
    let file = fs::OpenOptions::new().write(true).open(&disk).expect("it was just made");
    file.set_len(DISK_BYTES).expect("a disk of a mebibyte fits");
    disk
}
