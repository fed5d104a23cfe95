//! `sutler validate`

use std::path::PathBuf;

use serde_json::json;

use super::{
    args::Common,
    error::{CliError, INVALID},
    local::{Local, examine, find},
    output, render,
};
use crate::job_file::{Options, Problem};

/// Check a job file and everything it names, without running it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler validate job.yaml
  sutler validate --strict installer/    the job.yaml in a folder; warnings are errors
  sutler validate --json job.yaml        for an editor: line, column, found, expected, help

Ends with 0 when the job can be run, else with 65. No appliance is needed.")]
pub(super) struct Args {
    /// The job file, or the folder it is in
    file: PathBuf,
    /// Take unknown keys in LAVA's blocks for errors, too
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    let settings = common.settings()?.settings;
    let file = match find(&args.file)? {
        Local::JobFile(file) => file,
        Local::Packed(path) => return Err(CliError::Packed { path }),
    };
    let options = Options { strict: args.strict };
    let examined = examine(&file, options, &settings.roots, Some(&settings.data))?;
    let is_valid = examined.is_ok();
    let (name, text, list, omitted) = match examined {
        Ok(sound) => (sound.name, sound.text, sound.warnings, 0),
        Err(problems) => (problems.name, problems.text, problems.list, problems.omitted),
    };
    if common.json {
        let problems: Vec<_> = list.iter().map(Problem::to_json).collect();
        output::print_json(
            &json!({ "file": name, "valid": is_valid, "problems": problems, "omitted": omitted }),
        )?;
    } else {
        let explained: Vec<_> =
            list.iter().map(|problem| problem.diagnostic(&name, &text)).collect();
        let mut words = render::explained(&explained, output::is_colourful());
        words += &match (is_valid, list.len(), omitted) {
            (true, 0, _) => format!("{name} can be run\n"),
            (true, warnings, _) => format!("{name} can be run, {warnings} warnings\n"),
            (false, problems, 0) => format!("{name} cannot be run: {problems} problems\n"),
            (false, problems, more) => {
                format!("{name} cannot be run: {problems} problems and {more} more\n")
            }
        };
        output::print(&words)?;
    }
    Ok(if is_valid { 0 } else { INVALID })
}
