//! Who somebody is: from the door they came by to what they may do.
//!
//! The socket and the inbox name an account of this box, and the kernel vouches for it. Such an
//! account is the user it was linked to, or itself, with what the settings give to accounts; root
//! and the account the appliance runs under are administrators whatever was said, so that nobody is
//! ever locked out of their own box. Over TCP a session or a token says who it is, and nothing else
//! does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock,
    config::AccessSettings,
    decide::access::Rights,
    model::{Deed, Door, Identity, NewJob, Role},
    secrets::Key,
    store::{Store, StoreError, Submitted},
};

/// Sessions end when nobody used them for this long, and in any case after the other.
const IDLE: SignedDuration = SignedDuration::from_hours(3 * 24);
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(30 * 24);
/// What is noted of whoever submits a job.
pub const SUBMIT: &str = "submit job";
/// To this it is known when a key was last used: not each request is worth a commit.
const TO_ABOUT: SignedDuration = SignedDuration::from_mins(5);

/// What says who somebody is.
#[derive(Debug, Clone)]
pub enum Proof {
    Session(Key),
    Token(Key),
    /// The kernel, of who is at the other end of the socket.
    Account {
        uid: u32,
        name: String,
    },
}

/// Tells who somebody is, and notes what they did. Cheap to clone.
#[derive(Debug, Clone)]
pub struct People {
    store: Store,
    settings: AccessSettings,
}

impl People {
    pub const fn new(store: Store, settings: AccessSettings) -> Self {
        Self { store, settings }
    }

    /// An account of this box. One that only has a user's name is not that user, and is called by
    /// its number lest anybody think so.
    pub async fn account(
        &self,
        uid: u32,
        name: String,
        door: Door,
    ) -> Result<Identity, StoreError> {
        let users = self.store.directory().await?;
        let mut who = match users.of_account(uid) {
            Some(user) => Identity::user(user.clone(), door),
            None => {
                let name = if users.user(&name).is_some() { uid.to_string() } else { name };
                Identity::account(uid, name, self.settings.local, door)
            }
        };
        if is_keeper(uid) {
            who.role = Some(Role::Administrator);
        }
        Ok(who)
    }

    /// Somebody who has not said who they are.
    pub const fn nobody(&self) -> Identity {
        Identity::nobody(self.settings.anonymous)
    }

    /// Whom a proof belongs to, while it is good. That it was used is noted.
    pub async fn by(&self, proof: &Proof) -> Result<Option<Identity>, StoreError> {
        let now = clock::now();
        let Some((who, used)) = self.known(proof, now).await? else { return Ok(None) };
        if used.is_none_or(|used| now.duration_since(used) >= TO_ABOUT) {
            match proof {
                Proof::Session(key) => self.store.session_seen(key.hash(), now).await?,
                Proof::Token(key) => self.store.token_used(key.hash(), now).await?,
                Proof::Account { .. } => {}
            }
        }
        Ok(Some(who))
    }

    /// Whether a proof still says that somebody is who they were and may do what they could.
    pub async fn is_still(&self, who: &Identity, proof: &Proof) -> Result<bool, StoreError> {
        let known = self.known(proof, clock::now()).await?;
        Ok(known.is_some_and(|(now, _)| now == *who))
    }

    /// Whose it is, with no more than it gives, and when it was last used.
    async fn known(
        &self,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Option<(Identity, Option<Timestamp>)>, StoreError> {
        Ok(match proof {
            Proof::Session(key) => {
                let found = self.store.session(key.hash()).await?.filter(|(session, user)| {
                    let is_used = now.duration_since(session.seen) < IDLE;
                    now < session.expires && is_used && !user.disabled
                });
                found.map(|(session, user)| {
                    (Identity::user(user, Door::Browser), Some(session.seen))
                })
            }
            Proof::Token(key) => {
                let found = self.store.token(key.hash()).await?;
                let found = found.filter(|(token, user)| now < token.expires && !user.disabled);
                found.map(|(token, user)| {
                    (Identity::user(user, Door::Token).capped(token.scope), token.last_used)
                })
            }
            Proof::Account { uid, name } => {
                Some((self.account(*uid, name.clone(), Door::Socket).await?, None))
            }
        })
    }

    /// What somebody may submit.
    pub async fn rights(&self, who: Identity) -> Result<Rights, StoreError> {
        Ok(Rights { who, teams: self.store.directory().await?.groups().clone() })
    }

    /// Notes what somebody did. That it could not be noted undoes nothing, and is logged.
    pub async fn did(&self, who: &Identity, what: &str, on: &str, outcome: &str) {
        let deed = deed(who, what, on, outcome);
        if let Err(error) = self.store.did(deed.clone(), self.keep_from(deed.at)).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, ?deed, "what was done could not be noted");
        }
    }

    /// Makes a job durable, and in the same commit that it was submitted, if it is new.
    ///
    /// # Errors
    /// As [`Store::submit`].
    pub async fn submit(&self, who: &Identity, job: NewJob) -> Result<Submitted, StoreError> {
        let deed = deed(who, SUBMIT, "", "done");
        let keep_from = self.keep_from(deed.at);
        self.store.submit_noted(job, deed, keep_from).await
    }

    /// What was done before is forgotten.
    fn keep_from(&self, now: Timestamp) -> Timestamp {
        let kept = self.settings.audit.map(SignedDuration::try_from).and_then(Result::ok);
        kept.and_then(|kept| now.checked_sub(kept).ok()).unwrap_or(Timestamp::MIN)
    }
}

