//! A run from its first action to its last, and the putting away afterwards.

use std::{ffi::OsString, path::Path, rc::Rc, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    EngineError, commands,
    guest::Guest,
    journal::Journal,
    narrator::{Narrator, millis},
    outcome::Tally,
    socket,
    steps::{Done, Steps, keep, machine_cause},
    stop::{Reason, Stopper},
    watcher::Watcher,
};
use crate::{
    capture::LivePicture,
    clock::Stopwatch,
    console::Position,
    deploy::{DeployError, Places},
    gauges::{self, Timings},
    model::{
        Action, Boot, Cause, Code, Definition, Digest, Display, EngineOrder, Fact, Firmware, Item,
        Level, Module, Outcome, PROTOCOL, Part, ScreenTest, Step, Test, Timeout, Verdict, Who,
        Work,
    },
    tasks::{Tasks, blocking},
    vision::NeedleSet,
    vm::{MachineSpec, QEMU, QEMU_IMG, UefiFiles, with_file},
};

/// The firmware shows something within a second or two, even emulated.
const FIRST_PICTURE: Duration = Duration::from_secs(30);

/// Everything a run has in hand.
pub(super) struct Run {
    order: EngineOrder,
    places: Arc<Places>,
    narrator: Narrator,
    stopper: Stopper,
    live: Rc<LivePicture>,
    desk: commands::Desk,
    watcher: Watcher,
    tasks: Tasks,
    guest: Option<Guest>,
    /// QEMU arguments of the images deployed so far, with the files in place.
    extra: Vec<OsString>,
    tally: Tally,
    backend: serde_json::Map<String, serde_json::Value>,
}

/// Why an action did not come to its end.
enum Halt {
    Stopped(Reason),
    TimedOut(Timeout),
    Broken(Cause),
}

/// Carries out `order` in the current folder, to the last event.
pub(super) async fn run(order: EngineOrder) -> Result<(), EngineError> {
    let clock = Stopwatch::start();
    let journal = Journal::begin(Path::new("events.jsonl"), clock)
        .map_err(|source| EngineError::Journal { source })?;
    journal.tell(Fact::Hello {
        version: env!("CARGO_PKG_VERSION").into(),
        protocol: PROTOCOL,
        pid: std::process::id(),
    });
    let timings = Timings::new(clock);
    let steps = count_steps(&order.definition);
    let narrator = Narrator::new(journal.clone(), timings.clone(), steps);
    let tasks = Tasks::new(CancellationToken::new());
    let stopper = Stopper::new();
    let watcher = Watcher::new(order.limits.clone(), narrator.clone(), stopper.clone());
    let live = LivePicture::start(Path::new("."), timings);
    let live = live.map_err(|source| EngineError::Live { source })?;
    let live = Rc::new(live);
    let (desk, heard) =
        commands::desk(stopper.clone(), live.clone(), journal.clone(), watcher.clone());
    socket::listen(Path::new("engine.sock"), journal.newest(), heard, &tasks)
        .map_err(|source| EngineError::Socket { source })?;
    let signals = commands::Signals::listen().map_err(|source| EngineError::Runtime { source })?;
    let places = Places { bundle: order.bundle.clone(), roots: order.roots.clone() };
    let mut run = Run {
        places: Arc::new(places),
        narrator,
        stopper,
        live: live.clone(),
        desk: desk.clone(),
        watcher: watcher.clone(),
        tasks: tasks.clone(),
        guest: None,
        extra: Vec::new(),
        tally: Tally::default(),
        backend: serde_json::Map::new(),
        order,
    };
    let whole = async {
        let (verdict, cause) = run.actions().await;
        run.collect(verdict, cause).await;
    };
    tokio::select! {
        () = whole => {}
        never = watcher.serve() => match never {},
        never = desk.serve(signals) => match never {},
    }
    drop(run);
    drop(desk);
    drop(watcher);
    tasks.close().await;
    if let Some(live) = Rc::into_inner(live) {
        live.close().await;
    }
    Ok(())
}

fn count_steps(definition: &Definition) -> u32 {
    let of_item = |item: &Item| match item {
        Item::Step(_) => 1,
        Item::Module(module) => module.steps.len(),
    };
    let of_action = |action: &Action| match &action.work {
        Work::Test(test) => test.screen.items.iter().map(of_item).sum(),
        Work::Deploy(_) | Work::Boot(_) => 0,
    };
    let total: usize = definition.actions.iter().map(of_action).sum();
    u32::try_from(total).unwrap_or(u32::MAX)
}

