//! QEMU arguments from a stranger: only what is known to be harmless passes.
//!
//! `image_arg` is split as a shell would, and every option, sub-option and value must be on a list
//! here. A file can be named in one way only: `{name}`, the image the argument belongs to, alone
//! as the value of `file=` or of the option. So no argument opens another path, a protocol
//! (`nbd:`, `json:`) or a backing file. What the engine decides (memory, processors, display) is
//! handed to it as a value; what it owns (monitors, networks, acceleration) is refused by name.
//!
//! The words keep `{name}`. Whoever puts the path in must double the commas of it for `-drive`
//! (QEMU reads `,,` as one comma); the other options take the path as it is.

use crate::model::Display;

use super::{
    Problem,
    reader::{Spot, nearest},
    value::memory_mib,
    words::{Unsplit, split},
};

/// What an `image_arg` comes to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// For QEMU as they are, but for `{name}`.
    pub words: Vec<String>,
    /// `-m`
    pub memory_mib: Option<u32>,
    /// `-smp`
    pub cpus: Option<u32>,
    /// `-vga`
    pub display: Option<Display>,
    /// Whether `{name}` is in there.
    pub uses_image: bool,
}

/// Why an argument does not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub found: String,
    pub expected: String,
    pub help: Option<String>,
}

impl Refusal {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into(), help: None }
    }

    fn help(mut self, help: &str) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, at the place of the argument.
    pub(super) fn problem(self, spot: &Spot<'_>) -> Problem {
        let problem = Problem::new(spot.place(), &spot.path, self.found, self.expected);
        Problem { help: self.help, ..problem }
    }
}

/// How the value of an option is checked.
#[derive(Clone, Copy)]
enum Shape {
    /// Takes no value.
    Alone,
    /// `{name}` and nothing else.
    File,
    /// Any text: it is the guest that reads it.
    Text,
    /// `key=value` pairs; the first may stand without its key.
    Pairs {
        first: Option<&'static str>,
        known: &'static [(&'static str, Value)],
    },
    Drive,
    Device,
    Cpu,
    Memory,
    Processors,
    Vga,
}

/// What a sub-option may be.
#[derive(Clone, Copy)]
enum Value {
    Words(&'static [&'static str]),
    Switch,
    Number,
    /// Letters, digits and `_-.:`.
    Plain,
    /// Letters a to d and n: drives to boot from.
    Drives,
}

const OPTIONS: &[(&str, Shape)] = &[
    ("kernel", Shape::File),
    ("initrd", Shape::File),
    ("dtb", Shape::File),
    ("cdrom", Shape::File),
    ("hda", Shape::File),
    ("hdb", Shape::File),
    ("hdc", Shape::File),
    ("hdd", Shape::File),
    ("fda", Shape::File),
    ("fdb", Shape::File),
    ("bios", Shape::File),
    ("pflash", Shape::File),
    ("append", Shape::Text),
    ("drive", Shape::Drive),
    ("device", Shape::Device),
    ("m", Shape::Memory),
    ("smp", Shape::Processors),
    ("cpu", Shape::Cpu),
    ("vga", Shape::Vga),
    ("machine", Shape::Pairs { first: Some("type"), known: MACHINE }),
    ("M", Shape::Pairs { first: Some("type"), known: MACHINE }),
    ("boot", Shape::Pairs { first: Some("order"), known: BOOT }),
    ("rtc", Shape::Pairs { first: None, known: RTC }),
    ("uuid", Shape::Pairs { first: Some("uuid"), known: &[("uuid", Value::Plain)] }),
    ("usb", Shape::Alone),
    ("usbdevice", Shape::Pairs { first: Some("kind"), known: USB_DEVICE }),
    ("no-acpi", Shape::Alone),
    ("no-hpet", Shape::Alone),
    ("no-fd-bootchk", Shape::Alone),
];

