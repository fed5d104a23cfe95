//! `sutler jobs`

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::JobList,
    client::{Answer, Client},
    error::CliError,
    output, render,
};
use crate::model::JobState;

/// Jobs in one answer, at most.
const PIECE: usize = 500;

/// List jobs: those that have not ended, then the newest ends
///
/// A filter may be given several times: values of one kind are alternatives, different kinds must
/// all fit.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  sutler jobs                     what waits, what runs, what came of the last ones
  sutler jobs --state waiting     only the queue, each with the reason why it waits
  sutler jobs --verdict failed --verdict timed_out --since 7d
                                  what went wrong in the last week
  sutler jobs --name 'debian*' --setting LANG_ROW=English --sort metadata.build
                                  one test in one language, build by build
  sutler jobs --json --limit 500  for a program")]
pub(super) struct Args {
    /// Only jobs in this state
    #[arg(long, value_parser = state, value_name = "STATE")]
    state: Vec<JobState>,
    /// Only jobs that came to this
    #[arg(long, value_name = "VERDICT")]
    verdict: Vec<String>,
    /// Only jobs where this one has to act: author, lab, host, guest or sutler
    #[arg(long, value_name = "WHO")]
    who: Vec<String>,
    /// Only jobs with this code of their cause, as no_match
    #[arg(long, value_name = "CODE")]
    cause: Vec<String>,
    /// Only jobs that ran on this device
    #[arg(long, value_name = "NAME")]
    device: Vec<String>,
    /// Only jobs of this device type
    #[arg(long, value_name = "NAME")]
    device_type: Vec<String>,
    /// Only jobs with this tag
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only jobs of this user or account
    #[arg(long, value_name = "NAME", conflicts_with = "mine")]
    submitter: Vec<String>,
    /// Only your own jobs
    #[arg(long)]
    mine: bool,
    /// Only jobs of this group
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
    /// Only jobs that are for this group of users
    #[arg(long, value_name = "NAME")]
    team: Vec<String>,
    /// Only jobs of this name; * stands for anything
    #[arg(long, value_name = "NAME")]
    name: Vec<String>,
    /// Only jobs with this line of metadata
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Only jobs with this setting
    #[arg(long, value_name = "KEY=VALUE")]
    setting: Vec<String>,
    /// Only jobs that this rule of a known failure has marked
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// Only jobs that ended then or later: a time, a date (UTC) or how long ago, as 30d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only jobs that ended before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only jobs that were submitted then or later
    #[arg(long, value_name = "TIME")]
    submitted_since: Option<String>,
    /// Only jobs that were submitted before then
    #[arg(long, value_name = "TIME")]
    submitted_until: Option<String>,
    /// Ended jobs in this order: ended, verdict, name, device, metadata.KEY and so on; with a -
    /// before it the greatest first
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    sort: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// However many there are
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Go on where a page before ended, at its `next`
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    cursor: Option<String>,
}

impl Args {
    /// The address of the list, without a limit.
    fn query(&self) -> form_urlencoded::Serializer<'static, String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, values) in [
            ("verdict", &self.verdict),
            ("who", &self.who),
            ("cause", &self.cause),
            ("device", &self.device),
            ("device_type", &self.device_type),
            ("tag", &self.tag),
            ("submitter", &self.submitter),
            ("group", &self.group),
            ("team", &self.team),
            ("name", &self.name),
            ("metadata", &self.metadata),
            ("setting", &self.setting),
            ("rule", &self.rule),
        ] {
            query.extend_pairs(values.iter().map(|value| (name, value)));
        }
        for (name, value) in [
            ("since", &self.since),
            ("until", &self.until),
            ("submitted_since", &self.submitted_since),
            ("submitted_until", &self.submitted_until),
            ("sort", &self.sort),
        ] {
            query.extend_pairs(value.iter().map(|value| (name, value)));
        }
        query.extend_pairs(self.state.iter().map(|state| ("state", state.name())));
        if self.mine {
            query.append_pair("whose", "mine");
        }
        query
    }
}

pub(super) async fn run(args: &Args, client: &Client, json: bool) -> Result<u8, CliError> {
    let limit = if args.all { usize::MAX } else { args.limit.try_into().unwrap_or(usize::MAX) };
    let list = list(args, client, limit).await?;
    if json {
        output::print_json(&list.raw)?;
    } else {
        output::print(&render::jobs(&list.read, &TimeZone::system()))?;
    }
    Ok(0)
}

/// Pieces of the list one after the other, until there are enough.
async fn list(args: &Args, client: &Client, limit: usize) -> Result<Answer<JobList>, CliError> {
    let mut cursor = args.cursor.clone();
    let (mut raw, mut read) = (Vec::new(), JobList { jobs: Vec::new(), next: None });
    loop {
        let mut query = args.query();
        query.append_pair("limit", &(limit - read.jobs.len()).min(PIECE).to_string());
        query.extend_pairs(cursor.iter().map(|cursor| ("cursor", cursor)));
        let mut piece = client.get::<JobList>(&format!("/api/jobs?{}", query.finish())).await?;
        if let Value::Array(jobs) = piece.raw["jobs"].take() {
            raw.extend(jobs);
        }
        read.jobs.append(&mut piece.read.jobs);
        cursor = piece.read.next;
        if cursor.is_none() || read.jobs.len() >= limit {
            break;
        }
    }
    read.next = cursor;
    Ok(Answer { raw: json!({ "jobs": raw, "next": read.next }), read })
}

fn state(name: &str) -> Result<JobState, String> {
    let found = JobState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| format!("one of {}", JobState::ALL.map(JobState::name).join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn every_filter_has_a_flag_that_says_it() {
        let mut flags = vec!["jobs".to_owned(), "--sort=-name".to_owned()];
        for name in crate::model::filter_names() {
            let value = if name == "state" { "ended" } else { "a=b c" };
            flags.push(format!("--{}={value}", name.replace('_', "-")));
        }
        let query = Line::parse_from(flags).args.query().finish();
        for name in crate::model::filter_names().filter(|name| *name != "state") {
            assert!(
                query.split('&').any(|pair| pair == format!("{name}=a%3Db+c")),
                "{name}: {query}"
            );
        }
        assert!(query.contains("state=ended") && query.contains("sort=-name"), "{query}");
    }
}