fn deed(who: &Identity, what: &str, on: &str, outcome: &str) -> Deed {
    let (what, on, outcome) = (clipped(what), clipped(on), clipped(outcome));
    let by = who.name().unwrap_or("nobody").to_owned();
    Deed { at: clock::now(), who: by, door: who.door, what, on, outcome }
}

/// Root, or the account the appliance runs under.
fn is_keeper(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// What is noted is no place to keep something large.
fn clipped(text: &str) -> String {
    const MOST: usize = 300;
    text.chars().take(MOST).collect()
}

/// When something ends that begins now and lasts so long.
pub fn ends(now: Timestamp, lasts: Duration) -> Timestamp {
    SignedDuration::try_from(lasts)
        .ok()
        .and_then(|lasts| now.checked_add(lasts).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Session, Token, TokenScope, User},
        store::{StoreSettings, UserChange},
    };

    struct Place {
        people: People,
        store: Store,
        writer: crate::store::Writer,
        _folder: tempfile::TempDir,
    }

    async fn place(settings: AccessSettings) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(crate::store::FILE);
        let (store, writer) = Store::open(&path, StoreSettings::default()).unwrap();
        let user = User {
            name: "ann".into(),
            role: Role::Operator,
            groups: ["lab".to_owned()].into(),
            uid: None,
            disabled: false,
            created: clock::now(),
            created_by: "root".into(),
            has_password: false,
        };
        store.add_user(user, false).await.unwrap();
        Place { people: People::new(store.clone(), settings), store, writer, _folder: folder }
    }

    #[tokio::test]
    async fn an_account_is_the_user_it_is_linked_to_and_never_one_of_the_same_name() {
        let place = place(AccessSettings::default()).await;
        let ask = async |uid, name: &str| {
            place.people.account(uid, name.into(), Door::Socket).await.unwrap()
        };
        let other = ask(4001, "ann").await;
        assert_eq!((other.name(), other.user_name()), (Some("4001"), None));
        assert_eq!((other.role, other.groups.len()), (Some(Role::Submitter), 0));
        let bob = ask(4002, "bob").await;
        assert_eq!((bob.name(), bob.user_name()), (Some("bob"), None));
        let change = UserChange { uid: Some(Some(4001)), ..UserChange::default() };
        place.store.change_user("ann".into(), change).await.unwrap();
        let ann = ask(4001, "whatever").await;
        assert_eq!((ann.user_name(), ann.role), (Some("ann"), Some(Role::Operator)));
        assert!(ann.groups.contains("lab"));
        let change = UserChange { disabled: Some(true), ..UserChange::default() };
        place.store.change_user("ann".into(), change).await.unwrap();
        assert_eq!(ask(4001, "ann").await.role, None);
        assert_eq!(ask(0, "root").await.role, Some(Role::Administrator));
        place.store.check_consistent().unwrap();
        place.writer.close().await;
    }

    #[tokio::test]
    async fn the_settings_say_what_accounts_and_the_unnamed_may_do() {
        let none = AccessSettings { local: None, anonymous: None, ..AccessSettings::default() };
        let place = place(none).await;
        let bob = place.people.account(4002, "bob".into(), Door::Inbox).await.unwrap();
        assert_eq!((bob.role, place.people.nobody().role), (None, None));
        place.writer.close().await;
    }

    #[tokio::test]
    async fn a_session_ends_when_it_is_old_or_not_used_or_its_user_is_disabled() {
        let place = place(AccessSettings::default()).await;
        let now = clock::now();
        let hours = SignedDuration::from_hours;
        for (case, seen, expires, is_good) in [
            ("fresh", now, now + hours(1), true),
            ("seen yesterday", now - hours(24), now + hours(1), true),
            ("not used", now - hours(80), now + hours(1), false),
            ("over", now, now, false),
        ] {
            let key = Key::new();
            let session = Session { user: "ann".into(), created: seen, seen, expires };
            place.store.begin_session(key.hash(), session).await.unwrap();
            let who = place.people.by(&Proof::Session(key.clone())).await.unwrap();
            assert_eq!(who.is_some(), is_good, "{case}");
            if is_good {
                let seen = place.store.session(key.hash()).await.unwrap().unwrap().0.seen;
                assert!(now.duration_since(seen) < TO_ABOUT, "{case}: it was noted");
            }
        }
        assert!(place.people.by(&Proof::Session(Key::new())).await.unwrap().is_none());
        place.store.check_consistent().unwrap();
        place.writer.close().await;
    }

    #[tokio::test]
    async fn a_token_gives_what_its_scope_says_until_it_ends() {
        let place = place(AccessSettings::default()).await;
        let now = clock::now();
        let day = SignedDuration::from_hours(24);
        for (scope, expires, want) in [
            (TokenScope::Read, now + day, Some(Some(Role::Guest))),
            (TokenScope::Submit, now + day, Some(Some(Role::Submitter))),
            (TokenScope::Administer, now + day, Some(Some(Role::Operator))),
            (TokenScope::Operate, now, None),
        ] {
            let key = Key::new();
            let token = Token {
                id: String::new(),
                user: "ann".into(),
                name: scope.name().into(),
                scope,
                created: now,
                expires,
                last_used: None,
            };
            place.store.new_token(key.hash(), token).await.unwrap();
            let who = place.people.by(&Proof::Token(key.clone())).await.unwrap();
            assert_eq!(who.map(|who| who.role), want, "{scope}");
            let (token, _) = place.store.token(key.hash()).await.unwrap().unwrap();
            assert_eq!(token.last_used.is_some(), want.is_some());
        }
        place.store.remove_user("ann".into(), now).await.unwrap();
        assert_eq!(place.store.tokens(None).await.unwrap(), []);
        place.store.check_consistent().unwrap();
        place.writer.close().await;
    }
}
