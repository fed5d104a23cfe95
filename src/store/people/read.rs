//! How everyone else asks the store about people, and what readers get.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use redb::ReadTransaction;

use super::{
    UserChange,
    record::{
        StoredUser, decode_deed, decode_invitation, decode_session, decode_token, decode_user,
        token_id,
    },
    tables::{DEEDS, INVITATIONS, PeopleWork, SESSIONS, TOKENS, USERS, all},
};
use crate::{
    model::{Deed, Digest, Session, Token, User},
    store::{
        Store, StoreError,
        table::{Rows as _, Snapshot as _},
        writer::{Outcome, Work},
    },
};

/// Deeds that are looked at for one page of those of one person.
const LOOKED_AT: usize = 10_000;

/// A deed's place: `microseconds-number`, good for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeedKey(i64, u64);

impl fmt::Display for DeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place among what was done is written as microseconds-number")]
pub struct NotADeedKey;

impl FromStr for DeedKey {
    type Err = NotADeedKey;

    fn from_str(text: &str) -> Result<Self, NotADeedKey> {
        let (at, number) = text.rsplit_once('-').ok_or(NotADeedKey)?;
        Ok(Self(at.parse().map_err(|_| NotADeedKey)?, number.parse().map_err(|_| NotADeedKey)?))
    }
}

/// Some of what was done, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeedPage {
    pub deeds: Vec<Deed>,
    /// Where the next page begins; none on the last.
    pub next: Option<DeedKey>,
}

impl Store {
    /// Enters a user. `again` says that it is the same person as a former user of that name.
    ///
    /// # Errors
    /// [`PersonRefused`](super::PersonRefused), or the disk's refusal; as everything here.
    pub async fn add_user(&self, user: User, again: bool) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Add { user, again }).await.map(drop)
    }

    pub async fn change_user(&self, name: String, change: UserChange) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Change { name, change }).await.map(drop)
    }

    /// Takes a user away, with every key they had. Their jobs stay, and stay theirs.
    pub async fn remove_user(&self, name: String, at: Timestamp) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Remove { name, at }).await.map(drop)
    }

    /// Lets who has the key choose the password of `user`, once. Earlier invitations of theirs end.
    pub async fn invite(
        &self,
        key: Digest,
        user: String,
        by: String,
        at: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Invite { key, user, by, at, expires }).await.map(drop)
    }

    /// Ends an invitation and every session of the user it is for; `password` is a hash.
    pub async fn accept(
        &self,
        key: Digest,
        password: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Accept { key, password, at }).await.map(drop)
    }

    /// `password` is a hash.
    pub async fn set_password(&self, name: String, password: String) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::SetPassword { name, password }).await.map(drop)
    }

    pub async fn begin_session(&self, key: Digest, session: Session) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Begin { key, session }).await.map(drop)
    }

    pub async fn session_seen(&self, key: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Seen { key, at }).await.map(drop)
    }

    pub async fn end_session(&self, key: Digest) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::End { key }).await.map(drop)
    }

    pub async fn end_sessions(&self, user: String, but: Option<Digest>) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::EndAll { user, but }).await.map(drop)
    }

    pub async fn new_token(&self, key: Digest, token: Token) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::NewToken { key, token }).await.map(drop)
    }

    pub async fn token_used(&self, key: Digest, at: Timestamp) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Used { key, at }).await.map(drop)
    }

    /// Ends a token; where a user is named, only one of theirs.
    pub async fn revoke_token(&self, id: String, user: Option<String>) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Revoke { id, user }).await.map(drop)
    }

    /// Notes what was done. What is older than `keep_from` is forgotten, a little each time.
    pub async fn did(&self, deed: Deed, keep_from: Timestamp) -> Result<(), StoreError> {
        self.ask_people(PeopleWork::Did { deed, keep_from }).await.map(drop)
    }

    async fn ask_people(&self, work: PeopleWork) -> Result<Outcome, StoreError> {
        self.ask(Work::People(work)).await
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        self.read(|txn| Ok(users(txn)?.into_iter().map(|stored| stored.user).collect())).await
    }

    pub async fn user(&self, name: String) -> Result<Option<User>, StoreError> {
        self.read(move |txn| Ok(user(txn, &name)?.map(|stored| stored.user))).await
    }

    /// A user and the hash of the password, for the one who verifies it.
    pub async fn credentials(
        &self,
        name: String,
    ) -> Result<Option<(User, Option<String>)>, StoreError> {
        self.read(move |txn| Ok(user(txn, &name)?.map(|stored| (stored.user, stored.password))))
            .await
    }

    /// The session a key opens, whatever its age, and its user.
    pub async fn session(&self, key: Digest) -> Result<Option<(Session, User)>, StoreError> {
        self.read(move |txn| {
            let table = txn.table(SESSIONS)?;
            let Some(bytes) = table.get(*key.as_bytes())? else {
                return Ok(None);
            };
            let session = decode_session(bytes.value())?;
            Ok(user(txn, &session.user)?.map(|stored| (session, stored.user)))
        })
        .await
    }

    /// Sessions of a user, the one seen last first.
    pub async fn sessions(&self, name: String) -> Result<Vec<(Digest, Session)>, StoreError> {
        self.read(move |txn| {
            let table = txn.table(SESSIONS)?;
            let mut found = all(&table, |_, bytes| decode_session(bytes))?;
            found.retain(|(_, session)| session.user == name);
            found.sort_by_key(|(_, session)| std::cmp::Reverse(session.seen));
            Ok(found.into_iter().map(|(key, one)| (Digest::from_bytes(key), one)).collect())
        })
        .await
    }

    /// The token of a key, whatever its age, and its user.
    pub async fn token(&self, key: Digest) -> Result<Option<(Token, User)>, StoreError> {
        self.read(move |txn| {
            let table = txn.table(TOKENS)?;
            let Some(bytes) = table.get(*key.as_bytes())? else {
                return Ok(None);
            };
            let token = decode_token(key.as_bytes(), bytes.value())?;
            Ok(user(txn, &token.user)?.map(|stored| (token, stored.user)))
        })
        .await
    }

    /// Tokens of one user or of all, the newest first.
    pub async fn tokens(&self, of: Option<String>) -> Result<Vec<Token>, StoreError> {
        self.read(move |txn| {
            let table = txn.table(TOKENS)?;
            let found = all(&table, decode_token)?.into_iter().map(|(_, token)| token);
            let is_meant = |token: &Token| of.as_ref().is_none_or(|name| token.user == *name);
            let mut found: Vec<_> = found.filter(is_meant).collect();
            found.sort_by_key(|token| std::cmp::Reverse(token.created));
            Ok(found)
        })
        .await
    }

    /// Whom an invitation is for, while it holds.
    pub async fn invited(&self, key: Digest, at: Timestamp) -> Result<Option<String>, StoreError> {
        self.read(move |txn| {
            let table = txn.table(INVITATIONS)?;
            let bytes = table.get(*key.as_bytes())?;
            let found = bytes.map(|bytes| decode_invitation(bytes.value())).transpose()?;
            Ok(found.filter(|found| at < found.expires).map(|found| found.user))
        })
        .await
    }

    /// At most `limit` of what was done, by one person or by all, from `before` on backwards.
    pub async fn deeds(
        &self,
        who: Option<String>,
        before: Option<DeedKey>,
        limit: usize,
    ) -> Result<DeedPage, StoreError> {
        self.read(move |txn| deeds(txn, who.as_deref(), before, limit)).await
    }
}

