//! What a job is to do, after its text has been read and checked.
//!
//! `job_file` makes it, the engine carries it out. It travels between them as JSON inside
//! [`EngineOrder`], so fields are added, never changed.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{After, Digest, JobId, Priority, TagQuery, Timeout, Visibility};

/// A job, typed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub name: String,
    pub device_type: String,
    pub priority: Priority,
    pub tags: Vec<String>,
    pub visibility: Visibility,
    pub timeouts: Timeouts,
    pub metadata: BTreeMap<String, String>,
    pub settings: BTreeMap<String, String>,
    pub stream: Option<String>,
    /// All of these must have ended so before it starts.
    #[serde(default)]
    pub after: Vec<After>,
    /// In order: any number of `deploy`, `boot` and `test`.
    pub actions: Vec<Action>,
}

impl Definition {
    /// The guest of the first `boot` action.
    pub fn guest(&self) -> Option<&Guest> {
        self.actions.iter().find_map(|action| match &action.work {
            Work::Boot(boot) => Some(&boot.guest),
            Work::Deploy(_) | Work::Test(_) => None,
        })
    }
}

/// How long things may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    pub job: Timeout,
    /// For every action that names none of its own.
    pub action: Timeout,
    /// It ends when it has waited for so long.
    #[serde(default)]
    pub queue: Option<Duration>,
}

/// One entry of `actions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Its own, or the definition's for every action.
    pub timeout: Timeout,
    pub work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Deploy(Deploy),
    Boot(Box<Boot>),
    Test(Test),
}

impl Work {
    pub const fn part(&self) -> super::Part {
        match self {
            Self::Deploy(_) => super::Part::Deploy,
            Self::Boot(_) => super::Part::Boot,
            Self::Test(_) => super::Part::Test,
        }
    }

    /// What results and events call it.
    pub fn name(&self) -> &str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Boot(_) => "boot",
            Self::Test(test) => &test.name,
        }
    }
}

/// LAVA's `deploy: {to: tmpfs, images: …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// In the order of the file: QEMU sees their arguments in this order.
    pub images: Vec<Image>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    pub name: String,
    pub source: Source,
    /// QEMU arguments, already taken apart and found harmless; `{name}` stands for the file.
    pub arguments: Vec<String>,
}

/// A file on this box, as the job names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Relative to the bundle, or absolute and below an allowed root.
    pub path: PathBuf,
    pub sha256: Option<Digest>,
}

/// LAVA's `boot: {method: qemu}` with our `guest` block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Boot {
    pub guest: Guest,
}

/// The machine to boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guest {
    pub memory_mib: u32,
    pub cpus: u32,
    pub firmware: Firmware,
    pub display: Display,
    pub network: Network,
    pub disk: Option<Source>,
    pub cdrom: Option<Source>,
    pub kernel: Option<Source>,
    pub initrd: Option<Source>,
    pub append: Option<String>,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            cpus: 1,
            firmware: Firmware::Bios,
            display: Display::Std,
            network: Network::None,
            disk: None,
            cdrom: None,
            kernel: None,
            initrd: None,
            append: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Firmware {
    Bios,
    Uefi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Display {
    /// QEMU's standard VGA.
    Std,
    Virtio,
    Cirrus,
    /// No graphics at all: serial only.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    None,
    /// QEMU's user-mode network: the guest reaches out, nobody reaches in.
    User,
}

/// LAVA's `test:` with one of our kinds below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    pub name: String,
    pub screen: ScreenTest,
}

/// Steps on the screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScreenTest {
    /// Folder of needles, relative to the bundle or absolute and below an allowed root.
    pub needles: Option<PathBuf>,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    Step(Step),
    Module(Module),
}

/// Steps that belong together, with os-autoinst's flags.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Module {
    pub name: String,
    pub flags: ModuleFlags,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleFlags {
    /// When it fails, nothing after it runs.
    pub fatal: bool,
    /// Its failure does not fail the job.
    pub ignore_failure: bool,
}

