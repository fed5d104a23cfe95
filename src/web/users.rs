//! `/api/users`: who the users are, and the way in for new ones.
//!
//! Nobody ends their own administration from another machine: a slip could leave nobody who gives it
//! back. On the box itself root always can.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::{given, read},
    errors::{Problem, WebError, refused},
    guard::{About, Asks},
    known::Removed,
    params::{NoParams, Params, Path},
    state::Web,
};
use crate::{
    clock,
    decide::access::{Act, may},
    model::{Door, Identity, Role, Session, Token, User, is_user_name},
    secrets::Key,
    store::UserChange,
};

/// How long an invitation is good for.
const INVITATION: SignedDuration = SignedDuration::from_hours(48);

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Users {
    users: Vec<User>,
}

/// `GET /api/users`
#[utoipa::path(
    get,
    path = "/users",
    tag = "People",
    responses((status = 200, description = "All users", body = Users)),
)]
pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    Ok(Json(Users { users: web.store.users().await? }).into_response())
}

/// A user, and the ways in that are open to them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserRecord)]
pub(super) struct Record {
    #[serde(flatten)]
    user: User,
    tokens: Vec<Token>,
    sessions: Vec<Session>,
}

/// `GET /api/users/{name}`
#[utoipa::path(
    get,
    path = "/users/{name}",
    tag = "People",
    params(("name" = String, Path, description = "Name of the user", example = "ann")),
    responses((status = 200, description = "A user with tokens and sessions", body = Record)),
)]
pub(super) async fn show(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    let user = web.store.user(name.clone()).await?.ok_or(WebError::NotFound("user"))?;
    let tokens = web.store.tokens(Some(name.clone())).await?;
    let sessions = web.store.sessions(name).await?;
    let sessions = sessions.into_iter().map(|(_, session)| session).collect();
    Ok(Json(Record { user, tokens, sessions }).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    pub name: String,
    pub role: Role,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: BTreeSet<String>,
    /// Name of the account of this box that is the same person.
    pub account: Option<String>,
    /// The same person as a former user of that name.
    #[serde(default)]
    pub again: bool,
}

/// A link on which a user chooses a password, once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invitation {
    pub url: String,
    /// The same without the name of the box.
    path: String,
    pub expires: Timestamp,
}

/// A user who has just been entered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entered {
    #[serde(flatten)]
    pub user: User,
    pub invitation: Invitation,
}

impl Entered {
    /// For the note of it.
    pub(super) fn about(&self) -> About {
        About(format!("{} ({})", self.user.name, self.user.role))
    }
}

/// `POST /api/users`: the answer has the way in.
#[utoipa::path(
    post,
    path = "/users",
    tag = "People",
    request_body(content = New),
    responses((status = 201, description = "The user, and the way in", body = Entered)),
)]
pub(super) async fn create(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    let answer = enter(&web, &who, read(body).await?).await?;
    let about = answer.about();
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

pub(super) async fn enter(
    web: &Web,
    who: &Identity,
    New { name, role, groups, account, again }: New,
) -> Result<Entered, WebError> {
    check("name", &name)?;
    groups.iter().try_for_each(|group| check("group", group))?;
    let user = User {
        name: name.clone(),
        role,
        groups,
        uid: account.as_deref().map(uid_of).transpose()?,
        disabled: false,
        created: clock::now(),
        created_by: who.name().unwrap_or_default().to_owned(),
        has_password: false,
    };
    web.store.add_user(user.clone(), again).await.map_err(refused)?;
    Ok(Entered { user, invitation: invitation(web, who, &name).await? })
}

/// What becomes of a user. `account` may be null: nobody's account any more.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[schema(as = UserChanges)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    pub role: Option<Role>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub enter: BTreeSet<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub leave: BTreeSet<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub account: Option<Option<String>>,
    pub disabled: Option<bool>,
}

/// `POST /api/users/{name}`
#[utoipa::path(
    post,
    path = "/users/{name}",
    tag = "People",
    request_body(content = Changes),
    params(("name" = String, Path, description = "Name of the user", example = "ann")),
    responses((status = 200, description = "The user as they are now", body = User)),
)]
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    body: Body,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    let about = amend(&web, &who, &name, read(body).await?).await?;
    let user = web.store.user(name).await?.ok_or(WebError::NotFound("user"))?;
    let mut response = Json(user).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

