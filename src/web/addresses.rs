//! Where the pages of a job are: what its drawing leads to.

use std::time::Duration;

use super::{layout::job_url, video::Video};
use crate::{
    markup::{Links, Seek, dashed},
    model::{JobId, ScreenRun, StepRun},
};

/// The addresses below one job's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses<'a> {
    pub job: JobId,
    /// The video the page shows.
    pub video: Option<&'a Video>,
}

impl Addresses<'_> {
    pub(super) const fn of(job: JobId) -> Self {
        Self { job, video: None }
    }
}

impl Links for Addresses<'_> {
    fn picture(&self, screen: &ScreenRun) -> Option<String> {
        Some(file_url(self.job, &screen.file))
    }

    fn step(&self, step: &StepRun, screen: usize, candidate: usize) -> Option<String> {
        let step = step_url(self.job, &step.path);
        Some(match (screen, candidate) {
            (0, 0) => step,
            _ => format!("{step}?screen={screen}&candidate={candidate}#screen-{screen}"),
        })
    }

    fn file(&self, name: &str) -> Option<String> {
        Some(file_url(self.job, name))
    }

    fn job(&self, job: JobId) -> Option<String> {
        Some(job_url(job))
    }

    fn changed(&self) -> Option<String> {
        Some(format!("{}/diff", job_url(self.job)))
    }

    fn seek(&self, at: Duration) -> Option<Seek> {
        self.video.map(|video| Seek::new(&video.url, video.epoch, at))
    }
}

/// A result screen's name is its hash, so what is at its address may be kept for ever.
pub(super) fn file_url(job: JobId, name: &str) -> String {
    format!("{}/files/{name}", job_url(job))
}

pub(super) fn step_url(job: JobId, path: &str) -> String {
    format!("{}/steps/{}", job_url(job), dashed(path))
}
