//! A web with a store of its own, a queue and an engine that only write down what they are asked.

use std::sync::{Arc, Mutex};

use axum::{Extension, Router, body::Body};
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use hyper::{Method, Request, Response, StatusCode, service::Service};
use hyper_util::service::TowerToHyperService;
use jiff::tz::TimeZone;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    config::{AccessSettings, Order, Retention, Retry, Thresholds, Timeouts},
    decide::{self, Device, Lab},
    doctor::Report,
    estimates::{Keeper, Snapshot},
    insight::Insight,
    markup::samples,
    model::*,
    people::People,
    schedule::{Refused, Standing},
    store::{Change, Store, StoreSettings, Writer},
    tasks::Tasks,
    web::{self, *},
};

/// What the web has asked of the rest.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub watch: Vec<(JobId, bool)>,
    pub cancel: Vec<(JobId, String)>,
    /// Those of them that were to stop at once, had they been asked before.
    pub hurried: Vec<JobId>,
    pub submit: Vec<(Vec<u8>, Submitter, bool)>,
    /// The keys of jobs that were to be taken in again.
    pub again: Vec<String>,
    pub limits_changed: u32,
}

pub(super) struct Site {
    pub folder: tempfile::TempDir,
    pub store: Store,
    writer: Option<Writer>,
    pub tasks: Tasks,
    pub asked: Arc<Mutex<Asked>>,
    /// Tells readers that event logs have grown.
    pub grown: watch::Sender<u64>,
    expected: watch::Receiver<Arc<Snapshot>>,
    router: Router,
}

struct Queue(Arc<Mutex<Asked>>, Arc<Standing>);

impl web::Queue for Queue {
    fn standing(&self) -> Arc<Standing> {
        self.1.clone()
    }

    fn cancel(
        &self,
        job: JobId,
        by: String,
        hurry: bool,
    ) -> BoxFuture<'static, Result<(), Refused>> {
        let mut asked = self.0.lock().unwrap();
        asked.cancel.push((job, by));
        asked.hurried.extend(hurry.then_some(job));
        let answer = if job == JobId(1) { Err(Refused::Ended(job)) } else { Ok(()) };
        Box::pin(std::future::ready(answer))
    }
}

/// A doctor with nothing to say.
struct Well;

