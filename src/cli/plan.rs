//! `sutler plan`

use jiff::tz::TimeZone;

use super::{answers::PlanAnswer, client::Client, error::CliError, output, render};

/// Foretell when each job will start and end, as far as its past tells
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A job is expected to take what half of its good runs stayed within, and to end at the latest when
nearly all of them would have. A job that never passed is expected to take as long as it may.

Examples:
  sutler plan                              what runs, then what waits, best first
  sutler plan --json | jq '.jobs[0].expected.end.usual'")]
pub(super) struct Args {}

pub(super) async fn run(_: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let plan = client.get::<PlanAnswer>("/api/plan").await?;
    if json {
        output::print_json(&plan.raw)?;
    } else {
        output::print(&render::plan(&plan.read, &TimeZone::system()))?;
    }
    Ok(0)
}
