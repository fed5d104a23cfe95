//! What every request must pass and every answer carries: known host, a name or none, a form that
//! is ours, strict headers, and a note of what was done.
//!
//! ```text
//! Access (by which door) -> Identity (who asks) -> may they look at all -> handler -> deed
//! ```
//!
//! A stream goes on after its request: it ends when whoever asked for it has logged out, or may do
//! something else than they could.
//!
//! A browser sends its cookie with whatever another page makes it send. So what a session changes
//! must come from a page of ours: the browser says so (`Sec-Fetch-Site`, or `Origin`), and the
//! request carries the session's form key, which no other page can read. A token is sent only by
//! whoever has it and needs neither.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequestParts, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use futures_util::StreamExt;

use super::{
    errors::{PageError, Problem, WebError},
    hosts::check_host,
    layout::{self, Viewer},
    login,
    state::{Submitted, Web},
};
use crate::{
    decide::access::{Act, Denied, may},
    model::{Door, Identity, Role},
    people::{Proof, SUBMIT},
    secrets::Key,
};

/// By which door a request came; each listener sets its own as an extension. A request without one
/// is treated as the least trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// TCP: anybody, guests of this box among them.
    Page,
    /// The Unix socket: the kernel says who it is.
    Socket { uid: u32, name: String },
}

/// Who asks. Every handler that shows or changes something takes it.
#[derive(Debug, Clone)]
pub(super) struct Asks(pub Identity);

impl<S: Send + Sync> FromRequestParts<S> for Asks {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, PageError> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or(PageError(WebError::Denied(Denied::Unnamed)))
    }
}

/// The key of the session a request came with, for the pages that are about it.
#[derive(Debug, Clone)]
pub(super) struct SessionKey(pub Option<Key>);

impl<S: Send + Sync> FromRequestParts<S> for SessionKey {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or(Self(None)))
    }
}

/// What an answer was about, for the note of it. Where a handler says nothing, it is what the address
/// names.
#[derive(Debug, Clone)]
pub(super) struct About(pub String);

/// Why it was refused, for the same.
#[derive(Debug, Clone)]
pub(super) struct Failed(pub String);

/// Nothing was done but to look, or it is noted already.
#[derive(Debug, Clone, Copy)]
pub(super) struct NothingToNote;

/// The answer about a job that was taken in, which may have been noted by whoever took it in.
pub(super) fn of_submitted(mut response: Response, job: &Submitted) -> Response {
    response.extensions_mut().insert(About(job.id.to_string()));
    if job.noted {
        response.extensions_mut().insert(NothingToNote);
    }
    response
}

/// Set on every answer that has none of its own. Everything a page needs comes from here, nothing
/// in a page is a script or a style, and nobody may frame it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'; object-src 'none'";
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-cache"),
];

/// What programs that have a session send its form key in.
pub(super) const FORM_KEY: HeaderName = HeaderName::from_static("x-sutler-form");
/// What the form key of a session is made for.
const FORM: &str = "form";

