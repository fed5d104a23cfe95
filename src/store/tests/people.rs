//! Users, their keys, what was done, and whose names are known.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::sample::{at, job, open};
use crate::{
    model::{
        Deed, Digest, Door, Identity, Role, Session, Submitter, Token, TokenScope, User, Visibility,
    },
    store::{PersonRefused, StoreError, UserChange, people},
};

fn user(name: &str) -> User {
    User {
        name: name.into(),
        role: Role::Submitter,
        groups: BTreeSet::from(["lab".to_owned()]),
        uid: None,
        disabled: false,
        created: at(1),
        created_by: "root".into(),
        has_password: false,
    }
}

fn key(n: u64) -> Digest {
    Digest::of(&n.to_le_bytes())
}

fn token(n: u64, user: &str) -> Token {
    Token {
        id: crate::store::id_of_token(&key(n)),
        user: user.into(),
        name: format!("token {n}"),
        scope: TokenScope::Submit,
        created: at(10),
        expires: at(1_000),
        last_used: None,
    }
}

fn session(user: &str, seen: Timestamp) -> Session {
    Session {
        user: user.into(),
        created: seen,
        seen,
        expires: seen + SignedDuration::from_secs(50),
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> PersonRefused {
    match result {
        Err(StoreError::Person(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_reads_as_entered_and_a_name_never_becomes_somebody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (store, writer) = open(&path);
    let ann = User { uid: Some(7), ..user("ann") };
    store.add_user(ann.clone(), false).await.unwrap();
    let there = refused(store.add_user(user("ann"), false).await);
    assert_eq!(there, PersonRefused::UserThere { name: "ann".into() });
    let taken = refused(store.add_user(User { uid: Some(7), ..user("bob") }, false).await);
    assert_eq!(taken, PersonRefused::AccountTaken { uid: 7, user: "ann".into() });
    store.check_consistent().unwrap();
    writer.close().await;

    let (store, writer) = open(&path);
    assert_eq!(store.users().await.unwrap(), [ann]);
    let change = UserChange {
        role: Some(Role::Operator),
        enter: ["kernel".to_owned()].into(),
        leave: ["lab".to_owned()].into(),
        uid: Some(Some(8)),
        disabled: None,
    };
    store.change_user("ann".into(), change).await.unwrap();
    let ann = store.user("ann".into()).await.unwrap().unwrap();
    assert_eq!(
        (ann.role, ann.uid, ann.groups),
        (Role::Operator, Some(8), ["kernel".to_owned()].into())
    );
    store.remove_user("ann".into(), at(99)).await.unwrap();
    let former = refused(store.add_user(user("ann"), false).await);
    assert_eq!(former, PersonRefused::Former { name: "ann".into() });
    store.add_user(user("ann"), true).await.unwrap();
    let none = refused(store.change_user("eve".into(), UserChange::default()).await);
    assert_eq!(none, PersonRefused::NoSuchUser { name: "eve".into() });
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn the_directory_is_read_once_and_anew_when_users_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    let empty = store.directory().await.unwrap();
    assert!(empty.user("ann").is_none() && empty.groups().is_empty());

    store.add_user(User { uid: Some(7), ..user("ann") }, false).await.unwrap();
    let one = store.directory().await.unwrap();
    assert_eq!(one.of_account(7).unwrap().name, "ann");
    assert_eq!(**one.groups(), ["lab".to_owned()].into());
    store.begin_session(key(1), session("ann", at(10))).await.unwrap();
    let again = store.directory().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &again), "that they came is no change of who they are");

    let change = UserChange { uid: Some(Some(8)), ..UserChange::default() };
    store.change_user("ann".into(), change).await.unwrap();
    let moved = store.directory().await.unwrap();
    assert!(moved.of_account(7).is_none(), "what was acknowledged is in it");
    assert_eq!(moved.of_account(8).unwrap().name, "ann");
    store.remove_user("ann".into(), at(99)).await.unwrap();
    assert!(store.directory().await.unwrap().user("ann").is_none());
    writer.close().await;
}

#[tokio::test]
async fn an_invitation_is_good_once_and_the_last_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    store.add_user(user("ann"), false).await.unwrap();
    for n in [1, 2] {
        store.invite(key(n), "ann".into(), "root".into(), at(10), at(20)).await.unwrap();
    }
    assert_eq!(store.invited(key(1), at(11)).await.unwrap(), None, "the second took its place");
    assert_eq!(store.invited(key(2), at(11)).await.unwrap().as_deref(), Some("ann"));
    assert_eq!(store.invited(key(2), at(20)).await.unwrap(), None, "expired");
    let late = refused(store.accept(key(2), "hash".into(), at(20)).await);
    assert_eq!(late, PersonRefused::NotInvited);
    store.begin_session(key(3), session("ann", at(12))).await.unwrap();
    store.accept(key(2), "hash".into(), at(12)).await.unwrap();
    let (ann, password) = store.credentials("ann".into()).await.unwrap().unwrap();
    assert_eq!((ann.has_password, password.as_deref()), (true, Some("hash")));
    assert_eq!(store.session(key(3)).await.unwrap(), None, "every session has ended");
    let again = refused(store.accept(key(2), "other".into(), at(12)).await);
    assert_eq!(again, PersonRefused::NotInvited);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn who_is_disabled_has_no_session_and_of_too_many_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    store.add_user(user("ann"), false).await.unwrap();
    for n in 0..25 {
        store.begin_session(key(n), session("ann", at(100 + n))).await.unwrap();
    }
    let sessions = store.sessions("ann".into()).await.unwrap();
    assert_eq!(sessions.len(), 20);
    assert!(store.session(key(0)).await.unwrap().is_none());
    assert_eq!(sessions[0].0, key(24), "seen last");
    store.begin_session(key(77), session("ann", at(500))).await.unwrap();
    assert_eq!(store.sessions("ann".into()).await.unwrap().len(), 1, "the others have expired");
    let change = UserChange { disabled: Some(true), ..UserChange::default() };
    store.change_user("ann".into(), change).await.unwrap();
    assert_eq!(store.sessions("ann".into()).await.unwrap(), []);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn tokens_are_bounded_named_once_and_ended_by_their_user_or_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    for name in ["ann", "bob"] {
        store.add_user(user(name), false).await.unwrap();
    }
    for n in 0..people::MOST_TOKENS as u64 {
        store.new_token(key(n), token(n, "ann")).await.unwrap();
    }
    let twice = refused(store.new_token(key(900), token(1, "ann")).await);
    assert_eq!(twice, PersonRefused::TokenThere { name: "token 1".into() });
    let many = refused(store.new_token(key(901), token(901, "ann")).await);
    assert!(matches!(many, PersonRefused::TooMany { .. }), "{many:?}");
    store.new_token(key(902), token(902, "bob")).await.unwrap();
    let id = token(3, "ann").id;
    let others = refused(store.revoke_token(id.clone(), Some("bob".into())).await);
    assert_eq!(others, PersonRefused::NoSuchToken { id: id.clone() });
    store.revoke_token(id, Some("ann".into())).await.unwrap();
    assert_eq!(store.token(key(3)).await.unwrap(), None);
    store.token_used(key(4), at(50)).await.unwrap();
    assert_eq!(store.token(key(4)).await.unwrap().unwrap().0.last_used, Some(at(50)));
    // Those that have expired make room.
    let late = Token { created: at(2_000), expires: at(3_000), ..token(903, "ann") };
    store.new_token(key(903), late.clone()).await.unwrap();
    assert_eq!(store.tokens(Some("ann".into())).await.unwrap(), [late]);
    store.check_consistent().unwrap();
    writer.close().await;
}

#[tokio::test]
async fn what_was_done_is_read_by_pages_and_forgotten_with_time() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    let deed = |n: u64, who: &str| Deed {
        at: at(n),
        who: who.into(),
        door: Door::Token,
        what: "cancel job".into(),
        on: n.to_string(),
        outcome: "done".into(),
    };
    for n in 1..=9 {
        let who = if n % 3 == 0 { "bob" } else { "ann" };
        // Two at the same moment are two.
        store.did(deed(n / 2 * 2, who), Timestamp::MIN).await.unwrap();
    }
    let mut all = Vec::new();
    let mut next = None;
    loop {
        let page = store.deeds(None, next, 4).await.unwrap();
        all.extend(page.deeds);
        next = page.next;
        if next.is_none() {
            break;
        }
        let written = next.unwrap().to_string();
        assert_eq!(written.parse().ok(), next);
    }
    assert_eq!(all.len(), 9);
    assert!(all.windows(2).all(|pair| pair[0].at >= pair[1].at));
    let bobs = store.deeds(Some("bob".into()), None, 2).await.unwrap();
    assert_eq!(bobs.deeds.len(), 2);
    assert!(bobs.deeds.iter().all(|deed| deed.who == "bob"));
    store.did(deed(10, "ann"), at(6)).await.unwrap();
    let left = store.deeds(None, None, 100).await.unwrap().deeds;
    assert!(left.iter().all(|deed| deed.at >= at(6)), "{left:?}");
    writer.close().await;
}

#[tokio::test]
async fn a_name_is_known_to_those_who_may_see_a_job_of_it_also_when_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, writer) = open(&folder.path().join("store"));
    let sent = [
        ("open", Visibility::Public, None),
        ("own", Visibility::Personal, None),
        ("team", Visibility::Group(vec!["lab".into()]), None),
        ("stream", Visibility::Public, Some("/private/team/lab/")),
    ];
    for (n, (name, visibility, stream)) in (1..).zip(sent) {
        let submitter = Submitter { uid: Some(1000), name: "ada".into() };
        let stream = stream.map(str::to_owned);
        let mut new = job(n, 50);
        (new.name, new.visibility, new.stream, new.submitter) =
            (name.into(), visibility, stream, submitter);
        store.submit(new).await.unwrap();
    }
    let names = || sent_names();
    let known = async |who: Identity| {
        let known = store.known_names(who, names()).await.unwrap();
        known.into_iter().collect::<Vec<_>>().join(" ")
    };
    let account = |uid| Identity::account(uid, "x".into(), Some(Role::Operator), Door::Socket);
    assert_eq!(known(Identity::nobody(Some(Role::Guest))).await, "open");
    assert_eq!(known(Identity::nobody(None)).await, "");
    assert_eq!(known(account(1000)).await, "open own stream team");
    assert_eq!(known(account(1001)).await, "open");
    assert_eq!(known(Identity::user(user("mia"), Door::Token)).await, "open stream team");
    let admin = User { role: Role::Administrator, groups: BTreeSet::new(), ..user("root") };
    assert_eq!(known(Identity::user(admin, Door::Socket)).await, "never open own stream team");
    store.check_consistent().unwrap();
    writer.close().await;
}

fn sent_names() -> BTreeSet<String> {
    ["open", "own", "team", "stream", "never"].map(String::from).into()
}
