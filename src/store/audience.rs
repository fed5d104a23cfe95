//! For whom the names of jobs are no secret.
//!
//! What was learned of a job's name, and what happened to jobs of it, is told without looking at the
//! jobs, and stays when they are forgotten. So what their visibility said is kept by name: somebody
//! may know of a name when they may know of one job that ever had it. Kept up in the transaction
//! that takes a job in.

use std::collections::BTreeSet;

use redb::{ReadTransaction, TableDefinition};

use super::{
    Store, StoreError,
    table::{Rows as _, Snapshot as _, Table, Writing},
};
use crate::{
    decide::access::{audiences, memberships},
    model::{Audience, Identity, Job},
};

/// (job name, kind, whom): kind 0 is everyone, 1 an account by its number, 2 a user, 3 a group.
pub(super) const AUDIENCES: TableDefinition<'_, (&str, u8, &str), ()> =
    TableDefinition::new("job-name-audiences-1");

pub(super) fn key(audience: &Audience) -> (u8, String) {
    match audience {
        Audience::Everyone => (0, String::new()),
        Audience::Account(uid) => (1, uid.to_string()),
        Audience::User(name) => (2, name.clone()),
        Audience::Group(name) => (3, name.clone()),
    }
}

/// What only a later version knows is nobody.
fn audience(kind: u8, whom: &str) -> Option<Audience> {
    match kind {
        0 => Some(Audience::Everyone),
        1 => whom.parse().ok().map(Audience::Account),
        2 => Some(Audience::User(whom.to_owned())),
        3 => Some(Audience::Group(whom.to_owned())),
        _ => None,
    }
}

/// The table, open in one transaction.
pub(super) struct Audiences<'txn>(Table<'txn, (&'static str, u8, &'static str), ()>);

impl<'txn> Audiences<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        txn.table(AUDIENCES).map(Self)
    }

    pub(super) fn add(&mut self, job: &Job) -> Result<(), StoreError> {
        for audience in audiences(job.into()) {
            self.insert(&job.name, &audience)?;
        }
        Ok(())
    }

    /// A name whose jobs are gone was never a secret: before there were any, nothing was.
    pub(super) fn adopt(&mut self, name: &str) -> Result<(), StoreError> {
        let is_known = self.0.range((name, 0, "")..(name, u8::MAX, ""))?;
        if is_known.count() == 0 {
            self.insert(name, &Audience::Everyone)?;
        }
        Ok(())
    }

    fn insert(&mut self, name: &str, audience: &Audience) -> Result<(), StoreError> {
        let (kind, whom) = key(audience);
        self.0.insert((name, kind, &*whom), ())?;
        Ok(())
    }
}

impl Store {
    /// Those of `names` that somebody may know of.
    pub async fn known_names(
        &self,
        who: Identity,
        names: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        if who.is_administrator() {
            return Ok(names);
        }
        self.read(move |txn| {
            let (mut known, of) = (BTreeSet::new(), memberships(&who));
            for name in names {
                if is_known(txn, &of, &name)? {
                    known.insert(name);
                }
            }
            Ok(known)
        })
        .await
    }
}

fn is_known(
    txn: &ReadTransaction,
    of: &BTreeSet<Audience>,
    name: &str,
) -> Result<bool, StoreError> {
    let table = txn.table(AUDIENCES)?;
    for entry in table.range((name, 0, "")..(name, u8::MAX, ""))? {
        let (key, _) = entry?;
        let (_, kind, whom) = key.value();
        if audience(kind, whom).is_some_and(|audience| of.contains(&audience)) {
            return Ok(true);
        }
    }
    Ok(false)
}
