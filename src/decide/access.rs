//! Decides what somebody may see and do, and says why not.
//!
//! A job is seen by its owner, by administrators, and by whom its visibility *and* its stream let
//! see it. What may be done depends on the role in force: to one's own jobs a submitter may do
//! everything, to others' an operator, and nobody to what they do not see. What somebody may not
//! see does not exist for them, so no refusal here names it: whoever fetches jobs asks [`sees`]
//! first.

use std::{collections::BTreeSet, sync::Arc};

use crate::model::{
    Audience, Belongs, Identity, Person, Role, Stream, StreamOwner, Submitter, TokenScope,
    Visibility,
};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// Look at what is public.
    Look,
    Submit,
    /// Cancel, keep, retry or change the priority of a job that they see.
    Decide(&'a Submitter),
    /// Add a rule for known failures, or try one.
    Rule,
    /// Change or remove the rule of that owner.
    ChangeRule {
        owner: &'a str,
    },
    /// Have jobs retried by themselves.
    AutomaticRetry,
    /// Set limits for jobs, or forget what was learned.
    Limits,
    /// Take a device out of service, or put it back.
    Devices,
    /// Say which file of the box checks devices: it is read wherever it lies.
    HealthChecks,
    /// Copy the store for a backup.
    Backup,
    /// Say who the users are; read what was done.
    Users,
    /// Change one's own password, tokens and sessions.
    Account,
}

/// Why not, and what would help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this appliance does not know who you are; log in, or send a token")]
    Unnamed,
    #[error("{name} may do nothing here; an administrator can change that: sutler user set {name}")]
    NoRole { name: String },
    #[error("that takes the role {needed}, and {name} has {role} here")]
    Role { name: String, role: Role, needed: Role },
    #[error(
        "that takes the role {needed}, and a token of the scope {scope} gives less; one that gives more: sutler token new --help"
    )]
    Scope { scope: TokenScope, needed: Role },
    #[error("it is {owner}'s; only they and an operator may do that")]
    NotYours { owner: String },
    #[error(
        "{name} is an account of this box and no user; an administrator can change that: sutler user add {name} --account {name}"
    )]
    NoUser { name: String },
    #[error("the stream is {owner}'s own, and {name} is somebody else")]
    NotYourStream { owner: String, name: String },
    #[error("the stream is the team {group}'s, and {name} is not in it")]
    NotInTeam { group: String, name: String },
    #[error(
        "nobody is in the group {group}, so nobody could see the job; add them: sutler user set NAME --group {group}"
    )]
    NoSuchTeam { group: String },
}

impl Denied {
    /// Whether saying who one is could help.
    pub const fn is_unnamed(&self) -> bool {
        matches!(self, Self::Unnamed)
    }
}

/// Whether it is theirs: the same account of this box, or the same user.
pub fn owns(who: &Identity, submitter: &Submitter) -> bool {
    match (submitter.uid, &who.person) {
        (_, Person::Nobody) => false,
        (Some(sent), Person::Account { uid, .. }) => sent == *uid,
        (Some(sent), Person::User { uid, .. }) => Some(sent) == *uid,
        // A name proves nothing of an account that only happens to have it.
        (None, Person::Account { .. }) => false,
        (None, Person::User { name, .. }) => *name == submitter.name,
    }
}

/// Whether they may know of a job at all.
pub fn sees<'a>(who: &Identity, job: impl Into<Belongs<'a>>) -> bool {
    let job = job.into();
    if who.role.is_none() {
        return false;
    }
    if who.is_administrator() || owns(who, job.submitter) {
        return true;
    }
    let by_visibility = match job.visibility {
        Visibility::Public => true,
        Visibility::Personal => false,
        Visibility::Group(names) => names.iter().any(|name| who.groups.contains(name)),
    };
    by_visibility && job.stream.is_none_or(|stream| sees_stream(who, Stream::of(stream)))
}

fn sees_stream(who: &Identity, stream: Stream<'_>) -> bool {
    !stream.is_private
        || match stream.owner {
            StreamOwner::User(name) => who.user_name() == Some(name),
            StreamOwner::Team(group) => who.groups.contains(group),
            StreamOwner::Nobody => false,
        }
}

/// For whom the name of a job is no secret. Where visibility and stream both say who may look, only
/// the owner is named: nobody is let know more than [`sees`] does.
pub fn audiences(job: Belongs<'_>) -> BTreeSet<Audience> {
    let is_private = job.stream.is_some_and(|stream| Stream::of(stream).is_private);
    match job.visibility {
        Visibility::Group(_) if is_private => BTreeSet::from([owner(job)]),
        Visibility::Group(_) | Visibility::Personal | Visibility::Public => lookers(job),
    }
}

