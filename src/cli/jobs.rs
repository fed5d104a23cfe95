//! `sutler jobs`

use jiff::tz::TimeZone;

use super::{answers::JobList, client::Client, error::CliError, output, render};
use crate::model::JobState;

/// List jobs: those that have not ended, then the newest ends
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler jobs                     what waits, what runs, what came of the last ones
  sutler jobs --state waiting     only the queue, each with the reason why it waits
  sutler jobs --json --limit 500  for a program")]
pub(super) struct Args {
    /// Only jobs in this state
    #[arg(long, value_parser = state, value_name = "STATE")]
    state: Option<JobState>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Go on where the page before ended
    #[arg(long, value_name = "KEY", value_parser = key)]
    before: Option<String>,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let mut path = format!("/api/jobs?limit={}", args.limit);
    if let Some(state) = args.state {
        path += &format!("&state={state}");
    }
    if let Some(key) = &args.before {
        path += &format!("&before={key}");
    }
    let list = client.get::<JobList>(&path).await?;
    if json {
        output::print_json(&list.raw)?;
    } else {
        output::print(&render::jobs(&list.read, &TimeZone::system()))?;
    }
    Ok(0)
}

fn state(name: &str) -> Result<JobState, String> {
    let found = JobState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| format!("one of {}", JobState::ALL.map(JobState::name).join(", ")))
}

/// Keys are made by the appliance, of letters that need no quoting.
fn key(text: &str) -> Result<String, &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~:".contains(&byte);
    let is_key = !text.is_empty() && text.bytes().all(is_plain);
    is_key.then(|| text.to_owned()).ok_or("this is no key the appliance has made")
}
