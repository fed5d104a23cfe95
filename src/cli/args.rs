//! What a person writes, and who carries it out.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use super::{cancel, client::Client, doctor, error::CliError, jobs, logs, output::say, show, wait};
use crate::config::{Host, SettingsError};

const EXIT_CODES: &str = "\
Exit codes:
   0  passed, softfailed; or the command did what it was asked to
   1  failed; or `doctor` found something bad
   2  wrong usage
   3  incomplete: the job could not run to its end
   4  timed out
   5  too slow
   6  canceled or skipped
  65  the job file is not valid
  66  there is no such job
  69  no appliance can be reached";

/// Tests operating systems on virtual machines of this box: drop a job file into a folder, see what
/// became of it on a local page.
#[derive(Debug, Parser)]
#[command(name = "sutler", version, max_term_width = 100, after_help = EXIT_CODES)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The appliance's data folder [default: ~/.local/share/sutler, /var/lib/sutler for root]
    ///
    /// Commands find the appliance by the socket in it. Where you name none, they try your own
    /// folder and then /var/lib/sutler.
    #[arg(long, global = true, value_name = "DIR", env = "SUTLER_DATA")]
    pub data: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Jobs(jobs::Args),
    Show(show::Args),
    Logs(logs::Args),
    Wait(wait::Args),
    Cancel(cancel::Args),
    Doctor(doctor::Args),
}

impl Cli {
    /// Carries the command out and says what went wrong, if something did.
    pub fn run(self) -> ExitCode {
        match self.carry_out() {
            Ok(code) => code.into(),
            Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
            Err(error) => {
                say(&error.words());
                error.exit_code().into()
            }
        }
    }

    fn carry_out(self) -> Result<u8, CliError> {
        let Self { common, command } = self;
        if let Command::Doctor(args) = command {
            return doctor::run(&args, &common);
        }
        let data = match &common.data {
            Some(data) => vec![data.clone()],
            None => Host::look()?.likely_data(),
        };
        if data.is_empty() {
            return Err(SettingsError::NoHome.into());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| CliError::Start { source })?;
        runtime.block_on(async {
            let client = Client::new(&data);
            let json = common.json;
            let done = match command {
                Command::Jobs(args) => jobs::run(&args, &client, json).await,
                Command::Show(args) => show::run(&args, &client, json).await,
                Command::Logs(args) => logs::run(&args, &client, json).await,
                Command::Wait(args) => wait::run(&args, &client, json).await,
                Command::Cancel(args) => cancel::run(&args, &client, json).await,
                Command::Doctor(_) => unreachable!("it needs no appliance and has run already"),
            };
            client.close().await;
            done
        })
    }
}

/// How a job is named: by its number here, or by its uuid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobName(String);

impl std::str::FromStr for JobName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || text.parse::<uuid::Uuid>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err("a job is named by its number, as in `sutler jobs`, or by its uuid")
        }
    }
}

impl std::fmt::Display for JobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_each_shows_examples() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            assert!(command.render_long_help().to_string().contains("Examples:"), "{name}");
        }
    }

    #[test]
    fn a_job_has_a_number_or_a_uuid() {
        for fine in ["7", "0193a5e0-0000-7000-8000-000000000000"] {
            assert!(fine.parse::<JobName>().is_ok(), "{fine}");
        }
        for bad in ["", "-1", "seven", "7/cancel", "../status"] {
            assert!(bad.parse::<JobName>().is_err(), "{bad}");
        }
    }
}
