//! The machine to boot: our `guest:` block, LAVA's `context:`, and what images ask for.
//!
//! What `guest:` says counts most, then `-m`, `-smp` and `-vga` of the images' arguments, then
//! `context:`. A boot without a `guest:` block is LAVA's: it gets a network card, ours gets none
//! unless it asks.

use std::path::Path;

use crate::model::{Digest, Display, Firmware, Guest, Network, Source};

use super::{
    Problem,
    form::{Block, Choice, Form, Key, Kind, Word, words},
    node::Value,
    qemu_arguments::{self, Arguments},
    reader::{FileUse, Report, Spot},
    screen::path,
    value::switch,
    variables::{LONGEST_TEXT, Variables},
};

const MOST_CPUS: u64 = 255;
const FIRMWARES: [Choice<Firmware>; 2] = [
    ("bios", Firmware::Bios, "SeaBIOS."),
    ("uefi", Firmware::Uefi, "OVMF, from Debian's package `ovmf`."),
];
const DISPLAYS: [Choice<Display>; 4] = [
    ("std", Display::Std, "QEMU's standard VGA: every system knows it."),
    ("virtio", Display::Virtio, "A virtio graphics card."),
    ("cirrus", Display::Cirrus, "A Cirrus card, for very old systems."),
    ("none", Display::None, "No graphics at all, only the serial console."),
];
const NETWORKS: [Choice<Network>; 2] = [
    ("none", Network::None, "No network card."),
    ("user", Network::User, "QEMU's user-mode network: the guest reaches out, nobody reaches in."),
];
const ARCHES: [Choice<()>; 2] = [("amd64", (), ""), ("x86_64", (), "")];
const NETDEVICES: [Choice<()>; 1] = [("user", (), "")];
const FIRMWARE_WORDS: [Word; 2] = words(&FIRMWARES);
const DISPLAY_WORDS: [Word; 4] = words(&DISPLAYS);
const NETWORK_WORDS: [Word; 2] = words(&NETWORKS);
const ARCH_WORDS: [Word; 2] = words(&ARCHES);
const NETDEVICE_WORDS: [Word; 1] = words(&NETDEVICES);

const HARDWARE: &str = "write it into an image's `image_arg`";
const NO_SHELL: &str = "it is for shell tests, which this version does not run";

/// Our block.
pub(super) static GUEST: Form = Form {
    doc: "The machine to boot. Every file may be a path (relative to the job file, or absolute and \
          below a folder this box lends), a `file:///` URL, or a map with `url` and `sha256sum`. A \
          guest writes to a copy that is thrown away afterwards.",
    keys: &[
        Key::new("memory", Kind::Memory, "Memory of the guest.").usual("1G").example("2G"),
        Key::new("cpus", Kind::Number { least: 1, most: MOST_CPUS }, "Processors of the guest.")
            .usual("1")
            .example("2"),
        Key::new("firmware", Kind::Words(&FIRMWARE_WORDS), "What starts the machine.")
            .usual("bios"),
        Key::new("display", Kind::Words(&DISPLAY_WORDS), "The graphics card.").usual("std"),
        Key::new(
            "network",
            Kind::Either(&Kind::WordsOrFalse(&NETWORK_WORDS), &Kind::Nothing),
            "The network card.",
        )
        .usual("none"),
        Key::new("disk", Kind::PathOr(&FILE), "A disk image, raw or qcow2.")
            .example("images/disk.qcow2"),
        Key::new("cdrom", Kind::PathOr(&FILE), "A CD image.").example("images/netinst.iso"),
        Key::new("kernel", Kind::PathOr(&FILE), "A kernel to start without a boot loader.")
            .example("vmlinuz"),
        Key::new("initrd", Kind::PathOr(&FILE), "Its initial RAM disk. Needs `kernel`.")
            .example("initrd.gz"),
        Key::new(
            "append",
            Kind::Text { longest: LONGEST_TEXT },
            "Its command line. Needs `kernel`.",
        )
        .example("console=ttyS0 quiet"),
    ],
    ..Form::new("guest", Block::Ours, "the machine, as {memory: 1G}")
};

/// A file that is named with its sum.
static FILE: Form = Form {
    doc: "A file and the sum it must have.",
    keys: &[
        Key::new("url", Kind::Path, "The file.")
            .needed("the file's path")
            .example("images/disk.qcow2"),
        Key::new("sha256sum", Kind::Sum, "What the file's SHA-256 sum must be."),
    ],
    ..Form::new("file", Block::Ours, "a file")
};