const MACHINE: &[(&str, Value)] = &[
    ("type", Value::Words(&["pc", "q35"])),
    ("usb", Value::Switch),
    ("vmport", Value::Switch),
    ("smm", Value::Switch),
    ("hpet", Value::Switch),
    ("graphics", Value::Switch),
];
const BOOT: &[(&str, Value)] = &[
    ("order", Value::Drives),
    ("once", Value::Drives),
    ("menu", Value::Switch),
    ("strict", Value::Switch),
    ("splash-time", Value::Number),
    ("reboot-timeout", Value::Number),
];
const RTC: &[(&str, Value)] = &[
    ("base", Value::Plain),
    ("clock", Value::Words(&["host", "rt", "vm"])),
    ("driftfix", Value::Words(&["none", "slew"])),
];
const USB_DEVICE: &[(&str, Value)] =
    &[("kind", Value::Words(&["keyboard", "mouse", "tablet", "wacom-tablet"]))];
const DRIVE: &[(&str, Value)] = &[
    ("format", Value::Words(&["raw", "qcow2"])),
    ("if", Value::Words(&["ide", "virtio", "scsi", "none", "floppy", "pflash", "sd"])),
    ("media", Value::Words(&["disk", "cdrom"])),
    ("id", Value::Plain),
    ("index", Value::Number),
    ("unit", Value::Number),
    ("bus", Value::Number),
    ("readonly", Value::Switch),
    ("read-only", Value::Switch),
    ("cache", Value::Words(&["none", "writeback", "writethrough", "directsync", "unsafe"])),
    ("discard", Value::Words(&["ignore", "unmap", "on", "off"])),
    ("detect-zeroes", Value::Words(&["on", "off", "unmap"])),
    ("aio", Value::Words(&["threads"])),
];
/// Device models that touch nothing of the host.
const DEVICES: &[&str] = &[
    "AC97",
    "VGA",
    "ahci",
    "ahci-hd",
    "cirrus-vga",
    "floppy",
    "hda-duplex",
    "hda-micro",
    "hda-output",
    "i6300esb",
    "ich9-ahci",
    "ich9-intel-hda",
    "ich9-usb-ehci1",
    "ide-cd",
    "ide-hd",
    "intel-hda",
    "ioh3420",
    "lsi53c895a",
    "megasas",
    "nec-usb-xhci",
    "nvme",
    "pci-bridge",
    "pcie-root-port",
    "piix3-usb-uhci",
    "pvpanic",
    "pvpanic-pci",
    "qemu-xhci",
    "scsi-cd",
    "scsi-hd",
    "usb-ehci",
    "usb-hub",
    "usb-kbd",
    "usb-mouse",
    "usb-storage",
    "usb-tablet",
    "virtio-balloon-pci",
    "virtio-blk",
    "virtio-blk-pci",
    "virtio-gpu-pci",
    "virtio-keyboard-pci",
    "virtio-mouse-pci",
    "virtio-rng",
    "virtio-rng-pci",
    "virtio-scsi",
    "virtio-scsi-pci",
    "virtio-tablet-pci",
    "virtio-vga",
    "vmgenid",
];
/// Their properties. None names a file, as `romfile` does, or something outside of the guest.
const DEVICE: &[(&str, Value)] = &[
    ("id", Value::Plain),
    ("bus", Value::Plain),
    ("addr", Value::Plain),
    ("port", Value::Plain),
    ("chassis", Value::Number),
    ("slot", Value::Number),
    ("drive", Value::Plain),
    ("serial", Value::Plain),
    ("bootindex", Value::Number),
    ("unit", Value::Number),
    ("lun", Value::Number),
    ("scsi-id", Value::Number),
    ("channel", Value::Number),
    ("multifunction", Value::Switch),
    ("removable", Value::Switch),
    ("write-cache", Value::Words(&["on", "off", "auto"])),
    ("logical_block_size", Value::Number),
    ("physical_block_size", Value::Number),
    ("rotation_rate", Value::Number),
    ("xres", Value::Number),
    ("yres", Value::Number),
    ("edid", Value::Switch),
    ("max-bytes", Value::Number),
    ("period", Value::Number),
    ("disable-legacy", Value::Words(&["on", "off", "auto"])),
    ("disable-modern", Value::Switch),
    ("iobase", Value::Plain),
    ("iosize", Value::Plain),
];

