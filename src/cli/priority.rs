//! `sutler priority`

use serde_json::{Value, json};

use super::{
    args::JobName,
    bulk::{self, Action, Many},
    client::Client,
    error::CliError,
    output,
};
use crate::model::Priority;

/// Move waiting jobs in the queue
#[derive(Debug, clap::Args)]
#[command(
    allow_missing_positional = true,
    after_long_help = "\
Examples:
  sutler priority 7 high
  sutler priority 7 9 12 75
  sutler plan                           where that has moved them
  sutler priority low --submitter ann   all of hers that wait; shows them and asks
  sutler priority 0 --tag soak --yes    the same from a script, where nobody can be asked"
)]
pub(super) struct Args {
    /// Their numbers or uuids
    #[arg(required_unless_present = "Filter", conflicts_with = "Filter")]
    job: Vec<JobName>,
    /// low (0), medium (50), high (100), or points in between
    #[arg(required = true)]
    priority: Priority,
    #[command(flatten)]
    many: Many,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    match (&*args.job, args.many.dry_run) {
        ([job], false) => one(job, args.priority, client, json).await,
        (jobs, _) => {
            bulk::run(Action::Priority(args.priority), jobs, &args.many, client, json).await
        }
    }
}

async fn one(
    job: &JobName,
    priority: Priority,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{job}/priority");
    let answer = client.send_json::<Value>(&path, &json!({ "priority": priority })).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&format!("job {job} has priority {} now\n", priority.0))?;
    }
    Ok(0)
}
