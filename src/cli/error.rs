//! What can go wrong with a command, in words, and the exit code for it.
//!
//! Exit codes of verdicts belong to [`Verdict`](crate::model::Verdict) and 2 to clap; the ones here
//! are those of sysexits.h, which begin far above both.

use std::{error::Error, fmt::Write as _, io, path::PathBuf};

use super::answers::Problem;
use crate::config::SettingsError;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("no appliance answers")]
    Unreachable {
        /// Each socket that was tried, with what came of it.
        tried: Vec<(PathBuf, io::Error)>,
    },
    #[error("the appliance stopped answering")]
    Lost { source: hyper::Error },
    /// It answered, and the answer is no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    #[error("the appliance answered something this command does not understand")]
    NotUnderstood { source: serde_json::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("could not start")]
    Start { source: io::Error },
    /// Standard output is full or closed.
    #[error("could not write the result")]
    Output { source: io::Error },
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            // EX_DATAERR, EX_NOINPUT, EX_SOFTWARE
            Self::Refused(problem) => match problem.status {
                422 => 65,
                404 => 66,
                503 => 69,
                _ => 70,
            },
            // EX_UNAVAILABLE
            Self::Unreachable { .. } | Self::Lost { .. } => 69,
            Self::NotUnderstood { .. } | Self::Start { .. } => 70,
            // EX_IOERR
            Self::Output { .. } => 74,
        }
    }

    /// Whoever read our output has heard enough (`sutler jobs | head -1`): no failure.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output { source } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Everything a person needs to know and to do, ending with a line feed.
    pub(super) fn words(&self) -> String {
        let mut words = format!("sutler: {self}");
        let mut source = self.source();
        while let Some(cause) = source {
            let _ = write!(words, ": {cause}");
            source = cause.source();
        }
        words.push('\n');
        match self {
            Self::Unreachable { tried } => {
                for (socket, error) in tried {
                    let _ = writeln!(words, "  tried {}: {error}", socket.display());
                }
                words.push_str(
                    "  Start one with: sutler serve\n  \
                     If it runs with a data folder of its own, name that: --data DIR\n",
                );
            }
            Self::Refused(problem) => words.push_str(&super::render::problems(problem)),
            Self::Lost { .. }
            | Self::NotUnderstood { .. }
            | Self::Settings(_)
            | Self::Start { .. }
            | Self::Output { .. } => {}
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_appliance_is_told_where_it_looked_and_what_to_do() {
        let refused = io::Error::from_raw_os_error(rustix::io::Errno::CONNREFUSED.raw_os_error());
        let error = CliError::Unreachable { tried: vec![("/lab/sutler.sock".into(), refused)] };
        assert_eq!(error.exit_code(), 69);
        insta::assert_snapshot!(error.words(), @r"
        sutler: no appliance answers
          tried /lab/sutler.sock: Connection refused (os error 111)
          Start one with: sutler serve
          If it runs with a data folder of its own, name that: --data DIR
        ");
    }
}