/// LAVA's block.
pub(super) static CONTEXT: Form = Form {
    doc: "What LAVA's device templates are given. What of it makes a difference to our guests is \
          read; an image's own `-m`, `-smp` and `-vga` count more, and `guest:` counts most.",
    keys: &[
        Key::new("arch", Kind::Words(&ARCH_WORDS), "The architecture."),
        Key::new("memory", Kind::Memory, "Memory of the guest; a bare number is MiB.")
            .example("1024"),
        Key::new("no_network", Kind::Switch, "No network card.").usual("false"),
        Key::new("netdevice", Kind::Words(&NETDEVICE_WORDS), "Only `user`."),
        Key::new(
            "extra_options",
            Kind::List { of: &Kind::Line { longest: LONGEST_TEXT }, least: 0, most: usize::MAX },
            "QEMU options: `-m`, `-smp` and `-vga` only.",
        )
        .example("[-smp 2]"),
    ],
    refused: &[("machine", HARDWARE), ("cpu", HARDWARE), ("vga", HARDWARE)],
    ignored: &[
        ("no_kvm", "this box uses KVM where a guest has been proved to run under it"),
        ("model", "the network card is the device type's"),
        ("monitor", "the engine owns the monitor"),
        ("serial", "the engine owns the consoles"),
        ("boot_console", NO_SHELL),
        ("boot_root", NO_SHELL),
        ("guestfs_driveid", NO_SHELL),
        ("guestfs_interface", NO_SHELL),
        ("guestfs_size", NO_SHELL),
        ("boot_character_delay", NO_SHELL),
        ("test_character_delay", NO_SHELL),
        ("deploy_character_delay", NO_SHELL),
        ("boot_retry", NO_SHELL),
        ("failure_retry", NO_SHELL),
        ("kernel_start_message", NO_SHELL),
        ("lava_test_results_dir", NO_SHELL),
        ("custom_kernel_args", NO_SHELL),
        ("extra_kernel_args", NO_SHELL),
    ],
    ..Form::new("context", Block::Lava, "LAVA's context")
};

/// What the guest is unless its block says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    memory_mib: Option<u32>,
    cpus: Option<u32>,
    display: Option<Display>,
    no_network: bool,
}

impl Asked {
    /// An image's arguments count more than what has been asked for before.
    pub(super) fn take(&mut self, arguments: &Arguments) {
        self.memory_mib = arguments.memory_mib.or(self.memory_mib);
        self.cpus = arguments.cpus.or(self.cpus);
        self.display = arguments.display.or(self.display);
    }

    /// The guest of a boot without a `guest:` block.
    pub(super) fn lava(self) -> Guest {
        let network = if self.no_network { Network::None } else { Network::User };
        Guest { network, ..self.guest() }
    }

    fn guest(self) -> Guest {
        let usual = Guest::default();
        Guest {
            memory_mib: self.memory_mib.unwrap_or(usual.memory_mib),
            cpus: self.cpus.unwrap_or(usual.cpus),
            display: self.display.unwrap_or(usual.display),
            ..usual
        }
    }
}

/// Reads our block.
pub(super) fn read(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
    asked: Asked,
) -> Option<Guest> {
    let mut fields = spot.fields(report, &GUEST)?;
    let usual = asked.guest();
    let memory = fields.take("memory").map_or(Some(usual.memory_mib), |spot| spot.memory(report));
    let cpus = fields.take("cpus").map_or(Some(usual.cpus), |spot| {
        spot.number(report, 1..=MOST_CPUS).and_then(|count| u32::try_from(count).ok())
    });
    let firmware = fields
        .take("firmware")
        .map_or(Some(usual.firmware), |spot| spot.choice(report, &FIRMWARES));
    let display =
        fields.take("display").map_or(Some(usual.display), |spot| spot.choice(report, &DISPLAYS));
    let network =
        fields.take("network").map_or(Some(usual.network), |spot| match &spot.node.value {
            // YAML's word for nothing, and `network: false`.
            Value::Null => Some(Network::None),
            Value::Scalar { text, plain: true } if switch(text) == Some(false) => {
                Some(Network::None)
            }
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => spot.choice(report, &NETWORKS),
        });
    let mut file = |report: &mut Report, name| match fields.take(name) {
        Some(spot) => source(report, &spot, variables).map(Some),
        None => Some(None),
    };
    let disk = file(report, "disk");
    let cdrom = file(report, "cdrom");
    let kernel = file(report, "kernel");
    let initrd = file(report, "initrd");
    let append_at = fields.take("append");
    let append = match &append_at {
        Some(spot) => variables.text(report, spot).map(Some),
        None => Some(None),
    };
    fields.finish(report);
    let (kernel, initrd, append) = (kernel?, initrd?, append?);
    if kernel.is_none() && (initrd.is_some() || append.is_some()) {
        let problem = Problem::new(
            append_at.map_or_else(|| spot.place(), |spot| spot.place()),
            &spot.path,
            "`initrd` or `append` without `kernel`",
            "a `kernel` beside them",
        );
        report.add(problem);
        return None;
    }
    Some(Guest {
        memory_mib: memory?,
        cpus: cpus?,
        firmware: firmware?,
        display: display?,
        network: network?,
        disk: disk?,
        cdrom: cdrom?,
        kernel,
        initrd,
        append,
    })
}

