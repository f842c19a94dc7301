//! What a client and the pool hand each other.
//!
//! Handles only: a [`Client`] is one accepted connection, a [`Ticket`] its right to one backend.
//! Neither can be copied, so that each is given back once. Both mean something to the
//! [`Pool`](crate::Pool) that made them, and to no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::counters::Cause;
use crate::program::Program;

/// A client that was accepted and has not ended.
#[derive(Debug)]
#[must_use = "a client ends with `closed` or `left`"]
pub struct Client {
    pub(crate) number: u64,
    pub(crate) endpoint: Arc<str>,
    pub(crate) has_parked: bool,
}

impl Client {
    /// Its number; clients are numbered as they come.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The endpoint that it came to.
    pub fn endpoint(&self) -> &Arc<str> {
        &self.endpoint
    }
}

/// The right to one connection to one backend.
#[derive(Debug)]
#[must_use = "a ticket keeps its backend busy until it is given back"]
pub struct Ticket {
    pub(crate) serial: u64,
    pub(crate) endpoint: Arc<str>,
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Ticket {
    /// The endpoint that its client came to.
    pub fn endpoint(&self) -> &Arc<str> {
        &self.endpoint
    }

    /// Whom the connection goes to.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Where that listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The answer to [`Pool::pick`](crate::Pool::pick).
#[derive(Debug)]
pub enum Pick {
    /// Connect there.
    To(Ticket),
    /// Wait, until the client is first in line and something changed, or until this moment, at which
    /// a suspect backend may be tried.
    Park(Option<Duration>),
    /// Every backend in rotation is among those that the client has tried.
    Exhausted,
    /// The table has no such endpoint any more.
    Closed,
}

/// How the connection of a client that an instance served came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides said so, the client first.
    Ordinary,
    /// The instance ended it while the client's side was open.
    Instance {
        /// When.
        at: Duration,
        /// By a reset.
        reset: bool,
    },
    /// Neither chose to.
    Cut(Cause),
}
