//! The command: looks, judges, tells.

use serde_json::json;

use super::{
    checks::{Health, check, render},
    facts::Facts,
};
use crate::{
    cli::{args::Common, error::CliError, output},
    config::Host,
};

/// Check that this box can run jobs, and say what to do where it cannot
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler doctor
  sutler doctor --data /srv/lab    for an appliance with this data folder
  sutler doctor --json | jq '.[] | select(.health != \"ok\")'

Ends with 0 when nothing is bad, else with 1.")]
pub(in crate::cli) struct Args {}

pub(in crate::cli) fn run(_: &Args, common: &Common) -> Result<u8, CliError> {
    let host = Host::look()?;
    let settings = common.settings()?.settings;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Start { source })?;
    let findings = check(&runtime.block_on(Facts::look(&host, &settings)));
    if common.json {
        output::print_json(&json!(findings))?;
    } else {
        output::print(&render(&findings))?;
    }
    Ok(findings.iter().any(|finding| finding.health == Health::Bad).into())
}
