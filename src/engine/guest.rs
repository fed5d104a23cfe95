//! The guest while it runs: its machine, what is kept of its screen, and who is told what it does.
//!
//! ```text
//! machine ── frames ──┬─ recorder   (video; drops frames rather than wait)
//!                     ├─ live       (last.png, only while watched)
//!                     └─ steps      (newest frame only)
//!         ── events ──── stopper    (the machine is no longer what the job needs)
//! ```

use std::{
    cell::{Cell, RefCell},
    future::Future,
    path::Path,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    journal::Journal,
    meter::{DiskPace, Subject},
    narrator::Narrator,
    stop::{Reason, Stopper},
    watcher::Watcher,
};
use crate::{
    capture::{Canvas, EncoderCommand, LivePicture, Recorder, VIDEO_FILE},
    clock::Stopwatch,
    console::{Growth, Serial},
    model::{Cause, Code, Fact, Level, PowerAction, Who},
    picture::Frame,
    tasks::Tasks,
    vm::{By, DiskUse, Machine, MachineEvent, MachineSpec, Monitor, ScreenHandle, VmError},
};

/// The first serial port's log, in the job's folder.
pub(super) const SERIAL_FILE: &str = "serial0.txt";
/// The encoder may take this long to write what it still has.
const RECORDER_GRACE: Duration = Duration::from_secs(20);

/// QEMU's end follows a lost screen within moments when it is the reason.
const EXPLAINED_WITHIN: Duration = Duration::from_secs(1);

/// Between two questions to QEMU whether it runs.
const PULSE: Duration = Duration::from_secs(2);

/// A started guest.
pub(super) struct Guest {
    machine: Machine,
    serial: Serial,
    recorder: Option<Rc<Recorder>>,
    /// What goes on beside the steps.
    background: Tasks,
    frames: watch::Receiver<Option<Arc<Frame>>>,
    off_expected: Rc<Cell<bool>>,
    pulse: Rc<Pulse>,
}

/// The hands of somebody who is not a step.
#[derive(Clone)]
pub(super) struct Controls {
    pub(super) screen: ScreenHandle,
    monitor: Monitor,
    off_expected: Rc<Cell<bool>>,
}

impl Controls {
    pub(super) async fn pause(&self) -> Result<(), VmError> {
        self.monitor.stop().await
    }

    pub(super) async fn resume(&self) -> Result<(), VmError> {
        self.monitor.cont().await
    }

    /// Switches the machine. Going off is then no surprise.
    pub(super) async fn power(&self, action: PowerAction) -> Result<(), VmError> {
        if action != PowerAction::Reset {
            self.off_expected.set(true);
        }
        self.monitor.power(action).await
    }
}

/// What QEMU says when it is asked now and then how the guest is.
#[derive(Default)]
struct Pulse {
    /// When the first question was asked that it owes an answer to.
    asked: Cell<Option<Duration>>,
    /// Its word for why the guest does not run and nobody has asked for it.
    held: RefCell<Option<String>>,
    /// What its disks did between the last two answers.
    disk: Rc<Cell<Option<DiskPace>>>,
}

/// How a watcher sees the guest.
pub(super) struct Eyes {
    pub(super) subject: Subject,
    monitor: Monitor,
    screen: ScreenHandle,
    growth: watch::Receiver<Growth>,
    pulse: Rc<Pulse>,
}

impl Eyes {
    /// QEMU is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.monitor.has_ended()
    }

    /// Bytes the console has said.
    pub(super) fn said(&self) -> u64 {
        self.growth.borrow().received
    }

    /// When the first key was pressed that no changed screen has followed.
    pub(super) fn unanswered(&self) -> Option<Duration> {
        self.screen.unanswered()
    }

    /// QEMU's word for why the guest does not run, and since when it owes an answer.
    pub(super) fn pulse(&self) -> (Option<String>, Option<Duration>) {
        (self.pulse.held.borrow().clone(), self.pulse.asked.get())
    }
}

/// The screen is waited for as long as this lives.
pub(super) struct Attention(ScreenHandle);

impl Drop for Attention {
    fn drop(&mut self) {
        self.0.attention(false);
    }
}

