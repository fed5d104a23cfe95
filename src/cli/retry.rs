//! `sutler retry`

use serde_json::{Value, json};

use super::{
    answers::{KnownJob, KnownJobs, Retried},
    args::JobName,
    client::Client,
    error::CliError,
    known,
    output::{self, say},
    render,
};
use crate::model::JobId;

/// Run ended jobs once more, as they were submitted
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler retry 7
  sutler retry 7 9 12
  sutler retry --rule slow-mirror --since 2d --dry-run    which jobs that would be
  sutler retry --rule slow-mirror --since 2d

A job that has been retried already is left out of --rule; name it to retry it again.")]
pub(super) struct Args {
    /// Their numbers or uuids
    #[arg(required_unless_present = "rule", conflicts_with = "rule")]
    job: Vec<JobName>,
    /// All jobs this known failure has marked
    #[arg(long, value_name = "NAME", value_parser = known::name)]
    rule: Option<String>,
    /// Of these, only those that ended in this time
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = known::since)]
    since: String,
    /// Only say which jobs would be retried
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let (jobs, left_out) = match &args.rule {
        Some(rule) => of_rule(rule, &args.since, client).await?,
        None => (args.job.clone(), Vec::new()),
    };
    if args.dry_run {
        let names: Vec<_> = jobs.iter().map(JobName::to_string).collect();
        let text = render::preview(&names, &left_out);
        tell(json, || json!({ "would_retry": names, "left_out": left_out }), &text)?;
        return Ok(0);
    }
    let mut done = Vec::new();
    let (mut failed, mut broken) = (None, None);
    for job in &jobs {
        match client.post::<Retried>(&format!("/api/jobs/{job}/retry")).await {
            Ok(answer) => done.push(answer),
            // The others are retried all the same.
            Err(error @ CliError::Refused(_)) => {
                say(&format!("job {job}: {}", error.words()));
                failed = Some(error.exit_code());
            }
            // What was done is told all the same.
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let text: String = done
        .iter()
        .map(|answer| {
            format!("job {} is retried as job {}\n", answer.read.retried_from, answer.read.number)
        })
        .collect();
    let text = if jobs.is_empty() { render::preview(&[], &left_out) } else { text };
    let raw = || json!({ "retried": done.iter().map(|answer| &answer.raw).collect::<Vec<_>>(), "left_out": left_out });
    tell(json, raw, &text)?;
    broken.map_or(Ok(failed.unwrap_or(0)), Err)
}

/// Jobs a rule has marked, the oldest first, and those that have been retried already.
async fn of_rule(
    rule: &str,
    since: &str,
    client: &Client,
) -> Result<(Vec<JobName>, Vec<JobId>), CliError> {
    let answer = client.get::<KnownJobs>(&format!("/api/known/{rule}?since={since}")).await?;
    let (fresh, retried): (Vec<KnownJob>, Vec<KnownJob>) =
        answer.read.jobs.into_iter().rev().partition(|job| job.retried_as.is_empty());
    let jobs = fresh.into_iter().map(|job| job.job.number.into()).collect();
    Ok((jobs, retried.into_iter().map(|job| job.job.number).collect()))
}

fn tell(json: bool, raw: impl FnOnce() -> Value, text: &str) -> Result<(), CliError> {
    if json { output::print_json(&raw()) } else { output::print(text) }
}
