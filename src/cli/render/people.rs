//! Users, their tokens, and what was done.

use jiff::tz::TimeZone;

use super::words::{clean, columns, time};
use crate::{
    cli::answers::{DeedList, Invitation, TokenList, UserList, UserRecord},
    markup::words::count,
    model::{Token, User},
};

/// The way in for a user.
pub(in crate::cli) fn invitation(name: &str, invitation: &Invitation, zone: &TimeZone) -> String {
    let Invitation { url, expires } = invitation;
    let (until, url) = (time(*expires, zone), clean(url));
    format!("Until {until}, {} can set a password here, once:\n  {url}\n", clean(name))
}

pub(in crate::cli) fn users(list: &UserList) -> String {
    if list.users.is_empty() {
        return "There are no users. The first one: sudo sutler user add NAME --role administrator\n"
            .into();
    }
    let head = ["NAME", "ROLE", "ACCOUNT", "PASSWORD", "GROUPS"];
    columns(head, list.users.iter().map(row))
}

fn row(user: &User) -> [String; 5] {
    let role = if user.disabled { "disabled".to_owned() } else { user.role.to_string() };
    let groups: Vec<_> = user.groups.iter().map(|group| clean(group)).collect();
    [
        clean(&user.name),
        role,
        user.uid.map_or_else(String::new, |uid| uid.to_string()),
        if user.has_password { "set" } else { "none yet" }.to_owned(),
        groups.join(" "),
    ]
}

pub(in crate::cli) fn user(record: &UserRecord) -> String {
    let mut text = users(&UserList { users: vec![record.user.clone()] });
    if !record.tokens.is_empty() {
        text += "\n";
        text += &tokens(&TokenList { tokens: record.tokens.clone() });
    }
    if !record.sessions.is_empty() {
        let browsers = count(record.sessions.len() as u64, "browser");
        text += &format!("\nLogged in with {browsers}\n");
    }
    text
}

pub(in crate::cli) fn tokens(list: &TokenList) -> String {
    if list.tokens.is_empty() {
        return "There are no tokens.\n".into();
    }
    let zone = TimeZone::system();
    let row = |token: &Token| {
        let used = token.last_used.map_or_else(|| "never".to_owned(), |at| time(at, &zone));
        [
            clean(&token.id),
            clean(&token.user),
            token.scope.to_string(),
            time(token.expires, &zone),
            used,
            clean(&token.name),
        ]
    };
    let head = ["ID", "USER", "FOR", "GOOD UNTIL", "USED", "NAME"];
    columns(head, list.tokens.iter().map(row))
}

pub(in crate::cli) fn deeds(list: &DeedList, zone: &TimeZone) -> String {
    if list.deeds.is_empty() {
        return "Nothing is noted.\n".into();
    }
    let rows = list.deeds.iter().map(|deed| {
        [
            time(deed.at, zone),
            clean(&deed.who),
            deed.door.name().to_owned(),
            clean(&deed.what),
            clean(&deed.on),
            clean(&deed.outcome),
        ]
    });
    let mut text = columns(["WHEN", "WHO", "DOOR", "WHAT", "ON", "OUTCOME"], rows);
    if let Some(next) = &list.next {
        text += &format!("There is more: sutler audit --before {}\n", clean(next));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_in_lines_that_nobody_else_can_write_into() {
        let deed = |who: &str, on: &str, outcome: &str| {
            serde_json::json!({
                "at": "2026-01-31T12:05:09Z", "who": who, "door": "socket",
                "what": "cancel job", "on": on, "outcome": outcome,
            })
        };
        let list = serde_json::json!({
            "deeds": [deed("ann", "7", "done"), deed("eve", "8\u{1b}[2J", "it is ann's")],
            "next": "17-4",
        });
        let list = serde_json::from_value(list).unwrap();
        insta::assert_snapshot!(deeds(&list, &TimeZone::UTC), @r"
        WHEN                 WHO  DOOR    WHAT        ON     OUTCOME
        2026-01-31 12:05:09  ann  socket  cancel job  7      done
        2026-01-31 12:05:09  eve  socket  cancel job  8�[2J  it is ann's
        There is more: sutler audit --before 17-4
        ");
    }
}