impl Guest {
    /// Starts the machine and its recording in the current folder. Must be called on the engine's
    /// first thread: children die with the thread that started them.
    pub(super) async fn start(
        spec: &MachineSpec,
        narrator: &Narrator,
        tasks: &Tasks,
    ) -> Result<Self, VmError> {
        let (journal, timings) = (&narrator.journal, &narrator.timings);
        let folder = std::env::current_dir()
            .map_err(|source| VmError::Folder { path: ".".into(), source })?;
        let mut machine = Machine::start(spec, &folder, timings, tasks).await?;
        let stream = machine.take_serial().expect("the machine is new, nobody has taken it");
        let serial =
            Serial::start(stream, Path::new(SERIAL_FILE), tasks).await.map_err(|error| {
                VmError::Folder { path: SERIAL_FILE.into(), source: std::io::Error::other(error) }
            })?;
        // Our own program, also when the file it came from has been replaced by an upgrade.
        let program = EncoderCommand::new(format!("/proc/{}/exe", std::process::id()));
        let started = Recorder::start(&folder, &program, Canvas::default(), timings.clone());
        let recorder = match started {
            Ok(recorder) => Some(Rc::new(recorder)),
            Err(error) => {
                journal.log(Level::Warning, format!("there will be no video: {error}"));
                None
            }
        };
        let frames = machine.frames.clone();
        machine.cont().await?;
        let background = Tasks::new(tasks.stop.child_token());
        let (off_expected, pulse) = (Rc::default(), Rc::default());
        Ok(Self { machine, serial, recorder, background, frames, off_expected, pulse })
    }

    /// How it is watched. `None` where QEMU is gone already.
    pub(super) fn eyes(&self) -> Option<Eyes> {
        let recorder = self.recorder.as_ref().map_or_else(Weak::new, Rc::downgrade);
        let monitor = self.machine.monitor.clone();
        Some(Eyes {
            subject: Subject::new(
                self.machine.pid?,
                monitor.clone(),
                recorder,
                self.pulse.disk.clone(),
            ),
            monitor,
            screen: self.machine.screen.clone(),
            growth: self.serial.growth(),
            pulse: self.pulse.clone(),
        })
    }

    pub(super) fn controls(&self) -> Controls {
        Controls {
            screen: self.machine.screen.clone(),
            monitor: self.machine.monitor.clone(),
            off_expected: self.off_expected.clone(),
        }
    }

    pub(super) fn screen(&self) -> &ScreenHandle {
        &self.machine.screen
    }

    pub(super) const fn serial(&self) -> &Serial {
        &self.serial
    }

    /// The newest frame; `None` before the first.
    pub(super) fn frames(&self) -> watch::Receiver<Option<Arc<Frame>>> {
        self.frames.clone()
    }

    /// Keeps QEMU looking at the screen as long as the answer lives.
    pub(super) fn attention(&self) -> Attention {
        self.machine.screen.attention(true);
        Attention(self.machine.screen.clone())
    }

    /// Starts what goes on beside the steps: frames go to their takers, the console's growth and
    /// the recorder's trouble are told, surprises stop the run.
    pub(super) fn start_background(
        &mut self,
        journal: &Journal,
        stopper: &Stopper,
        watcher: &Watcher,
        live: Rc<LivePicture>,
    ) {
        let (_, closed) = mpsc::channel(1);
        let events = std::mem::replace(&mut self.machine.events, closed);
        let (stopper, off_expected) = (stopper.clone(), self.off_expected.clone());
        let (monitor, pulse) = (self.machine.monitor.clone(), self.pulse.clone());
        let background = &self.background;
        background.spawn_local(show(self.frames(), self.recorder.clone(), live));
        let watcher = watcher.clone();
        background.spawn_local(surprises(events, journal.clone(), stopper, watcher, off_expected));
        background.spawn_local(feel(monitor, pulse, journal.clock()));
        background.spawn_local(listen(self.serial.clone(), journal.clone()));
        if let Some(recorder) = &self.recorder {
            background.spawn_local(complain(recorder.trouble(), journal.clone()));
        }
    }

