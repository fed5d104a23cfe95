//! Failures as they are remembered, rules that recognise some of them, and groups of the rest.

use std::{fmt, str::FromStr, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Code, Job, JobId, Part, Verdict, Who};

/// A named reason for which jobs fail, and how to recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KnownRule {
    /// Small letters, digits and dashes.
    pub name: String,
    /// The account whose rule it is; they and the keeper of the box may change it.
    pub owner: String,
    #[serde(default)]
    pub notes: String,
    /// Address of the bug, http or https.
    pub bug: Option<String>,
    pub created: Touch,
    pub changed: Touch,
    /// One that is not matches nothing that ends from now on.
    pub enabled: bool,
    pub pattern: Pattern,
    pub retry: RuleRetry,
}

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Touch {
    pub at: Timestamp,
    pub by: String,
}

/// What a failure has to look like. Everything given must hold; what is not given may be anything.
///
/// Expressions are regular ones, found anywhere in a line. Names are patterns of a shell (`x*`), or
/// an expression between slashes (`/x[0-9]+/`), and have to fit from end to end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pattern {
    /// Any of these; none given is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// An expression in the words of the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// An expression in a line of the log or of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// An expression in a line of the end of the serial consoles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// A name or tag of a needle of the failed step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needle: Option<String>,
    /// The name of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The name of the device type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
}

/// What a rule says of trying its jobs again. What it leaves open is as the settings say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RuleRetry {
    /// Whether they are retried by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<bool>,
    /// How often a job is retried, its retries included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
    /// Seconds before the first retry; each further one waits twice as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_s: Option<u64>,
}

impl RuleRetry {
    pub fn backoff(&self) -> Option<Duration> {
        self.backoff_s.map(Duration::from_secs)
    }

    /// How its jobs are retried, in words; `span` says a time.
    pub fn words(&self, span: impl Fn(Duration) -> String) -> String {
        let automatic = match self.automatic {
            Some(true) => "by itself",
            Some(false) => "never by itself",
            None => "as set for all",
        };
        let most = self.most.map(|most| format!(", at most {most} times"));
        let backoff = self.backoff().map(|backoff| format!(", first after {}", span(backoff)));
        [Some(automatic.into()), most, backoff].into_iter().flatten().collect()
    }
}

/// A job that failed, as far as rules look at it. It is kept when the files of the job have gone,
/// so everything in it has a bound; together it is at most [`Failure::MOST_BYTES`] long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Failure {
    pub verdict: Verdict,
    pub who: Who,
    pub code: Code,
    pub words: String,
    pub part: Option<Part>,
    pub step: Option<FailedStep>,
    /// A result screen, relative to the job's folder.
    pub screen: Option<String>,
    /// What the cause shows, oldest first.
    pub evidence: Vec<String>,
    /// The last lines of the log, oldest first.
    pub log: Vec<String>,
    /// The last lines of the serial consoles, oldest first.
    pub serial: Vec<String>,
    pub job: String,
    pub device_type: String,
}

/// The step in which it failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailedStep {
    pub path: String,
    pub verb: String,
    pub subject: String,
    /// Names of the needles that were searched, nearest first.
    pub needles: Vec<String>,
    /// Their tags, and those asked for; sorted.
    pub tags: Vec<String>,
}

impl Failure {
    /// What all of it takes, at most.
    pub const MOST_BYTES: usize = 16 << 10;
    /// Of one line or name.
    const LINE: usize = 400;
    const NAMES: usize = 24;
    /// As long as a job file's tags and types may be.
    const NAME: usize = 200;
    /// Of all names of a kind.
    const NAMES_BYTES: usize = 1_200;
    const EVIDENCE: usize = 3 << 10;
    const LOG: usize = 4 << 10;
    const SERIAL: usize = 4 << 10;

