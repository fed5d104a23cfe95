//! Decides whether a guest has come to a stand, and in which way: frozen, resetting in a loop, with
//! a display that stands still, halted, or silent on its console.
//!
//! What can be told apart from outside, and by what:
//!
//! | stall | sign | ends the job |
//! | --- | --- | --- |
//! | frozen | QEMU's process is stopped, QEMU holds the guest, or does not answer; not by us | yes |
//! | reset loop | the guest resets itself again and again, and no step passes meanwhile | yes |
//! | stalled display | a key, no changed screen since, and the guest's processors work | no |
//! | halted | a key, no changed screen since, and its processors do not even wake | no |
//! | silent console | a step waits for the console, nothing comes, and the guest runs | no |
//!
//! The last three are also how a quiet guest looks that has nothing to say, so they are remarks
//! that explain a failure and never one themselves. A guest that idles at a prompt, without a key
//! that was not answered, is none of them. Firmware resets once or twice at its start, and one
//! reboot may come as two.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

/// A guest that stands so long is frozen; shorter is a hiccup.
const FROZEN: Duration = Duration::from_secs(3);
/// What comes and goes is news again after so long, and then after twice as long each time.
const AGAIN: Duration = Duration::from_secs(60);
/// QEMU may be busy for some seconds (a disk, a snapshot) and then answers.
const SILENT: Duration = Duration::from_secs(10);
/// A guest that was frozen for so long will not come back in time.
const FROZEN_ENDS: Duration = Duration::from_secs(20);
/// Resets that are a loop, within [`RESETS_WITHIN`].
const RESETS: usize = 5;
const RESETS_WITHIN: Duration = Duration::from_secs(60);
/// Resets this close to each other are one.
const SAME_RESET: Duration = Duration::from_secs(1);
/// An answer to a key that takes longer is none.
const NO_ANSWER: Duration = Duration::from_secs(10);
/// A console may think for a while.
const NO_WORD: Duration = Duration::from_secs(15);
/// Share of a core above which a guest works, percent.
const WORKS: f64 = 20.0;
/// And below which its processors do not even take an interrupt.
const SLEEPS: f64 = 0.5;

/// How a guest has come to a stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stall {
    Frozen,
    ResetLoop,
    StalledDisplay,
    Halted,
    SilentConsole,
}

impl Stall {
    pub const ALL: [Self; 5] =
        [Self::Frozen, Self::ResetLoop, Self::StalledDisplay, Self::Halted, Self::SilentConsole];

    /// The name used in `backend.stalls`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::ResetLoop => "reset_loop",
            Self::StalledDisplay => "stalled_display",
            Self::Halted => "halted",
            Self::SilentConsole => "silent_console",
        }
    }
}

/// What is to be said about a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub stall: Stall,
    /// A sentence without its capital and full stop.
    pub words: String,
    /// Worth a line of the log. It is not when the same was said a moment ago.
    pub is_new: bool,
    /// The job cannot go on.
    pub ends: bool,
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    Screen,
    Console,
}

/// What is seen of a guest at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// QEMU's process is stopped (state T).
    pub is_stopped: bool,
    /// QEMU's word for why the guest does not run, if it does not and should.
    pub held: Option<String>,
    /// How long QEMU has owed an answer.
    pub owes: Duration,
    /// What the guest's processors ran since the last look; 100 is one core. `None` where the kernel
    /// does not tell.
    pub ran: Option<f64>,
    /// What the open step waits for, and since when.
    pub waits: Option<(Waits, Duration)>,
    /// When the first key was pressed that no changed screen has followed.
    pub unanswered: Option<Duration>,
    /// When the console said something last.
    pub heard: Option<Duration>,
}

/// Watches one guest.
#[derive(Debug, Clone, Default)]
pub struct Stalls {
    frozen_since: Option<Duration>,
    /// Newest last.
    resets: VecDeque<Duration>,
    /// What is the case now.
    open: BTreeSet<Stall>,
    /// When each is news again, and the distance after that.
    again: BTreeMap<Stall, (Duration, Duration)>,
    /// Looks in a row in which the guest's processors slept, or worked.
    asleep: u32,
    at_work: u32,
}

impl Stalls {
    /// The guest started anew by itself.
    pub fn on_reset(&mut self, now: Duration) -> Option<Remark> {
        if self.resets.back().is_some_and(|last| now.saturating_sub(*last) < SAME_RESET) {
            return None;
        }
        self.resets.push_back(now);
        while self.resets.front().is_some_and(|at| now.saturating_sub(*at) > RESETS_WITHIN) {
            self.resets.pop_front();
        }
        let (count, first) = (self.resets.len(), *self.resets.front()?);
        if count < 2 {
            return None;
        }
        let ends = count >= RESETS;
        let within = seconds(now.saturating_sub(first));
        let words = if ends {
            format!("the guest resets in a loop: {count} times in {within}")
        } else {
            format!("the guest was reset {count} times in {within}")
        };
        Some(self.remark(now, Stall::ResetLoop, words, ends))
    }

