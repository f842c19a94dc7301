//! The routing table: which backends stand behind which endpoint.
//!
//! The documents that the fabric writes, and the check that one makes sense by itself. Nothing here
//! says how a table takes effect; that is [`Pool::replace`](crate::Pool::replace).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Endpoints in one table.
/// A service has at most 25 roles with 25 endpoints each; two slots of it fit, with room.
pub const ENDPOINTS_MAX: usize = 2048;

/// Backends behind one endpoint.
/// A pick looks at each of them, so the bound keeps a pick below some ten microseconds.
pub const BACKENDS_MAX: usize = 1024;

/// What the balancer does, as a whole. A table is replaced by the next one, never changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Grows with each table of one fabric; it is what gets acknowledged.
    pub number: u64,
    /// Every endpoint there is.
    pub endpoints: Vec<Endpoint>,
}

/// One public address, or several, before a set of backends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Unique in the table, such as `EchoWorker/EchoEndpoint`.
    pub name: String,
    /// Names of the listening sockets whose connections belong here, each at one endpoint only.
    pub listeners: Vec<String>,
    /// The instances, each once.
    pub backends: Vec<Backend>,
}

/// One instance behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The instance's id, such as `EchoWorker_IN_0`.
    pub id: String,
    /// Where its program listens.
    pub address: SocketAddr,
    /// A new number for every start of the program behind it, the same at all endpoints.
    pub incarnation: u64,
    /// Whether it gets connections.
    pub rotation: Rotation,
}

/// What a backend may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// New connections.
    In,
    /// No new ones; the end of its last one is reported.
    Draining,
    /// No new ones; those it has go on.
    Out,
    /// None: the program of this incarnation is gone, and its connections went with it.
    Dead,
}

impl Table {
    /// Refuses a table that contradicts itself or passes a limit.
    ///
    /// # Errors
    /// The first contradiction found; see [`TableError`].
    pub fn check(&self) -> Result<(), TableError> {
        if self.endpoints.len() > ENDPOINTS_MAX {
            let count = self.endpoints.len();
            return Err(TableError::TooManyEndpoints { count });
        }
        let mut names = BTreeSet::new();
        let mut listeners = BTreeSet::new();
        let mut incarnations = BTreeMap::new();
        for endpoint in &self.endpoints {
            if !names.insert(&endpoint.name) {
                let name = endpoint.name.clone();
                return Err(TableError::EndpointTwice { name });
            }
            if let Some(twice) = endpoint.listeners.iter().find(|l| !listeners.insert(*l)) {
                let name = twice.clone();
                return Err(TableError::ListenerTwice { name });
            }
            endpoint.check(&mut incarnations)?;
        }
        Ok(())
    }
}

impl Endpoint {
    fn check<'a>(&'a self, incarnations: &mut BTreeMap<&'a str, u64>) -> Result<(), TableError> {
        if self.backends.len() > BACKENDS_MAX {
            return Err(TableError::TooManyBackends {
                endpoint: self.name.clone(),
                count: self.backends.len(),
            });
        }
        let mut ids = BTreeSet::new();
        for backend in &self.backends {
            if !ids.insert(&backend.id) {
                return Err(TableError::BackendTwice {
                    endpoint: self.name.clone(),
                    backend: backend.id.clone(),
                });
            }
            let first = *incarnations
                .entry(&backend.id)
                .or_insert(backend.incarnation);
            if first != backend.incarnation {
                return Err(TableError::TwoIncarnations {
                    backend: backend.id.clone(),
                    first,
                    second: backend.incarnation,
                });
            }
        }
        Ok(())
    }
}

