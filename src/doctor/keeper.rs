//! The appliance's doctor: looks at the start, when somebody asks, and from time to time; holds the
//! queue while no guest could be started, and lets it go on by itself.
//!
//! It owns the hold. Whoever has seen something go wrong asks it to look again, and is answered
//! when the hold says what was found.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    checks::{Bounds, check},
    facts::{Looker, Viewer},
    finding::{Finding, State, hold, worst},
};
use crate::{
    clock::{self, Stopwatch},
    config::{Host, Settings},
    model::Acceleration,
};

/// Between looks while all is well. What goes wrong meanwhile is found when a job meets it; this
/// finds a disk that fills up before one does.
const WHEN_WELL: Duration = Duration::from_secs(60);
/// Between looks while the queue is held. Nothing tells that a package was installed, or that a
/// disk has room again.
const WHEN_HELD: Duration = Duration::from_secs(3);
/// Who only wants to see what is known is shown what is not older than this.
const FRESH: Duration = Duration::from_secs(2);
/// Requests that may wait; the next one waits outside.
const REQUESTS: usize = 16;

/// What a look has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = DoctorReport)]
pub struct Report {
    /// The worst of the findings.
    pub state: State,
    pub looked_at: Timestamp,
    pub took_ms: u64,
    /// Why the queue is held.
    pub hold: Option<String>,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Looks, and judges what it sees. How guests run is the other half of the answer.
    pub async fn make(looker: &mut Looker, bounds: Bounds) -> (Self, Option<Acceleration>) {
        let (looked_at, clock) = (clock::now(), Stopwatch::start());
        let facts = looker.look().await;
        let findings = check(&facts, bounds);
        let report = Self {
            state: worst(&findings),
            looked_at,
            took_ms: u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX),
            hold: hold(&findings),
            findings,
        };
        (report, facts.acceleration.map(|proof| proof.acceleration))
    }
}

#[derive(Debug)]
struct Request {
    /// What was seen before does not count.
    anew: bool,
    answer: oneshot::Sender<Arc<Report>>,
}

/// Speaks to the appliance's doctor.
#[derive(Debug, Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
}

impl Handle {
    /// What there is to say now. `None` when the appliance is closing.
    pub async fn report(&self) -> Option<Arc<Report>> {
        self.ask(false).await
    }

    /// Looks again, whatever was seen a moment ago. When this answers, the queue is held or not, as
    /// the report says.
    pub async fn look_again(&self) -> Option<Arc<Report>> {
        self.ask(true).await
    }

    async fn ask(&self, anew: bool) -> Option<Arc<Report>> {
        let (answer, answered) = oneshot::channel();
        self.requests.send(Request { anew, answer }).await.ok()?;
        answered.await.ok()
    }
}

/// Looks for as long as the appliance runs.
pub struct Keeper {
    looker: Looker,
    bounds: Bounds,
    requests: mpsc::Receiver<Request>,
    hold: watch::Sender<Option<String>>,
    acceleration: watch::Sender<Option<Acceleration>>,
    last: Option<(Stopwatch, Arc<Report>)>,
}

impl Keeper {
    /// `hold` is what the queue is held with until the first look, and after; `acceleration` is how
    /// guests run, once that is known.
    pub fn new(
        settings: Settings,
        host: Host,
        bounds: Bounds,
        proof: PathBuf,
        hold: watch::Sender<Option<String>>,
        acceleration: watch::Sender<Option<Acceleration>>,
    ) -> (Self, Handle) {
        let (sender, requests) = mpsc::channel(REQUESTS);
        let looker = Looker::new(settings, host, Viewer::Appliance, proof);
        let keeper = Self { looker, bounds, requests, hold, acceleration, last: None };
        (keeper, Handle { requests: sender })
    }

