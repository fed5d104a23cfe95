//! Looks at the box. Judges nothing.
//!
//! What takes processes to find out (QEMU's own words, whether the clock is kept) is remembered by
//! the [`Looker`] for as long as it cannot have changed, so that an appliance can look every
//! minute.

mod folders;
mod host;
mod programs;

use std::{os::unix::net::UnixStream, path::PathBuf};

pub(super) use folders::{Disk, Folder, FolderState, Watching};
pub(super) use host::{Account, ClockFacts, KeptTime, Memory, Open};
pub(super) use programs::{Asked, Program, Qemu};

use crate::{
    clock::Stopwatch,
    config::{Host, Lends, Settings},
    supervise,
    tasks::blocking,
    vm::{self, Proof},
};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// The appliance itself: the page's port and the socket are its own.
    Appliance,
    /// A command.
    Person,
}

/// What was seen.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) viewer: Viewer,
    pub(super) qemu: Qemu,
    /// The other programs the appliance starts.
    pub(super) programs: Vec<Program>,
    /// None where there is no QEMU to ask.
    pub(super) acceleration: Option<Proof>,
    /// Where the proof is kept until the next boot.
    pub(super) proof: PathBuf,
    pub(super) memory: Memory,
    pub(super) lends: Lends,
    pub(super) data: Folder,
    pub(super) disk: Option<Disk>,
    pub(super) inbox: Folder,
    pub(super) watching: Watching,
    pub(super) account: Account,
    pub(super) clock: ClockFacts,
    pub(super) open_files: Open,
    /// Processes of jobs whose engine is gone: number and name.
    pub(super) left_over: Vec<(i32, String)>,
    pub(super) socket: PathBuf,
    pub(super) appliance_answers: bool,
    pub(super) listen: String,
    /// Why the page's address cannot be had; asked only where no appliance answers.
    pub(super) listen_refused: Option<String>,
}

/// Looks, and remembers what costs more than a look.
#[derive(Debug)]
pub struct Looker {
    settings: Settings,
    host: Host,
    viewer: Viewer,
    proof: PathBuf,
    qemu: Option<programs::Known>,
    kept_time: Option<(Stopwatch, KeptTime)>,
    started: host::Moment,
}

impl Looker {
    /// `proof` is the file in which the proof of acceleration is kept until the next boot.
    pub fn new(settings: Settings, host: Host, viewer: Viewer, proof: PathBuf) -> Self {
        let started = host::Moment::now();
        Self { settings, host, viewer, proof, qemu: None, kept_time: None, started }
    }

    pub(super) async fn look(&mut self) -> Facts {
        let qemu = programs::qemu(&mut self.qemu).await;
        let acceleration = match &qemu.version {
            Ok(_) => Some(vm::probe(vm::QEMU.as_ref(), &self.proof).await),
            Err(_) => None,
        };
        let kept = self.kept_time().await;
        let (settings, total_mib, viewer) =
            (self.settings.clone(), self.host.memory_mib, self.viewer);
        let (proof, started) = (self.proof.clone(), self.started);
        blocking(move || {
            let socket = settings.socket();
            let appliance_answers =
                viewer == Viewer::Appliance || UnixStream::connect(&socket).is_ok();
            let listen = settings.listen.to_string();
            let listen_refused = if appliance_answers {
                None
            } else {
                std::net::TcpListener::bind(settings.listen).err().map(|error| error.to_string())
            };
            Facts {
                viewer,
                programs: programs::others(),
                qemu,
                acceleration,
                proof,
                memory: Memory { total_mib, available_mib: host::available_mib() },
                lends: settings.lends,
                data: folders::folder(&settings.data),
                disk: folders::disk(&settings.data),
                inbox: folders::folder(&settings.inbox),
                watching: folders::watching(&settings.inbox),
                account: Account::look(),
                clock: ClockFacts { now: crate::clock::now(), kept, jumped: started.jumped() },
                open_files: Open::look(),
                left_over: supervise::left_over(&settings.data.join("jobs")).unwrap_or_default(),
                socket,
                appliance_answers,
                listen,
                listen_refused,
            }
        })
        .await
    }

    async fn kept_time(&mut self) -> KeptTime {
        if let Some((since, kept)) = &self.kept_time
            && since.elapsed() < host::TIME_KEPT_FOR
        {
            return *kept;
        }
        let kept = host::kept_time().await;
        self.kept_time = Some((Stopwatch::start(), kept));
        kept
    }
}