    /// Ends the machine and its recording; what they say of themselves goes into `backend`. When
    /// `at_once` comes true, nothing is waited for.
    pub(super) async fn close(
        self,
        backend: &mut Map<String, Value>,
        journal: &Journal,
        at_once: impl Future<Output = ()>,
    ) {
        let Self { machine, serial, recorder, background, frames, .. } = self;
        let clock = journal.clock();
        let close = async {
            background.close().await;
            // Nobody else holds it once the background has ended.
            let recorder = recorder.and_then(Rc::into_inner);
            if let (Some(recorder), Some(frame)) = (&recorder, &*frames.borrow()) {
                recorder.offer(frame);
            }
            let closed = machine.close().await;
            let said = serial.growth().borrow().received;
            let report = match recorder {
                Some(recorder) => Some(recorder.close(clock.elapsed(), RECORDER_GRACE).await),
                None => None,
            };
            (closed, said, report)
        };
        // Dropped halfway, both kill what they have started.
        let Some((closed, said, report)) = first(close, at_once).await else {
            journal.log(Level::Warning, "ended at once: the end of the video may be missing");
            return;
        };
        backend.insert("serial_bytes".into(), said.into());
        backend.insert("qemu".into(), format!("{closed:?}").into());
        if let Some(report) = report {
            let video = json!({
                "file": VIDEO_FILE,
                "frames_offered": report.offered,
                "frames_encoded": report.encoded,
                "frames_dropped": report.dropped,
                "bytes": report.bytes,
                "encoder_cpu_ms": super::narrator::millis(report.encoder_cpu),
            });
            backend.insert("video".into(), video);
        }
    }
}

async fn first<T>(work: impl Future<Output = T>, instead: impl Future<Output = ()>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = instead => None,
    }
}

/// Hands every newest frame to those who keep it. Neither makes the other, or the guest, wait.
async fn show(
    mut frames: watch::Receiver<Option<Arc<Frame>>>,
    recorder: Option<Rc<Recorder>>,
    live: Rc<LivePicture>,
) {
    loop {
        if let Some(frame) = frames.borrow_and_update().clone() {
            if let Some(recorder) = &recorder {
                recorder.offer(&frame);
            }
            live.show(&frame);
        }
        if frames.changed().await.is_err() {
            return;
        }
    }
}

/// Asks QEMU again and again whether the guest runs, for no event tells that it does not answer; and
/// what its disks do.
async fn feel(monitor: Monitor, pulse: Rc<Pulse>, clock: Stopwatch) {
    let mut last: Option<(Duration, DiskUse)> = None;
    loop {
        let asked = pulse.asked.get().unwrap_or_else(|| clock.elapsed());
        pulse.asked.set(Some(asked));
        match monitor.run_state().await {
            Ok(state) => {
                pulse.asked.set(None);
                let held =
                    (!state.running && HELD.contains(&state.name.as_str())).then_some(state.name);
                pulse.held.replace(held);
                let now = monitor.disk_use().await.ok().map(|now| (clock.elapsed(), now));
                let both = last.zip(now);
                pulse.disk.set(both.map(|((since, last), (at, now))| {
                    DiskPace::between(last, now, at.saturating_sub(since))
                }));
                last = now;
                tokio::time::sleep(PULSE).await;
            }
            // It owes the answer still; the next question may be heard.
            Err(VmError::NoAnswer { .. }) => {}
            Err(_) => {
                pulse.asked.set(None);
                return;
            }
        }
    }
}

/// Tells what the recorder has lost.
async fn complain(mut trouble: watch::Receiver<Option<String>>, journal: Journal) {
    while trouble.changed().await.is_ok() {
        if let Some(words) = trouble.borrow_and_update().clone() {
            journal.log(Level::Warning, format!("the video ends here: {words}"));
        }
    }
}

/// Tells the growth of the console, at most a few times a second.
async fn listen(serial: Serial, journal: Journal) {
    const BETWEEN: Duration = Duration::from_millis(500);
    let mut growth = serial.growth();
    let mut told = 0;
    loop {
        // A console that says more than is kept does not grow any more.
        let offset = growth.borrow_and_update().kept;
        if offset > told {
            told = offset;
            let (stream, file) = ("serial0".into(), SERIAL_FILE.into());
            journal.tell(Fact::Console { stream, file, offset });
        }
        // A flooding guest must not flood the log: the sleep is the rate limit.
        tokio::time::sleep(BETWEEN).await;
        if growth.changed().await.is_err() {
            return;
        }
    }
}

/// QEMU's words for a guest that does not run and will not by itself.
const HELD: [&str; 4] = ["io-error", "internal-error", "paused", "watchdog"];

/// What an event of the machine means for the run.
#[derive(Debug, PartialEq)]
enum Meaning {
    Nothing,
    Note(String),
    /// The machine is no longer what the job needs.
    Over(Cause),
    /// The same, unless QEMU's end follows and explains it.
    OverUnlessExplained(Cause),
}