/// One thing to do, with everything spelled out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Step {
    /// Wait until a needle with these tags matches; fail when none does in time.
    AssertScreen { tags: TagQuery, timeout: Timeout },
    /// The same, but never fails.
    CheckScreen { tags: TagQuery, timeout: Timeout },
    /// Wait for a match and click on it.
    AssertAndClick {
        tags: TagQuery,
        timeout: Timeout,
        button: Button,
        double: bool,
        point: Option<String>,
    },
    /// Press and release keys together, as in `ctrl-alt-f2`.
    SendKey { keys: String },
    /// Type characters of a US keyboard; `\n` is the return key.
    TypeString { text: String, secret: bool, interval: Duration },
    /// Wait until the screen has not changed for `still`.
    WaitStillScreen { still: Duration, timeout: Timeout, similarity_db: f64 },
    /// Wait until the serial console has said something that fits the expression.
    WaitSerial { regex: String, timeout: Timeout },
    /// Keep the screen as it is now as a result.
    SaveScreenshot,
    /// Switch the machine.
    Power { action: PowerAction },
}

impl Step {
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::AssertScreen { .. } => "assert_screen",
            Self::CheckScreen { .. } => "check_screen",
            Self::AssertAndClick { .. } => "assert_and_click",
            Self::SendKey { .. } => "send_key",
            Self::TypeString { .. } => "type_string",
            Self::WaitStillScreen { .. } => "wait_still_screen",
            Self::WaitSerial { .. } => "wait_serial",
            Self::SaveScreenshot => "save_screenshot",
            Self::Power { .. } => "power",
        }
    }

    /// How long it may wait, if it waits.
    pub const fn timeout(&self) -> Option<&Timeout> {
        match self {
            Self::AssertScreen { timeout, .. }
            | Self::CheckScreen { timeout, .. }
            | Self::AssertAndClick { timeout, .. }
            | Self::WaitStillScreen { timeout, .. }
            | Self::WaitSerial { timeout, .. } => Some(timeout),
            Self::SendKey { .. }
            | Self::TypeString { .. }
            | Self::SaveScreenshot
            | Self::Power { .. } => None,
        }
    }

    /// What it is about, for one line on a page. Secrets stay secret.
    pub fn subject(&self) -> String {
        match self {
            Self::AssertScreen { tags, .. }
            | Self::CheckScreen { tags, .. }
            | Self::AssertAndClick { tags, .. } => tags.to_string(),
            Self::SendKey { keys } => keys.clone(),
            Self::TypeString { secret: true, .. } => "(secret)".into(),
            Self::TypeString { text, .. } => format!("{text:?}"),
            Self::WaitStillScreen { still, .. } => format!("{} s", still.as_secs_f64()),
            Self::WaitSerial { regex, .. } => regex.clone(),
            Self::SaveScreenshot => String::new(),
            Self::Power { action } => action.name().into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    Left,
    Middle,
    Right,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerAction {
    /// Pull the plug.
    Off,
    /// Press the reset button.
    Reset,
    /// Press the power button.
    Acpi,
}

impl PowerAction {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Reset => "reset",
            Self::Acpi => "acpi",
        }
    }
}

/// How guests of this box run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Acceleration {
    /// Proved: a guest made progress under it.
    Kvm,
    /// Plain emulation.
    Tcg,
}

impl Acceleration {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// All an engine needs to know: `order.json` in the job's folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineOrder {
    pub job: JobId,
    pub uuid: uuid::Uuid,
    pub definition: Definition,
    /// Folder the definition's relative paths start from.
    pub bundle: PathBuf,
    /// Absolute paths outside these are refused.
    pub roots: Vec<PathBuf>,
    pub acceleration: Acceleration,
    /// The engine ends when the process that started it does (`sutler run`).
    pub bound_to_parent: bool,
    /// Absent in orders of older versions.
    #[serde(default)]
    pub log: EngineLog,
    /// What the job is held to. Absent in orders of older versions.
    #[serde(default)]
    pub limits: Vec<super::Limit>,
}

/// What an engine logs, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineLog {
    /// A level, or several by part.
    pub level: String,
    /// Into systemd's journal, beside the file in the job's folder.
    pub to_journal: bool,
}

impl Default for EngineLog {
    fn default() -> Self {
        Self { level: "info".into(), to_journal: false }
    }
}