    /// A step passed: what was before it is over.
    pub fn on_step_passed(&mut self) {
        self.resets.clear();
        self.open.clear();
        self.again.clear();
    }

    /// To be asked once a second.
    pub fn look(&mut self, now: Duration, sight: &Sight) -> Vec<Remark> {
        let asleep = sight.ran.is_some_and(|ran| ran < SLEEPS);
        let at_work = sight.ran.is_some_and(|ran| ran >= WORKS);
        self.asleep = if asleep { self.asleep + 1 } else { 0 };
        self.at_work = if at_work { self.at_work + 1 } else { 0 };
        let mut found = Vec::new();
        let frozen = self.frozen(now, sight);
        let is_frozen = frozen.is_some();
        for (stall, said) in [
            (Stall::Frozen, frozen),
            (Stall::StalledDisplay, self.display(now, sight).filter(|_| !is_frozen)),
            (Stall::Halted, self.halted(now, sight).filter(|_| !is_frozen)),
            (Stall::SilentConsole, console(now, sight).filter(|_| !is_frozen)),
        ] {
            match said {
                Some((words, ends)) => found.push(self.remark(now, stall, words, ends)),
                None => {
                    self.open.remove(&stall);
                }
            }
        }
        found
    }

    fn remark(&mut self, now: Duration, stall: Stall, words: String, ends: bool) -> Remark {
        let began = self.open.insert(stall);
        let distance = match self.again.get(&stall) {
            Some((at, distance)) => (now >= *at).then_some(*distance * 2),
            None => Some(AGAIN),
        };
        if let Some(distance) = distance.filter(|_| began) {
            self.again.insert(stall, (now + distance, distance));
        }
        Remark { stall, words, is_new: began && distance.is_some() || ends, ends }
    }

    fn frozen(&mut self, now: Duration, sight: &Sight) -> Option<(String, bool)> {
        let stands = sight.is_stopped || sight.held.is_some();
        if !stands {
            self.frozen_since = None;
        }
        let since = stands.then(|| *self.frozen_since.get_or_insert(now));
        let stood = since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let ends = stood >= FROZEN_ENDS || sight.owes >= SILENT + FROZEN_ENDS;
        let why = match &sight.held {
            _ if sight.is_stopped => "QEMU's process is stopped from outside".to_owned(),
            Some(word) => format!("QEMU holds it ({word})"),
            None => "QEMU does not answer".to_owned(),
        };
        let long = if stands { stood } else { sight.owes };
        let named = stood >= FROZEN || sight.owes >= SILENT;
        named.then(|| (format!("the guest is frozen: {why}, for {}", seconds(long)), ends))
    }

    fn display(&self, now: Duration, sight: &Sight) -> Option<(String, bool)> {
        let since = unanswered(now, sight)?;
        let ran = sight.ran?;
        (self.at_work >= 3).then(|| {
            let words = format!(
                "the display stands still: no change for {} after a key, while the guest works \
                 ({ran:.0} % of a core)",
                seconds(since)
            );
            (words, false)
        })
    }

    fn halted(&self, now: Duration, sight: &Sight) -> Option<(String, bool)> {
        let since = unanswered(now, sight)?;
        (u64::from(self.asleep) >= NO_ANSWER.as_secs() / 2).then(|| {
            let words = format!(
                "the guest does nothing: no changed screen for {} after a key, and its processors \
                 do not wake",
                seconds(since)
            );
            (words, false)
        })
    }
}

/// How long a key has gone without an answer that a step waits for.
fn unanswered(now: Duration, sight: &Sight) -> Option<Duration> {
    let (waits, _) = sight.waits?;
    let since = now.saturating_sub(sight.unanswered?);
    (waits == Waits::Screen && since >= NO_ANSWER).then_some(since)
}

fn console(now: Duration, sight: &Sight) -> Option<(String, bool)> {
    let (waits, since) = sight.waits?;
    let quiet = now.saturating_sub(sight.heard.unwrap_or_default().max(since));
    let runs = sight.ran.is_some_and(|ran| ran >= SLEEPS);
    (waits == Waits::Console && quiet >= NO_WORD && runs).then(|| {
        let words = format!(
            "the console is silent: a step has waited for it for {}, while the guest runs",
            seconds(quiet)
        );
        (words, false)
    })
}

fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs())
}

#[cfg(test)]
mod tests;
