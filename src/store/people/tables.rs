//! Users, their sessions, tokens and invitations, and what was done: the tables, and what a request
//! does to them. Everything is bounded: of sessions the oldest go, of the rest no more is taken.

use std::collections::BTreeSet;

use jiff::Timestamp;
use redb::TableDefinition;

use super::record::{
    self, Invitation, StoredUser, decode_invitation, decode_session, decode_token, encode_deed,
    encode_invitation, encode_session, encode_token, encode_user, token_id,
};
use crate::{
    model::{Deed, Digest, Role, Session, Token, User},
    store::{
        StoreError,
        table::{Rows, Table, Writing},
        writer::Outcome,
    },
};

/// Name to the user (`UserV1`).
pub(in crate::store) const USERS: TableDefinition<'_, &str, &[u8]> =
    TableDefinition::new("users-1");
/// Account number to the name of the user that is the same person.
pub(in crate::store) const BY_ACCOUNT: TableDefinition<'_, u32, &str> =
    TableDefinition::new("users-by-account-1");
/// Names of users there are no more to when they were removed, in microseconds since 1970: what they
/// own is not to become somebody else's.
pub(in crate::store) const FORMER: TableDefinition<'_, &str, i64> =
    TableDefinition::new("users-former-1");
/// SHA-256 of a key to the session it opens (`SessionV1`).
pub(in crate::store) const SESSIONS: TableDefinition<'_, [u8; 32], &[u8]> =
    TableDefinition::new("sessions-1");
/// SHA-256 of a key to the token (`TokenV1`).
pub(in crate::store) const TOKENS: TableDefinition<'_, [u8; 32], &[u8]> =
    TableDefinition::new("tokens-1");
/// SHA-256 of a key to the invitation (`InvitationV1`).
pub(in crate::store) const INVITATIONS: TableDefinition<'_, [u8; 32], &[u8]> =
    TableDefinition::new("invitations-1");
/// (microseconds since 1970, number) to what was done (`DeedV1`).
pub(in crate::store) const DEEDS: TableDefinition<'_, (i64, u64), &[u8]> =
    TableDefinition::new("deeds-1");

const MOST_USERS: u64 = 10_000;
/// Of each user.
const MOST_SESSIONS: usize = 20;
pub(in crate::store) const MOST_TOKENS: usize = 50;
/// Old deeds that go with each new one.
const FORGET: usize = 16;

/// Why something about a user cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonRefused {
    #[error("there is no user {name}")]
    NoSuchUser { name: String },
    #[error("there is a user {name} already")]
    UserThere { name: String },
    #[error(
        "there was another user {name}, whose jobs would be this one's; say so if it is the same person, with --again, or choose another name"
    )]
    Former { name: String },
    #[error("the account with the number {uid} is the user {user}'s")]
    AccountTaken { uid: u32, user: String },
    #[error("there are {most} {what} already, and no more can be kept")]
    TooMany { what: &'static str, most: u64 },
    #[error("there is no token {id}")]
    NoSuchToken { id: String },
    #[error("there is a token named {name} already; revoke it first, or choose another name")]
    TokenThere { name: String },
    #[error(
        "this invitation was used, has expired, or never was one; ask an administrator for another: sutler user invite NAME"
    )]
    NotInvited,
    #[error("{name} is disabled")]
    Disabled { name: String },
}

/// What becomes of a user; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    pub role: Option<Role>,
    pub enter: BTreeSet<String>,
    pub leave: BTreeSet<String>,
    /// The account that is the same person, or none.
    pub uid: Option<Option<u32>>,
    pub disabled: Option<bool>,
}

