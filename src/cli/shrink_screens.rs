//! `sutler shrink-screens`: the appliance's process that makes result screens smaller. Not for
//! people.

use std::io::{self, BufReader};

use crate::capture::{CaptureError, shrink_screens};

/// Make the screens named on standard input smaller.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(super) struct Args {}

/// # Errors
/// When a line cannot be understood, or nobody hears the answers.
pub(super) fn run(_: &Args) -> Result<(), CaptureError> {
    shrink_screens(BufReader::new(io::stdin()), io::stdout().lock())
}
