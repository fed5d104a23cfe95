//! `sutler doctor`: what the appliance finds wrong with this box, or what we find where none
//! answers.

use std::fmt::Write as _;

use serde_json::json;

use super::{
    args::Common, client::Client, error::CliError, output, render::clean, run::proof_cache,
};
use crate::{
    config::Host,
    doctor::{Bounds, Looker, Report, State, Viewer},
};

/// Check that this box can run jobs, and say what to do where it cannot
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler doctor
  sutler doctor --data /srv/lab    for an appliance with this data folder
  sutler doctor --here             as this account sees it, whoever the appliance runs as
  sutler doctor --json | jq '.findings[] | select(.state != \"fine\")'

Ends with 0 when nothing is broken (warnings are no fault), else with 1. While something is broken
that every guest needs, the appliance starts no job; none fails for it, and they go on by themselves
when it is mended.")]
pub(super) struct Args {
    /// Look from here, also where an appliance could be asked
    #[arg(long)]
    here: bool,
}

pub(super) async fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    let asked = if args.here { None } else { ask(common).await? };
    let by_whom = if asked.is_some() { "the appliance" } else { "this account" };
    let report = match asked {
        Some(report) => report,
        None => look(common).await?,
    };
    if common.json {
        let mut told = json!(report);
        told["seen_by"] = by_whom.into();
        output::print_json(&told)?;
    } else {
        output::print(&render(&report, by_whom))?;
    }
    Ok((report.state == State::Broken).into())
}

/// The appliance's own view counts: it runs as another account, perhaps. `None` where none answers.
async fn ask(common: &Common) -> Result<Option<Report>, CliError> {
    let client = Client::new(&common.folders()?);
    let answer = client.get::<Report>("/api/doctor").await;
    client.close().await;
    match answer {
        Ok(answer) => Ok(Some(answer.read)),
        // An older one answers otherwise.
        Err(
            CliError::Unreachable { .. }
            | CliError::Lost { .. }
            | CliError::Refused(_)
            | CliError::NotUnderstood { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn look(common: &Common) -> Result<Report, CliError> {
    let host = Host::look()?;
    let settings = common.settings()?.settings;
    let mut looker = Looker::new(settings, host, Viewer::Person, proof_cache());
    Ok(Report::make(&mut looker, Bounds::default()).await.0)
}

/// A line for each finding, and under it what is wrong and what to do.
fn render(report: &Report, by_whom: &str) -> String {
    let findings = &report.findings;
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (name, state) = (&finding.name, finding.state.words());
        let _ = writeln!(text, "{state:<8}  {name:<width$}  {}", clean(&finding.seen));
        let more = [("!!", &finding.wrong), ("->", &finding.remedy)];
        for (sign, words) in
            more.into_iter().filter_map(|(sign, words)| Some((sign, words.as_ref()?)))
        {
            let _ = writeln!(text, "{:8}  {:<width$}  {sign} {}", "", "", clean(words));
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (broken, warnings) = (count(State::Broken), count(State::Warning));
    let _ = write!(text, "\nAs {by_whom} sees it: ");
    text += &match (&report.hold, broken, warnings) {
        (Some(why), ..) => format!("no job starts: {}\n", clean(why)),
        (None, 0, 0) => "this box is well\n".into(),
        (None, 0, _) => "jobs run; something could be better\n".into(),
        (None, ..) => "jobs run, but something is broken\n".into(),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_stands_under_what_is_wrong() {
        let report: Report = serde_json::from_value(json!({
            "state": "broken", "looked_at": "2026-01-31T12:05:09Z", "took_ms": 12,
            "hold": "this box is not well: qemu is not installed",
            "findings": [
                {"name": "qemu", "state": "broken", "seen": "no qemu in PATH",
                 "wrong": "qemu is not installed", "remedy": "sudo apt install qemu-system-x86"},
                {"name": "data folder", "state": "not_used", "seen": "/lab is made later"},
                {"name": "memory", "state": "fine", "seen": "16 GiB\u{1b}[2J"},
            ],
        }))
        .unwrap();
        insta::assert_snapshot!(render(&report, "this account"), @r"
        broken    qemu         no qemu in PATH
                               !! qemu is not installed
                               -> sudo apt install qemu-system-x86
        not used  data folder  /lab is made later
        fine      memory       16 GiB�[2J

        As this account sees it: no job starts: this box is not well: qemu is not installed
        ");
    }
}
