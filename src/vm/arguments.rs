//! QEMU's command line: a pure function of the machine's description.
//!
//! QEMU runs in the job's folder, so what is ours there is named relative to it; the job's files
//! are named absolutely. QEMU connects to us, not we to it: our sockets are bound before it starts,
//! so nobody has to look again and again whether it listens already.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use crate::model::{Acceleration, Display, Network};

/// Looked up in `PATH`.
pub const QEMU: &str = "qemu-system-x86_64";
pub const QEMU_IMG: &str = "qemu-img";
/// The machine every guest is.
pub const MACHINE: &str = "q35";
/// Devices guests can have here, as QEMU lists them. Not those that only a job's own arguments name.
pub const DEVICES: [&str; 9] = [
    "pvpanic",
    "VGA",
    "virtio-vga",
    "cirrus-vga",
    "qemu-xhci",
    "usb-tablet",
    "virtio-blk-pci",
    "ide-cd",
    "virtio-net-pci",
];

/// Our sockets in the job's folder.
pub(super) const QMP_SOCKET: &str = "qmp.sock";
pub(super) const VNC_SOCKET: &str = "vnc.sock";
pub(super) const SERIAL_SOCKET: &str = "serial0.sock";
/// Overlays in the job's folder.
pub(super) const DISK_OVERLAY: &str = "disk.qcow2";
pub(super) const VARIABLES_OVERLAY: &str = "uefi-variables.qcow2";

/// A machine to start. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    /// Shown in process lists.
    pub name: String,
    /// `qemu-system-x86_64`, looked up in `PATH` when it is only a name.
    pub qemu: PathBuf,
    pub qemu_img: PathBuf,
    pub acceleration: Acceleration,
    pub memory_mib: u32,
    pub cpus: u32,
    /// `None` is a BIOS.
    pub uefi: Option<UefiFiles>,
    pub display: Display,
    pub network: Network,
    /// Never written: the guest writes into an overlay in the job's folder.
    pub disk: Option<PathBuf>,
    pub cdrom: Option<PathBuf>,
    pub kernel: Option<PathBuf>,
    pub initrd: Option<PathBuf>,
    pub append: Option<String>,
    /// Arguments of deployed images, found harmless by `job_file`, with their files put in by
    /// [`with_file`].
    pub extra: Vec<OsString>,
}

/// Debian's `ovmf` package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UefiFiles {
    pub code: PathBuf,
    /// Template; each job has an overlay of its own on it.
    pub variables: PathBuf,
}

impl UefiFiles {
    /// Where Debian's package has them.
    pub fn debian() -> Self {
        let folder = Path::new("/usr/share/OVMF");
        Self { code: folder.join("OVMF_CODE_4M.fd"), variables: folder.join("OVMF_VARS_4M.fd") }
    }
}

