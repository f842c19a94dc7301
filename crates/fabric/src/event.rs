//! What happens to a fabric, from all its links, in one type: the loop in [`run`](mod@crate::run) takes one after another.

use balancer::Event as BalancerEvent;
use fabric_core::Event as ControllerEvent;
use keeper::protocol::Notice as KeeperNotice;
use plan::InstanceId;

use crate::FabricError;

/// What happens to a fabric.
#[derive(Debug)]
pub(crate) enum Event {
    Controller(ControllerEvent),
    Keeper(KeeperNotice),
    KeeperGone,
    Balancer(BalancerEvent),
    BalancerConnected,
    BalancerGone,
    /// A host's link has ended. The keeper tells of the host's own end, as long as there is one.
    HostUnlinked(InstanceId),
    HostRefused(InstanceId, String),
    /// What people should know of; it is tried again.
    Failed(FabricError),
    /// Nothing of an instance that has left runs or is mounted, and its folders are gone, or why not.
    Discarded(InstanceId, Option<FabricError>),
}
