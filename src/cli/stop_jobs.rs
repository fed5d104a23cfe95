//! `sutler stop-jobs`

use serde_json::json;

use super::{
    args::{Common, on_this_thread},
    error::CliError,
    output,
};
use crate::{sockets, supervise};

/// Cancel the jobs that go on while no appliance runs
///
/// Ending the appliance does not end running jobs: the next one finds them again. Where there will
/// be no next one soon, this ends them, in good order and within a minute and a half. They are
/// canceled; jobs that wait go on waiting.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sudo systemctl stop sutler && sudo sutler stop-jobs
  sutler stop-jobs --data /srv/lab")]
pub(super) struct Args {}

pub(super) fn run(common: &Common) -> Result<u8, CliError> {
    let settings = common.settings()?.settings;
    let (data, socket) = (settings.data.clone(), settings.socket());
    on_this_thread(async {
        if sockets::connect(&socket).await.is_ok() {
            return Err(CliError::ApplianceRuns { socket });
        }
        let stopped = supervise::stop_all(&data).await;
        let jobs = stopped.map_err(|source| CliError::NotStopped { data, source })?;
        if common.json {
            output::print_json(&json!({ "stopped": jobs }))?;
        } else if jobs.is_empty() {
            output::print("no job was running\n")?;
        } else {
            let jobs: Vec<_> = jobs.iter().map(ToString::to_string).collect();
            output::print(&format!("stopped: {}\n", jobs.join(", ")))?;
        }
        Ok(0)
    })
}
