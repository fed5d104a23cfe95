//! `sutler store`: the store of an appliance that does not run, looked at from outside.

use std::{fs, path::PathBuf};

use serde_json::json;

use super::{args::Common, error::CliError, output, render::size};
use crate::store::{self, Inconsistency, Store, StoreError, StoreSettings};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sutler store check --data /srv/lab      the appliance must be off
  sutler store compact --data /srv/lab")]
pub(super) enum StoreCommand {
    /// Compare every table with the jobs; ends with 1 when something disagrees
    Check,
    /// Give back the room that the store's file does not need any more
    Compact,
}

/// What keeps the store from being looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreCommandError {
    #[error("there is no store in {folders:?}; name the data folder with --data")]
    NoStore { folders: Vec<PathBuf> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) async fn run(command: &StoreCommand, common: &Common) -> Result<u8, CliError> {
    let folders = common.folders()?;
    let mut paths = folders.iter().map(|data| data.join(store::FILE));
    let Some(path) = paths.find(|path| path.exists()) else {
        return Err(StoreCommandError::NoStore { folders }.into());
    };
    let path = &path;
    let length = || fs::metadata(path).map_or(0, |file| file.len());
    let before = length();
    match command {
        StoreCommand::Check => {
            let opened = Store::open(path, StoreSettings::default());
            let (store, writer) = opened.map_err(StoreCommandError::from)?;
            let found = store.check_consistent();
            writer.close().await;
            tell_check(&found, common.json)?;
            Ok(found.is_err().into())
        }
        StoreCommand::Compact => {
            Store::compact(path, StoreSettings::default()).map_err(StoreCommandError::from)?;
            let after = length();
            if common.json {
                output::print_json(&json!({ "before": before, "after": after }))?;
            } else {
                output::print(&format!("{} before, {} now\n", size(before), size(after)))?;
            }
            Ok(0)
        }
    }
}

fn tell_check(found: &Result<u64, Inconsistency>, json: bool) -> Result<(), CliError> {
    let words = found.as_ref().err().map(|error| crate::model::with_causes(error));
    match found {
        _ if json => {
            let jobs = found.as_ref().ok();
            output::print_json(
                &json!({ "consistent": found.is_ok(), "jobs": jobs, "found": words }),
            )
        }
        Ok(jobs) => output::print(&format!("{jobs} jobs, every table says the same\n")),
        Err(_) => output::print(&format!(
            "the store is not consistent: {}\nRestore a backup: sutler restore --help\n",
            words.unwrap_or_default()
        )),
    }
}
