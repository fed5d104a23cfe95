//! A life with the package under systemd, in a Debian system that Sutler itself boots as a job.
//!
//! What happens in there is `in_guest.sh`, which a unit of the guest starts and which tells on the
//! serial console what it has found true. No login prompt starts there: that would hang the console
//! up under whoever writes to it.

use std::{fs, path::Path, process::Command};

use crate::support::{
    appliance::SUTLER,
    debian::{Package, boot, put, succeed, tree},
    job::JobFolder,
};

const JOB: &str = "\
job_name: the package in a Debian system with systemd
timeouts: { job: { minutes: 40 }, action: { minutes: 40 } }
actions:
- boot:
    method: qemu
    guest:
      memory: 1536M
      cpus: 2
      display: none
      disk: disk.img
      kernel: kernel
      initrd: initrd
      append: root=/dev/vda rw console=ttyS0 quiet modprobe.blacklist=kvm_amd,kvm_intel \
              systemd.wants=package-test.service systemd.mask=serial-getty@ttyS0.service
- test:
    screen:
      needles: needles/
      steps:
      - wait_serial: { regex: 'package-test: ended', timeout: 35m }
";

/// Each is said when it was found true, in this order.
const TRUTHS: [&str; 14] = [
    "apt installs it",
    "it is active",
    "it is enabled",
    "little is open",
    "the page answers",
    "a job of a member of the group passes",
    "a member of the group reads no results in the folder",
    "a reload reads the devices file",
    "its video is encoded at idle priority",
    "a job goes on through a restart",
    "a job goes on through an upgrade",
    "the job passes under the newer appliance",
    "purging it leaves no process",
    "purging it leaves no file",
];

#[test]
#[ignore = "needs the package: packaging/test.sh"]
fn under_systemd_it_is_installed_used_restarted_upgraded_and_purged() {
    let package = Package::built();
    // Not in /tmp, which may be memory.
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let newer = package.newer(work.path());
    let system = boot(&tree(&package));

    let job = work.path().join("job");
    fs::create_dir_all(job.join("needles")).unwrap();
    fs::write(job.join("job.yaml"), JOB).unwrap();
    fs::copy(&system.kernel, job.join("kernel")).unwrap();
    fs::copy(&system.initrd, job.join("initrd")).unwrap();
    let disk = job.join("disk.img");
    succeed(
        Command::new("cp").args(["--sparse=always", "--reflink=auto"]).arg(&system.disk).arg(&disk),
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package");
    put(&disk, &package.0, "/test/sutler.deb");
    put(&disk, &newer.0, "/test/newer.deb");
    put(&disk, &here.join("in_guest.sh"), "/test/in_guest.sh");
    put(&disk, &here.join("package-test.service"), "/etc/systemd/system/package-test.service");
    for (name, steps) in [("quick", QUICK), ("slow", SLOW)] {
        put(&disk, &packed(work.path(), name, steps), &format!("/test/{name}.tar"));
    }

    let out = work.path().join("out");
    let ran = Command::new(SUTLER).arg("run").arg(&job).arg("--out").arg(&out).output().unwrap();
    let console = fs::read_to_string(out.join("serial0.txt")).unwrap_or_default();
    let said =
        console.lines().filter_map(|line| line.split_once("package-test: ")).map(|(_, said)| said);
    let said: Vec<_> = said.map(str::trim).collect();
    println!("{said:#?}");
    let shown = || format!("{}{console}", String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}", shown());
    let told: Vec<_> =
        said.iter().filter_map(|line| line.split_once(" s: ")).map(|(_, told)| told).collect();
    assert_eq!(told, TRUTHS, "{}", shown());
}

/// With a network, for QEMU needs more of the kernel for one; emulated twice, so everything lasts.
const QUICK: &str = "- wait_serial: { regex: page A, timeout: 300s }\n\
                     - save_screenshot\n\
                     - send_key: b\n\
                     - wait_serial: { regex: page B, timeout: 300s }\n";
/// Long enough for a restart and an upgrade.
const SLOW: &str = "- wait_serial: { regex: page A, timeout: 300s }\n\
                    - wait_still_screen: { stilltime: 150s, timeout: 600s }\n\
                    - send_key: b\n\
                    - wait_serial: { regex: page B, timeout: 300s }\n";

fn packed(work: &Path, name: &str, steps: &str) -> std::path::PathBuf {
    let job = JobFolder::bare(work, name, steps, 1200, 1200);
    let text = fs::read_to_string(job.file()).unwrap();
    let text = text.replace("disk: tiny_guest.img", "disk: tiny_guest.img, network: user");
    // Nothing is packed of an empty folder.
    let text = text.replace("needles: needles/", "needles: .");
    fs::write(job.file(), text).unwrap();
    let tar = work.join(format!("{name}.tar"));
    succeed(Command::new("tar").arg("-cf").arg(&tar).arg("-C").arg(&job.0).arg("."));
    tar
}
