//! `sutler stats`

use super::{
    answers::{AccuracyAnswer, Counts},
    client::Client,
    error::CliError,
    output, render,
};
use crate::{model::quantity, proto::query};

/// Count what happened to jobs: slow ones, stopped ones, known failures, and what they cost
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler stats                          of the last thirty days
  sutler stats --since 365d --csv > year.csv
  sutler stats --measures --csv         what every job, module and step usually takes
  sutler stats --measures --job installer --json
  sutler stats --estimates              by how much starts and ends were missed")]
pub(super) struct Args {
    /// How far back
    #[arg(long, default_value = "30d", value_name = "TIME", value_parser = time)]
    since: String,
    /// Print how right past estimates were, instead
    #[arg(long, conflicts_with_all = ["since", "measures", "csv"])]
    estimates: bool,
    /// Print what jobs were measured to take, instead
    #[arg(long, conflicts_with = "since")]
    measures: bool,
    /// Only measures of jobs of this name
    #[arg(long, value_name = "JOB-NAME", requires = "measures")]
    job: Option<String>,
    /// Print comma-separated values
    #[arg(long)]
    csv: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    if args.estimates {
        let answer = client.get::<AccuracyAnswer>("/api/estimates/accuracy").await?;
        if json {
            output::print_json(&answer.raw)?;
        } else {
            output::print(&render::accuracy(&answer.read))?;
        }
        return Ok(0);
    }
    let of = if args.measures { "measures" } else { "counts" };
    // Measures are many, and people read them by `sutler threshold list`.
    let is_csv = args.csv || (args.measures && !json);
    let pairs = [
        ("of", Some(of)),
        ("format", Some(if is_csv { "csv" } else { "json" })),
        ("since", (!args.measures).then_some(&*args.since)),
        ("job", args.job.as_deref()),
    ];
    let path = query::address("/api/statistics", &pairs);
    if is_csv {
        output::print(&client.text(&path).await?)?;
    } else if json {
        output::print_json(&client.get::<serde_json::Value>(&path).await?.raw)?;
    } else {
        output::print(&render::counts(&client.get::<Counts>(&path).await?.read))?;
    }
    Ok(0)
}

fn time(text: &str) -> Result<String, &'static str> {
    let fault = "a length of time with its unit, as 30d or 12h";
    quantity::duration(text).map(|_| text.to_owned()).ok_or(fault)
}
