//! From a service to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use schema::{
    CommandLine, ExecutionContext, INSTANCES_MAX, InternalPorts, PortSpecifier, RoleConfiguration,
    RoleDefinition, Service, VmSize,
};

use crate::deployment::{
    CertificatePlan, Command, DeploymentPlan, EndpointKind, EndpointPlan, InstanceId, InstancePlan,
    InstanceView, LocalResourcePlan, Paths, PublicEndpoint, RolePlan, RoleView, SandboxPlan,
    ScriptPart, Slot, TaskPlan, TaskType,
};
use crate::environment::environment;
use crate::error::PlanError;
use crate::role_options::RoleOptions;

/// How many fault domains the platform always used. Source: "fault domains and update domains", MSDN blogs.
const FAULT_DOMAINS: u32 = 2;

/// The first of the ports that are given where the definition leaves the choice (`*`). Each instance has an
/// address of its own, so the same ports serve all of them; below the usual ephemeral range, above well-known ones.
const CHOSEN_PORT_FIRST: u16 = 20_000;

/// The first of the users that limited programs run as where the fabric is root: 65,536 of them, one for each address
/// of 127.17.0.0/16. They lie where systemd's table of user ids has none of its own and no other distributor's:
/// above containers', below 2^31. Source: UIDS-GIDS of systemd.
pub const IDENTITY_FIRST: u32 = 0x7061_0000;

/// The identities of the instances in block `n`.
pub fn identities(block: u8) -> RangeInclusive<u32> {
    let first = IDENTITY_FIRST + (u32::from(block) << 8);
    first..=first + u32::from(u8::MAX)
}

/// What a plan depends on besides the service.
#[derive(Debug, Clone)]
pub struct Options {
    /// 32 hex digits.
    pub deployment_id: String,
    /// The new plan's number.
    pub incarnation: u64,
    /// Where the deployment runs.
    pub slot: Slot,
    /// `@emulated` of the role environment.
    pub emulated: bool,
    /// Instance counts that replace the configuration's.
    pub instances: BTreeMap<String, u32>,
    /// Addresses of the machine to listen on for input endpoints.
    pub listen: Vec<IpAddr>,
    /// `n` of the block 127.17.n.0/24 that the fabric has claimed.
    pub block: u8,
    /// Last bytes of addresses in the block that something still listens on.
    pub taken: BTreeSet<u8>,
    /// The folder that holds a folder for each instance.
    pub instances_directory: PathBuf,
    /// The folder that holds a folder of sockets for each instance.
    pub sockets_directory: PathBuf,
    /// The package, unpacked.
    pub package: Package,
    /// Whether the fabric can give each instance a user of its own: it is root.
    pub has_identities: bool,
    /// The control group that holds those of the instances.
    pub group: String,
    /// What the operator has said of roles, by name.
    pub roles: BTreeMap<String, RoleOptions>,
    /// The addresses of instances that run already, by which nobody notices that the plan is a new one. Nothing else
    /// gets one of them.
    pub kept: BTreeMap<InstanceId, Ipv4Addr>,
    /// The folder that holds `<thumbprint>.crt` and `.key` of each certificate.
    pub certificates_directory: PathBuf,
}

/// The staged package that instances copy their approot from.
#[derive(Debug, Clone)]
pub struct Package {
    /// The digest of its manifest.
    pub digest: String,
    /// The folder that holds `roles/<Role>/approot`.
    pub root: PathBuf,
    /// The roles whose programs take passed sockets, by their own word.
    pub takes_sockets: BTreeSet<String>,
}

