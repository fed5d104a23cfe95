//! `/account`: one's own password, tokens and sessions.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError, refused, sentence},
    form::{Field, Form, Takes, Wrong},
    guard::{Asks, Failed, SessionKey},
    layout::{self, Frame, Tab, form_key},
    login::{fit, new_password},
    params::{NoParams, Params},
    state::Web,
    tokens::{self, PREFIX, USUAL_DAYS, Wanted},
};
use crate::{
    decide::access::{Act, Denied, may},
    markup::{Moment, words},
    model::{Digest, Identity, LONGEST_USER_NAME, Session, Token, TokenScope, User},
    secrets::{self, Key},
};

/// All the page shows.
struct AccountView {
    moment: Moment,
    user: User,
    tokens: Vec<Token>,
    /// Of which the first says whether it is this one.
    sessions: Vec<(bool, Session)>,
    /// A token that was just made, to be seen this once.
    made: Option<(Token, Key)>,
    /// What stands in the form for another token, and why it has come back.
    entry: NewToken,
    wrong_token: Option<Wrong>,
    /// Why the password stays as it is.
    wrong: Option<String>,
}

impl AccountView {
    async fn fetch(web: &Web, who: &Identity, session: Option<&Key>) -> Result<Self, WebError> {
        let name = user(who)?.to_owned();
        let own = session.map(Key::hash);
        let sessions = web.store.sessions(name.clone()).await?;
        let is_own = |key: Digest| own == Some(key);
        Ok(Self {
            moment: web.moment(),
            user: web.store.user(name.clone()).await?.ok_or(WebError::NotFound("user"))?,
            tokens: web.store.tokens(Some(name)).await?,
            sessions: sessions.into_iter().map(|(key, one)| (is_own(key), one)).collect(),
            made: None,
            entry: NewToken::default(),
            wrong_token: None,
            wrong: None,
        })
    }

    fn answer(self) -> Response {
        let wrong = self.wrong.clone();
        let page = Html(render(&self).into_string());
        let Some(wrong) = wrong else { return page.into_response() };
        let mut response = (StatusCode::UNPROCESSABLE_ENTITY, page).into_response();
        response.extensions_mut().insert(Failed(wrong));
        response
    }
}

/// Who has an account here at all.
fn user(who: &Identity) -> Result<&str, WebError> {
    may(who, Act::Account)?;
    who.user_name().ok_or(WebError::Denied(Denied::Unnamed))
}

/// `GET /account`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    SessionKey(session): SessionKey,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, PageError> {
    Ok(AccountView::fetch(&web, &who, session.as_ref()).await?.answer())
}

#[derive(Deserialize)]
pub(super) struct Password {
    current: String,
    password: String,
    again: String,
}

