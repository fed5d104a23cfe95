//! Devices: what there is to run jobs on, how it is, and what has happened to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    num::NonZeroU32,
    sync::Arc,
};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    api::called,
    body::{given, read},
    device_forms::Entry,
    device_pages::{DeviceView, DevicesView, device_page, devices_page},
    errors::{PageError, Problem, WebError, refused},
    guard::{About, Asks},
    known::Removed,
    params::{NoParams, Params, Path},
    state::{DevicesTaken, Web},
};
use crate::{
    clock,
    config::is_device_name,
    decide::access::{Act, may},
    job_file::DEVICE_TYPE,
    model::{
        Architecture, Device, DeviceEvent, DeviceHealth, DeviceOrigin, DeviceState, DeviceStatus,
        DeviceType, HealthCheck, Identity, JobId, JobState, quantity::LEAST_MEMORY_MIB,
    },
    store::DeviceChange,
};

/// Lines of a log in one answer.
pub(super) const LINES: usize = 200;
/// Bytes of a reason or a description.
pub(super) const WORDS: usize = 500;

/// A device, for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceRecord)]
pub(super) struct Record<'a> {
    #[serde(flatten)]
    device: &'a Device,
    origin: DeviceOrigin,
    architecture: Architecture,
    #[serde(flatten)]
    state: &'a DeviceState,
    /// Jobs that run on it now.
    running: &'a [JobId],
}

impl<'a> Record<'a> {
    fn new(status: &'a DeviceStatus, running: &'a [JobId]) -> Self {
        let DeviceStatus { device, origin, kind, state } = status;
        Self { device, origin: *origin, architecture: kind.architecture, state, running }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices<'a> {
    devices: Vec<Record<'a>>,
}

/// What happened to a device, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceLog {
    log: Vec<DeviceEvent>,
    /// `before` of the next lines; none when these were the last.
    next: Option<Timestamp>,
}

/// A device type, for programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceTypeRecord)]
pub(super) struct TypeRecord<'a> {
    name: &'a str,
    architecture: Architecture,
    origin: DeviceOrigin,
    description: &'a str,
    health_check: Option<CheckRecord<'a>>,
}

/// The job that finds out whether a device is well, and when it is run of itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthCheckRecord)]
struct CheckRecord<'a> {
    #[schema(value_type = String)]
    job: &'a std::path::Path,
    every_s: Option<u64>,
    after_jobs: Option<u32>,
}

impl<'a> TypeRecord<'a> {
    fn new(kind: &'a DeviceType, origin: DeviceOrigin) -> Self {
        let DeviceType { name, architecture, description, health_check } = kind;
        let health_check = health_check.as_ref().map(|HealthCheck { job, every, after_jobs }| {
            let every_s = every.map(|every| every.as_secs());
            CheckRecord { job, every_s, after_jobs: *after_jobs }
        });
        Self { name, architecture: *architecture, origin, description, health_check }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceTypes<'a> {
    device_types: Vec<TypeRecord<'a>>,
}

/// The jobs that run, by device.
pub(super) async fn running(web: &Web) -> Result<BTreeMap<String, Vec<JobId>>, WebError> {
    let mut found: BTreeMap<String, Vec<JobId>> = BTreeMap::new();
    for state in JobState::ALL.into_iter().filter(|state| state.is_active()) {
        let jobs = web.on_devices(state).await?;
        for (device, job) in jobs {
            found.entry(device.unwrap_or_default()).or_default().push(job);
        }
    }
    Ok(found)
}

async fn find(web: &Web, name: &str) -> Result<DeviceStatus, WebError> {
    let found = web.store.devices().await?.into_iter().find(|one| one.device.name == name);
    found.ok_or(WebError::NotFound("device"))
}

/// `GET /api/devices`
#[utoipa::path(
    get,
    path = "/devices",
    tag = "Box",
    responses((status = 200, description = "All devices", body = Devices)),
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let (devices, running) = (web.store.devices().await?, running(&web).await?);
    let none = Vec::new();
    let devices = devices
        .iter()
        .map(|one| Record::new(one, running.get(&one.device.name).unwrap_or(&none)))
        .collect();
    Ok(Json(Devices { devices }).into_response())
}

