//! What happens to a fabric, from all its links, in one type: the loop in [`run`](mod@crate::run) takes one after another.

use balancer::Event as BalancerEvent;
use fabric_core::Event as ControllerEvent;
use keeper::protocol::Notice as KeeperNotice;
use plan::InstanceId;

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
}
