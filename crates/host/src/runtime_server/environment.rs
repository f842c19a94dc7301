//! The role environment document, from what the planner decided.

use plan::{InstancePlan, InstanceView};
use runtime_protocol::{
    CurrentInstance, Endpoint, Instance, LocalResource, Role, RoleEnvironment, Setting,
};

use super::text;

/// The document that roles read, from what the planner decided.
pub(super) fn role_environment(plan: &InstancePlan) -> RoleEnvironment {
    let settings = plan.settings.iter().map(|(name, value)| Setting {
        name: name.clone(),
        value: value.clone(),
    });
    let resources = plan.local_resources.iter().map(|store| LocalResource {
        name: store.name.clone(),
        path: format!("{}/", text(&store.path)),
        size_mb: u64::from(store.size_mb),
    });
    let endpoints = plan.endpoints.iter().map(|endpoint| Endpoint {
        name: endpoint.name.clone(),
        address: endpoint.address.ip(),
        port: endpoint.address.port(),
        public_port: endpoint.public.map(|public| public.port()),
        protocol: endpoint.protocol.clone(),
    });
    let roles = plan.topology.iter().map(|role| Role {
        name: role.name.clone(),
        instances: role.instances.iter().map(instance_view).collect(),
    });
    RoleEnvironment {
        deployment_id: plan.deployment_id.clone(),
        emulated: plan.emulated,
        blast: plan.blast,
        current: CurrentInstance {
            role: plan.role.clone(),
            instance: Instance {
                id: plan.id.to_string(),
                fault_domain: plan.fault_domain,
                update_domain: plan.upgrade_domain,
                endpoints: endpoints.collect(),
            },
            settings: settings.collect(),
            resources: resources.collect(),
        },
        roles: roles.collect(),
    }
}

fn instance_view(view: &InstanceView) -> Instance {
    let endpoints = view
        .endpoints
        .iter()
        .map(|(name, protocol, address)| Endpoint {
            name: name.clone(),
            address: address.ip(),
            port: address.port(),
            public_port: None,
            protocol: protocol.clone(),
        });
    Instance {
        id: view.id.to_string(),
        fault_domain: view.fault_domain,
        update_domain: view.upgrade_domain,
        endpoints: endpoints.collect(),
    }
}