/// `POST /account/password`: ends every other session.
pub(super) async fn password(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    SessionKey(session): SessionKey,
    Form(Password { current, password, again }): Form<Password>,
) -> Result<Response, PageError> {
    let name = user(&who)?.to_owned();
    let wrong = match fit(&password, &again) {
        Err(words) => Some(words.to_owned()),
        Ok(()) => match web.logins.verify(&web, &name, current).await {
            Ok(_) => None,
            Err(WebError::WrongPassword) => Some("the current password is another".into()),
            Err(error @ WebError::TooSoon { .. }) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        },
    };
    if wrong.is_some() {
        let view = AccountView::fetch(&web, &who, session.as_ref()).await?;
        return Ok(AccountView { wrong, ..view }.answer());
    }
    let hash = secrets::hash_password(password).await;
    web.store.set_password(name.clone(), hash).await.map_err(refused)?;
    web.store.end_sessions(name, session.map(|key| key.hash())).await?;
    Ok(Redirect::to("/account").into_response())
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /account/sessions`: ends all but this one.
pub(super) async fn end_others(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    SessionKey(session): SessionKey,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Response, PageError> {
    let name = user(&who)?.to_owned();
    web.store.end_sessions(name, session.map(|key| key.hash())).await?;
    Ok(Redirect::to("/account").into_response())
}

/// As it is written.
#[derive(Deserialize)]
pub(super) struct NewToken {
    name: String,
    scope: TokenScope,
    days: String,
}

impl Default for NewToken {
    fn default() -> Self {
        Self { name: String::new(), scope: TokenScope::ALL[0], days: USUAL_DAYS.to_string() }
    }
}

/// `POST /account/tokens`: the page that answers shows the token, this once.
pub(super) async fn new_token(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    SessionKey(session): SessionKey,
    Form(entry): Form<NewToken>,
) -> Result<Response, PageError> {
    user(&who)?;
    let (name, scope) = (entry.name.trim().to_owned(), entry.scope);
    // What is no number is no number of days that there may be.
    let days = Some(entry.days.trim().parse().unwrap_or(0));
    let made = tokens::make(&web, &who, Wanted { user: None, name, scope, days }).await;
    let view = AccountView::fetch(&web, &who, session.as_ref()).await?;
    match made {
        Ok(made) => {
            let about = tokens::about(&made.0);
            let mut response = AccountView { made: Some(made), ..view }.answer();
            response.extensions_mut().insert(about);
            Ok(response)
        }
        Err(error) => {
            let wrong = Wrong::of(error)?;
            let view = AccountView { entry, wrong_token: Some(wrong.clone()), ..view };
            Ok(wrong.answer(render(&view)))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Id {
    id: String,
}

/// `POST /account/tokens/revoke`
pub(super) async fn revoke(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Form(Id { id }): Form<Id>,
) -> Result<Response, PageError> {
    let name = user(&who)?.to_owned();
    web.store.revoke_token(id, Some(name)).await.map_err(refused)?;
    Ok(Redirect::to("/account").into_response())
}

fn render(view: &AccountView) -> Markup {
    let AccountView { moment, user, .. } = view;
    let content = html! {
        header.head {
            h1 { bdi { (user.name) } }
            p {
                "Role " (user.role)
                @if !user.groups.is_empty() {
                    "; in " bdi { (user.groups.iter().cloned().collect::<Vec<_>>().join(", ")) }
                }
                ". "
                a href="/handbook/people" { "What that means" }
            }
        }
        @if let Some(wrong) = &view.wrong { p.alert role="alert" { (sentence(wrong)) } }
        @if let Some((token, key)) = &view.made {
            div.made role="status" {
                p { "The token " strong { bdi { (token.name) } } ". It is shown this once:" }
                pre tabindex="0" { (PREFIX) (key.reveal()) }
                p.hint { "Programs send it as " code { "Authorization: Bearer TOKEN" } "; "
                    code { "sutler" } " takes it from SUTLER_TOKEN." }
            }
        }
        section.entry { h2 { "Password" }
            form action="/account/password" method="post" {
                (form_key())
                input type="hidden" name="name" value=(user.name) autocomplete="username";
                (Field {
                    takes: Takes::Password, required: true, autocomplete: Some("current-password"),
                    ..Field::new("current", "current", "Current password")
                })
                (new_password())
                button type="submit" { "Change password" }
            }
        }
        section { h2 { "Tokens" span.tally { (view.tokens.len()) } }
            (tokens_table(view))
            form.entry action="/account/tokens" method="post" {
                (form_key())
                @if let Some(wrong) = &view.wrong_token { (wrong) }
                (Field {
                    required: true, longest: Some(LONGEST_USER_NAME), autocomplete: Some("off"),
                    placeholder: Some("nightly builds"), value: &view.entry.name,
                    ..Field::new("token-name", "name", "Name of a new token")
                })
                label for="token-scope" { "What it is for" }
                select #token-scope name="scope" {
                    @for scope in TokenScope::ALL.into_iter().filter(|one| one.most() <= user.role) {
                        option value=(scope) selected[scope == view.entry.scope] { (scope) }
                    }
                }
                (Field {
                    takes: Takes::Number { most: Some(tokens::MOST_DAYS) }, required: true,
                    value: &view.entry.days,
                    ..Field::new("token-days", "days", "Days it is good for")
                })
                button type="submit" { "Make token" }
            }
        }
        section { h2 { "Sessions" span.tally { (view.sessions.len()) } }
            ul { @for (is_own, session) in &view.sessions { li {
                "Since " (moment.ago(session.created)) ", seen " (moment.ago(session.seen))
                @if *is_own { " " strong { "(this one)" } }
            } } }
            form action="/account/sessions" method="post" {
                (form_key())
                button type="submit" { "End all other sessions" }
            }
        }
    };
    layout::page(&Frame::new("Account", Tab::Neither), &content)
}

fn tokens_table(view: &AccountView) -> Markup {
    let moment = &view.moment;
    html! {
        @if view.tokens.is_empty() {
            p.empty { "You have no token. With one, programs ask in your name." }
        } @else {
            table.jobs {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "For" } th scope="col" { "Used" }
                    th scope="col" { "Good until" } th scope="col" { "Revoke" }
                } }
                tbody { @for token in &view.tokens { tr {
                    th.main scope="row" { bdi { (words::shorten(&token.name, 64)) } }
                    td data-label="For" { (token.scope) }
                    td data-label="Used" {
                        @match token.last_used { Some(at) => (moment.ago(at)), None => "never" }
                    }
                    td data-label="Good until" { (moment.day(token.expires)) }
                    td data-label="Revoke" {
                        form action="/account/tokens/revoke" method="post" {
                            (form_key())
                            input type="hidden" name="id" value=(token.id);
                            button type="submit" aria-label=(format!("Revoke {}", token.name)) {
                                "Revoke"
                            }
                        }
                    }
                } } }
            }
        }
    }
}
