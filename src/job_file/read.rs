//! The whole file: from text to a [`Definition`], or to everything that is wrong with it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    config, decide,
    model::{
        After, Definition, JobId, Must, Part, Priority, Timeout, Timeouts, Visibility, spoken,
    },
};

use super::{
    Place, Problem, Problems,
    actions::{Actions, MOST_ACTIONS, TIMEOUT, within_job},
    form::{Bare, Block, Choice, Form, Key, Kind, Word, words},
    guest,
    node::{self, Node, Value, excerpt},
    reader::{Entry, FileUse, Report, Spot, TagUse},
    variables::{LONGEST_TEXT, VARIABLE, Variables, is_name},
};

/// Device type of a job that names none.
pub const DEVICE_TYPE: &str = "qemu-x86_64";
/// Who sees a job that does not say.
pub const VISIBILITY: Visibility = Visibility::Public;

const LONGEST_NAME: usize = 200;
const MOST_TAGS: usize = 50;
const MOST_ENTRIES: usize = 1_000;
/// Jobs that one may wait for.
const MOST_AFTER: usize = 50;

const PRIORITIES: [Choice<Priority>; 3] = [
    ("low", Priority::LOW, "0: after everybody else."),
    ("medium", Priority::MEDIUM, "50."),
    ("high", Priority::HIGH, "100: before everybody else."),
];
/// Whether everybody may see it.
const VISIBILITIES: [Choice<bool>; 2] = [
    ("public", true, "Everybody who may see this box."),
    ("personal", false, "Whoever submitted it."),
];
const MUSTS: [Choice<Must>; 2] = [
    ("pass", Must::Pass, "It must pass or softfail; if it ends otherwise, this job is skipped."),
    ("end", Must::End, "It must end, however it does."),
];
const MUST_WORDS: [Word; 2] = words(&MUSTS);
const JOB_NUMBER: Kind = Kind::Number { least: 1, most: u64::MAX };
const PRIORITY_WORDS: [Word; 3] = words(&PRIORITIES);
const VISIBILITY_WORDS: [Word; 2] = words(&VISIBILITIES);
const NAME: Kind = Kind::Name { longest: LONGEST_NAME };
const FOR_SHELLS: &str = "it is for shell tests, which this version does not run";
const NO_CONNECTIONS: &str = "it is for shell tests, which this version does not run";

/// The whole file.
pub(super) static JOB: Form = Form {
    doc: "A job file is one map with these keys. Two of them are needed, `job_name` and `actions`; \
          the rest has sensible defaults.",
    keys: &[
        Key::new(
            "job_name",
            Kind::Line { longest: LONGEST_NAME },
            "What the job is for, in one line. Pages and lists show it.",
        )
        .needed("a line that says what the job is for")
        .example("the installer asks the right questions"),
        Key::new(
            "device_type",
            NAME,
            "The kind of device to run on; `sutler device list` shows what this box has.",
        )
        .usual(DEVICE_TYPE)
        .example("qemu-x86_64"),
        Key::new(
            "priority",
            Kind::Either(
                &Kind::Words(&PRIORITY_WORDS),
                &Kind::Number { least: 0, most: 100 },
            ),
            "Jobs of a higher priority start first, among equals the older one. A job that waits gains \
             on all that come after it, so none waits for ever.",
        )
        .usual("medium"),
        Key::new(
            "tags",
            Kind::List { of: &NAME, least: 0, most: MOST_TAGS },
            "What the device must have. A job that asks for a tag no device has is refused.",
        )
        .usual("[]")
        .example("[uefi]"),
        Key::new(
            "visibility",
            Kind::Either(&Kind::Words(&VISIBILITY_WORDS), &Kind::Form(&GROUP)),
            "Who may see the job and its results. Its owner and the administrators always do.",
        )
        .usual("public"),
        Key::new("timeouts", Kind::Form(&TIMEOUTS), "How long things may take."),
        Key::new(
            "after",
            Kind::List {
                of: &Kind::Either(&JOB_NUMBER, &Kind::Form(&AFTER)),
                least: 0,
                most: MOST_AFTER,
            },
            "Jobs that must have passed before this one starts, by number. If one of them ends \
             otherwise, this one is skipped.",
        )
        .usual("[]")
        .example("[41, {job: 42, must: end}]")
        .ours(),
        Key::new(
            "metadata",
            Kind::Map { names: "", of: &Kind::Anything, least: 0, most: MOST_ENTRIES },
            "Anything you want to have with the job, such as a build number. It is shown and kept, \
             and changes nothing.",
        )
        .usual("{}")
        .example("{build: \"20230607\"}"),
        Key::new(
            "settings",
            Kind::Map {
                names: VARIABLE,
                of: &Kind::Text { longest: LONGEST_TEXT },
                least: 0,
                most: MOST_ENTRIES,
            },
            "Variables. `%NAME%` in paths, kernel command lines, tags and typed text becomes the \
             value; `%%` is a percent sign.",
        )
        .usual("{}")
        .example("{LANG_ROW: English}")
        .ours(),
        Key::new(
            "stream",
            Kind::Stream,
            "Where the results belong. Those in a private stream are seen by its person or its team \
             alone.",
        )
        .example("/public/team/installer/")
        .ours(),
        Key::new(
            "context",
            Kind::Form(&guest::CONTEXT),
            "LAVA's description of the machine. In a job of your own, `guest:` is clearer.",
        ),
        Key::new(
            "actions",
            Kind::List { of: &Kind::Form(&super::actions::ACTION), least: 1, most: MOST_ACTIONS },
            "What to do, from first to last: make images ready, boot, test.",
        )
        .needed("a list of deploy, boot and test"),
    ],
    refused: &[
        ("server", "this version keeps results on this box and sends them nowhere"),
        ("protocols", "this version runs jobs of one machine"),
        ("device", "ask for a device by its `tags:`"),
        ("worker", "every job runs on this box"),
    ],
    ignored: &[
        ("notify", "this version tells nobody when a job ends"),
        ("secrets", FOR_SHELLS),
        ("environment", FOR_SHELLS),
        ("reboot_to_fastboot", "there is no fastboot on a virtual machine"),
    ],
    ..Form::new("job", Block::Lava, "`job_name:` and `actions:`")
};

