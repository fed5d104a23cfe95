//! `sutler cancel`

use super::{
    answers::{Canceled, Stops},
    args::JobName,
    bulk::{self, Action, Many},
    client::Client,
    error::CliError,
    output,
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
  sutler cancel --waiting             all of yours that have not started
  sutler cancel --name 'debian*'      all that have not ended and are like that; shows them and asks
  sutler cancel --tag uefi --yes      the same from a script, where nobody can be asked")]
pub(super) struct Args {
    /// Their numbers or uuids
    #[arg(required_unless_present_any = ["waiting", "Filter"], conflicts_with_all = ["waiting", "Filter"])]
    job: Vec<JobName>,
    /// All jobs of yours that wait
    #[arg(long, conflicts_with = "Filter")]
    waiting: bool,
    #[command(flatten)]
    many: Many,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    if args.waiting {
        return bulk::cancel_waiting(args.many.dry_run, client, json).await;
    }
    match (&*args.job, args.many.dry_run) {
        ([job], false) => one(job, client, json).await,
        (jobs, _) => bulk::run(Action::Cancel, jobs, &args.many, client, json).await,
    }
}

async fn one(job: &JobName, client: &Client, json: bool) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{job}/cancel");
    let answer = client.post::<Canceled>(&path).await?;
    if json {
        output::print_json(&answer.raw)?;
    } else {
        let words = match answer.read.stops {
            Stops::BeforeItStarts => "is canceled and will not start",
            Stops::Soon => "was asked to stop; once more stops it at once",
            Stops::AtOnce => "was asked before, and stops at once",
        };
        output::print(&format!("job {job} {words}\n"))?;
    }
    Ok(0)
}
