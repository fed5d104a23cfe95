//! Following one engine from its start, or from where a newer appliance finds it, to its end.
//!
//! The event log is the truth; the socket only wakes. When the engine is gone, whatever it left is
//! ended, and the job gets the verdict its log names, or the one that says that it names none.

use std::{io, time::Duration};

use tokio::{
    process::Child,
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};
use uuid::Uuid;

use super::{
    JobFolder,
    processes::{self, JobProcess},
    wire::Wire,
};
use crate::model::{
    Cause, Code, Command, Event, Evidence, Fact, HostLoad, JobState, Part, Run, Verdict, Who,
};

/// An engine has said its last word and must only put its things away.
pub(super) const GRACE_AFTER_END: Duration = Duration::from_secs(20);
/// Between looks while an engine has not opened its socket yet, or has lost it.
const RECONNECT: Duration = Duration::from_millis(20);
/// A cancel is carried out by the engine; one that does not within this time is killed.
pub(super) const GRACE_AFTER_CANCEL: Duration = Duration::from_secs(60);
/// The same once it was asked a second time, which is to end it at once.
const GRACE_AT_ONCE: Duration = Duration::from_secs(2);
/// The engine ends a job at its limit; one that has not this long after hangs and is killed.
const GRACE_AFTER_LIMIT: Duration = Duration::from_secs(120);
/// Lines of the engine's log that are kept as evidence.
const LOG_TAIL: usize = 20;

/// How a followed run ended.
#[derive(Debug)]
pub struct Ending {
    pub verdict: Verdict,
    pub cause: Option<Cause>,
    pub run: Run,
    /// It never began: no guest was started, nothing was done.
    pub never_began: bool,
}

impl Ending {
    /// Whether what was missing could be missing for every job.
    pub fn may_be_the_boxs(&self) -> bool {
        const CODES: [Code; 4] =
            [Code::MissingTool, Code::HostResources, Code::QemuNotStarted, Code::EngineNotStarted];
        self.cause.as_ref().is_some_and(|cause| {
            matches!(cause.who, Who::Lab | Who::Host) || CODES.contains(&cause.code)
        })
    }

    /// Whether a guest came up and something of the job itself was begun on it.
    pub fn has_tested(&self) -> bool {
        self.run.parts.iter().any(|part| part.part == Part::Test)
    }
}

/// An engine that lives: our child, or one that an earlier appliance started.
#[derive(Debug)]
pub enum Engine {
    Child(Child),
    Found(JobProcess),
}

impl Engine {
    async fn ended(&mut self) -> io::Result<Option<String>> {
        match self {
            Self::Child(child) => child.wait().await.map(|status| Some(status.to_string())),
            Self::Found(process) => process.ended().await.map(|()| None),
        }
    }
}

/// What the follower of a run reports and hears.
#[derive(Debug)]
pub struct Follower {
    pub folder: JobFolder,
    pub uuid: Uuid,
    /// The job's own limit.
    pub at_most: Duration,
    pub commands: mpsc::Receiver<Command>,
    /// Number of the newest event read.
    pub seq: watch::Sender<u64>,
    /// The state the run is in.
    pub state: watch::Sender<JobState>,
}

impl Follower {
    /// Follows to the end. Dropping the future leaves the engine running.
    pub async fn follow(mut self, mut engine: Engine) -> io::Result<Ending> {
        let mut reader = Reader { folder: self.folder.clone(), offset: 0, run: Run::default() };
        let mut wire = None;
        let mut connect_at = Instant::now();
        let mut deadline: Option<Instant> = None;
        let (mut canceled, mut unsent) = (false, Vec::new());
        let mut listening = true;
        let hangs_at = Instant::now() + self.at_most + GRACE_AFTER_LIMIT;
        let status = loop {
            self.publish(reader.read()?);
            if reader.run.end.is_some() && deadline.is_none() {
                deadline = Some(Instant::now() + GRACE_AFTER_END);
            }
            if let Some(open) = &mut wire {
                send_all(open, &mut unsent).await;
            }
            tokio::select! {
                ended = engine.ended() => break ended?,
                woken = next_wake(&mut wire) => {
                    if woken.is_none() {
                        wire = None;
                        connect_at = Instant::now() + RECONNECT;
                    }
                }
                // The socket appears some milliseconds after the start, and nothing announces it.
                () = tokio::time::sleep_until(connect_at), if wire.is_none() => {
                    wire = Wire::connect(&self.folder).await.ok();
                    connect_at = Instant::now() + RECONNECT;
                }
                command = self.commands.recv(), if listening => match command {
                    Some(command) => {
                        if matches!(command, Command::Cancel { .. } | Command::Kill) {
                            let grace =
                                if canceled { GRACE_AT_ONCE } else { GRACE_AFTER_CANCEL };
                            let then = Instant::now() + grace;
                            deadline = Some(deadline.map_or(then, |deadline| deadline.min(then)));
                            canceled = true;
                        }
                        unsent.push(command);
                    }
                    None => listening = false,
                },
                () = until(deadline) => break None,
                () = tokio::time::sleep_until(hangs_at) => {
                    break Some("it was still there long after the job's limit".into());
                }
            }
        };
        let left = processes::end_all(self.uuid).await?;
        if let Engine::Child(child) = &mut engine {
            // Killed above if it was still there; waiting reaps it.
            timeout(GRACE_AFTER_END, child.wait()).await.map_err(io::Error::other)??;
        }
        self.publish(reader.read()?);
        Ok(ending(&self.folder, reader.run, status, &left))
    }

