//! What was asked for, on disk.
//!
//! One small SQLite file. Everything in it was committed, with a sync of the disk, before it was acted on, so
//! that a kill -9 at any moment loses nothing. It does not hold what is running: the hosts know that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::fs::File;
use std::io;
use std::path::Path;

use plan::{DeploymentPlan, InstanceId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::FabricError;

/// The version of the tables below, in the file's `user_version`.
const SCHEMA_VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE deployment (
        only        INTEGER PRIMARY KEY CHECK (only = 1),
        incarnation INTEGER NOT NULL,
        plan        TEXT NOT NULL
    ) STRICT;
    CREATE TABLE generation (
        instance TEXT PRIMARY KEY,
        latest   INTEGER NOT NULL
    ) STRICT;
";

/// The fabric's database. There is one writer: the holder of the state's lock.
pub(crate) struct Store {
    connection: Connection,
}

impl Store {
    /// Opens or makes the file.
    pub(crate) fn open(path: &Path) -> Result<Store, FabricError> {
        let opened = FabricError::store("open");
        // Settings may be secrets; what SQLite keeps beside the file has its mode.
        fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|file| file.set_permissions(fs::Permissions::from_mode(0o600)))
            .map_err(FabricError::file("make", path))?;
        let connection = Store::prepare(path).map_err(opened)?;
        Ok(Store { connection })
    }

    fn prepare(path: &Path) -> rusqlite::Result<Connection> {
        let mut connection = Connection::open(path)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            Store::create(connection, path)?;
            connection = Connection::open(path)?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit is on the disk when it returns.
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    }

    /// Makes the tables of a new file. It is put on the disk once, when all is in it: nothing has been acknowledged
    /// before, and each of SQLite's own steps on the way would wait for the disk.
    fn create(mut connection: Connection, path: &Path) -> rusqlite::Result<()> {
        connection.pragma_update(None, "synchronous", "OFF")?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Closed first: closing a second descriptor of the file would give up SQLite's locks on it.
        connection.close().map_err(|(_, error)| error)?;
        let folder = path.parent().unwrap_or(path);
        let synced = [path, folder].map(|path| File::open(path)?.sync_all());
        let failed = |error: io::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        synced
            .into_iter()
            .collect::<io::Result<()>>()
            .map_err(failed)
    }

    /// The number of the last deployment that was committed, 0 when there was none.
    pub(crate) fn incarnation(&self) -> Result<u64, FabricError> {
        let found: Option<i64> = self
            .connection
            .query_row("SELECT incarnation FROM deployment", [], |row| row.get(0))
            .optional()
            .map_err(FabricError::store("read"))?;
        Ok(found.unwrap_or(0).unsigned_abs())
    }

    /// Commits the deployment that is to run.
    pub(crate) fn commit(&mut self, plan: &DeploymentPlan) -> Result<(), FabricError> {
        let text = serde_json::to_string(plan).expect("a plan is plain data with text keys");
        let statement =
            "INSERT OR REPLACE INTO deployment (only, incarnation, plan) VALUES (1, ?1, ?2)";
        let written = self
            .connection
            .execute(statement, params![plan.incarnation.cast_signed(), text]);
        written.map(drop).map_err(FabricError::store("write"))
    }

    /// The deployment that was committed last.
    pub(crate) fn deployment(&self) -> Result<Option<DeploymentPlan>, FabricError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT plan FROM deployment", [], |row| row.get(0))
            .optional()
            .map_err(FabricError::store("read"))?;
        let plan = text.map(|text| serde_json::from_str(&text)).transpose();
        plan.map_err(|source| FabricError::StoredPlan { source })
    }

    /// Commits the next generation of each instance and returns them: one commit, however many there are.
    pub(crate) fn next_generations(
        &mut self,
        instances: &[InstanceId],
    ) -> Result<BTreeMap<InstanceId, u64>, FabricError> {
        let written = (|| {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let mut generations = BTreeMap::new();
            for instance in instances {
                let latest: i64 = transaction.query_row(
                    "INSERT INTO generation (instance, latest) VALUES (?1, 1)
                     ON CONFLICT (instance) DO UPDATE SET latest = latest + 1 RETURNING latest",
                    params![instance.as_str()],
                    |row| row.get(0),
                )?;
                generations.insert(instance.clone(), latest.unsigned_abs());
            }
            transaction.commit()?;
            Ok(generations)
        })();
        written.map_err(FabricError::store("write"))
    }
}

#[cfg(test)]
mod tests {
    use plan::Slot;

    use super::*;

    #[test]
    fn what_was_committed_is_there_for_the_next_fabric() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fabric.db");
        let plan = DeploymentPlan {
            service: "S".into(),
            deployment_id: "d".into(),
            slot: Slot::Production,
            incarnation: 7,
            emulated: true,
            block: 3,
            roles: vec![],
            public: vec![],
        };
        let instances = [InstanceId::new("A", 0), InstanceId::new("A", 1)];
        {
            let mut store = Store::open(&path).unwrap();
            assert_eq!(
                (store.incarnation().unwrap(), store.deployment().unwrap()),
                (0, None)
            );
            store.commit(&plan).unwrap();
            assert_eq!(
                store.next_generations(&instances).unwrap()[&instances[1]],
                1
            );
        }
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.incarnation().unwrap(), 7);
        assert_eq!(store.deployment().unwrap(), Some(plan));
        assert_eq!(
            store.next_generations(&instances[..1]).unwrap()[&instances[0]],
            2
        );
    }

    #[test]
    fn a_file_that_is_no_database_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fabric.db");
        std::fs::write(
            &path,
            "not a database, but long enough to be looked at as one".repeat(20),
        )
        .unwrap();
        assert!(matches!(Store::open(&path), Err(FabricError::Store { .. })));
    }
}