impl Doctor for Well {
    fn report(&self) -> BoxFuture<'static, Option<Arc<Report>>> {
        let report = Report {
            state: crate::doctor::State::Fine,
            looked_at: crate::clock::now(),
            took_ms: 1,
            hold: None,
            findings: vec![],
        };
        Box::pin(std::future::ready(Some(Arc::new(report))))
    }
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with(AccessSettings::default())
    }

    pub(super) fn with(access: AccessSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(crate::store::FILE);
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        let asked: Arc<Mutex<Asked>> = Arc::default();
        let tasks = Tasks::new(CancellationToken::new());
        let kind = |name: &str, device_type: &str| Device {
            name: name.into(),
            device_type: device_type.into(),
            tags: ["uefi".into()].into(),
            memory_mib: 8192,
            cores: 4,
            at_once: 2,
            open: decide::Open::Jobs,
            last_used: None,
        };
        let devices = vec![kind("qemu-1", "qemu-x86_64"), kind("arm-1", "qemu-aarch64")];
        let lab = Lab { memory_mib: 8192, cores: 4, machines: 2, devices };
        let standing = Standing::new(Arc::new(lab), Order::default())
            .saying(JobId(4), "needs 4096 MiB, 2100 are free");
        let watched = asked.clone();
        let submitted = asked.clone();
        let composed = asked.clone();
        let limits = asked.clone();
        let (grown, heard) = watch::channel(0);
        let (_, standings) = watch::channel(Arc::new(standing.clone()));
        let (keeper, estimates) = Keeper::new(store.clone(), standings);
        tasks.spawn(keeper.run(tasks.stop.clone()));
        let expected = estimates.changes();
        let router = router(Web {
            store: store.clone(),
            people: People::new(store.clone(), access),
            logins: Logins::default(),
            schedule: Arc::new(Queue(asked.clone(), Arc::new(standing))),
            data: folder.path().into(),
            inbox: folder.path().join("inbox"),
            retention: Retention::default(),
            retry: Retry::default(),
            timeouts: Timeouts::default(),
            estimates,
            watchers: Watchers::new(Arc::new(move |job, on| {
                watched.lock().unwrap().watch.push((job, on));
            })),
            insight: Insight::new(store.clone(), Thresholds::default()),
            limits_changed: Arc::new(move || limits.lock().unwrap().limits_changed += 1),
            submit: Arc::new(move |request| {
                Box::pin(std::future::ready(take(&submitted, &request)))
            }),
            compose: Arc::new(move |request| {
                Box::pin(std::future::ready(take_again(&composed, request)))
            }),
            try_check: Arc::new(|kind, _| {
                let is_there =
                    kind.health_check.is_none_or(|check| !check.job.ends_with("gone.yaml"));
                let tried = if is_there { Ok(()) } else { Err("gone.yaml: no such file".into()) };
                Box::pin(std::future::ready(tried))
            }),
            reload_devices: Arc::new(|| {
                let path = "/etc/sutler/devices.toml".into();
                let taken = DevicesTaken { path, types: 1, devices: 2, changed: true };
                Box::pin(std::future::ready(Ok(taken)))
            }),
            activity: Arc::new(move |_| Some(heard.clone())),
            hosts: vec!["lab.example".into()],
            runs: Runs::default(),
            about: About {
                acceleration: watch::channel(Some(Acceleration::Tcg)).1,
                listen: vec!["127.0.0.1:8080".into()],
                roots: Vec::new(),
                hold: watch::channel(None).1,
                usual: crate::model::Device {
                    name: "local".into(),
                    device_type: "qemu-x86_64".into(),
                    tags: [].into(),
                    memory_mib: None,
                    cores: None,
                    at_once: None,
                    description: "this box".into(),
                },
                refused: Arc::default(),
                since: crate::clock::Stopwatch::start(),
            },
            doctor: Arc::new(Well),
            handbook: crate::handbook::Handbook::new(&[]),
            tasks: tasks.clone(),
            zone: TimeZone::UTC,
        });
        Self { folder, store, writer: Some(writer), tasks, asked, grown, expected, router }
    }

    /// A job that passed (1), one that failed (2), one that runs (3) and one that waits (4).
    pub(super) async fn furnished() -> Self {
        let site = Self::new();
        let name = "debian installer asks the right questions";
        for (id, verdict) in [(1, Verdict::Passed), (2, Verdict::Failed)] {
            site.add(&samples::ended(id, name, verdict, 30 - id.cast_signed())).await;
        }
        site.add(&samples::running(3, "grub shows its menu")).await;
        site.add(&samples::waiting(4, "memtest86+ finds no fault in an hour", 2)).await;
        for (id, end) in [(1, Some(Outcome::Ok)), (2, Some(Outcome::Fail)), (3, None)] {
            samples::write_folder(site.folder.path(), JobId(id), &samples::story(end));
        }
        site.foretold(JobId(4)).await;
        site
    }

    /// Returns when it is said of a job what is to come of it.
    pub(super) async fn foretold(&self, id: JobId) {
        let mut expected = self.expected.clone();
        drop(expected.wait_for(|told| told.get(id, told.at).is_some()).await.unwrap());
    }

    /// Puts a job into the store by the way real ones take.
    pub(super) async fn add(&self, job: &Job) {
        let job = job.clone();
        let given = self.store.submit(new_job(&job)).await.unwrap();
        assert_eq!(given.id, job.id, "samples are added in the order of their numbers");
        if let Some(at) = job.started {
            let device = job.device.clone();
            self.store
                .change(job.id, Change::Started { at, device, decision: None })
                .await
                .unwrap();
            let state = Change::State(JobState::Running);
            self.store.change(job.id, state).await.unwrap();
        }
        if let (Some(at), Some(verdict)) = (job.ended, job.verdict) {
            let failure = Failure::of_record(&job);
            let Job { id, cause, backend, load_at_end: load, parts, .. } = job;
            let (measure, spot, value) = (Measure::JobTime, Spot::default(), 60e3);
            let samples = vec![Sample { measure, spot, value }];
            let end = Change::Ended { at, verdict, cause, backend, load, parts, samples };
            self.store.end(id, end, failure, Retry::default()).await.unwrap();
        }
    }

    /// As a browser on this box.
    pub(super) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header("host", "localhost:8080");
        self.ask(Access::Page, request.body(Body::empty()).unwrap()).await.read().await
    }

    /// As a program on the socket.
    pub(super) async fn post(&self, path: &str, kind: &str, body: Body) -> Answer {
        let request = Request::post(path).header("content-type", kind).body(body).unwrap();
        self.ask(ada(), request).await.read().await
    }

    /// As an account of this box, on the socket.
    pub(super) async fn on_socket(
        &self,
        (uid, name): (u32, &str),
        method: Method,
        path: &str,
        document: Value,
    ) -> Answer {
        let access = Access::Socket { uid, name: name.into() };
        let body = if document.is_null() { Body::empty() } else { document.to_string().into() };
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        self.ask(access, request).await.read().await
    }

    pub(super) async fn ask(&self, access: Access, request: Request<Body>) -> Open {
        let router = self.router.clone().layer(Extension(access));
        Open(TowerToHyperService::new(router).call(request).await.unwrap())
    }

    /// On a port of its own, until the test ends.
    pub(super) fn router(&self) -> Router {
        self.router.clone().layer(Extension(Access::Page))
    }

    pub(super) async fn close(mut self) {
        self.tasks.close().await;
        drop(self.router);
        self.writer.take().expect("closed once").close().await;
    }
}

