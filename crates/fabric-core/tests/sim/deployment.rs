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

/// The upgrade domains that instances take turns in.
pub(crate) const UPGRADE_DOMAINS: u32 = 2;

/// What a new configuration may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) n_public: u32,
    pub(crate) n_internal: u32,
    pub(crate) incarnation: u64,
    /// The value of a setting, which programs are told.
    pub(crate) setting: u64,
    /// Stands for what they cannot be told.
    pub(crate) store: u64,
}

pub(crate) fn deployment(configuration: &Configuration) -> DeploymentPlan {
    let role = |name: &str, n_instances, first_host| RolePlan {
        name: name.into(),
        instances: (0..n_instances)
            .map(|index| instance(name, index, first_host + index as u8, configuration))
            .collect(),
    };
    let Configuration {
        n_public,
        n_internal,
        incarnation,
        ..
    } = *configuration;
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
        incarnation,
        emulated: false,
        block: 0,
        roles: vec![role(PUBLIC, n_public, 1), role(INTERNAL, n_internal, 101)],
        public: vec![port("Echo", false), port("Raw", true)],
    }
}

fn instance(role: &str, index: u32, host: u8, configuration: &Configuration) -> InstancePlan {
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
        upgrade_domain: index % UPGRADE_DOMAINS,
        fault_domain: 0,
        address,
        endpoints: vec![endpoint("Echo", 80), endpoint("Raw", 81)],
        settings: vec![("S".into(), configuration.setting.to_string())],
        local_resources: vec![],
        paths: Paths {
            root: "/r".into(),
            approot: "/r/a".into(),
            temp: "/r/t".into(),
            logs: "/r/l".into(),
            sockets: "/r/s".into(),
            approot_source: "/p".into(),
        },
        package_digest: configuration.store.to_string(),
        startup_tasks: vec![],
        entry_point: Command {
            command_line: "a".into(),
            words: vec!["a".into()],
            environment: vec![],
            script: vec![],
        },
        ready_on_process_start: true,
        topology: vec![],
        sandbox: plan::SandboxPlan::default(),
        blast: false,
        pass_sockets: false,
        options: Default::default(),
        certificates: vec![],
    }
}
