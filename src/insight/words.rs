//! What thresholds mean, in words: the same on the page, in the API and in a command.

use crate::{
    insight::Held,
    model::{LimitMode, LimitOrigin, Measure, Scope, Series},
};

/// A value with its unit, as short as it stays useful: `12 ms`, `4.2 s`, `2 m 14 s`, `12.5 %`.
pub fn amount(measure: Measure, value: f64) -> String {
    if measure.unit() == "%" {
        return format!("{} %", short(value));
    }
    match value {
        ..1_000.0 => format!("{} ms", short(value)),
        ..60_000.0 => format!("{} s", short(value / 1e3)),
        ..3_600_000.0 => parts(value / 1e3, 60.0, "m", "s"),
        ..86_400_000.0 => parts(value / 60e3, 60.0, "h", "m"),
        _ => parts(value / 3_600e3, 24.0, "d", "h"),
    }
}

/// At most one digit after the point, and none from 10 on.
fn short(value: f64) -> String {
    let text = if value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn parts(value: f64, each: f64, large: &str, small: &str) -> String {
    let whole = value.floor();
    format!("{:.0} {large} {:02.0} {small}", (whole / each).floor(), whole % each)
}

/// What is measured, as a heading.
pub const fn title(measure: Measure) -> &'static str {
    match measure {
        Measure::JobTime => "Time of the job",
        Measure::PartTime => "Time of a part",
        Measure::ModuleTime => "Time of a module",
        Measure::StepTime => "Time of a step",
        Measure::KeyToScreen => "From a key to the screen",
        Measure::FrameLag => "From an update to its frame",
        Measure::MatchTime => "A search for needles",
        Measure::GuestWait => "Guest kept waiting by the host",
    }
}

/// Where a limit comes from and what happens above it, in two sentences.
pub fn explained(held: &Held) -> String {
    format!("{} {}", origin(held), mode(held))
}

fn origin(held: &Held) -> String {
    let measure = held.series.measure;
    let Some((limit, origin)) = &held.threshold.limit else {
        let lacking = held.threshold.lacking_runs;
        let runs = if lacking == 1 { "run is" } else { "runs are" };
        return format!("No limit is learned yet: {lacking} more good {runs} needed.");
    };
    let limit = amount(measure, *limit);
    match origin {
        LimitOrigin::Set { by } => match &held.threshold.limit_set {
            Some((scope, _)) => format!("{by} has set {limit} for {}.", scope_words(scope)),
            None => format!("{by} has set {limit}."),
        },
        LimitOrigin::Learned { quantile, factor, runs, .. } => {
            let high = amount(measure, held.high.unwrap_or_default());
            let learned = format!(
                "{} times {high}, which a share of {} of {runs} good runs stayed within",
                short(*factor),
                quantile
            );
            let by = match &held.threshold.limit_set {
                Some((scope, by)) => {
                    format!("; {by} has set the factor for {}", scope_words(scope))
                }
                None => String::new(),
            };
            if held.threshold.is_at_floor {
                format!("{limit}, the least there is: {learned}, would be below it{by}.")
            } else {
                format!("{limit}: {learned}{by}.")
            }
        }
    }
}

fn mode(held: &Held) -> String {
    let what = match held.threshold.mode {
        LimitMode::Off => "It is switched off",
        LimitMode::Watch => "A job above it is said to be slow and goes on",
        LimitMode::Stop => "A job above it is stopped as too slow",
    };
    match &held.threshold.mode_set {
        Some((scope, by)) => format!("{what}, as {by} has set for {}.", scope_words(scope)),
        None => format!("{what}."),
    }
}

/// What a scope is of: `every job`, `job "installer", step "send_key ret"`.
pub fn scope_words(scope: &Scope) -> String {
    let names = [
        ("device type", &scope.device_type),
        ("job", &scope.job),
        (if scope.measure == Measure::PartTime { "part" } else { "module" }, &scope.module),
        ("step", &scope.step),
    ];
    let named = names.into_iter().filter_map(|(what, name)| Some((what, name.as_ref()?)));
    let words: Vec<_> = named.map(|(what, name)| format!("{what} {name:?}")).collect();
    if words.is_empty() { "every job".into() } else { words.join(", ") }
}

/// The command that would set the limit of a series, to be completed with what it should be.
pub fn command(series: &Series, rest: &str) -> String {
    let Series { job, measure, spot, .. } = series;
    let mut command =
        format!("sutler threshold set {} {rest} --job {}", measure.name(), shell(job));
    for (flag, name) in [("--module", &spot.module), ("--step", &spot.step)] {
        if !name.is_empty() {
            command += &format!(" {flag} {}", shell(name));
        }
    }
    command
}

/// One word for a shell, whatever is in it.
fn shell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.,:/@".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Spot;

    #[test]
    fn amounts_are_as_fine_as_they_are_short() {
        for (value, words) in [
            (0.0, "0 ms"),
            (4.26, "4.3 ms"),
            (999.4, "999 ms"),
            (4_260.0, "4.3 s"),
            (12_600.0, "13 s"),
            (134_000.0, "2 m 14 s"),
            (3_720_000.0, "1 h 02 m"),
            (90_000_000.0, "1 d 01 h"),
        ] {
            assert_eq!(amount(Measure::StepTime, value), words);
        }
        assert_eq!(amount(Measure::GuestWait, 12.6), "13 %");
        assert_eq!(amount(Measure::GuestWait, 2.5), "2.5 %");
    }

    #[test]
    fn a_command_holds_any_name_as_one_word() {
        let series = Series {
            job: "it's; rm -rf /".into(),
            device_type: "qemu-x86_64".into(),
            measure: Measure::StepTime,
            spot: Spot::of_step("country", "send_key", "ret"),
        };
        assert_eq!(
            command(&series, "--factor 2"),
            r"sutler threshold set step_time --factor 2 --job 'it'\''s; rm -rf /' --module country --step 'send_key ret'"
        );
        assert_eq!(shell("-x"), "'-x'");
    }

    #[test]
    fn a_scope_is_told_by_what_it_names() {
        let any = Scope::all(Measure::PartTime);
        assert_eq!(scope_words(&any), "every job");
        let part = Scope { job: Some("a\"b".into()), module: Some("boot".into()), ..any };
        assert_eq!(scope_words(&part), r#"job "a\"b", part "boot""#);
    }
}
