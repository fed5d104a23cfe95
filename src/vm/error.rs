//! What can go wrong with a machine, and who has to act.

use std::{io, path::PathBuf, process::ExitStatus, time::Duration};

use crate::{
    model::{Code, Who},
    proto::{keymap::KeymapError, qmp::QmpError, rfb::RfbError},
};

#[derive(Debug, thiserror::Error)]
pub enum VmError {
    #[error("could not use the job's folder {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{tool} is not installed")]
    MissingTool { tool: PathBuf },
    #[error("could not run {tool}")]
    Tool { tool: &'static str, source: io::Error },
    #[error("qemu-img could not read {}: {words}", path.display())]
    NotAnImage { path: PathBuf, words: String },
    #[error("{} is refused: {why}", path.display())]
    UnsafeImage { path: PathBuf, why: &'static str },
    #[error("could not make an overlay on {}: {words}", path.display())]
    Overlay { path: PathBuf, words: String },
    #[error("the firmware file {} is missing", path.display())]
    MissingFirmware { path: PathBuf },
    /// QEMU ended before it was ready: most often it refused an argument.
    #[error("qemu did not start: {status}{}", last(lines))]
    NotStarted { status: ExitStatus, lines: Vec<String> },
    #[error("qemu was not ready within {} s{}", waited.as_secs(), last(lines))]
    NotReady { waited: Duration, lines: Vec<String> },
    #[error("could not speak to qemu's {what}")]
    Socket { what: &'static str, source: io::Error },
    #[error("could not understand qemu's monitor")]
    Monitor { source: QmpError },
    #[error("could not understand qemu's screen")]
    Screen { source: RfbError },
    #[error("qemu refused {command}: {words}")]
    Refused { command: &'static str, words: String },
    #[error("qemu did not answer {command} within {} s", waited.as_secs())]
    NoAnswer { command: &'static str, waited: Duration },
    #[error("could not press the keys")]
    Keys { source: KeymapError },
    #[error("the guest has no screen")]
    NoScreen,
    #[error("the machine has ended")]
    Ended,
}

fn last(lines: &[String]) -> String {
    lines.last().map(|line| format!(": {line}")).unwrap_or_default()
}

impl VmError {
    /// Who has to act.
    pub const fn who(&self) -> Who {
        match self {
            Self::NotAnImage { .. }
            | Self::UnsafeImage { .. }
            | Self::NotStarted { .. }
            | Self::Keys { .. }
            | Self::NoScreen => Who::Author,
            Self::MissingTool { .. } | Self::MissingFirmware { .. } => Who::Lab,
            Self::Folder { .. }
            | Self::Tool { .. }
            | Self::Overlay { .. }
            | Self::NotReady { .. }
            | Self::NoAnswer { .. }
            | Self::Ended => Who::Host,
            Self::Socket { .. }
            | Self::Monitor { .. }
            | Self::Screen { .. }
            | Self::Refused { .. } => Who::Sutler,
        }
    }

    /// The reason from the closed list.
    pub const fn code(&self) -> Code {
        match self {
            Self::NotAnImage { .. } | Self::UnsafeImage { .. } => Code::BadFile,
            Self::NotStarted { .. } | Self::NotReady { .. } => Code::QemuNotStarted,
            Self::Keys { .. } | Self::NoScreen => Code::BadStep,
            Self::MissingTool { .. } | Self::MissingFirmware { .. } => Code::MissingTool,
            Self::Folder { .. } | Self::Tool { .. } | Self::Overlay { .. } => Code::HostResources,
            Self::Ended | Self::Socket { .. } | Self::NoAnswer { .. } => Code::QemuDied,
            Self::Monitor { .. } | Self::Screen { .. } | Self::Refused { .. } => Code::Internal,
        }
    }

    /// Last lines QEMU said, oldest first, where it said any.
    pub fn lines(&self) -> &[String] {
        match self {
            Self::NotStarted { lines, .. } | Self::NotReady { lines, .. } => lines,
            Self::Folder { .. }
            | Self::MissingTool { .. }
            | Self::Tool { .. }
            | Self::NotAnImage { .. }
            | Self::UnsafeImage { .. }
            | Self::Overlay { .. }
            | Self::MissingFirmware { .. }
            | Self::Socket { .. }
            | Self::Monitor { .. }
            | Self::Screen { .. }
            | Self::Refused { .. }
            | Self::NoAnswer { .. }
            | Self::Keys { .. }
            | Self::NoScreen
            | Self::Ended => &[],
        }
    }
}
