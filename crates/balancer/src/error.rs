//! Why a balancer cannot run.

use std::fmt;
use std::io;

/// The balancer could not start. Once it runs, it ends by [`Message::Exit`](crate::Message::Exit) only.
#[derive(Debug)]
pub enum BalancerError {
    /// The kernel refused an event queue.
    Runtime {
        /// What the kernel said.
        source: io::Error,
    },
    /// The control socket cannot be used.
    Control {
        /// What the kernel said.
        source: io::Error,
    },
}

impl fmt::Display for BalancerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BalancerError::Runtime { .. } => write!(f, "cannot set up the balancer's event loop"),
            BalancerError::Control { .. } => write!(f, "cannot listen on the control socket"),
        }
    }
}

impl std::error::Error for BalancerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            BalancerError::Runtime { source } | BalancerError::Control { source } => Some(source),
        }
    }
}