/// Lets a request through, or answers it.
pub(super) async fn guard(
    State(web): State<Arc<Web>>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = request.extensions().get().cloned().unwrap_or(Access::Page);
    let is_api = request.uri().path().starts_with("/api");
    let guests = *web.about.acceleration.borrow();
    let refused = |error: WebError| match is_api {
        true => Problem(error).into_response(),
        false => PageError(error).into_response(),
    };
    // A body is not shared between threads, so neither is the request while this waits.
    let (headers, target) = (request.headers().clone(), request.uri().clone());
    let mut response = match identify(&web, &access, &headers, target.host()).await {
        Err(error) => layout::framed(guests, None, async { refused(error) }).await,
        Ok((who, proof)) => {
            let session = match &proof {
                Some(Proof::Session(key)) => Some(key.clone()),
                Some(Proof::Token(_) | Proof::Account { .. }) | None => None,
            };
            let viewer = Viewer::of(&who, session.as_ref().map(form_key));
            let note = Note::of(&request);
            request.extensions_mut().insert(Asks(who.clone()));
            request.extensions_mut().insert(SessionKey(session.clone()));
            let answer = async {
                match check(&who, session.as_ref(), &request) {
                    Ok(()) => next.run(request).await,
                    Err(error) => refused(error),
                }
            };
            let response = layout::framed(guests, Some(viewer), answer).await;
            // A page that is only for somebody leads those there who could be.
            let is_unknown = response.status() == StatusCode::UNAUTHORIZED;
            let leads_in = is_unknown && who.door == Door::Unnamed && !is_api && note.is_none();
            let response = match leads_in {
                true => Redirect::to(&login::address(target.path())).into_response(),
                false => response,
            };
            let status = response.status();
            let note = note.filter(|note| note.is_worth_it(&who, status));
            if let Some(note) = note
                && response.extensions().get::<NothingToNote>().is_none()
            {
                let (what, on, outcome) = note.told(&response);
                web.people.did(&who, &what, &on, &outcome).await;
            }
            match proof {
                Some(proof) if is_stream(&response) => while_known(&web, who, proof, response),
                Some(_) | None => response,
            }
        }
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    // What is shown depends on who asks.
    response.headers_mut().append(header::VARY, HeaderValue::from_static("cookie, authorization"));
    response
}

/// Who asks, and what says so.
async fn identify(
    web: &Web,
    access: &Access,
    headers: &HeaderMap,
    in_target: Option<&str>,
) -> Result<(Identity, Option<Proof>), WebError> {
    if let Access::Socket { uid, name } = access {
        // Whoever may open the socket is no browser that another page has sent here.
        let proof = Proof::Account { uid: *uid, name: name.clone() };
        let who = web.people.by(&proof).await?.unwrap_or_else(|| web.people.nobody());
        return Ok((who, Some(proof)));
    }
    check_host(headers, in_target, &web.hosts, &web.about.listen)?;
    if let Some(given) = headers.get(header::AUTHORIZATION) {
        let key = given.to_str().ok().and_then(token_in).ok_or(WebError::BadKey)?;
        let proof = Proof::Token(key);
        let who = web.people.by(&proof).await?.ok_or(WebError::BadKey)?;
        return Ok((who, Some(proof)));
    }
    if let Some(proof) = login::cookie(headers).map(Proof::Session)
        && let Some(who) = web.people.by(&proof).await?
    {
        return Ok((who, Some(proof)));
    }
    Ok((web.people.nobody(), None))
}

/// How long a stream may go on that nobody may follow any more.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Whether an answer goes on for as long as there is something to tell.
fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    ["text/event-stream", "application/x-ndjson"]
        .iter()
        .any(|stream| kind.is_some_and(|kind| kind.starts_with(stream.as_bytes())))
}

/// The answer, cut off when `proof` does not say any more that somebody is who they were.
fn while_known(web: &Arc<Web>, who: Identity, proof: Proof, response: Response) -> Response {
    let web = web.clone();
    let over = async move {
        loop {
            tokio::time::sleep(LOOK_AGAIN).await;
            if !web.people.is_still(&who, &proof).await.unwrap_or(false) {
                return;
            }
        }
    };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(over))))
}

fn token_in(header: &str) -> Option<Key> {
    let (scheme, token) = header.split_once(' ')?;
    let key = token.trim().strip_prefix(super::tokens::PREFIX)?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Key::shown(key)).flatten()
}