impl Run {
    /// The actions in order, until one ends the run. Returns the verdict and its cause.
    async fn actions(&mut self) -> (Verdict, Option<Cause>) {
        let limit = self.order.definition.timeouts.job.clone();
        let stopper = self.stopper.clone();
        let job_time = async {
            tokio::time::sleep(limit.value).await;
            stopper.stop(Reason::JobTimeout { limit });
            std::future::pending::<std::convert::Infallible>().await
        };
        // Time is looked at first, and the job's before an action's: on a busy host both may have
        // run out when we wake, and the one that ran out first is to be named.
        let halted = tokio::select! {
            biased;
            never = job_time => match never {},
            halted = self.each_action() => halted,
        };
        let Err(halt) = halted else {
            return std::mem::take(&mut self.tally).verdict();
        };
        let (verdict, mut cause) = match halt {
            Halt::Stopped(reason) => (reason.verdict(), reason.cause()),
            Halt::TimedOut(limit) => {
                let name = self.narrator.part_name();
                let words = format!("the action {name} used up its {limit}");
                (Verdict::TimedOut, Cause::new(Who::Author, Code::ActionTimeout, words))
            }
            Halt::Broken(cause) => (Verdict::Incomplete, cause),
        };
        if verdict == Verdict::TimedOut {
            cause.words += &self.narrator.time_left(cause.code == Code::JobTimeout);
            cause.words = self.narrator.with_remarks(&cause.words);
        }
        cause.place = self.narrator.place();
        if cause.evidence.screen.is_none() {
            cause.evidence.screen = self.last_sight().await;
        }
        self.narrator.cut_short(&cause.words);
        (verdict, Some(cause))
    }

    /// Keeps the screen as it is now, for whoever asks what was seen when it ended.
    async fn last_sight(&self) -> Option<String> {
        let frame = self.guest.as_ref()?.frames().borrow().clone()?;
        let path = self.narrator.step_path().unwrap_or_default();
        keep(&self.narrator, &path, &frame).await
    }

    async fn each_action(&mut self) -> Result<(), Halt> {
        let actions = self.order.definition.actions.clone();
        for (number, action) in actions.iter().enumerate() {
            if self.tally.is_halted() {
                break;
            }
            let index = u32::try_from(number).unwrap_or(u32::MAX);
            self.narrator.start_action(index, action);
            let (stopper, limit) = (self.stopper.clone(), action.timeout.clone());
            let failed_before = self.tally.has_failed();
            tokio::select! {
                biased;
                done = self.act(index, action) => done?,
                reason = stopper.wanted() => return Err(Halt::Stopped(reason)),
                () = tokio::time::sleep(limit.value) => return Err(Halt::TimedOut(limit)),
            }
            let failed_here = self.tally.has_failed() && !failed_before;
            self.narrator.end_part(if failed_here { Outcome::Fail } else { Outcome::Ok });
        }
        Ok(())
    }

    async fn act(&mut self, index: u32, action: &Action) -> Result<(), Halt> {
        match &action.work {
            Work::Deploy(deploy) => {
                for image in &deploy.images {
                    let file = self.locate(&image.source).await?;
                    let fill = |argument| with_file(argument, &image.name, &file);
                    self.extra.extend(image.arguments.iter().map(|argument| fill(argument)));
                }
                Ok(())
            }
            Work::Boot(boot) => self.boot(boot).await,
            Work::Test(test) => self.test(index, test).await,
        }
    }

    async fn locate(&self, source: &crate::model::Source) -> Result<std::path::PathBuf, Halt> {
        let (places, source) = (self.places.clone(), source.clone());
        blocking(move || places.file(&source)).await.map_err(broken)
    }

    async fn boot(&mut self, boot: &Boot) -> Result<(), Halt> {
        if self.guest.is_some() {
            let words = "a job boots one guest, this is its second boot action";
            return Err(Halt::Broken(Cause::new(Who::Author, Code::BadStep, words)));
        }
        let guest = &boot.guest;
        let mut spec = MachineSpec {
            name: format!("sutler-{}", self.order.job),
            qemu: QEMU.into(),
            qemu_img: QEMU_IMG.into(),
            acceleration: self.order.acceleration,
            memory_mib: guest.memory_mib,
            cpus: guest.cpus,
            uefi: (guest.firmware == Firmware::Uefi).then(UefiFiles::debian),
            display: guest.display,
            network: guest.network,
            disk: None,
            cdrom: None,
            kernel: None,
            initrd: None,
            append: guest.append.clone(),
            extra: self.extra.clone(),
        };
        for (source, place) in [
            (&guest.disk, &mut spec.disk),
            (&guest.cdrom, &mut spec.cdrom),
            (&guest.kernel, &mut spec.kernel),
            (&guest.initrd, &mut spec.initrd),
        ] {
            if let Some(source) = source {
                *place = Some(self.locate(source).await?);
            }
        }
        self.backend.insert("acceleration".into(), self.order.acceleration.name().into());
        let journal = &self.narrator.journal;
        let started = Guest::start(&spec, &self.narrator, &self.tasks).await;
        let mut guest = started.map_err(|error| Halt::Broken(machine_cause(&error)))?;
        guest.start_background(journal, &self.stopper, &self.watcher, self.live.clone());
        self.watcher.guest_is(guest.eyes());
        self.desk.machine_is(Some(guest.controls()));
        let mut frames = guest.frames();
        self.guest = Some(guest);
        if boot.guest.display != Display::None {
            // A step must find a picture. A guest that shows none is left to the steps' own limits.
            let first = frames.wait_for(Option::is_some);
            drop(tokio::time::timeout(FIRST_PICTURE, first).await);
        }
        Ok(())
    }

