//! `sutler submit`

use std::{fs::File, io::Seek, path::PathBuf};

use jiff::tz::TimeZone;

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
    clock,
    job_file::{
        Options,
        bundle::{Limits, pack},
    },
    model::{JobId, Priority},
    proto::query,
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
  sutler submit --after 7 job.yaml  when job 7 has passed

Ends with 65 when the job is not valid.")]
pub(super) struct Args {
    /// The job file, the folder it is in, or a packed bundle
    file: PathBuf,
    /// Wait until the job has ended
    #[arg(long)]
    wait: bool,
    /// Start only when this job has passed; may be said more than once
    #[arg(long, value_name = "NUMBER")]
    after: Vec<JobId>,
    /// Start only when this job has ended, however it does
    #[arg(long, value_name = "NUMBER")]
    after_end: Vec<JobId>,
    /// low, medium, high or 0 to 100, whatever the job file says
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<Priority>,
    /// Sent again with the same key within a day, it is the same job
    ///
    /// For programs that may have to send a job twice. Without one, each call makes a job.
    #[arg(long, value_name = "KEY", value_parser = key)]
    key: Option<String>,
    /// Take unknown keys in LAVA's blocks for errors, too
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let (file, strict) = (args.file.clone(), args.strict);
    // The appliance's own folder and roots count, which may not be the ones of this account.
    let status = client.status().await?;
    let here = (!client.is_remote()).then_some(&status).cloned();
    let tar = tasks::blocking(move || bundle(file, strict, here.as_ref())).await?;
    let answer = client.send_tar::<Submitted>(&args.path(), &args.key(), tar).await?;
    let Submitted { number, url, expected } = &answer.read;
    let expected = expected.as_ref().map_or_else(String::new, |expected| {
        format!("  {}\n", render::expected(expected, clock::now(), &TimeZone::system()))
    });
    if !args.wait {
        if json {
            output::print_json(&answer.raw)?;
        } else {
            let page = client.page(&status, url);
            output::print(&format!("job {number} is accepted: {page}\n{expected}"))?;
        }
        return Ok(0);
    }
    if !json {
        say(&format!("job {number} is accepted\n{expected}"));
    }
    wait::until_ended(&JobName::from(*number), false, client, json).await
}

impl Args {
    fn path(&self) -> String {
        let numbers = |jobs: &[JobId]| {
            let numbers: Vec<_> = jobs.iter().map(JobId::to_string).collect();
            (!numbers.is_empty()).then(|| numbers.join(","))
        };
        let (after, ended) = (numbers(&self.after), numbers(&self.after_end));
        let priority = self.priority.map(|priority| priority.0.to_string());
        let strict = self.strict.to_string();
        query::address(
            "/api/jobs",
            &[
                ("strict", Some(strict.as_str())),
                ("after", after.as_deref()),
                ("after_ended", ended.as_deref()),
                ("priority", priority.as_deref()),
            ],
        )
    }

    /// One of its own for each call, so that what the client sends again is not another job.
    fn key(&self) -> String {
        self.key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
    }
}

/// Text that a header may hold.
fn key(text: &str) -> Result<String, &'static str> {
    let fine = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    fine.then(|| text.to_owned()).ok_or("a key is made of 1 to 255 letters, digits and signs")
}

/// The tar to send, from its beginning. What the job names is looked at before; what it names on
/// another box is not.
fn bundle(file: PathBuf, strict: bool, here: Option<&Status>) -> Result<File, CliError> {
    let file = match find(&file)? {
        Local::Packed(path) => {
            return File::open(&path).map_err(|source| CliError::File { path, source });
        }
        Local::JobFile(file) => file,
    };
    // What the appliance's settings say of times, it checks itself.
    let options = Options { strict, ..Options::default() };
    let (roots, data) = here.map(|at| (at.roots.as_slice(), at.data.as_path())).unzip();
    let sound = match examine(&file, options, roots, data)? {
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
