//! `sutler validate`

use std::{path::PathBuf, time::Duration};

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::Estimates,
    args::{Common, ask},
    client::{Answer, Client},
    error::{CliError, INVALID},
    local::{Local, examine, find},
    output, render,
};
use crate::{
    clock,
    config::{Settings, Timeouts},
    job_file::{Options, Problem, needs},
    markup::words::count,
    model::{Definition, Limited, Must},
    proto::query,
    tasks,
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

Says how long the job, each action and each step may take, and who has said so. Where an appliance
answers, its settings hold, and its devices; it says beside that what good runs took, what timeout
that suggests, and when the job would start and end if it were submitted now. Without one your own
settings hold; one that --server names must be there. What a job names on another machine is not
looked at.

In the JSON, `settings_of` says whose settings held, and `never` why no device of the appliance could
run a job that is well written.

Ends with 0 when the job can be run, else with 65.")]
pub(super) struct Args {
    /// The job file, or the folder it is in
    file: PathBuf,
    /// Take unknown keys in LAVA's blocks for errors, too
    #[arg(long)]
    strict: bool,
}

/// By whose word a job file is checked.
struct Place {
    timeouts: Timeouts,
    /// None of an appliance on another machine, whose files nobody sees from here.
    roots: Option<Vec<PathBuf>>,
    data: Option<PathBuf>,
    /// Why it is not an appliance's.
    own: Option<String>,
}

pub(super) fn run(args: &Args, common: &Common) -> Result<u8, CliError> {
    ask(common, async |client, _| validate(args, common, client).await)
}

async fn validate(args: &Args, common: &Common, client: &Client) -> Result<u8, CliError> {
    let file = match find(&args.file)? {
        Local::JobFile(file) => file,
        Local::Packed(path) => return Err(CliError::Packed { path }),
    };
    let Place { timeouts, roots, data, own } = place(common, client).await?;
    let options = Options { strict: args.strict, timeouts };
    let looked = move || examine(&file, options, roots.as_deref(), data.as_deref());
    let (name, text, list, omitted, definition) = match tasks::blocking(looked).await? {
        Ok(sound) => (sound.name, sound.text, sound.warnings, 0, Some(sound.definition)),
        Err(problems) => (problems.name, problems.text, problems.list, problems.omitted, None),
    };
    let limited = definition.as_ref().map(Definition::limited).unwrap_or_default();
    let past = match &definition {
        Some(definition) if own.is_none() => past(definition, client).await?,
        Some(_) | None => None,
    };
    let never = past.as_ref().and_then(|past| past.read.never.clone());
    let is_valid = definition.is_some() && never.is_none();
    if common.json {
        let problems: Vec<_> = list.iter().map(Problem::to_json).collect();
        let timeouts: Vec<_> = limited.iter().map(told).collect();
        let warnings =
            past.as_ref().map(|past| render::warnings(&limited, &past.read)).unwrap_or_default();
        output::print_json(&json!({
            "file": name, "valid": is_valid, "problems": problems, "omitted": omitted,
            "settings_of": if own.is_none() { "appliance" } else { "account" },
            "never": never, "timeouts": timeouts, "timeout_warnings": warnings,
            "estimates": past.map(|past| past.raw),
        }))?;
    } else {
        let explained: Vec<_> =
            list.iter().map(|problem| problem.diagnostic(&name, &text)).collect();
        let mut words = render::explained(&explained, output::is_colourful());
        let told = list.len() as u64;
        words += &match (&definition, never, told, omitted) {
            (Some(_), Some(why), ..) => {
                format!("{name} cannot be run on this box: {why}\n")
            }
            (Some(_), None, 0, _) => format!("{name} can be run\n"),
            (Some(_), None, ..) => format!("{name} can be run, {}\n", count(told, "warning")),
            (None, _, _, 0) => format!("{name} cannot be run: {}\n", count(told, "problem")),
            (None, _, _, more) => {
                format!("{name} cannot be run: {} and {more} more\n", count(told, "problem"))
            }
        };
        if definition.is_some() {
            let past = past.as_ref().map(|past| &past.read);
            words += &format!("\n{}\n", render::timeouts(&limited, past));
        }
        if let Some(past) = past.as_ref().filter(|_| is_valid) {
            let (now, zone) = (clock::now(), TimeZone::system());
            let expected = render::expected(&past.read.expected, now, &zone);
            words += &format!("If it were submitted now: {expected}\n");
        }
        if definition.is_some() && past.is_none() && own.is_none() {
            words += "The appliance does not say what good runs took.\n";
        }
        if let Some(why) = own {
            words += &format!("{why}, so your own settings hold, and no past was asked.\n");
        }
        output::print(&words)?;
    }
    Ok(if is_valid { 0 } else { INVALID })
}

/// The appliance's where it tells, else those of the settings here.
async fn place(common: &Common, client: &Client) -> Result<Place, CliError> {
    let seen = |roots, data| match client.is_remote() {
        true => (None, None),
        false => (Some(roots), Some(data)),
    };
    let own = match tokio::time::timeout(PATIENCE, client.status()).await {
        Ok(Ok(status)) => {
            let timeouts = status.timeouts.into();
            let (roots, data) = seen(status.roots, status.data);
            return Ok(Place { timeouts, roots, data, own: None });
        }
        Ok(Err(CliError::Unreachable { .. })) => "No appliance answers here".to_owned(),
        Ok(Err(CliError::Refused(problem))) => {
            format!("The appliance does not say ({})", render::clean(&problem.detail))
        }
        // One that is there and does not answer as it should is no reason to refuse a job file.
        Ok(Err(CliError::Lost { .. } | CliError::NotUnderstood { .. })) | Err(_) => {
            "The appliance does not say".to_owned()
        }
        Ok(Err(error)) => return Err(error),
    };
    let Settings { timeouts, roots, data, .. } = common.settings()?.settings;
    let (roots, data) = seen(roots, data);
    Ok(Place { timeouts, roots, data, own: Some(own) })
}

/// What the appliance knows of jobs like it; nothing where it does not say.
async fn past(
    definition: &Definition,
    client: &Client,
) -> Result<Option<Answer<Estimates>>, CliError> {
    let needs = needs(definition);
    let at_most = needs.at_most.as_millis().to_string();
    let [memory, cores, priority] =
        [needs.memory_mib, needs.cores, definition.priority.0.into()].map(|n: u32| n.to_string());
    let tags = Some(definition.tags.join(",")).filter(|tags| !tags.is_empty());
    let after = |must: Must| {
        let those = definition.after.iter().filter(|after| after.must == must);
        let numbers: Vec<_> = those.map(|after| after.job.to_string()).collect();
        Some(numbers.join(",")).filter(|numbers| !numbers.is_empty())
    };
    let (passed, ended) = (after(Must::Pass), after(Must::End));
    let pairs = [
        ("tags", tags.as_deref()),
        ("job", Some(&*definition.name)),
        ("device_type", Some(&definition.device_type)),
        ("priority", Some(&priority)),
        ("memory_mib", Some(&memory)),
        ("cores", Some(&cores)),
        ("at_most_ms", Some(&at_most)),
        ("stream", definition.stream.as_deref()),
        ("after", passed.as_deref()),
        ("after_ended", ended.as_deref()),
    ];
    let path = query::address("/api/estimates", &pairs);
    match tokio::time::timeout(PATIENCE, client.get::<Estimates>(&path)).await {
        Ok(Ok(answer)) => Ok(Some(answer)),
        Ok(Err(
            CliError::Unreachable { .. }
            | CliError::Lost { .. }
            | CliError::Refused(_)
            | CliError::NotUnderstood { .. },
        ))
        | Err(_) => Ok(None),
        Ok(Err(error)) => Err(error),
    }
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
