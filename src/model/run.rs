//! What a job's events add up to: its parts, modules, steps, screens and matches so far.
//!
//! A pure fold over the event log, used by everyone who shows a run: pages, commands, reports.
//! Events may be cut off at any point (the engine was killed); what is open then stays open.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Candidate, Cause, Digest, Event, Fact, HostLoad, JobState, Level, Outcome, Part, PartDuration,
    Verdict,
};

/// Log lines kept in memory for a page; the file has all of them.
const LOG_LINES: usize = 500;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Of the last event seen; 0 before the first.
    pub seq: u64,
    pub started: Option<Timestamp>,
    pub version: String,
    pub pid: Option<u32>,
    pub parts: Vec<PartRun>,
    /// In the order they were reached.
    pub items: Vec<ItemRun>,
    pub consoles: Vec<ConsoleRun>,
    pub files: Vec<FileRun>,
    pub log: Vec<LogLine>,
    pub infos: Vec<InfoRun>,
    /// Steps done and to do.
    pub progress: Option<(u32, u32)>,
    pub end: Option<End>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartRun {
    pub part: Part,
    pub name: String,
    pub started: Duration,
    pub took: Option<Duration>,
    pub result: Option<Outcome>,
}

/// A module with its steps, or a step that stands alone (`module` is `None`, one step).
#[derive(Debug, Clone, PartialEq)]
pub struct ItemRun {
    pub module: Option<ModuleRun>,
    pub steps: Vec<StepRun>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ModuleRun {
    pub path: String,
    pub name: String,
    pub result: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StepRun {
    pub path: String,
    pub verb: String,
    pub subject: String,
    /// On the engine's clock, as the video's times are.
    pub started: Duration,
    pub took: Option<Duration>,
    pub result: Option<Outcome>,
    pub words: String,
    pub screens: Vec<ScreenRun>,
}

/// A result screen and what was searched on it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScreenRun {
    pub frame: u64,
    pub sha256: Digest,
    /// Relative to the job's folder.
    pub file: String,
    pub width: u32,
    pub height: u32,
    /// Name of the needle that matched.
    pub needle: Option<String>,
    /// Best first; empty when nothing was searched on it.
    pub candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsoleRun {
    pub stream: String,
    pub file: String,
    pub bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRun {
    pub path: String,
    pub size: u64,
    pub sha256: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Duration,
    pub level: Level,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfoRun {
    pub title: String,
    pub text: String,
    pub result: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
pub struct End {
    pub wall: Timestamp,
    pub at: Duration,
    pub verdict: Verdict,
    pub cause: Option<Cause>,
    pub backend: serde_json::Map<String, serde_json::Value>,
    pub load: Option<HostLoad>,
}

impl Run {
    pub fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut run = Self::default();
        events.into_iter().for_each(|event| run.apply(event));
        run
    }

    /// Takes one more event. One that was seen before is left out.
    pub fn apply(&mut self, event: Event) {
        if event.seq <= self.seq {
            return;
        }
        self.seq = event.seq;
        let at = event.since_start();
        match event.fact {
            Fact::Hello { version, pid, .. } => {
                self.started = Some(event.wall);
                self.version = version;
                self.pid = Some(pid);
            }
            Fact::PartStarted { part, name, .. } => {
                self.parts.push(PartRun { part, name, started: at, took: None, result: None });
            }
            Fact::PartEnded { result, took_ms, .. } => {
                if let Some(open) = self.parts.last_mut() {
                    open.took = Some(Duration::from_millis(took_ms));
                    open.result = Some(result);
                }
            }
            Fact::ModuleStarted { path, name, .. } => {
                let module = Some(ModuleRun { path, name, result: None });
                self.items.push(ItemRun { module, steps: Vec::new() });
            }
            Fact::ModuleEnded { result, .. } => {
                if let Some(module) = self.items.last_mut().and_then(|item| item.module.as_mut()) {
                    module.result = Some(result);
                }
            }
            Fact::StepStarted { path, verb, subject } => self.open_step(StepRun {
                path,
                verb,
                subject,
                started: at,
                took: None,
                result: None,
                words: String::new(),
                screens: Vec::new(),
            }),
            Fact::StepEnded { path, result, took_ms, words } => {
                if let Some(step) = self.step_mut(&path) {
                    step.took = Some(Duration::from_millis(took_ms));
                    step.result = Some(result);
                    step.words = words;
                }
            }
            Fact::Screen { path, frame, sha256, file, width, height } => {
                let screen = ScreenRun {
                    frame,
                    sha256,
                    file,
                    width,
                    height,
                    needle: None,
                    candidates: Vec::new(),
                };
                if let Some(step) = self.step_mut(&path) {
                    step.screens.push(screen);
                }
            }
            Fact::Match { path, needle, candidates, .. } => {
                let screen = self.step_mut(&path).and_then(|step| step.screens.last_mut());
                if let Some(screen) = screen {
                    screen.needle = needle;
                    screen.candidates = candidates;
                }
            }
            Fact::Console { stream, file, offset } => {
                match self.consoles.iter_mut().find(|console| console.stream == stream) {
                    Some(console) => console.bytes = offset,
                    None => self.consoles.push(ConsoleRun { stream, file, bytes: offset }),
                }
            }
            Fact::Log { level, text } => {
                if self.log.len() == LOG_LINES {
                    self.log.remove(0);
                }
                self.log.push(LogLine { at, level, text });
            }
            Fact::Info { title, text, result } => {
                self.infos.push(InfoRun { title, text, result });
            }
            Fact::Progress { done, total } => self.progress = Some((done, total)),
            Fact::File { path, size, sha256 } => self.files.push(FileRun { path, size, sha256 }),
            Fact::Ended { verdict, cause, backend, load } => {
                self.end = Some(End { wall: event.wall, at, verdict, cause, backend, load });
            }
            Fact::Case { .. }
            | Fact::Measure { .. }
            | Fact::Slow { .. }
            | Fact::Paused
            | Fact::Resumed
            | Fact::Unknown => {}
        }
    }

    /// The state a job is in when its events have come this far.
    pub fn state(&self) -> JobState {
        let part = self.parts.last().map(|part| part.part);
        match (&self.end, part) {
            (Some(_), _) => JobState::Ended,
            (None, None | Some(Part::Fetch | Part::Deploy)) => JobState::Preparing,
            (None, Some(Part::Boot | Part::Test)) => JobState::Running,
            (None, Some(Part::Collect)) => JobState::Collecting,
        }
    }

    /// The step that runs now.
    pub fn current_step(&self) -> Option<&StepRun> {
        let step = self.items.last()?.steps.last()?;
        (step.result.is_none() && self.end.is_none()).then_some(step)
    }

    pub fn steps(&self) -> impl Iterator<Item = &StepRun> {
        self.items.iter().flat_map(|item| &item.steps)
    }

    /// How long the parts that ended took.
    pub fn part_durations(&self) -> Vec<PartDuration> {
        let ended = |part: &PartRun| {
            let millis = u64::try_from(part.took?.as_millis()).unwrap_or(u64::MAX);
            Some(PartDuration { part: part.part, name: part.name.clone(), millis })
        };
        self.parts.iter().filter_map(ended).collect()
    }

    fn open_step(&mut self, step: StepRun) {
        let open = self
            .items
            .last_mut()
            .filter(|item| item.module.as_ref().is_some_and(|module| module.result.is_none()));
        match open {
            Some(item) => item.steps.push(step),
            None => self.items.push(ItemRun { module: None, steps: vec![step] }),
        }
    }

    fn step_mut(&mut self, path: &str) -> Option<&mut StepRun> {
        self.items
            .iter_mut()
            .rev()
            .flat_map(|item| item.steps.iter_mut().rev())
            .find(|step| step.path == path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModuleFlags;

    fn events(facts: Vec<Fact>) -> Vec<Event> {
        facts
            .into_iter()
            .zip(1..)
            .map(|(fact, seq)| Event {
                seq,
                mono_us: seq * 1000,
                wall: Timestamp::UNIX_EPOCH,
                fact,
            })
            .collect()
    }

    fn story() -> Vec<Event> {
        let step = |path: &str| Fact::StepStarted {
            path: path.into(),
            verb: "send_key".into(),
            subject: "ret".into(),
        };
        let done = |path: &str| Fact::StepEnded {
            path: path.into(),
            result: Outcome::Ok,
            took_ms: 1,
            words: String::new(),
        };
        events(vec![
            Fact::PartStarted { part: Part::Test, name: "screen".into(), expected_ms: None },
            step("2/0"),
            done("2/0"),
            Fact::ModuleStarted {
                path: "2/1".into(),
                name: "country".into(),
                flags: ModuleFlags::default(),
                steps: 2,
            },
            step("2/1/0"),
            done("2/1/0"),
            step("2/1/1"),
            done("2/1/1"),
            Fact::ModuleEnded { path: "2/1".into(), name: "country".into(), result: Outcome::Ok },
            step("2/2"),
        ])
    }

    #[test]
    fn steps_go_to_their_module_and_the_open_one_is_current() {
        let run = Run::of(story());
        assert_eq!(run.items.iter().map(|item| item.steps.len()).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(run.current_step().unwrap().path, "2/2");
        assert_eq!(run.state(), JobState::Running);
    }

    #[test]
    fn an_event_seen_twice_counts_once() {
        let twice = story().into_iter().flat_map(|event| [event.clone(), event]);
        assert_eq!(Run::of(twice), Run::of(story()));
    }
}
