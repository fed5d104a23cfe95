//! The machine to boot: our `guest:` block, LAVA's `context:`, and what images ask for.
//!
//! What `guest:` says counts most, then `-m`, `-smp` and `-vga` of the images' arguments, then
//! `context:`. A boot without a `guest:` block is LAVA's: it gets a network card, ours gets none
//! unless it asks.

use std::path::Path;

use crate::model::{Digest, Display, Firmware, Guest, Network, Source};

use super::{
    Problem,
    node::Value,
    qemu_arguments::{self, Arguments},
    reader::{Block, FileUse, Report, Spot},
    screen::path,
    variables::Variables,
};

const MOST_CPUS: u64 = 255;
const DISPLAYS: [(&str, Display); 4] = [
    ("std", Display::Std),
    ("virtio", Display::Virtio),
    ("cirrus", Display::Cirrus),
    ("none", Display::None),
];
const HARDWARE: &str = "write it into an image's `image_arg`";
const NO_SHELL: &str = "it is for shell tests, which this version does not run";

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
    let mut fields = spot.fields(report, "the machine, as {memory: 1G}")?;
    let usual = asked.guest();
    let memory = fields.take("memory").map_or(Some(usual.memory_mib), |spot| spot.memory(report));
    let cpus = fields.take("cpus").map_or(Some(usual.cpus), |spot| {
        spot.number(report, 1..=MOST_CPUS).and_then(|count| u32::try_from(count).ok())
    });
    let firmwares = [("bios", Firmware::Bios), ("uefi", Firmware::Uefi)];
    let firmware = fields
        .take("firmware")
        .map_or(Some(usual.firmware), |spot| spot.choice(report, &firmwares));
    let display =
        fields.take("display").map_or(Some(usual.display), |spot| spot.choice(report, &DISPLAYS));
    let networks = [("none", Network::None), ("user", Network::User)];
    let network =
        fields.take("network").map_or(Some(usual.network), |spot| match &spot.node.value {
            // YAML's word for nothing, and `network: false`.
            Value::Null => Some(Network::None),
            Value::Scalar { text, plain: true } if super::value::switch(text) == Some(false) => {
                Some(Network::None)
            }
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => spot.choice(report, &networks),
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
    fields.finish(report, Block::Ours);
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
    let mut fields = spot.fields(report, "a file")?;
    let found = fields.need(report, "url", "the file's path");
    let path = found.and_then(|spot| url(report, &spot, variables));
    let sha256 = fields.take("sha256sum");
    let sha256 = sha256.map_or(Some(None), |spot| digest(report, &spot).map(Some));
    fields.finish(report, Block::Ours);
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
    let Some(mut fields) = spot.fields(report, "LAVA's context") else { return asked };
    if let Some(spot) = fields.take("arch") {
        spot.choice(report, &[("amd64", ()), ("x86_64", ())]);
    }
    asked.memory_mib = fields.take("memory").and_then(|spot| spot.memory(report));
    if let Some(spot) = fields.take("no_network") {
        asked.no_network = spot.switch(report).unwrap_or(false);
    }
    if let Some(spot) = fields.take("netdevice") {
        spot.choice(report, &[("user", ())]);
    }
    if let Some(spot) = fields.take("extra_options") {
        extra_options(report, &spot, &mut asked);
    }
    fields.refuse(report, &[("machine", HARDWARE), ("cpu", HARDWARE), ("vga", HARDWARE)]);
    fields.ignore(
        report,
        &[
            ("no_kvm", "this box uses KVM where a guest has been proved to run under it"),
            ("model", "the network card is the device type's"),
            ("monitor", "the engine owns the monitor"),
            ("serial", "the engine owns the consoles"),
        ],
    );
    for name in [
        "boot_console",
        "boot_root",
        "guestfs_driveid",
        "guestfs_interface",
        "guestfs_size",
        "boot_character_delay",
        "test_character_delay",
        "deploy_character_delay",
        "boot_retry",
        "failure_retry",
        "kernel_start_message",
        "lava_test_results_dir",
        "custom_kernel_args",
        "extra_kernel_args",
    ] {
        fields.ignore(report, &[(name, NO_SHELL)]);
    }
    fields.finish(report, Block::Lava);
    asked
}

fn extra_options(report: &mut Report, spot: &Spot<'_>, asked: &mut Asked) {
    let Some(items) = spot.list(report, "QEMU options") else { return };
    let options: Vec<_> =
        items.iter().filter_map(|spot| spot.line(report, super::variables::LONGEST_TEXT)).collect();
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
