//! The flags that say which jobs are meant, as the API's lists take them.

use crate::model::JobState;

#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Only jobs in this state
    #[arg(long, value_parser = state, value_name = "STATE")]
    pub(super) state: Vec<JobState>,
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
}

impl Filter {
    /// As the address of a list has it.
    pub(super) fn query(&self) -> form_urlencoded::Serializer<'static, String> {
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
        filter: Filter,
    }

    #[test]
    fn every_filter_has_a_flag_that_says_it() {
        let mut flags = vec!["jobs".to_owned()];
        for name in crate::model::filter_names() {
            let value = if name == "state" { "ended" } else { "a=b c" };
            flags.push(format!("--{}={value}", name.replace('_', "-")));
        }
        let query = Line::parse_from(flags).filter.query().finish();
        for name in crate::model::filter_names().filter(|name| *name != "state") {
            assert!(
                query.split('&').any(|pair| pair == format!("{name}=a%3Db+c")),
                "{name}: {query}"
            );
        }
        assert!(query.contains("state=ended"), "{query}");
    }
}
