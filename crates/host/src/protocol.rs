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
        /// What is to be made anew before the first attempt.
        renewal: Option<Renewal>,
    },
    /// Any later order that needs no plan.
    Order(Order),
    /// A new plan, with what is to be done about it: [`Order::Change`] or [`Order::Replace`].
    Change {
        /// What to do.
        order: Order,
        /// What to run.
        plan: Box<InstancePlan>,
    },
}

/// What an instance loses when its machine is started anew. Local stores and logs stay; stores that are cleaned at
/// every recycle are cleaned here as well. Source: "What survives", in the platform's description of its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Renewal {
    /// The approot is made again from the package.
    Reboot,
    /// So is everything else that is not the instance's own data.
    Reimage,
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