fn check(who: &Identity, session: Option<&Key>, request: &Request) -> Result<(), WebError> {
    let path = request.uri().path();
    // What lets somebody in is there for those who are still outside.
    let is_entry = is_entry(path) || path.starts_with("/assets/");
    if !is_entry {
        may(who, Act::Look)?;
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    match who.door {
        Door::Socket | Door::Inbox | Door::Token => Ok(()),
        Door::Unnamed if is_entry => from_our_page(request.headers()),
        Door::Unnamed => Err(Denied::Unnamed.into()),
        Door::Browser => {
            from_our_page(request.headers())?;
            // A form of a page carries the key in its body: see `Form`.
            if !path.starts_with("/api") {
                return Ok(());
            }
            let given = request.headers().get(FORM_KEY).and_then(|given| given.to_str().ok());
            let fits = session.zip(given).is_some_and(|(key, given)| form_key(key).is(given));
            if fits { Ok(()) } else { Err(WebError::Forged) }
        }
    }
}

fn is_entry(path: &str) -> bool {
    matches!(path, "/login" | "/invite")
}

/// What the forms of a session carry.
pub(super) fn form_key(session: &Key) -> Key {
    session.derived(FORM)
}

/// Whether the browser says that one of our pages has sent this.
fn from_our_page(headers: &HeaderMap) -> Result<(), WebError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = match text(HeaderName::from_static("sec-fetch-site")) {
        Some(site) => site == "same-origin",
        None => text(header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .zip(text(header::HOST))
            .is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host)),
    };
    if is_ours { Ok(()) } else { Err(WebError::Forged) }
}

/// Something that may change something, as it will be noted.
struct Note {
    what: String,
    on: String,
    is_entry: bool,
}

impl Note {
    /// None for a request that only looks.
    fn of(request: &Request) -> Option<Self> {
        let method = request.method();
        if matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let path = request.uri().path();
        let route = request.extensions().get::<MatchedPath>().map_or(path, MatchedPath::as_str);
        let known = DEEDS.iter().find(|(m, r, _)| m == method && *r == route);
        let what = known.map_or_else(|| format!("{method} {route}"), |(.., what)| (*what).into());
        // What stands where the route has a name.
        let on = route.split('/').zip(path.split('/'));
        let on = on.filter(|(name, _)| name.starts_with('{')).map(|(_, value)| value);
        Some(Self { what, on: on.collect::<Vec<_>>().join(" "), is_entry: is_entry(path) })
    }

    /// Whoever is nobody can change nothing but to become somebody. Of that only is noted what is
    /// bounded by itself, or anybody could fill the disk: coming in, a wrong password, and a bad
    /// choice of who was invited.
    fn is_worth_it(&self, who: &Identity, status: StatusCode) -> bool {
        let is_bounded = status.is_redirection()
            || matches!(status, StatusCode::UNAUTHORIZED | StatusCode::UNPROCESSABLE_ENTITY);
        who.door != Door::Unnamed || self.is_entry && is_bounded
    }

    /// What was done, to what, and what became of it.
    fn told(self, response: &Response) -> (String, String, String) {
        let told = response.extensions();
        let on = told.get::<About>().map_or(self.on, |About(on)| on.clone());
        let failed = told.get::<Failed>().map(|Failed(why)| why.as_str());
        let status = response.status();
        let is_done = status.is_success() || status.is_redirection();
        let outcome = match failed {
            Some(why) => why.to_owned(),
            None if is_done => "done".to_owned(),
            None => status.to_string(),
        };
        (self.what, on, outcome)
    }
}

/// What is done to many jobs at once.
pub(super) const CHANGE_JOBS: &str = "change jobs";

