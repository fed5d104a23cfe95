//! `sutler submit`

use std::{fs::File, io::Seek, path::PathBuf};

use super::{
    answers::{Status, Submitted},
    args::JobName,
    client::Client,
    error::CliError,
    local::{Local, examine, find},
    output::{self, say},
    render, wait,
};
use crate::{
    job_file::{
        Options,
        bundle::{Limits, pack},
    },
    tasks,
};

/// Send a job to the appliance, with the files it refers to
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler submit job.yaml            checks it here first, then packs what it refers to
  sutler submit installer/          the job.yaml in a folder
  sutler submit installer.tar.zst   a bundle that is packed already
  sutler submit --wait job.yaml     until it has ended, with its verdict's exit code

Ends with 65 when the job is not valid.")]
pub(super) struct Args {
    /// The job file, the folder it is in, or a packed bundle
    file: PathBuf,
    /// Wait until the job has ended
    #[arg(long)]
    wait: bool,
    /// Take unknown keys in LAVA's blocks for errors, too
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let (file, strict) = (args.file.clone(), args.strict);
    // The appliance's own folder and roots count, which may not be the ones of this account.
    let status = client.status().await?;
    let tar = tasks::blocking(move || bundle(file, strict, &status)).await?;
    let path = format!("/api/jobs?strict={strict}");
    let answer = client.send_tar::<Submitted>(&path, tar).await?;
    let Submitted { number, url } = &answer.read;
    if !args.wait {
        if json {
            output::print_json(&answer.raw)?;
        } else {
            let page = client.status().await?.page(url).unwrap_or_else(|| url.clone());
            output::print(&format!("job {number} is accepted: {page}\n"))?;
        }
        return Ok(0);
    }
    if !json {
        say(&format!("job {number} is accepted\n"));
    }
    wait::until_ended(&JobName::from(*number), false, client, json).await
}

/// The tar to send, from its beginning.
fn bundle(file: PathBuf, strict: bool, at: &Status) -> Result<File, CliError> {
    let file = match find(&file)? {
        Local::Packed(path) => {
            return File::open(&path).map_err(|source| CliError::File { path, source });
        }
        Local::JobFile(file) => file,
    };
    let sound = match examine(&file, Options { strict }, &at.roots, Some(&at.data))? {
        Ok(sound) => sound,
        Err(problems) => {
            let words = render::explained(&problems.diagnostics(), output::is_watched());
            return Err(CliError::Invalid { file, words });
        }
    };
    for warning in &sound.warnings {
        say(&format!("{}: warning: {}\n", sound.name, render::clean(&warning.to_string())));
    }
    // It has no name, so nothing is left of it whatever happens to us.
    let mut tar = rustix::fs::memfd_create("bundle", rustix::fs::MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(|error| CliError::Start { source: error.into() })?;
    pack(&file, &sound.definition, Limits::default(), &mut tar)
        .map_err(|source| CliError::NotPacked { source })?;
    tar.rewind().map_err(|source| CliError::Start { source })?;
    Ok(tar)
}
