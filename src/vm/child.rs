//! QEMU's process: started bound to us, heard, and ended.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{MachineSpec, VmError, arguments};
use crate::tasks::Tasks;

/// What QEMU wrote to standard error, in the job's folder.
const LOG: &str = "qemu.log";
/// A guest can make QEMU complain without end.
const MAX_LOG: usize = 1 << 20;
const LAST_LINES: usize = 20;
const MAX_LINE: usize = 500;

/// Starts QEMU in the job's folder. `setpriv` sees to it that QEMU dies with us: more precisely
/// with the *thread* that calls this, which therefore has to live as long as the job.
pub(super) fn spawn(
    spec: &MachineSpec,
    folder: &Path,
    tasks: &Tasks,
) -> Result<(Child, Killer, Log), VmError> {
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&spec.qemu)
        .args(arguments(spec))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| VmError::Tool { tool: "setpriv", source })?;
    let killer = Killer::of(&child)?;
    let log = Log::default();
    if let Some(stderr) = child.stderr.take() {
        let path = folder.join(LOG);
        let lines = log.clone();
        // Ends by itself when QEMU does, and must hear all of it: no stop token.
        tasks.spawn(async move {
            if let Err(error) = follow(stderr, &path, &lines).await {
                tracing::warn!(%error, path = %path.display(), "could not keep qemu's log");
            }
            lines.whole.cancel();
        });
    }
    Ok((child, killer, log))
}

/// Sends signals to exactly this process, never to one that got its number later.
#[derive(Debug, Clone)]
pub(super) struct Killer(Arc<OwnedFd>);

impl Killer {
    fn of(child: &Child) -> Result<Self, VmError> {
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.expect("a child that nobody has waited for has a number");
        let handle = pidfd_open(pid, PidfdFlags::empty())
            .map_err(|source| VmError::Tool { tool: "qemu", source: source.into() })?;
        Ok(Self(Arc::new(handle)))
    }

    /// Asks the process to end. One that has ended already is none of our concern.
    pub(super) fn terminate(&self) {
        self.send(Signal::TERM);
    }

    pub(super) fn kill(&self) {
        self.send(Signal::KILL);
    }

    fn send(&self, signal: Signal) {
        if let Err(error) = pidfd_send_signal(&*self.0, signal)
            && error != rustix::io::Errno::SRCH
        {
            tracing::warn!(%error, ?signal, "could not signal qemu");
        }
    }
}

/// The last lines QEMU said, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    last: Arc<Mutex<VecDeque<String>>>,
    /// Cancelled when QEMU has said everything.
    whole: CancellationToken,
}

impl Log {
    pub(super) fn lines(&self) -> Vec<String> {
        self.last.lock().expect("nobody panics with the lines").iter().cloned().collect()
    }

    /// Waits until everything has been read, at most so long.
    pub(super) async fn whole(&self, patience: Duration) {
        if timeout(patience, self.whole.cancelled()).await.is_err() {
            tracing::warn!("somebody keeps qemu's standard error open");
        }
    }

    fn push(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]).into_owned();
        let mut lines = self.last.lock().expect("nobody panics with the lines");
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

async fn follow(mut stderr: ChildStderr, path: &Path, log: &Log) -> std::io::Result<()> {
    let mut file = File::create(path).await?;
    let mut room = MAX_LOG;
    let mut line = Vec::new();
    let mut buffer = vec![0; 8192];
    loop {
        let count = stderr.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                log.push(line.trim_ascii_end());
                line.clear();
            } else if line.len() < MAX_LINE {
                line.push(*byte);
            }
        }
        let kept = count.min(room);
        if kept > 0 {
            file.write_all(&buffer[..kept]).await?;
            file.flush().await?;
        }
        room -= kept;
    }
    if !line.is_empty() {
        log.push(&line);
    }
    Ok(())
}