static GROUP: Form = Form {
    doc: "Groups that may see the job.",
    keys: &[Key::new(
        "group",
        Kind::OneOrMore { of: &NAME, most: usize::MAX },
        "One group or a list of them.",
    )
    .needed("the groups that may see the job")
    .example("[lab, qa]")],
    ..Form::new("visibility", Block::Ours, "{group: [names]}")
};

static AFTER: Form = Form {
    doc: "A job that must have ended.",
    keys: &[
        Key::new("job", JOB_NUMBER, "Its number on this box.")
            .needed("the number of a job")
            .example("42"),
        Key::new("must", Kind::Words(&MUST_WORDS), "What must become of it.").usual("pass"),
    ],
    ..Form::new("after", Block::Ours, "{job: 42, must: end}")
};

static TIMEOUTS: Form = Form {
    doc: "How long things may take. What is not done in time ends as `timed_out`, and says what took \
          so long.",
    keys: &[
        Key::new(
            "job",
            TIMEOUT,
            "The whole job, from its start to its end. An hour, or what the box has as its default \
             (`timeouts.job`).",
        )
            .usual("1h")
            .example("15m"),
        Key::new(
            "action",
            TIMEOUT,
            "Every action that has no `timeout` of its own. Ten minutes, or the job's time if that is \
             less, when it is not given; the box may have other defaults (`timeouts.action`).",
        )
        .example("{minutes: 5}"),
        Key::new(
            "actions",
            Kind::Form(&NAMED_TIMEOUTS),
            "Actions of a kind, also those that have a `timeout` of their own, as LAVA has it.",
        ),
        Key::new(
            "queue",
            TIMEOUT,
            "How long it may wait in the queue. A job that has not started by then never does. \
             Without it a job waits as long as it must, or as the box has it (`timeouts.queue`).",
        )
        .example("{hours: 12}"),
    ],
    ignored: &[
        ("connection", NO_CONNECTIONS),
        ("connections", NO_CONNECTIONS),
    ],
    ..Form::new("timeouts", Block::Lava, "{job: 1h, action: 10m}")
};

/// A kind of action, and what files may call it: our name, and LAVA's for the action that does it.
pub(super) struct Named {
    pub(super) part: Part,
    names: &'static [&'static str],
}

static NAMED: [Named; 3] = [
    Named { part: Part::Deploy, names: &["deploy", "deployimages"] },
    Named { part: Part::Boot, names: &["boot", "boot-image-retry", "boot-qemu-image"] },
    Named { part: Part::Test, names: &["test", "lava-test-retry", "lava-test-shell"] },
];

