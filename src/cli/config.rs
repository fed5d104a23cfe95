//! `sutler config`: what is set, where it comes from, and the file to begin with.

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};

use serde_json::json;

use super::{args::Common, error::CliError, output, render};
use crate::config::{
    ConfigError, DevicesFileError, Flags, Host, KEYS, Key, Loaded, check_file, load, read_devices,
    sample,
};

/// Flags for settings, beside those every command has.
#[derive(Debug, clap::Args)]
pub(super) struct SettingFlags {
    /// Address and port of the page [default: 127.0.0.1:8470]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// The folder job files are dropped into [default: DATA/inbox]
    #[arg(long, value_name = "DIR")]
    inbox: Option<PathBuf>,
    /// Any setting; see `sutler config --help`. May be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, as guests.machines=2")?;
    Ok((key.trim().into(), value.trim().into()))
}

impl SettingFlags {
    /// All flags for settings.
    pub(super) fn over(&self, common: &Common) -> Flags {
        let mut flags = common.flags();
        if let Some(listen) = self.listen {
            flags.say("--listen", "listen", listen.to_string());
        }
        if let Some(inbox) = &self.inbox {
            flags.say("--inbox", "inbox", inbox.to_string_lossy());
        }
        self.set.iter().for_each(|(key, value)| flags.set(key, value));
        flags
    }
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting in force and where it comes from
    #[command(after_long_help = "\
Examples:
  sutler config show
  sutler config show --set guests.machines=2 --data /srv/lab
  sutler config show --json | jq '.settings[\"guests.memory\"]'

What is printed is a settings file by itself.")]
    Show(SettingFlags),
    /// Check the settings, and say what is wrong with them
    #[command(after_long_help = "\
Examples:
  sutler config check                file, environment, devices file, as `sutler serve` would read them
  sutler config check sutler.toml    this file, and nothing else
  sutler config check --json         line, column, found, expected, help

Ends with 0 when all is well, else with 2.")]
    Check {
        /// The file to be checked, by itself
        file: Option<PathBuf>,
    },
    /// Print the default settings file, every key with what it is for
    #[command(after_long_help = "\
Examples:
  sutler config default
  sutler config default > ~/.config/sutler/sutler.toml

Every key stands in it at its default, commented out.")]
    Default,
}

/// Every key, for those who ask for help.
pub(super) fn help() -> String {
    let mut text = String::from(
        "Examples:\n  sutler config show\n  sutler config check\n  sutler config default\n\n\
         Settings, each with its variable and its default:\n",
    );
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or(0);
    let variables = KEYS.iter().map(|key| key.variable().len()).max().unwrap_or(0);
    for key in &KEYS {
        let (name, variable, default) = (key.name, key.variable(), key.default);
        let _ = writeln!(text, "  {name:width$}  {variable:variables$}  {default}");
    }
    text + "\nFlags win over the environment, and that over the file."
}

pub(super) fn run(command: ConfigCommand, common: &Common) -> Result<u8, CliError> {
    match command {
        ConfigCommand::Show(flags) => show(&flags, common),
        ConfigCommand::Check { file } => check(file, common),
        ConfigCommand::Default => default(common),
    }
}

fn show(flags: &SettingFlags, common: &Common) -> Result<u8, CliError> {
    let loaded = common.settings_with(&flags.over(common))?;
    if common.json {
        let one = |key: &'static Key| {
            let origin = loaded.origin(key).to_string();
            (key.name.to_owned(), json!({ "value": key.shown(&loaded.settings), "origin": origin }))
        };
        let settings: serde_json::Map<_, _> = KEYS.iter().map(one).collect();
        output::print_json(&json!({ "file": loaded.file, "settings": settings }))?;
    } else {
        output::print(&shown(&loaded))?;
    }
    Ok(0)
}

/// TOML, with the origin of each value beside it.
fn shown(loaded: &Loaded) -> String {
    let line = |key: &Key| format!("{} = {}", key.place().1, key.shown(&loaded.settings));
    const WIDEST: usize = 48;
    let width =
        KEYS.iter().map(|key| line(key).chars().count()).filter(|width| *width <= WIDEST).max();
    let width = width.unwrap_or(WIDEST);
    let mut text = String::new();
    let mut table = None;
    for key in &KEYS {
        if key.place().0 != table {
            table = key.place().0;
            let _ = writeln!(text, "\n[{}]", table.unwrap_or_default());
        }
        let _ = writeln!(text, "{:width$}  # {}", line(key), loaded.origin(key));
    }
    text
}

fn check(file: Option<PathBuf>, common: &Common) -> Result<u8, CliError> {
    let host = Host::look()?;
    let checked = match &file {
        Some(file) => check_file(file, &host),
        None => load(&common.flags(), &host),
    };
    let (is_valid, found) = match checked {
        // A file that is looked at by itself may be for another box.
        Ok(loaded) if file.is_some() => (true, loaded.warnings),
        Ok(loaded) => match read_devices(&loaded.settings.devices) {
            Ok(_) => (true, loaded.warnings),
            Err(DevicesFileError::Mistake { problems, .. }) => {
                (false, loaded.warnings.into_iter().chain([*problems]).collect())
            }
            Err(error) => return Err(error.into()),
        },
        Err(ConfigError::Mistakes(found)) => (false, found),
        Err(error) => return Err(error.into()),
    };
    if common.json {
        let problems: Vec<_> = found
            .iter()
            .map(|problems| json!({ "in": problems.name, "problems": problems.to_json() }))
            .collect();
        output::print_json(&json!({ "valid": is_valid, "problems": problems }))?;
    } else {
        let words =
            if is_valid { "The settings are valid.\n" } else { "The settings have mistakes.\n" };
        output::print(&(render::mistakes(&found) + words))?;
    }
    Ok(if is_valid { 0 } else { 2 })
}

fn default(common: &Common) -> Result<u8, CliError> {
    if common.json {
        let key = |key: &Key| {
            json!({
                "name": key.name, "variable": key.variable(), "default": key.default,
                "expected": key.expected(), "words": key.words,
            })
        };
        output::print_json(&KEYS.iter().map(key).collect())?;
    } else {
        output::print(&sample())?;
    }
    Ok(0)
}
