//! One step of a screen test: its short and its long form.

use std::time::Duration;

use crate::{
    decide,
    model::{Button, PowerAction, Step, TagQuery, Timeout},
};

use super::{
    Problem,
    form::Bare,
    keys::{key_names, valid_keys},
    node::Value,
    reader::{Entry, Fields, Report, Spot, TagUse, listed, nearest},
    variables::Variables,
    verbs::{
        BUTTONS, MOST_CHARACTERS, MOST_SIMILARITY_DB, MOST_TAGS, POWER_ACTIONS, verb, verb_names,
    },
};

/// How long `assert_screen` and `assert_and_click` wait when a step does not say.
pub const ASSERT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `check_screen` waits: not at all.
pub const CHECK_TIMEOUT: Duration = Duration::ZERO;
/// How long a screen stays unchanged to be still.
pub const STILL: Duration = Duration::from_secs(7);
/// How long `wait_still_screen` waits.
pub const STILL_TIMEOUT: Duration = Duration::from_secs(30);
/// How alike two screens are that count as unchanged, dB.
pub const SIMILARITY_DB: f64 = 47.0;
/// How long `wait_serial` waits.
pub const SERIAL_TIMEOUT: Duration = Duration::from_secs(90);
/// Between two characters of `type_string`.
pub const TYPE_INTERVAL: Duration = Duration::from_millis(30);

/// Compiled size of an expression, bytes.
const LARGEST_REGEX: usize = 1 << 20;

/// Reads the value of a verb, in its short or its long form.
pub(super) type Reader = fn(&mut Report, &Spot<'_>, &mut Variables<'_>) -> Option<Step>;

/// Reads the step here.
pub(super) fn read(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    match &spot.node.value {
        Value::Scalar { text, .. } => match text.as_str() {
            "save_screenshot" => Some(Step::SaveScreenshot),
            "wait_still_screen" => Some(still(report)),
            name => {
                let problem = spot.problem("a step, as `assert_screen: tag`");
                report.add(match verb(name) {
                    Some(_) => problem.help(format!("`{name}` needs a value: `{name}: …`")),
                    None => unknown_verb(problem, name),
                });
                None
            }
        },
        Value::Map(_) => {
            let mut entries = spot.entries(report, "one step")?;
            let Some(at) = entries.iter().position(|entry| verb(entry.name).is_some()) else {
                let name = entries.first().map(|entry| entry.name).unwrap_or_default();
                let expected = format!("a step: one of {}", listed(verb_names()));
                report.add(unknown_verb(spot.problem(expected), name));
                return None;
            };
            let Entry { name, spot: argument, .. } = entries.remove(at);
            let step = (verb(name)?.read)(report, &argument, variables);
            for Entry { name, at, spot } in entries {
                let found = format!("`{name}` beside the step");
                let problem = Problem::new(at, spot.path, found, "one step in each list item");
                report.add(problem.help("options are indented below the step's name"));
            }
            step
        }
        Value::Null | Value::List(_) => {
            report.add(spot.problem("a step, as `assert_screen: tag`"));
            None
        }
    }
}

fn unknown_verb(problem: Problem, verb: &str) -> Problem {
    let meant = match verb {
        "assert_and_dclick" => Some("write `assert_and_click: {tags: …, double: true}`".into()),
        "type_password" => Some("write `type_string: {text: …, secret: true}`".into()),
        "sleep" | "wait" => Some("wait for what comes next with `assert_screen`".into()),
        verb => nearest(verb, verb_names()),
    };
    match meant {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// The long form of a verb's value, if that is how it is written.
fn long<'n>(report: &mut Report, spot: &Spot<'n>, name: &str) -> Option<Fields<'n>> {
    let form = &verb(name).expect("every reader is a verb's").form;
    matches!(spot.node.value, Value::Map(_)).then(|| spot.fields(report, form))?
}

/// An argument that may be written without its name.
fn argument<'n>(
    report: &mut Report,
    spot: &Spot<'n>,
    fields: &mut Option<Fields<'n>>,
    name: &'static str,
) -> Option<Spot<'n>> {
    match fields {
        Some(fields) => fields.need(report, name),
        None => Some(spot.clone()),
    }
}

fn finish(report: &mut Report, fields: Option<Fields<'_>>) {
    if let Some(fields) = fields {
        fields.finish(report);
    }
}

fn timeout(report: &mut Report, fields: &mut Option<Fields<'_>>, usual: Duration) -> Timeout {
    let spot = fields.as_mut().and_then(|fields| fields.take("timeout"));
    let said = spot.and_then(|spot| Some(spot.said(spot.duration(report, Bare::Seconds)?)));
    // What looks once is not made to wait because others are.
    if usual.is_zero() {
        return said.unwrap_or_else(|| Timeout::built_in(usual));
    }
    decide::timeouts::step(said, &report.timeouts, usual)
}

