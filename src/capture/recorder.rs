//! The engine's side of the video: takes frames, never waits, keeps the encoder's process.
//!
//! A frame is put in a slot where the newest wins. One thread takes it from there when the spool
//! has room and its [`Pace`] allows it, writes it as PPM and names it to the encoder;
//! another hears what is durable and deletes those files. So a screen that comes to rest is always
//! recorded in the end, whatever was left out on the way.
//!
//! When the encoder dies, or the disk is full, recording ends and says so once; the job goes on.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Canvas, CaptureError, VIDEO_FILE,
    container::micros,
    pace::Pace,
    spool::{Answer, Order, SPOOL_FOLDER, Spool},
};
use crate::{
    gauges::{Process, Timings},
    model::{Operation, with_causes},
    picture::{Frame, Picture, write_image},
    tasks,
};

/// How the encoder's process is started.
#[derive(Debug, Clone)]
pub struct EncoderCommand {
    program: PathBuf,
    is_idle: bool,
}

impl EncoderCommand {
    /// `program` is Sutler. An engine names its own by `/proc/<its pid>/exe`, which stays the same
    /// program when the package is upgraded under it; `/proc/self` would be whoever starts it.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), is_idle: true }
    }

    /// Gives the encoder its fair share of the processor, not only what nobody else wants.
    #[must_use]
    pub fn at_normal_priority(mut self) -> Self {
        self.is_idle = false;
        self
    }

    /// Every part of the line executes the next, so the process stays the same and every thread of
    /// rav1e inherits its priority.
    fn build(&self, canvas: Canvas) -> Command {
        let mut words: Vec<&str> = Vec::new();
        if self.is_idle {
            words.extend(["chrt", "--idle", "0"]);
        }
        words.extend(["setpriv", "--pdeathsig", "KILL", "--"]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&self.program);
        command.args(["encode-video", "--canvas", &canvas.to_string(), "."]);
        command
    }
}

/// What became of a recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecorderReport {
    /// Frames given to the recorder.
    pub offered: u64,
    /// Of these, durable in the video.
    pub encoded: u64,
    /// Left out: too many at once, no room in the spool, or the encoder was gone. One that still
    /// waits is not left out yet.
    pub dropped: u64,
    /// Showed the same as the frame before; the video needs nothing for them.
    pub unchanged: u64,
    /// Length of the video file.
    pub bytes: u64,
    /// Processor time of the encoder's process, to a hundredth of a second.
    pub encoder_cpu: Duration,
    /// Whether the video has its end and its index.
    pub finished: bool,
}

/// Records one screen into `video.mp4` of a job's folder.
///
/// [`close`](Self::close) ends it in good order; a dropped one kills the encoder and leaves what
/// is in the file, which can be played.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    shared: Arc<Shared>,
    trouble: watch::Receiver<Option<String>>,
    /// Changes when the encoder's process is gone.
    gone: watch::Receiver<bool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Number of the encoder's process.
    encoder: u32,
    /// None once it is being waited for.
    child: Mutex<Option<Child>>,
    trouble: watch::Sender<Option<String>>,
    timings: Timings,
}

#[derive(Debug, Default)]
struct State {
    /// The newest frame that is not in the spool.
    slot: Option<Frame>,
    /// A frame has left the slot and is not in the spool yet.
    in_hand: bool,
    spool: Spool,
    offered: u64,
    encoded: u64,
    unchanged: u64,
    /// When the last frame ends; set by `close`.
    end: Option<Duration>,
    finished: bool,
    /// Nothing is recorded any more.
    lost: bool,
    encoder_cpu: Duration,
}

impl State {
    /// Frames that are neither in the video nor left out.
    fn waiting(&self) -> u64 {
        let (spooled, _) = self.spool.waiting();
        spooled as u64 + u64::from(self.slot.is_some()) + u64::from(self.in_hand)
    }

    fn dropped(&self) -> u64 {
        // What is lost waits for nothing any more.
        let waiting = if self.lost { 0 } else { self.waiting() };
        self.offered.saturating_sub(self.encoded + self.unchanged + waiting)
    }
}