/// Decides the deployment.
///
/// # Errors
/// The options do not fit the service; see [`PlanError`].
pub fn plan(service: &Service, options: &Options) -> Result<DeploymentPlan, PlanError> {
    if options.listen.is_empty() {
        return Err(PlanError::NoListenAddress);
    }
    let counts = instance_counts(service, options)?;
    let mut addresses = addresses(service, options, &counts)?;
    let mut roles = Vec::new();
    for ((role, configuration), count) in service
        .definition
        .roles
        .iter()
        .zip(&service.roles)
        .zip(counts)
    {
        let role_options = options.roles.get(&role.name).cloned().unwrap_or_default();
        let planner = RolePlanner {
            role_options,
            service,
            role,
            configuration,
            options,
        };
        let instances = (0..count)
            .map(|index| {
                let kept = options.kept.get(&InstanceId::new(&role.name, index));
                let address = kept.copied().or_else(|| addresses.next());
                planner.instance(index, address.expect("one was counted for each instance"))
            })
            .collect();
        roles.push(RolePlan {
            name: role.name.clone(),
            instances,
        });
    }
    let topology = topology(&roles);
    for instance in roles.iter_mut().flat_map(|role| &mut role.instances) {
        instance.topology = topology.clone();
    }
    let public = service
        .definition
        .roles
        .iter()
        .flat_map(|role| {
            role.input_endpoints
                .iter()
                .map(move |endpoint| (role, endpoint))
        })
        .map(|(role, endpoint)| PublicEndpoint {
            role: role.name.clone(),
            name: endpoint.name.clone(),
            listen: options
                .listen
                .iter()
                .map(|ip| SocketAddr::new(*ip, endpoint.port))
                .collect(),
            ignore_role_instance_status: endpoint.ignore_role_instance_status,
        })
        .collect();
    Ok(DeploymentPlan {
        service: service.definition.name.clone(),
        deployment_id: options.deployment_id.clone(),
        slot: options.slot,
        incarnation: options.incarnation,
        emulated: options.emulated,
        block: options.block,
        roles,
        public,
    })
}

fn instance_counts(service: &Service, options: &Options) -> Result<Vec<u32>, PlanError> {
    for (role, count) in &options.instances {
        if !service.roles.iter().any(|known| known.name == *role) {
            let known = service
                .roles
                .iter()
                .map(|known| known.name.clone())
                .collect();
            return Err(PlanError::UnknownRole {
                role: role.clone(),
                known,
            });
        }
        if *count == 0 {
            return Err(PlanError::NoInstances { role: role.clone() });
        }
    }
    let count = |role: &RoleConfiguration| {
        *options
            .instances
            .get(&role.name)
            .unwrap_or(&role.instance_count)
    };
    Ok(service.roles.iter().map(count).collect())
}

/// The free addresses of the block, at least as many as there are instances that have none yet.
fn addresses(
    service: &Service,
    options: &Options,
    counts: &[u32],
) -> Result<impl Iterator<Item = Ipv4Addr> + use<>, PlanError> {
    let kept: BTreeSet<u8> = options
        .kept
        .values()
        .map(|address| address.octets()[3])
        .collect();
    let free: Vec<u8> = (1..=INSTANCES_MAX)
        .filter_map(|last| u8::try_from(last).ok())
        .filter(|last| !options.taken.contains(last) && !kept.contains(last))
        .collect();
    let ids = service
        .definition
        .roles
        .iter()
        .zip(counts)
        .flat_map(|(role, count)| (0..*count).map(|index| InstanceId::new(&role.name, index)));
    let (with, without): (Vec<_>, Vec<_>) = ids.partition(|id| options.kept.contains_key(id));
    if free.len() < without.len() {
        return Err(PlanError::TooManyInstances {
            wanted: with.len() + without.len(),
            available: with.len() + free.len(),
        });
    }
    let block = options.block;
    Ok(free
        .into_iter()
        .map(move |last| Ipv4Addr::new(127, 17, block, last)))
}

/// Roles with at least one internal endpoint, as any instance can discover them.
/// Source: "Enable communication for role instances", which says that only those are listed in full.
fn topology(roles: &[RolePlan]) -> Vec<RoleView> {
    let view = |instance: &InstancePlan| InstanceView {
        id: instance.id.clone(),
        upgrade_domain: instance.upgrade_domain,
        fault_domain: instance.fault_domain,
        endpoints: instance
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.kind == EndpointKind::Internal)
            .map(|endpoint| {
                (
                    endpoint.name.clone(),
                    endpoint.protocol.clone(),
                    endpoint.address,
                )
            })
            .collect(),
    };
    roles
        .iter()
        .map(|role| RoleView {
            name: role.name.clone(),
            instances: role.instances.iter().map(view).collect(),
        })
        .filter(|role: &RoleView| {
            role.instances
                .iter()
                .any(|instance| !instance.endpoints.is_empty())
        })
        .collect()
}

struct RolePlanner<'a> {
    service: &'a Service,
    role: &'a RoleDefinition,
    configuration: &'a RoleConfiguration,
    options: &'a Options,
    role_options: RoleOptions,
}

