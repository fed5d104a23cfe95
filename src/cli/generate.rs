//! `sutler completions` and `sutler generate`: what is made of the commands themselves, so that it
//! cannot say anything else than they do.

use std::{fs, path::PathBuf};

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{args::Cli, error::CliError, output};

/// Print what lets a shell complete sutler's commands and options
///
/// The Debian package installs it for bash, zsh and fish; this is for who built sutler themselves.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler completions bash > ~/.local/share/bash-completion/completions/sutler
  sutler completions zsh > ~/.zfunc/_sutler            where $fpath holds ~/.zfunc
  sutler completions fish > ~/.config/fish/completions/sutler.fish")]
pub(super) struct CompletionsArgs {
    shell: Shell,
}

/// What a package installs beside the program
#[derive(Debug, clap::Subcommand)]
pub(super) enum GenerateCommand {
    /// Write a manual page for each command, `sutler.1` and so on
    Man {
        /// Made where it is missing
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

pub(super) fn completions(args: &CompletionsArgs, json: bool) -> Result<u8, CliError> {
    if json {
        return Err(CliError::NoJson);
    }
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut visible(), "sutler", &mut text);
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(0)
}

pub(super) fn generate(command: &GenerateCommand) -> Result<u8, CliError> {
    let GenerateCommand::Man { folder } = command;
    let failed = |source| CliError::Write { path: folder.clone(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    // The pages have the commands' whole names (`sutler-needle-match.1`); hidden ones have none.
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    Ok(0)
}

/// The commands people know of: those that sutler starts itself are nobody's to complete.
fn visible() -> clap::Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    clap::Command::new("sutler").args(all.get_arguments().cloned()).subcommands(shown)
}
