//! Carrying out what the engine is told while it runs.

use std::{cell::RefCell, convert::Infallible, io, rc::Rc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Mutex, mpsc},
};

use super::{
    guest::Controls,
    journal::Journal,
    stop::{Reason, Stopper},
    watcher::Watcher,
};
use crate::{
    capture::LivePicture,
    model::{Button, Command, Fact, Input, Level},
    vm::VmError,
};

/// Commands that may wait; whoever sends more waits.
const COMMANDS: usize = 16;
/// Between the characters a person has typed for us.
const TYPING: std::time::Duration = std::time::Duration::from_millis(20);

/// What persons enter, and into what.
type Inputs = mpsc::Sender<(Controls, Input)>;

/// The signals that ask a process to end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "a signal (SIGTERM)",
            _ = self.interrupt.recv() => "a signal (SIGINT)",
        }
    }
}

/// Where commands are carried out.
#[derive(Clone)]
pub(super) struct Desk {
    stopper: Stopper,
    live: Rc<LivePicture>,
    journal: Journal,
    watcher: Watcher,
    machine: Rc<RefCell<Option<Controls>>>,
    heard: Rc<Mutex<mpsc::Receiver<Command>>>,
}

pub(super) fn desk(
    stopper: Stopper,
    live: Rc<LivePicture>,
    journal: Journal,
    watcher: Watcher,
) -> (Desk, mpsc::Sender<Command>) {
    let (send, heard) = mpsc::channel(COMMANDS);
    let heard = Rc::new(Mutex::new(heard));
    (Desk { stopper, live, journal, watcher, machine: Rc::default(), heard }, send)
}

impl Desk {
    /// The machine that pause, resume and input are for.
    pub(super) fn machine_is(&self, controls: Option<Controls>) {
        *self.machine.borrow_mut() = controls;
    }

    /// Carries out commands for as long as it is awaited. A signal to end is one of them. What a
    /// person enters takes its time, and goes on beside the rest: a cancel does not wait for it.
    pub(super) async fn serve(&self, mut signals: Signals) -> Infallible {
        let mut heard = self.heard.lock().await;
        let (inputs, mut entered) = mpsc::channel(COMMANDS);
        let listen = async {
            loop {
                let command = tokio::select! {
                    Some(command) = heard.recv() => command,
                    by = signals.next() => Command::Cancel { by: by.into() },
                };
                let told = format!("{command:?}");
                if let Err(error) = self.carry_out(command, &inputs).await {
                    self.journal.log(Level::Warning, format!("{told}: {error}"));
                }
            }
        };
        let enter = async {
            while let Some((machine, input)) = entered.recv().await {
                if let Err(error) = enter(&machine, input).await {
                    self.journal.log(Level::Warning, format!("a person's input: {error}"));
                }
            }
            std::future::pending().await
        };
        tokio::select! { never = listen => never, never = enter => never }
    }

    async fn carry_out(&self, command: Command, inputs: &Inputs) -> Result<(), VmError> {
        match command {
            Command::Cancel { by } => self.stopper.stop(Reason::Canceled { by }),
            Command::Kill => self.stopper.kill("a request to kill"),
            Command::Watch { on } => self.live.watch(on),
            Command::Limits { limits } => self.watcher.limits_are(limits),
            Command::Unknown => self.journal.log(Level::Warning, "a command of a later version"),
            Command::Pause => {
                if let Some(machine) = self.machine() {
                    machine.pause().await?;
                    self.watcher.pause(true);
                    self.journal.tell(Fact::Paused);
                }
            }
            Command::Resume => {
                if let Some(machine) = self.machine() {
                    machine.resume().await?;
                    self.watcher.pause(false);
                    self.journal.tell(Fact::Resumed);
                }
            }
            Command::Input { input } => {
                if let Some(machine) = self.machine() {
                    self.journal.log(Level::Info, format!("a person's input: {input:?}"));
                    if inputs.try_send((machine, input)).is_err() {
                        self.journal.log(Level::Warning, "not entered: too much is being typed");
                    }
                }
            }
        }
        Ok(())
    }

    fn machine(&self) -> Option<Controls> {
        self.machine.borrow().clone()
    }
}

async fn enter(machine: &Controls, input: Input) -> Result<(), VmError> {
    match input {
        Input::Keys(keys) => machine.screen.send_keys(&keys).await,
        Input::Text(text) => machine.screen.type_text(&text, TYPING).await,
        Input::Click { x, y } => machine.screen.click(x, y, Button::Left, false).await,
        Input::Power(action) => machine.power(action).await,
    }
}
