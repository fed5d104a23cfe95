//! All users as they are, in memory: each request over the socket asks whose account it comes from,
//! and each submission which teams there are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use redb::ReadTransaction;
use tokio::sync::watch;

use super::read::users;
use crate::{
    model::User,
    store::{Store, StoreError},
};

/// All users at one moment.
#[derive(Debug, Default)]
pub struct Directory {
    users: BTreeMap<String, User>,
    by_account: HashMap<u32, String>,
    groups: Arc<BTreeSet<String>>,
}

impl Directory {
    fn read(txn: &ReadTransaction) -> Result<Self, StoreError> {
        let users = users(txn)?.into_iter().map(|stored| (stored.user.name.clone(), stored.user));
        let users: BTreeMap<_, _> = users.collect();
        let by_account = users.values().filter_map(|user| Some((user.uid?, user.name.clone())));
        let groups = users.values().flat_map(|user| user.groups.iter().cloned());
        Ok(Self { by_account: by_account.collect(), groups: Arc::new(groups.collect()), users })
    }

    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// The user that is the same person as an account of this box.
    pub fn of_account(&self, uid: u32) -> Option<&User> {
        self.by_account.get(&uid).and_then(|name| self.users.get(name))
    }

    /// Groups that somebody is in.
    pub const fn groups(&self) -> &Arc<BTreeSet<String>> {
        &self.groups
    }
}

/// A directory, and how often users had changed when it was read.
type Dated = (u64, Arc<Directory>);

/// The directory as it was last read.
#[derive(Debug, Clone)]
pub(in crate::store) struct LastRead {
    changes: watch::Receiver<u64>,
    known: Arc<Mutex<Option<Dated>>>,
}

impl LastRead {
    /// `changes` counts the changes of users, each before it is acknowledged.
    pub(in crate::store) fn new(changes: watch::Receiver<u64>) -> Self {
        Self { changes, known: Arc::default() }
    }
}

impl Store {
    /// All users as they are: what was acknowledged before this is in it.
    pub async fn directory(&self) -> Result<Arc<Directory>, StoreError> {
        let LastRead { changes, known } = &self.users;
        let changed = *changes.borrow();
        let lock = || known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read_at, directory)) = &*lock()
            && *read_at == changed
        {
            return Ok(directory.clone());
        }
        let directory = Arc::new(self.read(Directory::read).await?);
        *lock() = Some((changed, directory.clone()));
        Ok(directory)
    }
}
