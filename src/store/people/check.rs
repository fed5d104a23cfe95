//! Do the tables of people say the same, and is nobody's job name known to fewer than may see it?

use std::collections::BTreeMap;

use redb::ReadTransaction;

use super::{
    read,
    record::{decode_invitation, decode_session, decode_token},
    tables::{BY_ACCOUNT, FORMER, INVITATIONS, SESSIONS, TOKENS, all},
};
use crate::{
    decide::access::audiences,
    model::Job,
    store::{
        Inconsistency,
        audience::key,
        check::disagree,
        table::{ReadTable, Rows as _, Snapshot as _},
    },
};

/// # Errors
/// The first disagreement found.
pub(in crate::store) fn consistent(txn: &ReadTransaction) -> Result<(), Inconsistency> {
    let users: BTreeMap<_, _> = read::users(txn)?
        .into_iter()
        .map(|stored| (stored.user.name.clone(), stored.user))
        .collect();
    let mut linked = BTreeMap::new();
    for entry in txn.table(BY_ACCOUNT)?.iter()? {
        let (uid, name) = entry?;
        linked.insert(uid.value(), name.value().to_owned());
    }
    let wanted: BTreeMap<_, _> =
        users.values().filter_map(|user| Some((user.uid?, user.name.clone()))).collect();
    if linked != wanted {
        return Err(disagree("users-by-account", format!("{linked:?}, not {wanted:?}")));
    }
    let former = txn.table(FORMER)?;
    for name in users.keys() {
        if former.get(&**name)?.is_some() {
            return Err(disagree("users-former", format!("{name} is a user")));
        }
    }
    let known = |table, user: &String| match users.contains_key(user) {
        true => Ok(()),
        false => Err(disagree(table, format!("there is no user {user}"))),
    };
    let sessions = txn.table(SESSIONS)?;
    for (_, session) in all(&sessions, |_, bytes| decode_session(bytes))? {
        known("sessions", &session.user)?;
        if users[&session.user].disabled {
            return Err(disagree("sessions", format!("{} is disabled", session.user)));
        }
    }
    for (_, token) in all(&txn.table(TOKENS)?, decode_token)? {
        known("tokens", &token.user)?;
    }
    let invitations = txn.table(INVITATIONS)?;
    for (_, invitation) in all(&invitations, |_, bytes| decode_invitation(bytes))? {
        known("invitations", &invitation.user)?;
    }
    Ok(())
}

/// Is this job's name known to all whom the job names? More may know it: of jobs that are gone.
pub(in crate::store) fn audience(
    table: &ReadTable<(&'static str, u8, &'static str), ()>,
    job: &Job,
) -> Result<(), Inconsistency> {
    for audience in audiences(job.into()) {
        let (kind, whom) = key(&audience);
        if table.get((&*job.name, kind, &*whom))?.is_none() {
            let what = format!("the name of job {} is kept from {audience:?}", job.id);
            return Err(disagree("job-name-audiences", what));
        }
    }
    Ok(())
}
