//! `/users` and `/api/users`: who the users are, and the way in for new ones.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{
    errors::{PageError, Problem, WebError, refused},
    guard::{About, Asks},
    known::{Removed, read},
    layout::{self, Frame, Tab},
    params::{NoParams, Params, Path},
    state::Web,
};
use crate::{
    clock,
    decide::access::{Act, may},
    markup::{Moment, words},
    model::{Identity, Role, Session, Token, User, is_user_name},
    secrets::Key,
    store::UserChange,
};

/// How long an invitation is good for.
const INVITATION: SignedDuration = SignedDuration::from_hours(48);

/// `GET /users`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    may(&who, Act::Users)?;
    Ok(Html(render(&web.store.users().await?, &web.moment()).into_string()))
}

fn render(users: &[User], moment: &Moment) -> Markup {
    let content = html! {
        header.head {
            h1 { "Users" }
            p.hint {
                "Users are entered and changed with " code { "sutler user" } ": "
                a href="/handbook/people" { "how that is done" } "."
            }
        }
        @if users.is_empty() {
            p.empty { "Nobody is entered. Accounts of this box may do what " code { "access.local" } " says." }
        } @else {
            table.jobs {
                thead { tr {
                    th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Groups" }
                    th scope="col" { "Account" } th scope="col" { "Way in" } th scope="col" { "Since" }
                } }
                tbody { @for user in users { tr {
                    th.main scope="row" { bdi { (user.name) } @if user.disabled { " " span.hint { "disabled" } } }
                    td data-label="Role" { (user.role) }
                    td data-label="Groups" {
                        @for (at, group) in user.groups.iter().enumerate() {
                            @if at > 0 { ", " } bdi { (words::shorten(group, 40)) }
                        }
                    }
                    td data-label="Account" { @if let Some(uid) = user.uid { (uid) } }
                    td data-label="Way in" {
                        @if user.has_password { "password" } @else { span.hint { "no password yet" } }
                    }
                    td data-label="Since" { (moment.ago(user.created)) }
                } } }
            }
        }
    };
    layout::page(&Frame::new("Users", Tab::Users), &content)
}

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
struct New {
    name: String,
    role: Role,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    groups: BTreeSet<String>,
    /// Name of the account of this box that is the same person.
    account: Option<String>,
    /// The same person as a former user of that name.
    #[serde(default)]
    again: bool,
}

/// A link on which a user chooses a password, once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invitation {
    url: String,
    /// The same without the name of the box.
    path: String,
    expires: Timestamp,
}

/// A user who has just been entered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Entered {
    #[serde(flatten)]
    user: User,
    invitation: Invitation,
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
    let New { name, role, groups, account, again } = read(body).await?;
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
    let answer = Entered { user, invitation: invitation(&web, &who, &name).await? };
    let mut response = (StatusCode::CREATED, Json(answer)).into_response();
    response.extensions_mut().insert(About(format!("{name} ({role})")));
    Ok(response)
}

/// What becomes of a user. `account` may be null: nobody's account any more.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = UserChanges)]
#[serde(deny_unknown_fields)]
struct Changes {
    role: Option<Role>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    enter: BTreeSet<String>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    leave: BTreeSet<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    account: Option<Option<String>>,
    disabled: Option<bool>,
}

/// Tells null from nothing.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
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
    let Changes { role, enter, leave, account, disabled } = read(body).await?;
    enter.iter().try_for_each(|group| check("group", group))?;
    let uid = account.map(|name| name.as_deref().map(uid_of).transpose()).transpose()?;
    let told = told(role, &enter, &leave, uid, disabled);
    let change = UserChange { role, enter, leave, uid, disabled };
    web.store.change_user(name.clone(), change).await.map_err(refused)?;
    let user = web.store.user(name.clone()).await?.ok_or(WebError::NotFound("user"))?;
    let mut response = Json(user).into_response();
    response.extensions_mut().insert(About(format!("{name}{told}")));
    Ok(response)
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

async fn invitation(web: &Web, who: &Identity, name: &str) -> Result<Invitation, WebError> {
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