/// `GET /api/devices/{name}`
#[utoipa::path(
    get,
    path = "/devices/{name}",
    tag = "Box",
    params(
        ("name" = String, Path, description = "Name of the device", example = "bench-1"),
    ),
    responses((status = 200, description = "One device", body = Record)),
)]
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let status = find(&web, &name).await?;
    let running = running(&web).await?.remove(&name).unwrap_or_default();
    Ok(Json(Record::new(&status, &running)).into_response())
}

/// What is said of a device that is added or changed. Of one that is there, what is not said stays as it
/// is; a limit may be null: what the box lends.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SentDevice)]
#[serde(deny_unknown_fields)]
pub(super) struct Put {
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,59}$")]
    pub name: String,
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,59}$")]
    pub device_type: Option<String>,
    #[schema(value_type = Option<Vec<String>>)]
    pub tags: Option<BTreeSet<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, format = "uint32", minimum = 4)]
    pub memory_mib: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, format = "uint32", minimum = 1)]
    pub cores: Option<Option<NonZeroU32>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, format = "uint32", minimum = 1)]
    pub at_once: Option<Option<NonZeroU32>>,
    pub description: Option<String>,
}

/// `POST /api/devices`: adds a device, or changes one that a command has added.
#[utoipa::path(
    post,
    path = "/devices",
    tag = "Box",
    request_body(content = Put),
    responses((status = 201, description = "The device as it is now", body = Record)),
)]
pub(super) async fn put(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let by = operator(&who)?;
    let status = put_device(&web, read(body).await?, by).await?;
    let about = About(status.device.name.clone());
    let answer = Json(Record::new(&status, &[]));
    let mut response = (StatusCode::CREATED, answer).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

pub(super) async fn put_device(
    web: &Web,
    asked: Put,
    by: String,
) -> Result<DeviceStatus, WebError> {
    let Put { name, device_type, tags, memory_mib, cores, at_once, description } = asked;
    for name in iter::once(&name).chain(&device_type).chain(tags.iter().flatten()) {
        fine_name(name)?;
    }
    if let Some(mib) = memory_mib.flatten().filter(|mib| *mib < LEAST_MEMORY_MIB) {
        let words =
            format!("memory_mib: {mib} MiB are too little, a guest has {LEAST_MEMORY_MIB} or more");
        return Err(WebError::BadRequest(words));
    }
    let known = web.store.devices().await?.into_iter().find(|one| one.device.name == name);
    let mut device = known.map_or_else(|| Device::plain(&name, DEVICE_TYPE), |one| one.device);
    device.device_type = device_type.unwrap_or(device.device_type);
    device.tags = tags.unwrap_or(device.tags);
    device.memory_mib = memory_mib.unwrap_or(device.memory_mib);
    device.cores = cores.map_or(device.cores, |cores| cores.map(Into::into));
    device.at_once = at_once.map_or(device.at_once, |at_once| at_once.map(Into::into));
    if let Some(description) = description {
        device.description = fine_words(description)?;
    }
    change(web, DeviceChange::Put { device }, by).await?;
    find(web, &name).await
}

/// `DELETE /api/devices/{name}`
#[utoipa::path(
    delete,
    path = "/devices/{name}",
    tag = "Box",
    params(
        ("name" = String, Path, description = "Name of the device", example = "bench-1"),
    ),
    responses((status = 200, description = "It is gone", body = Removed)),
)]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let by = operator(&who)?;
    let usual = web.about.usual.clone();
    change(&web, DeviceChange::Remove { name: name.clone(), usual }, by).await?;
    Ok(Json(Removed { removed: name }).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SetHealth {
    pub health: DeviceHealth,
    #[schema(min_length = 1)]
    pub why: String,
}

/// `POST /api/devices/{name}/health`: takes a device out of service, or back.
#[utoipa::path(
    post,
    path = "/devices/{name}/health",
    tag = "Box",
    request_body(content = SetHealth),
    params(
        ("name" = String, Path, description = "Name of the device", example = "bench-1"),
    ),
    responses((status = 200, description = "The device as it is now", body = Record)),
)]
pub(super) async fn set_health(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let by = operator(&who)?;
    let about = put_health(&web, name.clone(), read(body).await?, by).await?;
    let status = find(&web, &name).await?;
    let running = running(&web).await?.remove(&name).unwrap_or_default();
    let mut response = Json(Record::new(&status, &running)).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

/// Tells what was done for the note of it.
pub(super) async fn put_health(
    web: &Web,
    name: String,
    SetHealth { health, why }: SetHealth,
    by: String,
) -> Result<About, WebError> {
    let why = fine_words(why)?;
    if why.trim().is_empty() {
        return Err(WebError::BadRequest("say why, in a few words".into()));
    }
    let about = About(format!("{name}: {health}, {why}"));
    change(web, DeviceChange::Health { name, health, why }, by).await?;
    Ok(about)
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogAsked {
    /// Lines before this time.
    before: Option<Timestamp>,
}

/// `GET /api/devices/{name}/log`: newest first.
#[utoipa::path(
    get,
    path = "/devices/{name}/log",
    tag = "Box",
    params(
        ("name" = String, Path, description = "Name of the device", example = "bench-1"),
        LogAsked,
    ),
    responses((status = 200, description = "What happened to it, newest first", body = DeviceLog)),
)]
pub(super) async fn log(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    Params(LogAsked { before }): Params<LogAsked>,
) -> Result<Response, Problem> {
    let lines = web.store.device_log(name.clone(), before, LINES).await?;
    if lines.is_empty() && before.is_none() {
        find(&web, &name).await?;
    }
    let next = lines.last().filter(|_| lines.len() == LINES).map(|line| line.at);
    Ok(Json(DeviceLog { log: lines, next }).into_response())
}

