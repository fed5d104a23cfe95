//! Carrying out the steps of a screen test on a running guest.
//!
//! A step returns how it went. It is raced against the reasons to stop by its caller and dropped
//! when one comes, so everything it holds across an `.await` may be left as it is.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{guest::Guest, narrator::Narrator};
use crate::{
    capture::save_screen,
    console::{Pattern, Position},
    model::{
        AreaKind, Button, Candidate, Cause, Code, Evidence, Expected, Fact, Level, Operation,
        Outcome, PowerAction, Step, TagQuery, Timeout, Who, with_causes,
    },
    picture::{Frame, Picture, Rect, psnr},
    tasks::blocking,
    vision::{self, LoadedNeedle, Look, Lookout, NARROW, NeedleSet},
    vm::VmError,
};

/// From the end of the machine until everyone has heard of it, at most.
const END_HEARD: Duration = Duration::from_secs(10);
/// Before a click the matched areas must have been at rest this long …
const REST: Duration = Duration::from_millis(150);
/// … but they are not waited for longer than this.
const REST_LIMIT: Duration = Duration::from_secs(1);
/// After a click the pointer stays this long before it is parked.
const CLICK_SETTLE: Duration = Duration::from_millis(250);
/// Where the pointer waits, out of the way of what it would light up.
const PARKED: (u16, u16) = (0, 0);
/// Of a search that found nothing, so many needles are kept to be shown beside the screen.
const NEAREST: usize = 3;
/// Needles that are shown with their similarity where none matched.
const MOST_SHOWN: usize = 20;
/// Lines of a console that are kept as evidence.
const CONSOLE_TAIL: usize = 20;

/// How a step went.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) words: String,
    /// When it is not ok.
    pub(super) cause: Option<Cause>,
}

impl Done {
    fn ok() -> Self {
        Self::ok_with("")
    }

    fn ok_with(words: impl Into<String>) -> Self {
        Self { outcome: Outcome::Ok, words: words.into(), cause: None }
    }

    pub(super) fn not_run() -> Self {
        Self { outcome: Outcome::NotRun, words: String::new(), cause: None }
    }

    fn failed(cause: Cause) -> Self {
        Self { outcome: Outcome::Fail, words: cause.words.clone(), cause: Some(cause) }
    }
}

/// Carries out steps, one at a time.
pub(super) struct Steps<'a> {
    pub(super) guest: &'a Guest,
    pub(super) needles: Arc<NeedleSet>,
    pub(super) narrator: Narrator,
    /// Where the next `wait_serial` begins to read.
    pub(super) serial_from: Position,
}

