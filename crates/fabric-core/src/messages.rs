//! What goes into the controller and what comes out of it.

use host_core::{Order, Report};
use plan::{DeploymentPlan, InstanceId};

use crate::routing::Routing;

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Nothing of an earlier host of this instance is left: one may be spawned.
    Vacant(InstanceId),
    /// A host answers, and was given the plan and the order to start. Comes before its first report.
    HostStarted(InstanceId),
    /// A host has ended, or could not be spawned. Once for each [`Action::SpawnHost`]; what the host itself had
    /// still to say may come later, and no longer counts.
    HostEnded(InstanceId),
    /// A host reports.
    Reported(InstanceId, Report),
    /// A balancer is there and knows nothing.
    BalancerConnected,
    /// The balancer is gone, and its connections with it.
    BalancerGone,
    /// The balancer makes no pick under an older routing than this any more.
    Acknowledged(u64),
    /// A program that was taken out of rotation has no connection left.
    Idle {
        /// The instance.
        instance: InstanceId,
        /// Which of its programs.
        incarnation: u64,
    },
    /// An operator wants an instance recycled.
    Recycle(InstanceId),
    /// An operator wants an instance started anew, host and all. What of it is made anew, the driver knows.
    Reboot(InstanceId),
    /// A new plan of the same deployment was committed, and is carried out from now on.
    Configured(Box<DeploymentPlan>),
    /// The deployment is to stop.
    Stop,
}

/// Something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Commit the next generation, spawn a host, and give it its plan. Answered by `HostStarted` or `HostEnded`.
    SpawnHost(InstanceId),
    /// End a host at once: it has outlasted every limit. Answered by `HostEnded`.
    KillHost(InstanceId),
    /// Pass an order on.
    Order(InstanceId, Order),
    /// Give the host its instance's plan as it is now, with [`Order::Change`] or [`Order::Replace`].
    Change(InstanceId, Order),
    /// The instance has left the deployment and nothing of it runs: remove its folders. Answered by `Vacant`.
    Discard(InstanceId),
    /// Give the balancer its whole table.
    Route(Routing),
    /// Close the connections that are left at a program out of rotation.
    Cut {
        /// The instance.
        instance: InstanceId,
        /// Which of its programs.
        incarnation: u64,
    },
    /// Close the public ports: nobody is to come any more.
    CloseListeners,
    /// The start is over.
    Started(Outcome),
    /// An attempt of an instance has ended by itself: worth telling people.
    AttemptEnded {
        /// The instance.
        instance: InstanceId,
        /// How.
        cause: String,
    },
    /// Every host has ended: the deployment is stopped.
    Stopped,
}

/// How a start went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every instance has been Ready.
    AllReady,
    /// An instance has failed so often before it was ever Ready that this is no accident.
    Failed {
        /// The instance.
        instance: InstanceId,
        /// How its last attempt ended.
        cause: String,
    },
}

/// What is known of an instance, for `approot status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The latest report, `None` before the first.
    pub report: Option<Report>,
    /// How often a program of this deployment's instance was started again.
    pub recycles: u64,
}