pub(super) fn assert_screen(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let (tags, timeout) = look(report, spot, variables, "assert_screen", ASSERT_TIMEOUT)?;
    Some(Step::AssertScreen { tags, timeout })
}

pub(super) fn check_screen(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let (tags, timeout) = look(report, spot, variables, "check_screen", CHECK_TIMEOUT)?;
    Some(Step::CheckScreen { tags, timeout })
}

fn look(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
    verb: &str,
    usual: Duration,
) -> Option<(TagQuery, Timeout)> {
    let mut fields = long(report, spot, verb);
    let wanted = argument(report, spot, &mut fields, "tags");
    let tags = wanted.and_then(|wanted| tags(report, &wanted, variables));
    let timeout = timeout(report, &mut fields, usual);
    finish(report, fields);
    Some((tags?, timeout))
}

/// Text: all of its words. A list: any of its entries.
fn tags(report: &mut Report, spot: &Spot<'_>, variables: &mut Variables<'_>) -> Option<TagQuery> {
    let groups = match &spot.node.value {
        Value::List(_) => spot.list(report, "tags")?,
        Value::Null | Value::Scalar { .. } | Value::Map(_) => vec![spot.clone()],
    };
    if groups.is_empty() || groups.len() > MOST_TAGS {
        report.add(spot.problem(format!("1 to {MOST_TAGS} tags")));
        return None;
    }
    let mut query = Vec::with_capacity(groups.len());
    for group in &groups {
        let words = variables.line(report, group);
        query.extend(words.map(|words| TagQuery::all_of(&words).0).unwrap_or_default());
    }
    if query.len() < groups.len() {
        return None;
    }
    let tags = TagQuery(query);
    let path = spot.path.clone();
    report.looks.push(TagUse { place: spot.place(), path, tags: tags.clone(), needles: None });
    Some(tags)
}

pub(super) fn assert_and_click(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let mut fields = long(report, spot, "assert_and_click");
    let wanted = argument(report, spot, &mut fields, "tags");
    let tags = wanted.and_then(|wanted| tags(report, &wanted, variables));
    let timeout = timeout(report, &mut fields, ASSERT_TIMEOUT);
    let mut option = |name| fields.as_mut().and_then(|fields| fields.take(name));
    let (button, double, point) = (option("button"), option("double"), option("point"));
    let button = button.map_or(Some(Button::Left), |spot| spot.choice(report, &BUTTONS));
    let double = double.map_or(Some(false), |spot| spot.switch(report));
    let point = match point {
        Some(spot) => Some(variables.line(report, &spot)?),
        None => None,
    };
    finish(report, fields);
    Some(Step::AssertAndClick { tags: tags?, timeout, button: button?, double: double?, point })
}

pub(super) fn send_key(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let mut fields = long(report, spot, "send_key");
    let wanted = argument(report, spot, &mut fields, "keys");
    finish(report, fields);
    let wanted = wanted?;
    if matches!(wanted.node.value, Value::List(_)) {
        let problem = wanted.problem("one key or several held together, as ctrl-alt-f2");
        report.add(problem.help("write one `send_key` for each"));
        return None;
    }
    // A space is a key, so that `line` would refuse too much.
    let keys = variables.text(report, &wanted)?;
    match valid_keys(&keys) {
        Ok(()) => Some(Step::SendKey { keys }),
        Err(unknown) => {
            let expected = "a key as ret, esc, tab, f2, a, ctrl-alt-delete";
            let last = keys.rsplit('-').next().unwrap_or_default();
            let mut problem = Problem::new(wanted.place(), wanted.path, unknown, expected);
            problem.help = match last {
                "enter" | "return" => Some("did you mean `ret`?".into()),
                "space" => Some("did you mean `spc`?".into()),
                "escape" => Some("did you mean `esc`?".into()),
                last => nearest(last, key_names()),
            };
            report.add(problem);
            None
        }
    }
}

pub(super) fn type_string(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let mut fields = long(report, spot, "type_string");
    let wanted = argument(report, spot, &mut fields, "text");
    let mut option = |name| fields.as_mut().and_then(|fields| fields.take(name));
    let (secret, interval) = (option("secret"), option("interval"));
    let secret = secret.map_or(Some(false), |spot| spot.switch(report));
    let interval =
        interval.map_or(Some(TYPE_INTERVAL), |spot| spot.duration(report, Bare::Refused));
    finish(report, fields);
    let wanted = wanted?;
    let text = variables.text(report, &wanted)?;
    let typed = |char: char| matches!(char, ' '..='~' | '\n' | '\t');
    if let Some(char) = text.chars().find(|char| !typed(*char)) {
        let found = format!("the character {char:?}");
        let expected = "characters of a US keyboard, \\n and \\t";
        report.add(Problem::new(wanted.place(), wanted.path, found, expected));
        return None;
    }
    if text.is_empty() || text.len() > MOST_CHARACTERS {
        let expected = format!("1 to {MOST_CHARACTERS} characters");
        let found = format!("{} characters", text.len());
        report.add(Problem::new(wanted.place(), wanted.path, found, expected));
        return None;
    }
    Some(Step::TypeString { text, secret: secret?, interval: interval? })
}

