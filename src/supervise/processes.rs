//! The processes of a job, found by what they carry: every engine is started with the job's UUID
//! in its environment, and its children inherit it. A bare process number says nothing, since
//! numbers are used again; the environment of a living process cannot be somebody else's.

use std::{
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use tokio::{io::unix::AsyncFd, time::timeout};
use uuid::Uuid;

/// The variable that marks every process of a job.
pub const MARK: &str = "SUTLER_JOB_UUID";

/// While a process executes its program its environment reads as empty, for some microseconds; so
/// only this many looks in a row, this far apart, prove that nothing is there.
const LOOKS: u32 = 3;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// After this long a killed process is stuck in the kernel (a dead disk, say) and is reported.
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// A process of a job, held by a descriptor that can never mean another one.
#[derive(Debug)]
pub struct JobProcess {
    pub pid: i32,
    /// The program's arguments.
    pub arguments: Vec<String>,
    handle: OwnedFd,
}

impl JobProcess {
    pub fn name(&self) -> String {
        let program = self.arguments.first().map_or("?", String::as_str);
        program.rsplit('/').next().unwrap_or(program).to_owned()
    }

    /// `sutler engine`, as opposed to what it started.
    pub fn is_engine(&self) -> bool {
        self.arguments.get(1).is_some_and(|verb| verb == "engine")
    }

    /// Asks it to end. One that has ended meanwhile needs no asking.
    pub fn terminate(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, Signal::TERM) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns when the process has ended.
    #[expect(deprecated, reason = "sound here: the descriptor is owned and outlives the call")]
    pub async fn ended(&self) -> io::Result<()> {
        AsyncFd::new(self.handle.as_fd())?.readable().await.map(|_| ())
    }
}

/// Every living process of a job. Zombies have no environment and are not among them.
pub(super) fn of_job(uuid: Uuid) -> io::Result<Vec<JobProcess>> {
    let mark = format!("{MARK}={uuid}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // Other users' processes are closed to us, and a process may end while it is looked at.
        let Some(handle) = Pid::from_raw(pid)
            .filter(|_| is_marked(pid, &mark))
            .and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok())
        else {
            continue;
        };
        // Asked again with the descriptor in hand: now the number cannot be another's.
        if !is_marked(pid, &mark) {
            continue;
        }
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments = arguments.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let arguments = arguments.map(String::from).filter(|argument| !argument.is_empty());
        found.push(JobProcess { pid, arguments: arguments.collect(), handle });
    }
    Ok(found)
}

fn is_marked(pid: i32, mark: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|pair| pair == mark.as_bytes()))
}

/// Processes of jobs below `jobs` whose engine is gone: number and name. Whoever settles such a job
/// ends them within moments.
pub fn left_over(jobs: &Path) -> io::Result<Vec<(i32, String)>> {
    let prefix = format!("{MARK}=");
    let (mut led, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let proc = entry.path();
        // Other users' processes are closed to us, and a process may end while it is looked at.
        let (Ok(environ), Ok(cwd)) = (fs::read(proc.join("environ")), proc.join("cwd").read_link())
        else {
            continue;
        };
        let text = String::from_utf8_lossy(&environ);
        let Some(mark) = text.split('\0').find_map(|pair| pair.strip_prefix(&prefix)) else {
            continue;
        };
        if !cwd.starts_with(jobs) {
            continue;
        }
        let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
        let arguments = String::from_utf8_lossy(&arguments);
        let mut arguments = arguments.split('\0');
        let name = arguments.next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        if arguments.next() == Some("engine") {
            led.push(mark.to_owned());
        } else {
            others.push((mark.to_owned(), pid, name.to_owned()));
        }
    }
    let is_left = |(mark, ..): &(String, i32, String)| !led.contains(mark);
    Ok(others.into_iter().filter(is_left).map(|(_, pid, name)| (pid, name)).collect())
}

/// Kills whatever a job has left and waits until it is gone. Returns the names of what was found.
/// Looks again until nothing is found, for a process may have been starting another.
pub async fn end_all(uuid: Uuid) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut looks = 0;
    while looks < LOOKS {
        let found = crate::tasks::blocking(move || of_job(uuid)).await?;
        if found.is_empty() {
            looks += 1;
            tokio::time::sleep(BETWEEN_LOOKS).await;
            continue;
        }
        looks = 0;
        for process in &found {
            // It may have ended by itself meanwhile: that is as good.
            let _ = pidfd_send_signal(&process.handle, Signal::KILL);
        }
        for process in found {
            let gone = timeout(KILLED_WITHIN, process.ended()).await;
            gone.map_err(|_| io::Error::other(format!("process {} does not die", process.pid)))??;
            names.push(process.name());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn what_a_job_left_is_found_by_its_mark_and_ended() {
        let (ours, other) = (Uuid::now_v7(), Uuid::now_v7());
        let sleep = |uuid: Uuid| {
            let mut command = Command::new("sleep");
            command.arg("60").env(MARK, uuid.to_string()).spawn().unwrap()
        };
        let (mut left, mut kept) = (sleep(ours), sleep(other));
        assert_eq!(end_all(ours).await.unwrap(), ["sleep"]);
        assert!(!left.wait().unwrap().success());
        assert_eq!(of_job(other).unwrap().len(), 1);
        kept.kill().unwrap();
        kept.wait().unwrap();
        assert!(end_all(ours).await.unwrap().is_empty());
    }
}