    /// Until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.keep_looking()).await;
    }

    async fn keep_looking(&mut self) {
        let mut report = self.look().await;
        loop {
            let pause = if report.hold.is_some() { WHEN_HELD } else { WHEN_WELL };
            tokio::select! {
                request = self.requests.recv() => {
                    let Some(Request { anew, answer }) = request else { return };
                    report = match &self.last {
                        Some((since, last)) if !anew && since.elapsed() < FRESH => last.clone(),
                        Some(_) | None => self.look().await,
                    };
                    // Whoever asked may have gone.
                    let _ = answer.send(report.clone());
                }
                () = tokio::time::sleep(pause) => report = self.look().await,
            }
        }
    }

    async fn look(&mut self) -> Arc<Report> {
        let (report, acceleration) = Report::make(&mut self.looker, self.bounds).await;
        let before = self.last.take().map(|(_, report)| report);
        tell(before.as_deref(), &report);
        let changed = |known: &mut Option<Acceleration>| {
            let is_news = acceleration.is_some() && *known != acceleration;
            if is_news {
                *known = acceleration;
            }
            is_news
        };
        if self.acceleration.send_if_modified(changed) {
            tracing::info!(?acceleration, "how guests run");
        }
        self.hold.send_if_modified(|held| {
            let is_news = *held != report.hold;
            held.clone_from(&report.hold);
            is_news
        });
        let report = Arc::new(report);
        self.last = Some((Stopwatch::start(), report.clone()));
        report
    }
}

/// Tells the operator's log what is new.
fn tell(before: Option<&Report>, now: &Report) {
    match (before.and_then(|report| report.hold.as_ref()), &now.hold) {
        (before, Some(why)) if before != Some(why) => tracing::error!(why, "the queue is held"),
        (Some(_), None) => tracing::info!("the queue goes on"),
        (Some(_) | None, Some(_)) | (None, None) => {}
    }
    let state = |name: &str| {
        let found = before?.findings.iter().find(|finding| finding.name == name);
        found.map(|finding| finding.state)
    };
    for finding in now.findings.iter().filter(|found| found.state >= State::Warning) {
        if state(&finding.name) != Some(finding.state) {
            let (wrong, remedy) = (finding.wrong.as_deref(), finding.remedy.as_deref());
            tracing::warn!(what = finding.name, wrong, remedy, "{}", finding.state.words());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, load};

    fn settings(data: &std::path::Path, host: &Host) -> Settings {
        let mut flags = Flags::new(Some("/dev/null".into()));
        flags.set("data", &data.display().to_string());
        load(&flags, host).unwrap().settings
    }

    #[tokio::test]
    async fn a_disk_below_the_bound_holds_the_queue_and_room_lets_it_go() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::look().unwrap();
        let settings = settings(folder.path(), &host);
        let proof = folder.path().join("acceleration.json");
        let (hold, held) = watch::channel(Some("not looked yet".to_owned()));
        let (acceleration, proved) = watch::channel(None);
        let bounds = Bounds { least_disk_mib: u64::MAX / 16, ..Bounds::default() };
        let (mut keeper, _handle) = Keeper::new(settings, host, bounds, proof, hold, acceleration);
        let report = keeper.look().await;
        let words = held.borrow().clone().unwrap();
        assert_eq!(report.hold.as_ref(), Some(&words));
        assert!(words.contains("the disk has"), "{words}");
        assert!(proved.borrow().is_some());
        // The disk of the tests has more than nothing.
        keeper.bounds.least_disk_mib = 0;
        assert_eq!(keeper.look().await.hold, None, "{report:#?}");
        assert_eq!(*held.borrow(), None);
    }

    #[tokio::test]
    async fn who_asks_is_answered_and_a_fresh_look_serves_all() {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::look().unwrap();
        let settings = settings(folder.path(), &host);
        let (hold, _) = watch::channel(None);
        let (acceleration, _) = watch::channel(None);
        let proof = folder.path().join("acceleration.json");
        let (keeper, handle) =
            Keeper::new(settings, host, Bounds::default(), proof, hold, acceleration);
        let stop = CancellationToken::new();
        let asks = async {
            let anew = handle.look_again().await.unwrap();
            let shown = handle.report().await.unwrap();
            assert!(Arc::ptr_eq(&anew, &shown), "not looked again for a second reader");
            assert!(!Arc::ptr_eq(&anew, &handle.look_again().await.unwrap()));
            stop.cancel();
        };
        tokio::join!(keeper.run(stop.clone()), asks);
        assert!(handle.report().await.is_none(), "closed");
    }
}