static NAMED_TIMEOUTS: Form = Form {
    doc: "Times by kind of action. LAVA's names of the actions that do the same are known, too; its \
          other actions have no likeness here.",
    keys: &[
        Key::new("deploy", TIMEOUT, "Every `deploy`."),
        Key::new("deployimages", TIMEOUT, "LAVA's name of `deploy`."),
        Key::new("boot", TIMEOUT, "Every `boot`."),
        Key::new("boot-image-retry", TIMEOUT, "LAVA's name of `boot`."),
        Key::new("boot-qemu-image", TIMEOUT, "LAVA's name of `boot`."),
        Key::new("test", TIMEOUT, "Every `test`."),
        Key::new("lava-test-retry", TIMEOUT, "LAVA's name of `test`."),
        Key::new("lava-test-shell", TIMEOUT, "LAVA's name of `test`."),
    ],
    ..Form::new("action-timeouts", Block::Lava, "{boot: 2m, test: 10m}")
};

/// How to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Unknown keys in LAVA's blocks are errors, too.
    pub strict: bool,
    /// What holds where the file does not say how long something may take.
    pub timeouts: config::Timeouts,
}

/// A job file that can be run.
#[derive(Debug, Clone)]
pub struct Read {
    pub definition: Definition,
    pub warnings: Vec<Problem>,
    pub(super) name: String,
    pub(super) text: Arc<str>,
    pub(super) files: Vec<FileUse>,
    pub(super) looks: Vec<TagUse>,
}

impl Read {
    /// The text it was read from.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// As [`read`], for bytes nobody has looked at.
pub fn read_bytes(bytes: &[u8], name: &str, options: Options) -> Result<Read, Box<Problems>> {
    if bytes.len() > node::MAX_TEXT {
        let found = format!("a file of {} bytes", bytes.len());
        let problem = Problem::new(Place::start(), "", found, "at most 1 MiB");
        return Err(Box::new(Problems::one(name, "", problem)));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text, name, options),
        Err(error) => {
            let text = String::from_utf8_lossy(bytes);
            let at = Place::at(&text, error.valid_up_to());
            let found = format!("the byte {:#04x}", bytes[error.valid_up_to()]);
            let problem = Problem::new(at, "", found, "text in UTF-8")
                .help("save the file as UTF-8, or convert it with `iconv -t UTF-8`");
            Err(Box::new(Problems::one(name, &text, problem)))
        }
    }
}

/// Reads `text`, which its author calls `name`; a name that ends in `.json` is held to JSON.
pub fn read(text: &str, name: &str, options: Options) -> Result<Read, Box<Problems>> {
    let node = node::parse(text, name.ends_with(".json"))
        .map_err(|problem| Box::new(Problems::one(name, shown(text), *problem)))?;
    let mut report =
        Report { strict: options.strict, timeouts: options.timeouts, ..Report::default() };
    let definition = definition(&mut report, &node);
    match definition {
        Some(definition) if report.errors.is_empty() => {
            let Report { warnings, files, looks, .. } = report;
            Ok(Read { definition, warnings, name: name.into(), text: text.into(), files, looks })
        }
        _ => {
            if report.errors.is_empty() {
                report.add(Problem::new(node.at, "", "a file we cannot read", "a job"));
            }
            let mut list = report.errors;
            list.extend(report.warnings);
            list.sort_by_key(|problem| problem.place.offset);
            let text: Arc<str> = text.into();
            Err(Box::new(Problems { name: name.into(), text, list, omitted: report.omitted }))
        }
    }
}

/// What is kept of a text that was refused for its size.
fn shown(text: &str) -> &str {
    if text.len() > node::MAX_TEXT { "" } else { text }
}

fn definition(report: &mut Report, node: &Node) -> Option<Definition> {
    let spot = Spot::root(node);
    let mut fields = spot.fields(report, &JOB)?;
    let name = fields.need(report, "job_name");
    let name = name.and_then(|spot| spot.line(report, LONGEST_NAME));
    let device_type = fields
        .take("device_type")
        .map_or_else(|| Some(DEVICE_TYPE.into()), |spot| spot.name(report, LONGEST_NAME));
    let priority =
        fields.take("priority").map_or(Some(Priority::MEDIUM), |spot| priority(report, &spot));
    let tags = fields.take("tags").map_or_else(|| Some(Vec::new()), |spot| tags(report, &spot));
    let visibility =
        fields.take("visibility").map_or(Some(VISIBILITY), |spot| visibility(report, &spot));
    let timeouts = match fields.take("timeouts") {
        Some(spot) => timeouts(report, &spot),
        None => Some(Timed::new(None, None, &report.timeouts)),
    };
    let metadata = fields.take("metadata").map(|spot| metadata(report, &spot));
    let settings = fields
        .take("settings")
        .map_or_else(|| Some(BTreeMap::new()), |spot| settings(report, &spot));
    let stream = match fields.take("stream") {
        Some(spot) => stream(report, &spot).map(Some),
        None => Some(None),
    };
    let after = fields.take("after").map_or_else(|| Some(Vec::new()), |spot| after(report, &spot));
    let asked = fields.take("context").map(|spot| guest::context(report, &spot));
    let actions = fields.need(report, "actions");
    fields.finish(report);
    // Without its settings or timeouts every action would be wrong as well.
    let (settings, timeouts) = (settings?, timeouts?);
    let mut variables = Variables::new(&settings);
    let actions =
        Actions::new(&mut variables, &timeouts, asked.unwrap_or_default()).read(report, &actions?);
    Some(Definition {
        name: name?,
        device_type: device_type?,
        priority: priority?,
        tags: tags?,
        visibility: visibility?,
        timeouts: timeouts.all,
        metadata: metadata.unwrap_or_default(),
        settings,
        stream: stream?,
        after: after?,
        actions: actions?,
    })
}

