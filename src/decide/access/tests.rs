use proptest::prelude::*;

use super::*;
use crate::model::{Door, TokenScope, User};

fn user(name: &str, role: Role, groups: &[&str], uid: Option<u32>) -> Identity {
    let user = User {
        name: name.into(),
        role,
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        uid,
        disabled: false,
        created: jiff::Timestamp::UNIX_EPOCH,
        created_by: "root".into(),
        has_password: true,
    };
    Identity::user(user, Door::Browser)
}

fn account(uid: u32, name: &str) -> Identity {
    Identity::account(uid, name.into(), Some(Role::Submitter), Door::Socket)
}

fn nobody() -> Identity {
    Identity::nobody(Some(Role::Guest))
}

/// Of the user ann, who has no account.
fn anns() -> Submitter {
    user("ann", Role::Submitter, &[], None).submitter().unwrap()
}

#[test]
fn a_job_is_seen_by_whom_visibility_and_stream_let_see_it() {
    let group = |names: &[&str]| Visibility::Group(names.iter().map(|n| (*n).into()).collect());
    let public = Visibility::Public;
    let people = [
        nobody(),
        user("ann", Role::Submitter, &[], None),
        user("bob", Role::Operator, &["lab"], None),
        user("eve", Role::Submitter, &["lab", "kernel"], None),
        user("root", Role::Administrator, &[], Some(0)),
        account(1000, "ann"),
    ];
    // In the order of `people`: 1 sees, 0 does not.
    for (visibility, stream, want) in [
        (&public, None, [1, 1, 1, 1, 1, 1]),
        (&public, Some("/public/team/lab/x/"), [1, 1, 1, 1, 1, 1]),
        (&public, Some("/private/team/lab/x/"), [0, 1, 1, 1, 1, 0]),
        (&public, Some("/private/personal/ann/x/"), [0, 1, 0, 0, 1, 0]),
        (&public, Some("/private/personal/eve/"), [0, 1, 0, 1, 1, 0]),
        (&public, Some("/private/"), [0, 1, 0, 0, 1, 0]),
        (&Visibility::Personal, None, [0, 1, 0, 0, 1, 0]),
        (&Visibility::Personal, Some("/private/team/lab/"), [0, 1, 0, 0, 1, 0]),
        (&group(&["lab"]), None, [0, 1, 1, 1, 1, 0]),
        (&group(&["lab"]), Some("/private/team/kernel/"), [0, 1, 0, 1, 1, 0]),
        (&group(&["nobody-is-in-it"]), None, [0, 1, 0, 0, 1, 0]),
    ] {
        let submitter = anns();
        let job = Belongs { submitter: &submitter, visibility, stream };
        let seen = people.each_ref().map(|who| i32::from(sees(who, job)));
        assert_eq!(seen, want, "{visibility:?} {stream:?}");
    }
}

#[test]
fn an_account_owns_by_its_number_and_a_user_by_name() {
    let by_account = Submitter { uid: Some(1000), name: "ann".into() };
    for (case, who, sent, want) in [
        ("the same account", account(1000, "renamed"), &by_account, true),
        ("another of the name", account(1001, "ann"), &by_account, false),
        ("the user linked to it", user("x", Role::Guest, &[], Some(1000)), &by_account, true),
        ("a user of the name", user("ann", Role::Guest, &[], None), &by_account, false),
        ("the user", user("ann", Role::Guest, &[], None), &anns(), true),
        ("the user, linked since", user("ann", Role::Guest, &[], Some(7)), &anns(), true),
        ("an account of the user's name", account(1000, "ann"), &anns(), false),
        ("the number no account has", account(u32::MAX, "ann"), &anns(), false),
        ("nobody", nobody(), &anns(), false),
    ] {
        assert_eq!(owns(&who, sent), want, "{case}");
    }
}