impl Steps<'_> {
    pub(super) async fn carry_out(&mut self, path: &str, step: &Step) -> Done {
        match step {
            Step::AssertScreen { tags, timeout } => {
                match self.wait_match(path, tags, timeout).await {
                    Ok(seen) => seen.done(),
                    Err(cause) => Done::failed(*cause),
                }
            }
            Step::CheckScreen { tags, timeout } => {
                match self.wait_match(path, tags, timeout).await {
                    Ok(seen) => seen.done(),
                    Err(cause) => Done::ok_with(cause.words),
                }
            }
            Step::AssertAndClick { tags, timeout, button, double, point } => {
                let found = self.wait_match(path, tags, timeout).await;
                match found {
                    Ok(seen) => self.click_on(seen, *button, *double, point.as_deref()).await,
                    Err(cause) => Done::failed(*cause),
                }
            }
            Step::SendKey { keys } => self.told(self.guest.screen().send_keys(keys).await).await,
            Step::TypeString { text, interval, .. } => {
                self.told(self.guest.screen().type_text(text, *interval).await).await
            }
            Step::WaitStillScreen { still, timeout, similarity_db } => {
                self.wait_still(path, *still, timeout.value, *similarity_db).await
            }
            Step::WaitSerial { regex, timeout } => self.wait_serial(path, regex, timeout).await,
            Step::SaveScreenshot => match self.newest() {
                Some(frame) => {
                    self.keep(path, &frame).await;
                    Done::ok()
                }
                None => Done::failed(no_picture()),
            },
            Step::Power { action } => self.power(*action).await,
        }
    }

    /// The picture on the screen, and its frame number.
    fn newest(&self) -> Option<Arc<Frame>> {
        self.guest.frames().borrow().clone()
    }

    async fn told(&self, told: Result<(), VmError>) -> Done {
        match told {
            Ok(()) => Done::ok(),
            Err(error) => {
                if matches!(error, VmError::Ended) {
                    // That the machine has ended is the reason, and stops the run in a moment: a
                    // step must not be blamed first.
                    tokio::time::sleep(END_HEARD).await;
                }
                Done::failed(machine_cause(&error))
            }
        }
    }

    /// Waits until a needle with these tags matches. The error is the cause of the failure.
    async fn wait_match(
        &mut self,
        path: &str,
        tags: &TagQuery,
        timeout: &Timeout,
    ) -> Result<Seen, Box<Cause>> {
        let needles = self.needles.find(tags);
        if needles.is_empty() {
            if let Some(frame) = self.newest() {
                self.keep(path, &frame).await;
            }
            let words = format!("no needle has the tags {tags}");
            return Err(Box::new(Cause::new(Who::Author, Code::NoNeedles, words)));
        }
        let attention = self.guest.attention();
        let searched = self.look_out(&needles, timeout.value).await;
        drop(attention);
        let Some(mut searched) = searched else {
            return Err(Box::new(no_picture()));
        };
        let screen = self.keep(path, &searched.frame).await;
        let best = searched.candidates.first().filter(|best| best.ok).cloned();
        if best.is_none() {
            self.keep_expected(&mut searched.candidates, &needles).await;
        }
        self.narrator.journal.tell(Fact::Match {
            path: path.into(),
            tags: tags.to_string(),
            needle: best.as_ref().map(|best| best.needle.clone()),
            candidates: searched.candidates.clone(),
        });
        match best {
            Some(best) => Ok(Seen { best, frame: searched.frame, needles }),
            None => {
                let mut words = format!("no needle for {tags} matched in {}", waited(timeout));
                if let Some(nearest) = searched.candidates.first() {
                    let percent = 100.0 * (1.0 - nearest.error.sqrt());
                    words += &format!("; the nearest was {} with {percent:.0} %", nearest.needle);
                }
                let mut cause = Cause::new(Who::Guest, Code::NoMatch, words);
                cause.evidence.screen = screen;
                Err(Box::new(cause))
            }
        }
    }

    /// Searches frames as they come until needles match or time is up. Then the candidates are the
    /// nearest ones on the frame searched last.
    async fn look_out(
        &mut self,
        needles: &[Arc<LoadedNeedle>],
        timeout: Duration,
    ) -> Option<Searched> {
        let clock = self.narrator.journal.clock();
        let started = clock.elapsed();
        let mut frames = self.guest.frames();
        let mut lookout = Lookout::new(needles, timeout);
        let mut last = None;
        loop {
            let frame = frames.borrow_and_update().clone();
            let now = clock.elapsed().saturating_sub(started);
            let look = match &frame {
                Some(frame) => lookout.on(now, &frame.picture),
                None if now >= timeout => Look::GiveUp,
                None => Look::Wait { until: timeout },
            };
            match (look, frame) {
                (Look::Search { ratio }, Some(frame)) => {
                    let wanted = lookout.wanted().iter().map(|number| needles[*number].clone());
                    let (wanted, picture) = (wanted.collect::<Vec<_>>(), frame.picture.clone());
                    let candidates = self.search(picture, wanted, ratio).await;
                    if !candidates.is_empty() {
                        return Some(Searched { frame, candidates });
                    }
                    last = Some((frame, ratio));
                }
                (Look::Wait { until }, _) => {
                    let wake = clock.instant(started + until);
                    if let Ok(Err(_)) = tokio::time::timeout_at(wake, frames.changed()).await {
                        // The screen is gone; the machine's end stops the run, or time does.
                        tokio::time::sleep_until(wake).await;
                    }
                }
                (Look::GiveUp | Look::Search { .. }, _) => break,
            }
        }
        let (frame, ratio) = last?;
        let (needles, picture) = (needles.to_vec(), frame.picture.clone());
        let nearest = move || vision::nearest(&picture, &needles, ratio, MOST_SHOWN);
        Some(Searched { frame, candidates: blocking(nearest).await })
    }

    async fn search(
        &self,
        picture: Arc<Picture>,
        needles: Vec<Arc<LoadedNeedle>>,
        ratio: f64,
    ) -> Vec<Candidate> {
        let timings = self.narrator.timings.clone();
        let find = move || vision::find(&picture, &needles, ratio);
        blocking(move || timings.time(Operation::MatchTime, find)).await
    }

    /// Clicks on a match once its areas have come to rest, so that no half-drawn dialog is hit.
    async fn click_on(
        &mut self,
        mut seen: Seen,
        button: Button,
        double: bool,
        point: Option<&str>,
    ) -> Done {
        let clock = self.narrator.journal.clock();
        let limit = clock.elapsed() + REST_LIMIT;
        let mut frames = self.guest.frames();
        let attention = self.guest.attention();
        loop {
            let rest_until = clock.instant((clock.elapsed() + REST).min(limit));
            let changed = areas_changed(&mut frames, &seen);
            if tokio::time::timeout_at(rest_until, changed).await.is_err() {
                break;
            }
            let Some(frame) = frames.borrow_and_update().clone() else { break };
            let (needles, picture) = (seen.needles.clone(), frame.picture.clone());
            let found = self.search(picture, needles, NARROW).await;
            match found.into_iter().next() {
                Some(best) => seen = Seen { best, frame, ..seen },
                // It went away while we looked: click where it was, as its author expects.
                None => break,
            }
        }
        drop(attention);
        let Some((x, y)) = seen.best.click_target(point) else {
            let wanted = point.unwrap_or_default();
            let words = format!("{} has no click point {wanted:?}", seen.best.needle);
            return Done::failed(Cause::new(Who::Author, Code::BadStep, words));
        };
        let on_screen = |at: i32| u16::try_from(at.max(0)).unwrap_or(u16::MAX);
        let (px, py) = (on_screen(x), on_screen(y));
        let clicked = async {
            let screen = self.guest.screen();
            screen.click(px, py, button, double).await?;
            tokio::time::sleep(CLICK_SETTLE).await;
            screen.pointer(PARKED.0, PARKED.1).await
        };
        match clicked.await {
            Ok(()) => {
                let mut done = seen.done();
                done.words = format!("{}, clicked at {x}, {y}", done.words);
                done
            }
            Err(error) => self.told(Err(error)).await,
        }
    }

    /// Waits until the screen has been alike for `still`. As in os-autoinst a screen that never
    /// rests is not a failure: the words say so.
    async fn wait_still(
        &mut self,
        path: &str,
        still: Duration,
        timeout: Duration,
        similarity_db: f64,
    ) -> Done {
        let clock = self.narrator.journal.clock();
        let deadline = clock.elapsed() + timeout;
        let mut frames = self.guest.frames();
        let attention = self.guest.attention();
        let Some(mut reference) = frames.borrow_and_update().clone() else {
            return Done::failed(no_picture());
        };
        let mut since = clock.elapsed();
        let rested = loop {
            let (still_at, now) = (since + still, clock.elapsed());
            if now >= still_at || now >= deadline {
                break now >= still_at;
            }
            let wake = clock.instant(still_at.min(deadline));
            let Ok(Ok(())) = tokio::time::timeout_at(wake, frames.changed()).await else {
                tokio::time::sleep_until(wake).await;
                continue;
            };
            let Some(frame) = frames.borrow_and_update().clone() else { continue };
            let (a, b) = (reference.picture.clone(), frame.picture.clone());
            if blocking(move || psnr(&a, &b)).await < similarity_db {
                reference = frame;
                since = clock.elapsed();
            }
        };
        drop(attention);
        self.keep(path, &self.newest().unwrap_or(reference)).await;
        if rested {
            Done::ok()
        } else {
            Done::ok_with(format!("the screen did not rest within {} s", timeout.as_secs_f64()))
        }
    }

    async fn wait_serial(&mut self, path: &str, regex: &str, timeout: &Timeout) -> Done {
        let pattern = match Pattern::new(regex) {
            Ok(pattern) => pattern,
            Err(error) => {
                return Done::failed(Cause::new(Who::Author, Code::BadStep, error.to_string()));
            }
        };
        let serial = self.guest.serial();
        let wait = async {
            let found = serial.wait_for(&pattern, self.serial_from).await;
            if found.is_none() {
                // The console has ended and says nothing more. If that is a surprise, it stops the
                // run in a moment.
                tokio::time::sleep(END_HEARD).await;
            }
            found
        };
        match tokio::time::timeout(timeout.value, wait).await.ok().flatten() {
            Some(found) => {
                self.serial_from = found.end;
                Done::ok_with(format!("{:?}", found.text))
            }
            None => {
                let screen = match self.newest() {
                    Some(frame) => self.keep(path, &frame).await,
                    None => None,
                };
                let words = format!(
                    "the serial console said nothing that fits {regex:?} in {}",
                    waited(timeout)
                );
                let mut cause = Cause::new(Who::Guest, Code::NoSerialMatch, words);
                cause.evidence =
                    Evidence { lines: serial.last_lines(CONSOLE_TAIL), screen, file: None };
                Done::failed(cause)
            }
        }
    }

    async fn power(&mut self, action: PowerAction) -> Done {
        self.told(self.guest.controls().power(action).await).await
    }

    /// Keeps what the nearest needles were cut from, so that a reader sees what should have come.
    async fn keep_expected(&self, candidates: &mut [Candidate], needles: &[Arc<LoadedNeedle>]) {
        for candidate in candidates.iter_mut().take(NEAREST) {
            let same = |needle: &&Arc<LoadedNeedle>| needle.needle.hash == candidate.hash;
            let Some(needle) = needles.iter().find(same).cloned() else { continue };
            match blocking(move || expected(&needle)).await {
                Ok(expected) => candidate.expected = Some(expected),
                Err(words) => {
                    let words = format!("needle {} cannot be shown: {words}", candidate.needle);
                    self.narrator.journal.log(Level::Warning, words);
                }
            }
        }
    }

    /// Keeps a picture as a result of the step and returns its file.
    async fn keep(&self, path: &str, frame: &Frame) -> Option<String> {
        keep(&self.narrator, path, frame).await
    }
}

