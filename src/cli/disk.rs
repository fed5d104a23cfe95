//! `sutler disk`

use jiff::tz::TimeZone;

use super::{answers::Disk, client::Client, error::CliError, output, render};

/// Show what the disk holds, what will come of it, and what is removed next
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler disk
  sutler disk --json | jq .forecast.words")]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let disk = client.get::<Disk>("/api/disk").await?;
    if json {
        output::print_json(&disk.raw)?;
    } else {
        output::print(&render::disk(&disk.read, &TimeZone::system()))?;
    }
    Ok(0)
}