/// Changes a user, and tells what was changed for the note of it.
pub(super) async fn amend(
    web: &Web,
    who: &Identity,
    name: &str,
    Changes { role, enter, leave, account, disabled }: Changes,
) -> Result<About, WebError> {
    if role.is_some_and(|role| role < Role::Administrator) || disabled == Some(true) {
        another(who, name)?;
    }
    enter.iter().try_for_each(|group| check("group", group))?;
    let uid = account.map(|name| name.as_deref().map(uid_of).transpose()).transpose()?;
    let told = told(role, &enter, &leave, uid, disabled);
    let change = UserChange { role, enter, leave, uid, disabled };
    web.store.change_user(name.to_owned(), change).await.map_err(refused)?;
    Ok(About(format!("{name}{told}")))
}

/// Refuses what would end the administration of whoever asks.
fn another(who: &Identity, name: &str) -> Result<(), WebError> {
    if who.door != Door::Socket && who.user_name() == Some(name) {
        let words = "nobody ends their own administration; another administrator can";
        return Err(WebError::Conflict(words.into()));
    }
    Ok(())
}

/// A change in words, for the note of it.
fn told(
    role: Option<Role>,
    enter: &BTreeSet<String>,
    leave: &BTreeSet<String>,
    uid: Option<Option<u32>>,
    disabled: Option<bool>,
) -> String {
    let mut told: Vec<_> = role.iter().map(|role| format!("role {role}")).collect();
    told.extend(enter.iter().map(|group| format!("into {group}")));
    told.extend(leave.iter().map(|group| format!("out of {group}")));
    told.extend(uid.map(|uid| {
        uid.map_or_else(|| "no account".to_owned(), |uid| format!("account number {uid}"))
    }));
    told.extend(disabled.map(|off| if off { "disabled" } else { "enabled" }.to_owned()));
    if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) }
}

/// `DELETE /api/users/{name}`
#[utoipa::path(
    delete,
    path = "/users/{name}",
    tag = "People",
    params(("name" = String, Path, description = "Name of the user", example = "ann")),
    responses((status = 200, description = "The user is gone", body = Removed)),
)]
pub(super) async fn remove(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    another(&who, &name)?;
    web.store.remove_user(name.clone(), clock::now()).await.map_err(refused)?;
    Ok(Json(Removed { removed: name }).into_response())
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invited {
    name: String,
    invitation: Invitation,
}

/// `POST /api/users/{name}/invite`
#[utoipa::path(
    post,
    path = "/users/{name}/invite",
    tag = "People",
    params(("name" = String, Path, description = "Name of the user", example = "ann")),
    responses((status = 201, description = "A link to choose a password on, once", body = Invited)),
)]
pub(super) async fn invite(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Response, Problem> {
    may(&who, Act::Users)?;
    let answer = Invited { invitation: invitation(&web, &who, &name).await?, name };
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

pub(super) async fn invitation(
    web: &Web,
    who: &Identity,
    name: &str,
) -> Result<Invitation, WebError> {
    let (key, now) = (Key::new(), clock::now());
    let expires: Timestamp = now.checked_add(INVITATION).unwrap_or(now);
    let by = who.name().unwrap_or_default().to_owned();
    let invited = web.store.invite(key.hash(), name.to_owned(), by, now, expires).await;
    invited.map_err(refused)?;
    let path = format!("/invite?code={}", key.reveal());
    // A name of its own means a proxy in front, which speaks TLS.
    let base = match (web.hosts.first(), web.about.listen.first()) {
        (Some(host), _) => format!("https://{host}"),
        (None, Some(listen)) => format!("http://{listen}"),
        (None, None) => String::new(),
    };
    Ok(Invitation { url: format!("{base}{path}"), path, expires })
}

fn check(what: &str, name: &str) -> Result<(), WebError> {
    if is_user_name(name) {
        return Ok(());
    }
    let found: String = name.chars().take(40).collect();
    let words = format!(
        "{what}: letters, digits, `-`, `_` and `.`, first a letter, at most 64; not {found:?}"
    );
    Err(WebError::BadRequest(words))
}

/// The number of an account of this box, which may also be given itself.
fn uid_of(account: &str) -> Result<u32, WebError> {
    let unknown = || {
        let name: String = account.chars().take(40).collect();
        WebError::BadRequest(format!("account: this box has none named {name:?}"))
    };
    match account.parse() {
        Ok(uid) => Some(uid),
        Err(_) => uzers::get_user_by_name(account).map(|user| user.uid()),
    }
    .filter(|uid| *uid != u32::MAX)
    .ok_or_else(unknown)
}
