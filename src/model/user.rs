//! Who people are here, and what belongs to whom.

use std::{collections::BTreeSet, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Job, NewJob, Submitter, Visibility};

/// What somebody may do, least first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks at what is public, and at what is theirs.
    Guest,
    /// Submits jobs, and decides about their own.
    Submitter,
    /// Decides about the jobs of others, and about limits and retries.
    Operator,
    /// Sees everything, and says who may do what.
    Administrator,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Guest, Self::Submitter, Self::Operator, Self::Administrator];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a token is for. It caps the role of its user, and never adds to it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenScope {
    Read,
    Submit,
    Operate,
    Administer,
}

impl TokenScope {
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Operate, Self::Administer];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// The most that may be done with it.
    pub const fn most(self) -> Role {
        match self {
            Self::Read => Role::Guest,
            Self::Submit => Role::Submitter,
            Self::Operate => Role::Operator,
            Self::Administer => Role::Administrator,
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Longest name of a user, a group or a token.
pub const LONGEST_USER_NAME: usize = 64;

/// Whose jobs the appliance's own are: nobody may be called so.
const APPLIANCE: &str = "sutler";

/// Whether users and groups may have this name: as accounts are named, and no number, for that
/// is what an account without a name is called by.
pub fn is_user_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts_well && name != APPLIANCE && name.len() <= LONGEST_USER_NAME && name.chars().all(plain)
}

/// Somebody whom an administrator has entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub name: String,
    pub role: Role,
    /// A group is there as soon as somebody is in it.
    pub groups: BTreeSet<String>,
    /// The account of this box that is the same person.
    pub uid: Option<u32>,
    /// May do nothing, and is not let in.
    pub disabled: bool,
    pub created: Timestamp,
    pub created_by: String,
    /// Whether there is a password to log in with.
    pub has_password: bool,
}

/// A key for programs, as it is shown: the secret itself is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Begins its hash; what it is revoked by.
    pub id: String,
    pub user: String,
    pub name: String,
    pub scope: TokenScope,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// To some minutes.
    pub last_used: Option<Timestamp>,
}

/// Somebody logged in with a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub user: String,
    pub created: Timestamp,
    /// To some minutes.
    pub seen: Timestamp,
    pub expires: Timestamp,
}

/// How somebody came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The Unix socket: the kernel names the account.
    Socket,
    /// A file in the inbox: its owner.
    Inbox,
    /// A browser that is logged in.
    Browser,
    /// A program with a token.
    Token,
    /// Over TCP without a word of who it is. Coming from loopback proves nothing: guests do, too.
    Unnamed,
}

impl Door {
    pub const ALL: [Self; 5] =
        [Self::Socket, Self::Inbox, Self::Browser, Self::Token, Self::Unnamed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Inbox => "inbox",
            Self::Browser => "browser",
            Self::Token => "token",
            Self::Unnamed => "unnamed",
        }
    }
}

/// Whom a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    Nobody,
    /// An account of this box that is no user.
    Account {
        uid: u32,
        name: String,
    },
    /// A user, and the account that is the same person.
    User {
        name: String,
        uid: Option<u32>,
    },
}

/// Who asks, by which door, and what that lets them do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub person: Person,
    /// In force for this request; none: not even looking.
    pub role: Option<Role>,
    pub groups: BTreeSet<String>,
    pub door: Door,
    /// The token they came with lets them do no more than this, whoever they are.
    pub scope: Option<TokenScope>,
}

impl Identity {
    /// Somebody who has not said who they are.
    pub const fn nobody(role: Option<Role>) -> Self {
        Self {
            person: Person::Nobody,
            role,
            groups: BTreeSet::new(),
            door: Door::Unnamed,
            scope: None,
        }
    }

    /// An account of this box that is no user; in no group.
    pub const fn account(uid: u32, name: String, role: Option<Role>, door: Door) -> Self {
        let person = Person::Account { uid, name };
        Self { person, role, groups: BTreeSet::new(), door, scope: None }
    }

    /// A user; one who is disabled may do nothing.
    pub fn user(user: User, door: Door) -> Self {
        let role = (!user.disabled).then_some(user.role);
        let person = Person::User { name: user.name, uid: user.uid };
        Self { person, role, groups: user.groups, door, scope: None }
    }

    /// The same, with no more than a token of that scope gives.
    #[must_use]
    pub fn capped(self, scope: TokenScope) -> Self {
        let role = self.role.map(|role| role.min(scope.most()));
        Self { role, scope: Some(scope), ..self }
    }

    /// Whether they have this role, or one that may do more.
    pub fn is_at_least(&self, role: Role) -> bool {
        self.role.is_some_and(|has| has >= role)
    }