/// `GET /api/device-types`
#[utoipa::path(
    get,
    path = "/device-types",
    tag = "Box",
    responses((status = 200, description = "All device types", body = DeviceTypes)),
)]
pub(super) async fn types(
    State(web): State<Arc<Web>>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let types = web.store.device_types().await?;
    let device_types = types.iter().map(|(kind, origin)| TypeRecord::new(kind, *origin)).collect();
    Ok(Json(DeviceTypes { device_types }).into_response())
}

/// What a device type is. Of one that is there, what is not said stays as it is; its health check may
/// be null: none any more.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SentDeviceType)]
#[serde(deny_unknown_fields)]
pub(super) struct PutType {
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,59}$")]
    name: String,
    architecture: Option<Architecture>,
    description: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<PutCheck>)]
    health_check: Option<Option<PutCheck>>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = SentHealthCheck)]
#[serde(deny_unknown_fields)]
struct PutCheck {
    #[schema(value_type = String, pattern = "^/")]
    job: std::path::PathBuf,
    #[schema(value_type = Option<u32>, format = "uint32", minimum = 1)]
    every_s: Option<NonZeroU32>,
    #[schema(value_type = Option<u32>, format = "uint32", minimum = 1)]
    after_jobs: Option<NonZeroU32>,
}

impl PutCheck {
    fn read(self) -> Result<HealthCheck, WebError> {
        let Self { job, every_s, after_jobs } = self;
        if !job.is_absolute() {
            let words = "the job of a health check is an absolute path on the box".to_owned();
            return Err(WebError::BadRequest(words));
        }
        Ok(HealthCheck {
            job,
            every: every_s.map(|s| std::time::Duration::from_secs(u32::from(s).into())),
            after_jobs: after_jobs.map(Into::into),
        })
    }
}

/// `POST /api/device-types`: says what a device type is, and what checks its devices.
#[utoipa::path(
    post,
    path = "/device-types",
    tag = "Box",
    request_body(content = PutType),
    responses((status = 201, description = "The device type as it is now", body = TypeRecord)),
)]
pub(super) async fn put_type(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let by = operator(&who)?;
    let PutType { name, architecture, description, health_check } = read(body).await?;
    fine_name(&name)?;
    let types = web.store.device_types().await?;
    let known = types.into_iter().map(|(kind, _)| kind).find(|kind| kind.name == name);
    let mut kind = known.unwrap_or_else(|| DeviceType::plain(&name));
    kind.architecture = architecture.unwrap_or(kind.architecture);
    if let Some(description) = description {
        kind.description = fine_words(description)?;
    }
    if let Some(health_check) = health_check {
        may(&who, Act::HealthChecks).map_err(WebError::from)?;
        kind.health_check = health_check.map(PutCheck::read).transpose()?;
        try_check(&web, &kind).await?;
    }
    change(&web, DeviceChange::Type { kind: kind.clone() }, by).await?;
    let record = TypeRecord::new(&kind, DeviceOrigin::Command);
    let mut response = (StatusCode::CREATED, Json(record)).into_response();
    response.extensions_mut().insert(About(kind.name));
    Ok(response)
}

