//! Why a fabric cannot begin or go on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use certificates::AuthorityError;
use ipc::{LinkError, LockError};
use packager::{OpenError, StageError};
use plan::PlanError;

/// The fabric failed.
#[derive(Debug)]
pub enum FabricError {
    /// The approot could not be staged.
    Stage {
        /// What is wrong.
        source: StageError,
    },
    /// The package could not be unpacked.
    Unpack {
        /// What is wrong.
        source: OpenError,
    },
    /// The options do not fit the service.
    Plan {
        /// How.
        source: PlanError,
    },
    /// A program is not there.
    NoProgram {
        /// The role.
        role: String,
        /// `program` or `startup task`.
        what: &'static str,
        /// The command line as it was declared.
        command_line: String,
        /// Its first word.
        word: String,
    },
    /// Certificates that roles declare are not there.
    Certificates {
        /// Where they were looked for.
        folder: PathBuf,
        /// Which.
        missing: Vec<MissingCertificate>,
        /// Files that could not be read: one may be what is missing.
        problems: Vec<String>,
    },
    /// The authority for development cannot do its work.
    Authority {
        /// Why.
        source: AuthorityError,
    },
    /// A public port cannot be opened.
    Port {
        /// `Role/Endpoint`.
        endpoint: String,
        /// Where it was to listen.
        address: SocketAddr,
        /// The process that has the port, where that can be seen.
        holder: Option<String>,
        /// What the kernel said.
        source: io::Error,
    },
    /// A user that instances would run as is somebody's.
    IdentityTaken {
        /// Whose: a name in `/etc/passwd` or `/etc/group`.
        holder: String,
        /// The users of the block.
        range: RangeInclusive<u32>,
    },
    /// Every block of loopback addresses is claimed by another fabric.
    NoBlock,
    /// A socket's path would be longer than the kernel takes.
    SocketPath {
        /// The path.
        path: PathBuf,
    },
    /// The state's database.
    Store {
        /// What was being done; completes "cannot".
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The plan that an earlier fabric committed cannot be read.
    StoredPlan {
        /// What the JSON reader said.
        source: serde_json::Error,
    },
    /// The state directory is another fabric's.
    Lock {
        /// Whose.
        source: LockError,
    },
    /// A file, folder or socket.
    File {
        /// What was being done; completes "cannot".
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A call that a fabric cannot do without failed.
    System {
        /// What was being done; completes "cannot".
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The link to the keeper broke.
    Keeper {
        /// How.
        source: LinkError,
    },
    /// The keeper has ended.
    KeeperGone,
    /// The keeper has answered something else than what was asked.
    KeeperAnswer,
}

/// A certificate that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingCertificate {
    /// The role that declares it.
    pub role: String,
    /// Its name.
    pub name: String,
    /// The thumbprint in the configuration.
    pub thumbprint: String,
}

impl FabricError {
    /// Whether the definition, the configuration or the package is at fault, rather than the machine.
    pub fn is_invalid(&self) -> bool {
        match self {
            FabricError::Stage { source } => source.is_invalid(),
            FabricError::Unpack { source } => source.is_invalid(),
            FabricError::Plan { .. }
            | FabricError::NoProgram { .. }
            | FabricError::Certificates { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> FabricError {
        let path = path.into();
        move |source| FabricError::File {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn store(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> FabricError {
        move |source| FabricError::Store { doing, source }
    }
}

impl fmt::Display for FabricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FabricError::Stage { .. } => write!(f, "the approot cannot be staged"),
            FabricError::Unpack { .. } => write!(f, "the package cannot be unpacked"),
            FabricError::Plan { .. } => write!(f, "there is no plan for this deployment"),
            FabricError::NoProgram {
                role,
                what,
                command_line,
                word,
            } => write!(
                f,
                "role `{role}`: `{word}` of the {what} `{command_line}` is in neither the approot nor PATH"
            ),
            FabricError::Certificates {
                folder,
                missing,
                problems,
            } => {
                let one = |missing: &MissingCertificate| {
                    format!(
                        "certificate `{}` of role `{}` with the thumbprint {}",
                        missing.name, missing.role, missing.thumbprint
                    )
                };
                let missing: Vec<String> = missing.iter().map(one).collect();
                write!(
                    f,
                    "no file in {} has {}",
                    folder.display(),
                    missing.join(", nor ")
                )?;
                problems
                    .iter()
                    .try_for_each(|problem| write!(f, "\n  not read: {problem}"))
            }
            FabricError::Authority { .. } => {
                write!(f, "a certificate for development cannot be made")
            }
            FabricError::Port {
                endpoint,
                address,
                holder,
                ..
            } => {
                write!(
                    f,
                    "cannot listen on {address} for the input endpoint `{endpoint}`"
                )?;
                match holder {
                    Some(holder) => write!(f, ", the port is taken by {holder}"),
                    None => Ok(()),
                }
            }
            FabricError::IdentityTaken { holder, range } => write!(
                f,
                "instances would run as the users {} to {}, and `{holder}` is one of them: give it another id",
                range.start(),
                range.end()
            ),
            FabricError::NoBlock => write!(
                f,
                "every block of loopback addresses 127.17.n.0/24 is claimed"
            ),
            FabricError::SocketPath { path } => write!(
                f,
                "a socket's path is longer than the kernel's 107 bytes, a shorter role name is needed: {}",
                path.display()
            ),
            FabricError::Store { doing, .. } => write!(f, "cannot {doing} the fabric's database"),
            FabricError::StoredPlan { .. } => write!(f, "the committed plan cannot be read"),
            FabricError::Lock { .. } => write!(f, "the state directory is not free"),
            FabricError::File { doing, path, .. } => {
                write!(f, "cannot {doing}: {}", path.display())
            }
            FabricError::System { doing, .. } => write!(f, "cannot {doing}"),
            FabricError::Keeper { .. } => write!(f, "the link to the keeper broke"),
            FabricError::KeeperGone => write!(f, "the keeper has ended"),
            FabricError::KeeperAnswer => {
                write!(
                    f,
                    "the keeper has answered something else than what was asked"
                )
            }
        }
    }
}

impl std::error::Error for FabricError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FabricError::Stage { source } => Some(source),
            FabricError::Unpack { source } => Some(source),
            FabricError::Plan { source } => Some(source),
            FabricError::Store { source, .. } => Some(source),
            FabricError::StoredPlan { source } => Some(source),
            FabricError::Lock { source } => Some(source),
            FabricError::Port { source, .. }
            | FabricError::File { source, .. }
            | FabricError::System { source, .. } => Some(source),
            FabricError::Keeper { source } => Some(source),
            FabricError::Authority { source } => Some(source),
            FabricError::NoProgram { .. }
            | FabricError::IdentityTaken { .. }
            | FabricError::Certificates { .. }
            | FabricError::NoBlock
            | FabricError::SocketPath { .. }
            | FabricError::KeeperGone
            | FabricError::KeeperAnswer => None,
        }
    }
}
