//! The devices file: what this box has to run jobs on, where its keeper wants to say so in a file.
//!
//! ```toml
//! [[device_type]]
//! name = "qemu-x86_64"
//! health_check = { job = "/etc/sutler/health/boots.yaml", every = "1d", after_jobs = 100 }
//!
//! [[device]]
//! name = "small-1"
//! device_type = "qemu-x86_64"
//! tags = ["small"]
//! memory = "2G"
//! ```

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::model::{
    Architecture, Device, DeviceType, HealthCheck,
    problem::{Place, Problem, Problems},
    quantity::{self, LEAST_MEMORY_MIB},
};

/// Devices, and as many types, at most.
const MOST: usize = 10_000;
/// Bytes of a name, and of a tag.
pub const LONGEST_DEVICE_NAME: usize = 60;
/// Memory of a device.
const MOST_MIB: f64 = 4e9;
/// Tags of one device.
const MOST_TAGS: usize = 50;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DevicesFile {
    pub types: Vec<DeviceType>,
    pub devices: Vec<Device>,
}

/// Why the devices file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum DevicesFileError {
    #[error("could not read {}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} has a mistake", path.display())]
    Mistake { path: PathBuf, problems: Box<Problems> },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    device_type: Vec<toml::Spanned<WrittenType>>,
    #[serde(default)]
    device: Vec<toml::Spanned<WrittenDevice>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenType {
    name: String,
    #[serde(default)]
    architecture: Architecture,
    #[serde(default)]
    description: String,
    health_check: Option<WrittenCheck>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCheck {
    job: PathBuf,
    #[serde(default, deserialize_with = "time")]
    every: Option<Duration>,
    after_jobs: Option<std::num::NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDevice {
    name: String,
    device_type: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    #[serde(default, deserialize_with = "memory")]
    memory: Option<u32>,
    cores: Option<std::num::NonZeroU32>,
    at_once: Option<std::num::NonZeroU32>,
    #[serde(default)]
    description: String,
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let time = quantity::duration(&text).filter(|time| *time >= Duration::from_secs(60));
    time.map(Some).ok_or_else(|| D::Error::custom("a time of a minute or more, as \"1d\""))
}

fn memory<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(from)?;
    memory_mib(&text).map(Some).map_err(|wrong| D::Error::custom(format!("{text:?}: {wrong}")))
}

/// What is no memory of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMemory {
    #[error("memory is a number with its unit: write 2G or 512M")]
    NoSize,
    #[error("guests have {LEAST_MEMORY_MIB}M or more: write 2G or 512M")]
    TooLittle,
    #[error("no box has that much: write 2G or 512M")]
    TooMuch,
}

/// `2G` in MiB.
///
/// # Errors
/// When it has no unit, or nothing could run on such a device.
pub fn memory_mib(text: &str) -> Result<u32, NotMemory> {
    let mib = quantity::mib_with_unit(text).ok_or(NotMemory::NoSize)?;
    if mib < f64::from(LEAST_MEMORY_MIB) {
        return Err(NotMemory::TooLittle);
    }
    if mib > MOST_MIB {
        return Err(NotMemory::TooMuch);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded")]
    Ok(mib.round() as u32)
}

/// Reads the file; one that is not there names nothing.
///
/// # Errors
/// With the first mistake in it, or when it cannot be read.
pub fn read_devices(path: &Path) -> Result<DevicesFile, DevicesFileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(DevicesFile::default()),
        Err(source) => return Err(DevicesFileError::Unreadable { path: path.into(), source }),
    };
    parse(&text).map_err(|problem| {
        let name = path.display().to_string();
        let problems = Box::new(Problems::one(&name, &text, *problem));
        DevicesFileError::Mistake { path: path.into(), problems }
    })
}

