//! `/login`, `/logout` and `/invite`: how a browser becomes somebody.
//!
//! Whether a name is unknown, has no password, is disabled or the password is wrong looks the same
//! and takes as long. How often may be tried is decided in
//! [`attempts`](crate::decide::attempts).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError, sentence},
    form::Form,
    guard::{About, Asks, Failed, SessionKey},
    layout::{self, Frame, Tab, form_key},
    params::Params,
    state::Web,
};
use crate::{
    clock::{self, Stopwatch},
    decide::attempts::{Attempts, TooSoon},
    model::{Door, LONGEST_USER_NAME, Session, User},
    people::LONGEST_SESSION,
    secrets::{self, Key},
};

pub(super) const COOKIE: &str = "sutler_session";

/// What has been tried since the start.
#[derive(Debug)]
pub struct Logins {
    since: Stopwatch,
    attempts: Mutex<Attempts>,
}

impl Default for Logins {
    fn default() -> Self {
        Self { since: Stopwatch::start(), attempts: Mutex::default() }
    }
}

impl Logins {
    /// Whose password this is, if it is theirs.
    ///
    /// # Errors
    /// [`WebError::WrongPassword`], or [`WebError::TooSoon`].
    pub(super) async fn verify(
        &self,
        web: &Web,
        name: &str,
        password: String,
    ) -> Result<User, WebError> {
        let name: String = name.chars().take(LONGEST_USER_NAME).collect();
        let began = self.attempts().begin(self.since.elapsed(), &name);
        began.map_err(|TooSoon(wait)| WebError::TooSoon { seconds: seconds(wait) })?;
        let found = web.store.credentials(name.clone()).await?;
        let (user, kept) = found.map_or((None, None), |(user, kept)| (Some(user), kept));
        let fits = secrets::is_password(password, kept).await;
        let user = user.filter(|user| fits && !user.disabled).ok_or(WebError::WrongPassword)?;
        self.attempts().succeeded(&name);
        Ok(user)
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// The page to log in on, that leads back to `path`.
pub(super) fn address(path: &str) -> String {
    match path {
        "/" => "/login".into(),
        path => crate::proto::query::address("/login", &[("to", Some(path))]),
    }
}

/// A place of ours to go on to. Another's would be a way to lead people astray.
pub(super) fn place(to: Option<&str>) -> &str {
    let is_ours = |to: &&str| {
        // A browser leaves tabs and line ends out, and reads the other slash as one.
        let is_plain = !to.contains(|c: char| c == '\\' || c.is_control());
        to.starts_with('/') && !to.starts_with("//") && is_plain
    };
    to.filter(is_ours).unwrap_or("/")
}

/// The key of the session that a browser says it has.
pub(super) fn cookie(headers: &HeaderMap) -> Option<Key> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';'));
    pairs.find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| Key::shown(value)).flatten()
    })
}

