//! `sutler audit`

use jiff::tz::TimeZone;

use super::{answers::DeedList, client::Client, error::CliError, output, render, user::name};
use crate::proto::query;

/// Say who did what: by which door, on what, and what became of it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler audit                      the last 50, newest first
  sutler audit --who ann -n 500
  sutler audit --json | jq '.deeds[] | select(.outcome != \"done\")'

For administrators. The setting access.audit says how long it is kept.")]
pub(super) struct Args {
    /// Only what this person did
    #[arg(long, value_name = "NAME", value_parser = name)]
    who: Option<String>,
    /// How many
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Go on where the page before ended
    #[arg(long, value_name = "PLACE")]
    before: Option<String>,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let limit = args.limit.to_string();
    let pairs = [
        ("who", args.who.as_deref()),
        ("before", args.before.as_deref()),
        ("limit", Some(&*limit)),
    ];
    let answer = client.get::<DeedList>(&query::address("/api/audit", &pairs)).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&render::deeds(&answer.read, &TimeZone::system()))?;
    }
    Ok(0)
}
