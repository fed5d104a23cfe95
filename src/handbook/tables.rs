//! Tables written from the closed lists of the program.

use std::fmt::Write as _;

use super::book::CommandText;
use crate::{
    config::KEYS,
    decide::stall::Stall,
    model::{Code, Gauge, Measure, Operation, Verdict},
};

pub(super) fn commands(commands: &[CommandText]) -> String {
    let mut text = String::from("| Command | What it does |\n| --- | --- |\n");
    for CommandText { name, about, .. } in commands {
        let anchor = name.replace(' ', "-");
        let _ = writeln!(text, "| [`sutler {name}`](#sutler-{anchor}) | {about} |");
    }
    for CommandText { name, help, .. } in commands {
        let _ = write!(text, "\n## `sutler {name}`\n\n```help\n{}\n```\n", help.trim());
    }
    text
}

pub(super) fn settings() -> String {
    let mut text = String::new();
    for key in &KEYS {
        let (name, words, default) = (key.name, key.words, key.default);
        let (variable, expected) = (key.variable(), key.expected());
        let _ = write!(
            text,
            "### `{name}`\n\n{words}\n\nA value is {expected}. Default: `{default}`. In the environment: \
             `{variable}`.\n\n"
        );
    }
    text
}

pub(super) fn verdicts() -> String {
    let mut text = String::from("| Verdict | What it means | Exit code |\n| --- | --- | --- |\n");
    for verdict in Verdict::ALL {
        let meaning = match verdict {
            Verdict::Passed => "The job ran to its end, and all was well.",
            Verdict::Softfailed => {
                "It passed, but a needle matched that stands for a known workaround."
            }
            Verdict::Failed => "It ran to its end, and something it tested is wrong.",
            Verdict::Incomplete => {
                "It could not run to its end. The cause says who has to act: author, lab, host, \
                 guest or we."
            }
            Verdict::TimedOut => "The job or one of its actions used up its time.",
            Verdict::TooSlow => {
                "A [limit](slow-jobs) that stops was exceeded. The cause says which, by how much, and \
                 whether the host or the guest was slow."
            }
            Verdict::Canceled => "Somebody asked for it to be stopped.",
            Verdict::Skipped => {
                "It was not run, because what it depends on did not pass or it was replaced. Jobs do \
                 not depend on each other in this version."
            }
        };
        let _ = writeln!(text, "| `{}` | {meaning} | {} |", verdict.name(), verdict.exit_code());
    }
    text
}

pub(super) fn causes() -> String {
    let mut text = String::from("| Code | What happened | What to do |\n| --- | --- | --- |\n");
    for code in Code::ALL {
        let (what, advice) = match code {
            Code::NoMatch => (
                "A screen that was expected did not come.",
                "Look at the screen beside the step. If the system is right, make a new needle; if it \
                 was only slow, give the step a longer `timeout`.",
            ),
            Code::NoSerialMatch => (
                "Text that was expected did not come on the serial console.",
                "Read the last lines beside the step. Does the guest write to its serial console at \
                 all (`console=ttyS0`)?",
            ),
            Code::Workaround => (
                "A needle that stands for a known workaround matched.",
                "Nothing, until the fault behind it is mended; then remove the needle's `workaround`.",
            ),
            Code::BadStep => (
                "A step could not be carried out as written.",
                "The words say what is wrong; correct the job.",
            ),
            Code::NoNeedles => (
                "No needle has the tags a step names.",
                "Correct the tag, or make the needle. `sutler validate` finds this before the job runs.",
            ),
            Code::BadFile => (
                "A file is missing, unreadable, or not the one the job names.",
                "Put it where the job says, or correct its `sha256sum`.",
            ),
            Code::ForbiddenPath => (
                "A path lies outside what jobs may read.",
                "Put the file beside the job, or have the box lend its folder.",
            ),
            Code::QemuNotStarted => (
                "QEMU refused its arguments or could not be started.",
                "The last lines are QEMU's own words. `sutler doctor` checks that it is installed.",
            ),
            Code::QemuDied => (
                "QEMU ended while the job still needed it.",
                "The last lines are QEMU's own words; often the host was short of memory.",
            ),
            Code::GuestOff => (
                "The guest switched itself off while the job still needed it.",
                "If it should do that, end the job's steps before; else look at the last screens.",
            ),
            Code::GuestPanicked => (
                "The guest's kernel panicked.",
                "Read the console of the job. That is a fault of the system under test.",
            ),
            Code::NotMet => (
                "The job was to wait for another one that has not come out as it had to.",
                "Look at that job; then `sutler resubmit` this one.",
            ),
            Code::QueueTimeout => (
                "The job waited in the queue for as long as its `timeouts: queue` allows.",
                "Ask for less, give it a higher priority or more time; `sutler plan` shows what is \
                 in front of it.",
            ),
            Code::JobTimeout => (
                "The whole job used up its time.",
                "See which part took long. Raise `timeouts: {job: …}` if it was right to.",
            ),
            Code::ActionTimeout => (
                "One action used up its time.",
                "See which step took long. Raise the action's `timeout`, or mend what was slow.",
            ),
            Code::TooSlow => (
                "The job was slower than a [limit](slow-jobs) allows.",
                "The cause says whether the host or the guest was slow. Give the host less to do, mend \
                 what was slow, or set another limit.",
            ),
            Code::GuestFrozen => (
                "The guest stood still: QEMU's process was stopped from outside, QEMU held the guest, or \
                 did not answer.",
                "Look for what stopped it on the host: a full disk, a dead network disk, a debugger, \
                 `kill -STOP`.",
            ),
            Code::ResetLoop => (
                "The guest reset itself again and again, and no step passed meanwhile.",
                "Watch the video: what does it show before each reset? Boot loops are most often a \
                 kernel that crashes early or a boot loader without its disk.",
            ),
            Code::Canceled => ("Somebody asked for the job to be stopped.", "Nothing."),
            Code::EngineDied => (
                "The process of the job ended without saying why.",
                "Was it killed, or did the host go down? Look at the host's log for lack of memory.",
            ),
            Code::EngineNotStarted => (
                "The process of the job could not be started.",
                "The words say why; often the disk is full or a limit of the system is reached.",
            ),
            Code::HostResources => (
                "The host ran out of disk or memory, or refused a file.",
                "Make room. `sutler doctor` shows what is short.",
            ),
            Code::Restored => (
                "The store was restored from a backup in which this job had not ended.",
                "Submit it again if it is still wanted.",
            ),
            Code::MissingTool => (
                "A tool the job needs is not installed on this box.",
                "Install it. `sutler doctor` says which package has it.",
            ),
            Code::Internal => {
                ("A fault of ours.", "Please report it, with the job's folder if you may share it.")
            }
        };
        let _ = writeln!(text, "| `{}` | {what} | {advice} |", code.name());
    }
    text
}

