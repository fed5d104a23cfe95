//! `sutler plan`

use std::collections::HashSet;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::PlanAnswer,
    client::{Answer, Client},
    error::CliError,
    output, render,
};
use crate::proto::query;

/// Jobs in one answer, at most.
const PIECE: usize = 500;

/// Foretell when each job will start and end, as far as its past tells
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A job is expected to take what half of its good runs stayed within, and to end at the latest when
nearly all of them would have. A job that never passed is expected to take as long as it may.

The queue moves while it is read. Whoever asks page by page is told of every job that keeps its
place among the others, once.

Examples:
  sutler plan                              what runs, then what waits, best first
  sutler plan --all                        to the end of the queue, however long it is
  sutler plan --json | jq '.jobs[0].expected.end.usual'")]
pub(super) struct Args {
    /// At most this many jobs
    #[arg(long, default_value_t = 200, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// However many there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Go on where a page before ended, at its `next`
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let limit = if args.all { usize::MAX } else { args.limit.try_into().unwrap_or(usize::MAX) };
    let plan = plan(args.cursor.as_deref(), client, limit).await?;
    if json {
        output::print_json(&plan.raw)?;
    } else {
        output::print(&render::plan(&plan.read, &TimeZone::system()))?;
    }
    Ok(0)
}

/// Pieces of the plan one after the other, until there are enough. A job that comes twice, because the
/// queue has moved, is told once.
async fn plan(
    cursor: Option<&str>,
    client: &Client,
    limit: usize,
) -> Result<Answer<PlanAnswer>, CliError> {
    let ask = async |cursor: Option<&str>, had: usize| {
        let limit = (limit - had).min(PIECE).to_string();
        let path = query::address("/api/plan", &[("limit", Some(&limit)), ("cursor", cursor)]);
        client.get::<PlanAnswer>(&path).await
    };
    let mut plan = ask(cursor, 0).await?;
    let mut told: HashSet<_> = plan.read.jobs.iter().map(|planned| planned.job.number).collect();
    while plan.read.jobs.len() < limit
        && let Some(next) = plan.read.next.take()
    {
        let piece = ask(Some(&next), plan.read.jobs.len()).await?;
        let raw = piece.raw["jobs"].as_array().cloned().unwrap_or_default();
        for (planned, raw) in piece.read.jobs.into_iter().zip(raw) {
            if told.insert(planned.job.number) {
                plan.read.jobs.push(planned);
                if let Value::Array(jobs) = &mut plan.raw["jobs"] {
                    jobs.push(raw);
                }
            }
        }
        (plan.read.more, plan.read.next) = (piece.read.more, piece.read.next);
    }
    plan.raw["more"] = json!(plan.read.more);
    plan.raw["next"] = json!(plan.read.next);
    Ok(plan)
}
