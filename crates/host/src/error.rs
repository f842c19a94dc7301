//! Why a host ends before its time.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ipc::{LinkError, LockError};

/// The host failed; the role program, if there was one, ends with it.
#[derive(Debug)]
pub enum HostError {
    /// The text that the host was forked with is not an assignment.
    Assignment {
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// Another host has the instance, or its lock cannot be taken.
    Lock {
        /// Who or why.
        source: LockError,
    },
    /// A file or socket that the host cannot do without.
    File {
        /// What was being done; completes "cannot".
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A call that a host cannot do without failed.
    System {
        /// What was being done; completes "cannot".
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The fabric did not connect in time.
    NoFabric,
    /// The link to the fabric broke before the start.
    Link {
        /// How.
        source: LinkError,
    },
    /// The fabric's order is of an older generation than the last that ran here.
    Stale {
        /// The generation ordered.
        ordered: u64,
        /// The generation that has run.
        latest: u64,
    },
    /// Processes of an earlier host do not end, not even by SIGKILL.
    LeftOver {
        /// How many.
        processes: usize,
    },
}

impl HostError {
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> HostError {
        let path = path.into();
        move |source| HostError::File {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn system(doing: &'static str) -> impl FnOnce(io::Error) -> HostError {
        move |source| HostError::System { doing, source }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Assignment { .. } => write!(f, "the host was started without an assignment"),
            HostError::Lock { .. } => write!(f, "the instance is not free"),
            HostError::File { doing, path, .. } => write!(f, "cannot {doing}: {}", path.display()),
            HostError::System { doing, .. } => write!(f, "cannot {doing}"),
            HostError::NoFabric => write!(f, "no fabric has connected"),
            HostError::Link { .. } => write!(f, "the link to the fabric broke"),
            HostError::Stale { ordered, latest } => {
                write!(
                    f,
                    "generation {ordered} was ordered, and generation {latest} has run already"
                )
            }
            HostError::LeftOver { processes } => {
                write!(
                    f,
                    "{processes} processes of an earlier host cannot be ended"
                )
            }
        }
    }
}

impl std::error::Error for HostError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            HostError::Assignment { source } => Some(source),
            HostError::Lock { source } => Some(source),
            HostError::File { source, .. } | HostError::System { source, .. } => Some(source),
            HostError::Link { source } => Some(source),
            HostError::NoFabric | HostError::Stale { .. } | HostError::LeftOver { .. } => None,
        }
    }
}