fn meaning(event: MachineEvent, off_expected: bool) -> Meaning {
    match event {
        MachineEvent::GuestOff { .. } | MachineEvent::ScreenLost { .. } if off_expected => {
            Meaning::Note("the machine is off, as the job wanted".into())
        }
        // A guest may ignore that it was asked to go off, and QEMU may still crash under it.
        MachineEvent::QemuExited { status, .. } if off_expected && status.success() => {
            Meaning::Note("qemu has ended, as the job wanted".into())
        }
        MachineEvent::GuestOff { by: By::Guest } => {
            let words = "the guest powered itself off while the job still needed it";
            Meaning::Over(Cause::new(Who::Guest, Code::GuestOff, words))
        }
        MachineEvent::Panicked { info } => {
            let words = format!("the guest's kernel panicked {info}");
            Meaning::Over(Cause::new(Who::Guest, Code::GuestPanicked, words.trim_end()))
        }
        MachineEvent::QemuExited { status, last_lines } => {
            let words = format!("qemu ended while the job still needed it ({status})");
            let mut cause = Cause::new(Who::Host, Code::QemuDied, words);
            cause.evidence.lines = last_lines;
            Meaning::Over(cause)
        }
        MachineEvent::ScreenLost { why } => {
            let words = format!("the connection to the screen was lost: {why}");
            Meaning::OverUnlessExplained(Cause::new(Who::Sutler, Code::QemuDied, words))
        }
        MachineEvent::GuestReset { by } => {
            Meaning::Note(format!("the machine was reset by {by:?}").to_lowercase())
        }
        MachineEvent::GuestOff { by: By::Host } | MachineEvent::Stopped | MachineEvent::Resumed => {
            Meaning::Nothing
        }
    }
}

/// Watches for what the job did not ask for.
async fn surprises(
    mut events: mpsc::Receiver<MachineEvent>,
    journal: Journal,
    stopper: Stopper,
    watcher: Watcher,
    off_expected: Rc<Cell<bool>>,
) {
    let mut unexplained: Option<Cause> = None;
    loop {
        let event = match &unexplained {
            None => events.recv().await,
            Some(cause) => match timeout(EXPLAINED_WITHIN, events.recv()).await {
                Ok(event) => event,
                Err(_) => {
                    stopper.stop(Reason::Machine(cause.clone()));
                    unexplained = None;
                    continue;
                }
            },
        };
        let Some(event) = event else { return };
        if event == (MachineEvent::GuestReset { by: By::Guest }) {
            watcher.guest_was_reset();
        }
        match meaning(event, off_expected.get()) {
            Meaning::Nothing => {}
            Meaning::Note(words) => journal.log(Level::Info, words),
            Meaning::Over(cause) => {
                unexplained = None;
                stopper.stop(Reason::Machine(cause));
            }
            Meaning::OverUnlessExplained(cause) => unexplained = Some(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn only_what_the_job_did_not_ask_for_is_a_surprise() {
        let exited = |status| MachineEvent::QemuExited {
            status: std::process::ExitStatus::from_raw(status),
            last_lines: vec!["qemu: killed".into()],
        };
        let lost = || MachineEvent::ScreenLost { why: "closed".into() };
        for (event, off_expected, code) in [
            (MachineEvent::GuestOff { by: By::Guest }, false, Some(Code::GuestOff)),
            (MachineEvent::GuestOff { by: By::Guest }, true, None),
            (MachineEvent::GuestOff { by: By::Host }, false, None),
            (MachineEvent::GuestReset { by: By::Guest }, false, None),
            (exited(9), false, Some(Code::QemuDied)),
            (exited(9), true, Some(Code::QemuDied)),
            (exited(0), false, Some(Code::QemuDied)),
            (exited(0), true, None),
            (lost(), false, Some(Code::QemuDied)),
            (lost(), true, None),
            (MachineEvent::Panicked { info: String::new() }, true, Some(Code::GuestPanicked)),
        ] {
            let told = format!("{event:?}, off expected: {off_expected}");
            let found = match meaning(event, off_expected) {
                Meaning::Over(cause) | Meaning::OverUnlessExplained(cause) => Some(cause.code),
                Meaning::Nothing | Meaning::Note(_) => None,
            };
            assert_eq!(found, code, "{told}");
        }
    }
}
