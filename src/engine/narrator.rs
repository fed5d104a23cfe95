//! What is being done right now, told as it begins and ends.
//!
//! The narrator knows which part, module and step are open. When a run is cut short it closes them
//! in order, so the log always reads as a story with an end.

use std::{cell::RefCell, rc::Rc, time::Duration};

use super::journal::Journal;
use crate::model::{Fact, ModuleFlags, Outcome, Part, Place, Step};

/// Tells parts, modules and steps. Clones tell the same story.
#[derive(Clone)]
pub(super) struct Narrator {
    pub(super) journal: Journal,
    open: Rc<RefCell<Open>>,
}

#[derive(Default)]
struct Open {
    part: Option<(Part, String, Duration)>,
    action: Option<u32>,
    module: Option<(String, String)>,
    step: Option<(String, Duration)>,
    done: u32,
    total: u32,
}

impl Narrator {
    pub(super) fn new(journal: Journal, total_steps: u32) -> Self {
        let open = Open { total: total_steps, ..Open::default() };
        Self { journal, open: Rc::new(RefCell::new(open)) }
    }

    fn now(&self) -> Duration {
        self.journal.clock().elapsed()
    }

    pub(super) fn start_part(&self, part: Part, name: &str, action: Option<u32>) {
        {
            let mut open = self.open.borrow_mut();
            open.part = Some((part, name.into(), self.now()));
            open.action = action;
        }
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
        self.open.borrow_mut().module = Some((path.into(), name.into()));
        self.journal.tell(Fact::ModuleStarted {
            path: path.into(),
            name: name.into(),
            flags,
            steps: u32::try_from(steps).unwrap_or(u32::MAX),
        });
    }

    pub(super) fn end_module(&self, result: Outcome) {
        let ended = self.open.borrow_mut().module.take();
        if let Some((path, name)) = ended {
            self.journal.tell(Fact::ModuleEnded { path, name, result });
        }
    }

    pub(super) fn start_step(&self, path: &str, step: &Step) {
        self.open.borrow_mut().step = Some((path.into(), self.now()));
        self.journal.tell(Fact::StepStarted {
            path: path.into(),
            verb: step.verb().into(),
            subject: step.subject(),
        });
    }

    pub(super) fn end_step(&self, result: Outcome, words: &str) {
        let ended = self.open.borrow_mut().step.take();
        let Some((path, started)) = ended else { return };
        let took_ms = millis(self.now().saturating_sub(started));
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
        self.open.borrow().step.as_ref().map(|(path, _)| path.clone())
    }

    /// Where the story is, for a cause.
    pub(super) fn place(&self) -> Place {
        let open = self.open.borrow();
        Place {
            part: open.part.as_ref().map(|(part, ..)| *part),
            action: open.action,
            step: open.step.as_ref().map(|(path, _)| path.clone()),
        }
    }

    /// Closes what is open, because the run is cut short.
    pub(super) fn cut_short(&self, words: &str) {
        self.end_step(Outcome::Fail, words);
        self.end_module(Outcome::Fail);
        self.end_part(Outcome::Fail);
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
