//! `sutler wait`

use serde_json::json;

use super::{
    args::JobName,
    client::Client,
    error::CliError,
    follow::{Follow, Heard},
    output::{self, say},
    progress::Progress,
    render,
};
use crate::model::{Fact, JobState};

/// Wait until a job has ended, and end with its verdict's exit code
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler wait 7               a progress bar on a terminal, one line at the end
  sutler wait --progress 7    each step as it goes, also into a file or a pipe
  sutler wait 7 && deploy     0 only when it passed or softfailed")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
    /// Say each step as it goes, also where no person watches
    #[arg(long)]
    progress: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    until_ended(&args.job, args.progress, client, json).await
}

/// Waits, says how the job ended, and returns the exit code for it.
pub(super) async fn until_ended(
    job_name: &JobName,
    in_lines: bool,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let mut follow = Follow::new(client, job_name).await?;
    let job = loop {
        let mut progress = Progress::new(output::is_watched(), in_lines);
        while let Some(heard) = follow.next().await? {
            match heard {
                Heard::Event(event, _) => {
                    let begins = matches!(event.fact, Fact::PartStarted { .. });
                    progress.hear(*event);
                    if begins && progress.wants_expected() {
                        // Where it cannot be asked for, the steps are told.
                        if let Ok(underway) = follow.underway().await {
                            progress.expect(underway);
                        }
                    }
                }
                Heard::Waits(why) => progress.say(&format!("it waits: {}", render::clean(&why))),
                Heard::Lost => {
                    progress.say("the appliance went away, waiting for it to come back");
                }
            }
        }
        progress.finish();
        let job = follow.ended().await?;
        if job.state != JobState::Waiting {
            break job;
        }
        // Its engine has told an end that did not count: the box was to blame.
        let why = job.reason.as_deref().unwrap_or("this box could not start its guest");
        say(&format!("sutler: the job waits again: {}\n", render::clean(why)));
        follow = Follow::new(client, job_name).await?;
    };
    if json {
        output::print_json(&json!({
            "number": job.number,
            "uuid": job.uuid,
            "verdict": job.verdict,
            "cause": job.cause,
        }))?;
    } else {
        output::print(&render::end(&job))?;
    }
    let Some(verdict) = job.verdict else {
        say("sutler: the job has told its end, and the appliance has not taken it in yet\n");
        return Ok(70);
    };
    Ok(verdict.exit_code())
}