/// Refuses a health check that no device could pass: it would only be heard of when it is due.
async fn try_check(web: &Web, kind: &DeviceType) -> Result<(), WebError> {
    if kind.health_check.is_none() {
        return Ok(());
    }
    let mut devices = web.store.devices().await?;
    devices.retain(|one| one.device.device_type == kind.name);
    let tried = (web.try_check)(kind.clone(), devices).await;
    tried.map_err(|why| WebError::BadCheck { name: kind.name.clone(), why })
}

/// `DELETE /api/device-types/{name}`
#[utoipa::path(
    delete,
    path = "/device-types/{name}",
    tag = "Box",
    params(
        ("name" = String, Path, description = "Name of the device type", example = "board"),
    ),
    responses((status = 200, description = "It is gone", body = Removed)),
)]
pub(super) async fn remove_type(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let by = operator(&who)?;
    change(&web, DeviceChange::RemoveType { name: name.clone() }, by).await?;
    Ok(Json(Removed { removed: name }).into_response())
}

/// What came of reading the devices file once more.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DevicesFileRead)]
pub(super) struct Reloaded {
    file: String,
    device_types: usize,
    devices: usize,
    /// Whether anything is otherwise than before.
    changed: bool,
}

/// `POST /api/devices-file/reload`: makes the devices of the file what it says now. A file with a mistake
/// changes nothing.
#[utoipa::path(
    post,
    path = "/devices-file/reload",
    tag = "Box",
    responses((status = 200, description = "What the file has", body = Reloaded)),
)]
pub(super) async fn reload(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    operator(&who)?;
    let DevicesTaken { path, types, devices, changed } = (web.reload_devices)().await?;
    let file = path.display().to_string();
    let mut response = Json(Reloaded { file: file.clone(), device_types: types, devices, changed })
        .into_response();
    response.extensions_mut().insert(About(file));
    Ok(response)
}

async fn change(web: &Web, change: DeviceChange, by: String) -> Result<bool, WebError> {
    web.store.change_devices(change, by, clock::now()).await.map_err(refused)
}

/// Who keeps this box; nobody else changes what it has.
pub(super) fn operator(who: &Identity) -> Result<String, WebError> {
    may(who, Act::Devices)?;
    Ok(called(who))
}

fn fine_name(name: &str) -> Result<(), WebError> {
    if is_device_name(name) {
        return Ok(());
    }
    let words = format!(
        "{:?} is no name: 1 to {} letters, digits, `_`, `-` and `.`",
        name.chars().take(80).collect::<String>(),
        crate::config::LONGEST_DEVICE_NAME,
    );
    Err(WebError::BadRequest(words))
}

fn fine_words(words: String) -> Result<String, WebError> {
    if words.len() <= WORDS && !words.chars().any(char::is_control) {
        return Ok(words);
    }
    Err(WebError::BadRequest(format!("words are one line of at most {WORDS} bytes")))
}

pub(super) async fn view(web: &Web, who: &Identity) -> Result<DevicesView, WebError> {
    Ok(DevicesView {
        may_change: operator(who).is_ok(),
        devices: web.store.devices().await?,
        running: running(web).await?,
        types: web.store.device_types().await?,
        entry: Entry::default(),
        moment: web.moment(),
    })
}

/// `GET /devices`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    Ok(Html(devices_page(&view(&web, &who).await?).into_string()))
}

/// `GET /devices/{name}`
pub(super) async fn one(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(LogAsked { before }): Params<LogAsked>,
) -> Result<Html<String>, PageError> {
    let log: Vec<DeviceEvent> = web.store.device_log(name.clone(), before, LINES).await?;
    let view = DeviceView {
        may_change: operator(&who).is_ok(),
        status: find(&web, &name).await?,
        running: running(&web).await?.remove(&name).unwrap_or_default(),
        log,
        moment: web.moment(),
    };
    Ok(Html(device_page(&view).into_string()))
}
