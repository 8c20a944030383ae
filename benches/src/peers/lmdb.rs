//! LMDB: a database in a mapped file, whose readers take no lock. It evicts nothing.
//!
//! As fast as it goes: a writable map, nothing is synced, and a reader keeps its transaction's handle
//! between look-ups. Every operation has a transaction of its own, but for those of one `get_many`.

use std::fmt;
use std::path::Path;

use lmdb::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, InactiveTransaction, RoTransaction, Transaction,
    WriteFlags,
};

use super::{Cache, Holding, MakeSibling};
use crate::error::{BenchError, while_doing};
use crate::workload::{Values, ends_of, write_key};

/// What an entry takes of pages beside its value, amply: the map is address space, not memory.
const PAGE_SHARE_BYTES: usize = 4096;

/// An environment of this process, and a reader of this thread.
pub(crate) struct Lmdb {
    /// Open until the process ends: a process may open an environment only once.
    environment: &'static Environment,
    database: Database,
    idle: Option<InactiveTransaction<'static>>,
}

impl Lmdb {
    /// Opens the environment in the folder `path`.
    pub(crate) fn open(path: &Path, holding: Holding) -> Result<Self, BenchError> {
        let environment: &'static Environment = Box::leak(Box::new(environment_in(path, holding)?));
        let database = environment.open_db(None)?;
        Ok(Self {
            environment,
            database,
            idle: None,
        })
    }

    /// Makes an environment in the new folder `path` with the first value of every key.
    pub(crate) fn create(path: &Path, holding: Holding) -> Result<(), BenchError> {
        Self::create_with(path, holding, write_key)
    }

    /// As `create`, with keys that `write_key` makes.
    pub(crate) fn create_with(
        path: &Path,
        holding: Holding,
        write_key: impl Fn(usize, &mut Vec<u8>),
    ) -> Result<(), BenchError> {
        std::fs::create_dir(path).map_err(while_doing("make a folder for LMDB"))?;
        let environment = environment_in(path, holding)?;
        let database = environment.create_db(None, DatabaseFlags::empty())?;
        let values = Values::new(holding.longest_value_bytes);
        let mut key = Vec::new();
        // One transaction: each further one would copy the pages that it changes, and leave the old ones.
        let mut transaction = environment.begin_rw_txn()?;
        for index in 0..holding.keys {
            write_key(index, &mut key);
            let value = values.value(index, holding.value_bytes);
            transaction.put(database, &key, &value, WriteFlags::empty())?;
        }
        transaction.commit()?;
        Ok(())
    }

    #[inline]
    fn read<R>(
        &mut self,
        read: impl FnOnce(&RoTransaction<'static>, Database) -> Result<R, BenchError>,
    ) -> Result<R, BenchError> {
        let transaction = match self.idle.take() {
            Some(idle) => idle.renew()?,
            None => self.environment.begin_ro_txn()?,
        };
        let outcome = read(&transaction, self.database);
        self.idle = Some(transaction.reset());
        outcome
    }
}

fn environment_in(path: &Path, holding: Holding) -> Result<Environment, BenchError> {
    let map_bytes = holding.keys * (holding.longest_value_bytes + PAGE_SHARE_BYTES) * 2;
    let environment = Environment::new()
        .set_flags(
            EnvironmentFlags::WRITE_MAP
                | EnvironmentFlags::NO_SYNC
                | EnvironmentFlags::NO_META_SYNC
                | EnvironmentFlags::NO_READAHEAD,
        )
        .set_map_size(map_bytes.next_multiple_of(1 << 20).max(64 << 20))
        .open(path)?;
    Ok(environment)
}

#[inline]
fn find<'t>(
    transaction: &'t RoTransaction<'static>,
    database: Database,
    key: &[u8],
) -> Result<Option<&'t [u8]>, BenchError> {
    match transaction.get(database, &key) {
        Ok(value) => Ok(Some(value)),
        Err(lmdb::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl fmt::Debug for Lmdb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lmdb").finish_non_exhaustive()
    }
}

impl Cache for Lmdb {
    #[inline]
    fn get(&mut self, key: &[u8], copy: &mut Vec<u8>) -> Result<bool, BenchError> {
        copy.clear();
        self.read(|transaction, database| {
            let value = find(transaction, database, key)?;
            copy.extend_from_slice(value.unwrap_or_default());
            Ok(value.is_some())
        })
    }

    #[inline]
    fn ends(&mut self, key: &[u8]) -> Result<Option<[u8; 2]>, BenchError> {
        self.read(|transaction, database| Ok(find(transaction, database, key)?.and_then(ends_of)))
    }

    #[inline]
    fn get_many(
        &mut self,
        keys: &[&[u8]],
        copy: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), BenchError> {
        self.read(|transaction, database| {
            for key in keys {
                if let Some(value) = find(transaction, database, key)? {
                    copy.clear();
                    copy.extend_from_slice(value);
                    each(copy);
                }
            }
            Ok(())
        })
    }

    #[inline]
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), BenchError> {
        let mut transaction = self.environment.begin_rw_txn()?;
        transaction.put(self.database, &key, &value, WriteFlags::empty())?;
        transaction.commit()?;
        Ok(())
    }

    fn sibling(&self) -> Option<MakeSibling<Self>> {
        let (environment, database) = (self.environment, self.database);
        Some(Box::new(move || {
            Ok(Self {
                environment,
                database,
                idle: None,
            })
        }))
    }
}