impl RolePlanner<'_> {
    fn instance(&self, index: u32, address: Ipv4Addr) -> InstancePlan {
        let id = InstanceId::new(&self.role.name, index);
        let paths = self.paths(&id);
        let mut instance = InstancePlan {
            role: self.role.name.clone(),
            deployment_id: self.options.deployment_id.clone(),
            emulated: self.options.emulated,
            upgrade_domain: index % self.service.definition.upgrade_domain_count,
            fault_domain: index % FAULT_DOMAINS,
            address,
            endpoints: self.endpoints(address),
            settings: self.configuration.settings.clone(),
            local_resources: self.local_resources(&paths.root),
            package_digest: self.options.package.digest.clone(),
            startup_tasks: Vec::new(),
            entry_point: self.command(&self.role.entry_point.command_line),
            ready_on_process_start: self.role.entry_point.set_ready_on_process_start,
            topology: Vec::new(),
            sandbox: self.sandbox(&id, address),
            blast: self.service.definition.blast,
            pass_sockets: self.options.package.takes_sockets.contains(&self.role.name),
            options: self.role_options.clone(),
            certificates: self.certificates(&paths.root),
            id,
            paths,
        };
        instance.startup_tasks = self.startup_tasks(&instance);
        instance.entry_point.environment =
            environment(self.role, &instance, &self.role.environment);
        instance
    }

    fn sandbox(&self, id: &InstanceId, address: Ipv4Addr) -> SandboxPlan {
        let [.., block, last] = address.octets();
        let identity = identities(block).start() + u32::from(last);
        let size = VmSize::named(&self.role.vmsize);
        SandboxPlan {
            identity: self.options.has_identities.then_some(identity),
            is_elevated: self.role.execution_context == ExecutionContext::Elevated,
            native_code: self.role.native_code_execution,
            group: format!("{}/{id}", self.options.group),
            cores: size.map(|size| size.cores),
            memory_mib: size.map(|size| size.memory_mib),
        }
    }

    fn paths(&self, id: &InstanceId) -> Paths {
        let root = self.options.instances_directory.join(id.as_str());
        Paths {
            approot: root.join("approot"),
            temp: root.join("temp"),
            logs: root.join("logs"),
            sockets: self.options.sockets_directory.join(id.as_str()),
            approot_source: self
                .options
                .package
                .root
                .join("roles")
                .join(&self.role.name)
                .join("approot"),
            root,
        }
    }

    fn local_resources(&self, root: &Path) -> Vec<LocalResourcePlan> {
        let stores = self.role.local_resources.iter();
        stores
            .map(|store| LocalResourcePlan {
                name: store.name.clone(),
                path: root.join("directory").join(&store.name),
                size_mb: store.size_mb,
                clean_on_role_recycle: store.clean_on_role_recycle,
            })
            .collect()
    }

    fn certificates(&self, root: &Path) -> Vec<CertificatePlan> {
        let of_role = self.role.certificates.iter();
        let configured = &self.configuration.certificates;
        of_role
            .filter_map(|declared| {
                let named = |(name, _): &&(String, String)| *name == declared.name;
                // A rule has seen to it that each has a thumbprint.
                let (_, thumbprint) = configured.iter().find(named)?;
                let stores = root.join("certificates").join(&declared.store_location);
                Some(CertificatePlan {
                    name: declared.name.clone(),
                    thumbprint: thumbprint.clone(),
                    source: self.options.certificates_directory.join(thumbprint),
                    path: stores
                        .join(folder_name(&declared.store_name))
                        .join(&declared.name),
                    is_elevated: declared.is_elevated,
                })
            })
            .collect()
    }

    fn endpoints(&self, address: Ipv4Addr) -> Vec<EndpointPlan> {
        let mut ports = PortChooser::new(self.role);
        let inputs = self
            .role
            .input_endpoints
            .iter()
            .map(|endpoint| EndpointPlan {
                name: endpoint.name.clone(),
                kind: EndpointKind::Input,
                protocol: endpoint.protocol.to_string(),
                address: SocketAddr::new(address.into(), ports.choose(endpoint.local_port)),
                public: self
                    .options
                    .listen
                    .first()
                    .map(|ip| SocketAddr::new(*ip, endpoint.port)),
            });
        let mut endpoints: Vec<EndpointPlan> = inputs.collect();
        endpoints.extend(
            self.role
                .internal_endpoints
                .iter()
                .map(|endpoint| EndpointPlan {
                    name: endpoint.name.clone(),
                    kind: EndpointKind::Internal,
                    protocol: endpoint.protocol.to_string(),
                    address: SocketAddr::new(
                        address.into(),
                        ports.choose_internal(&endpoint.ports),
                    ),
                    public: None,
                }),
        );
        // Each instance would have a public port too, which this version does not open.
        endpoints.extend(
            self.role
                .instance_input_endpoints
                .iter()
                .map(|endpoint| EndpointPlan {
                    name: endpoint.name.clone(),
                    kind: EndpointKind::InstanceInput,
                    protocol: endpoint.protocol.to_string(),
                    address: SocketAddr::new(address.into(), endpoint.local_port),
                    public: None,
                }),
        );
        endpoints
    }

    fn startup_tasks(&self, instance: &InstancePlan) -> Vec<TaskPlan> {
        let tasks = self.role.startup_tasks.iter();
        tasks
            .map(|task| {
                let mut command = self.command(&task.command_line);
                // A task sees its own variables, not those of Runtime.
                command.environment = environment(self.role, instance, &task.environment);
                let task_type = match task.task_type {
                    schema::TaskType::Simple => TaskType::Simple,
                    schema::TaskType::Foreground => TaskType::Foreground,
                    schema::TaskType::Background => TaskType::Background,
                };
                TaskPlan {
                    task_type,
                    command,
                    is_elevated: task.execution_context == ExecutionContext::Elevated,
                }
            })
            .collect()
    }

    /// What a command line asks for, with the programs that the operator has named in place of others.
    fn command(&self, line: &CommandLine) -> Command {
        let mut command = Command::from(line);
        let programs = command.script.iter_mut().filter_map(|part| match part {
            ScriptPart::Program(word) => Some(word),
            _ => None,
        });
        for word in command.words.iter_mut().take(1).chain(programs) {
            *word = self.role_options.program(word).to_owned();
        }
        command
    }
}