/// What a limit can be for.
pub(super) fn measures() -> String {
    let mut text = String::from("| Measure | Of what | Unit |\n| --- | --- | --- |\n");
    for measure in Measure::ALL {
        let what = match measure {
            Measure::JobTime => "the job, from its start to the end of its last action",
            Measure::PartTime => "one part: a deploy, a boot, a test",
            Measure::ModuleTime => "one module of a screen test",
            Measure::StepTime => "one step",
            Measure::KeyToScreen => "a key or button, until the screen changes",
            Measure::FrameLag => "a screen update, from its first byte to the frame made of it",
            Measure::MatchTime => "one search for needles",
            Measure::GuestWait => {
                "how long the guest's processors were ready to run and the host gave them none"
            }
        };
        let _ = writeln!(text, "| `{}` | {what} | {} |", measure.name(), measure.unit());
    }
    text
}

/// What is timed on the way of a frame.
pub(super) fn operations() -> String {
    let mut text = String::from("| Operation | From, to |\n| --- | --- |\n");
    for operation in Operation::ALL {
        let what = match operation {
            Operation::UpdateReceive => "the first byte of a screen update, its last",
            Operation::FrameLag => "the first byte of a screen update, the frame made of it",
            Operation::CaptureLag => "the frame, its picture in the video's spool",
            Operation::PpmWrite => "writing that picture",
            Operation::Encode => "the picture's turn in the spool, the durable video",
            Operation::PngWrite => "keeping a result screen",
            Operation::LiveWrite => "writing the live picture, while somebody watches",
            Operation::MatchTime => "one search for needles",
            Operation::KeyToScreen => "a key or button pressed, the next changed screen",
        };
        let _ = writeln!(text, "| `{}` | {what} |", operation.name());
    }
    text
}

/// What is measured once a second.
pub(super) fn series() -> String {
    let mut text = String::from("| Name | What | Unit |\n| --- | --- | --- |\n");
    for series in Gauge::ALL {
        let (name, words, unit) = (series.name(), series.words(), series.unit());
        let _ = writeln!(text, "| `{name}` | {words} | {unit} |");
    }
    text
}

/// How a guest can come to a stand.
pub(super) fn stalls() -> String {
    let mut text =
        String::from("| Stall | How it is known | What follows |\n| --- | --- | --- |\n");
    for stall in Stall::ALL {
        let (sign, end) = match stall {
            Stall::Frozen => (
                "QEMU's process is stopped, QEMU holds the guest, or QEMU does not answer",
                "named after seconds; the job ends as `guest_frozen` after 20 s, after 30 s where QEMU \
                 does not answer",
            ),
            Stall::ResetLoop => (
                "the guest resets itself, and no step passes between",
                "the job ends as `reset_loop` at the fifth time within a minute",
            ),
            Stall::StalledDisplay => (
                "a key was pressed, the screen has not changed since, and the guest's processors work",
                "a remark that explains a failure",
            ),
            Stall::Halted => (
                "a key was pressed, the screen has not changed since, and the guest's processors do \
                 not even wake",
                "a remark that explains a failure",
            ),
            Stall::SilentConsole => (
                "a step waits for the serial console, nothing comes, and the guest runs",
                "a remark that explains a failure",
            ),
        };
        let _ = writeln!(text, "| `{}` | {sign} | {end} |", stall.name());
    }
    text
}