    async fn test(&mut self, index: u32, test: &Test) -> Result<(), Halt> {
        let Some(guest) = &self.guest else {
            let words = "a screen test needs a boot action before it";
            return Err(Halt::Broken(Cause::new(Who::Author, Code::BadStep, words)));
        };
        let needles = match &test.screen.needles {
            None => Arc::new(NeedleSet::default()),
            Some(folder) => {
                let (places, folder) = (self.places.clone(), folder.clone());
                let loaded = blocking(move || {
                    let folder = places.folder(&folder)?;
                    Ok::<_, DeployError>(NeedleSet::load(&folder))
                });
                let loaded = loaded.await.map_err(broken)?;
                let (set, refused) = loaded.map_err(|error| {
                    Halt::Broken(Cause::new(Who::Author, Code::BadFile, error.to_string()))
                })?;
                for refused in refused {
                    self.narrator.journal.log(Level::Warning, refused.to_string());
                }
                Arc::new(set)
            }
        };
        let mut steps = Steps {
            guest,
            needles,
            narrator: self.narrator.clone(),
            serial_from: Position::default(),
        };
        screen_test(&mut steps, &mut self.tally, index, &test.screen).await;
        Ok(())
    }

    /// Puts everything away and tells the end. Hurries when asked to.
    async fn collect(&mut self, verdict: Verdict, cause: Option<Cause>) {
        self.narrator.start_part(Part::Collect, "collect");
        self.desk.machine_is(None);
        self.watcher.end(&mut self.backend);
        if let Some(guest) = self.guest.take() {
            let stopper = self.stopper.clone();
            guest.close(&mut self.backend, &self.narrator.journal, stopper.at_once()).await;
        }
        self.live.watch(false);
        super::clear_away(Path::new("."));
        for name in ["video.mp4", "serial0.txt"] {
            if let Ok(Some((size, sha256))) = blocking(move || sum(Path::new(name))).await {
                self.narrator.journal.tell(Fact::File { path: name.into(), size, sha256 });
            }
        }
        self.narrator.end_part(Outcome::Ok);
        if self.narrator.journal.lost() > 0 {
            self.backend.insert("events_lost".into(), self.narrator.journal.lost().into());
        }
        self.backend.insert("operations".into(), self.narrator.timings.summary().into());
        let elapsed = self.narrator.journal.clock().elapsed();
        self.backend.insert("engine_version".into(), env!("CARGO_PKG_VERSION").into());
        self.backend.insert("took_ms".into(), millis(elapsed).into());
        self.narrator.journal.tell(Fact::Ended {
            verdict,
            cause,
            backend: std::mem::take(&mut self.backend),
            load: Some(gauges::load()),
        });
        if let Err(error) = self.narrator.journal.sync() {
            tracing::error!(%error, "the event log may not be durable");
        }
    }
}

/// The items in order. What is not reached is told as not run.
async fn screen_test(steps: &mut Steps<'_>, tally: &mut Tally, action: u32, test: &ScreenTest) {
    for (number, item) in test.items.iter().enumerate() {
        let path = format!("{action}/{number}");
        match item {
            Item::Step(step) => {
                let done = one_step(steps, &path, step, tally.is_halted()).await;
                tally.step(done.outcome, done.cause);
            }
            Item::Module(module) => one_module(steps, tally, &path, module).await,
        }
    }
}

async fn one_module(steps: &mut Steps<'_>, tally: &mut Tally, path: &str, module: &Module) {
    let narrator = steps.narrator.clone();
    narrator.start_module(path, &module.name, module.flags, module.steps.len());
    let mut result = if tally.is_halted() { Outcome::NotRun } else { Outcome::Ok };
    let mut cause = None;
    for (number, step) in module.steps.iter().enumerate() {
        let skip = matches!(result, Outcome::Fail | Outcome::NotRun);
        let done = one_step(steps, &format!("{path}/{number}"), step, skip).await;
        if matches!(done.outcome, Outcome::Fail | Outcome::Softfail) {
            result = done.outcome;
            cause = done.cause;
        }
    }
    narrator.end_module(result);
    tally.module(module.flags, result, cause);
}

async fn one_step(steps: &mut Steps<'_>, path: &str, step: &Step, skip: bool) -> Done {
    let narrator = steps.narrator.clone();
    narrator.start_step(path, step);
    let mut done = if skip { Done::not_run() } else { Box::pin(steps.carry_out(path, step)).await };
    if let Some(cause) = &mut done.cause {
        cause.place = narrator.place();
        if matches!(cause.code, Code::NoMatch | Code::NoSerialMatch) {
            cause.words = narrator.with_remarks(&cause.words);
            done.words.clone_from(&cause.words);
        }
    }
    narrator.end_step(done.outcome, &done.words);
    done
}

fn broken(error: DeployError) -> Halt {
    Halt::Broken(error.cause())
}

/// Size and sum of a file of the run; `None` when there is none.
fn sum(path: &Path) -> std::io::Result<Option<(u64, Digest)>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(path)?;
    Ok(Some((bytes.len() as u64, Digest::of(&bytes))))
}
