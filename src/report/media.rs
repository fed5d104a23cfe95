//! Pictures and video of a job, ready to stand inside one file.
//!
//! A report that is too large is not mailed, so there are limits: the pictures that show why the
//! job ended as it did come first, and what does not fit is counted.

use std::{collections::HashMap, io::Read, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::{
    files::{self, FileKind},
    results::Results,
};
use crate::{
    capture::{GrowingVideo, VIDEO_FILE},
    markup::drawn,
    model::{Digest, Job, Outcome, Run},
    supervise::JobFolder,
};

/// Bytes of one picture.
const PICTURE: u64 = 4 << 20;
/// Bytes of all pictures, counted as often as they are shown.
const PICTURES: u64 = 12 << 20;
/// Bytes of a video that is embedded.
pub(super) const VIDEO: u64 = 8 << 20;

/// What becomes of the video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ReportVideo)]
pub enum Video {
    /// Stands in the file, unless it is too large for a mail.
    #[default]
    Embed,
    /// Is looked for beside the file.
    Link,
    None,
}

impl Video {
    pub const ALL: [Self; 3] = [Self::Embed, Self::Link, Self::None];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Link => "link",
            Self::None => "none",
        }
    }
}

#[derive(Debug)]
pub(super) struct Media {
    /// Addresses of pictures, by their hash.
    pub pictures: HashMap<Digest, String>,
    /// Screens that are in the job's folder but not in here.
    pub left_out: usize,
    /// Screens that are not in the job's folder any more.
    pub gone: usize,
    pub film: Film,
}

/// The video, or why there is none.
#[derive(Debug)]
pub(super) enum Film {
    /// Its address, and the engine's clock at its first picture.
    Shown {
        href: String,
        epoch: Duration,
    },
    TooLarge {
        bytes: u64,
    },
    NotWanted,
    Gone,
}

impl Media {
    /// Reads the disk. What cannot be read is missing in the report, and no reason to have none.
    pub(super) fn gather(results: &Results, folder: &JobFolder, video: Video) -> Self {
        let mut media =
            Self { pictures: HashMap::new(), left_out: 0, gone: 0, film: film(folder, video) };
        let mut room = PICTURES;
        for shown in by_weight(&results.job, &results.run) {
            let Some(bytes) = picture(folder, shown.file) else {
                media.gone += 1;
                continue;
            };
            let cost = shown.times * bytes.len() as u64;
            if cost > room {
                media.left_out += 1;
                continue;
            }
            room -= cost;
            let address = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes));
            media.pictures.insert(shown.sha256, address);
        }
        media
    }
}

/// A picture that is shown.
#[derive(Debug)]
struct Shown<'a> {
    sha256: Digest,
    file: &'a str,
    /// How often.
    times: u64,
}

/// Every picture once: screens, and what the nearest needle was cut from where none was found.
/// First those of the step the cause names, then of steps that did not pass, then in their order.
fn by_weight<'a>(job: &Job, run: &'a Run) -> Vec<Shown<'a>> {
    let at = job.cause.as_ref().and_then(|cause| cause.place.step.as_ref());
    let mut steps: Vec<_> = run.steps().collect();
    steps.sort_by_key(|step| {
        let is_cause = at == Some(&step.path);
        let is_fine = matches!(step.result, Some(Outcome::Ok));
        (!is_cause, is_fine)
    });
    let mut pictures: Vec<Shown<'_>> = Vec::new();
    let mut places = HashMap::new();
    let mut show = |sha256, file, times| {
        let place = *places.entry(sha256).or_insert_with(|| {
            pictures.push(Shown { sha256, file, times: 0 });
            pictures.len() - 1
        });
        pictures[place].times += times;
    };
    for step in steps {
        // In the cause large, and small among the steps.
        let times = if at == Some(&step.path) { 2 } else { 1 };
        for screen in &step.screens {
            show(screen.sha256, screen.file.as_str(), times);
            if let Some(expected) = drawn(screen).and_then(|nearest| nearest.expected.as_ref()) {
                show(expected.sha256, expected.file.as_str(), 1);
            }
        }
    }
    pictures
}

fn picture(folder: &JobFolder, name: &str) -> Option<Vec<u8>> {
    if files::kind(name) != Some(FileKind::Screen) {
        return None;
    }
    let mut bytes = Vec::new();
    let file = files::open(&folder.file(name)).ok()?;
    file.take(PICTURE + 1).read_to_end(&mut bytes).ok()?;
    let is_png = bytes.starts_with(b"\x89PNG\r\n\x1a\n");
    (is_png && bytes.len() as u64 <= PICTURE).then_some(bytes)
}

fn film(folder: &JobFolder, video: Video) -> Film {
    if video == Video::None {
        return Film::NotWanted;
    }
    let path = folder.file(VIDEO_FILE);
    let Ok(growing) = GrowingVideo::scan(&path) else { return Film::Gone };
    let (count, epoch) = (growing.pictures(), growing.epoch());
    let Ok(Some(view)) = growing.view(count) else { return Film::Gone };
    if video == Video::Link {
        // Right beside the page of the job and beside a result folder's file alike.
        return Film::Shown { href: format!("{VIDEO_FILE}?fragments={count}"), epoch };
    }
    if view.len() > VIDEO {
        return Film::TooLarge { bytes: view.len() };
    }
    let Ok(bytes) = view.read(0..view.len()) else { return Film::Gone };
    Film::Shown { href: format!("data:video/mp4;base64,{}", BASE64_STANDARD.encode(bytes)), epoch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{markup::samples::*, model::Verdict};

    #[test]
    fn the_screens_of_the_cause_come_first_and_each_only_once() {
        let job = ended(2, "a job", Verdict::Failed, 20);
        let mut run = Run::of(story(Some(Outcome::Fail)));
        let first = run.items[0].steps[0].screens[0].clone();
        run.items[1].steps[0].screens.push(first.clone());
        let weighed = by_weight(&job, &run);
        let failed = run.steps().find(|step| step.result == Some(Outcome::Fail)).unwrap();
        assert_eq!(weighed[0].sha256, failed.screens[0].sha256);
        let nearest = failed.screens[0].candidates[0].expected.as_ref().unwrap();
        assert_eq!(weighed[1].sha256, nearest.sha256);
        let found: Vec<_> = weighed.iter().filter(|shown| shown.sha256 == first.sha256).collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].times, 2);
    }
}
