//! Steps and log of a run as WebVTT, in step with its video: for every player, also without our
//! pages.
//!
//! A cue's time is the engine's clock less what it was at the video's first picture (`epoch`). What
//! was over by then is left out. What a guest or an author wrote cannot end its cue or begin another:
//! line ends become blanks, and what would be read as markup is escaped.

use std::{fmt::Write as _, time::Duration};

use super::words;
use crate::model::{ItemRun, Level, LogLine, Outcome, Run, StepRun};

/// A cue lasts no shorter, or it would be none.
const SHORTEST: Duration = Duration::from_millis(1);
/// A log line is shown no longer.
const READ: Duration = Duration::from_secs(6);
/// Characters of a line.
const LENGTH: usize = 300;

/// A piece of text and when it is shown, on the video's clock.
#[derive(Debug, PartialEq, Eq)]
struct Cue {
    /// Names it to a script. No line end, no arrow.
    id: String,
    from: Duration,
    to: Duration,
    /// Escaped.
    text: String,
}

/// Chapters: a cue for each step, with the step's path as its name, and around those of a module
/// one for the module. `until` is how far the run has come, on the engine's clock.
pub fn steps_vtt(run: &Run, epoch: Duration, until: Duration) -> String {
    let steps = run.items.iter().flat_map(|item| chapters(item, epoch, until));
    write(&steps.collect::<Vec<_>>())
}

/// Captions: the log, each line until the next.
pub fn log_vtt(run: &Run, epoch: Duration) -> String {
    // Lines of the same moment are read together.
    let moments: Vec<&[LogLine]> = run.log.chunk_by(|a, b| millis(a.at) == millis(b.at)).collect();
    let cues = moments.iter().enumerate().filter_map(|(index, lines)| {
        let at = lines.first()?.at;
        let next = moments.get(index + 1).and_then(|lines| Some(lines.first()?.at));
        let to = next.map_or(at + READ, |next| next.min(at + READ));
        let text = lines.iter().map(caption).collect::<Vec<_>>().join("\n");
        cue(format!("log-{index}"), (at, to), epoch, text)
    });
    write(&cues.collect::<Vec<_>>())
}

fn chapters(item: &ItemRun, epoch: Duration, until: Duration) -> Vec<Cue> {
    let reached = || item.steps.iter().filter(|step| step.result != Some(Outcome::NotRun));
    let end = |step: &StepRun| step.took.map_or(until, |took| step.started + took);
    let ends = reached().map(end).max();
    let around = item.module.as_ref().zip(reached().next().zip(ends));
    let around = around.and_then(|(module, (first, ends))| {
        let text = format!("{} ({})", plain(&module.name), result(module.result));
        cue(module.path.clone(), (first.started, ends), epoch, text)
    });
    let steps = reached().filter_map(|step| {
        let (verb, subject) = (plain(&step.verb), plain(&step.subject));
        let text = format!("{verb} {subject} ({})", result(step.result));
        cue(step.path.clone(), (step.started, end(step)), epoch, text)
    });
    around.into_iter().chain(steps).collect()
}

const fn result(result: Option<Outcome>) -> &'static str {
    match result {
        Some(outcome) => words::outcome(outcome),
        None => "running",
    }
}

fn caption(line: &LogLine) -> String {
    let text = plain(&line.text);
    match line.level {
        Level::Debug | Level::Info => text,
        Level::Warning => format!("<c.warning>warning:</c> {text}"),
        Level::Error => format!("<c.error>error:</c> {text}"),
    }
}

/// None when it was over before the video began.
fn cue(id: String, (from, to): (Duration, Duration), epoch: Duration, text: String) -> Option<Cue> {
    let to = to.checked_sub(epoch)?;
    let from = from.saturating_sub(epoch);
    Some(Cue { id, from, to: to.max(from + SHORTEST), text })
}

fn write(cues: &[Cue]) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for Cue { id, from, to, text: words } in cues {
        let (from, to) = (stamp(*from), stamp(*to));
        // Writing into a string cannot fail.
        let _ = write!(text, "\n{}\n{from} --> {to}\n{words}\n", plain(id));
    }
    text
}

/// `01:02:03.456`
fn stamp(at: Duration) -> String {
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3_600, seconds % 3_600 / 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}

const fn millis(at: Duration) -> u128 {
    at.as_millis()
}

/// One line that is no markup. Never empty, for an empty line ends a cue.
fn plain(text: &str) -> String {
    let is_blank = |letter: char| letter.is_control() || letter.is_whitespace();
    let words: Vec<_> = text.split(is_blank).filter(|word| !word.is_empty()).collect();
    let line = words::shorten(&words.join(" "), LENGTH);
    match line.is_empty() {
        true => "-".into(),
        false => line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::samples::story;

    #[test]
    fn a_run_is_told_in_chapters_and_captions() {
        let run = Run::of(story(Some(Outcome::Fail)));
        let epoch = Duration::from_secs(1);
        let until = run.end.as_ref().unwrap().at;
        let both = steps_vtt(&run, epoch, until) + "\n" + &log_vtt(&run, epoch);
        insta::assert_snapshot!(both);
    }

    #[test]
    fn what_goes_on_lasts_until_now_and_what_was_before_the_video_is_left_out() {
        let run = Run::of(story(None));
        let (epoch, until) = (Duration::from_secs(32), Duration::from_secs(3_700));
        let chapters = steps_vtt(&run, epoch, until);
        assert!(!chapters.contains("send_key"), "{chapters}");
        assert!(
            chapters.contains("00:00:00.000 --> 00:00:02.100\nwait_still_screen"),
            "{chapters}"
        );
        assert!(chapters.contains("--> 01:01:08.000\nassert_and_click"), "{chapters}");
        assert_eq!(log_vtt(&run, Duration::from_secs(60)), "WEBVTT\n");
    }

    #[test]
    fn nobody_writes_cues_but_us() {
        let mut run = Run::of(story(Some(Outcome::Ok)));
        let hostile = "a\r\n\n00:00:01.000 --> 00:00:02.000\n<script>&amp;</script>\u{0}NOTE x";
        for line in &mut run.log {
            line.text = hostile.into();
        }
        for item in &mut run.items {
            if let Some(module) = &mut item.module {
                module.name = hostile.into();
                module.path = hostile.into();
            }
            for step in &mut item.steps {
                step.subject = String::new();
                step.verb = hostile.into();
                step.path = hostile.into();
            }
        }
        let until = Duration::from_secs(70);
        for text in [steps_vtt(&run, Duration::ZERO, until), log_vtt(&run, Duration::ZERO)] {
            let blocks: Vec<_> = text.split("\n\n").collect();
            assert_eq!(text.matches("-->").count(), blocks.len() - 1, "{text}");
            assert!(
                !text.contains("<s") && !text.contains('\u{0}') && !text.contains('\r'),
                "{text}"
            );
            for block in &blocks[1..] {
                assert!(block.lines().nth(1).unwrap().contains(" --> "), "{block}");
            }
        }
    }
}
