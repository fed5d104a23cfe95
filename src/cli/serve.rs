//! `sutler serve`

use std::{error::Error, net::SocketAddr};

use serde_json::json;

use super::{args::Common, config::SettingFlags, error::CliError, log, output};
use crate::config::Settings;

/// Runs the appliance until it is asked to end, and says when its page can be asked for. Handed in
/// by `main`: the appliance is built of all rooms, and commands are one of them.
pub type Appliance = fn(Settings, Ready) -> Result<(), Box<dyn Error + Send + Sync>>;

/// Told the page's address.
pub type Ready = Box<dyn FnOnce(SocketAddr)>;

/// Run the appliance: the folder, the queue and the page
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler serve
  sutler serve --data /srv/lab --listen 127.0.0.1:9000
  sutler serve --data lab --listen 127.0.0.1:0    any free port; the address is printed
  sutler serve --set guests.machines=2            any setting; see sutler config --help

Drop job files, folders with a job.yaml, or tar files of them into DIR/inbox. Ctrl-C or SIGTERM
ends the appliance; running jobs go on, and the next `sutler serve` on the same data folder finds
them again.")]
pub(super) struct Args {
    #[command(flatten)]
    flags: SettingFlags,
}

pub(super) fn run(args: &Args, common: &Common, appliance: Appliance) -> Result<u8, CliError> {
    let mut settings = common.settings_with(&args.flags.over(common))?.settings;
    settings.log.form = log::appliance(&settings.log).map_err(|source| CliError::Log { source })?;
    let (inbox, json) = (settings.inbox.clone(), common.json);
    let ready = move |address: SocketAddr| {
        let told = if json {
            output::print_json(&json!({ "page": format!("http://{address}/"), "inbox": inbox }))
        } else {
            let inbox = inbox.display();
            output::print(&format!("Sutler's page: http://{address}/\nits inbox:     {inbox}\n"))
        };
        // Whoever started us may not listen.
        drop(told);
    };
    appliance(settings, Box::new(ready)).map_err(CliError::Serve)?;
    Ok(0)
}
