//! `sutler logs`

use super::{
    args::JobName,
    client::Client,
    error::CliError,
    follow::{Follow, Heard},
    output::{self, print},
    progress::Progress,
    render,
};
use crate::model::{Event, Fact};

/// Print what happened in a job, line by line
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler logs 7            what has happened so far
  sutler logs -f 7         go on until it ends
  sutler logs --json 7     the event log as it is: a JSON object a line")]
pub(super) struct Args {
    /// Its number or uuid
    job: JobName,
    /// Go on until the job ends
    #[arg(short, long)]
    follow: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    if args.follow {
        let mut follow = Follow::new(client, &args.job).await?;
        // Beside a terminal that shows the lines, how far the job is has a line of its own.
        let mut progress = Progress::new(output::is_watched() && !json, false);
        while let Some(heard) = follow.next().await? {
            match heard {
                Heard::Event(event, line) => {
                    progress.above(|| print_event(&event, &line, json))?;
                    let begins = matches!(event.fact, Fact::PartStarted { .. });
                    progress.hear(*event);
                    if begins
                        && progress.wants_expected()
                        && let Ok(underway) = follow.underway().await
                    {
                        progress.expect(underway);
                    }
                }
                Heard::Waits(why) => progress.say(&format!("it waits: {}", render::clean(&why))),
                Heard::Lost => {
                    progress.say("the appliance went away, waiting for it to come back");
                }
            }
        }
        progress.finish();
        return Ok(0);
    }
    let mut lines = client.lines(&format!("/api/jobs/{}/events", args.job)).await?;
    while let Some(line) = lines.next().await? {
        if let Ok(event) = serde_json::from_str::<Event>(&line) {
            print_event(&event, &line, json)?;
        }
    }
    Ok(0)
}

fn print_event(event: &Event, line: &str, json: bool) -> Result<(), CliError> {
    if json {
        return print(&format!("{line}\n"));
    }
    render::event(event).map_or(Ok(()), |text| print(&text))
}
