//! The deployment of the histories: a role behind two public ports, one of which takes Busy instances too, and a role
//! that no client reaches.

use std::net::{Ipv4Addr, SocketAddr};

use plan::{
    Command, DeploymentPlan, EndpointKind, EndpointPlan, InstanceId, InstancePlan, Paths,
    PublicEndpoint, RolePlan, Slot,
};

/// The role that clients reach.
pub(crate) const PUBLIC: &str = "Web";

/// The role that they do not.
pub(crate) const INTERNAL: &str = "Worker";

/// The public port of [`PUBLIC`] that `ignoreRoleInstanceStatus` stands at.
pub(crate) const IGNORES_STATUS: &str = "Web/Raw";

pub(crate) fn deployment(n_public: u32, n_internal: u32) -> DeploymentPlan {
    let role = |name: &str, n_instances, first_host| RolePlan {
        name: name.into(),
        instances: (0..n_instances)
            .map(|index| instance(name, index, first_host + index as u8))
            .collect(),
    };
    let port = |name: &str, ignore_role_instance_status| PublicEndpoint {
        role: PUBLIC.into(),
        name: name.into(),
        listen: vec![],
        ignore_role_instance_status,
    };
    DeploymentPlan {
        service: "S".into(),
        deployment_id: "d".into(),
        slot: Slot::Production,
        incarnation: 1,
        emulated: false,
        block: 0,
        roles: vec![role(PUBLIC, n_public, 1), role(INTERNAL, n_internal, 101)],
        public: vec![port("Echo", false), port("Raw", true)],
    }
}

fn instance(role: &str, index: u32, host: u8) -> InstancePlan {
    let address = Ipv4Addr::new(127, 17, 0, host);
    let endpoint = |name: &str, port| EndpointPlan {
        name: name.into(),
        kind: EndpointKind::Input,
        protocol: "tcp".into(),
        address: SocketAddr::new(address.into(), port),
        public: None,
    };
    InstancePlan {
        id: InstanceId::new(role, index),
        role: role.into(),
        deployment_id: "d".into(),
        emulated: false,
        upgrade_domain: 0,
        fault_domain: 0,
        address,
        endpoints: vec![endpoint("Echo", 80), endpoint("Raw", 81)],
        settings: vec![],
        local_resources: vec![],
        paths: Paths {
            root: "/r".into(),
            approot: "/r/a".into(),
            temp: "/r/t".into(),
            logs: "/r/l".into(),
            sockets: "/r/s".into(),
            approot_source: "/p".into(),
        },
        package_digest: String::new(),
        startup_tasks: vec![],
        entry_point: Command {
            command_line: "a".into(),
            words: vec!["a".into()],
            environment: vec![],
            script: vec![],
        },
        ready_on_process_start: true,
        topology: vec![],
        certificates: vec![],
    }
}
