//! What can go wrong with a command, in words, and the exit code for it.
//!
//! Exit codes of verdicts belong to [`Verdict`](crate::model::Verdict) and 2 to clap; the ones here
//! are those of sysexits.h, which begin far above both.

use std::{error::Error, fmt::Write as _, io, path::PathBuf};

use super::{
    answers::Problem, backup::ArchiveError, needle::NeedleError, new::NewError, server::TokenError,
    store::StoreCommandError,
};
use crate::{
    capture::CaptureError,
    config::{ConfigError, DevicesFileError, SettingsError},
    engine::EngineError,
    job_file::bundle::BundleError,
    model::with_causes,
    report::NoResults,
    store::StoreError,
};

/// The job file is not valid: EX_DATAERR.
pub(super) const INVALID: u8 = 65;

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
    /// Seen before it was sent, and explained.
    #[error("{} is not a valid job", .file.display())]
    Invalid { file: PathBuf, words: String },
    #[error("could not read {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} holds no job.yaml, job.yml or job.json", .folder.display())]
    NoJobFile { folder: PathBuf },
    #[error("{} is packed: unpack it to have it checked here, or submit it", .path.display())]
    Packed { path: PathBuf },
    #[error("could not pack what the job refers to")]
    NotPacked { source: BundleError },
    #[error("the appliance answered something that is no text")]
    NotText,
    #[error("{editor} ended with a failure; nothing was sent")]
    NotEdited { editor: String },
    #[error("--edit, --file and --wait are for one job")]
    OfOneJob,
    #[error("what is printed is a shell's own text and has no JSON; leave --json out")]
    NoJson,
    #[error("{question} There is nobody to ask here, and nothing was done; --yes says yes")]
    NobodyToAsk { question: String },
    #[error("nothing was done")]
    Declined,
    #[error("there is no report of {}", folder.display())]
    NoResults { folder: PathBuf, source: NoResults },
    #[error("could not write {}", path.display())]
    Report { path: PathBuf, source: io::Error },
    #[error("could not use {} for the results", path.display())]
    Results { path: PathBuf, source: io::Error },
    #[error("{} holds the results of another run; name another folder with --out", path.display())]
    ResultsThere { path: PathBuf },
    #[error("the engine could not be started or followed")]
    Engine { source: io::Error },
    #[error("the engine could not begin")]
    EngineFailed { source: EngineError },
    #[error("could not encode the video")]
    Encode { source: CaptureError },
    #[error("could not make screens smaller")]
    Shrink { source: CaptureError },
    #[error("the appliance could not run")]
    Serve(#[source] Box<dyn Error + Send + Sync>),
    #[error("no appliance answers at {address}")]
    NoServer { address: String, source: io::Error },
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Store(#[from] StoreCommandError),
    #[error(transparent)]
    Needle(#[from] NeedleError),
    #[error(transparent)]
    New(#[from] NewError),
    #[error(transparent)]
    Settings(#[from] ConfigError),
    #[error(transparent)]
    Devices(#[from] DevicesFileError),
    #[error("could not write the log into systemd's journal; set log.form to text")]
    Log { source: io::Error },
    #[error("could not write into {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the appliance at {} runs; stop it first, or cancel jobs with `sutler cancel`", socket.display())]
    ApplianceRuns { socket: PathBuf },
    #[error("could not stop the jobs in {}", data.display())]
    NotStopped { data: PathBuf, source: io::Error },
    #[error("the handbook has no page {page:?}; it has {}", .pages.join(", "))]
    NoPage { page: String, pages: Vec<&'static str> },
    #[error("{text:?} is no limit; expected {expected}")]
    NotALimit { text: String, expected: &'static str },
    #[error("could not start")]
    Start { source: io::Error },
    /// Standard output is full or closed.
    #[error("could not write the result")]
    Output { source: io::Error },
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(error.into())
    }
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Devices(_)
            | Self::Token(_)
            | Self::Packed { .. }
            | Self::ResultsThere { .. }
            | Self::ApplianceRuns { .. }
            | Self::NoPage { .. }
            | Self::NotALimit { .. }
            | Self::OfOneJob
            | Self::NoJson
            | Self::NobodyToAsk { .. }
            | Self::Declined
            | Self::Needle(_) => 2,
            Self::Serve(error) if devices_file(&**error).is_some() => 2,
            Self::New(error) => error.exit_code(),
            Self::Invalid { .. } | Self::NotPacked { .. } => INVALID,
            // EX_NOINPUT
            Self::File { .. } | Self::NoJobFile { .. } | Self::NoResults { .. } => 66,
            Self::Archive(error) => match error {
                ArchiveError::Exists { .. } | ArchiveError::NoFolder => 2,
                ArchiveError::Open { .. } => 66,
                // EX_CANTCREAT, EX_DATAERR
                ArchiveError::Make { .. } | ArchiveError::Backup(_) => 73,
                ArchiveError::Restore(_) => INVALID,
                ArchiveError::Store(_) => 70,
            },
            Self::Store(error) => match error {
                StoreCommandError::NoStore { .. } => 66,
                StoreCommandError::Store(StoreError::AlreadyOpen { .. }) => 2,
                StoreCommandError::Store(_) => 70,
            },
            Self::Refused(problem) => match problem.status {
                // A job, a rule or a devices file that cannot be one, or more of it than is taken.
                413 | 422 => INVALID,
                // EX_NOPERM, EX_NOINPUT
                401 | 403 => 77,
                404 => 66,
                503 => 69,
                // What was asked for is wrong, or does not fit how things are.
                400..=499 => 2,
                // EX_SOFTWARE
                _ => 70,
            },
            // EX_UNAVAILABLE
            Self::Unreachable { .. } | Self::NoServer { .. } | Self::Lost { .. } => 69,
            Self::NotUnderstood { .. }
            | Self::Log { .. }
            | Self::NotText
            | Self::NotEdited { .. }
            | Self::Start { .. }
            | Self::Engine { .. }
            | Self::EngineFailed { .. }
            | Self::Encode { .. }
            | Self::Shrink { .. }
            | Self::NotStopped { .. }
            | Self::Serve(_) => 70,
            // EX_CANTCREAT, EX_IOERR
            Self::Results { .. } | Self::Report { .. } | Self::Write { .. } => 73,
            Self::Output { .. } => 74,
        }
    }

    /// Whoever read our output has heard enough (`sutler jobs | head -1`): no failure.
    pub(super) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output { source } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Everything a person needs to know and to do, ending with a line feed.
    pub(super) fn words(&self) -> String {
        let mut words = format!("sutler: {}\n", with_causes(self));
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
            Self::Invalid { words: explained, .. } => words.push_str(explained),
            Self::Settings(ConfigError::Mistakes(all)) => {
                words.push_str(&super::render::mistakes(all))
            }
            Self::Devices(error) => words.push_str(&mistake(error)),
            Self::Serve(error) => words.push_str(&mistake(&**error)),
            Self::NoServer { .. }
            | Self::Token(_)
            | Self::File { .. }
            | Self::NoJobFile { .. }
            | Self::Packed { .. }
            | Self::NotPacked { .. }
            | Self::Lost { .. }
            | Self::NotUnderstood { .. }
            | Self::NotText
            | Self::NotEdited { .. }
            | Self::OfOneJob
            | Self::NoJson
            | Self::NobodyToAsk { .. }
            | Self::Declined
            | Self::NoResults { .. }
            | Self::Report { .. }
            | Self::Settings(_)
            | Self::Results { .. }
            | Self::ResultsThere { .. }
            | Self::Engine { .. }
            | Self::EngineFailed { .. }
            | Self::Encode { .. }
            | Self::Shrink { .. }
            | Self::Needle(_)
            | Self::Log { .. }
            | Self::Archive(_)
            | Self::Store(_)
            | Self::New(_)
            | Self::Write { .. }
            | Self::ApplianceRuns { .. }
            | Self::NotStopped { .. }
            | Self::NoPage { .. }
            | Self::NotALimit { .. }
            | Self::Start { .. }
            | Self::Output { .. } => {}
        }
        words
    }
}

/// What is wrong with the devices file, if that is what an error comes from.
fn devices_file<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a DevicesFileError> {
    let mut causes = std::iter::successors(Some(error), |error| Error::source(*error));
    causes.find_map(|cause| cause.downcast_ref())
}

/// The mistake in it, beside its line.
fn mistake(error: &(dyn Error + 'static)) -> String {
    match devices_file(error) {
        Some(DevicesFileError::Mistake { problems, .. }) => {
            super::render::mistakes(std::slice::from_ref(problems))
        }
        Some(DevicesFileError::Unreadable { .. }) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_is_told_by_the_exit_code_whose_fault_it_is() {
        for (status, code) in [
            (400, 2),
            (401, 77),
            (403, 77),
            (404, 66),
            (409, 2),
            (413, INVALID),
            (415, 2),
            (422, INVALID),
            (500, 70),
            (503, 69),
        ] {
            let problem = Problem { status, detail: "no".into(), problems: Vec::new() };
            assert_eq!(CliError::Refused(problem).exit_code(), code, "{status}");
        }
    }

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
