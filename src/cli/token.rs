//! `sutler token`: keys with which programs ask in somebody's name.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    answers::{NewToken, TokenList},
    client::Client,
    error::CliError,
    output, render,
    user::name,
};
use crate::{
    model::{TokenScope, quantity},
    proto::query,
};

#[derive(Debug, clap::Subcommand)]
#[command(after_long_help = "\
Examples:
  sutler token new nightly --scope submit               printed once, and kept nowhere
  sudo sutler token new ci --user ben --scope operate --expires 30d
  SUTLER_TOKEN=sutler_… sutler --server https://lab.example submit job.yaml
  sutler token list
  sutler token revoke 3f1c09ab77de

A token never lets more be done than its user may do: read looks, submit also submits and decides
about the user's own jobs, operate also about others', administer everything.")]
pub(super) enum TokenCommand {
    /// Make a token, and print it this once
    New(New),
    /// List tokens; the secrets are kept nowhere
    List(ListArgs),
    /// End a token
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// What to call it
    name: String,
    /// read, submit, operate or administer
    #[arg(long, default_value = "read", value_parser = scope)]
    scope: TokenScope,
    /// How long it is good for
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = days)]
    expires: u64,
    /// Whose it is, where an administrator makes it for somebody
    #[arg(long, value_name = "USER", value_parser = name)]
    user: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Whose, for administrators
    #[arg(long, value_name = "USER", value_parser = name)]
    user: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Revoke {
    /// As `sutler token list` has it
    #[arg(value_parser = id)]
    id: String,
}

pub(super) async fn run(
    command: &TokenCommand,
    client: &Client,
    json: bool,
) -> Result<u8, CliError> {
    let (raw, text) = match command {
        TokenCommand::New(New { name, scope, expires, user }) => {
            let wanted = json!({ "user": user, "name": name, "scope": scope, "days": expires });
            let answer = client.send_json::<NewToken>("/api/tokens", &wanted).await?;
            let NewToken { token, of } = &answer.read;
            output::say(&format!(
                "{}'s token {}, good until {}; it is not shown again:\n",
                render::clean(&of.user),
                render::clean(&of.name),
                render::time(of.expires, &TimeZone::system())
            ));
            let text = format!("{}\n", render::clean(token));
            (answer.raw, text)
        }
        TokenCommand::List(ListArgs { user }) => {
            let path = query::address("/api/tokens", &[("user", user.as_deref())]);
            let answer = client.get::<TokenList>(&path).await?;
            (answer.raw, render::tokens(&answer.read))
        }
        TokenCommand::Revoke(Revoke { id }) => {
            let answer = client.delete::<Value>(&format!("/api/tokens/{id}")).await?;
            (answer.raw, format!("the token {id} is good for nothing any more\n"))
        }
    };
    if json {
        output::print_json(&raw)?;
    } else {
        output::print(&text)?;
    }
    Ok(0)
}

fn scope(name: &str) -> Result<TokenScope, String> {
    let names = TokenScope::ALL.map(TokenScope::name).join(", ");
    TokenScope::named(name).ok_or_else(|| format!("one of {names}"))
}

fn days(text: &str) -> Result<u64, &'static str> {
    const DAY: u64 = 86_400;
    let time = quantity::duration(text).filter(|time| time.as_secs() >= DAY);
    time.map(|time| time.as_secs() / DAY).ok_or("a time of at least a day, as 90d")
}

fn id(text: &str) -> Result<String, &'static str> {
    let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| text.to_owned()).ok_or("a token is named by its id, as in `sutler token list`")
}
