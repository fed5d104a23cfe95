//! What of a failed job rules may look at, gathered while its folder is there.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

use super::{Ending, JobFolder};
use crate::model::{FailedStep, Failure, Job, Run, StepRun};

/// Bytes read of the end of a console.
const CONSOLE: u64 = 16 << 10;
/// Lines of the log that are looked at.
const LOG: usize = 200;

/// None when the job did not fail, or nothing says why.
pub(super) fn failure(job: &Job, ending: &Ending, folder: &JobFolder) -> Option<Failure> {
    let cause = ending.cause.as_ref().filter(|_| Failure::is_one(ending.verdict))?;
    let run = &ending.run;
    let step = cause.place.step.as_ref();
    let step = step.and_then(|path| run.steps().find(|step| step.path == *path));
    let log = run.log.iter().skip(run.log.len().saturating_sub(LOG));
    let failure = Failure {
        verdict: ending.verdict,
        who: cause.who,
        code: cause.code,
        words: cause.words.clone(),
        part: cause.place.part,
        step: step.map(failed_step),
        screen: cause.evidence.screen.clone(),
        evidence: cause.evidence.lines.clone(),
        log: log.map(|line| line.text.clone()).collect(),
        serial: serial(run, folder),
        job: job.name.clone(),
        device_type: job.device_type.clone(),
    };
    Some(failure.bounded())
}

fn failed_step(step: &StepRun) -> FailedStep {
    let searched = step.screens.last().map_or(&[][..], |screen| &screen.candidates);
    let needles = searched.iter().map(|candidate| candidate.needle.clone()).collect();
    let mut found: Vec<_> = searched.iter().flat_map(|candidate| candidate.tags.clone()).collect();
    found.sort_unstable();
    // Those that were asked for come first: there may be more than are kept.
    let mut tags: Vec<String> = Vec::new();
    if step.verb.contains("screen") || step.verb.contains("click") {
        // Of a verb that searches, the subject says which tags.
        let asked = step.subject.split([' ', ',']).filter(|tag| !tag.is_empty());
        tags.extend(asked.map(str::to_owned));
    }
    for tag in found {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let StepRun { path, verb, subject, .. } = step.clone();
    FailedStep { path, verb, subject, needles, tags }
}

/// The last lines of all consoles, one console after the other.
fn serial(run: &Run, folder: &JobFolder) -> Vec<String> {
    let mut lines = Vec::new();
    for console in &run.consoles {
        match tail(folder, &console.file) {
            Ok(text) => lines.extend(text.lines().map(|line| line.trim_end().to_owned())),
            // The record is worth more than this part of it.
            Err(error) => tracing::warn!(file = console.file, %error, "no end of the console"),
        }
    }
    lines
}

/// The end of a file, from the beginning of a line on where more came before it.
fn tail(folder: &JobFolder, name: &str) -> io::Result<String> {
    let mut file = File::open(folder.file(name))?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(CONSOLE);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(CONSOLE).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match (from, text.split_once('\n')) {
        (1.., Some((_, whole))) => whole.to_owned(),
        _ => text,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{
        markup::samples,
        model::{Cause, Code, Event, Fact, JobId, Outcome, Verdict, Who},
    };

    #[test]
    fn a_failure_has_the_step_its_needles_and_the_ends_of_log_and_console() {
        let data = tempfile::tempdir().unwrap();
        let folder = JobFolder::new(data.path(), JobId(2));
        let mut events = samples::story(Some(Outcome::Fail));
        samples::write_folder(data.path(), JobId(2), &events);
        let (stream, file) = ("serial0".into(), "serial0.txt".into());
        let fact = Fact::Console { stream, file, offset: 9 };
        let last = events.last().unwrap().clone();
        events.push(Event { seq: last.seq + 1, fact, ..last });
        let run = Run::of(events);
        let console = "x".repeat(20_000) + "\nKernel panic\r\n";
        fs::write(folder.file("serial0.txt"), console).unwrap();
        let mut job = samples::ended(2, "an installer", Verdict::Failed, 20);
        job.device_type = "qemu".into();
        let failed = run.steps().find(|step| step.result == Some(Outcome::Fail)).unwrap();
        let mut cause = Cause::new(Who::Guest, Code::NoMatch, "no needle matched");
        cause.place.step = Some(failed.path.clone());
        let (verdict, cause) = (Verdict::Failed, Some(cause));
        let ending = Ending { verdict, cause, run: run.clone(), never_began: false };
        let found = failure(&job, &ending, &folder).unwrap();
        let step = found.step.unwrap();
        assert_eq!((&step.verb, &step.subject), (&failed.verb, &failed.subject));
        assert!(step.tags.contains(&failed.subject), "{:?}", step.tags);
        let nearest = &failed.screens.last().unwrap().candidates[0];
        assert_eq!(step.needles.first(), Some(&nearest.needle));
        assert_eq!(found.log.last(), run.log.last().map(|line| &line.text));
        assert_eq!(found.serial, ["Kernel panic"], "whole lines of the end");
        assert_eq!((found.job.as_str(), found.device_type.as_str()), ("an installer", "qemu"));

        let passed = Ending { verdict: Verdict::Passed, ..ending };
        assert_eq!(failure(&job, &passed, &folder), None);
    }
}
