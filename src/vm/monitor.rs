//! The owner of QEMU's process and monitor: carries commands in and events out.
//!
//! It never waits for the reader of events, or a command and an unread event would wait for each
//! other; events queue up here instead, and a guest that resets in a loop fills the queue with one
//! entry. [`MachineEvent::QemuExited`] is always the last event.

use std::{collections::HashMap, collections::VecDeque, io, process::ExitStatus, time::Duration};

use serde_json::{Map, Value};
use tokio::{
    io::Interest,
    net::UnixStream,
    process::Child,
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    VmError,
    child::{Killer, Log},
};
use crate::{
    model::PowerAction,
    proto::qmp::{self, Event, Message},
};

/// QEMU answers in microseconds; only a host that stands still takes longer.
const ANSWER: Duration = Duration::from_secs(20);
/// A QEMU whose monitor is gone is ending, or useless.
const ENDING: Duration = Duration::from_secs(3);
/// Unread events beyond this are dropped unless they are about an end.
const MAX_PENDING: usize = 256;
/// Its last words, after its process has ended.
const MAX_LAST_WORDS: usize = 1 << 20;

/// Who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Guest,
    /// We, or somebody on this host.
    Host,
}

/// What happens to a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEvent {
    /// The machine is off. By the guest: QEMU stays, stopped, with the last screen. By the host:
    /// QEMU is about to end.
    GuestOff {
        by: By,
    },
    /// The machine starts anew. One reboot may come as more than one: SeaBIOS resets once more
    /// after a reset it did not expect, and that counts as the guest's.
    GuestReset {
        by: By,
    },
    /// The guest's kernel reported a panic; `info` may be empty.
    Panicked {
        info: String,
    },
    /// No guest instruction runs any more, or again.
    Stopped,
    Resumed,
    /// No more frames will come, though QEMU runs.
    ScreenLost {
        why: String,
    },
    /// The end, with what QEMU said last, oldest line first.
    QemuExited {
        status: ExitStatus,
        last_lines: Vec<String>,
    },
}

/// QEMU's answer to `query-status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunState {
    pub running: bool,
    /// QEMU's word: `running`, `paused`, `shutdown`, `prelaunch`, …
    pub name: String,
}

/// What the guest's disks did since QEMU began, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Reads, writes and flushes that are done.
    pub requests: u64,
    /// How long they took together.
    pub took: Duration,
}

impl DiskUse {
    /// Of QEMU's answer to `query-blockstats`; what it does not tell counts as nothing.
    fn of(answer: &Value) -> Self {
        let mut all = Self::default();
        for device in answer.as_array().into_iter().flatten() {
            let number = |name: &str| device["stats"][name].as_u64().unwrap_or(0);
            for kind in ["rd", "wr", "flush"] {
                all.requests += number(&format!("{kind}_operations"));
                all.took += Duration::from_nanos(number(&format!("{kind}_total_time_ns")));
            }
        }
        all
    }
}

#[derive(Debug)]
struct Request {
    command: &'static str,
    arguments: Map<String, Value>,
    answer: oneshot::Sender<Result<Value, String>>,
}

/// Sends to the owner of QEMU's monitor. Every call fails with [`VmError::Ended`] once QEMU has
/// ended.
#[derive(Debug, Clone)]
pub struct Monitor {
    requests: mpsc::Sender<Request>,
    pub(super) exited: watch::Receiver<Option<ExitStatus>>,
}

impl Monitor {
    /// Lets the guest run: at first, and after [`Monitor::stop`].
    pub async fn cont(&self) -> Result<(), VmError> {
        self.execute("cont").await.map(drop)
    }

    /// Holds the guest between two instructions.
    pub async fn stop(&self) -> Result<(), VmError> {
        self.execute("stop").await.map(drop)
    }

    pub async fn system_reset(&self) -> Result<(), VmError> {
        self.execute("system_reset").await.map(drop)
    }

    /// Presses the power button. What the guest makes of it, if anything, comes as an event.
    pub async fn system_powerdown(&self) -> Result<(), VmError> {
        self.execute("system_powerdown").await.map(drop)
    }