#[test]
fn what_may_be_done_goes_by_role_and_says_what_is_lacking() {
    let (ann, bob) = (anns(), Submitter { uid: Some(1001), name: "bob".into() });
    let own = Act::Decide(&ann);
    let other = Act::Decide(&bob);
    let of = |role| user("ann", role, &[], None);
    let mut disabled = of(Role::Administrator);
    disabled.role = None;
    let lacks = |role, needed| Err(Denied::Role { name: "ann".into(), role, needed });
    let not_yours = Err(Denied::NotYours { owner: "bob".into() });
    for (case, who, act, want) in [
        ("anyone looks", nobody(), Act::Look, Ok(())),
        ("unless the box says no", Identity::nobody(None), Act::Look, Err(Denied::Unnamed)),
        ("nobody submits", nobody(), Act::Submit, Err(Denied::Unnamed)),
        (
            "whatever role the unnamed have",
            Identity::nobody(Some(Role::Administrator)),
            Act::Submit,
            Err(Denied::Unnamed),
        ),
        ("a guest", of(Role::Guest), Act::Submit, lacks(Role::Guest, Role::Submitter)),
        ("a submitter", of(Role::Submitter), Act::Submit, Ok(())),
        (
            "with a token that only looks",
            of(Role::Submitter).capped(TokenScope::Read),
            Act::Submit,
            Err(Denied::Scope { scope: TokenScope::Read, needed: Role::Submitter }),
        ),
        (
            "a token gives no more than its user has",
            of(Role::Guest).capped(TokenScope::Operate),
            Act::Submit,
            lacks(Role::Guest, Role::Submitter),
        ),
        ("their own", of(Role::Submitter), own, Ok(())),
        ("as guest", of(Role::Guest), own, lacks(Role::Guest, Role::Submitter)),
        ("another's", of(Role::Submitter), other, not_yours),
        ("for an operator", of(Role::Operator), other, Ok(())),
        ("nobody's", nobody(), other, Err(Denied::Unnamed)),
        ("own rule", of(Role::Submitter), Act::ChangeRule { owner: "ann" }, Ok(())),
        ("others' rules", of(Role::Operator), Act::ChangeRule { owner: "bob" }, Ok(())),
        ("limits", of(Role::Submitter), Act::Limits, lacks(Role::Submitter, Role::Operator)),
        ("users", of(Role::Operator), Act::Users, lacks(Role::Operator, Role::Administrator)),
        ("users", of(Role::Administrator), Act::Users, Ok(())),
        ("own account", of(Role::Guest), Act::Account, Ok(())),
        (
            "an account has none",
            account(7, "ann"),
            Act::Account,
            Err(Denied::NoUser { name: "ann".into() }),
        ),
        ("disabled", disabled, Act::Look, Err(Denied::NoRole { name: "ann".into() })),
    ] {
        assert_eq!(may(&who, act), want, "{case}");
    }
}

#[test]
fn a_stream_takes_jobs_from_those_whose_it_is() {
    let teams = Arc::new(BTreeSet::from(["lab".to_owned()]));
    let ann = user("ann", Role::Submitter, &["lab"], None);
    let bob = user("bob", Role::Submitter, &[], None);
    let admin = user("root", Role::Administrator, &[], None);
    let not_in = Denied::NotInTeam { group: "lab".into(), name: "bob".into() };
    let not_his = Denied::NotYourStream { owner: "ann".into(), name: "bob".into() };
    let no_team = || Denied::NoSuchTeam { group: "ghosts".into() };
    for (who, stream, want) in [
        (&ann, None, Ok(())),
        (&ann, Some("/private/team/lab/x/"), Ok(())),
        (&bob, Some("/private/team/lab/x/"), Err(not_in.clone())),
        (&bob, Some("/public/team/lab/"), Err(not_in)),
        (&bob, Some("/public/personal/ann/x/"), Err(not_his)),
        (&bob, Some("/public/personal/bob/x/"), Ok(())),
        (&bob, Some("/public/team/ghosts/"), Ok(())),
        (&bob, Some("/private/team/ghosts/"), Err(no_team())),
        (&admin, Some("/private/team/ghosts/"), Err(no_team())),
        (&admin, Some("/private/team/lab/"), Ok(())),
        (&bob, Some("/nightly/"), Ok(())),
    ] {
        let rights = Rights { who: who.clone(), teams: teams.clone() };
        assert_eq!(rights.may_submit(stream), want, "{:?} {stream:?}", who.name());
    }
    let rights = Rights { who: nobody(), teams };
    assert_eq!(rights.may_submit(None), Err(Denied::Unnamed));
}

