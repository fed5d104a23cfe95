//! Events as lines, and what a job is doing now.

use std::time::Duration;

use super::words::{clean, duration};
use crate::{
    decide::excess::{excess, whose},
    model::{Event, Fact, Level, Outcome, Run},
};

/// The event in one line, or nothing when a person would not miss it.
pub(in crate::cli) fn event(event: &Event) -> Option<String> {
    let words = match &event.fact {
        Fact::Hello { version, .. } => format!("sutler {version}"),
        Fact::PartStarted { part, name, .. } => format!("{}: {name}", part.name()),
        Fact::PartEnded { part, name, result, took_ms } => {
            format!("{}: {name}: {}", part.name(), done(*result, *took_ms))
        }
        Fact::ModuleStarted { name, .. } => format!("module {name}"),
        Fact::ModuleEnded { name, result, .. } => format!("module {name}: {}", result.name()),
        Fact::StepStarted { verb, subject, path } => format!("  {path} {verb} {subject}"),
        Fact::StepEnded { path, result, took_ms, words } => {
            let why = if words.is_empty() { String::new() } else { format!(": {words}") };
            format!("  {path} {}{why}", done(*result, *took_ms))
        }
        Fact::Match { path, needle: Some(needle), .. } => format!("  {path} matched {needle}"),
        Fact::Case { suite, name, result, .. } => format!("{suite}/{name}: {}", result.name()),
        Fact::Info { title, text, result } => format!("{title}: {} ({text})", result.name()),
        Fact::Log { level: Level::Debug, .. } => return None,
        Fact::Log { level: Level::Info, text } => text.clone(),
        Fact::Log { level: Level::Warning, text } => format!("warning: {text}"),
        Fact::Log { level: Level::Error, text } => format!("error: {text}"),
        Fact::Slow { measure, value, limit, spot, origin, slowness, .. } => {
            let words = excess(measure, *value, *limit, spot, origin.as_ref());
            let whose = slowness.map(|slowness| format!("; {}", whose(slowness)));
            format!("slow: {words}{}", whose.unwrap_or_default())
        }
        Fact::Paused => "paused".into(),
        Fact::Resumed => "goes on".into(),
        Fact::Ended { verdict, cause, .. } => match cause {
            Some(cause) => format!("ended: {verdict}: {}", cause.words),
            None => format!("ended: {verdict}"),
        },
        Fact::Screen { .. }
        | Fact::Match { needle: None, .. }
        | Fact::Console { .. }
        | Fact::Measure { .. }
        | Fact::Progress { .. }
        | Fact::File { .. }
        | Fact::Unknown => return None,
    };
    let seconds = event.since_start().as_secs_f64();
    Some(format!("{seconds:>9.3}  {}\n", clean(&words)))
}

/// What the job is doing now.
pub(in crate::cli) fn doing(run: &Run) -> String {
    if let Some(step) = run.current_step() {
        return clean(&format!("{} {}", step.verb, step.subject));
    }
    run.parts.last().map_or_else(|| "starting".into(), |part| clean(&part.name))
}

fn done(result: Outcome, took_ms: u64) -> String {
    format!("{} after {}", result.name(), duration(Duration::from_millis(took_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Code, Part, Verdict, Who};

    fn at(seq: u64, fact: Fact) -> Event {
        Event { seq, mono_us: seq * 1_500_000, wall: jiff::Timestamp::UNIX_EPOCH, fact }
    }

    #[test]
    fn a_log_reads_as_a_story() {
        let step = Fact::StepStarted {
            path: "2/0".into(),
            verb: "assert_screen".into(),
            subject: "login\u{1b}[2J".into(),
        };
        let ended = Fact::StepEnded {
            path: "2/0".into(),
            result: Outcome::Fail,
            took_ms: 30_000,
            words: "no needle matched".into(),
        };
        let story = [
            Fact::PartStarted { part: Part::Test, name: "screen".into(), expected_ms: None },
            Fact::Progress { done: 0, total: 3 },
            step,
            Fact::Log { level: Level::Debug, text: "never mind".into() },
            Fact::Log { level: Level::Warning, text: "the host is busy".into() },
            ended,
            Fact::Ended {
                verdict: Verdict::Failed,
                cause: Some(Cause::new(Who::Guest, Code::NoMatch, "no needle matched")),
                backend: serde_json::Map::new(),
                load: None,
            },
        ];
        let told: String =
            story.into_iter().zip(1..).filter_map(|(fact, seq)| event(&at(seq, fact))).collect();
        insta::assert_snapshot!(told, @r"
            1.500  test: screen
            4.500    2/0 assert_screen login�[2J
            7.500  warning: the host is busy
            9.000    2/0 fail after 30 s: no needle matched
           10.500  ended: failed: no needle matched
        ");
    }

    #[test]
    fn what_a_job_does_now_is_its_step_or_else_its_part() {
        let part = Fact::PartStarted { part: Part::Boot, name: "qemu".into(), expected_ms: None };
        let step = Fact::StepStarted {
            path: "2/0".into(),
            verb: "send_key".into(),
            subject: "ret".into(),
        };
        let mut run = Run::default();
        assert_eq!(doing(&run), "starting");
        run.apply(at(1, part));
        assert_eq!(doing(&run), "qemu");
        run.apply(at(2, step));
        assert_eq!(doing(&run), "send_key ret");
    }
}
