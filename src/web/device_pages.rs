//! Devices as pages.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    device_forms::{Entry, add_form, health_form},
    devices::LINES,
    layout::{self, Frame, Tab, job_url},
};
use crate::{
    markup::{Moment, device_badge as badge, size, words},
    model::{DeviceEvent, DeviceHealth, DeviceOrigin, DeviceStatus, DeviceType, JobId, spoken},
    proto::query,
};

pub(super) struct DevicesView {
    /// Whether whoever looks may change devices.
    pub may_change: bool,
    pub devices: Vec<DeviceStatus>,
    /// Jobs that run, by device.
    pub running: BTreeMap<String, Vec<JobId>>,
    pub types: Vec<(DeviceType, DeviceOrigin)>,
    /// What stands in the form for another one.
    pub entry: Entry,
    pub moment: Moment,
}

pub(super) struct DeviceView {
    /// Whether whoever looks may change devices.
    pub may_change: bool,
    pub status: DeviceStatus,
    pub running: Vec<JobId>,
    /// Newest first.
    pub log: Vec<DeviceEvent>,
    pub moment: Moment,
}

pub(super) fn devices_page(view: &DevicesView) -> Markup {
    let moment = &view.moment;
    let content = html! {
        header.head {
            h1 { "Devices" }
            p.hint { (words::count(view.devices.len() as u64, "device")) " to run jobs on" }
        }
        table.jobs {
            thead { tr {
                th scope="col" { "Health" } th scope="col" { "Device" }
                th scope="col" { "Type" } th scope="col" { "Tags" }
                th scope="col" { "Guests" } th scope="col" { "Last used" }
                th scope="col" { "Runs" }
            } }
            tbody { @for one in &view.devices {
                tr {
                    td { (badge(one.state.health)) }
                    td.main {
                        a.job href=(device_url(&one.device.name)) { (one.device.name) }
                        @if one.state.health != DeviceHealth::Good {
                            p.hint { bdi { (words::shorten(&one.state.why, 200)) } }
                        }
                    }
                    td data-label="Type" { code { (one.device.device_type) } }
                    td data-label="Tags" { (tags(one)) }
                    td data-label="Guests" { (limits(one)) }
                    td data-label="Last used" { (last(one.state.last_used, moment)) }
                    td data-label="Runs" {
                        (jobs(view.running.get(&one.device.name).map_or(&[], Vec::as_slice)))
                    }
                }
                @if view.may_change {
                    tr.change { td colspan="7" {
                        details {
                            summary { "Change " (one.device.name) }
                            (health_form(one, "/devices"))
                        }
                    } }
                }
            } }
        }
        section { h2 { "Device types" }
            table.jobs {
                thead { tr {
                    th scope="col" { "Type" } th scope="col" { "Architecture" }
                    th scope="col" { "Health check" }
                } }
                tbody { @for (kind, _) in &view.types { tr {
                    td.main { code { (kind.name) }
                        @if !kind.description.is_empty() { p.hint { bdi { (kind.description) } } }
                    }
                    td data-label="Architecture" { (kind.architecture.name()) }
                    td data-label="Health check" { (check(kind)) }
                } } }
            }
        }
        @if view.may_change { (add_form(view)) }
        p.hint {
            "Devices are named in the devices file, here, or with " code { "sutler device" } "; "
            a href="/handbook/devices" { "the handbook" } " says how."
        }
    };
    layout::page(&Frame::new("Devices", Tab::Devices), &content)
}

pub(super) fn device_page(view: &DeviceView) -> Markup {
    let DeviceView { may_change, status, running, log, moment } = view;
    let DeviceStatus { device, origin, kind, state } = status;
    let content = html! {
        (layout::crumbs(&html! { a href="/devices" { "Devices" } " / " (device.name) }))
        header.head { h1 { (badge(state.health)) " " (device.name) }
            p { bdi { (state.why) } span.hint { ", said by " bdi { (state.by) } " "
                (moment.ago(state.since)) } }
        }
        dl.facts {
            div { dt { "Type" }
                dd { code { (device.device_type) } ", " (kind.architecture.name()) } }
            div { dt { "Tags" } dd { (tags(status)) } }
            div { dt { "Guests" } dd { (limits(status)) } }
            div { dt { "Named by" } dd { (named_by(*origin)) } }
            div { dt { "Last used" } dd { (last(state.last_used, moment)) } }
            div { dt { "Health check" } dd { (check(kind))
                @if let Some(at) = state.last_check { ", last " (moment.ago(at)) }
                @if let Some(job) = state.checking { ", " a href=(job_url(job)) { "job " (job) }
                    " is at it" }
            } }
            div { dt { "Runs" } dd { (jobs(running)) } }
            @if !device.description.is_empty() {
                div { dt { "Description" } dd { bdi { (device.description) } } }
            }
        }
        @if *may_change {
            section.change { h2 { "Change it" }
                (health_form(status, &device_url(&device.name)))
            }
        }
        section { h2 { "What has happened to it" }
            table.jobs {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Then" }
                    th scope="col" { "What" } th scope="col" { "By" }
                } }
                tbody { @for line in log { tr {
                    td { (moment.ago(line.at)) }
                    td data-label="Then" { (badge(line.health)) }
                    td.main { bdi { (line.words) } }
                    td data-label="By" { bdi { (line.by) } }
                } } }
            }
            @if log.len() == LINES && let Some(oldest) = log.last() {
                nav.paging aria-label="Pages" {
                    @let before = oldest.at.to_string();
                    a rel="next" href=(query::address(&device_url(&device.name),
                        &[("before", Some(before.as_str()))])) { "Older →" }
                }
            }
        }
    };
    layout::page(&Frame::new(&device.name, Tab::Devices), &content)
}

pub(super) fn device_url(name: &str) -> String {
    // A device's name needs no quoting.
    format!("/devices/{name}")
}

fn tags(status: &DeviceStatus) -> Markup {
    html! {
        @for (at, tag) in status.device.tags.iter().enumerate() {
            @if at > 0 { ", " }
            code { (tag) }
        }
        @if status.device.tags.is_empty() { span.hint { "none" } }
    }
}

fn limits(status: &DeviceStatus) -> Markup {
    let device = &status.device;
    html! {
        @match device.at_once {
            Some(1) => "one at a time",
            Some(at_once) => { (at_once) " at a time" },
            None => "as many as the box lends",
        }
        @if let Some(mib) = device.memory_mib { ", up to " (size(u64::from(mib) << 20)) }
        @if let Some(cores) = device.cores { ", up to " (words::count(cores.into(), "core")) }
    }
}

fn named_by(origin: DeviceOrigin) -> &'static str {
    match origin {
        DeviceOrigin::File => "the devices file",
        DeviceOrigin::Command => "an operator",
        DeviceOrigin::Default => "nobody: it is the box itself",
    }
}

fn last(at: Option<jiff::Timestamp>, moment: &Moment) -> Markup {
    html! { @match at { Some(at) => (moment.ago(at)), None => span.hint { "never" } } }
}

fn jobs(running: &[JobId]) -> Markup {
    html! {
        @for (at, job) in running.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(job_url(*job)) { (job) }
        }
        @if running.is_empty() { span.hint { "nothing" } }
    }
}

fn check(kind: &DeviceType) -> Markup {
    html! {
        @match &kind.health_check {
            None => span.hint { "none" },
            Some(check) => {
                code { (check.job.display()) }
                @if let Some(every) = check.every { ", every " (spoken(every)) }
                @if let Some(jobs) = check.after_jobs { ", after " (words::count(jobs.into(), "job")) }
            }
        }
    }
}