/// The folder of a certificate store: its name may be any text, also one that leads elsewhere.
fn folder_name(store: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.');
    let name: String = store
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    if name.chars().all(|c| c == '.') {
        "_".repeat(name.len())
    } else {
        name
    }
}

/// Gives ports where the definition leaves the choice, past those that it fixes.
struct PortChooser {
    /// Those that the definition fixes, and those that were chosen from ranges.
    taken: BTreeSet<u16>,
    next: u16,
}

impl PortChooser {
    fn new(role: &RoleDefinition) -> Self {
        let inputs = role
            .input_endpoints
            .iter()
            .filter_map(|endpoint| match endpoint.local_port {
                PortSpecifier::Fixed(port) => Some(port),
                PortSpecifier::Any => None,
            });
        // A range of one port leaves no choice either.
        let internal = role
            .internal_endpoints
            .iter()
            .filter_map(|endpoint| match &endpoint.ports {
                InternalPorts::OneOf(ranges) if ranges.len() == 1 => Some(&ranges[0]),
                InternalPorts::OneOf(_) | InternalPorts::Any => None,
            })
            .filter(|range| range.start() == range.end())
            .map(|range| *range.start());
        let instance = role.instance_input_endpoints.iter();
        let instance = instance.map(|endpoint| endpoint.local_port);
        PortChooser {
            taken: inputs.chain(internal).chain(instance).collect(),
            next: CHOSEN_PORT_FIRST,
        }
    }

    /// A port of the ranges that no other endpoint of the role has; the first port where all are had: two
    /// endpoints may name one port on purpose, as `tcp` and `udp` do.
    fn choose_internal(&mut self, ports: &InternalPorts) -> u16 {
        let InternalPorts::OneOf(ranges) = ports else {
            return self.choose(PortSpecifier::Any);
        };
        let mut all = ranges.iter().cloned().flatten();
        let free = all.find(|port| !self.taken.contains(port));
        let port = free.unwrap_or_else(|| *ranges[0].start());
        self.taken.insert(port);
        port
    }

    fn choose(&mut self, port: PortSpecifier) -> u16 {
        match port {
            PortSpecifier::Fixed(port) => port,
            PortSpecifier::Any => {
                // At most 50 endpoints a role are fixed, so a free port follows soon.
                while self.taken.contains(&self.next) {
                    self.next += 1;
                }
                self.next += 1;
                self.next - 1
            }
        }
    }
}

#[cfg(test)]
mod tests;
