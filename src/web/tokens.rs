//! `/api/tokens` and `/api/me`: keys for programs, and who one is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::read,
    errors::{Problem, WebError, refused},
    guard::{About, Asks},
    params::{NoParams, Params, Path},
    state::Web,
};
use crate::{
    clock,
    decide::access::{Act, may},
    model::{Door, Identity, LONGEST_USER_NAME, Person, Role, Token, TokenScope},
    people,
    secrets::Key,
    store::id_of_token,
};

/// What a token begins with, so that people and scanners see what it is.
pub(super) const PREFIX: &str = "sutler_";

const DAY: u64 = 86_400;
/// How long a token is good for, unless another time is named, and at most.
pub(super) const USUAL_DAYS: u64 = 90;
pub(super) const MOST_DAYS: u64 = 3_650;

/// Who one is here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me<'a> {
    /// Nobody has none.
    name: Option<&'a str>,
    is_user: bool,
    /// The account of this box that is the same person.
    uid: Option<u32>,
    /// The most that this request may do; none: not even look.
    role: Option<Role>,
    groups: &'a BTreeSet<String>,
    door: Door,
    /// Of the token that was sent: the role is no more than it gives.
    scope: Option<TokenScope>,
}

/// `GET /api/me`: who one is here.
#[utoipa::path(
    get,
    path = "/me",
    tag = "People",
    responses((status = 200, description = "Who one is here", body = Me)),
)]
pub(super) async fn me(
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let (name, uid, is_user) = (who.name(), who.uid(), who.user_name().is_some());
    let Identity { role, groups, door, person: _, scope } = &who;
    Ok(Json(Me { name, is_user, uid, role: *role, groups, door: *door, scope: *scope })
        .into_response())
}

/// Whose tokens are meant: one's own, or for an administrator somebody's.
fn of(who: &Identity, user: Option<String>) -> Result<String, WebError> {
    match (user, &who.person) {
        (Some(user), _) if who.user_name() != Some(&user) => {
            may(who, Act::Users)?;
            Ok(user)
        }
        (None, Person::Account { name, .. }) if who.is_administrator() => {
            let words = format!("{name} is an account of this box and no user: name one, --user");
            Err(WebError::BadRequest(words))
        }
        (user, _) => {
            may(who, Act::Account)?;
            let own = who.user_name().map(str::to_owned);
            user.or(own).ok_or(WebError::NotFound("user"))
        }
    }
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Whose, for administrators.
    user: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
}

/// `GET /api/tokens`: one's own; for an administrator who is no user, all.
#[utoipa::path(
    get,
    path = "/tokens",
    tag = "People",
    params(Which),
    responses((status = 200, description = "Tokens, without their secrets", body = Tokens)),
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(Which { user }): Params<Which>,
) -> Result<Response, Problem> {
    let is_all = user.is_none() && who.user_name().is_none() && who.is_administrator();
    let user = if is_all { None } else { Some(of(&who, user)?) };
    Ok(Json(Tokens { tokens: web.store.tokens(user).await? }).into_response())
}

/// A token as somebody asks for it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewToken)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub user: Option<String>,
    pub name: String,
    pub scope: TokenScope,
    pub days: Option<u64>,
}

/// A token as it is given out.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken<'a> {
    #[serde(flatten)]
    of: &'a Token,
    /// The secret itself.
    token: String,
}

/// `POST /api/tokens`: the answer holds the token, this once.
#[utoipa::path(
    post,
    path = "/tokens",
    tag = "People",
    request_body(content = Wanted),
    responses((status = 201, description = "The token, this once", body = MadeToken)),
)]
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    let (token, key) = make(&web, &who, read(body).await?).await?;
    let answer = MadeToken { of: &token, token: format!("{PREFIX}{}", key.reveal()) };
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    response.extensions_mut().insert(about(&token));
    Ok(response)
}

pub(super) fn about(Token { user, name, scope, .. }: &Token) -> About {
    About(format!("{user}: {name} ({scope})"))
}

/// Makes a token for whom it is wanted. One that can do more than who asks is none.
pub(super) async fn make(
    web: &Web,
    who: &Identity,
    Wanted { user, name, scope, days }: Wanted,
) -> Result<(Token, Key), WebError> {
    // A stolen token is to end when it ends.
    if who.door == Door::Token {
        let words = "a token makes no other tokens; log in, or use the box's own socket".to_owned();
        return Err(WebError::BadRequest(words));
    }
    let user = of(who, user)?;
    let bad = |words: String| WebError::BadRequest(words);
    let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
    if !is_plain || name.len() > LONGEST_USER_NAME {
        let words = format!("name: a few words, at most {LONGEST_USER_NAME} bytes");
        return Err(bad(words));
    }
    let days = days.unwrap_or(USUAL_DAYS);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(bad(format!("days: from 1 to {MOST_DAYS}")));
    }
    // Or a stolen read token could make itself one that administers.
    if !who.is_administrator() && who.role < Some(scope.most()) {
        let words = format!("scope: {scope} is more than you may do yourself here");
        return Err(bad(words));
    }
    let (key, created) = (Key::new(), clock::now());
    let expires: Timestamp = people::ends(created, Duration::from_secs(days * DAY));
    let id = id_of_token(&key.hash());
    let token = Token { id, user, name, scope, created, expires, last_used: None };
    web.store.new_token(key.hash(), token.clone()).await.map_err(refused)?;
    Ok((token, key))
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Revoked {
    /// Id of the token.
    revoked: String,
}

/// `DELETE /api/tokens/{id}`: one's own; for an administrator any.
#[utoipa::path(
    delete,
    path = "/tokens/{id}",
    tag = "People",
    params(("id" = String, Path, description = "Id of the token", example = "0123456789ab")),
    responses((status = 200, description = "The token is good for nothing any more", body = Revoked)),
)]
pub(super) async fn revoke(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(id): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    let only = if who.is_administrator() { None } else { Some(of(&who, None)?) };
    web.store.revoke_token(id.clone(), only).await.map_err(refused)?;
    Ok(Json(Revoked { revoked: id }).into_response())
}
