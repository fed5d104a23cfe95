//! What may be done with devices on their pages: forms, and what they send.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    device_pages::{DevicesView, device_url, devices_page},
    devices::{Put, SetHealth, WORDS, operator, put_device, put_health, view},
    errors::{PageError, WebError},
    form::{Field, Form, Takes, Wrong, names},
    guard::{About, Asks},
    layout::form_key,
    login,
    params::{NoParams, Params, Path},
    state::Web,
};
use crate::{
    config::{LONGEST_DEVICE_NAME, memory_mib},
    job_file::DEVICE_TYPE,
    model::{DeviceHealth, DeviceOrigin, DeviceStatus},
};

/// What may become of a device, the usual first: that is what the Enter key sends.
fn offers(status: &DeviceStatus) -> impl Iterator<Item = (DeviceHealth, &'static str)> {
    use DeviceHealth::{Bad, Good, Maintenance, Retired, Unknown};
    const CHECK: (DeviceHealth, &str) = (Unknown, "Check now");
    const MAINTAIN: (DeviceHealth, &str) = (Maintenance, "Put into maintenance");
    const RETURN: (DeviceHealth, &str) = (Good, "Return to service");
    const MARK_BAD: (DeviceHealth, &str) = (Bad, "Mark as bad");
    const RETIRE: (DeviceHealth, &str) = (Retired, "Retire");
    let offers: &[_] = match status.state.health {
        Good => &[MAINTAIN, CHECK, MARK_BAD, RETIRE],
        Unknown => &[CHECK, MAINTAIN, (Good, "Mark as good"), MARK_BAD, RETIRE],
        Bad => &[CHECK, MAINTAIN, RETURN, RETIRE],
        Maintenance | Retired => &[CHECK, RETURN, RETIRE],
    };
    let has_check = status.kind.health_check.is_some();
    // A check that was canceled may be asked for again.
    let is_idle = status.state.checking.is_none();
    let (now, offers) = (status.state.health, offers.iter().copied());
    offers.filter(move |(health, _)| match health {
        Unknown => has_check && (now != Unknown || is_idle),
        Good | Bad | Maintenance | Retired => *health != now,
    })
}

