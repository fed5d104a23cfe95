//! What a job's events add up to: its parts, modules, steps, screens and matches so far.
//!
//! A pure fold over the event log, used by everyone who shows a run: pages, commands, reports.
//! Events may be cut off at any point (the engine was killed); what is open then stays open.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Candidate, Cause, Digest, Event, Fact, HostLoad, JobState, Level, LimitMode, LimitOrigin,
    Measure, Outcome, Part, PartDuration, Slowness, Spot, TimeSeries, Verdict,
};

/// Log lines kept in memory for a page; the file has all of them.
const LOG_LINES: usize = 500;
/// The same for what was slow.
const SLOW: usize = 100;

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
    /// What was slow, oldest first.
    pub slow: Vec<SlowRun>,
    /// What was measured. Shared, for runs are copied for every page and this is most of one.
    pub series: Arc<TimeSeries>,
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

/// A limit that was exceeded.
#[derive(Debug, Clone, PartialEq)]
pub struct SlowRun {
    pub at: Duration,
    /// Name of the measure.
    pub measure: String,
    pub value: f64,
    pub limit: f64,
    pub spot: Spot,
    pub mode: Option<LimitMode>,
    pub origin: Option<LimitOrigin>,
    pub slowness: Option<Slowness>,
    /// How many parts and items had begun, and the step that ran.
    during: (usize, usize, Option<String>),
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
            Fact::Slow { measure, value, limit, spot, mode, origin, slowness } => {
                if self.slow.len() == SLOW {
                    self.slow.remove(0);
                }
                let during = self.during();
                self.slow.push(SlowRun {
                    at,
                    measure,
                    value,
                    limit,
                    spot,
                    mode,
                    origin,
                    slowness,
                    during,
                });
            }
            Fact::Measure { values } => Arc::make_mut(&mut self.series).add(at, &values),
            Fact::Case { .. } | Fact::Paused | Fact::Resumed | Fact::Unknown => {}
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

    /// How far it has come on the engine's clock: to its end, else to `now` if it goes on, but no
    /// less far than what it has told.
    pub fn until(&self, now: Option<Timestamp>) -> Duration {
        let known = match (&self.end, self.started, now) {
            (Some(end), ..) => end.at,
            (None, Some(started), Some(now)) => {
                now.duration_since(started).try_into().unwrap_or_default()
            }
            (None, ..) => Duration::ZERO,
        };
        let steps = self.steps().map(|step| step.started + step.took.unwrap_or_default());
        let measured = self.series.spans().last().map(|span| span.to);
        steps.chain(measured).fold(known, Duration::max)
    }

    /// The step that runs now.
    pub fn current_step(&self) -> Option<&StepRun> {
        let step = self.items.last()?.steps.last()?;
        (step.result.is_none() && self.end.is_none()).then_some(step)
    }

    /// What is slow now: the newest that was told of the job, or of the part, the module or the step
    /// that still runs.
    pub fn slow_now(&self) -> Option<&SlowRun> {
        let (parts, items, step) = self.during();
        let part_runs = self.parts.last().is_some_and(|part| part.result.is_none());
        let is_now = |slow: &&SlowRun| match Measure::named(&slow.measure) {
            Some(Measure::JobTime) => true,
            Some(Measure::PartTime) => part_runs && slow.during.0 == parts,
            Some(Measure::ModuleTime) => part_runs && slow.during.1 == items,
            Some(
                Measure::StepTime
                | Measure::KeyToScreen
                | Measure::FrameLag
                | Measure::MatchTime
                | Measure::GuestWait,
            )
            | None => step.is_some() && slow.during.2 == step,
        };
        self.slow.iter().rev().find(is_now).filter(|_| self.end.is_none())
    }

    fn during(&self) -> (usize, usize, Option<String>) {
        let step = self.current_step().map(|step| step.path.clone());
        (self.parts.len(), self.items.len(), step)
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
    fn what_is_slow_is_so_as_long_as_what_it_was_told_of_runs() {
        let slow = |measure: Measure| Fact::Slow {
            measure: measure.name().into(),
            value: 2000.0,
            limit: 1000.0,
            spot: Spot::default(),
            mode: Some(LimitMode::Watch),
            origin: None,
            slowness: Some(Slowness::Guest),
        };
        let step_ended = Fact::StepEnded {
            path: "2/2".into(),
            result: Outcome::Ok,
            took_ms: 1,
            words: String::new(),
        };
        let part_ended = Fact::PartEnded {
            part: Part::Test,
            name: "screen".into(),
            result: Outcome::Ok,
            took_ms: 1,
        };
        for (measure, after, is_slow) in [
            (Measure::StepTime, vec![], true),
            (Measure::KeyToScreen, vec![], true),
            (Measure::StepTime, vec![step_ended.clone()], false),
            (Measure::PartTime, vec![step_ended.clone()], true),
            (Measure::PartTime, vec![step_ended.clone(), part_ended.clone()], false),
            (Measure::JobTime, vec![step_ended, part_ended], true),
        ] {
            let before = story().into_iter().map(|event| event.fact);
            let facts = before.chain([slow(measure)]).chain(after.clone()).collect();
            let run = Run::of(events(facts));
            assert_eq!(run.slow.len(), 1);
            assert_eq!(run.slow_now().is_some(), is_slow, "{measure:?} after {after:?}");
        }
    }

    #[test]
    fn what_was_measured_is_kept_beside_what_was_copied() {
        let measured = |value| Fact::Measure { values: [("guest_cpu".into(), value)].into() };
        let mut told = events(vec![measured(1.0), measured(3.0)]).into_iter();
        let mut run = Run::of(told.next());
        let copy = run.clone();
        told.for_each(|event| run.apply(event));
        assert_eq!((copy.series.spans().len(), run.series.spans().len()), (1, 2));
    }

    #[test]
    fn an_event_seen_twice_counts_once() {
        let twice = story().into_iter().flat_map(|event| [event.clone(), event]);
        assert_eq!(Run::of(twice), Run::of(story()));
    }
}
