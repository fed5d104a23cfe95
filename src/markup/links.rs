//! Where what is drawn leads to.

use std::time::Duration;

use super::screen::Scale;
use crate::model::{JobId, ScreenRun, StepRun};

/// A page has addresses, a report has anchors and data. What has nowhere to lead is drawn as words.
pub trait Links {
    /// The picture of a result screen.
    fn picture(&self, screen: &ScreenRun) -> Option<String>;
    /// One candidate drawn on one screen of a step, both from 0.
    fn step(&self, step: &StepRun, screen: usize, candidate: usize) -> Option<String>;
    /// A file of the job, relative to its folder.
    fn file(&self, name: &str) -> Option<String>;
    fn job(&self, job: JobId) -> Option<String>;
    /// What was changed since the job it was made of.
    fn changed(&self) -> Option<String> {
        None
    }
    /// A moment of the engine's clock in the video.
    fn seek(&self, at: Duration) -> Option<Seek>;
    /// How screens are drawn that are shown small.
    fn strip(&self) -> Scale {
        Scale::Thumbnail
    }
}

/// A place in a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seek {
    pub href: String,
    /// In seconds, for the script.
    pub at: String,
}

impl Seek {
    /// `epoch` is the engine's clock at the video's first picture, `video` what the address of a
    /// place in it begins with.
    pub fn new(video: &str, epoch: Duration, at: Duration) -> Self {
        let at = format!("{:.1}", at.saturating_sub(epoch).as_secs_f64());
        Self { href: format!("{video}#t={at}"), at }
    }
}
