//! `sutler resubmit`

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use super::{
    answers::{Record, Submitted},
    args::JobName,
    bulk::{self, Action, Many},
    client::Client,
    error::CliError,
    output::{self, is_watched, say},
    render, wait,
};
use crate::{job_file::diff::diff, tasks};

/// Run jobs once more with what they came with, or one with another definition
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler resubmit 7                     the same definition, letter by letter, and the same files
  sutler resubmit 7 --edit              in your editor; what you change is shown before it is sent
  sutler resubmit 7 --file longer.yaml  this definition, the same files
  sutler resubmit 7 --wait              until it has ended, with its verdict's exit code
  sutler resubmit 7 9 12
  sutler resubmit --verdict incomplete --since 1d --dry-run
                                        which jobs that would be
  sutler resubmit --verdict incomplete --since 1d
                                        all that have ended so; shows them and asks
  sutler resubmit --cause host_resources --mine --yes
                                        from a script, where nobody can be asked

A job that is sent again is yours. `sutler retry` runs it for the one whose it is.")]
pub(super) struct Args {
    /// Their numbers or uuids
    #[arg(required_unless_present = "Filter", conflicts_with = "Filter")]
    job: Vec<JobName>,
    /// Change the definition in $EDITOR first
    #[arg(long, conflicts_with_all = ["file", "Filter"])]
    edit: bool,
    /// Take the definition from this file
    #[arg(long, value_name = "FILE", conflicts_with = "Filter")]
    file: Option<PathBuf>,
    /// Wait until the job has ended
    #[arg(long, conflicts_with = "Filter")]
    wait: bool,
    #[command(flatten)]
    many: Many,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    match &*args.job {
        // Where nothing is changed there is nothing to show but what would come of it.
        [_] if args.many.dry_run && !args.edit && args.file.is_none() => {
            bulk::run(Action::Resubmit, &args.job, &args.many, client, json).await
        }
        [job] => one(job, args, client, json).await,
        [_, ..] if args.edit || args.file.is_some() || args.wait => Err(CliError::OfOneJob),
        jobs => bulk::run(Action::Resubmit, jobs, &args.many, client, json).await,
    }
}

async fn one(job: &JobName, args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let path = format!("/api/jobs/{job}");
    let before = client.get::<Record>(&path).await?.read.definition;
    let (file, edit, text) = (args.file.clone(), args.edit, before.clone());
    let after = tasks::blocking(move || match file {
        Some(path) => read(&path),
        None if edit => edited(&text),
        None => Ok(text),
    })
    .await?;
    let changes = diff(&before, &after);
    if args.many.dry_run {
        if changes.is_empty() && !json {
            output::print(&format!("job {job}: runs once more, as it was\n"))?;
        } else if json {
            output::print_json(&json!({ "resubmit": job.to_string(), "hunks": changes }))?;
        } else {
            output::print(&render::diff(&changes))?;
        }
        return Ok(0);
    }
    if !changes.is_empty() && is_watched() {
        say(&render::diff(&changes));
    }
    let document = if before == after { json!({}) } else { json!({ "definition": after }) };
    let answer = client.send_json::<Submitted>(&format!("{path}/resubmit"), &document).await?;
    let number = answer.read.number;
    if args.wait {
        return wait::until_ended(&JobName::from(number), false, client, json).await;
    }
    if json {
        output::print_json(&answer.raw)?;
    } else {
        output::print(&format!("job {number} is job {job} once more\n"))?;
    }
    Ok(0)
}

fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|source| CliError::File { path: path.into(), source })
}

/// What a person makes of a text in their editor.
fn edited(text: &str) -> Result<String, CliError> {
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(env::var_os);
    let editor = editor.unwrap_or_else(|| "editor".into());
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::File { path, source }
    };
    let folder = env::temp_dir().join(format!("sutler-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&folder).map_err(failed(&folder))?;
    let file = folder.join("job.yaml");
    let outcome = fs::write(&file, text).map_err(failed(&file)).and_then(|()| {
        // As git does it: the variable may hold arguments.
        let line = format!("{} \"$@\"", editor.to_string_lossy());
        let status = Command::new("sh").arg("-c").arg(line).arg("editor").arg(&file).status();
        match status {
            Ok(status) if status.success() => read(&file),
            Ok(_) => Err(CliError::NotEdited { editor: editor.to_string_lossy().into() }),
            Err(source) => Err(CliError::Start { source }),
        }
    });
    // It is a copy; what was written is in hand or lost with the editor.
    let _ = fs::remove_dir_all(&folder);
    outcome
}
