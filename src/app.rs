//! The appliance: builds, wires and closes every part of it.
//!
//! ```text
//! inbox ─┐                      ┌─▶ reasons ─▶ web
//!        ├─▶ store ─▶ schedule ─┤
//! web  ──┘     ▲                └─▶ wishes ─▶ supervise ─▶ engines
//!              └───────────── ends ◀──────────────┘
//! ```
//!
//! Nothing is started before the engines of an earlier appliance are found again. Parts close in
//! the order in which they would miss each other; engines go on without us.

mod doors;
mod entrance;
mod folders;
mod service;

use std::{
    convert::Infallible,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use self::entrance::{Entrance, Gate};
use crate::{
    cli, clock,
    config::{
        DevicesFile, DevicesFileError, Host, Lends, LogForm, Settings, SettingsError, read_devices,
    },
    decide::{Demand, Lab, Reason, never},
    doctor::{self, Keeper},
    estimates,
    handbook::Handbook,
    insight::Insight,
    intake::{Inbox, InboxError, InboxSettings},
    job_file::{self, Admission, Arrival, Options, Refusal, bundle},
    model::{
        Acceleration, Cause, Code, Command, Conditions, Device, DeviceOrigin, DeviceState,
        DeviceStatus, DeviceType, EngineLog, EngineOrder, Job, JobState, Limit, NewJob, Submitter,
        WayIn, Who, with_causes,
    },
    people::People,
    schedule,
    store::{self, DeviceChange, Store, StoreError, StoreSettings},
    supervise::{self, BlameBox, Prepare, Supervisor},
    tasks::{self, Tasks},
    upkeep::{Shelver, Upkeep},
    web::{
        About, DevicesRefused, DevicesTaken, Logins, ReloadDevices, Runs, TryCheck, Watchers, Web,
    },
};

/// Wishes and commands that may wait for their takers; whoever has more waits.
const WAITING: usize = 64;
/// How long a dead appliance's store may still be held.
const STILL_HELD: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("could not make {}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("could not look at this box")]
    Host(#[from] SettingsError),
    #[error("could not open the store")]
    Store(#[from] StoreError),
    #[error("could not take over the devices file")]
    Devices(#[from] DevicesFileError),
    #[error("could not open the inbox")]
    Inbox(#[from] InboxError),
    #[error("could not listen at {at}")]
    Listen { at: String, source: io::Error },
    #[error("could not start the async runtime")]
    Runtime { source: io::Error },
    #[error("could not listen for signals")]
    Signals { source: io::Error },
}

impl From<DevicesRefused> for AppError {
    fn from(refused: DevicesRefused) -> Self {
        match refused {
            DevicesRefused::File(error) => Self::Devices(error),
            DevicesRefused::Store(error) => Self::Store(error),
        }
    }
}

/// Runs the appliance on a runtime of its own; see [`serve`].
pub fn run(settings: Settings, ready: impl FnOnce(SocketAddr)) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| AppError::Runtime { source })?;
    runtime.block_on(serve(settings, ready))
}

/// Runs the appliance until a signal asks it to end. `ready` is told the address of the page when
/// it can be asked for.
pub async fn serve(settings: Settings, ready: impl FnOnce(SocketAddr)) -> Result<(), AppError> {
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let root = CancellationToken::new();
    let parts = tokio::select! {
        parts = Parts::build(&settings, &root) => parts?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    ready(parts.address);
    service::ready();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    service::stopping();
    tracing::info!("closing; running jobs go on, a second signal ends this at once");
    tokio::select! {
        () = parts.close() => {}
        _ = terminate.recv() => tracing::warn!("ended before everything was closed"),
        _ = interrupt.recv() => tracing::warn!("ended before everything was closed"),
    }
    Ok(())
}

fn listen_for(kind: SignalKind) -> Result<tokio::signal::unix::Signal, AppError> {
    signal(kind).map_err(|source| AppError::Signals { source })
}

/// Opens the store. One that somebody has open is tried for a moment longer: a child that a killed
/// appliance had just forked holds what was open until it becomes another program.
async fn open_store(path: PathBuf) -> Result<(Store, store::Writer), StoreError> {
    let since = clock::Stopwatch::start();
    loop {
        let path = path.clone();
        let open = tasks::blocking(move || Store::open(&path, StoreSettings::default())).await;
        match open {
            Err(StoreError::AlreadyOpen { .. }) if since.elapsed() < STILL_HELD => {
                tokio::time::sleep(STILL_HELD / 20).await;
            }
            open => return open,
        }
    }
}

/// The running parts, in the order in which they close.
struct Parts {
    address: SocketAddr,
    doors: Tasks,
    intake: Tasks,
    queue: Tasks,
    engines: Tasks,
    upkeep: Tasks,
    writer: store::Writer,
}

impl Parts {
    async fn build(settings: &Settings, root: &CancellationToken) -> Result<Self, AppError> {
        let data = &settings.data;
        folders::prepare(data)?;
        let (store, writer) = open_store(data.join(store::FILE)).await?;
        // Only now is it certain that no other appliance uses the folder.
        folders::close_store(data);
        folders::clear_half_written(data)?;
        let tasks = || Tasks::new(root.child_token());
        let (doors, intake, queue, engines) = (tasks(), tasks(), tasks(), tasks());
        let upkeep = tasks();

        let (acceleration, proved) = watch::channel(None);
        let (hold, held) = watch::channel(Some("finding out how guests run here".to_owned()));
        let (keeper, doctor) = Keeper::new(
            settings.clone(),
            Host::look()?,
            doctor::Bounds::default(),
            data.join("acceleration.json"),
            hold,
            acceleration,
        );
        engines.spawn(keeper.run(engines.stop.clone()));

        let insight = Insight::new(store.clone(), settings.thresholds);
        let prepare = prepare_order(settings, proved.clone(), insight.clone());
        let blame_box = blame_box(doctor.clone());
        let (mut supervisor, handle) =
            Supervisor::new(data.clone(), store.clone(), prepare, blame_box, settings.retry);
        supervisor.reattach().await?;
        let (wishes, wished) = mpsc::channel(WAITING);
        engines.spawn(supervisor.run(wished, engines.stop.clone()));

        doors.spawn(service::keep_told(store.clone(), held.clone(), doors.stop.clone()));
        take_devices_file(&store, &settings.devices).await?;
        let admission =
            Arc::new(Admission::new(data.clone(), settings.roots.clone(), settings.timeouts));
        let (devices, labs) =
            schedule::Devices::new(store.clone(), settings.lends, make_check(&admission)).await?;
        queue.spawn(devices.run(queue.stop.clone()));
        let (owner, schedule) =
            schedule::Owner::new(store.clone(), labs, settings.order, wishes, held.clone()).await?;
        queue.spawn(owner.run(queue.stop.clone()));
        let (keeper, estimates) = estimates::Keeper::new(store.clone(), schedule.standings());
        doors.spawn(keeper.run(doors.stop.clone()));
        queue.spawn(schedule::Retries::new(store.clone()).run(queue.stop.clone()));

        let people = People::new(store.clone(), settings.access);
        let entrance =
            Entrance { store: store.clone(), queue: schedule.clone(), people: people.clone() };
        let inbox = {
            let folder = settings.inbox.clone();
            let keep_rejected = settings.keep_rejected.try_into().unwrap_or(usize::MAX);
            let inbox = InboxSettings { folder, keep_rejected };
            let gate = Gate { admission: admission.clone(), entrance: entrance.clone() };
            tasks::blocking(move || Inbox::open(inbox, gate)).await?
        };
        let refused = inbox.refused();
        intake.spawn(inbox.run(intake.stop.clone()));

        let keeper = {
            let (data, stop) = (data.clone(), upkeep.stop.clone());
            Upkeep::new(store.clone(), data, settings.retention, stop)
        };
        upkeep.spawn(keeper.map_err(|source| AppError::Runtime { source })?.run());

        let shelver = {
            // The same program as long as we live, also when the package is upgraded under us.
            let program = format!("/proc/{}/exe", std::process::id()).into();
            Shelver::new(store.clone(), data.clone(), program, upkeep.stop.clone())
        };
        upkeep.spawn(shelver.map_err(|source| AppError::Runtime { source })?.run());

        let listener = doors::Listeners::bind(settings).await?;
        let address = listener.address;
        let web = Web {
            store: store.clone(),
            people,
            logins: Logins::default(),
            schedule: Arc::new(schedule),
            data: data.clone(),
            retention: settings.retention,
            retry: settings.retry,
            timeouts: settings.timeouts,
            estimates,
            inbox: settings.inbox.clone(),
            watchers: watchers(handle.clone(), &doors),
            limits_changed: limits_changed(&insight, store.clone(), handle.clone(), &doors),
            insight,
            submit: entrance::submit(admission.clone(), entrance.clone()),
            try_check: try_check(&admission, settings.lends),
            reload_devices: reload_devices(store.clone(), settings.devices.clone()),
            compose: entrance::compose(admission, entrance),
            activity: Arc::new(move |job| handle.activity(job)),
            hosts: settings.hosts.clone(),
            about: About {
                acceleration: proved,
                listen: vec![address.to_string()],
                roots: settings.roots.clone(),
                hold: held.clone(),
                usual: usual_device(),
                refused,
                since: clock::Stopwatch::start(),
            },
            runs: Runs::default(),
            doctor: Arc::new(doctor),
            handbook: Handbook::new(&cli::commands()),
            tasks: doors.clone(),
            zone: jiff::tz::TimeZone::system(),
        };
        listener.serve(crate::web::router(web), &doors);
        Ok(Self { address, doors, intake, queue, engines, upkeep, writer })
    }

    async fn close(self) {
        self.doors.close().await;
        self.intake.close().await;
        self.queue.close().await;
        self.engines.close().await;
        self.upkeep.close().await;
        self.writer.close().await;
    }
}

/// Makes the store's devices those of the file, or the box itself one where none is named.
async fn take_devices_file(store: &Store, path: &Path) -> Result<DevicesTaken, DevicesRefused> {
    let file = path.to_path_buf();
    let DevicesFile { types, devices } = tasks::blocking(move || read_devices(&file)).await?;
    let (path, has_types, has_devices) = (path.to_path_buf(), types.len(), devices.len());
    let change = DeviceChange::File { types, devices, usual: usual_device() };
    let changed = store.change_devices(change, "the devices file".into(), clock::now()).await?;
    Ok(DevicesTaken { path, types: has_types, devices: has_devices, changed })
}

/// Reads the devices file once more. One after the other: what was read last is what holds.
fn reload_devices(store: Store, path: PathBuf) -> ReloadDevices {
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    Arc::new(move || {
        let (store, path, turn) = (store.clone(), path.clone(), turn.clone());
        Box::pin(async move {
            let _turn = turn.lock().await;
            take_devices_file(&store, &path).await
        })
    })
}

/// The box itself, as a device.
fn usual_device() -> Device {
    Device { description: "this box".into(), ..Device::plain("local", job_file::DEVICE_TYPE) }
}

/// Reads the job that checks a device, as the appliance's own submission to it.
fn make_check(admission: &Arc<Admission>) -> schedule::MakeCheck {
    let admission = admission.clone();
    Arc::new(move |status: DeviceStatus| {
        let admission = admission.clone();
        Box::pin(tasks::blocking(move || admit_check(&admission, &status)))
    })
}

fn admit_check(admission: &Admission, status: &DeviceStatus) -> Result<NewJob, String> {
    let DeviceStatus { device, kind, .. } = status;
    let Some(check) = &kind.health_check else { return Err("there is none".into()) };
    let job = read_check(admission, &check.job)?;
    let conditions =
        Conditions { device: Some(device.name.clone()), health_check: true, ..job.conditions };
    Ok(NewJob { device_type: device.device_type.clone(), conditions, ..job })
}

/// Reads a job that checks devices; which one it is for is not said in it.
fn read_check(admission: &Admission, path: &Path) -> Result<NewJob, String> {
    let told = |why: String| format!("{}: {why}", path.display());
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    // A pipe would be waited for.
    let kind = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    let source = if kind.is_dir() {
        bundle::Source::Folder(path.into())
    } else if !kind.is_file() {
        return Err(told("it is neither a file nor a folder".into()));
    } else {
        let file = fs::File::open(path).map_err(|error| told(error.to_string()))?;
        bundle::Source::of_file(file, &name)
    };
    let arrival = Arrival {
        submitter: Submitter { uid: None, name: "sutler".into() },
        way_in: WayIn::Appliance,
        submitted: clock::now(),
        intake_key: None,
    };
    let job = admission.admit(source, &name, arrival, admission.options(false), &|_| Ok(()));
    job.map_err(|refusal| match refusal {
        Refusal::Bundle(error) => told(with_causes(&error)),
        Refusal::Invalid(problems) => told(problems.to_string()),
    })
}

/// Looks at the job that is to check devices before it is said that it does.
fn try_check(admission: &Arc<Admission>, lends: Lends) -> TryCheck {
    let admission = admission.clone();
    Arc::new(move |kind: DeviceType, devices: Vec<DeviceStatus>| {
        let admission = admission.clone();
        // A large file that it names may have a sum.
        Box::pin(tasks::lasting(move || {
            let Some(check) = &kind.health_check else { return Ok(()) };
            let job = read_check(&admission, &check.job)?;
            let unfit = unfit(&job, &kind, devices, lends);
            unfit.map_or(Ok(()), |reason| Err(format!("{}: {reason}", check.job.display())))
        }))
    })
}

/// Why none of the devices of a type could ever be checked by this job. Where there is none yet, it is
/// for one that has all its tags, and all that the box lends.
fn unfit(
    job: &NewJob,
    kind: &DeviceType,
    mut devices: Vec<DeviceStatus>,
    lends: Lends,
) -> Option<Reason> {
    if devices.is_empty() {
        let tags = job.tags.iter().cloned().collect();
        let device = Device { device_type: kind.name.clone(), tags, ..usual_device() };
        let state = DeviceState::new("sutler", clock::now());
        let origin = DeviceOrigin::Default;
        devices.push(DeviceStatus { device, origin, kind: kind.clone(), state });
    }
    let lab = Arc::new(Lab::of(lends, &devices));
    let mut first = None;
    for DeviceStatus { device, .. } in devices {
        let device_type = kind.name.clone();
        let (device, health_check) = (Some(device.name), true);
        let demand = Demand { device_type, device, health_check, ..Demand::of_new(job) };
        // None would do: this one can.
        let reason = never(&lab, &demand)?;
        first.get_or_insert(reason);
    }
    first
}

/// Has the doctor look again when a job ended for want of something.
fn blame_box(doctor: doctor::Handle) -> BlameBox {
    Arc::new(move || {
        let doctor = doctor.clone();
        Box::pin(async move {
            match doctor.look_again().await {
                Some(report) => report.hold.is_some(),
                // We are closing: the next appliance settles the job.
                None => std::future::pending().await,
            }
        })
    })
}

/// Makes the order for an engine from a job's record, which holds all of it.
fn prepare_order(
    settings: &Settings,
    acceleration: watch::Receiver<Option<Acceleration>>,
    insight: Insight,
) -> Prepare {
    let (data, roots) = (settings.data.clone(), settings.roots.clone());
    let timeouts = settings.timeouts;
    let log = EngineLog {
        level: settings.log.level.clone(),
        to_journal: settings.log.form == LogForm::Journald,
    };
    Arc::new(move |job: &Job| {
        let timeouts = timeouts.once_accepted(job.needs.at_most);
        let options = Options { timeouts, ..Options::default() };
        let read = job_file::read(&job.definition, "job.yaml", options);
        let read = read.map_err(|problems| {
            // It was accepted once: an older Sutler read it otherwise.
            let words = format!("this version does not understand the job: {problems}");
            Box::new(Cause::new(Who::Sutler, Code::Internal, words))
        });
        let order = read.map(|read| EngineOrder {
            job: job.id,
            uuid: job.uuid,
            definition: read.definition,
            bundle: data.join("bundles").join(job.bundle.to_string()),
            roots: roots.clone(),
            acceleration: acceleration.borrow().unwrap_or(Acceleration::Tcg),
            bound_to_parent: false,
            log: log.clone(),
            limits: Vec::new(),
        });
        let (insight, job) = (insight.clone(), job.clone());
        Box::pin(async move {
            let mut order = order?;
            order.limits = limits(&insight, &job).await;
            Ok(order)
        })
    })
}

/// What a job is held to. One that cannot be held to anything runs all the same.
async fn limits(insight: &Insight, job: &Job) -> Vec<Limit> {
    insight.limits(job).await.unwrap_or_else(|error| {
        unread(job, &error);
        Vec::new()
    })
}

fn unread(job: &Job, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::error!(job = %job.id, error, "could not read what the job is held to");
}

/// Tells running engines their limits anew when some have changed. A job that is started in that
/// very moment keeps those it was started with.
fn limits_changed(
    insight: &Insight,
    store: Store,
    handle: supervise::Handle,
    tasks: &Tasks,
) -> Arc<dyn Fn() + Send + Sync> {
    let changed = Arc::new(Notify::new());
    let (told, stop, insight) = (changed.clone(), tasks.stop.clone(), insight.clone());
    tasks.spawn(async move {
        stop.run_until_cancelled(tell_limits(&told, &insight, &store, &handle)).await;
    });
    Arc::new(move || changed.notify_one())
}

async fn tell_limits(
    changed: &Notify,
    insight: &Insight,
    store: &Store,
    handle: &supervise::Handle,
) -> Infallible {
    loop {
        changed.notified().await;
        for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
            for job in store.jobs_in(state, usize::MAX).await.unwrap_or_default() {
                match insight.limits(&job).await {
                    Ok(limits) => handle.send(job.id, Command::Limits { limits }).await,
                    // It keeps those it has.
                    Err(error) => unread(&job, &error),
                }
            }
        }
    }
}

/// Passes "somebody watches" on to the engine, in order.
fn watchers(handle: supervise::Handle, tasks: &Tasks) -> Watchers {
    let (tell, mut told) = mpsc::channel(WAITING);
    let stop = tasks.stop.clone();
    tasks.spawn(async move {
        let pass_on = async {
            while let Some((job, on)) = told.recv().await {
                handle.send(job, Command::Watch { on }).await;
            }
        };
        stop.run_until_cancelled(pass_on).await;
    });
    Watchers::new(Arc::new(move |job, on| {
        if tell.try_send((job, on)).is_err() {
            tracing::warn!(%job, on, "too many views open and close at once");
        }
    }))
}