/// The account that the samples' jobs are from.
pub(super) fn ada() -> Access {
    Access::Socket { uid: 1000, name: "ada".into() }
}

fn take(asked: &Mutex<Asked>, request: &SubmitRequest) -> Result<Submitted, SubmitRefused> {
    let bytes = std::fs::read(&request.tar).unwrap();
    let answer = match bytes.as_slice() {
        b"bad" => Err(SubmitRefused::Invalid {
            problems: serde_json::json!([{"line": 3, "words": "no such device type"}]),
        }),
        _ => Ok(Submitted { id: JobId(5), uuid: Uuid::nil(), fresh: true, noted: false }),
    };
    asked.lock().unwrap().submit.push((bytes, request.submitter.clone(), request.wishes.strict));
    answer
}

/// Takes in again what has passed. Sent again by the same key it is the same job.
fn take_again(
    asked: &Mutex<Asked>,
    ComposeRequest { from, wishes, only_check, .. }: ComposeRequest,
) -> Result<Composed, SubmitRefused> {
    let passed = from.filter(|from| from.verdict == Some(Verdict::Passed));
    let Some(from) = passed else {
        return Err(SubmitRefused::Unavailable { why: "only what passed is taken in here".into() });
    };
    if only_check {
        return Ok(Composed::Fine { job: Box::new(new_job(&from)), waits: None });
    }
    let mut asked = asked.lock().unwrap();
    let key = wishes.key.unwrap_or_else(|| Uuid::new_v4().to_string());
    let known = asked.again.iter().position(|one| *one == key);
    let place = known.unwrap_or(asked.again.len());
    if known.is_none() {
        asked.again.push(key);
    }
    let id = JobId(100 + place as u64);
    let fresh = known.is_none();
    Ok(Composed::Submitted(Submitted { id, uuid: Uuid::nil(), fresh, noted: false }))
}

fn new_job(job: &Job) -> NewJob {
    let job = job.clone();
    NewJob {
        uuid: job.uuid,
        name: job.name,
        definition: job.definition,
        definition_hash: job.definition_hash,
        bundle: job.bundle,
        submitter: job.submitter,
        way_in: job.way_in,
        submitted: job.submitted,
        priority: job.priority,
        device_type: job.device_type,
        tags: job.tags,
        settings: job.settings,
        metadata: job.metadata,
        visibility: job.visibility,
        stream: job.stream,
        needs: job.needs,
        conditions: Conditions::default(),
        lineage: job.lineage,
        idempotency: None,
        intake_key: None,
    }
}

/// An answer whose body may go on.
pub(super) struct Open(pub Response<Body>);

impl Open {
    pub(super) async fn read(self) -> Answer {
        let (head, body) = self.0.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, bytes }
    }

    /// The next piece of the body as text.
    pub(super) async fn piece(&mut self) -> Option<String> {
        let frame = self.0.body_mut().frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }
}

pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: hyper::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
