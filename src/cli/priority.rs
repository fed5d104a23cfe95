//! `sutler priority`

use serde_json::{Value, json};

use super::{args::JobName, client::Client, error::CliError, output};
use crate::model::Priority;

/// Move a waiting job in the queue
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler priority 7 high
  sutler priority 7 75
  sutler plan               where that has moved it")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
    /// low (0), medium (50), high (100), or points in between
    priority: Priority,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{}/priority", args.job);
    let document = json!({ "priority": args.priority });
    let answer = client.send_json::<Value>(&path, &document).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&format!("job {} has priority {} now\n", args.job, args.priority.0))?;
    }
    Ok(0)
}
