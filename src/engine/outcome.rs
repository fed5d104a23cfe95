//! What the results of the items of a screen test come to. Pure.

use crate::model::{Cause, ModuleFlags, Outcome, Verdict};

/// Collects results as items end and says when nothing more may run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    failed: bool,
    softfailed: bool,
    /// The first that counted.
    cause: Option<Cause>,
    halted: bool,
}

impl Tally {
    /// A step that stands alone has ended. Its failure ends the test, as there is nothing after it
    /// that does not build on it.
    pub(super) fn step(&mut self, result: Outcome, cause: Option<Cause>) {
        self.module(ModuleFlags { fatal: true, ignore_failure: false }, result, cause);
    }

    /// A module has ended.
    pub(super) fn module(&mut self, flags: ModuleFlags, result: Outcome, cause: Option<Cause>) {
        match result {
            Outcome::Ok | Outcome::Skip | Outcome::NotRun => return,
            Outcome::Softfail => self.softfailed = true,
            Outcome::Fail => {
                self.halted |= flags.fatal;
                if flags.ignore_failure {
                    return;
                }
                if !self.failed {
                    // A failure says more than the workaround that came before it.
                    self.cause = None;
                }
                self.failed = true;
            }
        }
        if self.cause.is_none() {
            self.cause = cause;
        }
    }

    /// Nothing after this may run.
    pub(super) fn is_halted(&self) -> bool {
        self.halted
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The verdict of a run that came to its end.
    pub(super) fn verdict(self) -> (Verdict, Option<Cause>) {
        match (self.failed, self.softfailed) {
            (true, _) => (Verdict::Failed, self.cause),
            (false, true) => (Verdict::Softfailed, self.cause),
            (false, false) => (Verdict::Passed, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Who};

    #[test]
    fn results_add_up() {
        let flags = |fatal, ignore_failure| ModuleFlags { fatal, ignore_failure };
        let plain = flags(false, false);
        for (case, results, halted, verdict, cause) in [
            ("nothing ran", vec![], false, Verdict::Passed, None),
            ("all well", vec![(plain, Outcome::Ok)], false, Verdict::Passed, None),
            (
                "a workaround",
                vec![(plain, Outcome::Softfail), (plain, Outcome::Ok)],
                false,
                Verdict::Softfailed,
                Some(0),
            ),
            (
                "a failure after a workaround is the cause",
                vec![(plain, Outcome::Softfail), (plain, Outcome::Fail)],
                false,
                Verdict::Failed,
                Some(1),
            ),
            (
                "the first failure is the cause",
                vec![(plain, Outcome::Fail), (flags(true, false), Outcome::Fail)],
                true,
                Verdict::Failed,
                Some(0),
            ),
            (
                "an ignored failure changes nothing",
                vec![(flags(false, true), Outcome::Fail)],
                false,
                Verdict::Passed,
                None,
            ),
            (
                "unless it is fatal as well",
                vec![(flags(true, true), Outcome::Fail)],
                true,
                Verdict::Passed,
                None,
            ),
        ] {
            let mut tally = Tally::default();
            for (number, (flags, result)) in results.into_iter().enumerate() {
                let cause = Cause::new(Who::Guest, Code::NoMatch, number.to_string());
                tally.module(flags, result, Some(cause));
            }
            assert_eq!(tally.is_halted(), halted, "{case}");
            let (found, why) = tally.verdict();
            assert_eq!(found, verdict, "{case}");
            assert_eq!(why.map(|why| why.words), cause.map(|n: u32| n.to_string()), "{case}");
        }
    }
}
