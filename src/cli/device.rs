//! `sutler device`: what this box has to run jobs on.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::{Device, DeviceList, DeviceLog, DeviceTypes, DevicesFile},
    client::Client,
    error::CliError,
    output, render,
};
use crate::{
    config::{is_device_name, memory_mib},
    markup::words::count,
    model::{DeviceHealth, quantity},
};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sutler device list
  sutler device add small-1 --type qemu-x86_64 --tag small --memory 2G --at-once 1
  sutler device maintenance small-1 'a new disk'      no job starts on it
  sutler device check small-1 'the disk is in'        its health check runs, then jobs do again
  sutler device type qemu-x86_64 --health-check /etc/sutler/boots.yaml --every 1d
  sutler device log small-1

What stands in the devices file is changed there (sutler config show devices), and then:

  sutler device reload")]
pub(super) enum DeviceCommand {
    /// List the devices: how each is, what it can do, what runs on it
    List,
    /// Show one device
    Show(Named),
    /// Add a device, or change one that was added so
    ///
    /// Of a device that is there, what is not said stays as it is.
    Add(Add),
    /// Take a device away; jobs that run on it go on
    Remove(Named),
    /// Let no job start on a device while somebody works on it
    Maintenance(Why),
    /// Take a device out of service for good
    Retire(Why),
    /// Say that a device is bad; no job starts on it
    Bad(Why),
    /// Say that a device is well, unchecked
    Good(Why),
    /// Say that nobody knows how a device is: its health check runs, where it has one
    Check(Why),
    /// Show what has happened to a device, newest first
    Log(Named),
    /// List the device types
    Types,
    /// Say what a device type is, and what checks its devices
    ///
    /// Of a type that is there, what is not said stays as it is.
    Type(Kind),
    /// Take away a device type that no device is of any more
    RemoveType(Named),
    /// Read the devices file again; one with a mistake changes nothing
    Reload,
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// Its name
    #[arg(value_parser = name)]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Why {
    #[command(flatten)]
    device: Named,
    /// Why, for everybody who wonders
    why: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[command(flatten)]
    device: Named,
    /// Its device type [default: qemu-x86_64]
    #[arg(long = "type", value_name = "TYPE", value_parser = name)]
    device_type: Option<String>,
    /// What it has, for jobs that ask for it; may be said more than once, and is then all it has
    #[arg(long = "tag", value_name = "TAG", value_parser = name, conflicts_with = "no_tags")]
    tags: Vec<String>,
    /// It has nothing special any longer
    #[arg(long)]
    no_tags: bool,
    /// The largest guest it can be, as 2G or 512M [default: what the box lends]
    #[arg(long, value_name = "SIZE", value_parser = memory_mib)]
    memory: Option<u32>,
    /// Processors of the largest guest [default: what the box lends]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    cores: Option<u32>,
    /// Guests at the same time [default: what the box lends]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// What others should know of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Kind {
    #[command(flatten)]
    kind: Named,
    /// What others should know of it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The job that finds out whether a device is well, an absolute path on the box
    ///
    /// It is looked at now: one that is not there, or that no device of the type could run, is refused.
    #[arg(long, value_name = "FILE", conflicts_with = "no_health_check")]
    health_check: Option<PathBuf>,
    /// No job finds that out any longer
    #[arg(long)]
    no_health_check: bool,
    /// Check each device when the last check is so long ago
    #[arg(long, value_name = "TIME", requires = "health_check", value_parser = seconds)]
    every: Option<u64>,
    /// Check a device after so many jobs
    #[arg(long, value_name = "COUNT", requires = "health_check", value_parser = clap::value_parser!(u32).range(1..))]
    after_jobs: Option<u32>,
}

