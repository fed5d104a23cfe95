//! The lines of a job's event log, as they were written, from any place on.
//!
//! Lines are handed on verbatim, so that a reader sees also what a later engine says and this
//! version does not know.

use std::{
    io::{self, BufRead, BufReader, Seek, SeekFrom},
    time::Duration,
};

use serde::Deserialize;
use tokio::sync::watch;

use super::state::{Activity, Web};
use crate::{model::JobId, report::files::open, supervise::JobFolder, tasks};

/// Bytes read at a time.
const BATCH: usize = 256 << 10;

/// How often a log is looked at when nobody says that it has grown. The appliance follows every
/// running engine and does say so; only a job it does not follow (yet) is asked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The one thing every event says.
#[derive(Debug, Deserialize)]
struct Head {
    seq: u64,
    event: String,
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub seq: u64,
    pub is_last: bool,
    /// It only says what was measured.
    pub is_measure: bool,
    pub text: String,
}

/// A reader's place in a log.
pub(super) struct Tail {
    folder: JobFolder,
    offset: u64,
    /// Events before this one are left out.
    from: u64,
    job: JobId,
    activity: Activity,
    grown: Option<watch::Receiver<u64>>,
}

impl Tail {
    pub(super) fn new(web: &Web, job: JobId, from: u64) -> Self {
        let activity = web.activity.clone();
        let grown = activity(job);
        Self { folder: web.folder(job), offset: 0, from, job, activity, grown }
    }

    /// The next lines; none when there are no more for now.
    pub(super) async fn read(&mut self) -> io::Result<Vec<Line>> {
        loop {
            if let Some(grown) = &mut self.grown {
                grown.mark_unchanged();
            }
            let (folder, offset) = (self.folder.clone(), self.offset);
            let (lines, next) = tasks::blocking(move || batch(&folder, offset)).await?;
            if next == self.offset {
                return Ok(Vec::new());
            }
            self.offset = next;
            let wanted: Vec<_> = lines.into_iter().filter(|line| line.seq >= self.from).collect();
            if !wanted.is_empty() {
                return Ok(wanted);
            }
        }
    }

    /// Waits until there may be more. May be dropped and asked again.
    pub(super) async fn grown(&mut self) {
        if let Some(grown) = &mut self.grown {
            if grown.changed().await.is_ok() {
                return;
            }
            self.grown = None;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
        self.grown = (self.activity)(self.job);
    }
}

/// Some lines from `offset` on, and where the next one begins.
fn batch(folder: &JobFolder, offset: u64) -> io::Result<(Vec<Line>, u64)> {
    let file = match open(&folder.file(JobFolder::EVENTS)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), offset)),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(offset))?;
    let (mut lines, mut read) = (Vec::new(), 0);
    while read < BATCH {
        let mut bytes = Vec::new();
        let length = reader.read_until(b'\n', &mut bytes)?;
        if bytes.pop() != Some(b'\n') {
            break;
        }
        read += length;
        // A disk that was full may have cut a line.
        if let Ok(head) = serde_json::from_slice::<Head>(&bytes)
            && let Ok(text) = String::from_utf8(bytes)
        {
            let (is_last, is_measure) = (head.event == "ended", head.event == "measure");
            lines.push(Line { seq: head.seq, is_last, is_measure, text });
        }
    }
    Ok((lines, offset + read as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_verbatim_and_an_open_one_waits() {
        let place = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(place.path().into());
        assert_eq!(batch(&folder, 0).unwrap(), (vec![], 0));
        let later = r#"{"seq":1,"event":"weather","sun":3}"#;
        let measure = r#"{"seq":2,"event":"measure","values":{}}"#;
        let ended = r#"{"event":"ended","seq":3}"#;
        let log = format!("{later}\nnonsense\n{measure}\n{ended}\n{{\"seq\":4");
        std::fs::write(folder.file(JobFolder::EVENTS), &log).unwrap();
        let (lines, next) = batch(&folder, 0).unwrap();
        let want = [(1, false, false, later), (2, false, true, measure), (3, true, false, ended)];
        let want = want.map(|(seq, is_last, is_measure, text)| Line {
            seq,
            is_last,
            is_measure,
            text: text.into(),
        });
        assert_eq!(lines, want);
        assert_eq!(next, log.rfind('\n').unwrap() as u64 + 1);
        assert_eq!(batch(&folder, next).unwrap(), (vec![], next));
    }
}
