//! One line of the doctor, and what all of them come to. Pure.

use serde::{Deserialize, Serialize};

/// How it is with one thing. Ordered: the last is the worst.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = FindingState)]
pub enum State {
    /// Nothing of this box needs it now.
    NotUsed,
    Fine,
    /// Jobs run, but not all of them, or not as well as they could.
    Warning,
    /// What it is for cannot be done.
    Broken,
}

impl State {
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotUsed => "not_used",
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::NotUsed => "not used",
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    pub name: String,
    pub state: State,
    /// What was seen.
    pub seen: String,
    /// What is wrong with that; nothing when all is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What to do, with the exact command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// No guest can be started as long as it is so: the queue waits.
    #[serde(default)]
    pub holds_queue: bool,
}

impl Finding {
    fn new(name: impl Into<String>, state: State, seen: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            state,
            seen: seen.into(),
            wrong: None,
            remedy: None,
            holds_queue: false,
        }
    }

    pub(super) fn fine(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(name, State::Fine, seen)
    }

    pub(super) fn not_used(name: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::new(name, State::NotUsed, seen)
    }

    pub(super) fn warning(
        name: impl Into<String>,
        seen: impl Into<String>,
        wrong: impl Into<String>,
    ) -> Self {
        Self { wrong: Some(wrong.into()), ..Self::new(name, State::Warning, seen) }
    }

    /// Something that only a part of the appliance needs.
    pub(super) fn broken(
        name: impl Into<String>,
        seen: impl Into<String>,
        wrong: impl Into<String>,
    ) -> Self {
        Self { wrong: Some(wrong.into()), ..Self::new(name, State::Broken, seen) }
    }

    /// Something without which no guest can be started, or no result be kept.
    pub(super) fn holding(
        name: impl Into<String>,
        seen: impl Into<String>,
        wrong: impl Into<String>,
    ) -> Self {
        Self { holds_queue: true, ..Self::broken(name, seen, wrong) }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// The worst of them; fine when there is none.
pub(super) fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|finding| finding.state).max().unwrap_or(State::Fine)
}

/// Why no guest can be started, in one sentence for every job that waits; `None` when guests can.
pub(super) fn hold(findings: &[Finding]) -> Option<String> {
    let mut holding = findings.iter().filter(|finding| finding.holds_queue);
    let first = holding.next()?;
    let wrong = first.wrong.as_deref().unwrap_or(&first.seen);
    Some(match holding.count() {
        0 => format!("this box is not well: {wrong}"),
        more => format!("this box is not well: {wrong}, and {more} more"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_keeps_guests_from_starting_holds_the_queue() {
        let fine = Finding::fine("memory", "enough");
        let slow = Finding::warning("acceleration", "none", "guests are slow");
        let inbox = Finding::broken("inbox", "closed", "nothing can be dropped");
        let qemu = Finding::holding("qemu", "nothing", "qemu is not installed");
        let disk = Finding::holding("disk", "2 MiB free", "the disk is full");
        for (findings, state, words) in [
            (vec![], State::Fine, None),
            (vec![fine.clone()], State::Fine, None),
            (vec![fine.clone(), slow.clone()], State::Warning, None),
            (vec![fine, inbox.clone()], State::Broken, None),
            (
                vec![slow, qemu.clone(), inbox],
                State::Broken,
                Some("this box is not well: qemu is not installed"),
            ),
            (
                vec![qemu, disk],
                State::Broken,
                Some("this box is not well: qemu is not installed, and 1 more"),
            ),
        ] {
            assert_eq!(worst(&findings), state);
            assert_eq!(hold(&findings).as_deref(), words);
        }
    }
}
