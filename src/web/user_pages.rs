//! `/users`: who the users are, and what an administrator changes about them.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    errors::{PageError, WebError},
    form::{Field, Form, Takes, Wrong, names},
    guard::Asks,
    layout::{self, Frame, Tab, form_key},
    params::{NoParams, Params, Path},
    state::Web,
    users::{Changes, Entered, Invitation, New, amend, enter, invitation},
};
use crate::{
    decide::access::{Act, may},
    markup::{Moment, words},
    model::{Identity, LONGEST_USER_NAME, Role, User},
};

struct UsersView {
    users: Vec<User>,
    moment: Moment,
    /// Name of the user who looks, if it is one.
    viewer: Option<String>,
    /// Who has just been invited, to be seen this once.
    invited: Option<(String, Invitation)>,
    /// What stands in the form for another one, and why it has come back.
    entry: NewUser,
    wrong: Option<Wrong>,
}

impl UsersView {
    async fn fetch(web: &Web, who: &Identity) -> Result<Self, WebError> {
        let viewer = who.user_name().map(str::to_owned);
        let users = web.store.users().await?;
        let (invited, entry, wrong) = (None, NewUser::default(), None);
        Ok(Self { users, moment: web.moment(), viewer, invited, entry, wrong })
    }
}

/// `GET /users`
pub(super) async fn page(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
) -> Result<Html<String>, PageError> {
    may(&who, Act::Users)?;
    Ok(Html(render(&UsersView::fetch(&web, &who).await?).into_string()))
}

/// As it is written.
#[derive(Deserialize)]
pub(super) struct NewUser {
    name: String,
    role: Role,
    groups: String,
    account: String,
    #[serde(default)]
    again: bool,
}

impl Default for NewUser {
    fn default() -> Self {
        let [name, groups, account] = Default::default();
        Self { name, role: Role::Submitter, groups, account, again: false }
    }
}

