//! `sutler show`

use jiff::tz::TimeZone;

use super::{answers::Record, args::JobName, client::Client, error::CliError, output, render};

/// Show a job: its verdict, why, and every step with its result
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler show 7
  sutler show --json 7 | jq .cause")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let record = client.get::<Record>(&format!("/api/jobs/{}", args.job)).await?;
    if json {
        output::print_json(&record.raw)?;
    } else {
        let status = client.status().await?;
        output::print(&render::record(&record.read, &status, &TimeZone::system()))?;
    }
    Ok(0)
}
