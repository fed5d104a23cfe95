//! What a job left, as far as it is still there.

use std::{io, time::Duration};

use super::files;
use crate::{
    markup::{Moment, Tail},
    model::{Job, JobState, Limited, Run},
    supervise::JobFolder,
};

/// Bytes of each text that are told. A console may hold gigabytes; its end says what happened last.
const TEXT: u64 = 64 << 10;

/// All but the pictures.
#[derive(Debug)]
pub(super) struct Results {
    pub moment: Moment,
    pub job: Job,
    pub run: Run,
    /// How long it and its parts may take; nothing where that is not known any more.
    pub limited: Vec<Limited>,
    /// Ends of consoles and logs.
    pub tails: Vec<Tail>,
}

impl Results {
    pub(super) fn gather(job: Job, folder: &JobFolder, moment: Moment) -> io::Result<Self> {
        let run = folder.run()?;
        let tails = files::tails(folder, &files::listed(folder)?, TEXT)?;
        let order = folder.order().map(|order| order.definition.limited());
        Ok(Self { moment, job, run, limited: order.unwrap_or_default(), tails })
    }

    /// The job ran, but nothing is left of that but its record.
    pub(super) fn are_gone(&self) -> bool {
        let has_run = self.job.state == JobState::Ended && self.job.started.is_some();
        has_run && self.run.seq == 0
    }

    /// How far the run came on the engine's clock.
    pub(super) fn until(&self) -> Duration {
        self.run.until(None)
    }
}
