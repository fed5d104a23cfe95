//! `sutler engine`: started by `sutler serve` and `sutler run`, never by a person.

use std::path::PathBuf;

use super::error::CliError;
use crate::engine;

/// Carry out one job in its folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    engine::main(&args.folder).map_err(|source| CliError::EngineFailed { source })?;
    Ok(0)
}