    /// Cuts everything to its bound: long lines at their end, lists of lines at their beginning.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.words = cut(&self.words, Self::LINE);
        self.job = cut(&self.job, Self::LINE);
        self.device_type = cut(&self.device_type, Self::NAME);
        self.screen = self.screen.map(|name| cut(&name, Self::LINE / 2));
        self.evidence = last_lines(self.evidence, Self::EVIDENCE);
        self.log = last_lines(self.log, Self::LOG);
        self.serial = last_lines(self.serial, Self::SERIAL);
        self.step = self.step.map(|step| FailedStep {
            path: cut(&step.path, Self::LINE / 8),
            verb: cut(&step.verb, Self::LINE / 8),
            subject: cut(&step.subject, Self::LINE / 2),
            needles: names(step.needles),
            tags: names(step.tags),
        });
        self
    }

    /// Of an ended job, as far as its record goes; none when it has not failed.
    pub fn of_record(job: &Job) -> Option<Self> {
        let verdict = job.verdict.filter(|verdict| Self::is_one(*verdict))?;
        let cause = job.cause.as_ref()?;
        let failure = Self {
            verdict,
            who: cause.who,
            code: cause.code,
            words: cause.words.clone(),
            part: cause.place.part,
            step: None,
            screen: cause.evidence.screen.clone(),
            evidence: cause.evidence.lines.clone(),
            log: Vec::new(),
            serial: Vec::new(),
            job: job.name.clone(),
            device_type: job.device_type.clone(),
        };
        Some(failure.bounded())
    }

    /// Whether a job with this verdict has failed, so that it is worth asking why.
    pub const fn is_one(verdict: Verdict) -> bool {
        match verdict {
            Verdict::Failed | Verdict::Incomplete | Verdict::TimedOut | Verdict::TooSlow => true,
            Verdict::Passed | Verdict::Softfailed | Verdict::Canceled | Verdict::Skipped => false,
        }
    }
}

/// As many of the first names as fit, each cut.
fn names(names: Vec<String>) -> Vec<String> {
    let mut left = Failure::NAMES_BYTES;
    let cut = names.iter().take(Failure::NAMES).map(|name| cut(name, Failure::NAME));
    cut.take_while(|name| match left.checked_sub(name.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    })
    .collect()
}

/// As many of the last lines as fit, each cut.
fn last_lines(lines: Vec<String>, most: usize) -> Vec<String> {
    let mut left = most;
    let mut kept: Vec<_> = lines
        .iter()
        .rev()
        .map(|line| cut(line, Failure::LINE))
        .take_while(|line| {
            // A line costs more than its bytes, or there could be any number of empty ones.
            let fits = left.checked_sub(line.len() + 4);
            left = fits.unwrap_or(0);
            fits.is_some()
        })
        .collect();
    kept.reverse();
    kept
}

/// At most `most` bytes of a text, whole letters.
fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// What failures of one kind have in common, as a number: the same kind has the same on every box.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
pub struct Signature(pub u64);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signature is 16 hexadecimal digits")]
pub struct NotASignature;

impl FromStr for Signature {
    type Err = NotASignature;

    fn from_str(text: &str) -> Result<Self, NotASignature> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(NotASignature)
    }
}

impl TryFrom<String> for Signature {
    type Error = NotASignature;

    fn try_from(text: String) -> Result<Self, NotASignature> {
        text.parse()
    }
}

impl From<Signature> for String {
    fn from(signature: Signature) -> Self {
        signature.to_string()
    }
}

/// Unknown failures of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FailureGroup {
    pub signature: Signature,
    pub count: u64,
    /// When the first and the last of them ended.
    pub first: Timestamp,
    pub last: Timestamp,
    /// The last of them.
    pub sample: JobId,
}

/// A retry that is due at some time, and durable until it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PendingRetry {
    /// The job that failed.
    pub job: JobId,
    pub due: Timestamp,
    /// Name of the rule that wants it.
    pub rule: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn huge() -> Failure {
        let long = || "é".repeat(5_000);
        let many = || vec![long(); 500];
        Failure {
            verdict: Verdict::Failed,
            who: Who::Guest,
            code: Code::NoMatch,
            words: long(),
            part: Some(Part::Test),
            step: Some(FailedStep {
                path: long(),
                verb: long(),
                subject: long(),
                needles: many(),
                tags: many(),
            }),
            screen: Some(long()),
            evidence: many(),
            log: many(),
            serial: vec![String::new(); 100_000],
            job: long(),
            device_type: long(),
        }
    }

    #[test]
    fn whatever_a_guest_writes_a_failure_keeps_its_bound() {
        let bounded = huge().bounded();
        let bytes = serde_json::to_vec(&bounded).unwrap().len();
        assert!(bytes <= Failure::MOST_BYTES, "{bytes}");
        assert_eq!(bounded.clone().bounded(), bounded, "and loses nothing more");
    }

    #[test]
    fn of_lines_the_last_are_kept() {
        let lines: Vec<_> = (0..1_000).map(|n| format!("line {n}")).collect();
        let kept = Failure { log: lines, ..huge() }.bounded().log;
        assert_eq!(kept.last().map(String::as_str), Some("line 999"));
        assert!(kept.len() > 100 && kept[0] != "line 0", "{}", kept.len());
    }

    #[test]
    fn a_signature_reads_what_it_writes() {
        for number in [0, 1, u64::MAX] {
            assert_eq!(Signature(number).to_string().parse(), Ok(Signature(number)));
        }
        for bad in ["", "1", "+000000000000001", "00000000000000001", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(bad.parse::<Signature>(), Err(NotASignature), "{bad}");
        }
    }
}
