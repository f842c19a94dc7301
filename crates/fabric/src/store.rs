//! What was asked for, on disk.
//!
//! One small SQLite file. Everything in it was committed, with a sync of the disk, before it was acted on, so
//! that a kill -9 at any moment loses nothing. It does not hold what is running: the hosts know that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use host::protocol::Renewal;
use plan::{DeploymentPlan, InstanceId};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::FabricError;
use crate::handle::ConfigureRequest;

/// The version of the tables below, in the file's `user_version`.
const SCHEMA_VERSION: i64 = 2;

const TABLES: &str = "
    CREATE TABLE deployment (
        only        INTEGER PRIMARY KEY CHECK (only = 1),
        incarnation INTEGER NOT NULL,
        plan        TEXT NOT NULL,
        request     TEXT NOT NULL DEFAULT '{}'
    ) STRICT;
    CREATE TABLE generation (
        instance TEXT PRIMARY KEY,
        latest   INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE renewal (
        instance TEXT PRIMARY KEY,
        what     TEXT NOT NULL
    ) STRICT;
    CREATE TABLE leaving (
        instance TEXT PRIMARY KEY
    ) STRICT;
";

/// What the first version did not have.
const TABLES_SINCE_1: &str = "
    ALTER TABLE deployment ADD COLUMN request TEXT NOT NULL DEFAULT '{}';
    CREATE TABLE renewal (
        instance TEXT PRIMARY KEY,
        what     TEXT NOT NULL
    ) STRICT;
    CREATE TABLE leaving (
        instance TEXT PRIMARY KEY
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
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version < SCHEMA_VERSION {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(TABLES_SINCE_1)?;
            transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            transaction.commit()?;
        }
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

    /// Commits the deployment that is to run, with what it was planned from.
    pub(crate) fn commit(
        &mut self,
        plan: &DeploymentPlan,
        request: &ConfigureRequest,
    ) -> Result<(), FabricError> {
        let text = serde_json::to_string(plan).expect("a plan is plain data with text keys");
        let request = serde_json::to_string(request).expect("a request is plain data");
        let statement = "INSERT OR REPLACE INTO deployment (only, incarnation, plan, request)
             VALUES (1, ?1, ?2, ?3)";
        let incarnation = plan.incarnation.cast_signed();
        let written = self
            .connection
            .execute(statement, params![incarnation, text, request]);
        written.map(drop).map_err(FabricError::store("write"))
    }

    /// Commits the plan that follows, in which `leaving` are no more: their folders are to go.
    pub(crate) fn commit_next(
        &mut self,
        plan: &DeploymentPlan,
        request: &ConfigureRequest,
        leaving: &[InstanceId],
    ) -> Result<(), FabricError> {
        // Before the plan: to be told to remove what is still planned is harmless, to forget it is not.
        for instance in leaving {
            let statement = "INSERT OR IGNORE INTO leaving (instance) VALUES (?1)";
            let written = self
                .connection
                .execute(statement, params![instance.as_str()]);
            written.map_err(FabricError::store("write"))?;
        }
        self.commit(plan, request)
    }

    /// Instances whose folders are still to go.
    pub(crate) fn leaving(&self) -> Result<BTreeSet<InstanceId>, FabricError> {
        let read = (|| {
            let mut statement = self.connection.prepare("SELECT instance FROM leaving")?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.map(|row| row.map(|text| InstanceId::from(text.as_str())))
                .collect::<rusqlite::Result<_>>()
        })();
        read.map_err(FabricError::store("read"))
    }

    /// Commits that the folders of an instance have gone, or that it is wanted again.
    pub(crate) fn left(&mut self, instance: &InstanceId) -> Result<(), FabricError> {
        let statement = "DELETE FROM leaving WHERE instance = ?1";
        let written = self
            .connection
            .execute(statement, params![instance.as_str()]);
        written.map(drop).map_err(FabricError::store("write"))
    }

    /// What the deployment that was committed last was planned from, besides the service that the fabric was
    /// started with.
    pub(crate) fn request(&self) -> Result<ConfigureRequest, FabricError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT request FROM deployment", [], |row| row.get(0))
            .optional()
            .map_err(FabricError::store("read"))?;
        let request = text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(request
            .map_err(|source| FabricError::StoredPlan { source })?
            .unwrap_or_default())
    }

    /// Commits that the next host of the instance makes it anew. The greater renewal counts.
    pub(crate) fn renew(
        &mut self,
        instance: &InstanceId,
        renewal: Renewal,
    ) -> Result<(), FabricError> {
        let what = serde_json::to_string(&renewal).expect("it is a word");
        // As text, `"reboot"` comes before `"reimage"`.
        let written = self.connection.execute(
            "INSERT INTO renewal (instance, what) VALUES (?1, ?2)
             ON CONFLICT (instance) DO UPDATE SET what = max(what, excluded.what)",
            params![instance.as_str(), what],
        );
        written.map(drop).map_err(FabricError::store("write"))
    }

    /// What hosts have still to make anew.
    pub(crate) fn renewals(&self) -> Result<BTreeMap<InstanceId, Renewal>, FabricError> {
        let read = (|| {
            let mut statement = self
                .connection
                .prepare("SELECT instance, what FROM renewal")?;
            let rows = statement.query_map([], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })();
        let rows = read.map_err(FabricError::store("read"))?;
        rows.into_iter()
            .map(|(instance, what)| {
                let renewal = serde_json::from_str(&what)
                    .map_err(|source| FabricError::StoredPlan { source })?;
                Ok((InstanceId::from(instance.as_str()), renewal))
            })
            .collect()
    }

    /// Commits that the instance was made anew.
    pub(crate) fn renewed(&mut self, instance: &InstanceId) -> Result<(), FabricError> {
        let statement = "DELETE FROM renewal WHERE instance = ?1";
        let written = self
            .connection
            .execute(statement, params![instance.as_str()]);
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

    fn plan() -> DeploymentPlan {
        DeploymentPlan {
            service: "S".into(),
            deployment_id: "d".into(),
            slot: Slot::Production,
            incarnation: 7,
            emulated: true,
            block: 3,
            roles: vec![],
            public: vec![],
        }
    }

    #[test]
    fn what_was_committed_is_there_for_the_next_fabric() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fabric.db");
        let plan = plan();
        let instances = [InstanceId::new("A", 0), InstanceId::new("A", 1)];
        {
            let mut store = Store::open(&path).unwrap();
            assert_eq!(
                (store.incarnation().unwrap(), store.deployment().unwrap()),
                (0, None)
            );
            store.commit(&plan, &ConfigureRequest::default()).unwrap();
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
    fn what_was_asked_for_is_there_for_the_next_fabric() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fabric.db");
        let request = ConfigureRequest {
            configuration: Some("<ServiceConfiguration />".into()),
            instances: [("A".to_owned(), 3)].into(),
        };
        let instance = InstanceId::new("A", 0);
        {
            let mut store = Store::open(&path).unwrap();
            let leaving = [instance.clone(), instance.clone()];
            store.commit_next(&plan(), &request, &leaving).unwrap();
            for renewal in [Renewal::Reimage, Renewal::Reboot] {
                store.renew(&instance, renewal).unwrap();
            }
        }
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.request().unwrap(), request);
        assert_eq!(store.leaving().unwrap(), [instance.clone()].into());
        store.left(&instance).unwrap();
        assert!(store.leaving().unwrap().is_empty());
        let expected = [(instance.clone(), Renewal::Reimage)].into();
        assert_eq!(store.renewals().unwrap(), expected);
        store.renewed(&instance).unwrap();
        assert!(store.renewals().unwrap().is_empty());
    }

    #[test]
    fn a_database_of_the_first_version_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fabric.db");
        let first = Connection::open(&path).unwrap();
        let tables = "CREATE TABLE deployment (only INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,
            plan TEXT NOT NULL) STRICT; CREATE TABLE generation (instance TEXT PRIMARY KEY, latest INTEGER NOT NULL)
            STRICT; INSERT INTO deployment VALUES (1, 4, '{}'); PRAGMA user_version = 1";
        first.execute_batch(tables).unwrap();
        drop(first);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.incarnation().unwrap(), 4);
        assert_eq!(store.request().unwrap(), ConfigureRequest::default());
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
