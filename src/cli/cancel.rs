//! `sutler cancel`

use super::{args::JobName, client::Client, error::CliError, output};

/// Ask for a job to be stopped; its results so far are kept
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler cancel 7
  sutler cancel 7 && sutler wait 7    until it has ended, with exit code 6")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{}/cancel", args.job);
    let answer = client.post::<serde_json::Value>(&path).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&format!("job {} was asked to stop\n", args.job))?;
    }
    Ok(0)
}
