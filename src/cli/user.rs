//! `sutler user`: who the users are, and what they may do.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::{Invited, UserList, UserRecord},
    client::Client,
    error::CliError,
    output, render,
};
use crate::model::{Role, is_user_name};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sudo sutler user add ann --role administrator   the first one; prints a link to set a password on
  sutler user add ben --role submitter --group kernel
  sutler user add ada --role operator --account ada   the same person on this box's command line
  sutler user set ben --role operator --group lab --no-group kernel
  sutler user invite ben                          a new link, for a forgotten password
  sutler user disable ben
  sutler user list

Root and the account of the appliance are administrators always, on this box. There is no password
until somebody has chosen one.")]
pub(super) enum UserCommand {
    /// List the users
    List,
    /// Show one user, with tokens and sessions
    Show(Named),
    /// Enter a user, and print a link on which they set their password
    Add(Add),
    /// Change a user's role, groups or account
    Set(Set),
    /// Let a user do nothing, and end every session
    Disable(Named),
    /// Let a disabled user in again
    Enable(Named),
    /// Take a user away, with every token and session; their jobs stay, and stay theirs
    Remove(Named),
    /// Print a link on which a user sets a new password
    Invite(Named),
}

#[derive(Debug, clap::Args)]
pub(super) struct Named {
    /// The user's name
    #[arg(value_parser = name)]
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Add {
    #[command(flatten)]
    user: Named,
    /// guest, submitter, operator or administrator
    #[arg(long, default_value = "submitter", value_parser = role)]
    role: Role,
    /// A group to be in; may be given more than once
    #[arg(long, value_name = "GROUP", value_parser = name)]
    group: Vec<String>,
    /// The account of the appliance's box that is the same person
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// The same person as a former user of that name, whose jobs are theirs again
    #[arg(long)]
    again: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    #[command(flatten)]
    user: Named,
    /// guest, submitter, operator or administrator
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// A group to be in from now on
    #[arg(long, value_name = "GROUP", value_parser = name)]
    group: Vec<String>,
    /// A group to be in no longer
    #[arg(long, value_name = "GROUP", value_parser = name)]
    no_group: Vec<String>,
    /// The account of the appliance's box that is the same person
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "no_account")]
    account: Option<String>,
    /// No account of the box is the same person any longer
    #[arg(long)]
    no_account: bool,
}

pub(super) async fn run(
    command: &UserCommand,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let zone = TimeZone::system();
    let (raw, text) = match command {
        UserCommand::List => {
            let answer = client.get::<UserList>("/api/users").await?;
            (answer.raw, render::users(&answer.read))
        }
        UserCommand::Show(Named { name }) => {
            let answer = client.get::<UserRecord>(&path(name)).await?;
            (answer.raw, render::user(&answer.read))
        }
        UserCommand::Add(Add { user: Named { name }, role, group, account, again }) => {
            let user = json!({
                "name": name, "role": role, "groups": group, "account": account, "again": again,
            });
            let answer = client.send_json::<Invited>("/api/users", &user).await?;
            let Invited { name, invitation } = &answer.read;
            let text =
                format!("{name} is {role} here.\n{}", render::invitation(name, invitation, &zone));
            (answer.raw, text)
        }
        UserCommand::Set(set) => {
            let mut change = json!({ "role": set.role, "enter": set.group, "leave": set.no_group });
            if set.account.is_some() || set.no_account {
                change["account"] = json!(set.account);
            }
            changed(client, &set.user.name, &change).await?
        }
        UserCommand::Disable(Named { name }) => {
            changed(client, name, &json!({ "disabled": true })).await?
        }
        UserCommand::Enable(Named { name }) => {
            changed(client, name, &json!({ "disabled": false })).await?
        }
        UserCommand::Remove(Named { name }) => {
            let answer = client.delete::<Value>(&path(name)).await?;
            (answer.raw, format!("{name} is no user any more\n"))
        }
        UserCommand::Invite(Named { name }) => {
            let answer = client.post::<Invited>(&format!("{}/invite", path(name))).await?;
            let text = render::invitation(name, &answer.read.invitation, &zone);
            (answer.raw, text)
        }
    };
    if json {
        output::print_json(&raw)?;
    } else {
        output::print(&text)?;
    }
    Ok(0)
}

async fn changed(client: &Client, name: &str, change: &Value) -> Result<(Value, String), CliError> {
    let answer = client.send_json::<UserRecord>(&path(name), change).await?;
    Ok((answer.raw, render::user(&answer.read)))
}

fn path(name: &str) -> String {
    format!("/api/users/{name}")
}

pub(super) fn name(text: &str) -> Result<String, &'static str> {
    let is_one = is_user_name(text);
    is_one.then(|| text.to_owned()).ok_or("letters, digits, -, _ and ., first a letter, at most 64")
}

fn role(name: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::name).join(", ");
    Role::named(name).ok_or_else(|| format!("one of {names}"))
}
