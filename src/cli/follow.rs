//! The events of a job, each once and in their order, over as many connections as it takes.
//!
//! An appliance may be upgraded while a job runs; its engine goes on, and so do we: a stream that is
//! cut is taken up again after the last event that was read.

use std::time::Duration;

use super::{
    answers::Job,
    args::JobName,
    client::{Client, LineStream},
    error::CliError,
};
use crate::model::{Event, Fact, JobState};

/// How often a new appliance is looked for after the old one went away, and how long.
const TRY_AGAIN: Duration = Duration::from_millis(500);
const TRIES: u32 = 60;

pub(super) struct Follow<'c> {
    client: &'c Client,
    job: &'c JobName,
    stream: Option<LineStream>,
    /// The next event to read.
    from: u64,
    tries: u32,
    is_over: bool,
}

/// What is heard of a job.
#[derive(Debug)]
pub(super) enum Heard {
    /// An event, with the line it was.
    Event(Box<Event>, String),
    /// The appliance went away; a new one is waited for.
    Lost,
}

impl<'c> Follow<'c> {
    /// # Errors
    /// When no appliance answers or it knows no such job.
    pub(super) async fn new(client: &'c Client, job: &'c JobName) -> Result<Self, CliError> {
        let mut follow = Self { client, job, stream: None, from: 0, tries: 0, is_over: false };
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
            match stream.next().await {
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

    /// The record. After the last event it may take a moment until the appliance has it too.
    pub(super) async fn ended(&self) -> Result<Job, CliError> {
        for _ in 0..TRIES {
            let job = self.job().await?;
            if job.state == JobState::Ended {
                return Ok(job);
            }
            // The appliance is reading the same event; no stream tells when it has.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.job().await
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
