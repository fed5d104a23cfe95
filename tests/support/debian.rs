//! Debian systems, made of packages at test time: a tree to look at the package in, and a disk a
//! guest boots from.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use super::cached::cached;

/// Beside what the package needs: what starts it, boots it and asks it.
const SYSTEM: [&str; 7] = [
    "curl",
    "initramfs-tools",
    "iproute2",
    "linux-image-cloud-amd64",
    "procps",
    "systemd-sysv",
    "util-linux",
];
/// Where this box's apt takes its packages from; the guest's come from there as well.
const ARCHIVES: &str = "/etc/apt";
/// Done before the packages are configured: a small initrd that knows our guests' disk.
const BEFORE: [&str; 3] = [
    "mkdir -p $1/etc/initramfs-tools/conf.d $1/usr/share/initramfs-tools/modules.d",
    "echo MODULES=list > $1/etc/initramfs-tools/conf.d/small",
    "printf '%s\\n' ext4 virtio_blk virtio_pci > $1/usr/share/initramfs-tools/modules.d/small",
];
/// Enough for the system, the package and a few jobs.
const DISK: &str = "1800M";

/// The package under test.
pub(crate) struct Package(pub(crate) PathBuf);

impl Package {
    /// The one `packaging/test.sh` has built.
    pub(crate) fn built() -> Self {
        const MISSING: &str = "this test needs the package: run packaging/test.sh, or \
                               SUTLER_TEST_DEB=$(packaging/deb.sh) cargo nextest run ...";
        let path = PathBuf::from(std::env::var_os("SUTLER_TEST_DEB").expect(MISSING));
        assert!(path.is_file(), "there is no {}; {MISSING}", path.display());
        Self(path)
    }

    /// A field of its description.
    pub(crate) fn field(&self, name: &str) -> String {
        let mut command = Command::new("dpkg-deb");
        succeed(command.arg("--field").arg(&self.0).arg(name)).trim().to_owned()
    }

    /// The names of a field of packages, first alternatives only.
    pub(crate) fn names(&self, field: &str) -> Vec<String> {
        let field = self.field(field);
        let first = |all: &str| all.trim().split([' ', '|']).next().unwrap_or_default().to_owned();
        field.split(',').map(first).filter(|name| !name.is_empty()).collect()
    }

    /// Unpacks its files.
    pub(crate) fn unpack(&self, folder: &Path) {
        succeed(Command::new("dpkg-deb").arg("--extract").arg(&self.0).arg(folder));
    }

    /// The same files as a later version.
    pub(crate) fn newer(&self, folder: &Path) -> Self {
        let files = folder.join("newer");
        succeed(Command::new("dpkg-deb").arg("--raw-extract").arg(&self.0).arg(&files));
        let control = files.join("DEBIAN/control");
        let old = fs::read_to_string(&control).unwrap();
        let version = self.field("Version");
        let new = old.replace(&format!("Version: {version}"), &format!("Version: {version}+next"));
        assert_ne!(new, old);
        fs::write(control, new).unwrap();
        let path = folder.join("sutler-newer.deb");
        let pack = ["--root-owner-group", "-Zgzip", "-z1", "--build"];
        succeed(Command::new("dpkg-deb").args(pack).arg(&files).arg(&path));
        Self(path)
    }
}

/// A Debian system with all that the package needs, but without it.
pub(crate) fn tree(package: &Package) -> PathBuf {
    let mut wanted = [package.names("Depends"), package.names("Recommends")].concat();
    wanted.extend(SYSTEM.map(str::to_owned));
    let include = wanted.join(",");
    let archives = archives();
    cached("debian", &format!("{include} {archives:?} {BEFORE:?}"), |folder| {
        let mut command = Command::new("mmdebstrap");
        command.args(["--quiet", "--variant=minbase", "--format=directory"]);
        command.arg("--aptopt=APT::Install-Recommends \"false\"");
        for unread in ["doc", "locale", "man"] {
            command.arg(format!("--dpkgopt=path-exclude=/usr/share/{unread}/*"));
        }
        command.args(BEFORE.map(|hook| format!("--essential-hook={hook}")));
        command.arg(format!("--include={include}"));
        succeed(command.arg("bookworm").arg(folder).args(&archives));
    })
}