/// The whole command line after the program's name.
pub fn arguments(spec: &MachineSpec) -> Vec<OsString> {
    let mut line = Line::default();
    line.flag("-nodefaults").flag("-no-user-config");
    // Paused: the caller is connected to everything before the first instruction.
    line.flag("-S");
    line.pair("-name", format!("guest={},debug-threads=on", spec.name.replace(',', ",,")));
    line.pair("-machine", MACHINE);
    line.pair("-accel", spec.acceleration.name());
    line.pair("-cpu", if spec.acceleration == Acceleration::Kvm { "host" } else { "max" });
    line.pair("-m", format!("{}M", spec.memory_mib));
    line.pair("-smp", spec.cpus.to_string());
    line.pair("-rtc", "base=utc");
    // A guest that powers off leaves a stopped machine, so that the end of QEMU is never the
    // guest's doing; one that panics may still write its dump.
    line.pair("-action", "shutdown=pause,panic=none");
    line.pair(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    line.pair("-display", "none");
    line.pair("-qmp", format!("unix:{QMP_SOCKET}"));
    line.pair("-chardev", format!("socket,id=serial0,path={SERIAL_SOCKET}"));
    line.pair("-serial", "chardev:serial0");
    line.pair("-device", "pvpanic");
    screen(&mut line, spec.display);
    if let Some(uefi) = &spec.uefi {
        let code = file("if=pflash,unit=0,format=raw,readonly=on,file=", &uefi.code);
        line.pair("-drive", code);
        line.pair("-drive", format!("if=pflash,unit=1,format=qcow2,file={VARIABLES_OVERLAY}"));
    }
    media(&mut line, spec);
    match spec.network {
        Network::None => line.pair("-nic", "none"),
        Network::User => line.pair("-nic", "user,model=virtio-net-pci"),
    };
    for (flag, path) in [("-kernel", &spec.kernel), ("-initrd", &spec.initrd)] {
        if let Some(path) = path {
            line.pair(flag, path);
        }
    }
    if let Some(append) = &spec.append {
        line.pair("-append", append);
    }
    line.0.extend(spec.extra.iter().cloned());
    line.0
}

fn screen(line: &mut Line, display: Display) {
    let vga = match display {
        Display::Std => "std",
        Display::Virtio => "virtio",
        Display::Cirrus => "cirrus",
        Display::None => {
            line.pair("-vga", "none");
            return;
        }
    };
    line.pair("-vga", vga);
    // Without lock-key-sync, which would press caps lock for us by comparing cases.
    line.pair("-vnc", format!("unix:{VNC_SOCKET},reverse=on,lock-key-sync=off"));
    // The keyboard is PS/2, which firmware and every guest know; a pointer with absolute positions
    // exists only on USB.
    line.pair("-device", "qemu-xhci,id=usb").pair("-device", "usb-tablet,bus=usb.0");
}

fn media(line: &mut Line, spec: &MachineSpec) {
    if spec.disk.is_some() {
        let drive = format!("if=none,id=disk0,format=qcow2,discard=unmap,file={DISK_OVERLAY}");
        line.pair("-drive", drive).pair("-device", "virtio-blk-pci,drive=disk0,bootindex=1");
    }
    if let Some(cdrom) = &spec.cdrom {
        let drive = file("if=none,id=cd0,media=cdrom,format=raw,readonly=on,file=", cdrom);
        line.pair("-drive", drive).pair("-device", "ide-cd,bus=ide.0,drive=cd0,bootindex=2");
    }
}

/// An argument of a deployed image with every `{name}` replaced by the file. In a list of options
/// a comma in the file's name is doubled, as QEMU wants it; an argument that is only the file is
/// taken as it is.
pub fn with_file(argument: &str, name: &str, path: &Path) -> OsString {
    let place = format!("{{{name}}}");
    if argument == place {
        return path.into();
    }
    let mut parts = argument.split(&place);
    let mut text = OsString::from(parts.next().unwrap_or_default());
    for part in parts {
        text.push(escaped(path));
        text.push(part);
    }
    text
}

fn file(options: &str, path: &Path) -> OsString {
    let mut text = OsString::from(options);
    text.push(escaped(path));
    text
}

fn escaped(path: &Path) -> OsString {
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        bytes.extend(std::iter::repeat_n(*byte, if *byte == b',' { 2 } else { 1 }));
    }
    OsString::from_vec(bytes)
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, flag: &str) -> &mut Self {
        self.0.push(flag.into());
        self
    }

    fn pair(&mut self, flag: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.0.push(flag.into());
        self.0.push(value.as_ref().into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MachineSpec {
        MachineSpec {
            name: "job-7".into(),
            qemu: "qemu-system-x86_64".into(),
            qemu_img: "qemu-img".into(),
            acceleration: Acceleration::Tcg,
            memory_mib: 512,
            cpus: 2,
            uefi: None,
            display: Display::Std,
            network: Network::None,
            disk: Some("/images/a.qcow2".into()),
            cdrom: None,
            kernel: None,
            initrd: None,
            append: None,
            extra: vec![],
        }
    }

    fn text(spec: &MachineSpec) -> String {
        let words = arguments(spec);
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        words.join(" ").replace(" -", "\n-")
    }

    #[test]
    fn a_plain_machine() {
        insta::assert_snapshot!(text(&spec()));
    }

    #[test]
    fn each_wish_adds_its_own_arguments_and_nothing_else() {
        let plain = text(&spec());
        let lines: Vec<&str> = plain.lines().collect();
        let with = |change: fn(&mut MachineSpec)| {
            let mut spec = spec();
            change(&mut spec);
            let text = text(&spec);
            let new: Vec<_> = text.lines().filter(|line| !lines.contains(line)).collect();
            let gone: Vec<_> =
                lines.iter().filter(|line| !text.lines().any(|l| l == **line)).collect();
            format!("+ {new:#?}\n- {gone:#?}")
        };
        insta::assert_snapshot!("kvm", with(|spec| spec.acceleration = Acceleration::Kvm));
        insta::assert_snapshot!("uefi", with(|spec| spec.uefi = Some(UefiFiles::debian())));
        insta::assert_snapshot!("no_display", with(|spec| spec.display = Display::None));
        insta::assert_snapshot!("user_network", with(|spec| spec.network = Network::User));
        insta::assert_snapshot!(
            "cdrom_only",
            with(|spec| (spec.disk, spec.cdrom) = (None, Some("/images/a,b.iso".into())))
        );
        insta::assert_snapshot!(
            "kernel",
            with(|spec| {
                spec.kernel = Some("/k,1".into());
                spec.initrd = Some("/i".into());
                spec.append = Some("console=ttyS0 quiet".into());
                spec.extra = vec!["-device".into(), "virtio-rng-pci".into()];
            })
        );
    }

    #[test]
    fn every_device_a_guest_can_have_is_in_the_list() {
        let everything =
            MachineSpec { network: Network::User, cdrom: Some("/cd".into()), ..spec() };
        let words = arguments(&everything);
        let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
        for pair in words.windows(2).filter(|pair| pair[0] == "-device") {
            let name = pair[1].split(',').next().unwrap();
            assert!(DEVICES.contains(&name), "{name}");
        }
    }

    #[test]
    fn files_are_put_into_arguments() {
        for (argument, path, want) in [
            ("{disk}", "/a,b", "/a,b"),
            ("file={disk},format=raw", "/a,b", "file=/a,,b,format=raw"),
            ("a{disk}b{disk}", "/x", "a/xb/x"),
            ("{other}", "/x", "{other}"),
        ] {
            assert_eq!(with_file(argument, "disk", Path::new(path)), want, "{argument}");
        }
    }
}