/// Keeps a picture as a result of a step. A result that cannot be written is told, and the run
/// goes on.
pub(super) async fn keep(narrator: &Narrator, path: &str, frame: &Frame) -> Option<String> {
    let picture = frame.picture.clone();
    let (width, height) = (picture.width(), picture.height());
    let timings = narrator.timings.clone();
    let save = move || save_screen(std::path::Path::new("."), &picture);
    match blocking(move || timings.time(Operation::PngWrite, save)).await {
        Ok(saved) => {
            narrator.journal.tell(Fact::Screen {
                path: path.into(),
                frame: frame.number,
                sha256: saved.sha256,
                file: saved.file.clone(),
                width,
                height,
            });
            Some(saved.file)
        }
        Err(error) => {
            narrator.journal.log(Level::Error, format!("a result screen is lost: {error}"));
            None
        }
    }
}

/// The error is in words.
fn expected(needle: &LoadedNeedle) -> Result<Expected, String> {
    let picture = needle.read_picture().map_err(|error| with_causes(&error))?;
    let saved = save_screen(std::path::Path::new("."), &picture);
    let saved = saved.map_err(|error| with_causes(&error))?;
    let wanted = needle.needle.areas.iter().filter(|area| area.kind == AreaKind::Match);
    Ok(Expected {
        sha256: saved.sha256,
        file: saved.file,
        width: picture.width(),
        height: picture.height(),
        areas: wanted.map(|area| [area.x, area.y, area.w, area.h]).collect(),
    })
}

