//! The events of a job, each once and in their order, over as many connections as it takes.
//!
//! An appliance may be upgraded while a job runs; its engine goes on, and so do we: a stream that is
//! cut is taken up again after the last event that was read.

use std::time::Duration;

use super::{
    answers::{Job, Underway},
    args::JobName,
    client::{Client, LineStream},
    error::CliError,
};
use crate::model::{Event, Fact, JobState};

/// How often a new appliance is looked for after the old one went away, and how long.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const TRIES: u32 = 60;
/// How often a job that waits is asked why: the appliance tells nobody when that changes.
const ASK_WHY: Duration = Duration::from_secs(2);

pub(super) struct Follow<'c> {
    client: &'c Client,
    job: &'c JobName,
    stream: Option<LineStream>,
    /// The next event to read.
    from: u64,
    tries: u32,
    is_over: bool,
    /// Why it waits, as last told.
    reason: Option<String>,
}

/// What is heard of a job.
#[derive(Debug)]
pub(super) enum Heard {
    /// An event, with the line it was.
    Event(Box<Event>, String),
    /// It has not started, for this reason.
    Waits(String),
    /// The appliance went away; a new one is waited for.
    Lost,
}

impl<'c> Follow<'c> {
    /// # Errors
    /// When no appliance answers or it knows no such job.
    pub(super) async fn new(client: &'c Client, job: &'c JobName) -> Result<Self, CliError> {
        let (stream, reason) = (None, None);
        let mut follow = Self { client, job, stream, from: 0, tries: 0, is_over: false, reason };
        follow.stream = Some(follow.open().await?);
        Ok(follow)
    }

