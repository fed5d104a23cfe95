//! What is being done right now, told as it begins and ends.
//!
//! The narrator knows which part, module and step are open. When a run is cut short it closes them
//! in order, so the log always reads as a story with an end.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use tokio::sync::Notify;

use super::journal::Journal;
use crate::{
    decide::{
        stall::{Stall, Waits},
        watch,
    },
    gauges::Timings,
    model::{Action, Fact, ModuleFlags, Outcome, Part, Place, Step, Timeout, spoken},
};

/// Tells parts, modules and steps. Clones tell the same story.
#[derive(Clone)]
pub(super) struct Narrator {
    pub(super) journal: Journal,
    pub(super) timings: Timings,
    open: Rc<RefCell<Open>>,
    changed: Rc<Notify>,
}

#[derive(Default)]
struct Open {
    part: Option<(Part, String, Duration)>,
    /// Which one the part is, and the time it has.
    action: Option<(u32, Timeout)>,
    module: Option<OpenModule>,
    step: Option<OpenStep>,
    /// What is odd about the guest while the step is open.
    remarks: BTreeMap<Stall, String>,
    passed: u32,
    done: u32,
    total: u32,
}

struct OpenModule {
    path: String,
    name: String,
    began: Duration,
}

struct OpenStep {
    path: String,
    /// Verb and subject.
    name: String,
    began: Duration,
    waits: Option<Waits>,
    /// The time it has.
    timeout: Option<Timeout>,
}

impl Narrator {
    pub(super) fn new(journal: Journal, timings: Timings, total_steps: u32) -> Self {
        let open = Open { total: total_steps, ..Open::default() };
        Self { journal, timings, open: Rc::new(RefCell::new(open)), changed: Rc::default() }
    }

    /// Returns when something has begun or ended since this was awaited last.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Lets [`changed`](Self::changed) return.
    pub(super) fn wake(&self) {
        self.changed.notify_one();
    }

    /// What is open, for whoever watches how long it takes.
    pub(super) fn open(&self) -> watch::Open {
        let open = self.open.borrow();
        watch::Open {
            part: open.part.clone(),
            module: open.module.as_ref().map(|module| (module.name.clone(), module.began)),
            step: open.step.as_ref().map(|step| (step.name.clone(), step.began)),
        }
    }

    /// What the open step waits for, and since when.
    pub(super) fn waits(&self) -> Option<(Waits, Duration)> {
        self.open.borrow().step.as_ref().and_then(|step| Some((step.waits?, step.began)))
    }

    /// How many steps have passed.
    pub(super) fn passed(&self) -> u32 {
        self.open.borrow().passed
    }

    /// Keeps what is odd about the guest, to explain the open step if it fails.
    pub(super) fn remark(&self, stall: Stall, words: String) {
        self.open.borrow_mut().remarks.insert(stall, words);
    }

    /// It is not so any more.
    pub(super) fn forget(&self, stall: Stall) {
        self.open.borrow_mut().remarks.remove(&stall);
    }

    /// `words`, with what was odd about the guest meanwhile.
    pub(super) fn with_remarks(&self, words: &str) -> String {
        let open = self.open.borrow();
        let remarks = open.remarks.values().map(|remark| format!("; {remark}"));
        std::iter::once(words.to_owned()).chain(remarks).collect()
    }

    fn now(&self) -> Duration {
        self.journal.clock().elapsed()
    }

    pub(super) fn start_action(&self, index: u32, action: &Action) {
        self.start_part(action.work.part(), action.work.name());
        self.open.borrow_mut().action = Some((index, action.timeout.clone()));
    }

    pub(super) fn start_part(&self, part: Part, name: &str) {
        {
            let mut open = self.open.borrow_mut();
            open.part = Some((part, name.into(), self.now()));
            open.action = None;
        }
        self.changed.notify_one();
        self.journal.tell(Fact::PartStarted { part, name: name.into(), expected_ms: None });
    }

    pub(super) fn end_part(&self, result: Outcome) {
        let ended = self.open.borrow_mut().part.take();
        if let Some((part, name, started)) = ended {
            let took_ms = millis(self.now().saturating_sub(started));
            self.journal.tell(Fact::PartEnded { part, name, result, took_ms });
        }
    }

