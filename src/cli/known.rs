//! `sutler known`: rules that recognise failures, and groups of those nobody knows yet.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::{Applied, Groups, KnownJobs, KnownList, Tried},
    client::Client,
    error::CliError,
    output, render,
};
use crate::{
    decide::known::is_name,
    model::{Code, KnownRule, Pattern, RuleRetry, Who, quantity},
};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sutler known groups                             failures nobody knows yet, by kind
  sutler known try --needle 'desktop*' --since 30d   what a rule would match
  sutler known add slow-mirror --log 'mirror .* timed out' --bug https://bugs.example/7
  sutler known apply slow-mirror                  mark what it knows of the past
  sutler known list")]
pub(super) enum KnownCommand {
    /// List the rules, with how often each has matched in the last 30 days
    List,
    /// Show one rule and the jobs it has marked
    Show(Show),
    /// Add a rule
    ///
    /// Jobs that fail from now on are marked by it when everything it asks for holds.
    Add(Box<Add>),
    /// Say what a rule matches in the past, without keeping anything
    Try(Try),
    /// Mark jobs of the past that a rule knows
    Apply(Named),
    /// Remove a rule, and the marks it has given to jobs of the past
    ///
    /// A job that ended as one of its failures keeps the rule's name in its record.
    Remove(Named),
    /// List failures no rule knows, by kind, and the command that makes one known
    Groups,
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The rule's name
    #[arg(value_parser = name)]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    rule: Named,
    /// Only jobs that ended in this time
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: String,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler known add slow-mirror --log 'mirror .* timed out' --bug https://bugs.example/7
  sutler known add kde-splash --code no_match --needle 'kde-*' --auto --most 2 --backoff 5m
  sutler known add kde-splash --needle '/kde-(login|splash)/' --replace")]
pub(super) struct Add {
    #[command(flatten)]
    rule: Named,
    #[command(flatten)]
    pattern: PatternArgs,
    /// Address of the bug
    #[arg(long, value_name = "URL")]
    bug: Option<String>,
    /// What others should know of it
    #[arg(long, value_name = "TEXT", default_value = "")]
    notes: String,
    /// Retry its jobs by themselves; for operators
    #[arg(long, conflicts_with = "no_auto")]
    auto: bool,
    /// Do not retry its jobs for this rule, whatever the settings say
    #[arg(long)]
    no_auto: bool,
    /// How often a job is retried by itself, the retries of its retries included
    #[arg(long, value_name = "COUNT")]
    most: Option<u32>,
    /// How long the first retry waits; each further one waits twice as long
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    backoff: Option<u64>,
    /// Keep the rule, but let it match nothing
    #[arg(long)]
    disabled: bool,
    /// Change the rule of that name, if there is one
    #[arg(long)]
    replace: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Try {
    /// A rule that is kept; instead of what follows
    #[arg(value_parser = name, conflicts_with_all = ["code", "who", "words", "log", "serial", "needle", "job", "device_type"])]
    name: Option<String>,
    #[command(flatten)]
    pattern: PatternArgs,
    /// Only jobs that ended in this time
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: String,
}

/// What a failure has to look like; everything given must hold.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PatternArgs {
    /// The cause's code; may be given more than once, and then means any of them
    #[arg(long, value_parser = code)]
    code: Vec<Code>,
    /// Who has to act: author, lab, host, guest or sutler
    #[arg(long, value_parser = who)]
    who: Option<Who>,
    /// A regular expression in the words of the cause
    #[arg(long, value_name = "REGEX")]
    words: Option<String>,
    /// A regular expression in a line of the log or of the evidence
    #[arg(long, value_name = "REGEX")]
    log: Option<String>,
    /// A regular expression in one of the last lines of a serial console
    #[arg(long, value_name = "REGEX")]
    serial: Option<String>,
    /// Name or tag of a needle of the failed step, as `kde-*` or /REGEX/
    #[arg(long, value_name = "NAME")]
    needle: Option<String>,
    /// Name of the job, as `install *` or /REGEX/
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Name of the device type, likewise
    #[arg(long, value_name = "NAME")]
    device_type: Option<String>,
}

impl PatternArgs {
    fn pattern(&self) -> Pattern {
        let Self { code, who, words, log, serial, needle, job, device_type } = self.clone();
        Pattern { codes: code, who, words, log, serial, needle, job, device_type }
    }
}

pub(super) async fn run(
    command: &KnownCommand,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let zone = TimeZone::system();
    let (raw, text) = match command {
        KnownCommand::List => {
            let answer = client.get::<KnownList>("/api/known").await?;
            (answer.raw, render::rules(&answer.read, &zone))
        }
        KnownCommand::Show(Show { rule: Named { name }, since }) => {
            let answer =
                client.get::<KnownJobs>(&format!("/api/known/{name}?since={since}")).await?;
            (answer.raw, render::rule(&answer.read, since, &zone))
        }
        KnownCommand::Add(add) => {
            let path = format!("/api/known?replace={}", add.replace);
            let answer = client.send_json::<KnownRule>(&path, &body(add)).await?;
            (answer.raw, render::added(&answer.read))
        }
        KnownCommand::Try(asked) => {
            let pattern = match &asked.name {
                Some(name) => {
                    client
                        .get::<KnownJobs>(&format!("/api/known/{name}?since=0s"))
                        .await?
                        .read
                        .rule
                        .pattern
                }
                None => asked.pattern.pattern(),
            };
            let path = format!("/api/failures/try?since={}", asked.since);
            let answer = client.send_json::<Tried>(&path, &json!(pattern)).await?;
            (answer.raw, render::tried(&answer.read, &asked.since, &zone))
        }
        KnownCommand::Apply(Named { name }) => {
            let answer = client.post::<Applied>(&format!("/api/known/{name}/apply")).await?;
            let text = format!("{} more jobs are marked as {name}\n", answer.read.marked);
            (answer.raw, text)
        }
        KnownCommand::Remove(Named { name }) => {
            let answer = client.delete::<Value>(&format!("/api/known/{name}")).await?;
            (answer.raw, format!("{name} is removed\n"))
        }
        KnownCommand::Groups => {
            let answer = client.get::<Groups>("/api/failures").await?;
            (answer.raw, render::groups(&answer.read, &zone))
        }
    };
    if json {
        output::print_json(&raw)?
    } else {
        output::print(&text)?
    }
    Ok(0)
}

/// A rule as the appliance takes it.
fn body(add: &Add) -> Value {
    let automatic = match (add.auto, add.no_auto) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    };
    json!({
        "name": add.rule.name,
        "notes": add.notes,
        "bug": add.bug,
        "enabled": !add.disabled,
        "pattern": add.pattern.pattern(),
        "retry": RuleRetry { automatic, most: add.most, backoff_s: add.backoff },
    })
}

pub(super) fn name(text: &str) -> Result<String, &'static str> {
    let words = "small letters, digits and dashes, 64 at most and no dash first";
    is_name(text).then(|| text.to_owned()).ok_or(words)
}

/// A length of time, which stands in an address without quotes.
pub(super) fn since(text: &str) -> Result<String, &'static str> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    let is_time = is_plain && quantity::duration(text).is_some();
    is_time.then(|| text.to_owned()).ok_or("a length of time with its unit, as 30d or 12h")
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    let time = quantity::duration(text).filter(|time| time.subsec_nanos() == 0);
    time.map(|time| time.as_secs()).ok_or("a length of time with its unit, as 30s or 5m")
}

fn code(text: &str) -> Result<Code, String> {
    let found = Code::ALL.into_iter().find(|code| code.name() == text);
    found.ok_or_else(|| format!("one of {}", Code::ALL.map(Code::name).join(", ")))
}

fn who(text: &str) -> Result<Who, String> {
    let found = Who::ALL.into_iter().find(|who| who.name() == text);
    found.ok_or_else(|| format!("one of {}", Who::ALL.map(Who::name).join(", ")))
}
