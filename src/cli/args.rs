//! What a person writes, and who carries it out.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use super::{
    audit,
    backup::{self, BackupArgs, RestoreArgs},
    cancel,
    client::Client,
    config::{self, ConfigCommand},
    device::{self, DeviceCommand},
    disk, doctor, encode_video, engine,
    error::CliError,
    generate::{self, CompletionsArgs, GenerateCommand},
    handbook, jobs, keep,
    known::{self, KnownCommand},
    log, logs,
    needle::{self, NeedleCommand},
    new,
    output::say,
    plan, priority, render, report, resubmit, retry, run, schema,
    serve::{self, Appliance},
    server::{Address, Server, Token},
    show, shrink_screens, stats, stop_jobs,
    store::{self, StoreCommand},
    submit,
    threshold::{self, ThresholdCommand},
    token::{self, TokenCommand},
    user::{self, UserCommand},
    validate, wait,
};
use crate::{
    config::{Flags, Host, Loaded, likely_data, load},
    handbook::CommandText,
    model::JobId,
};

const EXIT_CODES: &str = "\
Exit codes:
   0  passed, softfailed; or the command did what it was asked to
   1  failed; or `doctor` found something broken
   2  wrong usage, or the appliance refuses what is asked for
   3  incomplete: the job could not run to its end
   4  timed out
   5  too slow
   6  canceled or skipped
  65  the job file, or the rule for known failures, is not valid
  66  there is no such job, or no such file
  69  no appliance can be reached
  77  you may not do that";

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
    /// folder and then the one of the box's appliance. SUTLER_DATA says the same.
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The settings file [default: ~/.config/sutler/sutler.toml, /etc/sutler/sutler.toml for root]
    ///
    /// SUTLER_CONFIG says the same. What may stand in it: sutler config default
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Ask the appliance at this address, instead of through a socket of this box
    ///
    /// As `https://lab.example`, or `http://127.0.0.1:8470` at the end of an ssh -L. It is told who asks
    /// by a token, which is taken from SUTLER_TOKEN or from ~/.config/sutler/token: sutler token new.
    /// SUTLER_SERVER says the same.
    #[arg(long, global = true, value_name = "URL", env = "SUTLER_SERVER", hide_env = true)]
    pub server: Option<Address>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

impl Common {
    /// What these flags say of the settings.
    pub(super) fn flags(&self) -> Flags {
        let mut flags = Flags::new(self.config.clone());
        if let Some(data) = &self.data {
            flags.say("--data", "data", data.to_string_lossy());
        }
        flags
    }

    /// Data folders of appliances that could be meant, best first.
    pub(super) fn folders(&self) -> Result<Vec<PathBuf>, CliError> {
        Ok(match &self.data {
            Some(data) => vec![data.clone()],
            None => likely_data(&self.flags(), &Host::look()?)?,
        })
    }

    /// The way to the appliance: the address that is named, or the sockets of this box.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        let Some(address) = self.server.clone() else { return Ok(Client::new(&self.folders()?)) };
        let token = Token::find(std::env::home_dir().as_deref())?;
        if token.is_some() && address.is_open() {
            say(&format!("sutler: {address} is not encrypted: others may read the token\n"));
        }
        Ok(Client::of(Server { address, token }))
    }

    /// The settings in force; what is odd about them is said.
    pub(super) fn settings(&self) -> Result<Loaded, CliError> {
        self.settings_with(&self.flags())
    }

    /// The same where a command has flags of its own.
    pub(super) fn settings_with(&self, flags: &Flags) -> Result<Loaded, CliError> {
        let loaded = load(flags, &Host::look()?)?;
        say(&render::mistakes(&loaded.warnings));
        Ok(loaded)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Run(run::Args),
    Submit(submit::Args),
    Validate(validate::Args),
    Jobs(jobs::Args),
    Plan(plan::Args),
    Show(show::Args),
    Logs(logs::Args),
    Report(report::Args),
    Wait(wait::Args),
    Cancel(cancel::Args),
    Priority(priority::Args),
    Resubmit(resubmit::Args),
    /// See and change what jobs run on, and how it is
    #[command(subcommand)]
    Device(DeviceCommand),
    Keep(keep::Args),
    /// Name failures that are known, try and apply rules, see those nobody knows
    #[command(subcommand)]
    Known(KnownCommand),
    Retry(retry::Args),
    Disk(disk::Args),
    /// See and set what jobs are held to, and when they are too slow
    #[command(subcommand)]
    Threshold(ThresholdCommand),
    Stats(stats::Args),
    /// Say who may use this appliance, and what for
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list and revoke the keys of programs
    #[command(subcommand)]
    Token(TokenCommand),
    Audit(audit::Args),
    Backup(BackupArgs),
    Restore(RestoreArgs),
    /// Check or compact the store of an appliance that is off
    #[command(subcommand)]
    Store(StoreCommand),
    /// Try needles on a picture
    #[command(subcommand)]
    Needle(NeedleCommand),
    New(new::Args),
    Doctor(doctor::Args),
    /// See, check and begin the settings
    #[command(subcommand, after_long_help = config::help())]
    Config(ConfigCommand),
    StopJobs(stop_jobs::Args),
    Completions(CompletionsArgs),
    /// Write what a package installs beside the program
    #[command(subcommand, hide = true)]
    Generate(GenerateCommand),
    Handbook(handbook::Args),
    Schema(schema::Args),
    #[command(hide = true)]
    Engine(engine::Args),
    #[command(hide = true)]
    EncodeVideo(encode_video::Args),
    #[command(hide = true)]
    ShrinkScreens(shrink_screens::Args),
}

