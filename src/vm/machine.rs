//! One machine from its start to its end.

use std::{
    fs, io::ErrorKind, os::fd::OwnedFd, path::Path, process::ExitStatus, sync::Arc, time::Duration,
};

use rustix::fs::{Mode, OFlags};
use tokio::{
    net::{UnixListener, UnixStream},
    process::Child,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

use super::{
    MachineEvent, MachineSpec, Monitor, ScreenHandle, VmError,
    arguments::{DISK_OVERLAY, QMP_SOCKET, SERIAL_SOCKET, VARIABLES_OVERLAY, VNC_SOCKET},
    child::{self, Killer, Log},
    create_overlay, image_info,
    monitor::{self, RunState},
    overlay::ImageFormat,
    screen,
};
use crate::{
    gauges::Timings,
    model::{Display, PowerAction},
    picture::Frame,
    sockets,
    tasks::Tasks,
};

/// From its start until QEMU is connected: half a second here, more on a host under load.
const START: Duration = Duration::from_secs(60);
/// How long QEMU may take to end when asked by its monitor, then by a signal.
const QUIT: Duration = Duration::from_secs(5);
const TERMINATE: Duration = Duration::from_secs(3);

/// How [`Machine::close`] had to end QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It had ended before.
    Already,
    /// It was asked through its monitor.
    Quit,
    Terminated,
    Killed,
}

/// What [`Machine::close`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub ending: Ending,
    /// `None` only when the host could not tell.
    pub status: Option<ExitStatus>,
}

/// A machine. Dropping it kills QEMU; [`Machine::close`] ends it in good order.
#[derive(Debug)]
pub struct Machine {
    /// Newest frame; `None` until the first. A reader that has missed a [`Frame::number`] has
    /// missed damage. The channel closes when no more frames come.
    pub frames: watch::Receiver<Option<Arc<Frame>>>,
    /// Never lost, in order; [`MachineEvent::QemuExited`] is the last. May be left unread as long
    /// as wanted. Cancel safe.
    pub events: mpsc::Receiver<MachineEvent>,
    pub screen: ScreenHandle,
    pub monitor: Monitor,
    /// Of QEMU's process, as long as it lives; see [`Monitor::has_ended`].
    pub pid: Option<u32>,
    serial: Option<UnixStream>,
    killer: Killer,
    tasks: Tasks,
}

impl Machine {
    /// Starts QEMU in `folder`, connected and paused before its first instruction.
    ///
    /// Makes the overlays of `spec` in the folder, replacing old ones. The machine's tasks stop
    /// (and QEMU is killed) when `tasks` stops. The calling *thread* has to live as long as the
    /// machine: QEMU dies with it. [`Frame::at`] is measured by the clock of `timings`.
    pub async fn start(
        spec: &MachineSpec,
        folder: &Path,
        timings: &Timings,
        tasks: &Tasks,
    ) -> Result<Self, VmError> {
        prepare(spec, folder).await?;
        let sockets = Sockets::bind(folder, spec.display)?;
        let tasks = Tasks::new(tasks.stop.child_token());
        let (child, killer, log) = child::spawn(spec, folder, &tasks)?;
        let started = Self::connect(spec, (child, killer, log), &sockets, timings, &tasks).await;
        if started.is_err() {
            tasks.close().await;
        }
        started
    }

    async fn connect(
        spec: &MachineSpec,
        (mut child, killer, log): (Child, Killer, Log),
        sockets: &Sockets,
        timings: &Timings,
        tasks: &Tasks,
    ) -> Result<Self, VmError> {
        let connected = tokio::select! {
            connected = timeout(START, sockets.accept()) => connected,
            status = child.wait() => {
                let status = status.map_err(|source| VmError::Tool { tool: "qemu", source })?;
                return Err(not_started(spec, status, &log).await);
            }
        };
        let not_ready = || VmError::NotReady { waited: START, lines: log.lines() };
        let Streams { qmp, vnc, serial } = connected.map_err(|_| not_ready())??;

        let pid = child.id();
        let (sender, events) = mpsc::channel(64);
        let process = (child, killer.clone(), log.clone());
        let (owner, monitor) =
            monitor::Owner::new(process, qmp, sender.clone(), tasks.stop.clone());
        tasks.spawn(owner.run());
        let (screen, frames, introduced) = match vnc {
            None => {
                let (handle, frames) = screen::none();
                (handle, frames, None)
            }
            Some(stream) => {
                let (ready, introduced) = oneshot::channel();
                let (owner, handle, frames) = screen::Owner::new(stream, timings.clone(), ready);
                let exited = ended(monitor.exited.clone());
                tasks.spawn(owner.run(sender, exited, tasks.stop.clone()));
                (handle, frames, Some(introduced))
            }
        };
        let tasks = tasks.clone();
        let serial = Some(serial);
        let machine = Self { frames, events, screen, monitor, pid, serial, killer, tasks };
        machine.monitor.run_state().await?;
        if let Some(introduced) = introduced {
            let introduced = timeout(START, introduced).await.map_err(|_| not_ready())?;
            introduced.map_err(|_| VmError::NoScreen)?;
        }
        Ok(machine)
    }

    /// The first serial port, for `console`; `None` when it has been taken. Unread, the guest
    /// waits as soon as it has said more than the socket holds.
    pub const fn take_serial(&mut self) -> Option<UnixStream> {
        self.serial.take()
    }