/// The last search of a wait.
struct Searched {
    frame: Arc<Frame>,
    candidates: Vec<Candidate>,
}

/// A match.
struct Seen {
    best: Candidate,
    frame: Arc<Frame>,
    needles: Vec<Arc<LoadedNeedle>>,
}

impl Seen {
    fn done(&self) -> Done {
        let words = format!("matched {}", self.best.needle);
        match &self.best.workaround {
            None => Done::ok_with(words),
            Some(reference) => {
                let words = format!("{words}, a workaround for {reference}");
                let cause = Cause::new(Who::Guest, Code::Workaround, words.clone());
                Done { outcome: Outcome::Softfail, words, cause: Some(cause) }
            }
        }
    }
}

/// `120 s (from the job file, line 31)`. Seconds, as failures are told from one another by these
/// words.
fn waited(timeout: &Timeout) -> String {
    format!("{} s ({})", timeout.value.as_secs_f64(), timeout.origin)
}

/// Returns when a frame has changed what lies under the matched areas.
async fn areas_changed(frames: &mut watch::Receiver<Option<Arc<Frame>>>, seen: &Seen) {
    let areas = seen.best.areas.iter().map(|area| Rect::new(area.x, area.y, area.w, area.h));
    let areas: Vec<_> = areas.collect();
    loop {
        if frames.changed().await.is_err() {
            return std::future::pending().await;
        }
        let newest = frames.borrow_and_update().clone();
        let same = |picture: &Frame| {
            areas.iter().all(|area| picture.picture.same_within(&seen.frame.picture, *area))
        };
        if newest.is_some_and(|newest| !same(&newest)) {
            frames.mark_changed();
            return;
        }
    }
}

/// Why a run cannot go on that met this error of its machine.
pub(super) fn machine_cause(error: &VmError) -> Cause {
    let mut cause = Cause::new(error.who(), error.code(), with_causes(error));
    cause.evidence.lines = error.lines().to_vec();
    cause
}

fn no_picture() -> Cause {
    let words = "the guest has shown no picture (its display is off or has not started)";
    Cause::new(Who::Guest, Code::NoMatch, words)
}
