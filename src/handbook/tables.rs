//! Tables written from the closed lists of the program.

use std::fmt::Write as _;

use super::book::CommandText;
use crate::{
    config::KEYS,
    model::{Code, Verdict},
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
            Verdict::TooSlow => "A threshold stopped it. No threshold is set in this version.",
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
            Code::JobTimeout => (
                "The whole job used up its time.",
                "See which part took long. Raise `timeouts: {job: …}` if it was right to.",
            ),
            Code::ActionTimeout => (
                "One action used up its time.",
                "See which step took long. Raise the action's `timeout`, or mend what was slow.",
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