const NAMES: [&str; 3] = ["ann", "bob", "eve"];
const GROUPS: [&str; 3] = ["lab", "kernel", "ann"];

fn any_role() -> impl Strategy<Value = Role> {
    prop::sample::select(Role::ALL.to_vec())
}

fn any_groups() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set(prop::sample::select(GROUPS.map(String::from).to_vec()), 0..3)
}

fn any_person() -> impl Strategy<Value = Person> {
    let name = || prop::sample::select(NAMES.map(String::from).to_vec());
    prop_oneof![
        Just(Person::Nobody),
        (0..3_u32, name()).prop_map(|(uid, name)| Person::Account { uid, name }),
        (prop::option::of(0..3_u32), name()).prop_map(|(uid, name)| Person::User { uid, name }),
    ]
}

prop_compose! {
    fn any_identity()(
        person in any_person(), role in prop::option::of(any_role()), groups in any_groups(),
    ) -> Identity {
        // Who is no user is in no group.
        let groups = if matches!(person, Person::User { .. }) { groups } else { BTreeSet::new() };
        Identity { person, role, groups, door: Door::Socket, scope: None }
    }
}

fn any_visibility() -> impl Strategy<Value = Visibility> {
    prop_oneof![
        Just(Visibility::Public),
        Just(Visibility::Personal),
        any_groups().prop_map(|groups| Visibility::Group(groups.into_iter().collect())),
    ]
}

fn any_stream() -> impl Strategy<Value = Option<String>> {
    let part = prop::sample::select(vec!["private", "public", "personal", "team", "ann", "lab"]);
    prop::option::of(
        prop::collection::vec(part, 1..5).prop_map(|parts| format!("/{}/", parts.join("/"))),
    )
}

fn any_submitter() -> impl Strategy<Value = Submitter> {
    any_identity().prop_filter_map("somebody", |who| who.submitter())
}

proptest! {
    #[test]
    fn nobody_sees_what_neither_owner_nor_member_nor_administrator_may(
        who in any_identity(), submitter in any_submitter(), visibility in any_visibility(),
        stream in any_stream(),
    ) {
        let job =
            Belongs { submitter: &submitter, visibility: &visibility, stream: stream.as_deref() };
        let seen = sees(&who, job);
        let stream = stream.as_deref().map(Stream::of);
        let is_open = visibility == Visibility::Public && stream.is_none_or(|s| !s.is_private);
        let named = |name: &str| who.groups.contains(name);
        let is_member = match &visibility {
            Visibility::Group(names) => names.iter().any(|name| named(name)),
            Visibility::Public | Visibility::Personal => false,
        } || stream.is_some_and(|stream| match stream.owner {
            StreamOwner::Team(group) => named(group),
            StreamOwner::User(name) => who.user_name() == Some(name),
            StreamOwner::Nobody => false,
        });
        if seen {
            prop_assert!(who.role.is_some());
            prop_assert!(is_open || is_member || owns(&who, &submitter) || who.is_administrator());
        }
        // What is told of a name is no more than what is seen of the job.
        let memberships = memberships(&who);
        if !memberships.is_disjoint(&audiences(job)) {
            prop_assert!(seen);
        }
        // And whatever is seen is found among what may be.
        if seen && !who.is_administrator() {
            prop_assert!(!memberships.is_disjoint(&lookers(job)));
        }
    }

    #[test]
    fn a_token_never_exceeds_its_user(
        who in any_identity(), scope in prop::sample::select(TokenScope::ALL.to_vec()),
        submitter in any_submitter(), visibility in any_visibility(), stream in any_stream(),
    ) {
        let capped = who.clone().capped(scope);
        for act in [
            Act::Look, Act::Submit, Act::Decide(&submitter), Act::Rule, Act::Limits,
            Act::ChangeRule { owner: "ann" }, Act::AutomaticRetry, Act::Devices, Act::Backup,
            Act::Users, Act::Account,
        ] {
            prop_assert!(may(&capped, act).is_err() || may(&who, act).is_ok(), "{act:?}");
        }
        let job =
            Belongs { submitter: &submitter, visibility: &visibility, stream: stream.as_deref() };
        prop_assert!(!sees(&capped, job) || sees(&who, job));
        prop_assert!(capped.role <= Some(scope.most()));
    }
}
