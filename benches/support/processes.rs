//! What a family of processes costs, by what each of them is for.
//!
//! Looked at ten times a second from outside, so a process that ends loses at most the last tenth of
//! a second, and one that lives shorter is not seen. Processor time is user and system time;
//! memory is PSS, in which shared pages count once (proc(5), `smaps_rollup`).

use std::{
    collections::HashMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Of /proc: a hundred a second on every architecture of Linux we run on (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// What one kind of process cost in all.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) cpu_s: f64,
    /// The most that all of the kind had at one moment.
    pub(crate) peak_mib: f64,
}

/// By kind, as the given function names them.
pub(crate) type Costs = HashMap<&'static str, Cost>;

/// From a command line, words separated by spaces, to the kind.
pub(crate) type Kind = fn(&str) -> &'static str;

/// Looks at a process and all it starts until asked for the sum.
pub(crate) struct Watch {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Costs>,
}

impl Watch {
    pub(crate) fn start(root: u32, kind: Kind) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let until = enough.clone();
        let thread = thread::spawn(move || look(root, kind, &until));
        Self { enough, thread }
    }

    pub(crate) fn stop(self) -> Costs {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().expect("looking does not panic")
    }
}

#[expect(clippy::disallowed_methods, reason = "processes are looked at, they do not tell")]
fn look(root: u32, kind: Kind, enough: &AtomicBool) -> Costs {
    let mut times: HashMap<u32, (&'static str, f64)> = HashMap::new();
    let mut costs = Costs::new();
    while !enough.load(Ordering::Relaxed) {
        let mut memory: HashMap<&'static str, f64> = HashMap::new();
        for pid in family(root) {
            let Some((command, cpu_s)) = process(pid) else { continue };
            let kind = kind(&command);
            times.insert(pid, (kind, cpu_s));
            *memory.entry(kind).or_default() += pss_mib(pid);
        }
        for (kind, mib) in memory {
            let cost = costs.entry(kind).or_default();
            cost.peak_mib = cost.peak_mib.max(mib);
        }
        thread::sleep(EVERY);
    }
    for (kind, cpu_s) in times.into_values() {
        costs.entry(kind).or_default().cpu_s += cpu_s;
    }
    costs
}

/// A process and its descendants.
fn family(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        if let Some(parent) = stat(pid).and_then(|fields| fields[1].parse().ok()) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        found.extend(children.remove(&found[at]).unwrap_or_default());
        at += 1;
    }
    found
}

/// Command line and processor time in seconds. One that has ended and was not waited for has no
/// command line any more, and counts with what was seen of it before.
fn process(pid: u32) -> Option<(String, f64)> {
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    if command.is_empty() {
        return None;
    }
    let fields = stat(pid)?;
    let ticks: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench")]
    let cpu_s = ticks as f64 / TICKS_PER_SECOND;
    Some((command, cpu_s))
}

/// The fields of proc(5) `stat` from the state on.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(Into::into).collect())
}

/// Waits for a process of such a command line that runs in a folder.
#[expect(clippy::disallowed_methods, reason = "processes are looked at, they do not tell")]
pub(crate) fn wait_for(command: &str, folder: &Path) -> u32 {
    let is = |pid: u32| {
        let is_it = process(pid).is_some_and(|(line, _)| line.contains(command));
        let runs_in = fs::read_link(format!("/proc/{pid}/cwd"));
        is_it && runs_in.is_ok_and(|at| at.starts_with(folder))
    };
    loop {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        if let Some(pid) = pids.find(|pid| is(*pid)) {
            return pid;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a process is none any more.
#[expect(clippy::disallowed_methods, reason = "processes are looked at, they do not tell")]
pub(crate) fn wait_gone(pid: u32) {
    while process(pid).is_some() {
        thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn pss_mib(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