/// What is refused, and what to use instead.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &["net", "netdev", "nic"],
        "write `network: user` in the `guest:` block: guests of this box never listen outside",
    ),
    (
        &["nographic", "display", "vnc", "spice", "curses", "sdl", "g", "full-screen"],
        "the engine owns the display: choose with `guest: {display: std}` or `none`",
    ),
    (
        &[
            "serial",
            "parallel",
            "monitor",
            "mon",
            "qmp",
            "qmp-pretty",
            "chardev",
            "debugcon",
            "gdb",
            "s",
        ],
        "the engine owns consoles and monitors, and connects the first serial port",
    ),
    (
        &["enable-kvm", "accel", "no-kvm", "icount", "tb-size"],
        "leave it out: this box uses KVM where a guest has been proved to run under it",
    ),
    (
        &[
            "no-reboot",
            "no-shutdown",
            "action",
            "S",
            "daemonize",
            "name",
            "nodefaults",
            "no-user-config",
            "nodefconfig",
            "pidfile",
            "msg",
            "only-migratable",
            "preconfig",
            "k",
            "overcommit",
        ],
        "the engine owns how a guest starts and ends",
    ),
    (
        &["incoming", "loadvm", "snapshot"],
        "a guest always starts on a fresh overlay; saved machines are not for job files",
    ),
    (
        &["fsdev", "virtfs", "virtiofs", "usb-mtp"],
        "a guest sees no folder of the host: pack the files into an image",
    ),
    (
        &[
            "object",
            "blockdev",
            "fw_cfg",
            "smbios",
            "acpitable",
            "option-rom",
            "mtdblock",
            "sd",
            "add-fd",
            "tpmdev",
            "audiodev",
            "audio",
            "soundhw",
            "iscsi",
            "L",
            "global",
            "set",
            "numa",
            "mem-path",
            "mem-prealloc",
            "compat",
        ],
        "it can reach files or devices of the host; ask this box's administrator for a device type with it",
    ),
    (
        &[
            "readconfig",
            "writeconfig",
            "plugin",
            "trace",
            "d",
            "D",
            "dfilter",
            "dump-vmstate",
            "sandbox",
            "runas",
            "chroot",
            "run-with",
            "semihosting",
            "semihosting-config",
            "enable-fips",
            "seed",
            "jitdump",
            "perfmap",
        ],
        "job files may not change how QEMU itself runs",
    ),
];

/// Checks `line`, the `image_arg` of the image called `name`. Returns everything that is wrong.
pub fn parse(line: &str, name: &str) -> Result<Arguments, Vec<Refusal>> {
    let words = split(line).map_err(|error| {
        let found = match error {
            Unsplit::Quote => "a quote that is not closed",
            Unsplit::Backslash => "a backslash at the end",
            Unsplit::TooMany => "more than 200 words",
        };
        vec![Refusal::new(found, "QEMU arguments, split as a shell does")]
    })?;
    let placeholder = format!("{{{name}}}");
    let mut arguments = Arguments::default();
    let mut refusals = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-').filter(|option| !option.is_empty()) else {
            let refusal = Refusal::new(format!("`{}`", short(&word)), "an option before it");
            refusals.push(refusal.help("a value with blanks in it needs quotes"));
            continue;
        };
        let option = option.strip_prefix('-').unwrap_or(option);
        let Some((option, shape)) = OPTIONS.iter().find(|(known, _)| *known == option) else {
            refusals.push(refused(option));
            // Its value is not a second problem.
            words.next_if(|value| !value.starts_with('-'));
            continue;
        };
        if matches!(shape, Shape::Alone) {
            arguments.words.push(format!("-{option}"));
            continue;
        }
        let Some(value) = words.next() else {
            refusals.push(Refusal::new(format!("`-{option}` at the end"), "a value after it"));
            break;
        };
        if let Err(refusal) = arguments.take(option, *shape, value, &placeholder) {
            refusals.push(refusal);
        }
    }
    if refusals.is_empty() { Ok(arguments) } else { Err(refusals) }
}