/// `POST /users`: the page that answers shows the invitation, this once.
pub(super) async fn add(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Params(NoParams {}): Params<NoParams>,
    Form(entry): Form<NewUser>,
) -> Result<Response, PageError> {
    may(&who, Act::Users)?;
    let NewUser { name, role, groups, account, again } = &entry;
    let (name, groups, account) = (name.trim().to_owned(), names(groups), filled(account));
    let new = New { name, role: *role, groups, account, again: *again };
    let entered = match enter(&web, &who, new).await {
        Ok(entered) => entered,
        Err(error) => {
            let wrong = Wrong::of(error)?;
            let view = UsersView::fetch(&web, &who).await?;
            let view = UsersView { entry, wrong: Some(wrong.clone()), ..view };
            return Ok(wrong.answer(render(&view)));
        }
    };
    let about = entered.about();
    let Entered { user, invitation } = entered;
    let invited = Some((user.name, invitation));
    let view = UsersView { invited, ..UsersView::fetch(&web, &who).await? };
    let mut response = Html(render(&view).into_string()).into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

/// A user as a form has them; what it does not have stays.
#[derive(Deserialize)]
pub(super) struct Edited {
    role: Option<Role>,
    /// All of them.
    groups: Option<String>,
    /// Empty for none.
    account: Option<String>,
    disabled: Option<bool>,
}

impl Edited {
    /// What is otherwise than before.
    fn changes(self, user: &User) -> Changes {
        let groups = self.groups.map_or_else(|| user.groups.clone(), |groups| names(&groups));
        let account = self.account.map(|account| filled(&account));
        Changes {
            role: self.role.filter(|role| *role != user.role),
            enter: groups.difference(&user.groups).cloned().collect(),
            leave: user.groups.difference(&groups).cloned().collect(),
            account: account.filter(|account| *account != user.uid.map(|uid| uid.to_string())),
            disabled: self.disabled,
        }
    }
}

/// `POST /users/{name}`
pub(super) async fn change(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(edited): Form<Edited>,
) -> Result<Response, PageError> {
    may(&who, Act::Users)?;
    let user = web.store.user(name.clone()).await?.ok_or(WebError::NotFound("user"))?;
    let about = amend(&web, &who, &name, edited.changes(&user)).await?;
    let mut response = Redirect::to("/users").into_response();
    response.extensions_mut().insert(about);
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /users/{name}/invite`: the page that answers shows the invitation, this once.
pub(super) async fn invite(
    State(web): State<Arc<Web>>,
    Asks(who): Asks,
    Path(name): Path<String>,
    Params(NoParams {}): Params<NoParams>,
    Form(Nothing {}): Form<Nothing>,
) -> Result<Html<String>, PageError> {
    may(&who, Act::Users)?;
    let invitation = invitation(&web, &who, &name).await?;
    let view =
        UsersView { invited: Some((name, invitation)), ..UsersView::fetch(&web, &who).await? };
    Ok(Html(render(&view).into_string()))
}

fn filled(text: &str) -> Option<String> {
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn render(view: &UsersView) -> Markup {
    let UsersView { users, moment, invited, .. } = view;
    let content = html! {
        header.head {
            h1 { "Users" }
            p.hint { a href="/handbook/people" { "What roles, groups and accounts mean" } }
        }
        @if let Some((name, Invitation { url, expires, .. })) = invited {
            div.made role="status" {
                p { "Until " (moment.stamp(*expires)) ", " strong { bdi { (name) } }
                    " can set a password here, once. The link is shown this once:" }
                pre tabindex="0" { (url) }
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
                tbody { @for user in users {
                    (row(user, moment))
                    tr.change { td colspan="6" {
                        details {
                            summary { "Change " bdi { (user.name) } }
                            (forms(user, view.viewer.as_ref() == Some(&user.name)))
                        }
                    } }
                } }
            }
        }
        (add_form(view))
    };
    layout::page(&Frame::new("Users", Tab::Users), &content)
}

fn row(user: &User, moment: &Moment) -> Markup {
    html! {
        tr {
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
        }
    }
}

/// What may be changed about a user. Nobody is offered the end of their own administration.
fn forms(user: &User, is_viewer: bool) -> Markup {
    let action = format!("/users/{}", user.name);
    let groups = user.groups.iter().cloned().collect::<Vec<_>>().join(" ");
    let of_whom = html! { span.unseen { " " (user.name) } };
    html! {
        form method="post" action=(action) autocomplete="off" {
            (form_key())
            @if !is_viewer {
                label { "Role"
                    select name="role" { (roles(user.role)) }
                }
            }
            label { "Groups, with spaces or commas between"
                input name="groups" value=(groups) autocapitalize="none" spellcheck="false";
            }
            label { "Account of this box"
                input name="account" value=[user.uid] autocapitalize="none" spellcheck="false"
                    placeholder="none";
            }
            button type="submit" { "Save" (of_whom) }
        }
        div.buttons {
            @if !is_viewer {
                form method="post" action=(action) {
                    (form_key())
                    button type="submit" name="disabled" value=(!user.disabled) {
                        @if user.disabled { "Enable" } @else { "Disable" } (of_whom)
                    }
                }
            }
            @if !user.disabled {
                form method="post" action=(format!("{action}/invite")) {
                    (form_key())
                    button type="submit" { "New invitation" span.unseen { " for " (user.name) } }
                }
            }
        }
    }
}

fn roles(chosen: Role) -> Markup {
    html! {
        @for role in Role::ALL { option value=(role) selected[role == chosen] { (role) } }
    }
}

fn add_form(UsersView { users, entry, wrong, .. }: &UsersView) -> Markup {
    html! {
        details open[users.is_empty() || wrong.is_some()] { summary { "Add a user" }
            form.entry method="post" action="/users" autocomplete="off" {
                (form_key())
                @if let Some(wrong) = wrong { (wrong) }
                (Field {
                    required: true, longest: Some(LONGEST_USER_NAME), takes: Takes::Names,
                    value: &entry.name,
                    ..Field::new("user-name", "name", "Name")
                })
                label for="user-role" { "Role" }
                select #user-role name="role" { (roles(entry.role)) }
                (Field {
                    takes: Takes::Names, value: &entry.groups,
                    ..Field::new("user-groups", "groups", "Groups, with spaces or commas between")
                })
                (Field {
                    takes: Takes::Names, placeholder: Some("none"), value: &entry.account,
                    ..Field::new("user-account", "account", "Account of this box that is the same person")
                })
                label {
                    input type="checkbox" name="again" value="true" checked[entry.again];
                    " The same person as a former user of this name"
                }
                button type="submit" { "Add user" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_changes_what_is_otherwise_than_before() {
        let user = User {
            name: "ann".into(),
            role: Role::Submitter,
            groups: names("kernel lab"),
            uid: Some(1000),
            disabled: false,
            created: jiff::Timestamp::UNIX_EPOCH,
            created_by: "root".into(),
            has_password: true,
        };
        let text = |text: &str| Some(text.to_owned());
        let edited = |role, groups, account| Edited { role, groups, account, disabled: None };
        let some = Changes::default;
        for (case, edited, want) in [
            ("nothing named", edited(None, None, None), some()),
            ("as it is", edited(Some(Role::Submitter), text(" lab,kernel"), text("1000 ")), some()),
            (
                "another role",
                edited(Some(Role::Operator), None, None),
                Changes { role: Some(Role::Operator), ..some() },
            ),
            (
                "other groups",
                edited(None, text("lab net"), None),
                Changes { enter: names("net"), leave: names("kernel"), ..some() },
            ),
            (
                "no group",
                edited(None, text(""), None),
                Changes { leave: names("kernel lab"), ..some() },
            ),
            (
                "no account",
                edited(None, None, text(" ")),
                Changes { account: Some(None), ..some() },
            ),
            (
                "another account",
                edited(None, None, text("ada")),
                Changes { account: Some(text("ada")), ..some() },
            ),
        ] {
            assert_eq!(edited.changes(&user), want, "{case}");
        }
    }
}
