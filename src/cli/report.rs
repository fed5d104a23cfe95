//! `sutler report`: a job's results as one file, from the appliance or from a result folder.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use jiff::tz::TimeZone;

use super::{
    args::{Common, JobName, ask},
    error::CliError,
    output::{self, say},
};
use crate::{
    clock,
    markup::Moment,
    report::{self, Format, Video},
    supervise::JobFolder,
};

/// Put a job's results into one file: to mail, or for a build server
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler report 7                                a page with everything in it: sutler-job-7.html
  sutler report job-results-1 -o first.html      of what `sutler run` left
  sutler report 7 --format junit -o 7.xml        for Jenkins, GitLab and their like
  sutler report 7 --format tap | prove -e cat -  as the Test Anything Protocol

The page shows up to 12 MiB of screens and a video of up to 8 MiB and says what it left out. It loads
nothing from anywhere, so it can be opened from a mail.")]
pub(super) struct Args {
    /// A job's number or uuid, or a folder with results (./7 for one with such a name)
    #[arg(value_name = "JOB|FOLDER")]
    what: What,
    /// What kind of file
    #[arg(long, default_value = "html")]
    format: Format,
    /// Where to write it; - is standard output [default: sutler-job-7.html or report.html for html,
    /// else standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What becomes of the video in the page: put into it, looked for beside it, or left out
    #[arg(long, default_value = "embed")]
    video: Video,
}

#[derive(Debug, Clone)]
enum What {
    Job(JobName),
    Folder(PathBuf),
}

impl std::str::FromStr for What {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(job) => Ok(Self::Job(job)),
            Err(_) if Path::new(text).is_dir() => Ok(Self::Folder(text.into())),
            Err(_) => Err("neither a job's number or uuid nor a folder with results"),
        }
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.name().into())
    }
}

impl ValueEnum for Video {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.name().into())
    }
}

pub(super) fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    let Args { what, format, output, video } = args;
    match what {
        What::Folder(folder) => {
            let text = of_folder(folder, *format, *video)?;
            put(&text, output.as_deref(), *format, "report.html", common.json)
        }
        What::Job(job) => {
            let path =
                format!("/api/jobs/{job}/report?format={}&video={}", format.name(), video.name());
            ask(common, async |client, json| {
                let text = client.text(&path).await?;
                let name = format!("sutler-job-{job}.html");
                put(&text, output.as_deref(), *format, &name, json)
            })
        }
    }
}

/// The report of what `sutler run` left in `folder`.
pub(super) fn of_folder(folder: &Path, format: Format, video: Video) -> Result<String, CliError> {
    let unreadable = |source| CliError::File { path: folder.into(), source };
    let path = folder.canonicalize().map_err(unreadable)?;
    let results = JobFolder::at(path);
    let job = report::job_of(&results)
        .map_err(|source| CliError::NoResults { folder: folder.into(), source })?;
    let moment = Moment { now: clock::now(), zone: TimeZone::system() };
    let written = report::write(job, &results, moment, format, video).map_err(unreadable)?;
    Ok(written.text)
}

/// Writes the report where it is wanted. A page of megabytes goes into a file unless it is asked
/// for on standard output.
fn put(
    text: &str,
    output: Option<&Path>,
    format: Format,
    name: &str,
    json: bool,
) -> Result<u8, CliError> {
    let path = match output {
        Some(path) if path == Path::new("-") => None,
        Some(path) => Some(path),
        None => (format == Format::Html).then_some(Path::new(name)),
    };
    let Some(path) = path else {
        output::print(text)?;
        return Ok(0);
    };
    let failed = |source| CliError::Report { path: path.into(), source };
    write_new(path, text).map_err(failed)?;
    if json {
        output::print_json(&serde_json::json!({ "report": path, "bytes": text.len() }))?;
    } else {
        say(&format!("report in {}\n", path.display()));
    }
    Ok(0)
}

/// Nobody sees half a report.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let mut file = fs::File::create(&partial)?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(partial, path)
}
