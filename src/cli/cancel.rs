//! `sutler cancel`

use serde_json::json;

use super::{
    answers::{Bulk, JobList},
    args::JobName,
    client::Client,
    error::CliError,
    output, render,
};
use crate::{
    model::{JobId, JobState},
    proto::query,
};

/// Ask for jobs to be stopped; their results so far are kept
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler cancel 7
  sutler cancel 7 && sutler wait 7    until it has ended, with exit code 6
  sutler cancel 7                     once more: at once, without waiting for the guest
  sutler cancel 7 9 12
  sutler cancel --waiting --dry-run   which of your jobs that would be
  sutler cancel --waiting             all of yours that have not started")]
pub(super) struct Args {
    /// Their numbers or uuids
    #[arg(required_unless_present = "waiting", conflicts_with = "waiting")]
    job: Vec<JobName>,
    /// All jobs of yours that wait
    #[arg(long)]
    waiting: bool,
    /// Only say which jobs would be stopped
    #[arg(long)]
    dry_run: bool,
}

/// Jobs of one request.
const AT_ONCE: usize = 500;

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    if let ([job], false) = (&*args.job, args.dry_run) {
        return one(job, client, json).await;
    }
    let mut jobs: Vec<JobId> = Vec::new();
    for name in &args.job {
        let record = client.get::<super::answers::Job>(&format!("/api/jobs/{name}")).await?;
        jobs.push(record.read.number);
    }
    if args.waiting {
        let first = format!("/api/jobs?state={}&whose=mine&limit={AT_ONCE}", JobState::Waiting);
        let mut path = first.clone();
        loop {
            let page = client.get::<JobList>(&path).await?.read;
            jobs.extend(page.jobs.iter().map(|job| job.number));
            let Some(next) = page.next else { break };
            path = query::address(&first, &[("cursor", Some(&next))]);
        }
    }
    let mut told = Vec::new();
    let mut raw = Vec::new();
    for some in jobs.chunks(AT_ONCE) {
        let document = json!({ "action": "cancel", "jobs": some, "preview": args.dry_run });
        let answer = client.send_json::<Bulk>("/api/jobs/bulk", &document).await?;
        raw.push(answer.raw);
        told.extend(answer.read.results);
    }
    let refused = told.iter().any(|one| one.refused);
    if json {
        output::print_json(&json!(raw))?;
    } else {
        output::print(&render::bulk(&told))?;
    }
    Ok(u8::from(refused))
}

async fn one(job: &JobName, client: &Client, json: bool) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{job}/cancel");
    let answer = client.post::<serde_json::Value>(&path).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&format!("job {job} was asked to stop\n"))?;
    }
    Ok(0)
}