/// What is asked about people.
#[derive(Debug)]
pub(in crate::store) enum PeopleWork {
    /// `again`: it is the same person as a former user of that name.
    Add {
        user: User,
        again: bool,
    },
    Change {
        name: String,
        change: UserChange,
    },
    Remove {
        name: String,
        at: Timestamp,
    },
    Invite {
        key: Digest,
        user: String,
        by: String,
        at: Timestamp,
        expires: Timestamp,
    },
    /// Sets the password of whom the invitation is for, and ends it.
    Accept {
        key: Digest,
        password: String,
        at: Timestamp,
    },
    SetPassword {
        name: String,
        password: String,
    },
    Begin {
        key: Digest,
        session: Session,
    },
    Seen {
        key: Digest,
        at: Timestamp,
    },
    End {
        key: Digest,
    },
    /// All sessions of a user but one.
    EndAll {
        user: String,
        but: Option<Digest>,
    },
    NewToken {
        key: Digest,
        token: Token,
    },
    Used {
        key: Digest,
        at: Timestamp,
    },
    /// `user`: only if it is theirs.
    Revoke {
        id: String,
        user: Option<String>,
    },
    /// Notes what was done, and forgets some of what is older than `keep_from`.
    Did {
        deed: Deed,
        keep_from: Timestamp,
    },
}

type Keys<'txn> = Table<'txn, [u8; 32], &'static [u8]>;

/// The tables, open in one transaction.
pub(in crate::store) struct People<'txn> {
    users: Table<'txn, &'static str, &'static [u8]>,
    by_account: Table<'txn, u32, &'static str>,
    former: Table<'txn, &'static str, i64>,
    sessions: Keys<'txn>,
    tokens: Keys<'txn>,
    invitations: Keys<'txn>,
    deeds: Table<'txn, (i64, u64), &'static [u8]>,
    /// Whether there are other users now, or they are otherwise.
    pub(in crate::store) users_changed: bool,
}