/// Where to look for jobs that somebody may see: whoever [`sees`] a job is in one of these, or an
/// administrator. Not everybody in them sees it.
pub fn lookers(job: Belongs<'_>) -> BTreeSet<Audience> {
    let private = job.stream.map(Stream::of).filter(|stream| stream.is_private);
    let others: Vec<_> = match (job.visibility, private) {
        (Visibility::Personal, _) => Vec::new(),
        (Visibility::Group(names), _) => names.iter().cloned().map(Audience::Group).collect(),
        (Visibility::Public, None) => return BTreeSet::from([Audience::Everyone]),
        (Visibility::Public, Some(stream)) => match stream.owner {
            StreamOwner::User(name) => vec![Audience::User(name.to_owned())],
            StreamOwner::Team(group) => vec![Audience::Group(group.to_owned())],
            StreamOwner::Nobody => Vec::new(),
        },
    };
    others.into_iter().chain([owner(job)]).collect()
}

fn owner(job: Belongs<'_>) -> Audience {
    match job.submitter.uid {
        Some(uid) => Audience::Account(uid),
        None => Audience::User(job.submitter.name.clone()),
    }
}

/// All audiences that somebody is of.
pub fn memberships(who: &Identity) -> BTreeSet<Audience> {
    if who.role.is_none() {
        return BTreeSet::new();
    }
    let groups = who.groups.iter().cloned().map(Audience::Group);
    let user = who.user_name().map(|name| Audience::User(name.to_owned()));
    groups.chain(who.uid().map(Audience::Account)).chain(user).chain([Audience::Everyone]).collect()
}

/// # Errors
/// Why not.
pub fn may(who: &Identity, act: Act<'_>) -> Result<(), Denied> {
    let needed = match act {
        Act::Look => Role::Guest,
        Act::Submit | Act::Rule => Role::Submitter,
        Act::Decide(submitter) if owns(who, submitter) => Role::Submitter,
        Act::ChangeRule { owner } if who.name() == Some(owner) => Role::Submitter,
        Act::Decide(Submitter { name: owner, .. }) => return others(who, owner),
        Act::ChangeRule { owner } => return others(who, owner),
        Act::AutomaticRetry | Act::Limits | Act::Devices => Role::Operator,
        Act::Backup | Act::Users | Act::HealthChecks => Role::Administrator,
        Act::Account => {
            at_least(who, Role::Guest)?;
            return match &who.person {
                Person::Nobody => Err(Denied::Unnamed),
                Person::Account { name, .. } => Err(Denied::NoUser { name: name.clone() }),
                Person::User { .. } => Ok(()),
            };
        }
    };
    if needed > Role::Guest && who.person == Person::Nobody {
        return Err(Denied::Unnamed);
    }
    at_least(who, needed)
}

fn others(who: &Identity, owner: &str) -> Result<(), Denied> {
    at_least(who, Role::Submitter)?;
    at_least(who, Role::Operator).map_err(|_| Denied::NotYours { owner: owner.to_owned() })
}

fn at_least(who: &Identity, needed: Role) -> Result<(), Denied> {
    match (who.name(), who.role) {
        (_, Some(role)) if role >= needed => Ok(()),
        (None, _) => Err(Denied::Unnamed),
        (Some(name), None) => Err(Denied::NoRole { name: name.to_owned() }),
        (Some(_), Some(_)) if who.scope.is_some_and(|scope| scope.most() < needed) => {
            let scope = who.scope.expect("it is one");
            Err(Denied::Scope { scope, needed })
        }
        (Some(name), Some(role)) => Err(Denied::Role { name: name.to_owned(), role, needed }),
    }
}

/// What somebody who submits may do: who they are, and which groups somebody is in.
#[derive(Debug, Clone)]
pub struct Rights {
    pub who: Identity,
    pub teams: Arc<BTreeSet<String>>,
}

impl Rights {
    /// Whether a job may come from them that belongs where it says.
    ///
    /// A team's stream is for its members. That of a group nobody is in is nobody's yet: in public
    /// it is a label, in private nobody could ever see what is in it.
    ///
    /// # Errors
    /// Why not.
    pub fn may_submit(&self, stream: Option<&str>) -> Result<(), Denied> {
        may(&self.who, Act::Submit)?;
        let Some(stream) = stream.map(Stream::of) else { return Ok(()) };
        let name = || self.who.name().unwrap_or_default().to_owned();
        let free = self.who.is_administrator();
        match stream.owner {
            StreamOwner::Nobody => Ok(()),
            StreamOwner::User(owner) if free || self.who.name() == Some(owner) => Ok(()),
            StreamOwner::User(owner) => {
                Err(Denied::NotYourStream { owner: owner.to_owned(), name: name() })
            }
            StreamOwner::Team(group) if !self.teams.contains(group) => {
                let nobody = Denied::NoSuchTeam { group: group.to_owned() };
                if stream.is_private { Err(nobody) } else { Ok(()) }
            }
            StreamOwner::Team(group) if free || self.who.groups.contains(group) => Ok(()),
            StreamOwner::Team(group) => {
                Err(Denied::NotInTeam { group: group.to_owned(), name: name() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