    /// What is heard next; nothing more once the job has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Heard>, CliError> {
        loop {
            if self.is_over {
                return Ok(None);
            }
            let Some(stream) = &mut self.stream else {
                self.reopen().await?;
                continue;
            };
            let line = if self.from == 0 {
                tokio::select! {
                    line = stream.next() => line,
                    reason = new_reason(self.client, self.job, self.reason.as_deref()) => {
                        self.reason = Some(reason.clone());
                        return Ok(Some(Heard::Waits(reason)));
                    }
                }
            } else {
                stream.next().await
            };
            match line {
                Ok(Some(line)) => {
                    // A line that is no event was cut by a disk that was full.
                    let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
                    if event.seq < self.from {
                        continue;
                    }
                    self.tries = 0;
                    self.from = event.seq + 1;
                    self.is_over = matches!(event.fact, Fact::Ended { .. });
                    return Ok(Some(Heard::Event(Box::new(event), line)));
                }
                Ok(None) | Err(CliError::Lost { .. }) => {
                    self.stream = None;
                    // A job that never had an engine ends without an event.
                    match self.job().await {
                        Ok(job) if job.state == JobState::Ended => return Ok(None),
                        Ok(_) | Err(CliError::Unreachable { .. } | CliError::Lost { .. }) => {}
                        Err(error) => return Err(error),
                    }
                    return Ok(Some(Heard::Lost));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The record. After the last event it may take a moment until the appliance has it too. A job
    /// that could not be started here may wait again.
    pub(super) async fn ended(&self) -> Result<Job, CliError> {
        for _ in 0..TRIES {
            let job = self.job().await?;
            if matches!(job.state, JobState::Ended | JobState::Waiting) {
                return Ok(job);
            }
            // The appliance is reading the same event; no stream tells when it has.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.job().await
    }

    /// What the appliance expects of the job.
    pub(super) async fn underway(&self) -> Result<Underway, CliError> {
        Ok(self.client.get(&format!("/api/jobs/{}", self.job)).await?.read)
    }

    async fn job(&self) -> Result<Job, CliError> {
        Ok(self.client.get(&format!("/api/jobs/{}", self.job)).await?.read)
    }

    async fn open(&self) -> Result<LineStream, CliError> {
        let path = format!("/api/jobs/{}/events?from={}&follow=true", self.job, self.from);
        self.client.lines(&path).await
    }

    async fn reopen(&mut self) -> Result<(), CliError> {
        // Nothing tells when a socket begins to answer.
        tokio::time::sleep(TRY_AGAIN).await;
        match self.open().await {
            Ok(stream) => self.stream = Some(stream),
            Err(CliError::Unreachable { .. } | CliError::Lost { .. }) if self.tries < TRIES => {
                self.tries += 1;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Why a job waits, as soon as that is another reason than `known`.
async fn new_reason(client: &Client, job: &JobName, known: Option<&str>) -> String {
    loop {
        if known.is_some() {
            tokio::time::sleep(ASK_WHY).await;
        }
        let job = client.get::<Job>(&format!("/api/jobs/{job}")).await.map(|job| job.read);
        if let Ok(Job { state: JobState::Waiting, reason: Some(reason), .. }) = job
            && known != Some(reason.as_str())
        {
            return reason;
        }
        tokio::time::sleep(ASK_WHY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Json, Router, body::Body, extract::RawQuery, routing::get};
    use serde_json::json;
    use tokio::{net::UnixListener, sync::watch};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{config::SOCKET, tasks::Tasks};

    fn line(seq: u64, fact: &serde_json::Value) -> String {
        let mut line = json!({"seq": seq, "mono_us": seq, "wall": "2026-01-31T12:05:09Z"});
        line.as_object_mut().unwrap().extend(fact.as_object().unwrap().clone());
        format!("{line}\n")
    }

    /// Hears all there is to hear from an appliance that answers the n-th time it is asked for
    /// events with `streams[n]`, and says of the job that it is in `state`. When that is waiting,
    /// the first event comes after the second look at the job.
    async fn heard(streams: Vec<(&'static str, String)>, state: &'static str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(place.path().join(SOCKET)).unwrap();
        let (asked, looks) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(0));
        let looked = looks.subscribe();
        let events = move |RawQuery(query): RawQuery| {
            let (expected, lines) = streams[asked.fetch_add(1, Ordering::Relaxed)].clone();
            assert_eq!(query.as_deref(), Some(expected));
            let mut looked = looked.clone();
            let lines = async move {
                let enough = if state == "waiting" { 2 } else { 0 };
                looked.wait_for(|looks| *looks >= enough).await.unwrap();
                Ok::<_, std::convert::Infallible>(lines)
            };
            std::future::ready(Body::from_stream(futures_util::stream::once(lines)))
        };
        let record = Json(json!({
            "number": 7, "uuid": uuid::Uuid::nil(), "url": "/jobs/7", "name": "installer",
            "state": state, "verdict": null, "cause": null, "cancel_asked": false,
            "submitter": {"uid": 0, "name": "root"}, "way_in": "inbox",
            "submitted": "2026-01-31T12:05:09Z", "started": null, "ended": null,
            "running_ms": null, "reason": "no qemu", "something a later version says": 1,
        }));
        let look = move || {
            looks.send_modify(|looks| *looks += 1);
            std::future::ready(record.clone())
        };
        let app =
            Router::new().route("/api/jobs/7/events", get(events)).route("/api/jobs/7", get(look));
        let tasks = Tasks::new(CancellationToken::new());
        let stop = tasks.stop.clone();
        tasks.spawn(stop.run_until_cancelled_owned(axum::serve(listener, app).into_future()));

        let client = Client::new(&[place.path().join("nobody"), place.path().into()]);
        let job = "7".parse().unwrap();
        let mut follow = Follow::new(&client, &job).await.unwrap();
        let mut heard = Vec::new();
        while let Some(next) = follow.next().await.unwrap() {
            heard.push(match next {
                Heard::Event(event, _) => event.seq.to_string(),
                Heard::Waits(reason) => reason,
                Heard::Lost => "lost".into(),
            });
        }
        client.close().await;
        tasks.close().await;
        heard
    }

    #[tokio::test]
    async fn a_stream_that_is_cut_is_taken_up_again_and_no_event_is_heard_twice() {
        let progress = |seq| line(seq, &json!({"event": "progress", "done": 1, "total": 2}));
        let end = line(4, &json!({"event": "ended", "verdict": "passed", "backend": {}}));
        let cut = progress(1) + &progress(2) + r#"{"seq":3,"mono_"#;
        // This appliance says more than it is asked for.
        let rest = progress(2) + "no event\n" + &progress(3) + &end + &progress(5);
        let streams = vec![("from=0&follow=true", cut), ("from=3&follow=true", rest)];
        assert_eq!(heard(streams, "running").await, ["1", "2", "lost", "3", "4"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_waits_says_why_once() {
        let end = line(1, &json!({"event": "ended", "verdict": "passed", "backend": {}}));
        assert_eq!(heard(vec![("from=0&follow=true", end)], "waiting").await, ["no qemu", "1"]);
    }

    #[tokio::test]
    async fn a_job_that_ends_without_an_engine_has_no_events() {
        assert!(heard(vec![("from=0&follow=true", String::new())], "ended").await.is_empty());
    }
}
