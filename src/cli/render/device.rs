//! Devices.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use super::words::{clean, columns, size, time};
use crate::{
    cli::answers::{Device, DeviceKind, DeviceLine},
    markup::words::count,
    model::spoken,
};

pub(in crate::cli) fn devices(devices: &[Device], zone: &TimeZone) -> String {
    let rows = devices.iter().map(|one| {
        let runs = one.running.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        [
            one.name.clone(),
            one.health.to_string(),
            one.device_type.clone(),
            one.tags.join(","),
            limits(one),
            last(one.last_used, zone),
            runs,
        ]
    });
    columns(["DEVICE", "HEALTH", "TYPE", "TAGS", "GUESTS", "LAST USED", "RUNS"], rows)
}

pub(in crate::cli) fn device(one: &Device, zone: &TimeZone) -> String {
    let mut text = format!("{} is {}\n", one.name, one.health);
    let why = format!("{}, said by {}, {}", clean(&one.why), clean(&one.by), time(one.since, zone));
    let checked = match (one.last_check, one.checking) {
        (_, Some(job)) => format!("job {job} is at it"),
        (Some(at), None) => format!("{}, {} jobs ago", time(at, zone), one.jobs_since_check),
        (None, None) => "never".into(),
    };
    let runs = one.running.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    for (fact, words) in [
        ("why", why),
        ("type", format!("{}, {}", one.device_type, one.architecture)),
        ("tags", one.tags.join(", ")),
        ("guests", limits(one)),
        ("named by", one.origin.clone()),
        ("last used", last(one.last_used, zone)),
        ("checked", checked),
        ("runs", runs),
        ("description", clean(&one.description)),
    ] {
        if !words.is_empty() {
            text += &format!("  {fact:<12}{words}\n");
        }
    }
    text
}

pub(in crate::cli) fn device_log(lines: &[DeviceLine], zone: &TimeZone) -> String {
    let rows = lines.iter().map(|line| {
        let (by, words) = (clean(&line.by), clean(&line.words));
        [time(line.at, zone), line.health.to_string(), by, words]
    });
    columns(["WHEN", "THEN", "BY", "WHAT"], rows)
}

pub(in crate::cli) fn device_types(kinds: &[DeviceKind]) -> String {
    let rows = kinds.iter().map(|kind| {
        let check = match &kind.health_check {
            None => "none".to_owned(),
            Some(check) => {
                let every =
                    check.every_s.map(|s| format!(", every {}", spoken(Duration::from_secs(s))));
                let jobs =
                    check.after_jobs.map(|jobs| format!(", after {}", count(jobs.into(), "job")));
                clean(&check.job) + &every.unwrap_or_default() + &jobs.unwrap_or_default()
            }
        };
        let described = clean(&kind.description);
        [kind.name.clone(), kind.architecture.clone(), kind.origin.clone(), check, described]
    });
    columns(["TYPE", "ARCHITECTURE", "NAMED BY", "HEALTH CHECK", "DESCRIPTION"], rows)
}

fn limits(one: &Device) -> String {
    let at_once = one
        .at_once
        .map_or_else(|| "as many as the box lends".into(), |at_once| at_once.to_string());
    let memory = one.memory_mib.map(|mib| format!(", {}", size(u64::from(mib) << 20)));
    let cores = one.cores.map(|cores| format!(", {}", count(cores.into(), "core")));
    at_once + &memory.unwrap_or_default() + &cores.unwrap_or_default()
}

fn last(at: Option<Timestamp>, zone: &TimeZone) -> String {
    at.map_or_else(|| "never".into(), |at| time(at, zone))
}
