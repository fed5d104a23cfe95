//! What the closed lists of the model mean, in words for a person.

use crate::{
    decide::excess::{excess, whose},
    model::{Code, JobState, Outcome, SlowRun, Verdict, WayIn, Who},
};

/// A verdict's name as it is written on pages.
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Softfailed => "softfailed",
        Verdict::Failed => "failed",
        Verdict::Incomplete => "incomplete",
        Verdict::TimedOut => "timed out",
        Verdict::TooSlow => "too slow",
        Verdict::Canceled => "canceled",
        Verdict::Skipped => "skipped",
    }
}

pub const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "Ran to the end, all well.",
        Verdict::Softfailed => "Passed with a known workaround.",
        Verdict::Failed => "Ran to the end; something tested is wrong.",
        Verdict::Incomplete => "Could not run to the end.",
        Verdict::TimedOut => "A part used up its time.",
        Verdict::TooSlow => "Stopped because it was too slow.",
        Verdict::Canceled => "Stopped because somebody asked.",
        Verdict::Skipped => "Not run: what it depends on did not pass, or it was replaced.",
    }
}

pub const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Softfail => "softfail",
        Outcome::Fail => "fail",
        Outcome::Skip => "skipped",
        Outcome::NotRun => "not run",
    }
}

/// What a job that has not ended is doing.
pub const fn state(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "waiting",
        JobState::Preparing => "preparing",
        JobState::Running => "running",
        JobState::Collecting => "collecting",
        JobState::Ended => "ended",
    }
}

/// Who has to act, as the beginning of a sentence.
pub const fn who(who: Who) -> &'static str {
    match who {
        Who::Author => "The author of the job or its needles",
        Who::Lab => "The keeper of this box",
        Who::Host => "Whoever looks after the host",
        Who::Guest => "The maker of the system under test",
        Who::Sutler => "The makers of Sutler",
    }
}

pub const fn way_in(way: WayIn) -> &'static str {
    match way {
        WayIn::Inbox => "the inbox",
        WayIn::Command => "a command",
        WayIn::Page => "a page",
        WayIn::Appliance => "the appliance",
    }
}

pub const fn code(code: Code) -> &'static str {
    match code {
        Code::NoMatch => "an expected screen did not come",
        Code::NoSerialMatch => "expected text did not come on the serial console",
        Code::Workaround => "a known workaround was needed",
        Code::BadStep => "a step cannot be carried out as written",
        Code::NoNeedles => "no needle has the tags a step names",
        Code::BadFile => "a file is missing, unreadable or not the one named",
        Code::ForbiddenPath => "a path lies outside what jobs may read",
        Code::QemuNotStarted => "QEMU could not be started",
        Code::QemuDied => "QEMU ended too early",
        Code::GuestOff => "the guest powered itself off too early",
        Code::GuestPanicked => "the guest reported a panic",
        Code::NotMet => "what it waited for did not come about",
        Code::QueueTimeout => "it waited for too long",
        Code::JobTimeout => "the job used up its time",
        Code::ActionTimeout => "an action used up its time",
        Code::TooSlow => "it was slower than a limit allows",
        Code::GuestFrozen => "the guest was frozen",
        Code::ResetLoop => "the guest reset itself again and again",
        Code::Canceled => "somebody asked for it to be stopped",
        Code::EngineDied => "the engine ended without saying why",
        Code::EngineNotStarted => "the engine could not be started",
        Code::HostResources => "the host ran out of disk or memory",
        Code::MissingTool => "a tool is not installed on this box",
        Code::Restored => "it was cut off by the backup this box was restored from",
        Code::Internal => "a fault of Sutler itself",
    }
}

/// What is slow, as the end of a sentence.
pub fn slow(slow: &SlowRun) -> String {
    let SlowRun { measure, value, limit, spot, origin, slowness, .. } = slow;
    let words = excess(measure, *value, *limit, spot, origin.as_ref());
    slowness.map_or_else(|| words.clone(), |slowness| format!("{words}; {}", whose(slowness)))
}

/// At most `limit` characters, with an ellipsis where more were left out.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
        None => text.to_owned(),
    }
}

/// "1 job", "2 jobs".
pub fn count(amount: u64, thing: &str) -> String {
    let plural = if amount == 1 { "" } else { "s" };
    format!("{amount} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(shorten("añb", 3), "añb");
        assert_eq!(shorten("añb c", 4), "añb…");
        assert_eq!(shorten(&"🦀".repeat(10_000), 2), "🦀🦀…");
    }
}
