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

mod allowed;

use crate::model::Display;

use self::allowed::{DEVICE, DEVICES, DRIVE, OPTIONS, REFUSED, Shape, Value};
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