    /// Ends QEMU; the end comes as an event.
    pub async fn quit(&self) -> Result<(), VmError> {
        self.execute("quit").await.map(drop)
    }

    pub async fn run_state(&self) -> Result<RunState, VmError> {
        let value = self.execute("query-status").await?;
        Ok(RunState {
            running: value["running"].as_bool().unwrap_or(false),
            name: value["status"].as_str().unwrap_or_default().into(),
        })
    }

    pub async fn disk_use(&self) -> Result<DiskUse, VmError> {
        self.execute("query-blockstats").await.map(|answer| DiskUse::of(&answer))
    }

    /// Carries out a step's wish. [`PowerAction::Off`] ends QEMU.
    pub async fn power(&self, action: PowerAction) -> Result<(), VmError> {
        match action {
            PowerAction::Off => self.quit().await,
            PowerAction::Reset => self.system_reset().await,
            PowerAction::Acpi => self.system_powerdown().await,
        }
    }

    /// Whether QEMU has ended, so that its process number may be another's.
    pub fn has_ended(&self) -> bool {
        self.exited.borrow().is_some()
    }

    async fn execute(&self, command: &'static str) -> Result<Value, VmError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { command, arguments: Map::new(), answer };
        let conversation = async {
            self.requests.send(request).await.map_err(|_| VmError::Ended)?;
            answered.await.map_err(|_| VmError::Ended)
        };
        match timeout(ANSWER, conversation).await {
            Ok(answer) => answer?.map_err(|words| VmError::Refused { command, words }),
            Err(_) => Err(VmError::NoAnswer { command, waited: ANSWER }),
        }
    }
}

/// The owner's own state.
pub(super) struct Owner {
    child: Child,
    killer: Killer,
    log: Log,
    stream: UnixStream,
    qmp: qmp::Client,
    /// The monitor has said its last.
    silent: bool,
    waiting: HashMap<u64, oneshot::Sender<Result<Value, String>>>,
    pending: VecDeque<MachineEvent>,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Sender<MachineEvent>,
    exited: watch::Sender<Option<ExitStatus>>,
    stop: CancellationToken,
}

impl Owner {
    pub(super) fn new(
        (child, killer, log): (Child, Killer, Log),
        stream: UnixStream,
        events: mpsc::Sender<MachineEvent>,
        stop: CancellationToken,
    ) -> (Self, Monitor) {
        let (sender, requests) = mpsc::channel(16);
        let (exited, exit) = watch::channel(None);
        let owner = Self {
            child,
            killer,
            log,
            stream,
            qmp: qmp::Client::new(),
            silent: false,
            waiting: HashMap::new(),
            pending: VecDeque::new(),
            requests,
            events,
            exited,
            stop,
        };
        (owner, Monitor { requests: sender, exited: exit })
    }

    /// Serves until QEMU has ended and its end has been told.
    pub(super) async fn run(mut self) {
        let status = self.serve().await;
        // Answers that will not come any more.
        self.requests.close();
        self.waiting.clear();
        let Some(status) = status else { return };
        self.pending.push_back(MachineEvent::QemuExited { status, last_lines: self.log.lines() });
        self.exited.send_replace(Some(status));
        for event in std::mem::take(&mut self.pending) {
            tokio::select! {
                sent = self.events.send(event) => if sent.is_err() { break },
                () = self.stop.cancelled() => break,
            }
        }
    }