fn refused(option: &str) -> Refusal {
    let found = format!("the QEMU option `-{}`", short(option));
    let refusal = Refusal::new(found, "an option that is known to be harmless");
    let known = REFUSED.iter().find(|(names, _)| names.contains(&option));
    match known {
        Some((_, help)) => refusal.help(help),
        None => match nearest(option, OPTIONS.iter().map(|(name, _)| *name)) {
            Some(help) if option.len() > 2 => refusal.help(&help),
            _ => refusal.help("ask this box's administrator if the job needs it"),
        },
    }
}

impl Arguments {
    fn take(
        &mut self,
        option: &str,
        shape: Shape,
        value: String,
        placeholder: &str,
    ) -> Result<(), Refusal> {
        let refuse =
            |expected: &str| Err(Refusal::new(format!("`-{option} {}`", short(&value)), expected));
        match shape {
            Shape::Alone => {}
            Shape::File if value == placeholder => self.uses_image = true,
            Shape::File => {
                let expected = format!("`-{option} {placeholder}`");
                return refuse(&expected).map_err(|refusal| {
                    refusal.help("an image names its own file only; add another under `images:`")
                });
            }
            Shape::Text if value.contains(placeholder) => {
                return refuse("text without the name of the image's file");
            }
            Shape::Text => {}
            Shape::Pairs { first, known } => pairs(option, &value, first, known)?,
            Shape::Drive => {
                let rest: Vec<_> = value
                    .split(',')
                    .filter(|part| part.strip_prefix("file=") != Some(placeholder))
                    .collect();
                if rest.len() + 1 != value.split(',').count() {
                    let expected = format!("`file={placeholder}` once in `-drive`");
                    return refuse(&expected).map_err(|refusal| {
                        refusal.help("an image names its own file only, never a path or a protocol")
                    });
                }
                if !rest.is_empty() {
                    pairs(option, &rest.join(","), None, DRIVE)?;
                }
                self.uses_image = true;
            }
            Shape::Device => device(&value)?,
            Shape::Cpu => cpu(&value)?,
            Shape::Memory => {
                let size = value.strip_prefix("size=").unwrap_or(&value);
                match memory_mib(size) {
                    Some(mib) => self.memory_mib = Some(mib),
                    None => return refuse("a size from 4M to 1T, as `-m 512` or `-m 2G`"),
                }
                return Ok(());
            }
            Shape::Processors => {
                let count = value.strip_prefix("cpus=").unwrap_or(&value);
                match count.parse().ok().filter(|count| (1..=255).contains(count)) {
                    Some(count) => self.cpus = Some(count),
                    None => return refuse("a number of processors, as `-smp 2`"),
                }
                return Ok(());
            }
            Shape::Vga => {
                self.display = Some(match value.as_str() {
                    "std" => Display::Std,
                    "virtio" => Display::Virtio,
                    "cirrus" => Display::Cirrus,
                    "none" => Display::None,
                    _ => return refuse("one of `std`, `virtio`, `cirrus`, `none`"),
                });
                return Ok(());
            }
        }
        self.words.extend([format!("-{option}"), value]);
        Ok(())
    }
}