/// What is done by which request. One that is not in it is noted by its route.
const DEEDS: &[(Method, &str, &str)] = &[
    (Method::POST, "/api/jobs", SUBMIT),
    (Method::POST, "/api/jobs/{id}/cancel", "cancel job"),
    (Method::POST, "/api/jobs/{id}/keep", "keep job"),
    (Method::POST, "/api/jobs/{id}/release", "release job"),
    (Method::POST, "/api/jobs/{id}/retry", "retry job"),
    (Method::POST, "/api/jobs/{id}/priority", "change priority"),
    (Method::POST, "/api/jobs/{id}/resubmit", "resubmit job"),
    (Method::POST, "/api/jobs/bulk", CHANGE_JOBS),
    (Method::POST, "/jobs/bulk", CHANGE_JOBS),
    (Method::POST, "/jobs/{id}/cancel", "cancel job"),
    (Method::POST, "/jobs/{id}/priority", "change priority"),
    (Method::POST, "/jobs/{id}/resubmit", "resubmit job"),
    (Method::POST, "/submit", SUBMIT),
    (Method::POST, "/api/devices", "set device"),
    (Method::POST, "/devices", "set device"),
    (Method::DELETE, "/api/devices/{name}", "remove device"),
    (Method::POST, "/api/devices/{name}/health", "set health of device"),
    (Method::POST, "/devices/{name}/health", "set health of device"),
    (Method::POST, "/api/device-types", "set device type"),
    (Method::DELETE, "/api/device-types/{name}", "remove device type"),
    (Method::POST, "/api/devices-file/reload", "reload devices file"),
    (Method::POST, "/api/known", "set known failure"),
    (Method::DELETE, "/api/known/{name}", "remove known failure"),
    (Method::POST, "/api/known/{name}/apply", "apply known failure"),
    (Method::POST, "/api/failures/try", "try pattern"),
    (Method::POST, "/api/thresholds", "set threshold"),
    (Method::DELETE, "/api/thresholds", "reset threshold"),
    (Method::DELETE, "/api/thresholds/learned", "forget what was learned"),
    (Method::POST, "/api/store/snapshot", "copy store"),
    (Method::POST, "/api/users", "add user"),
    (Method::POST, "/users", "add user"),
    (Method::POST, "/api/users/{name}", "change user"),
    (Method::POST, "/users/{name}", "change user"),
    (Method::DELETE, "/api/users/{name}", "remove user"),
    (Method::POST, "/api/users/{name}/invite", "invite user"),
    (Method::POST, "/users/{name}/invite", "invite user"),
    (Method::POST, "/api/tokens", "make token"),
    (Method::DELETE, "/api/tokens/{id}", "revoke token"),
    (Method::POST, "/login", "log in"),
    (Method::POST, "/logout", "log out"),
    (Method::POST, "/invite", "accept invitation"),
    (Method::POST, "/account/password", "change password"),
    (Method::POST, "/account/sessions", "end other sessions"),
    (Method::POST, "/account/tokens", "make token"),
    (Method::POST, "/account/tokens/revoke", "revoke token"),
];

impl Viewer {
    fn of(who: &Identity, form: Option<Key>) -> Self {
        Self {
            name: who.name().map(str::to_owned),
            form,
            is_administrator: who.is_at_least(Role::Administrator),
            is_submitter: who.door == Door::Unnamed || may(who, Act::Submit).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_of_ours_sends_forms() {
        for (case, headers, ok) in [
            ("the browser says so", [("sec-fetch-site", "same-origin"), ("host", "x")], true),
            ("another page", [("sec-fetch-site", "cross-site"), ("host", "x")], false),
            ("another port", [("sec-fetch-site", "same-site"), ("host", "x")], false),
            ("by its origin", [("origin", "http://lab:8470"), ("host", "LAB:8470")], true),
            ("behind a proxy", [("origin", "https://lab"), ("host", "lab")], true),
            ("another origin", [("origin", "http://evil"), ("host", "lab")], false),
            ("another port", [("origin", "http://lab:1"), ("host", "lab:2")], false),
            ("no origin at all", [("origin", "null"), ("host", "null")], false),
            ("not said", [("accept", "x"), ("host", "lab")], false),
        ] {
            let pairs = headers.map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            assert_eq!(from_our_page(&HeaderMap::from_iter(pairs)).is_ok(), ok, "{case}");
        }
    }

    #[test]
    fn a_token_is_sent_with_its_scheme_and_its_first_letters() {
        let key = Key::new();
        for (header, ok) in [
            (format!("Bearer sutler_{}", key.reveal()), true),
            (format!("bearer  sutler_{}", key.reveal()), true),
            (format!("Basic sutler_{}", key.reveal()), false),
            (format!("Bearer {}", key.reveal()), false),
            (format!("sutler_{}", key.reveal()), false),
            ("Bearer".into(), false),
        ] {
            assert_eq!(token_in(&header).is_some(), ok, "{header}");
        }
    }
}
