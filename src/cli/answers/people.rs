//! Users, tokens and deeds.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{Deed, Session, Token, User};

/// `GET /api/users`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct UserList {
    pub users: Vec<User>,
}

/// `GET /api/users/{name}`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct UserRecord {
    #[serde(flatten)]
    pub user: User,
    #[serde(default)]
    pub tokens: Vec<Token>,
    #[serde(default)]
    pub sessions: Vec<Session>,
}

/// `POST /api/users`, `POST /api/users/{name}/invite`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Invited {
    pub name: String,
    pub invitation: Invitation,
}

#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Invitation {
    pub url: String,
    pub expires: Timestamp,
}

/// `GET /api/tokens`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct TokenList {
    pub tokens: Vec<Token>,
}

/// `POST /api/tokens`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct NewToken {
    /// The secret itself.
    pub token: String,
    #[serde(flatten)]
    pub of: Token,
}

/// `GET /api/audit`
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct DeedList {
    pub deeds: Vec<Deed>,
    /// Where the next page begins; none on the last.
    pub next: Option<String>,
}