/// A file: its path or URL, or a map of that and its `sha256sum`.
pub(super) fn source(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Source> {
    if !matches!(spot.node.value, Value::Map(_)) {
        let path = url(report, spot, variables)?;
        return Some(named(report, spot, Source { path, sha256: None }));
    }
    let mut fields = spot.fields(report, &FILE)?;
    let found = fields.need(report, "url");
    let path = found.and_then(|spot| url(report, &spot, variables));
    let sha256 = fields.take("sha256sum");
    let sha256 = sha256.map_or(Some(None), |spot| digest(report, &spot).map(Some));
    fields.finish(report);
    Some(named(report, spot, Source { path: path?, sha256: sha256? }))
}

/// Remembers the file for whoever can look at it.
pub(super) fn named(report: &mut Report, spot: &Spot<'_>, source: Source) -> Source {
    report.files.push(FileUse {
        place: spot.place(),
        path: spot.path.clone(),
        file: source.path.clone(),
        sha256: source.sha256,
        needles: false,
    });
    source
}

pub(super) fn digest(report: &mut Report, spot: &Spot<'_>) -> Option<Digest> {
    let text = spot.line(report, 200)?;
    match text.parse() {
        Ok(digest) => Some(digest),
        Err(_) => {
            report.add(spot.problem("a SHA-256 sum: 64 hexadecimal digits"));
            None
        }
    }
}

/// The path that a URL or a path names on this box.
pub(super) fn url(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<std::path::PathBuf> {
    let text = variables.line(report, spot)?;
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        None => path(report, spot, &text),
        Some("file") => {
            let local = &text["file://".len()..];
            if Path::new(local).is_absolute() {
                return path(report, spot, local);
            }
            report.add(spot.problem("file:/// with three slashes, and no host"));
            None
        }
        Some(_) => {
            let problem = spot.problem("a path or a file:/// URL");
            report.add(problem.help(
                "this version reads only files of this box: put the file beside the job, and name it by its relative path",
            ));
            None
        }
    }
}

/// LAVA's `context:`: what of it makes a difference to our guests.
pub(super) fn context(report: &mut Report, spot: &Spot<'_>) -> Asked {
    let mut asked = Asked::default();
    let Some(mut fields) = spot.fields(report, &CONTEXT) else { return asked };
    if let Some(spot) = fields.take("arch") {
        spot.choice(report, &ARCHES);
    }
    asked.memory_mib = fields.take("memory").and_then(|spot| spot.memory(report));
    if let Some(spot) = fields.take("no_network") {
        asked.no_network = spot.switch(report).unwrap_or(false);
    }
    if let Some(spot) = fields.take("netdevice") {
        spot.choice(report, &NETDEVICES);
    }
    if let Some(spot) = fields.take("extra_options") {
        extra_options(report, &spot, &mut asked);
    }
    fields.finish(report);
    asked
}

fn extra_options(report: &mut Report, spot: &Spot<'_>, asked: &mut Asked) {
    let Some(items) = spot.list(report, "QEMU options") else { return };
    let options: Vec<_> = items.iter().filter_map(|spot| spot.line(report, LONGEST_TEXT)).collect();
    match qemu_arguments::parse(&options.join(" "), "") {
        Ok(arguments) => {
            asked.take(&arguments);
            if let Some(word) = arguments.words.first() {
                let found = format!("`{word}`");
                let expected = "`-m`, `-smp` and `-vga` only";
                let problem = Problem::new(spot.place(), &spot.path, found, expected);
                report.add(problem.help("write it into an image's `image_arg`"));
            }
        }
        Err(refusals) => {
            for refusal in refusals {
                report.add(refusal.problem(spot));
            }
        }
    }
}