fn pairs(
    option: &str,
    text: &str,
    first: Option<&str>,
    known: &[(&str, Value)],
) -> Result<(), Refusal> {
    for (index, part) in text.split(',').enumerate() {
        let refuse =
            |expected: String| Refusal::new(format!("`{}` in `-{option}`", short(part)), expected);
        let (key, value) = match (part.split_once('='), first) {
            (Some(pair), _) => pair,
            (None, Some(first)) if index == 0 => (first, part),
            // QEMU reads a bare word as `word=on`.
            (None, _) => (part, "on"),
        };
        let Some((_, shape)) = known.iter().find(|(name, _)| *name == key) else {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            let mut refusal = refuse(format!("one of {}", names.join(", ")));
            refusal.help = if key == "accel" || key == "kernel_irqchip" {
                Some("leave it out: this box decides on acceleration".into())
            } else {
                nearest(key, names)
            };
            return Err(refusal);
        };
        let plain = |char: char| char.is_ascii_alphanumeric() || "_-.:".contains(char);
        let fits = match shape {
            Value::Words(words) => words.contains(&value) || versioned(option, key, value),
            Value::Switch => matches!(value, "on" | "off" | "yes" | "no" | "true" | "false"),
            Value::Number => {
                (1..=12).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
            }
            Value::Plain => (1..=64).contains(&value.len()) && value.chars().all(plain),
            Value::Drives => {
                (1..=8).contains(&value.len()) && value.chars().all(|char| "abcdnp".contains(char))
            }
        };
        if !fits {
            return Err(refuse(match shape {
                Value::Words(words) => format!("{key}: one of {}", words.join(", ")),
                Value::Switch => format!("{key}: on or off"),
                Value::Number => format!("{key}: a number"),
                Value::Plain => format!("{key}: letters, digits and `_-.:`"),
                Value::Drives => format!("{key}: letters of drives, as `cd`"),
            }));
        }
    }
    Ok(())
}

/// `pc-q35-7.2` and `pc-i440fx-6.0` are `q35` and `pc` of a certain version.
fn versioned(option: &str, key: &str, value: &str) -> bool {
    let version = value.strip_prefix("pc-q35-").or_else(|| value.strip_prefix("pc-i440fx-"));
    let digits = |version: &str| version.chars().all(|char| char.is_ascii_digit() || char == '.');
    matches!(option, "machine" | "M") && key == "type" && version.is_some_and(digits)
}

fn device(text: &str) -> Result<(), Refusal> {
    let (model, properties) = text.split_once(',').unwrap_or((text, ""));
    if !DEVICES.contains(&model) {
        let found = format!("the device `{}`", short(model));
        let refusal = Refusal::new(found, "a device model that touches nothing of the host");
        let card = ["net", "e1000", "rtl8139", "ne2k", "pcnet", "vmxnet"];
        return Err(if card.iter().any(|part| model.contains(part)) {
            refusal.help("write `network: user` in the `guest:` block")
        } else {
            match nearest(model, DEVICES.iter().copied()) {
                Some(help) => refusal.help(&help),
                None => refusal.help("ask this box's administrator if the job needs it"),
            }
        });
    }
    if text.contains(',') { pairs("device", properties, None, DEVICE) } else { Ok(()) }
}

/// `qemu64`, `Nehalem,+aes,-vmx`, `max,avx=off`.
fn cpu(text: &str) -> Result<(), Refusal> {
    let word = |word: &str| {
        let plain = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
        !word.is_empty() && word.len() <= 64 && word.chars().all(plain)
    };
    let feature = |part: &str| match part.split_once('=') {
        Some((name, value)) => word(name) && matches!(value, "on" | "off"),
        None => part.starts_with(['+', '-']) && word(&part[1..]),
    };
    let mut parts = text.split(',');
    let model = parts.next().unwrap_or_default();
    let refusal =
        Refusal::new(format!("`-cpu {}`", short(text)), "a processor and features, as `max,+aes`");
    if model == "host" {
        return Err(refusal.help("leave it out: a guest gets the best that this host has proved"));
    }
    if word(model) && parts.all(feature) { Ok(()) } else { Err(refusal) }
}

fn short(text: &str) -> String {
    super::node::excerpt(text)
}

#[cfg(test)]
mod tests;