/// A table was refused; the one before it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableError {
    /// More than [`ENDPOINTS_MAX`].
    TooManyEndpoints {
        /// How many there are.
        count: usize,
    },
    /// More than [`BACKENDS_MAX`] behind one endpoint.
    TooManyBackends {
        /// The endpoint.
        endpoint: String,
        /// How many there are.
        count: usize,
    },
    /// Two endpoints of one name.
    EndpointTwice {
        /// The name.
        name: String,
    },
    /// One listening socket at two places.
    ListenerTwice {
        /// The socket's name.
        name: String,
    },
    /// One instance twice behind one endpoint.
    BackendTwice {
        /// The endpoint.
        endpoint: String,
        /// The instance.
        backend: String,
    },
    /// One instance under two incarnations: its endpoints are served by one program.
    TwoIncarnations {
        /// The instance.
        backend: String,
        /// The incarnation read first.
        first: u64,
        /// The other one.
        second: u64,
    },
    /// A table older than the one in use.
    Stale {
        /// The number of the refused table.
        number: u64,
        /// The number of the table in use.
        newest: u64,
    },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::TooManyEndpoints { count } => {
                write!(f, "more than {ENDPOINTS_MAX} endpoints: {count}")
            }
            TableError::TooManyBackends { endpoint, count } => {
                write!(
                    f,
                    "more than {BACKENDS_MAX} backends behind `{endpoint}`: {count}"
                )
            }
            TableError::EndpointTwice { name } => write!(f, "endpoint listed twice: `{name}`"),
            TableError::ListenerTwice { name } => write!(f, "listener used twice: `{name}`"),
            TableError::BackendTwice { endpoint, backend } => {
                write!(f, "backend listed twice behind `{endpoint}`: `{backend}`")
            }
            TableError::TwoIncarnations {
                backend,
                first,
                second,
            } => write!(
                f,
                "backend `{backend}` has two incarnations: {first} and {second}"
            ),
            TableError::Stale { number, newest } => {
                write!(f, "table {number} is older than the one in use: {newest}")
            }
        }
    }
}

impl std::error::Error for TableError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(id: &str, incarnation: u64) -> Backend {
        Backend {
            id: id.into(),
            address: ([127, 17, 0, 1], 1234).into(),
            incarnation,
            rotation: Rotation::In,
        }
    }

    fn endpoint(name: &str, listeners: &[&str], backends: Vec<Backend>) -> Endpoint {
        Endpoint {
            name: name.into(),
            listeners: listeners.iter().map(|&l| l.into()).collect(),
            backends,
        }
    }

    fn check(endpoints: Vec<Endpoint>) -> String {
        let table = Table {
            number: 1,
            endpoints,
        };
        table
            .check()
            .map_or_else(|e| e.to_string(), |()| "ok".into())
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused() {
        let a = || endpoint("A", &["a"], vec![backend("X", 1)]);
        assert_eq!(
            check(vec![a(), endpoint("B", &["b"], vec![backend("X", 1)])]),
            "ok"
        );
        assert_eq!(
            check(vec![a(), endpoint("A", &[], vec![])]),
            "endpoint listed twice: `A`"
        );
        assert_eq!(
            check(vec![a(), endpoint("B", &["a"], vec![])]),
            "listener used twice: `a`"
        );
        assert_eq!(
            check(vec![endpoint(
                "A",
                &[],
                vec![backend("X", 1), backend("X", 1)]
            )]),
            "backend listed twice behind `A`: `X`"
        );
        assert_eq!(
            check(vec![a(), endpoint("B", &[], vec![backend("X", 2)])]),
            "backend `X` has two incarnations: 1 and 2"
        );
    }

    #[test]
    fn the_limits_are_the_last_sizes_taken() {
        let many = |n: usize| (0..n).map(|i| backend(&format!("I{i}"), 1)).collect();
        assert_eq!(check(vec![endpoint("A", &[], many(BACKENDS_MAX))]), "ok");
        assert_eq!(
            check(vec![endpoint("A", &[], many(BACKENDS_MAX + 1))]),
            "more than 1024 backends behind `A`: 1025"
        );
        let rows = |n: usize| {
            (0..n)
                .map(|i| endpoint(&format!("E{i}"), &[], vec![]))
                .collect()
        };
        assert_eq!(check(rows(ENDPOINTS_MAX)), "ok");
        assert_eq!(
            check(rows(ENDPOINTS_MAX + 1)),
            "more than 2048 endpoints: 2049"
        );
    }
}