fn priority(report: &mut Report, spot: &Spot<'_>) -> Option<Priority> {
    let number = matches!(&spot.node.value, Value::Scalar { text, .. }
        if text.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
    if !number {
        return spot.choice(report, &PRIORITIES);
    }
    let number = spot.number(report, 0..=100)?;
    u8::try_from(number).ok().map(Priority)
}

fn tags(report: &mut Report, spot: &Spot<'_>) -> Option<Vec<String>> {
    let list = spot.list(report, "tags")?;
    if list.len() > MOST_TAGS {
        report.add(spot.problem(format!("at most {MOST_TAGS} tags")));
        return None;
    }
    let mut tags: Vec<_> = list.iter().filter_map(|spot| spot.name(report, LONGEST_NAME)).collect();
    let complete = tags.len() == list.len();
    let mut seen = std::collections::BTreeSet::new();
    tags.retain(|tag| seen.insert(tag.clone()));
    complete.then_some(tags)
}

fn after(report: &mut Report, spot: &Spot<'_>) -> Option<Vec<After>> {
    let list = spot.list(report, "jobs")?;
    if list.len() > MOST_AFTER {
        report.add(spot.problem(format!("at most {MOST_AFTER} jobs")));
        return None;
    }
    let mut found = Vec::new();
    for spot in &list {
        let Value::Map(_) = spot.node.value else {
            let job = spot.number(report, 1..=u64::MAX)?;
            found.push(After { job: JobId(job), must: Must::Pass });
            continue;
        };
        let mut fields = spot.fields(report, &AFTER)?;
        let job = fields.need(report, "job").and_then(|spot| spot.number(report, 1..=u64::MAX));
        let must = fields.take("must").map_or(Some(Must::Pass), |spot| spot.choice(report, &MUSTS));
        fields.finish(report);
        found.push(After { job: JobId(job?), must: must? });
    }
    Some(found)
}

fn visibility(report: &mut Report, spot: &Spot<'_>) -> Option<Visibility> {
    if !matches!(spot.node.value, Value::Map(_)) {
        let is_public = spot.choice(report, &VISIBILITIES)?;
        return Some(if is_public { Visibility::Public } else { Visibility::Personal });
    }
    let mut fields = spot.fields(report, &GROUP)?;
    let group = fields.need(report, "group");
    fields.finish(report);
    let group = group?;
    let names = match group.node.value {
        Value::List(_) => group.list(report, "groups")?,
        Value::Null | Value::Scalar { .. } | Value::Map(_) => vec![group.clone()],
    };
    let groups: Vec<_> = names.iter().filter_map(|spot| spot.name(report, LONGEST_NAME)).collect();
    if names.is_empty() {
        report.add(group.problem("at least one group"));
    }
    (groups.len() == names.len() && !groups.is_empty()).then_some(Visibility::Group(groups))
}

/// How long things may take, as the head of the file says.
pub(super) struct Timed {
    pub(super) all: Timeouts,
    /// What the file says of every action, if it does.
    pub(super) action: Option<Timeout>,
    /// What it says of those of a name.
    pub(super) named: Vec<(&'static Named, Timeout)>,
}

impl Timed {
    fn new(job: Option<Timeout>, action: Option<Timeout>, set: &config::Timeouts) -> Self {
        let job = decide::timeouts::job(job, set);
        let said = decide::timeouts::Said { all: action.as_ref(), ..Default::default() };
        let action_time = decide::timeouts::action(said, set, &job);
        let all = Timeouts { action: action_time, job, queue: set.queue };
        Self { all, action, named: Vec::new() }
    }
}

fn timeouts(report: &mut Report, spot: &Spot<'_>) -> Option<Timed> {
    let mut fields = spot.fields(report, &TIMEOUTS)?;
    let job = match fields.take("job") {
        Some(spot) => Some(at_most(report, &spot)?),
        None => None,
    };
    let (action, named) = (fields.take("action"), fields.take("actions"));
    let queue = fields.take("queue");
    fields.finish(report);
    let mut timed = Timed::new(job, None, &report.timeouts);
    let read = |report: &mut Report, spot: &Spot<'_>, job: &Timeout| {
        let timeout = spot.said_timeout(report, Bare::Refused)?;
        within_job(report, spot, timeout, job)
    };
    if let Some(spot) = action {
        let action = read(report, &spot, &timed.all.job)?;
        timed = Timed::new(Some(timed.all.job), Some(action), &report.timeouts);
    }
    if let Some(spot) = named {
        let mut fields = spot.fields(report, &NAMED_TIMEOUTS)?;
        for named in &NAMED {
            for name in named.names {
                if let Some(spot) = fields.take(name) {
                    timed.named.push((named, read(report, &spot, &timed.all.job)?));
                }
            }
        }
        fields.finish(report);
    }
    if let Some(spot) = queue {
        timed.all.queue = Some(spot.timeout(report, Bare::Refused)?);
    }
    Some(timed)
}

/// The time of a whole job, which the administrator bounds.
fn at_most(report: &mut Report, spot: &Spot<'_>) -> Option<Timeout> {
    let timeout = spot.said_timeout(report, Bare::Refused)?;
    let most = report.timeouts.most;
    if timeout.value <= most {
        return Some(timeout);
    }
    let expected = format!("at most {}", spoken(most));
    let problem = Problem::new(spot.place(), &spot.path, spoken(timeout.value), expected);
    report.add(problem.help("no job of this box may take longer: its setting `timeouts.most`"));
    None
}

/// Free: what is no text is kept as JSON.
fn metadata(report: &mut Report, spot: &Spot<'_>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for Entry { name, at, spot } in limited(report, spot).unwrap_or_default() {
        let text = match &spot.node.value {
            Value::Scalar { text, .. } => text.clone(),
            Value::Null => String::new(),
            Value::List(_) | Value::Map(_) => json(spot.node).to_string(),
        };
        if name.len() > LONGEST_NAME || text.len() > LONGEST_TEXT {
            let found = format!("{} bytes named `{}`", text.len(), excerpt(name));
            let expected = format!("at most {LONGEST_TEXT} bytes");
            report.add(Problem::new(at, spot.path, found, expected));
            continue;
        }
        found.insert(name.to_owned(), text);
    }
    found
}