    /// Lets the guest run.
    pub async fn cont(&self) -> Result<(), VmError> {
        self.monitor.cont().await
    }

    /// Holds the guest between two instructions.
    pub async fn stop(&self) -> Result<(), VmError> {
        self.monitor.stop().await
    }

    /// Carries out a step's wish. [`PowerAction::Off`] ends QEMU.
    pub async fn power(&self, action: PowerAction) -> Result<(), VmError> {
        self.monitor.power(action).await
    }

    pub async fn run_state(&self) -> Result<RunState, VmError> {
        self.monitor.run_state().await
    }

    /// Ends QEMU: asks its monitor, then by signal, then kills; reaps it and ends every task of
    /// the machine. Takes at most [`QUIT`] and [`TERMINATE`]. A guest that should shut itself down
    /// is asked with [`Machine::power`] before. Overlays stay in the folder.
    pub async fn close(mut self) -> Closed {
        // Nobody reads them any more, and the owner must not wait for that.
        self.events.close();
        self.screen.attention(false);
        let mut exited = self.monitor.exited.clone();
        let ending = self.end(&mut exited).await;
        let status = *exited.borrow();
        self.tasks.close().await;
        Closed { ending, status }
    }

    async fn end(&self, exited: &mut watch::Receiver<Option<ExitStatus>>) -> Ending {
        if exited.borrow().is_some() {
            return Ending::Already;
        }
        let quit = async {
            // A QEMU that has just ended refuses; that it ended is all that counts.
            let _ = self.monitor.quit().await;
            ended(exited.clone()).await;
        };
        if timeout(QUIT, quit).await.is_ok() {
            return Ending::Quit;
        }
        self.killer.terminate();
        if timeout(TERMINATE, ended(exited.clone())).await.is_ok() {
            return Ending::Terminated;
        }
        self.killer.kill();
        ended(exited.clone()).await;
        Ending::Killed
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.tasks.stop.cancel();
        self.killer.kill();
    }
}

/// Waits until QEMU has ended.
async fn ended(mut exited: watch::Receiver<Option<ExitStatus>>) {
    // An owner that is gone has ended QEMU as well.
    let _ = exited.wait_for(Option::is_some).await;
}

async fn not_started(spec: &MachineSpec, status: ExitStatus, log: &Log) -> VmError {
    log.whole(Duration::from_secs(1)).await;
    // What `setpriv` says when there is no such program.
    if status.code() == Some(127) {
        return VmError::MissingTool { tool: spec.qemu.clone() };
    }
    VmError::NotStarted { status, lines: log.lines() }
}

async fn prepare(spec: &MachineSpec, folder: &Path) -> Result<(), VmError> {
    if let Some(disk) = &spec.disk {
        let info = image_info(&spec.qemu_img, disk).await?;
        create_overlay(&spec.qemu_img, disk, info.format, &folder.join(DISK_OVERLAY)).await?;
    }
    if let Some(uefi) = &spec.uefi {
        for path in [&uefi.code, &uefi.variables] {
            if !path.exists() {
                return Err(VmError::MissingFirmware { path: path.clone() });
            }
        }
        let overlay = folder.join(VARIABLES_OVERLAY);
        create_overlay(&spec.qemu_img, &uefi.variables, ImageFormat::Raw, &overlay).await?;
    }
    Ok(())
}

/// Our ends of QEMU's connections, removed from the folder when dropped.
struct Sockets {
    qmp: UnixListener,
    vnc: Option<UnixListener>,
    serial: UnixListener,
    /// The sockets are bound and removed below this.
    folder: OwnedFd,
}

struct Streams {
    qmp: UnixStream,
    vnc: Option<UnixStream>,
    serial: UnixStream,
}

impl Sockets {
    fn bind(path: &Path, display: Display) -> Result<Self, VmError> {
        let failed = |source: rustix::io::Errno| VmError::Folder {
            path: path.into(),
            source: source.into(),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
        let bind = |name| {
            remove(&folder, name);
            UnixListener::bind(sockets::below(&folder, name))
                .map_err(|source| VmError::Folder { path: path.join(name), source })
        };
        let (qmp, serial) = (bind(QMP_SOCKET)?, bind(SERIAL_SOCKET)?);
        let vnc = if display == Display::None { None } else { Some(bind(VNC_SOCKET)?) };
        Ok(Self { qmp, vnc, serial, folder })
    }

    async fn accept(&self) -> Result<Streams, VmError> {
        let socket = |what| move |source| VmError::Socket { what, source };
        let (qmp, _) = self.qmp.accept().await.map_err(socket("monitor"))?;
        let (serial, _) = self.serial.accept().await.map_err(socket("serial port"))?;
        let vnc = match &self.vnc {
            Some(vnc) => Some(vnc.accept().await.map_err(socket("screen"))?.0),
            None => None,
        };
        Ok(Streams { qmp, vnc, serial })
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for name in [QMP_SOCKET, SERIAL_SOCKET, VNC_SOCKET] {
            remove(&self.folder, name);
        }
    }
}

fn remove(folder: &OwnedFd, name: &str) {
    if let Err(error) = fs::remove_file(sockets::below(folder, name))
        && error.kind() != ErrorKind::NotFound
    {
        tracing::warn!(%error, name, "could not remove a socket");
    }
}
