//! `sutler keep`

use super::{args::JobName, client::Client, error::CliError, output};

/// Keep a job's results and video, whatever their age, or release them again
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler keep 7              nothing of job 7 is removed, however short the disk is
  sutler keep --release 7    from now on it goes when its time has come")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
    /// Keep it no longer
    #[arg(long)]
    release: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let verb = if args.release { "release" } else { "keep" };
    let answer =
        client.post::<serde_json::Value>(&format!("/api/jobs/{}/{verb}", args.job)).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else if args.release {
        output::print(&format!("job {} goes when its time has come\n", args.job))?;
    } else {
        output::print(&format!("job {} is kept until it is released\n", args.job))?;
    }
    Ok(0)
}