    pub(super) fn start_module(&self, path: &str, name: &str, flags: ModuleFlags, steps: usize) {
        let (path, name, began) = (path.to_owned(), name.to_owned(), self.now());
        self.open.borrow_mut().module =
            Some(OpenModule { path: path.clone(), name: name.clone(), began });
        self.changed.notify_one();
        self.journal.tell(Fact::ModuleStarted {
            path,
            name,
            flags,
            steps: u32::try_from(steps).unwrap_or(u32::MAX),
        });
    }

    pub(super) fn end_module(&self, result: Outcome) {
        let ended = self.open.borrow_mut().module.take();
        self.changed.notify_one();
        if let Some(OpenModule { path, name, .. }) = ended {
            self.journal.tell(Fact::ModuleEnded { path, name, result });
        }
    }

    pub(super) fn start_step(&self, path: &str, step: &Step) {
        let (verb, subject) = (step.verb().to_owned(), step.subject());
        let name = format!("{verb} {subject}").trim_end().to_owned();
        let (path, began) = (path.to_owned(), self.now());
        {
            let mut open = self.open.borrow_mut();
            let (waits, timeout) = (waits(step), step.timeout().cloned());
            open.step = Some(OpenStep { path: path.clone(), name, began, waits, timeout });
            open.remarks.clear();
        }
        self.changed.notify_one();
        self.journal.tell(Fact::StepStarted { path, verb, subject });
    }

    pub(super) fn end_step(&self, result: Outcome, words: &str) {
        let ended = self.open.borrow_mut().step.take();
        let Some(OpenStep { path, began, .. }) = ended else { return };
        if matches!(result, Outcome::Ok | Outcome::Softfail) {
            self.open.borrow_mut().passed += 1;
        }
        self.changed.notify_one();
        let took_ms = millis(self.now().saturating_sub(began));
        self.journal.tell(Fact::StepEnded { path, result, took_ms, words: words.into() });
        if result != Outcome::NotRun {
            let (done, total) = {
                let mut open = self.open.borrow_mut();
                open.done += 1;
                (open.done, open.total)
            };
            self.journal.tell(Fact::Progress { done, total });
        }
    }

    /// Path of the open step.
    pub(super) fn step_path(&self) -> Option<String> {
        self.open.borrow().step.as_ref().map(|step| step.path.clone())
    }

    /// Where the story is, for a cause.
    pub(super) fn place(&self) -> Place {
        let open = self.open.borrow();
        Place {
            part: open.part.as_ref().map(|(part, ..)| *part),
            action: open.action.as_ref().map(|(index, _)| *index),
            step: open.step.as_ref().map(|step| step.path.clone()),
        }
    }

    pub(super) fn part_name(&self) -> String {
        self.open.borrow().part.as_ref().map_or_else(String::new, |(_, name, _)| name.clone())
    }

    /// What is open, and how much of its own time each had left when the time of all of it was up:
    /// `, in the step assert_screen desktop, which had 20 s left of its 30 s (the default)`. The
    /// action is named where it is not the one whose time is up.
    pub(super) fn time_left(&self, is_job: bool) -> String {
        let (open, now) = (self.open.borrow(), self.now());
        let left = |what: &str, name: &str, began: Duration, timeout: &Timeout| {
            let left = timeout.value.saturating_sub(now.saturating_sub(began));
            format!(", in the {what} {name}, which had {} left of its {timeout}", spoken(left))
        };
        let mut words = String::new();
        if let (true, Some((_, name, began)), Some((_, timeout))) =
            (is_job, &open.part, &open.action)
        {
            words += &left("action", name, *began, timeout);
        }
        match &open.step {
            Some(OpenStep { name, began, timeout: Some(timeout), .. }) => {
                words += &left("step", name, *began, timeout);
            }
            Some(OpenStep { name, .. }) => words += &format!(", in the step {name}"),
            None => {}
        }
        words
    }

    /// Closes what is open, because the run is cut short.
    pub(super) fn cut_short(&self, words: &str) {
        self.end_step(Outcome::Fail, words);
        self.end_module(Outcome::Fail);
        self.end_part(Outcome::Fail);
    }
}

/// What a step waits for. One that waits for a still screen is content with one that stands still.
const fn waits(step: &Step) -> Option<Waits> {
    match step {
        Step::AssertScreen { .. } | Step::CheckScreen { .. } | Step::AssertAndClick { .. } => {
            Some(Waits::Screen)
        }
        Step::WaitSerial { .. } => Some(Waits::Console),
        Step::SendKey { .. }
        | Step::TypeString { .. }
        | Step::WaitStillScreen { .. }
        | Step::SaveScreenshot
        | Step::Power { .. } => None,
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