/// As usual.
fn still(report: &Report) -> Step {
    let timeout = still_timeout(None, STILL, report);
    Step::WaitStillScreen { still: STILL, timeout, similarity_db: SIMILARITY_DB }
}

/// What nobody has said for this step is at least as long as the stillness it waits for.
fn still_timeout(said: Option<Timeout>, still: Duration, report: &Report) -> Timeout {
    let is_said = said.is_some();
    let timeout = decide::timeouts::step(said, &report.timeouts, STILL_TIMEOUT);
    if is_said || timeout.value >= still || STILL_TIMEOUT < still {
        return timeout;
    }
    Timeout::built_in(STILL_TIMEOUT)
}

pub(super) fn wait_still_screen(
    report: &mut Report,
    spot: &Spot<'_>,
    _: &mut Variables<'_>,
) -> Option<Step> {
    if matches!(spot.node.value, Value::Null) {
        return Some(still(report));
    }
    let mut fields = long(report, spot, "wait_still_screen");
    let mut option = |name| fields.as_mut().and_then(|fields| fields.take(name));
    let (stilltime, limit) = (option("stilltime"), option("timeout"));
    let similarity = option("similarity");
    let stilltime = if fields.is_some() { stilltime } else { Some(spot.clone()) };
    finish(report, fields);
    let still = match &stilltime {
        Some(spot) => spot.timeout(report, Bare::Seconds),
        None => Some(STILL),
    };
    let said = match &limit {
        Some(spot) => Some(spot.said_timeout(report, Bare::Seconds)?),
        None => None,
    };
    let similarity_db =
        similarity.map_or(Some(SIMILARITY_DB), |spot| spot.real(report, 0.0..=MOST_SIMILARITY_DB));
    let still = still?;
    let timeout = still_timeout(said, still, report);
    if still > timeout.value {
        let spot = limit.or(stilltime).unwrap_or_else(|| spot.clone());
        let found =
            format!("{} s of stillness in {} s", still.as_secs_f64(), timeout.value.as_secs_f64());
        let expected = "a timeout not below stilltime";
        report.add(Problem::new(spot.place(), spot.path, found, expected));
        return None;
    }
    Some(Step::WaitStillScreen { still, timeout, similarity_db: similarity_db? })
}

pub(super) fn wait_serial(
    report: &mut Report,
    spot: &Spot<'_>,
    variables: &mut Variables<'_>,
) -> Option<Step> {
    let mut fields = long(report, spot, "wait_serial");
    let wanted = argument(report, spot, &mut fields, "regex");
    let timeout = timeout(report, &mut fields, SERIAL_TIMEOUT);
    finish(report, fields);
    let wanted = wanted?;
    let regex = variables.text(report, &wanted)?;
    match regex::RegexBuilder::new(&regex).size_limit(LARGEST_REGEX).build() {
        Ok(_) if !regex.is_empty() => Some(Step::WaitSerial { regex, timeout }),
        Ok(_) => {
            report.add(wanted.problem("a regular expression, not empty"));
            None
        }
        Err(error) => {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let problem = wanted.problem(format!("a regular expression ({why})"));
            report.add(
                if regex.contains("(?=") || regex.contains("(?!") || regex.contains("(?<") {
                    problem.help("look-around is not supported")
                } else {
                    problem
                },
            );
            None
        }
    }
}

pub(super) fn save_screenshot(
    report: &mut Report,
    spot: &Spot<'_>,
    _: &mut Variables<'_>,
) -> Option<Step> {
    match (&spot.node.value, long(report, spot, "save_screenshot")) {
        (Value::Null, _) => {}
        (_, Some(fields)) => fields.finish(report),
        (Value::Scalar { .. } | Value::List(_) | Value::Map(_), None) => {
            report.add(spot.problem("nothing, or {}"));
        }
    }
    Some(Step::SaveScreenshot)
}

pub(super) fn power(report: &mut Report, spot: &Spot<'_>, _: &mut Variables<'_>) -> Option<Step> {
    let mut fields = long(report, spot, "power");
    let wanted = argument(report, spot, &mut fields, "action");
    finish(report, fields);
    let wanted = wanted?;
    // Programs that write YAML or JSON make `false` of a plain `off`.
    if matches!(&wanted.node.value, Value::Scalar { text, plain: true } if text == "false") {
        return Some(Step::Power { action: PowerAction::Off });
    }
    wanted.choice(report, &POWER_ACTIONS).map(|action| Step::Power { action })
}