    fn publish(&self, run: &Run) {
        self.seq.send_if_modified(|seq| std::mem::replace(seq, run.seq) != run.seq);
        let state = run.state();
        // The end is published by the store, when everything is cleared away.
        if state != JobState::Ended {
            self.state.send_if_modified(|known| std::mem::replace(known, state) != state);
        }
    }
}

/// The log, read as far as it goes.
struct Reader {
    folder: JobFolder,
    offset: u64,
    run: Run,
}

impl Reader {
    fn read(&mut self) -> io::Result<&Run> {
        let run = &mut self.run;
        self.offset = self.folder.read_events(self.offset, |event| run.apply(event))?;
        Ok(&self.run)
    }
}

async fn next_wake(wire: &mut Option<Wire>) -> Option<u64> {
    match wire {
        Some(wire) => wire.woken().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn send_all(wire: &mut Wire, unsent: &mut Vec<Command>) {
    while let Some(command) = unsent.first() {
        if wire.send(command).await.is_err() {
            return;
        }
        unsent.remove(0);
    }
}

/// Finds the engine of a job that an earlier appliance started. An engine that holds its lock but
/// is between fork and exec carries no mark yet, so a few looks are taken.
pub async fn find_engine(folder: &JobFolder, uuid: Uuid) -> io::Result<Option<Engine>> {
    const LOOKS: u32 = 100;
    for _ in 0..LOOKS {
        if !super::has_engine(folder)? {
            return Ok(None);
        }
        let found = crate::tasks::blocking(move || processes::of_job(uuid)).await?;
        if let Some(engine) = found.into_iter().find(JobProcess::is_engine) {
            return Ok(Some(Engine::Found(engine)));
        }
        sleep(RECONNECT).await;
    }
    Err(io::Error::other("the engine's lock is held by a process that is no engine"))
}

/// The end of a run whose engine is gone.
pub async fn settle(folder: &JobFolder, uuid: Uuid) -> io::Result<Ending> {
    let left = processes::end_all(uuid).await?;
    let run = folder.run()?;
    Ok(ending(folder, run, None, &left))
}

fn ending(folder: &JobFolder, run: Run, status: Option<String>, left: &[String]) -> Ending {
    if let Some(end) = &run.end {
        let (verdict, cause) = (end.verdict, end.cause.clone());
        return Ending { verdict, cause, run, never_began: false };
    }
    let never_began = run.seq == 0;
    let mut words = match (&status, never_began) {
        (Some(status), true) => format!("the engine ended before it began ({status})"),
        (None, true) => "the engine was gone before it began".into(),
        (Some(status), false) => format!("the engine ended without a verdict ({status})"),
        (None, false) => "the engine was gone without having told a verdict".into(),
    };
    if !left.is_empty() {
        words += &format!("; it had left {}, ended now", left.join(", "));
    }
    let code = if never_began { Code::EngineNotStarted } else { Code::EngineDied };
    let mut cause = Cause::new(Who::Sutler, code, words);
    cause.place.part = run.parts.last().map(|part| part.part);
    cause.place.step = run.current_step().map(|step| step.path.clone());
    let screen = run.steps().flat_map(|step| &step.screens).last().map(|last| last.file.clone());
    cause.evidence =
        Evidence { lines: log_tail(folder), screen, file: Some(JobFolder::LOG.into()) };
    Ending { verdict: Verdict::Incomplete, cause: Some(cause), run, never_began }
}

fn log_tail(folder: &JobFolder) -> Vec<String> {
    let text = std::fs::read(folder.file(JobFolder::LOG)).unwrap_or_default();
    let from = text.len().saturating_sub(64 << 10);
    let text = String::from_utf8_lossy(&text[from..]);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(LOG_TAIL)..].to_vec()
}

/// Writes the last event of a run whose engine could not: readers of the log find an end.
/// `load` is what the host was doing.
pub fn close_log(folder: &JobFolder, ending: &Ending, load: HostLoad) -> io::Result<()> {
    use std::io::Write as _;
    if ending.run.end.is_some() || ending.never_began {
        return Ok(());
    }
    let event = Event {
        seq: ending.run.seq + 1,
        mono_us: ending
            .run
            .steps()
            .last()
            .map_or(0, |step| u64::try_from(step.started.as_micros()).unwrap_or(u64::MAX)),
        wall: crate::clock::now(),
        fact: Fact::Ended {
            verdict: ending.verdict,
            cause: ending.cause.clone(),
            backend: serde_json::Map::new(),
            load: Some(load),
        },
    };
    let mut line = vec![b'\n'];
    serde_json::to_writer(&mut line, &event)?;
    line.push(b'\n');
    let log = std::fs::OpenOptions::new().append(true).open(folder.file(JobFolder::EVENTS));
    log?.write_all(&line)
}
