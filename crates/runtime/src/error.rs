//! What can go wrong between a role process and the world.
//!
//! Each variant is an operation with its path or address; `Display` never repeats the source, and
//! [`report`] is the one place that walks the chain and writes it out.

use std::{error::Error, fmt, io, io::Write as _, net::SocketAddr, path::PathBuf};

use runtime_protocol::{DocumentError, FrameError};

use crate::entry_point::BoxError;

/// Why the host could not be heard or told something.
#[derive(Debug)]
pub enum HostError {
    /// No fabric runs this program, so there is no host to ask.
    Unavailable,
    /// A socket of the host's refused.
    Connect {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading a socket or the role environment failed.
    Read {
        /// What was read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Writing a current state failed.
    Write {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The host did not answer in time.
    Silent {
        /// The socket's path.
        path: PathBuf,
    },
    /// The host closed the goal-state stream before it had sent anything.
    NoGoalState {
        /// The socket's path.
        path: PathBuf,
    },
    /// A document of the host's cannot be read.
    Document {
        /// Where it came from.
        path: PathBuf,
        /// Why.
        source: DocumentError,
    },
    /// The goal-state stream has lost its framing.
    Frame {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: FrameError,
    },
}

impl fmt::Display for HostError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, path) = match self {
            Self::Unavailable => return formatter.write_str("no fabric runs this program"),
            Self::Connect { path, .. } => ("cannot connect to the host", path),
            Self::Read { path, .. } => ("cannot read from the host", path),
            Self::Write { path, .. } => ("cannot write to the host", path),
            Self::Silent { path } => ("the host does not answer", path),
            Self::NoGoalState { path } => ("the host sends no goal state", path),
            Self::Document { path, .. } => ("cannot read a document of the host", path),
            Self::Frame { path, .. } => ("cannot follow the goal states of the host", path),
        };
        write!(formatter, "{what}: {}", path.display())
    }
}

impl Error for HostError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable | Self::Silent { .. } | Self::NoGoalState { .. } => None,
            Self::Connect { source, .. }
            | Self::Read { source, .. }
            | Self::Write { source, .. } => Some(source),
            Self::Document { source, .. } => Some(source),
            Self::Frame { source, .. } => Some(source),
        }
    }
}

/// Why a role's life ended other than by being stopped or by returning from `run`.
#[derive(Debug)]
pub enum LifeError {
    /// The tokio runtime could not be built.
    Tokio {
        /// Why.
        source: io::Error,
    },
    /// The handlers for SIGTERM and SIGINT could not be set.
    Signals {
        /// Why.
        source: io::Error,
    },
    /// The host could not be reached while the role was starting.
    Host {
        /// Why.
        source: HostError,
    },
    /// `on_start` returned `false`.
    StartRefused,
    /// `on_start` failed.
    OnStart {
        /// The role's own error.
        source: BoxError,
    },
    /// `run` failed.
    Run {
        /// The role's own error.
        source: BoxError,
    },
    /// A method of the role's panicked; the panic itself is on stderr already.
    Panicked {
        /// The method.
        method: &'static str,
    },
    /// A second signal came while `on_stop` ran.
    Interrupted,
}

impl fmt::Display for LifeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokio { .. } => formatter.write_str("cannot build the tokio runtime"),
            Self::Signals { .. } => formatter.write_str("cannot handle signals"),
            Self::Host { .. } => formatter.write_str("cannot start without the host"),
            Self::StartRefused => formatter.write_str("`on_start` returned false"),
            Self::OnStart { .. } => formatter.write_str("`on_start` failed"),
            Self::Run { .. } => formatter.write_str("`run` failed"),
            Self::Panicked { method } => write!(formatter, "`{method}` panicked"),
            Self::Interrupted => formatter.write_str("interrupted while stopping"),
        }
    }
}

impl Error for LifeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tokio { source } | Self::Signals { source } => Some(source),
            Self::Host { source } => Some(source),
            Self::OnStart { source } | Self::Run { source } => Some(&**source),
            Self::StartRefused | Self::Panicked { .. } | Self::Interrupted => None,
        }
    }
}

impl From<HostError> for LifeError {
    fn from(source: HostError) -> Self {
        Self::Host { source }
    }
}

/// Why a listener could not be had.
#[derive(Debug)]
pub enum ListenError {
    /// The current instance has no such endpoint, or there is no fabric.
    UnknownEndpoint {
        /// The endpoint's name.
        name: String,
    },
    /// The endpoint is not one for TCP connections.
    NotTcp {
        /// The endpoint's name.
        name: String,
        /// Its protocol.
        protocol: String,
    },
    /// The endpoint is not one for UDP.
    NotUdp {
        /// The endpoint's name.
        name: String,
        /// Its protocol.
        protocol: String,
    },
    /// The address could not be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl fmt::Display for ListenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEndpoint { name } => {
                write!(
                    formatter,
                    "this instance has no endpoint of this name: `{name}`"
                )
            }
            Self::NotTcp { name, protocol } => {
                write!(
                    formatter,
                    "endpoint `{name}` takes no tcp connections: `{protocol}`"
                )
            }
            Self::NotUdp { name, protocol } => {
                write!(formatter, "endpoint `{name}` is none for udp: `{protocol}`")
            }
            Self::Listen { address, .. } => write!(formatter, "cannot listen: {address}"),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::UnknownEndpoint { .. } | Self::NotTcp { .. } | Self::NotUdp { .. } => None,
        }
    }
}

/// Writes an error and its causes to stderr, one line.
///
/// The SDK has no logger of its own to hand it to: what a role's process writes there is kept by the
/// host as evidence. A closed stderr is nothing to fail over.
pub(crate) fn report(error: &dyn Error) {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let _ = writeln!(io::stderr(), "runtime: {line}");
}