/// The lists of apt's sources, as apt reads them.
fn archives() -> Vec<PathBuf> {
    let apt = Path::new(ARCHIVES);
    let listed = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut files: Vec<_> = listed.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "list" || end == "sources"));
    files.sort();
    files.extend(Some(apt.join("sources.list")).filter(|file| file.exists()));
    assert!(!files.is_empty(), "apt has no sources in {ARCHIVES}");
    files
}

/// What a guest boots to run [`tree`].
pub(crate) struct Boot {
    pub(crate) kernel: PathBuf,
    pub(crate) initrd: PathBuf,
    /// To be copied, not to be written.
    pub(crate) disk: PathBuf,
}

pub(crate) fn boot(tree: &Path) -> Boot {
    let disk = cached("debian-disk", &format!("{DISK} {}", tree.display()), |disk| {
        let mut command = Command::new("mke2fs");
        command.args(["-q", "-t", "ext4", "-d"]).arg(tree).arg(disk).arg(DISK);
        succeed(&mut command);
    });
    Boot { kernel: beginning(tree, "vmlinuz"), initrd: beginning(tree, "initrd"), disk }
}

fn beginning(tree: &Path, name: &str) -> PathBuf {
    let found = fs::read_dir(tree.join("boot")).unwrap().flatten();
    let mut found = found.filter(|entry| entry.file_name().to_string_lossy().starts_with(name));
    found.next().unwrap().path()
}

/// Puts a file into the file system of a disk.
pub(crate) fn put(disk: &Path, file: &Path, to: &str) {
    let (folder, name) = to.rsplit_once('/').unwrap();
    // Where the folder is there already, making it fails, and that is as good.
    let commands = format!("mkdir {folder}\ncd {folder}\nwrite {} {name}\n", file.display());
    let mut debugfs = Command::new("debugfs")
        .args(["-w", "-f", "-"])
        .arg(disk)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    debugfs.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(debugfs.wait().unwrap().success());
}

/// A private copy of [`tree`] with processes, network and mounts of its own, for as long as this
/// lives: nothing in it is seen outside, and nothing survives it.
pub(crate) struct Room {
    /// `unshare`; its child is the room's first process.
    holder: Child,
    first: String,
    /// What was changed in the tree.
    _changes: TempDir,
}

impl Room {
    pub(crate) fn open(tree: &Path) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test needs root, to make a room");
        const FURNISH: &str = "set -e; cd \"$1\"; \
            mount -t overlay overlay -o \"lowerdir=$0,upperdir=$1/upper,workdir=$1/work\" root; \
            cd root; \
            mount -t proc proc proc; mount --rbind /dev dev; \
            mount -t tmpfs tmpfs run; mount -t tmpfs -o mode=1777 tmpfs tmp; \
            chroot . ip link set lo up; echo ready; \
            exec chroot . bash -c 'sleep infinity & wait'";
        let changes = tempfile::tempdir().unwrap();
        for name in ["upper", "work", "root"] {
            fs::create_dir(changes.path().join(name)).unwrap();
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c", FURNISH])
            .arg(tree)
            .arg(changes.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "the room could not be made");
        let pid = holder.id();
        let first = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        Self { holder, first: first.trim().to_owned(), _changes: changes }
    }

    /// A program in the room, run by root.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--net", "--pid", "--root", "--wdns=/"]);
        command.arg("--").arg(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        command
    }

    /// A shell's lines in the room.
    pub(crate) fn try_sh(&self, lines: &str) -> Output {
        self.command("bash").args(["-c", lines]).output().unwrap()
    }

    /// The same, which must succeed. Returns what they said.
    pub(crate) fn sh(&self, lines: &str) -> String {
        succeed(self.command("bash").args(["-ec", lines]))
    }

    /// Copies a file in.
    pub(crate) fn bring(&self, file: &Path, to: &str) {
        let file = File::open(file).unwrap();
        succeed(self.command("bash").args(["-ec", &format!("cat > {to}")]).stdin(file));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // With it goes the first process, and with that all others.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Runs it and returns what it said.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}{complained}", output.status);
    said
}
