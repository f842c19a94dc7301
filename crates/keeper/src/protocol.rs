//! What fabric and keeper say to each other, over the socket pair that the fabric is forked with.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// TCP, on an address of this machine.
    Tcp(SocketAddr),
    /// A Unix socket by path, mode 0600. A file left there by an earlier run is replaced: the keeper holds the
    /// state's lock, so nobody can be listening on it.
    Unix(PathBuf),
    /// A Unix socket in the abstract name space, which is free again when its last holder has gone.
    Abstract(String),
}

/// From the fabric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Open a listening socket, or hand out the one of that name that is open already.
    /// Answered by [`Notice::Opened`] with a duplicate, or by [`Notice::OpenFailed`].
    Open {
        /// The socket's name; a later fabric finds it by that.
        name: String,
        /// Where.
        address: Address,
    },
    /// Close the socket of that name, if there is one. Not answered.
    Close {
        /// The socket's name.
        name: String,
    },
    /// Fork a host. Answered by [`Notice::Spawned`] or [`Notice::SpawnFailed`].
    Spawn {
        /// The host's name, the id of its instance.
        name: String,
        /// What the host is to know; the keeper does not read it.
        order: String,
        /// Sockets that the host keeps open for as long as it lives.
        inherit: Vec<String>,
    },
    /// The deployment is written down: from now on a fabric that dies is started again.
    Committed,
    /// End a host at once, with its program: it does not answer, or has outlasted every limit. Not answered; its end
    /// is told as any other.
    Kill {
        /// The host's name.
        name: String,
    },
    /// The deployment is being stopped, and nothing but its end may come of that: said again, as
    /// [`Notice::Stop`], to a fabric that is started afterwards. Said before the stop is acknowledged to anyone.
    Stopping {
        /// The exit status of the whole, once it is stopped.
        status: u8,
    },
    /// The start is over, as far as `run --detach` waits for it, with that exit status.
    Started {
        /// The exit status that a waiting `run --detach` ends with.
        status: u8,
    },
    /// All is stopped: end the processes that are left and exit with `status`.
    Finish {
        /// The exit status of the whole.
        status: u8,
    },
}

/// From the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// The socket is open; its descriptor comes along.
    Opened {
        /// The socket's name.
        name: String,
    },
    /// The socket could not be opened.
    OpenFailed {
        /// The socket's name.
        name: String,
        /// The kernel's error number.
        errno: i32,
    },
    /// A host was forked.
    Spawned {
        /// The host's name.
        name: String,
        /// Its process id.
        pid: i32,
    },
    /// A host could not be forked.
    SpawnFailed {
        /// The host's name.
        name: String,
        /// The kernel's error number.
        errno: i32,
    },
    /// A host has ended.
    HostExited {
        /// The host's name.
        name: String,
        /// Its process id.
        pid: i32,
    },
    /// The balancer has ended; another is on its way and listens where the first did.
    BalancerExited,
    /// The deployment is to be stopped: a signal said so, or the fabric before this one had begun to.
    Stop {
        /// The exit status of the whole, once it is stopped.
        status: u8,
        /// The signal's number, where it was one.
        signal: Option<i32>,
    },
}
