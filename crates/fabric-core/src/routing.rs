//! Who is in rotation.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use plan::{DeploymentPlan, InstanceId, InstancePlan};

use crate::member::Member;

/// The whole routing; a new one replaces the last, never patches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// Counts the routings of a controller.
    pub number: u64,
    /// One entry for each input endpoint, in the plan's order.
    pub endpoints: Vec<EndpointRouting>,
}

/// The instances behind one input endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRouting {
    /// `Role/Endpoint`.
    pub key: String,
    /// Every instance that has begun an attempt.
    pub routes: Vec<Route>,
}

/// One instance behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The instance.
    pub instance: InstanceId,
    /// Where its program listens.
    pub address: SocketAddr,
    /// Which of its programs: a new number for every start.
    pub incarnation: u64,
    /// Whether it gets connections.
    pub rotation: Rotation,
}

/// An instance's place in the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Gets new connections.
    In,
    /// Gets no new ones; those that stand go on.
    Draining,
    /// Gets none.
    Out,
    /// Its program is gone, and so are its connections.
    Dead,
}

/// The endpoints' routing, from what the members say. Those that leave the deployment are there until their hosts have
/// ended.
pub(crate) fn endpoints(
    plan: &DeploymentPlan,
    members: &BTreeMap<InstanceId, Member>,
) -> Vec<EndpointRouting> {
    plan.public
        .iter()
        .map(|public| {
            let routes = instances(plan, members, &public.role).filter_map(|instance| {
                let endpoint = instance
                    .endpoints
                    .iter()
                    .find(|endpoint| endpoint.name == public.name)?;
                let (incarnation, rotation) =
                    members[&instance.id].rotation(public.ignore_role_instance_status)?;
                Some(Route {
                    instance: instance.id.clone(),
                    address: endpoint.address,
                    incarnation,
                    rotation,
                })
            });
            EndpointRouting {
                key: public.key(),
                routes: routes.collect(),
            }
        })
        .collect()
}

/// The instances of a role, with those that leave as they were planned.
fn instances<'a>(
    plan: &'a DeploymentPlan,
    members: &'a BTreeMap<InstanceId, Member>,
    role: &'a str,
) -> impl Iterator<Item = &'a InstancePlan> {
    let stays = move |instance: &&InstancePlan| members[&instance.id].leaving.is_none();
    let leaving = members
        .values()
        .filter_map(|member| member.leaving.as_ref())
        .map(|leaving| &leaving.plan);
    plan.instances()
        .filter(stays)
        .chain(leaving)
        .filter(move |instance| instance.role == role)
}
