//! `sutler jobs`

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::JobList,
    client::{Answer, Client},
    error::CliError,
    filter::Filter,
    output, render,
};

/// Jobs in one answer, at most.
const PIECE: usize = 500;

/// List jobs: those that have not ended, then the newest ends
///
/// A filter may be given several times: values of one kind are alternatives, different kinds must
/// all fit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler jobs                     what waits, what runs, what came of the last ones
  sutler jobs --state waiting     only the queue, each with the reason why it waits
  sutler jobs --verdict failed --verdict timed_out --since 7d
                                  what went wrong in the last week
  sutler jobs --name 'debian*' --setting LANG_ROW=English --sort metadata.build
                                  one test in one language, build by build
  sutler jobs --sort=-duration    which have run longest
  sutler jobs --json --limit 500  for a program")]
pub(super) struct Args {
    #[command(flatten)]
    filter: Filter,
    /// Ended jobs in this order: ended, number, duration, verdict, name, device, metadata.KEY and so
    /// on; with a - before it the greatest first
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// However many there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Go on where a page before ended, at its `next`
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    cursor: Option<String>,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let limit = if args.all { usize::MAX } else { args.limit.try_into().unwrap_or(usize::MAX) };
    let list = list(args, client, limit).await?;
    if json {
        output::print_json(&list.raw)?;
    } else {
        output::print(&render::jobs(&list.read, &TimeZone::system()))?;
    }
    Ok(0)
}

/// Pieces of the list one after the other, until there are enough.
async fn list(args: &Args, client: &Client, limit: usize) -> Result<Answer<JobList>, CliError> {
    let mut cursor = args.cursor.clone();
    let (mut raw, mut read) = (Vec::new(), JobList { jobs: Vec::new(), next: None });
    loop {
        let mut query = args.filter.query();
        query.extend_pairs(args.sort.iter().map(|sort| ("sort", sort)));
        query.append_pair("limit", &(limit - read.jobs.len()).min(PIECE).to_string());
        query.extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        let mut piece = client.get::<JobList>(&format!("/api/jobs?{}", query.finish())).await?;
        if let Value::Array(jobs) = piece.raw["jobs"].take() {
            raw.extend(jobs);
        }
        read.jobs.append(&mut piece.read.jobs);
        cursor = piece.read.next;
        if cursor.is_none() || read.jobs.len() >= limit {
            break;
        }
    }
    read.next = cursor;
    Ok(Answer { raw: json!({ "jobs": raw, "next": read.next }), read })
}
