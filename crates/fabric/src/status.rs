//! The document of `approot status --format json`. A contract: fields may be added, never changed.

use std::net::SocketAddr;
use std::path::PathBuf;

use balancer_core::Counters;
use fabric_core::{Controller, MemberView};
use host_core::Status as InstanceState;
use plan::{EndpointKind, InstanceId, InstancePlan, Slot};
use serde::{Deserialize, Serialize};

/// Everything that a fabric runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The service's name.
    pub service: String,
    /// One entry for each slot in use.
    pub deployments: Vec<DeploymentStatus>,
    /// The dashboard's address; `null` until there is one.
    pub dashboard: Option<String>,
    /// The control socket.
    pub control: PathBuf,
    /// What this machine or this version does not give.
    pub limitations: Vec<String>,
    /// What the balancer has counted, by `Role/Endpoint`; `null` while there is no balancer.
    pub balancer: Option<Counters>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentStatus {
    /// 32 hex digits.
    pub id: String,
    /// Where it runs.
    pub slot: Slot,
    /// The number of its plan.
    pub incarnation: u64,
    /// In the definition's order.
    pub roles: Vec<RoleStatus>,
    /// Instances that have not come to what this incarnation wants of them: they have not taken it, or are on their
    /// way out.
    #[serde(default)]
    pub pending: Vec<InstanceId>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// The role's name.
    pub name: String,
    /// In the order of their indices.
    pub instances: Vec<InstanceStatus>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// The instance's id.
    pub id: InstanceId,
    /// Its status.
    pub status: InstanceState,
    /// Why, or what the role says of itself.
    pub detail: Option<String>,
    /// The role program's process id, `null` while none runs.
    pub pid: Option<i32>,
    /// Its upgrade domain.
    pub upgrade_domain: u32,
    /// Its fault domain.
    pub fault_domain: u32,
    /// How often it was started again since the deployment began.
    pub recycles: u64,
    /// Counts all attempts that this instance ever had; the number in its logs.
    pub attempt: u64,
    /// How the last attempt ended that did so by itself.
    pub last_end: Option<String>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// An endpoint of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The endpoint's name.
    pub name: String,
    /// `input` or `internal`.
    pub kind: EndpointKind,
    /// `tcp` or `http`.
    pub protocol: String,
    /// Where the program listens.
    pub address: SocketAddr,
    /// Where clients connect, the first listen address; `null` for an internal endpoint.
    pub public: Option<SocketAddr>,
}

impl Status {
    /// Every instance of every deployment.
    pub fn instances(&self) -> impl Iterator<Item = &InstanceStatus> {
        self.deployments
            .iter()
            .flat_map(|deployment| &deployment.roles)
            .flat_map(|role| &role.instances)
    }

    pub(crate) fn of(
        controller: &Controller,
        control: PathBuf,
        limitations: Vec<String>,
        balancer: Option<Counters>,
    ) -> Status {
        let plan = controller.plan();
        let is_planned = |id: &InstanceId| plan.instances().any(|planned| planned.id == *id);
        let leaving = |role: &str| {
            let role = role.to_owned();
            let is_shown =
                move |instance: &&InstancePlan| instance.role == role && !is_planned(&instance.id);
            controller.leaving().filter(is_shown)
        };
        let roles = plan.roles.iter().map(|role| RoleStatus {
            name: role.name.clone(),
            instances: role
                .instances
                .iter()
                .chain(leaving(&role.name))
                .map(|plan| instance(plan, controller.member(&plan.id)))
                .collect(),
        });
        let deployment = DeploymentStatus {
            id: plan.deployment_id.clone(),
            slot: plan.slot,
            incarnation: plan.incarnation,
            roles: roles.collect(),
            pending: controller.pending().cloned().collect(),
        };
        Status {
            service: plan.service.clone(),
            deployments: vec![deployment],
            dashboard: None,
            control,
            limitations,
            balancer,
        }
    }
}

fn instance(plan: &InstancePlan, member: Option<MemberView>) -> InstanceStatus {
    let recycles = member.as_ref().map_or(0, |member| member.recycles);
    let report = member.and_then(|member| member.report);
    let endpoints = plan.endpoints.iter().map(|endpoint| EndpointStatus {
        name: endpoint.name.clone(),
        kind: endpoint.kind,
        protocol: endpoint.protocol.clone(),
        address: endpoint.address,
        public: endpoint.public,
    });
    InstanceStatus {
        id: plan.id.clone(),
        status: report
            .as_ref()
            .map_or(InstanceState::Starting, |report| report.status),
        detail: report.as_ref().and_then(|report| report.detail.clone()),
        pid: report.as_ref().and_then(|report| report.pid),
        upgrade_domain: plan.upgrade_domain,
        fault_domain: plan.fault_domain,
        recycles,
        attempt: report.as_ref().map_or(0, |report| report.attempt),
        last_end: report.and_then(|report| report.last_end),
        endpoints: endpoints.collect(),
    }
}
