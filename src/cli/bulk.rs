//! The same for many jobs: for those that are named, or for all that a filter means.
//!
//! What a filter means is looked at first, and is done when somebody has said that it should be: at the
//! terminal, or with `--yes`.

use std::io::{self, BufRead, IsTerminal};

use serde_json::{Value, json};

use super::{
    answers::{Bulk, BulkResult, Job, JobList},
    args::JobName,
    client::Client,
    error::CliError,
    filter::Filter,
    output::{self, say},
    render,
};
use crate::{
    model::{JobId, JobState, Priority},
    tasks,
};

/// Jobs of one request.
const AT_ONCE: usize = 500;

#[derive(Debug, clap::Args)]
pub(super) struct Many {
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do it to all that the flags below mean, without asking first
    #[arg(long)]
    yes: bool,
    #[command(flatten, next_help_heading = "Which jobs, instead of their numbers")]
    filter: Filter,
}

/// What is done with each.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Cancel,
    Priority(Priority),
    Resubmit,
}

impl Action {
    fn document(self) -> Value {
        match self {
            Self::Cancel => json!("cancel"),
            Self::Priority(priority) => json!({ "priority": priority }),
            Self::Resubmit => json!("resubmit"),
        }
    }

    /// With which jobs it can be done.
    fn is_for(self, state: JobState) -> bool {
        match self {
            Self::Cancel => state != JobState::Ended,
            Self::Priority(_) => state == JobState::Waiting,
            Self::Resubmit => state == JobState::Ended,
        }
    }

    fn asks(self, jobs: &str) -> String {
        match self {
            Self::Cancel => format!("Cancel {jobs}?"),
            Self::Priority(priority) => format!("Change the priority of {jobs} to {}?", priority.0),
            Self::Resubmit => format!("Resubmit {jobs}?"),
        }
    }
}

/// Does it to the jobs that are named, or that the flags mean where none is.
pub(super) async fn run(
    action: Action,
    names: &[JobName],
    many: &Many,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let mut jobs = Vec::new();
    for name in names {
        // Of a number that no job has it is told beside what comes of the others.
        jobs.push(match name.number() {
            Some(number) => number,
            None => client.get::<Job>(&format!("/api/jobs/{name}")).await?.read.number,
        });
    }
    if names.is_empty() {
        jobs = meant(action, &many.filter, client).await?;
        if !many.dry_run && !many.yes {
            let (would, _) = each(action, &jobs, true, client).await?;
            say(&render::bulk_preview(&would));
            jobs = would.iter().filter(|one| !one.refused).map(|one| one.number).collect();
            if !jobs.is_empty() {
                let words = action.asks(&render::jobs_counted(jobs.len()));
                tasks::blocking(move || agreed(words)).await?;
            }
        }
    }
    finish(action, &jobs, many.dry_run, client, json).await
}

/// All jobs of yours that wait are canceled, or would be.
pub(super) async fn cancel_waiting(
    dry_run: bool,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let query = format!("state={}&whose=mine", JobState::Waiting);
    let jobs = listed(&query, client).await?;
    finish(Action::Cancel, &jobs, dry_run, client, json).await
}

async fn finish(
    action: Action,
    jobs: &[JobId],
    dry_run: bool,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let (told, raw) = each(action, jobs, dry_run, client).await?;
    if json {
        output::print_json(&json!({ "results": raw }))?;
    } else {
        output::print(&render::bulk(&told))?;
    }
    Ok(u8::from(told.iter().any(|one| one.refused)))
}

/// What comes of each of the jobs; as it was answered, too.
async fn each(
    action: Action,
    jobs: &[JobId],
    preview: bool,
    client: &Client,
) -> Result<(Vec<BulkResult>, Vec<Value>), CliError> {
    let (mut told, mut raw) = (Vec::new(), Vec::new());
    for some in jobs.chunks(AT_ONCE) {
        let document = json!({ "action": action.document(), "jobs": some, "preview": preview });
        let answer = client.send_json::<Bulk>("/api/jobs/bulk", &document).await?;
        raw.extend(answer.raw["results"].as_array().into_iter().flatten().cloned());
        told.extend(answer.read.results);
    }
    Ok((told, raw))
}

/// The jobs that a filter means; of any state that it can be done in, where none is named.
async fn meant(action: Action, filter: &Filter, client: &Client) -> Result<Vec<JobId>, CliError> {
    let mut query = filter.query();
    if filter.state.is_empty() {
        let states = JobState::ALL.into_iter().filter(|state| action.is_for(*state));
        query.extend_pairs(states.map(|state| ("state", state.name())));
    }
    listed(&query.finish(), client).await
}

/// All jobs of a list that are shown to whoever asks.
async fn listed(query: &str, client: &Client) -> Result<Vec<JobId>, CliError> {
    let first = format!("/api/jobs?{query}&limit={AT_ONCE}");
    let (mut jobs, mut path) = (Vec::new(), first.clone());
    loop {
        let page = client.get::<JobList>(&path).await?.read;
        jobs.extend(page.jobs.iter().filter(|job| !job.name.is_empty()).map(|job| job.number));
        let Some(next) = page.next else { return Ok(jobs) };
        let cursor = form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
        path = format!("{first}&cursor={cursor}");
    }
}

/// Returns when the person at the terminal agrees.
fn agreed(question: String) -> Result<(), CliError> {
    let mut input = io::stdin().lock();
    if !input.is_terminal() {
        return Err(CliError::NobodyToAsk { question });
    }
    say(&format!("{question} [y/N] "));
    let mut answer = String::new();
    match input.read_line(&mut answer) {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Ok(()),
        Ok(_) | Err(_) => Err(CliError::Declined),
    }
}
