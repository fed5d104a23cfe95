//! The task that puts the screens of ended jobs on the shelf, one job after the other.
//!
//! Apart from the rest of upkeep, for it has all the time in the world: on a box whose guests want
//! every processor, making a screen smaller may take minutes, and nothing that has to be removed
//! waits for that. What is to be done stands in the store, so it goes on where it was after a crash.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};
use tokio_util::sync::CancellationToken;

use super::{
    files,
    owner::{OFTEN, UpkeepError, some_have_ended},
    shelf::{self, Found},
};
use crate::{
    capture::{ShrinkOrder, Shrunk},
    model::{Digest, JobId},
    store::{Store, StoreError},
    supervise::JobFolder,
    tasks::Background,
};

/// Jobs that are asked for at a time.
const STEP: usize = 64;

pub struct Shelver {
    store: Store,
    data: Arc<PathBuf>,
    background: Background,
    shrinker: Shrinker,
    stop: CancellationToken,
}

impl Shelver {
    /// `program` is Sutler, by a path that stays the same program when it is upgraded.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn new(
        store: Store,
        data: PathBuf,
        program: PathBuf,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let background = Background::start("shelver")?;
        let shrinker = Shrinker { program, process: None };
        Ok(Self { store, data: Arc::new(data), background, shrinker, stop })
    }

    /// Until it is told to stop; the screen it is at is left as it was.
    pub async fn run(mut self) {
        let mut changes = self.store.changes();
        while !self.stop.is_cancelled() {
            if let Err(error) = self.round().await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "screens stay as they are for now");
            }
            self.shrinker.rest();
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(OFTEN.unsigned_abs()) => {}
                () = some_have_ended(&mut changes) => {}
            }
        }
        self.background.close().await;
    }

    /// Does all there is to do now.
    async fn round(&mut self) -> Result<(), UpkeepError> {
        loop {
            let jobs = self.store.unshelved(STEP).await?;
            for job in &jobs {
                self.shelve(*job).await?;
                if self.stop.is_cancelled() {
                    return Ok(());
                }
            }
            if jobs.len() < STEP {
                return Ok(());
            }
        }
    }

    async fn shelve(&mut self, job: JobId) -> Result<(), UpkeepError> {
        let folder = JobFolder::new(&self.data, job);
        let screens = self.background.run(move || shelf::screens(&folder)).await?;
        for screen in screens {
            let stop = self.stop.clone();
            let Some(done) = stop.run_until_cancelled(self.put(job, screen)).await else {
                return Ok(());
            };
            // A screen that cannot be shared is as good as ever where it is.
            if let Err(error) = done {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%job, %screen, error, "a screen stays as it is");
            }
        }
        let data = self.data.clone();
        let look = move || shelf::shelved(&data, job, files::results(&data, job)?);
        let shelved = self.background.run(look).await?;
        match self.store.shelved(job, shelved).await {
            Ok(()) | Err(StoreError::NoSuchJob(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&mut self, job: JobId, screen: Digest) -> io::Result<()> {
        let data = self.data.clone();
        let share = move || shelf::share(&data, job, screen);
        match self.background.run(share).await? {
            Found::Shared | Found::Gone => return Ok(()),
            Found::Missing => {}
        }
        let data = self.data.clone();
        let to = self.background.run(move || shelf::unfinished(&data, screen)).await?;
        let from = shelf::of_job(&JobFolder::new(&self.data, job), screen);
        let order = ShrinkOrder { from, to: to.clone(), sha256: screen };
        let smaller = match self.shrinker.shrink(&order).await? {
            Shrunk::Smaller { .. } => Some(to),
            Shrunk::Smallest => None,
            Shrunk::Refused { words } => return Err(io::Error::other(words)),
        };
        let data = self.data.clone();
        let add = move || shelf::add(&data, job, screen, smaller.as_deref());
        self.background.run(add).await
    }
}

/// The process that makes screens smaller, while there are any.
struct Shrinker {
    program: PathBuf,
    process: Option<Process>,
}

struct Process {
    /// Held for its `Drop`, which kills it.
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Shrinker {
    /// # Errors
    /// When the process cannot be started, or has gone; the next order starts another.
    async fn shrink(&mut self, order: &ShrinkOrder) -> io::Result<Shrunk> {
        // Out of its place until there is an answer: cut off, the next order must not get this one.
        let mut process = match self.process.take() {
            Some(process) => process,
            None => Process::start(&self.program)?,
        };
        let mut line = serde_json::to_string(order)?;
        line.push('\n');
        process.orders.write_all(line.as_bytes()).await?;
        process.orders.flush().await?;
        let answer = process.answers.next_line().await?;
        let answer = answer.ok_or_else(|| io::Error::other("the process is gone"))?;
        self.process = Some(process);
        Ok(serde_json::from_str(&answer)?)
    }

    /// Gives its memory back.
    fn rest(&mut self) {
        self.process = None;
    }
}

impl Process {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new("chrt");
        command.args(["--idle", "0"]).arg(program);
        let spawned = match spawn(command) {
            // Without util-linux it is merely less polite.
            Err(error) if error.kind() == io::ErrorKind::NotFound => spawn(Command::new(program)),
            spawned => spawned,
        };
        let mut child = spawned?;
        let orders = child.stdin.take().expect("stdin is piped");
        let answers = child.stdout.take().expect("stdout is piped");
        Ok(Self { _child: child, orders, answers: BufReader::new(answers).lines() })
    }
}

/// It ends with its standard input, also when we are killed.
fn spawn(mut command: Command) -> io::Result<Child> {
    command
        .arg("shrink-screens")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}