/// Has the browser keep a session, or (none) forget it. By a proxy that speaks TLS it is never sent
/// without.
fn kept(key: Option<&Key>, headers: &HeaderMap) -> HeaderValue {
    let is_secure = headers
        .get("x-forwarded-proto")
        .is_some_and(|how| how.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if is_secure { "; Secure" } else { "" };
    let (value, age) = key.map_or(("", 0), |key| (key.reveal(), LONGEST_SESSION.as_secs()));
    let text = format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    HeaderValue::try_from(text).expect("keys are made of letters, digits and dashes")
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct To {
    to: Option<String>,
}

/// `GET /login`
pub(super) async fn page(
    Asks(who): Asks,
    Params(To { to }): Params<To>,
) -> Result<Response, PageError> {
    if who.door == Door::Browser {
        return Ok(Redirect::to(place(to.as_deref())).into_response());
    }
    Ok(Html(render(place(to.as_deref()), "", None).into_string()).into_response())
}

#[derive(Deserialize)]
pub(super) struct Given {
    name: String,
    password: String,
    to: Option<String>,
}

/// `POST /login`
pub(super) async fn log_in(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Form(Given { name, password, to }): Form<Given>,
) -> Result<Response, PageError> {
    let name = name.trim();
    let to = place(to.as_deref());
    let user = match web.logins.verify(&web, name, password).await {
        Ok(user) => user,
        Err(error @ (WebError::WrongPassword | WebError::TooSoon { .. })) => {
            let page = render(to, name, Some(&error.to_string())).into_string();
            let mut response = (error.status(), Html(page)).into_response();
            // People type passwords where names belong: only what is a name is noted.
            let is_name = web.store.user(name.to_owned()).await?.is_some();
            let on = if is_name { name } else { "a name nobody has" };
            response.extensions_mut().insert(About(on.to_owned()));
            response.extensions_mut().insert(Failed(error.to_string()));
            return Ok(response);
        }
        Err(error) => return Err(error.into()),
    };
    begin(&web, &user.name, &headers, to).await
}

/// Begins a session and goes on to `to`.
async fn begin(
    web: &Web,
    user: &str,
    headers: &HeaderMap,
    to: &str,
) -> Result<Response, PageError> {
    let (key, now) = (Key::new(), clock::now());
    let expires = now.checked_add(LONGEST_SESSION).unwrap_or(now);
    let session = Session { user: user.to_owned(), created: now, seen: now, expires };
    web.store.begin_session(key.hash(), session).await?;
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(header::SET_COOKIE, kept(Some(&key), headers));
    response.extensions_mut().insert(About(user.to_owned()));
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /logout`
pub(super) async fn log_out(
    State(web): State<Arc<Web>>,
    SessionKey(session): SessionKey,
    headers: HeaderMap,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, PageError> {
    if let Some(session) = session {
        web.store.end_session(session.hash()).await?;
    }
    let mut response = Redirect::to("/").into_response();
    response.headers_mut().insert(header::SET_COOKIE, kept(None, &headers));
    Ok(response)
}

fn render(to: &str, name: &str, wrong: Option<&str>) -> Markup {
    let content = html! {
        section.entry {
            h1 { "Log in" }
            @if let Some(wrong) = wrong { p.alert role="alert" { (sentence(wrong)) } }
            form action="/login" method="post" {
                (form_key())
                input type="hidden" name="to" value=(to);
                label for="name" { "Name" }
                input #name name="name" required autocomplete="username" autocapitalize="none"
                    spellcheck="false" maxlength=(LONGEST_USER_NAME) value=(name);
                label for="password" { "Password" }
                input #password type="password" name="password" required
                    autocomplete="current-password";
                button type="submit" { "Log in" }
            }
            p.hint {
                "Who has no password yet, or has forgotten it, asks an administrator for an \
                 invitation: " code { "sutler user invite NAME" } "."
            }
        }
    };
    layout::page(&Frame::new("Log in", Tab::Neither), &content)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    code: String,
}

/// `GET /invite?code=…`
pub(super) async fn invitation(
    State(web): State<Arc<Web>>,
    Params(Code { code }): Params<Code>,
) -> Result<Response, PageError> {
    let user = invited(&web, &code).await?;
    Ok(Html(render_invitation(&code, &user, None).into_string()).into_response())
}

async fn invited(web: &Web, code: &str) -> Result<String, WebError> {
    let found = match Key::shown(code) {
        Some(key) => web.store.invited(key.hash(), clock::now()).await?,
        None => None,
    };
    found.ok_or_else(|| crate::store::PersonRefused::NotInvited.into())
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    code: String,
    password: String,
    again: String,
}

/// `POST /invite`
pub(super) async fn accept(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Form(Chosen { code, password, again }): Form<Chosen>,
) -> Result<Response, PageError> {
    let user = invited(&web, &code).await?;
    if let Err(words) = fit(&password, &again) {
        let page = render_invitation(&code, &user, Some(words)).into_string();
        let mut response = (StatusCode::UNPROCESSABLE_ENTITY, Html(page)).into_response();
        response.extensions_mut().insert(About(user));
        response.extensions_mut().insert(Failed(words.to_owned()));
        return Ok(response);
    }
    let key = Key::shown(&code).ok_or(WebError::NotFound("invitation"))?;
    let hash = secrets::hash_password(password).await;
    let accepted = web.store.accept(key.hash(), hash, clock::now()).await;
    accepted.map_err(super::errors::refused)?;
    begin(&web, &user, &headers, "/account").await
}

/// # Errors
/// Why these two are no new password.
pub(super) fn fit(password: &str, again: &str) -> Result<(), &'static str> {
    if password != again {
        return Err("the two are not the same");
    }
    if !secrets::PASSWORD.contains(&password.len()) {
        return Err("a password has 10 to 1024 bytes; a few words are easy to remember");
    }
    Ok(())
}

fn render_invitation(code: &str, user: &str, wrong: Option<&str>) -> Markup {
    let content = html! {
        section.entry {
            h1 { "Welcome, " bdi { (user) } }
            p { "Choose the password you will log in with." }
            @if let Some(wrong) = wrong { p.alert role="alert" { (sentence(wrong)) } }
            form action="/invite" method="post" {
                (form_key())
                input type="hidden" name="code" value=(code);
                // For password managers.
                input type="hidden" name="name" value=(user) autocomplete="username";
                (new_password())
                button type="submit" { "Set password and log in" }
            }
        }
    };
    layout::page(&Frame::new("Invitation", Tab::Neither), &content)
}

pub(super) fn new_password() -> Markup {
    html! {
        label for="password" { "New password" }
        input #password type="password" name="password" required minlength="10"
            maxlength="1024" autocomplete="new-password";
        label for="again" { "The same again" }
        input #again type="password" name="again" required minlength="10" maxlength="1024"
            autocomplete="new-password";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_in_leads_on_to_places_of_ours_only() {
        for (to, want) in [
            ("/jobs/7?screen=1", "/jobs/7?screen=1"),
            ("//evil.example/", "/"),
            ("/\t/evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nset-cookie: b", "/"),
            ("", "/"),
        ] {
            assert_eq!(place(Some(to)), want, "{to}");
        }
        assert_eq!(place(None), "/");
        assert_eq!(address("/jobs/7"), "/login?to=%2Fjobs%2F7");
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_as_a_key() {
        let key = Key::new();
        let with = |value: String| {
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::try_from(value).unwrap())])
        };
        let ours = format!("{COOKIE}={}", key.reveal());
        for (case, value, found) in [
            ("alone", ours.clone(), true),
            ("among others", format!("a=b; {ours}; c=d"), true),
            ("of another name", format!("x{ours}"), false),
            ("no key", format!("{COOKIE}=7"), false),
        ] {
            assert_eq!(cookie(&with(value)).is_some(), found, "{case}");
        }
    }

    #[test]
    fn a_session_is_kept_from_scripts_and_other_sites() {
        let key = Key::new();
        let plain = kept(Some(&key), &HeaderMap::new());
        let plain = plain.to_str().unwrap();
        assert!(
            plain.contains("; HttpOnly; SameSite=Lax;") && !plain.contains("Secure"),
            "{plain}"
        );
        let mut proxied = HeaderMap::new();
        proxied.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        assert!(kept(Some(&key), &proxied).to_str().unwrap().ends_with("; Secure"));
        assert!(kept(None, &proxied).to_str().unwrap().contains("Max-Age=0"));
    }
}