impl<'txn> People<'txn> {
    pub(in crate::store) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self {
            users: txn.table(USERS)?,
            by_account: txn.table(BY_ACCOUNT)?,
            former: txn.table(FORMER)?,
            sessions: txn.table(SESSIONS)?,
            tokens: txn.table(TOKENS)?,
            invitations: txn.table(INVITATIONS)?,
            deeds: txn.table(DEEDS)?,
            users_changed: false,
        })
    }

    /// Whether anything is otherwise than before.
    pub(in crate::store) fn carry_out(&mut self, work: PeopleWork) -> Result<Outcome, StoreError> {
        let changed = match work {
            PeopleWork::Add { user, again } => self.add(user, again)?,
            PeopleWork::Change { name, change } => self.change(&name, change)?,
            PeopleWork::Remove { name, at } => self.remove(&name, at)?,
            PeopleWork::Invite { key, user, by, at, expires } => {
                self.user(&user)?;
                let invitation = Invitation { user: user.clone(), by, created: at, expires };
                self.uninvite(|_, other| other.user == user || other.expires <= at)?;
                let bytes = encode_invitation(&invitation);
                put(&mut self.invitations, &key, &bytes)?
            }
            PeopleWork::Accept { key, password, at } => self.accept(&key, password, at)?,
            PeopleWork::SetPassword { name, password } => {
                let user = self.user(&name)?;
                self.put_user(&StoredUser { password: Some(password), ..user })?
            }
            PeopleWork::Begin { key, session } => self.begin(&key, &session)?,
            PeopleWork::Seen { key, at } => match get(&self.sessions, &key, decode_session)? {
                Some(session) => {
                    let bytes = encode_session(&Session { seen: at, ..session });
                    put(&mut self.sessions, &key, &bytes)?
                }
                None => false,
            },
            PeopleWork::End { key } => remove(&mut self.sessions, key.as_bytes())?,
            PeopleWork::EndAll { user, but } => {
                let but = but.map(|key| *key.as_bytes());
                self.end_sessions(|key, session| session.user == user && Some(*key) != but)?
            }
            PeopleWork::NewToken { key, token } => self.new_token(&key, &token)?,
            PeopleWork::Used { key, at } => {
                let found = get(&self.tokens, &key, |bytes| decode_token(key.as_bytes(), bytes))?;
                match found {
                    Some(token) => {
                        let bytes = encode_token(&Token { last_used: Some(at), ..token });
                        put(&mut self.tokens, &key, &bytes)?
                    }
                    None => false,
                }
            }
            PeopleWork::Revoke { id, user } => self.revoke(id, user.as_deref())?,
            PeopleWork::Did { deed, keep_from } => self.did(&deed, keep_from)?,
        };
        Ok(Outcome::Set(changed))
    }

    fn user(&self, name: &str) -> Result<StoredUser, StoreError> {
        let bytes = self.users.get(name)?;
        let bytes = bytes.ok_or_else(|| PersonRefused::NoSuchUser { name: name.into() })?;
        record::decode_user(name, bytes.value())
    }

    fn put_user(&mut self, user: &StoredUser) -> Result<bool, StoreError> {
        let bytes = encode_user(user);
        let before = self.users.insert(&*user.user.name, &*bytes)?;
        let is_new = before.is_none_or(|before| before.value() != bytes);
        self.users_changed |= is_new;
        Ok(is_new)
    }

    fn add(&mut self, user: User, again: bool) -> Result<bool, StoreError> {
        let name = user.name.clone();
        if self.users.get(&*name)?.is_some() {
            return Err(PersonRefused::UserThere { name }.into());
        }
        if !again && self.former.get(&*name)?.is_some() {
            return Err(PersonRefused::Former { name }.into());
        }
        if self.users.len()? >= MOST_USERS {
            return Err(PersonRefused::TooMany { what: "users", most: MOST_USERS }.into());
        }
        self.link(&name, None, user.uid)?;
        self.former.remove(&*name)?;
        self.put_user(&StoredUser { user, password: None })
    }

    fn change(&mut self, name: &str, change: UserChange) -> Result<bool, StoreError> {
        let StoredUser { mut user, password } = self.user(name)?;
        if let Some(uid) = change.uid {
            self.link(name, user.uid, uid)?;
            user.uid = uid;
        }
        user.role = change.role.unwrap_or(user.role);
        user.groups.extend(change.enter);
        user.groups.retain(|group| !change.leave.contains(group));
        user.disabled = change.disabled.unwrap_or(user.disabled);
        if user.disabled {
            self.end_sessions(|_, session| session.user == name)?;
            self.uninvite(|_, invitation| invitation.user == name)?;
        }
        self.put_user(&StoredUser { user, password })
    }

    /// Makes an account of this box the same person as a user.
    fn link(&mut self, name: &str, from: Option<u32>, to: Option<u32>) -> Result<(), StoreError> {
        if let Some(uid) = to
            && let Some(other) = self.by_account.get(uid)?
            && other.value() != name
        {
            let user = other.value().to_owned();
            return Err(PersonRefused::AccountTaken { uid, user }.into());
        }
        if let Some(uid) = from {
            self.by_account.remove(uid)?;
        }
        if let Some(uid) = to {
            self.by_account.insert(uid, name)?;
        }
        Ok(())
    }

    fn remove(&mut self, name: &str, at: Timestamp) -> Result<bool, StoreError> {
        let StoredUser { user, .. } = self.user(name)?;
        self.link(name, user.uid, None)?;
        self.users.remove(name)?;
        self.users_changed = true;
        self.former.insert(name, at.as_microsecond())?;
        self.end_sessions(|_, session| session.user == name)?;
        self.uninvite(|_, invitation| invitation.user == name)?;
        for (key, token) in self.all_tokens()? {
            if token.user == name {
                remove(&mut self.tokens, &key)?;
            }
        }
        Ok(true)
    }

    fn accept(
        &mut self,
        key: &Digest,
        password: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let found = get(&self.invitations, key, decode_invitation)?;
        let found = found.filter(|invitation| at < invitation.expires);
        let Invitation { user: name, .. } = found.ok_or(PersonRefused::NotInvited)?;
        let StoredUser { user, .. } = self.user(&name)?;
        if user.disabled {
            return Err(PersonRefused::Disabled { name }.into());
        }
        self.uninvite(|_, invitation| invitation.user == name)?;
        self.end_sessions(|_, session| session.user == name)?;
        self.put_user(&StoredUser { user, password: Some(password) })
    }

    /// A new session; those that have expired go, and of too many the ones not seen for longest.
    fn begin(&mut self, key: &Digest, session: &Session) -> Result<bool, StoreError> {
        self.user(&session.user)?;
        self.end_sessions(|_, other| other.expires <= session.created)?;
        let mut own: Vec<_> = self.all_sessions()?;
        own.retain(|(_, other)| other.user == session.user);
        own.sort_by_key(|(_, other)| other.seen);
        let over = (own.len() + 1).saturating_sub(MOST_SESSIONS);
        for (key, _) in own.iter().take(over) {
            remove(&mut self.sessions, key)?;
        }
        put(&mut self.sessions, key, &encode_session(session))
    }

    fn end_sessions(
        &mut self,
        which: impl Fn(&[u8; 32], &Session) -> bool,
    ) -> Result<bool, StoreError> {
        let mut any = false;
        for (key, _) in self.all_sessions()?.iter().filter(|(key, session)| which(key, session)) {
            any |= remove(&mut self.sessions, key)?;
        }
        Ok(any)
    }

    fn uninvite(
        &mut self,
        which: impl Fn(&[u8; 32], &Invitation) -> bool,
    ) -> Result<(), StoreError> {
        let all = all(&self.invitations, |_, bytes| decode_invitation(bytes))?;
        for (key, _) in all.iter().filter(|(key, invitation)| which(key, invitation)) {
            remove(&mut self.invitations, key)?;
        }
        Ok(())
    }

    fn new_token(&mut self, key: &Digest, token: &Token) -> Result<bool, StoreError> {
        self.user(&token.user)?;
        let mut own = Vec::new();
        for (key, other) in self.all_tokens()? {
            if other.expires <= token.created {
                remove(&mut self.tokens, &key)?;
            } else if other.user == token.user {
                own.push(other.name);
            }
        }
        if own.contains(&token.name) {
            return Err(PersonRefused::TokenThere { name: token.name.clone() }.into());
        }
        if own.len() >= MOST_TOKENS {
            let most = MOST_TOKENS as u64;
            return Err(PersonRefused::TooMany { what: "tokens of one user", most }.into());
        }
        put(&mut self.tokens, key, &encode_token(token))
    }

    fn revoke(&mut self, id: String, user: Option<&str>) -> Result<bool, StoreError> {
        let tokens = self.all_tokens()?;
        let is_theirs = |token: &Token| user.is_none_or(|user| token.user == user);
        let found = tokens.iter().find(|(key, token)| token_id(key) == id && is_theirs(token));
        let (key, _) = found.ok_or(PersonRefused::NoSuchToken { id })?;
        remove(&mut self.tokens, key)
    }

    pub(in crate::store) fn did(
        &mut self,
        deed: &Deed,
        keep_from: Timestamp,
    ) -> Result<bool, StoreError> {
        let last = self.deeds.last()?.map_or(0, |(key, _)| key.value().1);
        let old = self.deeds.range(..(keep_from.as_microsecond(), 0))?;
        let old: Result<Vec<_>, _> =
            old.take(FORGET).map(|entry| entry.map(|(key, _)| key.value())).collect();
        for key in old? {
            self.deeds.remove(key)?;
        }
        let key = (deed.at.as_microsecond(), last + 1);
        self.deeds.insert(key, &*encode_deed(deed))?;
        Ok(true)
    }

    fn all_sessions(&self) -> Result<Vec<([u8; 32], Session)>, StoreError> {
        all(&self.sessions, |_, bytes| decode_session(bytes))
    }

    fn all_tokens(&self) -> Result<Vec<([u8; 32], Token)>, StoreError> {
        all(&self.tokens, decode_token)
    }
}

/// What is read of one key's entry.
fn get<T>(
    table: &impl Rows<[u8; 32], &'static [u8]>,
    key: &Digest,
    decode: impl FnOnce(&[u8]) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let bytes = table.get(*key.as_bytes())?;
    bytes.map(|bytes| decode(bytes.value())).transpose()
}

pub(in crate::store) fn all<T>(
    table: &impl Rows<[u8; 32], &'static [u8]>,
    decode: impl Fn(&[u8; 32], &[u8]) -> Result<T, StoreError>,
) -> Result<Vec<([u8; 32], T)>, StoreError> {
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (key, bytes) = entry?;
        let key = key.value();
        found.push((key, decode(&key, bytes.value())?));
    }
    Ok(found)
}

fn put(table: &mut Keys<'_>, key: &Digest, bytes: &[u8]) -> Result<bool, StoreError> {
    let before = table.insert(*key.as_bytes(), bytes)?;
    Ok(before.is_none_or(|before| before.value() != bytes))
}

fn remove(table: &mut Keys<'_>, key: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(table.remove(key)?.is_some())
}