fn settings(report: &mut Report, spot: &Spot<'_>) -> Option<BTreeMap<String, String>> {
    let all = limited(report, spot)?;
    let expected = all.len();
    let mut found = BTreeMap::new();
    for Entry { name, at, spot } in all {
        if !is_name(name) || name.len() > LONGEST_NAME {
            let found = format!("the setting `{}`", excerpt(name));
            let expected = "a name of letters, digits and `_`, as LANG_ROW";
            report.add(Problem::new(at, spot.path, found, expected));
            continue;
        }
        if let Some(text) = spot.text(report, LONGEST_TEXT) {
            found.insert(name.to_owned(), text);
        }
    }
    (found.len() == expected).then_some(found)
}

fn limited<'n>(report: &mut Report, spot: &Spot<'n>) -> Option<Vec<Entry<'n>>> {
    let mut entries = spot.entries(report, "names and values")?;
    if entries.len() > MOST_ENTRIES {
        report.add(spot.problem(format!("at most {MOST_ENTRIES} entries")));
        entries.truncate(MOST_ENTRIES);
    }
    Some(entries)
}

fn stream(report: &mut Report, spot: &Spot<'_>) -> Option<String> {
    let text = spot.line(report, LONGEST_NAME)?;
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    let inner = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    if inner.is_some_and(|inner| inner.split('/').all(part)) {
        return Some(text);
    }
    report.add(spot.problem("a stream, as /public/team/installer/"));
    None
}

fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Scalar { text, .. } => text.as_str().into(),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => {
            let key = |node: &Node| match &node.value {
                Value::Scalar { text, .. } => text.clone(),
                Value::Null | Value::List(_) | Value::Map(_) => node.describe(),
            };
            entries.iter().map(|(name, value)| (key(name), json(value))).collect()
        }
    }
}