impl Recorder {
    /// Starts the encoder. `folder` is the job's; the clock of `timings` is that of the frames.
    ///
    /// The kernel kills the encoder when the thread that calls this ends: call it on one that lives
    /// as long as the engine, such as the main thread with a current-thread runtime.
    ///
    /// # Errors
    /// When the spool folder cannot be made or no process be started.
    pub fn start(
        folder: &Path,
        program: &EncoderCommand,
        canvas: Canvas,
        timings: Timings,
    ) -> Result<Self, CaptureError> {
        let spool = folder.join(SPOOL_FOLDER);
        fs::create_dir_all(&spool).map_err(|source| CaptureError::File { path: spool, source })?;
        let spawn = |source| CaptureError::Spawn { program: program.program.clone(), source };
        let mut child = program
            .build(canvas)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(spawn)?;
        let orders = child.stdin.take().expect("stdin is piped");
        let answers = child.stdout.take().expect("stdout is piped");
        let (trouble_sender, trouble) = watch::channel(None);
        let (gone_sender, gone) = watch::channel(false);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            encoder: child.id(),
            child: Mutex::new(Some(child)),
            trouble: trouble_sender,
            timings,
        });
        let mut recorder =
            Self { folder: folder.into(), shared, trouble, gone, threads: Vec::new() };
        let (shared, folder) = (Arc::clone(&recorder.shared), folder.to_path_buf());
        recorder.thread("video-spool", move || shared.spool_frames(&folder, orders))?;
        let (shared, folder) = (Arc::clone(&recorder.shared), recorder.folder.clone());
        recorder.thread("video-answers", move || {
            shared.hear(&folder, answers);
            gone_sender.send_replace(true);
        })?;
        Ok(recorder)
    }

    fn thread(
        &mut self,
        name: &str,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<(), CaptureError> {
        let thread = thread::Builder::new().name(name.into()).spawn(work);
        let program = PathBuf::from(name);
        self.threads.push(thread.map_err(|source| CaptureError::Spawn { program, source })?);
        Ok(())
    }

    /// Takes a frame; waits for nothing.
    pub fn offer(&self, frame: &Frame) {
        let mut state = self.shared.lock();
        state.offered += 1;
        if !state.lost {
            state.slot = Some(frame.clone());
            self.shared.changed.notify_all();
        }
    }

    /// Gets, once, the reason when recording ends before it should.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    /// The encoder's process, for its memory and processor time while it runs.
    pub fn encoder_pid(&self) -> u32 {
        self.shared.encoder
    }

    /// Counts so far; `bytes`, `encoder_cpu` and `finished` only mean something after
    /// [`close`](Self::close).
    pub fn report(&self) -> RecorderReport {
        let state = self.shared.lock();
        RecorderReport {
            offered: state.offered,
            encoded: state.encoded,
            dropped: state.dropped(),
            unchanged: state.unchanged,
            bytes: fs::metadata(self.folder.join(VIDEO_FILE)).map_or(0, |file| file.len()),
            encoder_cpu: state.encoder_cpu,
            finished: state.finished,
        }
    }

    /// How many frames were left out so far.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped()
    }

    /// How long the oldest picture has waited that is not in the video yet; zero when none does.
    pub fn lag(&self) -> Duration {
        let (_, oldest) = self.shared.lock().spool.waiting();
        let now = self.shared.timings.clock().elapsed();
        oldest.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Ends the recording: the last frame was on the screen until `end` (engine's clock). The
    /// encoder gets `grace` for what waits in the spool, then it is killed.
    pub async fn close(mut self, end: Duration, grace: Duration) -> RecorderReport {
        self.shared.lock().end = Some(end);
        self.shared.changed.notify_all();
        let gone = async |mut gone: watch::Receiver<bool>| {
            // An error says that the thread that would tell is gone as well.
            gone.wait_for(|gone| *gone).await.is_ok()
        };
        if tokio::time::timeout(grace, gone(self.gone.clone())).await.is_err() {
            self.shared.lose(format!("the video encoder was not done {grace:?} after the end"));
            self.shared.kill();
            gone(self.gone.clone()).await;
        }
        let threads = std::mem::take(&mut self.threads);
        let spool = self.folder.join(SPOOL_FOLDER);
        let shared = Arc::clone(&self.shared);
        tasks::blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    shared.lose("a thread of the recorder panicked".into());
                }
            }
            // What is left in it can no longer reach the video.
            if let Err(error) = fs::remove_dir_all(&spool) {
                tracing::warn!("could not remove {}: {error}", spool.display());
            }
        })
        .await;
        self.report()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.lose("the recorder was dropped".into());
        self.shared.kill();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        let killed = self.child().as_mut().map_or(Ok(()), Child::kill);
        if let Err(error) = killed {
            tracing::warn!("could not kill the video encoder: {error}");
        }
    }

    /// Ends recording, for a reason that is told if it is the first.
    fn lose(&self, why: String) {
        let mut state = self.lock();
        if !state.lost && !state.finished {
            tracing::warn!("no more video: {why}");
            self.trouble.send_replace(Some(why));
        }
        state.lost = true;
        state.slot = None;
        self.changed.notify_all();
    }

    /// The first thread: slot to spool.
    fn spool_frames(&self, folder: &Path, mut orders: ChildStdin) {
        let mut number = 0;
        let mut pace = Pace::default();
        let mut last: Option<Frame> = None;
        while let Some(frame) = self.next_frame(&pace) {
            if last.as_ref().is_some_and(|last| is_same(&last.picture, &frame.picture)) {
                let mut state = self.lock();
                (state.unchanged, state.in_hand) = (state.unchanged + 1, false);
                continue;
            }
            number += 1;
            pace.take(frame.at);
            let file = Spool::file(number);
            self.add(number, &frame.picture);
            let order = Order::Frame { frame: number, at_us: micros(frame.at), file: file.clone() };
            let write = || write_image(&folder.join(file), &frame.picture);
            let done = self
                .timings
                .time(Operation::PpmWrite, write)
                .map_err(CaptureError::from)
                .and_then(|()| send(&mut orders, &order));
            if let Err(error) = done {
                return self.lose(with_causes(&error));
            }
            self.timings.since(Operation::CaptureLag, frame.at);
            last = Some(frame);
        }
        let end = self.lock().end;
        if let Some(end) = end {
            let sent = send(&mut orders, &Order::End { end_us: micros(end) });
            sent.unwrap_or_else(|error| self.lose(with_causes(&error)));
        }
    }

    fn add(&self, number: u64, picture: &Picture) {
        let now = self.timings.clock().elapsed();
        let mut state = self.lock();
        state.spool.add(number, picture, now);
        state.in_hand = false;
    }

    /// Waits for a frame that may be spooled now; nothing more comes after none.
    fn next_frame(&self, pace: &Pace) -> Option<Frame> {
        let mut state = self.lock();
        let mut has_waited = false;
        loop {
            let State { slot, spool, end, lost, .. } = &mut *state;
            if *lost {
                return None;
            }
            let early = |frame: &Frame| (end.is_none() && !has_waited).then(|| pace.wait(frame.at));
            match &*slot {
                None if end.is_some() => return None,
                None => state = self.wait(state),
                Some(frame) if !spool.has_room(&frame.picture) => state = self.wait(state),
                Some(frame) => match early(frame).filter(|early| !early.is_zero()) {
                    // A newer frame may take the slot meanwhile.
                    Some(early) => {
                        let waited = self.changed.wait_timeout(state, early);
                        let (after, result) = waited.unwrap_or_else(PoisonError::into_inner);
                        (state, has_waited) = (after, result.timed_out());
                    }
                    None => {
                        let frame = slot.take();
                        state.in_hand = frame.is_some();
                        return frame;
                    }
                },
            }
        }
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// The second thread: what is durable leaves the spool, until the encoder's process ends.
    fn hear(&self, folder: &Path, answers: ChildStdout) {
        for line in BufReader::new(answers).lines() {
            match line.map(|line| serde_json::from_str(&line)) {
                Ok(Ok(Answer::Durable { durable })) => {
                    let done = self.lock().spool.up_to(durable);
                    // Files first: room in the spool is room on the disk.
                    for number in done {
                        let file = folder.join(Spool::file(number));
                        if let Err(error) = fs::remove_file(file) {
                            tracing::warn!("could not remove a spooled frame: {error}");
                        }
                    }
                    let mut state = self.lock();
                    let gone = state.spool.remove_to(durable);
                    state.encoded += gone.len() as u64;
                    drop(state);
                    gone.iter().for_each(|gone| self.timings.since(Operation::Encode, gone.since));
                    self.changed.notify_all();
                }
                Ok(Ok(Answer::Finished { finished })) => self.lock().finished = finished,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        // Also of one that ended and was not waited for yet.
        let cpu = Process::new(self.encoder).look().cpu.unwrap_or_default();
        // It closed its output, so it has ended or has gone mad; either way this ends it. Nobody may
        // wait for us meanwhile: a process may take long to die.
        let child = self.child().take();
        let ended = match child {
            Some(mut child) => child.kill().and_then(|()| child.wait()),
            None => Ok(ExitStatus::default()),
        };
        self.lock().encoder_cpu = cpu;
        let finished = self.lock().finished;
        if !finished {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            self.lose(format!("the video encoder ended too early: {how}"));
        }
    }
}

fn is_same(a: &Arc<Picture>, b: &Arc<Picture>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

fn send(orders: &mut ChildStdin, order: &Order) -> Result<(), CaptureError> {
    let mut line = serde_json::to_string(order).expect("an order is plain data");
    line.push('\n');
    // At most as many lines as frames in the spool are unread: they fit the pipe, nothing blocks.
    orders.write_all(line.as_bytes()).map_err(|source| CaptureError::Pipe { source })
}
