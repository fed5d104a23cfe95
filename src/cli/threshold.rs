//! `sutler threshold`: what jobs are held to, the data behind it, and how it is set.

use serde_json::{Value, json};

use super::{
    answers::{Explained, Overview, Thresholds},
    client::Client,
    error::CliError,
    output, render,
};
use crate::{
    model::{LimitMode, Measure, quantity},
    proto::query,
};

const HELP: &str = "\
A limit is learned from the jobs that went well, or set by an operator for a measure and,
where that is named, a job, a device type, a module and a step. What is set for the more specific
counts. Measures: job_time, part_time, module_time, step_time, key_to_screen, frame_lag,
match_time, guest_wait.

Examples:
  sutler threshold list                                  every job, what it takes and may take
  sutler threshold list installer                        all that is known of one of them
  sutler threshold explain installer step_time --step 'assert_screen grub'
  sutler threshold set job_time 20m --mode stop --job installer
  sutler threshold set step_time --factor 5 --job installer
  sutler threshold mode off --job memtest                nothing of it is watched
  sutler threshold mode stop job_time                    of every job, by its learned limit
  sutler threshold reset job_time --job installer        as it is learned again
  sutler threshold reset --learned --job installer       forget what its runs have taught";

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = HELP)]
pub(super) enum ThresholdCommand {
    /// List what jobs usually take and what they are held to
    List(ListArgs),
    /// Show the data behind one threshold, and what other factors would have stopped
    Explain(ExplainArgs),
    /// Set a limit
    Set(SetArgs),
    /// Set what happens to jobs above their limits
    Mode(ModeArgs),
    /// Take back what was set, or forget what was learned
    Reset(ResetArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Only jobs of this name, with all their measures
    #[arg(value_name = "JOB-NAME")]
    job: Option<String>,
    /// Only on this type of device
    #[arg(long, value_name = "TYPE", requires = "job")]
    device_type: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// Name of the job
    #[arg(value_name = "JOB-NAME")]
    job: String,
    #[arg(value_parser = measure)]
    measure: Measure,
    /// Of the module, or of the part
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// Verb and subject, as in 'send_key ret'
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    #[arg(long, value_name = "TYPE")]
    device_type: Option<String>,
    /// Say what this factor would have stopped, too
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    factor: Option<f64>,
}

/// What something is set for. What is not named is any.
#[derive(Debug, clap::Args)]
struct ScopeArgs {
    /// Jobs of this name
    #[arg(long, value_name = "JOB-NAME")]
    job: Option<String>,
    /// On this type of device
    #[arg(long, value_name = "TYPE")]
    device_type: Option<String>,
    /// In this module; of part_time: this part
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// Steps of this verb and subject, as in 'send_key ret'
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct SetArgs {
    #[arg(value_parser = measure)]
    measure: Measure,
    /// The limit itself: 90s, 20m, 800ms, or 40% of guest_wait
    #[arg(value_name = "VALUE", required_unless_present = "factor", conflicts_with = "factor")]
    value: Option<String>,
    /// A limit that is so many times what is learned
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    factor: Option<f64>,
    /// What happens to a job above it: off, watch or stop
    #[arg(long, value_parser = mode)]
    mode: Option<LimitMode>,
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ModeArgs {
    /// off, watch or stop
    #[arg(value_parser = mode)]
    mode: LimitMode,
    /// Of this measure alone
    #[arg(value_parser = measure)]
    measure: Option<Measure>,
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResetArgs {
    /// Of this measure alone
    #[arg(value_parser = measure, conflicts_with = "learned")]
    measure: Option<Measure>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Forget what the runs of this job have taught, instead
    #[arg(long, requires = "job", conflicts_with_all = ["module", "step"])]
    learned: bool,
}

pub(super) async fn run(
    command: &ThresholdCommand,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    match command {
        ThresholdCommand::List(args) => list(args, client, json).await,
        ThresholdCommand::Explain(args) => explain(args, client, json).await,
        ThresholdCommand::Set(args) => {
            let value = match &args.value {
                Some(text) => Some(value(args.measure, text)?),
                None => None,
            };
            let limit = [("value", value), ("factor", args.factor)];
            set(Some(args.measure), limit, args.mode, &args.scope, client, json).await
        }
        ThresholdCommand::Mode(args) => {
            set(args.measure, [("", None), ("", None)], Some(args.mode), &args.scope, client, json)
                .await
        }
        ThresholdCommand::Reset(args) if args.learned => unlearn(&args.scope, client, json).await,
        ThresholdCommand::Reset(args) => {
            let path = address(args.measure, &[], &args.scope);
            let answer = client.delete::<Value>(&path).await?;
            let gone = answer.read["reset"].as_array().map_or(0, Vec::len);
            let words = match gone {
                0 => "nothing was set for that\n".into(),
                _ => format!("taken back: {}\n", render::scopes(&answer.read["reset"])),
            };
            tell(&answer.raw, &words, json)
        }
    }
}

async fn list(args: &ListArgs, client: &Client, json: bool) -> Result<u8, CliError> {
    if let Some(job) = &args.job {
        let pairs = [("job", Some(&**job)), ("device_type", args.device_type.as_deref())];
        let answer = client.get::<Thresholds>(&query::address("/api/thresholds", &pairs)).await?;
        return tell(&answer.raw, &render::thresholds(&answer.read), json);
    }
    let mut path = "/api/thresholds".to_owned();
    let mut all = Overview::default();
    let mut raw = Vec::new();
    loop {
        let mut page = client.get::<Overview>(&path).await?;
        raw.extend(page.raw["jobs"].as_array_mut().map(std::mem::take).unwrap_or_default());
        all.jobs.append(&mut page.read.jobs);
        all.set = page.read.set;
        let Some(next) = page.read.next else {
            let (settings, set) = (page.raw["settings"].take(), page.raw["set"].take());
            let whole = json!({ "jobs": raw, "set": set, "settings": settings });
            return tell(&whole, &render::overview(&all), json);
        };
        let pairs =
            [("after", Some(&*next.after)), ("after_device_type", Some(&*next.after_device_type))];
        path = query::address("/api/thresholds", &pairs);
    }
}

async fn explain(args: &ExplainArgs, client: &Client, json: bool) -> Result<u8, CliError> {
    let factor = args.factor.map(|factor| factor.to_string());
    let pairs = [
        ("job", Some(&*args.job)),
        ("measure", Some(args.measure.name())),
        ("device_type", args.device_type.as_deref()),
        ("module", args.module.as_deref()),
        ("step", args.step.as_deref()),
        ("factor", factor.as_deref()),
    ];
    let path = query::address("/api/thresholds/explain", &pairs);
    let answer = client.get::<Explained>(&path).await?;
    tell(&answer.raw, &render::explained_thresholds(&answer.read), json)
}

async fn set(
    measure: Option<Measure>,
    limit: [(&str, Option<f64>); 2],
    mode: Option<LimitMode>,
    scope: &ScopeArgs,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let limit = limit.map(|(name, value)| (name, value.map(|value| value.to_string())));
    let mut more: Vec<_> = limit.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    more.push(("mode", mode.map(LimitMode::name)));
    let answer = client.post::<Value>(&address(measure, &more, scope)).await?;
    let words = format!("set: {}\n", render::scopes(&answer.read["set"]));
    tell(&answer.raw, &words, json)
}

async fn unlearn(scope: &ScopeArgs, client: &Client, json: bool) -> Result<u8, CliError> {
    let pairs = [("job", scope.job.as_deref()), ("device_type", scope.device_type.as_deref())];
    let path = query::address("/api/thresholds/learned", &pairs);
    let answer = client.delete::<Value>(&path).await?;
    let words = format!("forgotten: {} measures\n", answer.read["forgotten"]);
    tell(&answer.raw, &words, json)
}

fn address(measure: Option<Measure>, more: &[(&str, Option<&str>)], scope: &ScopeArgs) -> String {
    let mut pairs = vec![
        ("measure", measure.map(Measure::name)),
        ("job", scope.job.as_deref()),
        ("device_type", scope.device_type.as_deref()),
        ("module", scope.module.as_deref()),
        ("step", scope.step.as_deref()),
    ];
    pairs.extend_from_slice(more);
    query::address("/api/thresholds", &pairs)
}

fn tell(raw: &Value, words: &str, json: bool) -> Result<u8, CliError> {
    if json {
        output::print_json(raw)?
    } else {
        output::print(words)?
    }
    Ok(0)
}

fn measure(name: &str) -> Result<Measure, String> {
    let names = Measure::ALL.map(Measure::name).join(", ");
    Measure::named(name).ok_or_else(|| format!("one of {names}"))
}

fn mode(name: &str) -> Result<LimitMode, String> {
    let names = LimitMode::ALL.map(LimitMode::name).join(", ");
    LimitMode::named(name).ok_or_else(|| format!("one of {names}"))
}

fn factor(text: &str) -> Result<f64, &'static str> {
    let factor = quantity::decimal(text).filter(|factor| (1.0..=1e3).contains(factor));
    factor.ok_or("a number from 1 to 1000")
}

/// In the measure's unit.
fn value(measure: Measure, text: &str) -> Result<f64, CliError> {
    let (value, expected) = if measure.unit() == "%" {
        (quantity::decimal(text.strip_suffix('%').unwrap_or(text)), "a share, as 40%")
    } else {
        (quantity::duration(text).map(|time| time.as_secs_f64() * 1e3), "a time, as 90s or 20m")
    };
    let wrong = || CliError::NotALimit { text: text.into(), expected };
    value.filter(|value| *value > 0.0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_with_its_unit() {
        for (measure, text, want) in [
            (Measure::JobTime, "20m", Some(1_200_000.0)),
            (Measure::StepTime, "1m 30s", Some(90_000.0)),
            (Measure::KeyToScreen, "800ms", Some(800.0)),
            (Measure::GuestWait, "40%", Some(40.0)),
            (Measure::GuestWait, "40", Some(40.0)),
            (Measure::JobTime, "20", None),
            (Measure::JobTime, "0s", None),
            (Measure::GuestWait, "4s", None),
        ] {
            assert_eq!(value(measure, text).ok(), want, "{text}");
        }
    }
}