impl Cli {
    /// Carries the command out and says what went wrong, if something did.
    pub fn run(self, appliance: Appliance) -> ExitCode {
        match self.carry_out(appliance) {
            Ok(code) => code.into(),
            Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
            Err(error) => {
                say(&error.words());
                error.exit_code().into()
            }
        }
    }

    fn carry_out(self, appliance: Appliance) -> Result<u8, CliError> {
        let Self { common, command } = self;
        match command {
            Command::Serve(args) => serve::run(&args, &common, appliance),
            Command::Engine(args) => engine::run(&args),
            Command::EncodeVideo(args) => {
                log::others();
                encode_video::run(args).map_err(|source| CliError::Encode { source })?;
                Ok(0)
            }
            Command::ShrinkScreens(args) => {
                log::others();
                shrink_screens::run(&args).map_err(|source| CliError::Shrink { source })?;
                Ok(0)
            }
            Command::Run(args) => on_this_thread(run::run(&args, &common)),
            Command::Validate(args) => validate::run(&args, &common),
            Command::Needle(command) => {
                Ok(needle::run(&command, common.json, &mut std::io::stdout().lock())?)
            }
            Command::Report(args) => report::run(&args, &common),
            Command::New(args) => on_this_thread(Box::pin(new::run(&args, &common))),
            Command::Doctor(args) => on_this_thread(doctor::run(&args, &common)),
            Command::Config(command) => config::run(command, &common),
            Command::Backup(args) => on_this_thread(backup::backup(&args, &common)),
            Command::Restore(args) => on_this_thread(backup::restore(&args, &common)),
            Command::Store(command) => on_this_thread(store::run(&command, &common)),
            Command::StopJobs(_) => stop_jobs::run(&common),
            Command::Completions(args) => generate::completions(&args, common.json),
            Command::Generate(command) => generate::generate(&command),
            Command::Handbook(args) => handbook::run(&args, common.json),
            Command::Schema(args) => schema::run(&args),
            Command::Submit(args) => {
                ask(&common, async |client, json| submit::run(&args, client, json).await)
            }
            Command::Jobs(args) => {
                ask(&common, async |client, json| jobs::run(&args, client, json).await)
            }
            Command::Plan(args) => {
                ask(&common, async |client, json| plan::run(&args, client, json).await)
            }
            Command::Show(args) => {
                ask(&common, async |client, json| show::run(&args, client, json).await)
            }
            Command::Logs(args) => {
                ask(&common, async |client, json| logs::run(&args, client, json).await)
            }
            Command::Wait(args) => {
                ask(&common, async |client, json| wait::run(&args, client, json).await)
            }
            Command::Cancel(args) => {
                ask(&common, async |client, json| cancel::run(&args, client, json).await)
            }
            Command::Priority(args) => {
                ask(&common, async |client, json| priority::run(&args, client, json).await)
            }
            Command::Resubmit(args) => {
                ask(&common, async |client, json| resubmit::run(&args, client, json).await)
            }
            Command::Device(command) => {
                ask(&common, async |client, json| device::run(&command, client, json).await)
            }
            Command::Keep(args) => {
                ask(&common, async |client, json| keep::run(&args, client, json).await)
            }
            Command::Known(command) => {
                ask(&common, async |client, json| known::run(&command, client, json).await)
            }
            Command::Retry(args) => {
                ask(&common, async |client, json| retry::run(&args, client, json).await)
            }
            Command::Threshold(command) => {
                ask(&common, async |client, json| threshold::run(&command, client, json).await)
            }
            Command::Stats(args) => {
                ask(&common, async |client, json| stats::run(&args, client, json).await)
            }
            Command::User(command) => {
                ask(&common, async |client, json| user::run(&command, client, json).await)
            }
            Command::Token(command) => {
                ask(&common, async |client, json| token::run(&command, client, json).await)
            }
            Command::Audit(args) => {
                ask(&common, async |client, json| audit::run(&args, client, json).await)
            }
            Command::Disk(args) => {
                ask(&common, async |client, json| disk::run(&args, client, json).await)
            }
        }
    }
}

/// Every command a person may use, as its `--help` tells it.
pub fn commands() -> Vec<CommandText> {
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    for command in cli.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        tell(command, "", &mut found);
    }
    found
}

fn tell(command: &mut clap::Command, above: &str, found: &mut Vec<CommandText>) {
    let name = format!("{above}{}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let help = command.render_long_help().to_string();
    let below = format!("{name} ");
    found.push(CommandText { name, about, help });
    for command in command.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        tell(command, &below, found);
    }
}

/// Asks the running appliance.
pub(super) fn ask(
    common: &Common,
    what: impl AsyncFnOnce(&Client, bool) -> Result<u8, CliError>,
) -> Result<u8, CliError> {
    let client = common.client()?;
    on_this_thread(async {
        let done = what(&client, common.json).await;
        client.close().await;
        done
    })
}

pub(super) fn on_this_thread(
    work: impl Future<Output = Result<u8, CliError>>,
) -> Result<u8, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Start { source })?;
    runtime.block_on(work)
}

/// How a job is named: by its number here, or by its uuid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobName(String);

impl JobName {
    /// None of a uuid, and of a number that no job can have.
    pub(super) fn number(&self) -> Option<JobId> {
        self.0.parse().ok()
    }
}

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

impl From<JobId> for JobName {
    fn from(job: JobId) -> Self {
        Self(job.to_string())
    }
}

impl std::fmt::Display for JobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_well_formed_and_each_shows_examples() {
        let mut cli = Cli::command();
        cli.build();
        cli.clone().debug_assert();
        for command in cli.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
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