fn parse(text: &str) -> Result<DevicesFile, Box<Problem>> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let found = error.message().to_owned();
        Problem::new(Place::at(text, at), "", found, "devices and device types")
            .help("see `sutler handbook devices` for what may stand here")
            .boxed()
    })?;
    let at = |offset| Place::at(text, offset);
    let mut file = DevicesFile::default();
    for entry in written.device_type {
        let place = at(entry.span().start);
        let WrittenType { name, architecture, description, health_check } = entry.into_inner();
        check_name(place, &name)?;
        if file.types.iter().any(|kind| kind.name == name) {
            return Err(twice(place, &name));
        }
        let health_check = health_check.map(|check| HealthCheck {
            job: check.job,
            every: check.every,
            after_jobs: check.after_jobs.map(Into::into),
        });
        if let Some(check) = health_check.as_ref().filter(|check| !check.job.is_absolute()) {
            let found = format!("the health check {}", check.job.display());
            return Err(Problem::new(place, "health_check.job", found, "an absolute path").boxed());
        }
        file.types.push(DeviceType { name, architecture, description, health_check });
    }
    for entry in written.device {
        let place = at(entry.span().start);
        let device = entry.into_inner();
        check_name(place, &device.name)?;
        check_name(place, &device.device_type)?;
        for tag in &device.tags {
            check_name(place, tag)?;
        }
        if device.tags.len() > MOST_TAGS {
            let found = format!("{} tags", device.tags.len());
            return Err(Problem::new(place, "tags", found, format!("at most {MOST_TAGS}")).boxed());
        }
        if file.devices.iter().any(|other| other.name == device.name) {
            return Err(twice(place, &device.name));
        }
        file.devices.push(Device {
            name: device.name,
            device_type: device.device_type,
            tags: device.tags,
            memory_mib: device.memory,
            cores: device.cores.map(Into::into),
            at_once: device.at_once.map(Into::into),
            description: device.description,
        });
    }
    if file.devices.len().max(file.types.len()) > MOST {
        let found = format!("{} devices", file.devices.len());
        return Err(Problem::new(at(0), "", found, format!("at most {MOST}")).boxed());
    }
    Ok(file)
}

fn twice(place: Place, name: &str) -> Box<Problem> {
    Problem::new(place, "name", format!("{name} a second time"), "a name of its own").boxed()
}

fn check_name(place: Place, name: &str) -> Result<(), Box<Problem>> {
    if is_device_name(name) {
        return Ok(());
    }
    let expected = format!("1 to {LONGEST_DEVICE_NAME} letters, digits, `_`, `-` and `.`");
    Err(Problem::new(place, "", format!("the name {name:?}"), expected).boxed())
}

/// What devices, their types and their tags may be called.
pub fn is_device_name(name: &str) -> bool {
    (1..=LONGEST_DEVICE_NAME).contains(&name.len())
        && !name.starts_with('.')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_there_is() {
        let file = parse(
            r#"
            [[device_type]]
            name = "qemu-x86_64"
            health_check = { job = "/etc/sutler/boots.yaml", every = "1d", after_jobs = 100 }

            [[device]]
            name = "small-1"
            device_type = "qemu-x86_64"
            tags = ["small"]
            memory = "2G"
            at_once = 2
            "#,
        )
        .unwrap();
        let check = file.types[0].health_check.as_ref().unwrap();
        assert_eq!((check.every, check.after_jobs), (Some(Duration::from_secs(86_400)), Some(100)));
        let Device { name, memory_mib, cores, at_once, .. } = &file.devices[0];
        assert_eq!(
            (name.as_str(), *memory_mib, *cores, *at_once),
            ("small-1", Some(2048), None, Some(2))
        );
        assert_eq!(parse(""), Ok(DevicesFile::default()));
    }

    #[test]
    fn memory_is_written_with_its_unit_and_is_enough_for_a_guest() {
        for (text, expected) in [
            ("2G", Ok(2_048)),
            ("4M", Ok(4)),
            ("2", Err(NotMemory::NoSize)),
            ("2048", Err(NotMemory::NoSize)),
            ("much", Err(NotMemory::NoSize)),
            ("-2G", Err(NotMemory::NoSize)),
            ("3.9M", Err(NotMemory::TooLittle)),
            ("0G", Err(NotMemory::TooLittle)),
            ("9999999T", Err(NotMemory::TooMuch)),
        ] {
            assert_eq!(memory_mib(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_shown_where_it_is() {
        let device = "[[device]]\nname = \"a\"\ndevice_type = \"qemu\"\n";
        for (text, line, words) in [
            (format!("{device}{device}"), 4, "a second time"),
            (format!("{device}colour = 1\n"), 4, "unknown field `colour`"),
            (
                format!("{device}memory = \"lots\"\n"),
                4,
                "\"lots\": memory is a number with its unit",
            ),
            (format!("{device}memory = \"2\"\n"), 4, "write 2G or 512M"),
            (format!("{device}memory = \"2M\"\n"), 4, "guests have 4M or more"),
            ("[[device]]\nname = \"a b\"\ndevice_type = \"q\"\n".into(), 1, "the name \"a b\""),
            ("[[device]]\nname = \"a\"\n".into(), 1, "missing field `device_type`"),
            (
                "[[device_type]]\nname = \"q\"\narchitecture = \"z80\"\n".into(),
                3,
                "unknown variant `z80`",
            ),
        ] {
            let problem = parse(&text).unwrap_err();
            assert_eq!(problem.place.line, line, "{text}");
            assert!(problem.found.contains(words), "{problem:?}");
        }
    }
}
