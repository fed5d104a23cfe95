//! `sutler validate`

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::Estimates,
    args::{Common, ask},
    client::Answer,
    error::{CliError, INVALID},
    local::{Local, examine, find},
    output, render,
};
use crate::{
    clock,
    job_file::{Options, Problem, needs},
    markup::words::count,
    model::{Definition, Limited},
    proto::query,
};

/// How long the appliance is given to tell what it knows.
const PATIENCE: Duration = Duration::from_secs(5);

/// Check a job file and everything it names, without running it
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler validate job.yaml
  sutler validate --strict installer/    the job.yaml in a folder; warnings are errors
  sutler validate --json job.yaml        for an editor: line, column, found, expected, help

Says how long the job, each action and each step may take, and who has said so. No appliance is
needed; where one answers, it says beside that what good runs took, what timeout that suggests, and
when the job would start and end if it were submitted now.

Ends with 0 when the job can be run, else with 65.")]
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
    let options = Options { strict: args.strict, timeouts: settings.timeouts };
    let examined = examine(&file, options, &settings.roots, Some(&settings.data))?;
    let (name, text, list, omitted, definition) = match examined {
        Ok(sound) => (sound.name, sound.text, sound.warnings, 0, Some(sound.definition)),
        Err(problems) => (problems.name, problems.text, problems.list, problems.omitted, None),
    };
    let is_valid = definition.is_some();
    let limited = definition.as_ref().map(Definition::limited).unwrap_or_default();
    let past = match &definition {
        Some(definition) => past(definition, common)?,
        None => None,
    };
    if common.json {
        let problems: Vec<_> = list.iter().map(Problem::to_json).collect();
        let timeouts: Vec<_> = limited.iter().map(told).collect();
        let warnings =
            past.as_ref().map(|past| render::warnings(&limited, &past.read)).unwrap_or_default();
        output::print_json(&json!({
            "file": name, "valid": is_valid, "problems": problems, "omitted": omitted,
            "timeouts": timeouts, "timeout_warnings": warnings,
            "estimates": past.map(|past| past.raw),
        }))?;
    } else {
        let explained: Vec<_> =
            list.iter().map(|problem| problem.diagnostic(&name, &text)).collect();
        let mut words = render::explained(&explained, output::is_colourful());
        let told = list.len() as u64;
        words += &match (is_valid, told, omitted) {
            (true, 0, _) => format!("{name} can be run\n"),
            (true, ..) => format!("{name} can be run, {}\n", count(told, "warning")),
            (false, _, 0) => format!("{name} cannot be run: {}\n", count(told, "problem")),
            (false, _, more) => {
                format!("{name} cannot be run: {} and {more} more\n", count(told, "problem"))
            }
        };
        if is_valid {
            let past = past.as_ref().map(|past| &past.read);
            words += &format!("\n{}\n", render::timeouts(&limited, past));
            words += &match past {
                Some(Estimates { never: Some(why), .. }) => {
                    format!("The appliance here would refuse it: {why}\n")
                }
                Some(past) => {
                    let (now, zone) = (clock::now(), TimeZone::system());
                    let expected = render::expected(&past.expected, now, &zone);
                    format!("If it were submitted now: {expected}\n")
                }
                None => "No appliance answers here, so its past was not asked.\n".into(),
            };
        }
        output::print(&words)?;
    }
    Ok(if is_valid { 0 } else { INVALID })
}

/// What the appliance knows of jobs like it; nothing where none answers.
fn past(definition: &Definition, common: &Common) -> Result<Option<Answer<Estimates>>, CliError> {
    let needs = needs(definition);
    let at_most = needs.at_most.as_millis().to_string();
    let [memory, cores, priority] =
        [needs.memory_mib, needs.cores, definition.priority.0.into()].map(|n: u32| n.to_string());
    let tags = Some(definition.tags.join(",")).filter(|tags| !tags.is_empty());
    let pairs = [
        ("tags", tags.as_deref()),
        ("job", Some(&*definition.name)),
        ("device_type", Some(&definition.device_type)),
        ("priority", Some(&priority)),
        ("memory_mib", Some(&memory)),
        ("cores", Some(&cores)),
        ("at_most_ms", Some(&at_most)),
    ];
    let path = query::address("/api/estimates", &pairs);
    let mut found = None;
    ask(common, async |client, _| {
        found = match tokio::time::timeout(PATIENCE, client.get::<Estimates>(&path)).await {
            Ok(Ok(answer)) => Some(answer),
            // One that is there and does not answer in time, or does not know what is asked for, is
            // no reason to refuse a job file.
            Ok(Err(
                CliError::Unreachable { .. }
                | CliError::Lost { .. }
                | CliError::Refused(_)
                | CliError::NotUnderstood { .. },
            ))
            | Err(_) => None,
            Ok(Err(error)) => return Err(error),
        };
        Ok(0)
    })?;
    Ok(found)
}

fn told(one: &Limited) -> Value {
    let Limited { what, path, timeout, .. } = one;
    json!({
        "what": what,
        "step": path,
        "timeout_ms": u64::try_from(timeout.value.as_millis()).unwrap_or(u64::MAX),
        "origin": timeout.origin,
        "words": timeout.to_string(),
    })
}