/// The id a token of this key is revoked by.
pub fn id_of_token(key: &Digest) -> String {
    token_id(key.as_bytes())
}

fn user(txn: &ReadTransaction, name: &str) -> Result<Option<StoredUser>, StoreError> {
    let table = txn.table(USERS)?;
    let bytes = table.get(name)?;
    bytes.map(|bytes| decode_user(name, bytes.value())).transpose()
}

pub(in crate::store) fn users(txn: &ReadTransaction) -> Result<Vec<StoredUser>, StoreError> {
    let table = txn.table(USERS)?;
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (name, bytes) = entry?;
        found.push(decode_user(name.value(), bytes.value())?);
    }
    Ok(found)
}

fn deeds(
    txn: &ReadTransaction,
    who: Option<&str>,
    before: Option<DeedKey>,
    limit: usize,
) -> Result<DeedPage, StoreError> {
    let table = txn.table(DEEDS)?;
    let end = before.map_or((i64::MAX, u64::MAX), |DeedKey(at, number)| (at, number));
    let (mut found, mut last) = (Vec::new(), None);
    let mut rest = table.range(..end)?.rev();
    for entry in rest.by_ref().take(LOOKED_AT) {
        let (key, bytes) = entry?;
        let (at, number) = key.value();
        let deed = decode_deed(at, bytes.value())?;
        last = Some(DeedKey(at, number));
        if who.is_none_or(|who| deed.who == who) {
            found.push(deed);
        }
        if found.len() == limit {
            break;
        }
    }
    let more = rest.next().transpose()?.is_some();
    Ok(DeedPage { deeds: found, next: last.filter(|_| more) })
}