/// The form that leads back to `back`.
pub(super) fn health_form(status: &DeviceStatus, back: &str) -> Markup {
    let name = &status.device.name;
    html! {
        form method="post" action=(format!("{}/health", device_url(name))) autocomplete="off" {
            (form_key())
            input type="hidden" name="back" value=(back);
            label.reason { "Reason, shown to everybody"
                input name="why" required maxlength=(WORDS);
            }
            div.buttons {
                @for (health, words) in offers(status) {
                    button type="submit" name="health" value=(health) {
                        (words) span.unseen { " " (name) }
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct NewHealth {
    health: DeviceHealth,
    why: String,
    back: String,
}

/// `POST /devices/{name}/health`
pub(super) async fn set_health(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(NewHealth { health, why, back }): Form<NewHealth>,
) -> Result<Response, PageError> {
    let by = operator(&who)?;
    let about = put_health(&web, name, SetHealth { health, why }, by).await?;
    let mut response = Redirect::to(login::place(Some(&back))).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

/// What a browser is told of names and sizes. The last word has who reads them.
const NAME: &str = r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*";
const MEMORY: &str = r"[0-9]+([.][0-9]+)? ?[mMgGtT]([iI]?[bB])?";

/// A device as somebody has written it into the form, and why it comes back to them.
#[derive(Default)]
pub(super) struct Entry {
    written: NewDevice,
    wrong: Option<Wrong>,
}

pub(super) fn add_form(view: &DevicesView) -> Markup {
    let Entry { written, wrong } = &view.entry;
    let is_default = view.devices.iter().any(|one| one.origin == DeviceOrigin::Default);
    let lent = Some("what the box lends");
    html! {
        details open[wrong.is_some()] { summary { "Add a device" }
            @if is_default {
                p.hint { "The box itself is a device only as long as no other is named." }
            }
            form.entry method="post" action="/devices" autocomplete="off" {
                (form_key())
                @if let Some(wrong) = wrong { (wrong) }
                (Field {
                    required: true, longest: Some(LONGEST_DEVICE_NAME), takes: Takes::Names,
                    value: &written.name,
                    looks: Some((NAME, "letters, digits, _, - and ., and no . first")),
                    ..Field::new("device-name", "name", "Name")
                })
                label for="device-type" { "Type" }
                select #device-type name="device_type" {
                    @for (kind, _) in &view.types {
                        option value=(kind.name) selected[kind.name == written.device_type] { (kind.name) }
                    }
                }
                (Field {
                    takes: Takes::Names, value: &written.tags,
                    ..Field::new("device-tags", "tags", "Tags, with spaces or commas between")
                })
                (Field {
                    takes: Takes::Names, placeholder: lent, value: &written.memory,
                    looks: Some((MEMORY, "a number with its unit, as 2G or 512M")),
                    ..Field::new("device-memory", "memory", "Memory of the largest guest, as 2G or 512M")
                })
                (Field {
                    takes: Takes::Number { most: None }, placeholder: lent, value: &written.cores,
                    ..Field::new("device-cores", "cores", "Processors of the largest guest")
                })
                (Field {
                    takes: Takes::Number { most: None }, placeholder: lent,
                    value: &written.at_once,
                    ..Field::new("device-at-once", "at_once", "Guests at the same time")
                })
                (Field {
                    longest: Some(WORDS), value: &written.description,
                    ..Field::new("device-description", "description", "Description")
                })
                button type="submit" { "Add device" }
            }
        }
    }
}

/// As it is written: what of it does not do is said at the form.
#[derive(Deserialize)]
pub(super) struct NewDevice {
    name: String,
    device_type: String,
    tags: String,
    memory: String,
    cores: String,
    at_once: String,
    description: String,
}

impl Default for NewDevice {
    fn default() -> Self {
        let [name, tags, memory, cores, at_once, description] = Default::default();
        let device_type = DEVICE_TYPE.to_owned();
        Self { name, device_type, tags, memory, cores, at_once, description }
    }
}

impl NewDevice {
    fn read(&self) -> Result<Put, WebError> {
        Ok(Put {
            name: self.name.clone(),
            device_type: Some(self.device_type.clone()),
            tags: Some(names(&self.tags)),
            memory_mib: Some(optional("memory", &self.memory, memory_mib)?),
            cores: Some(optional("processors", &self.cores, FromStr::from_str)?),
            at_once: Some(optional("guests at the same time", &self.at_once, FromStr::from_str)?),
            description: Some(self.description.clone()),
        })
    }
}

/// A field of a form that may be left empty.
fn optional<T, E: Display>(
    what: &str,
    text: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, WebError> {
    let found = (!text.is_empty()).then(|| read(text)).transpose();
    found.map_err(|wrong| {
        let text: String = text.chars().take(80).collect();
        WebError::BadRequest(format!("{what}: {text:?}: {wrong}"))
    })
}

/// `POST /devices`: adds one. The API changes one that is there; who adds one does not mean that.
pub(super) async fn add(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    Form(written): Form<NewDevice>,
) -> Result<Response, PageError> {
    let by = operator(&who)?;
    match put_new(&web, &written, by).await {
        Ok(name) => {
            let mut response = Redirect::to("/devices").into_response();
            response.extensions_mut().insert(About(name));
            Ok(response)
        }
        Err(error) => {
            let wrong = Wrong::of(error)?;
            let entry = Entry { written, wrong: Some(wrong.clone()) };
            let view = DevicesView { entry, ..view(&web, &who).await? };
            Ok(wrong.answer(devices_page(&view)))
        }
    }
}

/// Adds it, and tells its name.
async fn put_new(web: &Web, written: &NewDevice, by: String) -> Result<String, WebError> {
    let put = written.read()?;
    let name = put.name.clone();
    if web.store.devices().await?.iter().any(|one| one.device.name == name) {
        return Err(WebError::Conflict(format!("there is a device {name} already")));
    }
    put_device(web, put, by).await?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Device, DeviceState, DeviceType, HealthCheck, JobId};

    #[test]
    fn what_is_offered_fits_the_health_and_whether_there_is_a_check() {
        use DeviceHealth::{Bad, Good, Maintenance, Retired, Unknown};
        let device = Device {
            name: "bench-1".into(),
            device_type: "board".into(),
            tags: [].into(),
            memory_mib: None,
            cores: None,
            at_once: None,
            description: String::new(),
        };
        let check = HealthCheck { job: "/check.yaml".into(), every: None, after_jobs: None };
        let cases: [(_, &[_], &[_], &[_]); 5] = [
            (
                Good,
                &[Maintenance, Bad, Retired],
                &[Maintenance, Unknown, Bad, Retired],
                &[Maintenance, Unknown, Bad, Retired],
            ),
            (
                Unknown,
                &[Maintenance, Good, Bad, Retired],
                &[Unknown, Maintenance, Good, Bad, Retired],
                &[Maintenance, Good, Bad, Retired],
            ),
            (
                Bad,
                &[Maintenance, Good, Retired],
                &[Unknown, Maintenance, Good, Retired],
                &[Unknown, Maintenance, Good, Retired],
            ),
            (Maintenance, &[Good, Retired], &[Unknown, Good, Retired], &[Unknown, Good, Retired]),
            (Retired, &[Good], &[Unknown, Good], &[Unknown, Good]),
        ];
        for (health, without, idle, checking) in cases {
            for (health_check, checking, want) in [
                (None, None, without),
                (Some(check.clone()), None, idle),
                (Some(check.clone()), Some(JobId(7)), checking),
            ] {
                let status = DeviceStatus {
                    device: device.clone(),
                    origin: DeviceOrigin::Command,
                    kind: DeviceType { health_check, ..DeviceType::plain("board") },
                    state: DeviceState {
                        health,
                        checking,
                        ..DeviceState::new("root", jiff::Timestamp::UNIX_EPOCH)
                    },
                };
                let offered: Vec<_> = offers(&status).map(|(health, _)| health).collect();
                assert_eq!(offered, want, "{health}");
            }
        }
    }
}
