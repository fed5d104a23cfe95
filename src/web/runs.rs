//! Runs that were looked at lately, so that a page does not read a whole event log each time.
//!
//! A log only grows. What has been read of it is kept with the place where it ended, and only what
//! came since is read the next time; for a job that has ended that is nothing. A log that is
//! another one (the job began anew) or gone (it was removed) is noticed by its inode and length.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    model::{JobId, Run},
    supervise::JobFolder,
    tasks,
};

/// Runs that are kept; the one not looked at for longest goes.
const KEPT: usize = 16;

/// What has been read of a log.
#[derive(Debug, Default)]
struct Known {
    inode: u64,
    offset: u64,
    run: Arc<Run>,
}

type Entry = Arc<Mutex<Known>>;

#[derive(Debug, Default)]
pub struct Runs(Mutex<VecDeque<(JobId, Entry)>>);

impl Runs {
    /// The whole run so far.
    pub(super) async fn get(&self, job: JobId, folder: JobFolder) -> io::Result<Arc<Run>> {
        let entry = self.entry(job);
        tasks::blocking(move || {
            let mut known = entry.lock().unwrap_or_else(PoisonError::into_inner);
            known.read_on(&folder)?;
            Ok(known.run.clone())
        })
        .await
    }

    /// The entry of a job, which is now the one looked at last.
    fn entry(&self, job: JobId) -> Entry {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|(id, _)| *id == job);
        let entry = found.and_then(|at| kept.remove(at)).map_or_else(Entry::default, |(_, e)| e);
        kept.push_front((job, entry.clone()));
        kept.truncate(KEPT);
        entry
    }
}

impl Known {
    fn read_on(&mut self, folder: &JobFolder) -> io::Result<()> {
        let (inode, length) = match fs::symlink_metadata(folder.file(JobFolder::EVENTS)) {
            Ok(log) => (log.ino(), log.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, 0),
            Err(error) => return Err(error),
        };
        if inode != self.inode || length < self.offset {
            *self = Self { inode, ..Self::default() };
        }
        if length > self.offset {
            // Copied only while somebody reads what it was before.
            let run = Arc::make_mut(&mut self.run);
            self.offset = folder.read_events(self.offset, |event| run.apply(event))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::model::{Event, Fact, Level};

    fn line(seq: u64, text: &str) -> String {
        let fact = Fact::Log { level: Level::Info, text: text.into() };
        let wall = jiff::Timestamp::UNIX_EPOCH;
        serde_json::to_string(&Event { seq, mono_us: 0, wall, fact }).unwrap() + "\n"
    }

    #[tokio::test]
    async fn a_log_is_read_on_where_it_ended_and_anew_when_it_is_another() {
        let place = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(place.path().into());
        let log = folder.file(JobFolder::EVENTS);
        let runs = Runs::default();
        let texts = async || {
            let run = runs.get(JobId(1), folder.clone()).await.unwrap();
            run.log.iter().map(|line| line.text.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(texts().await, "");
        fs::write(&log, line(1, "one")).unwrap();
        assert_eq!(texts().await, "one");
        let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
        let two = line(2, "two");
        file.write_all(&two.as_bytes()[..20]).unwrap();
        assert_eq!(texts().await, "one", "half a line is none");
        file.write_all(&two.as_bytes()[20..]).unwrap();
        assert_eq!(texts().await, "one two");
        assert_eq!(texts().await, "one two");
        let other = folder.file("other");
        fs::write(&other, line(1, "began") + &line(2, "anew") + &line(3, "again")).unwrap();
        fs::rename(other, &log).unwrap();
        assert_eq!(texts().await, "began anew again");
        fs::remove_file(&log).unwrap();
        assert_eq!(texts().await, "");
    }

    #[test]
    fn only_so_many_are_kept() {
        let runs = Runs::default();
        let first = runs.entry(JobId(1));
        for n in 2..=KEPT as u64 {
            runs.entry(JobId(n));
        }
        assert!(Arc::ptr_eq(&first, &runs.entry(JobId(1))), "looked at again");
        runs.entry(JobId(99));
        runs.entry(JobId(100));
        assert!(Arc::ptr_eq(&first, &runs.entry(JobId(1))));
        assert_eq!(runs.0.lock().unwrap().len(), KEPT);
    }
}
