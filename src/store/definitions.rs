//! The texts that jobs were started from, each kept once.

use redb::{ReadTransaction, TableDefinition};

use super::{
    StoreError,
    table::{ReadTable, Rows as _, Snapshot as _, Table, Writing},
};
use crate::model::{Digest, Job, JobId};

/// Hash of a definition to its text.
pub(super) const TEXTS: TableDefinition<'_, [u8; 32], &str> = TableDefinition::new("definitions-1");
/// Hash of a definition to the number of jobs that have it.
pub(super) const REFS: TableDefinition<'_, [u8; 32], u64> =
    TableDefinition::new("definition-jobs-1");

/// Open for writing.
pub(super) struct Definitions<'txn> {
    texts: Table<'txn, [u8; 32], &'static str>,
    refs: Table<'txn, [u8; 32], u64>,
}

impl<'txn> Definitions<'txn> {
    pub(super) fn open(txn: Writing<'txn>) -> Result<Self, StoreError> {
        Ok(Self { texts: txn.table(TEXTS)?, refs: txn.table(REFS)? })
    }

    /// One more job has this text.
    pub(super) fn refer(&mut self, job: &Job) -> Result<(), StoreError> {
        let hash = job.definition_hash.as_bytes();
        let refs = self.refs(hash)?;
        if refs == 0 {
            self.texts.insert(hash, job.definition.as_str())?;
        }
        self.refs.insert(hash, refs + 1)?;
        Ok(())
    }

    /// One job less has it; what nobody has is forgotten.
    pub(super) fn unrefer(&mut self, job: &Job) -> Result<(), StoreError> {
        let hash = job.definition_hash.as_bytes();
        let refs = self.refs(hash)?;
        if refs > 1 {
            self.refs.insert(hash, refs - 1)?;
            return Ok(());
        }
        self.refs.remove(hash)?;
        self.texts.remove(hash)?;
        Ok(())
    }

    pub(super) fn text(&self, job: JobId, hash: Digest) -> Result<String, StoreError> {
        let text = self.texts.get(hash.as_bytes())?;
        text.map(|text| text.value().to_owned()).ok_or_else(|| missing(job))
    }

    fn refs(&self, hash: &[u8; 32]) -> Result<u64, StoreError> {
        Ok(self.refs.get(hash)?.map_or(0, |refs| refs.value()))
    }
}

/// Open for reading.
pub(super) struct Texts(ReadTable<[u8; 32], &'static str>);

impl Texts {
    pub(super) fn open(txn: &ReadTransaction) -> Result<Self, StoreError> {
        txn.table(TEXTS).map(Self)
    }

    pub(super) fn get(&self, job: JobId, hash: Digest) -> Result<String, StoreError> {
        let text = self.0.get(hash.as_bytes())?;
        text.map(|text| text.value().to_owned()).ok_or_else(|| missing(job))
    }
}

fn missing(job: JobId) -> StoreError {
    StoreError::Damaged { what: format!("the definition of job {job}"), source: None }
}