pub(super) async fn run(
    command: &DeviceCommand,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let zone = TimeZone::system();
    let (raw, text) = match command {
        DeviceCommand::List => {
            let list = client.get::<DeviceList>("/api/devices").await?;
            (list.raw, render::devices(&list.read.devices, &zone))
        }
        DeviceCommand::Show(Named { name }) => {
            let device = client.get::<Device>(&format!("/api/devices/{name}")).await?;
            (device.raw, render::device(&device.read, &zone))
        }
        DeviceCommand::Add(add) => {
            let device = client.send_json::<Device>("/api/devices", &add.document()).await?;
            (device.raw, render::device(&device.read, &zone))
        }
        DeviceCommand::Remove(Named { name }) => {
            let answer = client.delete::<Value>(&format!("/api/devices/{name}")).await?;
            (answer.raw, format!("device {name} is gone\n"))
        }
        DeviceCommand::Maintenance(why) => set(why, DeviceHealth::Maintenance, client).await?,
        DeviceCommand::Retire(why) => set(why, DeviceHealth::Retired, client).await?,
        DeviceCommand::Bad(why) => set(why, DeviceHealth::Bad, client).await?,
        DeviceCommand::Good(why) => set(why, DeviceHealth::Good, client).await?,
        DeviceCommand::Check(why) => set(why, DeviceHealth::Unknown, client).await?,
        DeviceCommand::Log(Named { name }) => {
            let log = client.get::<DeviceLog>(&format!("/api/devices/{name}/log")).await?;
            (log.raw, render::device_log(&log.read.log, &zone))
        }
        DeviceCommand::Types => {
            let types = client.get::<DeviceTypes>("/api/device-types").await?;
            (types.raw, render::device_types(&types.read.device_types))
        }
        DeviceCommand::Type(kind) => {
            let answer = client.send_json::<Value>("/api/device-types", &kind.document()).await?;
            (answer.raw, format!("device type {} is as you say\n", kind.kind.name))
        }
        DeviceCommand::RemoveType(Named { name }) => {
            let answer = client.delete::<Value>(&format!("/api/device-types/{name}")).await?;
            (answer.raw, format!("device type {name} is gone\n"))
        }
        DeviceCommand::Reload => {
            let answer =
                client.send_json::<DevicesFile>("/api/devices-file/reload", &json!(null)).await?;
            (answer.raw, answer.read.words())
        }
    };
    if json {
        output::print_json(&raw)?;
    } else {
        output::print(&text)?;
    }
    Ok(0)
}

async fn set(
    Why { device: Named { name }, why }: &Why,
    health: DeviceHealth,
    client: &Client,
) -> Result<(Value, String), CliError> {
    let document = json!({ "health": health, "why": why });
    let path = format!("/api/devices/{name}/health");
    let answer = client.send_json::<Device>(&path, &document).await?;
    let text = match answer.read.running.len() {
        0 => format!("device {name} is {health}\n"),
        running => format!("device {name} is {health}; {running} of its jobs still run\n"),
    };
    Ok((answer.raw, text))
}

impl DevicesFile {
    fn words(&self) -> String {
        let Self { file, device_types, devices, changed } = self;
        let changed = if *changed { "" } else { "; nothing has changed" };
        let (devices, types) = (count(*devices, "device"), count(*device_types, "device type"));
        format!("{file} has {devices} and {types}{changed}\n")
    }
}

impl Add {
    fn document(&self) -> Value {
        let mut document = json!({ "name": self.device.name });
        let tags = (self.no_tags || !self.tags.is_empty()).then(|| json!(self.tags));
        for (field, said) in [
            ("device_type", self.device_type.as_ref().map(|said| json!(said))),
            ("tags", tags),
            ("memory_mib", self.memory.map(|said| json!(said))),
            ("cores", self.cores.map(|said| json!(said))),
            ("at_once", self.at_once.map(|said| json!(said))),
            ("description", self.description.as_ref().map(|said| json!(said))),
        ] {
            if let Some(said) = said {
                document[field] = said;
            }
        }
        document
    }
}

impl Kind {
    fn document(&self) -> Value {
        let mut document = json!({ "name": self.kind.name });
        if let Some(description) = &self.description {
            document["description"] = json!(description);
        }
        if let Some(job) = &self.health_check {
            document["health_check"] =
                json!({ "job": job, "every_s": self.every, "after_jobs": self.after_jobs });
        } else if self.no_health_check {
            document["health_check"] = Value::Null;
        }
        document
    }
}

fn name(text: &str) -> Result<String, &'static str> {
    let fine = is_device_name(text).then(|| text.to_owned());
    fine.ok_or("a name is made of letters, digits, `_`, `-` and `.`")
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    let time = quantity::duration(text).filter(|time| time.as_secs() >= 60);
    time.map(|time| time.as_secs()).ok_or("a time of a minute or more, as 1d or 12h")
}
