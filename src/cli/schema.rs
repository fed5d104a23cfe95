//! `sutler schema`

use super::{error::CliError, output};
use crate::job_file;

/// Print the JSON Schema of job files, for editors
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler schema > job.schema.json
  sutler schema --strict            unknown keys in LAVA's blocks are errors, too

Begin a job file with this line, and editors with a YAML language server complete and check it:
  # yaml-language-server: $schema=job.schema.json

The appliance serves the same at /schema/job.json.")]
pub(super) struct Args {
    /// Take unknown keys in LAVA's blocks for errors, too
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    output::print_json(&job_file::schema(args.strict))?;
    Ok(0)
}
