//! `sutler engine`: started by `sutler serve` and `sutler run`, never by a person.

use std::path::PathBuf;

use super::{error::CliError, log};
use crate::engine;

/// Carry out one job in its folder
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    folder: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    let failed = |source| CliError::EngineFailed { source };
    let order = engine::order(&args.folder).map_err(failed)?;
    log::engine(&order);
    engine::main(&args.folder, order).map_err(failed)?;
    Ok(0)
}
