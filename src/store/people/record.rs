//! Users, their keys and what was done, as bytes on disk.
//!
//! As in `record`, bincode's order of fields is the format: nothing in this file ever changes. Times
//! are microseconds since 1970. Of passwords there is an Argon2id hash, of keys a SHA-256.

use bincode::{Decode, Encode};
use jiff::Timestamp;

use crate::{
    model::{Deed, Door, Role, Session, Token, TokenScope, User},
    store::{
        StoreError,
        record::{CONFIG, named, whole},
    },
};

#[derive(Encode, Decode)]
struct UserV1 {
    role: String,
    groups: Vec<String>,
    uid: Option<u32>,
    disabled: bool,
    created_us: i64,
    created_by: String,
    password: Option<String>,
}

#[derive(Encode, Decode)]
struct SessionV1 {
    user: String,
    created_us: i64,
    seen_us: i64,
    expires_us: i64,
}

#[derive(Encode, Decode)]
struct TokenV1 {
    user: String,
    name: String,
    scope: String,
    created_us: i64,
    expires_us: i64,
    used_us: Option<i64>,
}

#[derive(Encode, Decode)]
struct InvitationV1 {
    user: String,
    by: String,
    created_us: i64,
    expires_us: i64,
}

#[derive(Encode, Decode)]
struct DeedV1 {
    who: String,
    door: String,
    what: String,
    on: String,
    outcome: String,
}

/// A user, and what is kept of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct StoredUser {
    pub user: User,
    pub password: Option<String>,
}

/// Somebody may choose a password, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Invitation {
    pub user: String,
    pub by: String,
    pub created: Timestamp,
    pub expires: Timestamp,
}

pub(in crate::store) fn encode_user(StoredUser { user, password }: &StoredUser) -> Vec<u8> {
    bytes(UserV1 {
        role: user.role.name().into(),
        groups: user.groups.iter().cloned().collect(),
        uid: user.uid,
        disabled: user.disabled,
        created_us: user.created.as_microsecond(),
        created_by: user.created_by.clone(),
        password: password.clone(),
    })
}

pub(in crate::store) fn decode_user(name: &str, bytes: &[u8]) -> Result<StoredUser, StoreError> {
    whole(
        bytes,
        || format!("the user {name}"),
        |record: UserV1| {
            let user = User {
                name: name.into(),
                role: Role::named(&record.role)?,
                groups: record.groups.into_iter().collect(),
                uid: record.uid,
                disabled: record.disabled,
                created: time(record.created_us)?,
                created_by: record.created_by,
                has_password: record.password.is_some(),
            };
            Some(StoredUser { user, password: record.password })
        },
    )
}

pub(in crate::store) fn encode_session(session: &Session) -> Vec<u8> {
    bytes(SessionV1 {
        user: session.user.clone(),
        created_us: session.created.as_microsecond(),
        seen_us: session.seen.as_microsecond(),
        expires_us: session.expires.as_microsecond(),
    })
}

pub(in crate::store) fn decode_session(bytes: &[u8]) -> Result<Session, StoreError> {
    whole(
        bytes,
        || "a session".into(),
        |record: SessionV1| {
            Some(Session {
                user: record.user,
                created: time(record.created_us)?,
                seen: time(record.seen_us)?,
                expires: time(record.expires_us)?,
            })
        },
    )
}

pub(in crate::store) fn encode_token(token: &Token) -> Vec<u8> {
    bytes(TokenV1 {
        user: token.user.clone(),
        name: token.name.clone(),
        scope: token.scope.name().into(),
        created_us: token.created.as_microsecond(),
        expires_us: token.expires.as_microsecond(),
        used_us: token.last_used.map(Timestamp::as_microsecond),
    })
}

pub(in crate::store) fn decode_token(hash: &[u8; 32], bytes: &[u8]) -> Result<Token, StoreError> {
    let id = token_id(hash);
    whole(
        bytes,
        || format!("the token {id}"),
        |record: TokenV1| {
            Some(Token {
                id: id.clone(),
                user: record.user,
                name: record.name,
                scope: named(TokenScope::ALL, TokenScope::name, &record.scope)?,
                created: time(record.created_us)?,
                expires: time(record.expires_us)?,
                last_used: record.used_us.map_or(Some(None), |us| time(us).map(Some))?,
            })
        },
    )
}

/// The first 12 digits of its hash.
pub(in crate::store) fn token_id(hash: &[u8; 32]) -> String {
    hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(in crate::store) fn encode_invitation(invitation: &Invitation) -> Vec<u8> {
    bytes(InvitationV1 {
        user: invitation.user.clone(),
        by: invitation.by.clone(),
        created_us: invitation.created.as_microsecond(),
        expires_us: invitation.expires.as_microsecond(),
    })
}

pub(in crate::store) fn decode_invitation(bytes: &[u8]) -> Result<Invitation, StoreError> {
    whole(
        bytes,
        || "an invitation".into(),
        |record: InvitationV1| {
            Some(Invitation {
                user: record.user,
                by: record.by,
                created: time(record.created_us)?,
                expires: time(record.expires_us)?,
            })
        },
    )
}

pub(in crate::store) fn encode_deed(deed: &Deed) -> Vec<u8> {
    bytes(DeedV1 {
        who: deed.who.clone(),
        door: deed.door.name().into(),
        what: deed.what.clone(),
        on: deed.on.clone(),
        outcome: deed.outcome.clone(),
    })
}

pub(in crate::store) fn decode_deed(at_us: i64, bytes: &[u8]) -> Result<Deed, StoreError> {
    whole(
        bytes,
        || "what was done".into(),
        |record: DeedV1| {
            Some(Deed {
                at: time(at_us)?,
                who: record.who,
                door: named(Door::ALL, Door::name, &record.door)?,
                what: record.what,
                on: record.on,
                outcome: record.outcome,
            })
        },
    )
}

fn bytes(record: impl Encode) -> Vec<u8> {
    bincode::encode_to_vec(record, CONFIG).expect("plain data always encodes")
}

fn time(us: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(us).ok()
}
