//! What a process is doing, and a guest's processors among its threads.

use std::{fs, path::PathBuf, time::Duration};

use super::parse;

/// A process to be looked at again and again.
#[derive(Debug)]
pub struct Process {
    proc: PathBuf,
    /// `schedstat` of each thread that is a guest's processor; found when first looked for.
    processors: Vec<PathBuf>,
}

/// A process at one moment. What the kernel does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcessReading {
    /// `R` runs, `S` sleeps, `D` waits for a disk, `T` and `t` are stopped.
    pub state: Option<char>,
    pub cpu: Option<Duration>,
    pub memory_mib: Option<f64>,
    /// Bytes read from and written to storage.
    pub storage: Option<(u64, u64)>,
    /// How long each of the guest's processors ran, and was ready to and did not.
    pub processors: Vec<(Duration, Duration)>,
}

impl Process {
    pub fn new(pid: u32) -> Self {
        Self { proc: format!("/proc/{pid}").into(), processors: Vec::new() }
    }

    /// One look: time, memory, state and nothing of its threads.
    pub fn look(&self) -> ProcessReading {
        let stat = self.read("stat").as_deref().and_then(parse::stat);
        let memory = self.read("status").as_deref().and_then(parse::memory_kib);
        ProcessReading {
            state: stat.map(|stat| stat.state),
            cpu: stat.map(|stat| stat.cpu),
            memory_mib: memory.map(|kib| kib as f64 / 1024.0),
            storage: None,
            processors: Vec::new(),
        }
    }

    /// One look at a QEMU, with its storage and the guest's processors.
    pub fn look_at_guest(&mut self) -> ProcessReading {
        if self.processors.is_empty() {
            self.processors = self.find_processors();
        }
        let read = |path| parse::schedstat(&fs::read_to_string(path).ok()?);
        ProcessReading {
            storage: self.read("io").as_deref().and_then(parse::io),
            processors: self.processors.iter().filter_map(read).collect(),
            ..self.look()
        }
    }

    /// QEMU names its threads when it is started with `debug-threads=on`, as ours is: `CPU 0/KVM`,
    /// `CPU 0/TCG`, or `ALL CPUs/TCG` for all of them.
    fn find_processors(&self) -> Vec<PathBuf> {
        let tasks = fs::read_dir(self.proc.join("task")).into_iter().flatten().flatten();
        let is_processor = |task: &PathBuf| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            name.starts_with("CPU ") || name.starts_with("ALL CPUs")
        };
        let found = tasks.map(|task| task.path()).filter(is_processor);
        found.map(|task| task.join("schedstat")).collect()
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.proc.join(name)).ok()
    }
}

/// What of a span of time went to running, and what to waiting for a processor; percent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CpuShare {
    /// Of the process; 100 is one core.
    pub cpu: Option<f64>,
    /// Of the guest's processor that waited most.
    pub wait: Option<f64>,
    /// Of the guest's processors together; 100 is one core.
    pub ran: Option<f64>,
}

impl ProcessReading {
    /// What went on in the `span` since `before`.
    pub fn share_since(&self, before: &Self, span: Duration) -> CpuShare {
        let percent = |spent: Duration| 100.0 * spent.as_secs_f64() / span.as_secs_f64();
        if span.is_zero() {
            return CpuShare::default();
        }
        let cpu = self.cpu.zip(before.cpu).map(|(now, then)| percent(now.saturating_sub(then)));
        let alike = self.processors.len() == before.processors.len();
        let pairs = self.processors.iter().zip(&before.processors).filter(|_| alike);
        let spent: Vec<_> = pairs
            .map(|(now, then)| (now.0.saturating_sub(then.0), now.1.saturating_sub(then.1)))
            .collect();
        let longest = spent.iter().map(|(_, wait)| *wait).max();
        let ran = (!spent.is_empty()).then(|| percent(spent.iter().map(|(ran, _)| *ran).sum()));
        CpuShare { cpu, wait: longest.map(|wait| percent(wait).min(100.0)), ran }
    }

    /// Bytes a second read and written since `before`.
    pub fn storage_since(&self, before: &Self, span: Duration) -> Option<(f64, f64)> {
        let (now, then) = (self.storage?, before.storage?);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span.as_secs_f64();
        (!span.is_zero()).then(|| (rate(now.0, then.0), rate(now.1, then.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(cpu: u64, processors: &[(u64, u64)]) -> ProcessReading {
        let ms = Duration::from_millis;
        ProcessReading {
            cpu: Some(ms(cpu)),
            processors: processors.iter().map(|(ran, wait)| (ms(*ran), ms(*wait))).collect(),
            storage: Some((cpu * 1000, 0)),
            ..ProcessReading::default()
        }
    }

    #[test]
    fn the_processor_that_waited_most_speaks_for_the_guest() {
        let span = Duration::from_secs(2);
        let before = reading(1000, &[(500, 100), (400, 0)]);
        let now = reading(2000, &[(1100, 900), (800, 100)]);
        let want = CpuShare { cpu: Some(50.0), wait: Some(40.0), ran: Some(50.0) };
        assert_eq!(now.share_since(&before, span), want);
        assert_eq!(now.storage_since(&before, span), Some((500_000.0, 0.0)));
        let unseen = reading(2000, &[]);
        assert_eq!(unseen.share_since(&before, span).wait, None, "its threads were not seen");
        assert_eq!(now.share_since(&before, Duration::ZERO), CpuShare::default());
        assert_eq!(now.share_since(&ProcessReading::default(), span), CpuShare::default());
    }

    #[test]
    fn we_can_look_at_ourselves_and_not_at_nobody() {
        let look = Process::new(std::process::id()).look();
        assert!(look.cpu.is_some() && look.state.is_some());
        assert!(look.memory_mib.is_some_and(|mib| mib > 1.0), "{look:?}");
        // The largest number Linux gives to a process is smaller.
        assert_eq!(Process::new(u32::MAX).look(), ProcessReading::default());
        assert!(Process::new(std::process::id()).look_at_guest().processors.is_empty());
    }
}