    async fn serve(&mut self) -> Option<ExitStatus> {
        // A stop kills once and then goes on waiting for the end.
        let mut killed = false;
        let events = self.events.clone();
        loop {
            let interest = if self.qmp.output().is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            tokio::select! {
                status = self.child.wait() => {
                    self.hear_last_words().await;
                    return match status {
                        Ok(status) => Some(status),
                        Err(error) => {
                            tracing::error!(%error, "qemu is not ours to wait for");
                            None
                        }
                    };
                }
                () = self.stop.cancelled(), if !killed => {
                    self.killer.kill();
                    killed = true;
                }
                ready = self.stream.ready(interest), if !self.silent => {
                    let talked = ready.and_then(|_| self.talk());
                    self.on_talk(talked).await;
                }
                Some(request) = self.requests.recv(), if !self.silent => {
                    let id = self.qmp.execute(request.command, request.arguments);
                    self.waiting.insert(id, request.answer);
                }
                permit = events.reserve(), if !self.pending.is_empty() => {
                    match (permit, self.pending.pop_front()) {
                        (Ok(permit), Some(event)) => permit.send(event),
                        // Nobody listens.
                        (Err(_), _) | (_, None) => self.pending.clear(),
                    }
                }
            }
        }
    }

    /// A monitor that ends or talks nonsense leaves QEMU a moment to end by itself.
    async fn on_talk(&mut self, talked: io::Result<()>) {
        let Err(error) = talked else { return };
        self.silent = true;
        self.waiting.clear();
        if timeout(ENDING, self.child.wait()).await.is_err() {
            tracing::warn!(%error, "qemu lost its monitor and is killed");
            self.killer.kill();
        }
    }

    /// Reads and writes what the socket takes now.
    fn talk(&mut self) -> io::Result<()> {
        let output = self.qmp.output();
        if !output.is_empty()
            && let Some(count) = unless_blocked(self.stream.try_write(output))?
        {
            output.drain(..count);
        }
        let mut buffer = [0; 8192];
        match unless_blocked(self.stream.try_read(&mut buffer))? {
            Some(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => self.on_bytes(&buffer[..count]),
            None => Ok(()),
        }
    }

    fn on_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.qmp.feed(bytes);
        while let Some(message) = self.qmp.poll().map_err(io::Error::other)? {
            match message {
                Message::Ready { version } => tracing::debug!(%version, "qemu is ready"),
                Message::Done { id, value } => self.answer(id, Ok(value)),
                Message::Failed { id, words } => self.answer(id, Err(words)),
                Message::Event(event) => self.on_event(event),
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, answer: Result<Value, String>) {
        if let Some(waiting) = self.waiting.remove(&id) {
            // Who asked may have gone on.
            let _ = waiting.send(answer);
        }
    }

    fn on_event(&mut self, event: Event) {
        let by = |guest| if guest { By::Guest } else { By::Host };
        let event = match event {
            Event::Shutdown { guest, reason } => {
                tracing::debug!(reason, "the machine is off");
                MachineEvent::GuestOff { by: by(guest) }
            }
            Event::Reset { guest, reason } => {
                tracing::debug!(reason, "the machine starts anew");
                MachineEvent::GuestReset { by: by(guest) }
            }
            Event::GuestPanicked { info } => MachineEvent::Panicked { info },
            Event::Stop => MachineEvent::Stopped,
            Event::Resume => MachineEvent::Resumed,
            Event::Powerdown | Event::Other { .. } => return,
        };
        let ends = matches!(event, MachineEvent::GuestOff { .. });
        if self.pending.back() != Some(&event) && (ends || self.pending.len() < MAX_PENDING) {
            self.pending.push_back(event);
        }
    }

    /// What the monitor said before QEMU ended may still lie in the socket. The log's reader is
    /// given the same moment.
    async fn hear_last_words(&mut self) {
        let mut room = MAX_LAST_WORDS;
        let listen = async {
            while !self.silent && room > 0 {
                let mut buffer = [0; 8192];
                if self.stream.readable().await.is_err() {
                    break;
                }
                match unless_blocked(self.stream.try_read(&mut buffer)) {
                    Ok(Some(0)) | Err(_) => break,
                    Ok(Some(count)) => {
                        room = room.saturating_sub(count);
                        if self.on_bytes(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                    Ok(None) => {}
                }
            }
        };
        if timeout(ENDING, listen).await.is_err() {
            tracing::warn!("qemu has ended and its monitor has not");
        }
        self.log.whole(ENDING).await;
    }
}

/// What was done, or `None` when the socket would block.
pub(super) fn unless_blocked(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
