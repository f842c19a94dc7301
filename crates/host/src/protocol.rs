//! What fabric and host say to each other. The fabric connects to the host's socket; both greet first.

use std::path::PathBuf;

use causes::Doing;
use host_core::{Order, Report};
use plan::{InstanceId, InstancePlan};
use serde::{Deserialize, Serialize};

/// What a host is forked with: who it is, and where it is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The instance that the host is for.
    pub instance: InstanceId,
    /// The instance's folder. It holds the lock that makes this host the only one.
    pub root: PathBuf,
    /// The socket that the host answers on.
    pub socket: PathBuf,
}

/// From the fabric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToHost {
    /// The plan, and the order to start. Said once in a host's life; one of an older generation than the last
    /// that ran here is refused.
    Start {
        /// Counts the hosts of this instance; committed by the fabric before it is said.
        generation: u64,
        /// What to run.
        plan: Box<InstancePlan>,
    },
    /// Any later order.
    Order(Order),
}

/// From the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromHost {
    /// Something has changed: how the instance is, or what it does. Levels, not edges: changes that come close together
    /// may be told as one.
    Report(Report, Doing),
    /// The start was refused; the host ends.
    Refused {
        /// Why.
        reason: String,
    },
}