    pub fn is_administrator(&self) -> bool {
        self.is_at_least(Role::Administrator)
    }

    /// As others see them.
    pub fn name(&self) -> Option<&str> {
        match &self.person {
            Person::Nobody => None,
            Person::Account { name, .. } | Person::User { name, .. } => Some(name),
        }
    }

    /// Their name as a user of this appliance.
    pub fn user_name(&self) -> Option<&str> {
        match &self.person {
            Person::User { name, .. } => Some(name),
            Person::Nobody | Person::Account { .. } => None,
        }
    }

    pub fn uid(&self) -> Option<u32> {
        match &self.person {
            Person::Nobody => None,
            Person::Account { uid, .. } => Some(*uid),
            Person::User { uid, .. } => *uid,
        }
    }

    /// Who a job is from that they send; nobody sends none.
    pub fn submitter(&self) -> Option<Submitter> {
        let name = self.name()?.to_owned();
        Some(Submitter { uid: self.uid(), name })
    }
}

impl Submitter {
    /// Who somebody is told that may not know.
    pub const fn untold() -> Self {
        Self { uid: None, name: String::new() }
    }
}

/// Whose results a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamOwner<'a> {
    /// `/public/personal/USER/…`
    User(&'a str),
    /// `/public/team/GROUP/…`
    Team(&'a str),
    /// Any other path: a label that gives nobody a right.
    Nobody,
}

/// A stream as its path has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream<'a> {
    pub is_private: bool,
    pub owner: StreamOwner<'a>,
}

impl<'a> Stream<'a> {
    /// What a path says. What begins with `private` and names nobody is nobody else's.
    pub fn of(path: &'a str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let first = parts.next();
        let is_private = first == Some("private");
        let owner = match (first, parts.next(), parts.next()) {
            (Some("public" | "private"), Some("personal"), Some(user)) => StreamOwner::User(user),
            (Some("public" | "private"), Some("team"), Some(group)) => StreamOwner::Team(group),
            _ => StreamOwner::Nobody,
        };
        Self { is_private, owner }
    }
}

/// What of a job says whom it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Belongs<'a> {
    pub submitter: &'a Submitter,
    pub visibility: &'a Visibility,
    pub stream: Option<&'a str>,
}

impl<'a> From<&'a Job> for Belongs<'a> {
    fn from(job: &'a Job) -> Self {
        let Job { submitter, visibility, stream, .. } = job;
        Self { submitter, visibility, stream: stream.as_deref() }
    }
}

impl<'a> From<&'a NewJob> for Belongs<'a> {
    fn from(job: &'a NewJob) -> Self {
        let NewJob { submitter, visibility, stream, .. } = job;
        Self { submitter, visibility, stream: stream.as_deref() }
    }
}

/// Somebody who may know of a job, as the store keeps it beside the job's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Audience {
    Everyone,
    Account(u32),
    User(String),
    Group(String),
}

/// Something that somebody did, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deed {
    pub at: Timestamp,
    pub who: String,
    pub door: Door,
    /// `cancel job`
    pub what: String,
    /// What it was done to: `7`, `ann`.
    pub on: String,
    /// `done`, or why not.
    pub outcome: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_whose_it_is_and_whether_others_may_look() {
        use StreamOwner::{Nobody, Team, User};
        for (path, is_private, owner) in [
            ("/public/personal/ann/boot/", false, User("ann")),
            ("/private/personal/ann", true, User("ann")),
            ("/public/team/installer/", false, Team("installer")),
            ("/private/team/installer/daily/", true, Team("installer")),
            ("/anonymous/boot/", false, Nobody),
            ("/private/", true, Nobody),
            ("/private/team/", true, Nobody),
            ("/private/other/ann/", true, Nobody),
            ("/nightly/", false, Nobody),
        ] {
            assert_eq!(Stream::of(path), Stream { is_private, owner }, "{path}");
        }
    }

    #[test]
    fn users_are_named_as_accounts_are_and_never_by_a_number() {
        for fine in ["ann", "_ci", "ann.b-2", "A"] {
            assert!(is_user_name(fine), "{fine}");
        }
        for bad in
            ["", "sutler", "1000", "-ann", "an n", "ann/b", "ann@lab", "änn", &"a".repeat(65)]
        {
            assert!(!is_user_name(bad), "{bad}");
        }
    }

    #[test]
    fn roles_and_scopes_are_named_and_found_by_their_names() {
        for role in Role::ALL {
            assert_eq!(Role::named(role.name()), Some(role));
        }
        for scope in TokenScope::ALL {
            assert_eq!(TokenScope::named(scope.name()), Some(scope));
        }
        assert!(Role::Guest < Role::Submitter && Role::Operator < Role::Administrator);
    }
}
