//! The typed service definition: what the tree says, with a place for every value.
//!
//! Lowering takes every valid value and leaves the others out: `None` here is a finding of the grammar's
//! walk already. It checks nothing itself; the rules look at the result.

use diagnostics::{FileId, Span};
use xml_tree::Element;

use crate::grammar::{Node, csdef};
use crate::model::{ExecutionContext, PortSpecifier, TaskType};
use crate::spanned::Spanned;

/// Roles that are lowered.
///
/// Forty times as many as a deployment may have, so that a file with more has its error whatever stands in
/// the others; a lowered role takes half a kilobyte, its text a dozen bytes.
const MAX_ROLES_READ: usize = 1000;

/// `ServiceDefinition`.
#[derive(Debug)]
pub(crate) struct ServiceDefinition<'t> {
    pub(crate) file: FileId,
    /// The element's own name, for findings about the whole.
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) upgrade_domain_count: Option<Spanned<u32>>,
    pub(crate) topology_change_discovery: Option<Spanned<&'t str>>,
    pub(crate) schema_version: Option<Spanned<&'t str>>,
    pub(crate) load_balancer_probes: Vec<LoadBalancerProbe<'t>>,
    /// The first [`MAX_ROLES_READ`] of every kind, in the order of the file.
    pub(crate) roles: Vec<Role<'t>>,
    /// Where each `NetworkTrafficRules` stands.
    pub(crate) network_traffic_rules: Vec<Span>,
    /// The rules of all of them.
    pub(crate) traffic_rules: Vec<TrafficRule<'t>>,
}

impl<'t> ServiceDefinition<'t> {
    /// The roles that approot runs.
    pub(crate) fn worker_roles(&self) -> impl Iterator<Item = &Role<'t>> {
        self.roles.iter().filter(|role| role.kind.is_run())
    }
}

/// `LoadBalancerProbe`.
#[derive(Debug)]
pub(crate) struct LoadBalancerProbe<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) protocol: Option<Spanned<&'t str>>,
    pub(crate) path: Option<Spanned<&'t str>>,
    pub(crate) interval_seconds: Option<Spanned<i32>>,
    pub(crate) timeout_seconds: Option<Spanned<i32>>,
}

/// `OnlyAllowTrafficTo`.
#[derive(Debug)]
pub(crate) struct TrafficRule<'t> {
    pub(crate) span: Span,
    pub(crate) destinations: Vec<RoleEndpoint<'t>>,
    /// Where `AllowAllTraffic` stands.
    pub(crate) allow_all_traffic: Option<Span>,
    /// Where `WhenSource` stands.
    pub(crate) when_source: Option<Span>,
    /// The names of `WhenSource/FromRole`.
    pub(crate) from_roles: Vec<Spanned<&'t str>>,
}

/// `RoleEndpoint`.
#[derive(Debug)]
pub(crate) struct RoleEndpoint<'t> {
    pub(crate) role: Option<Spanned<&'t str>>,
    pub(crate) endpoint: Option<Spanned<&'t str>>,
}

/// What kind of role it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoleKind {
    /// `WorkerRole`, the only one that approot runs.
    Worker,
    /// `WebRole`.
    Web,
    /// `VirtualMachineRole`, of which only the name is read.
    VirtualMachine,
}

impl RoleKind {
    /// Whether approot runs such roles.
    pub(crate) fn is_run(self) -> bool {
        self == RoleKind::Worker
    }

    /// The element that declares such a role.
    pub(crate) fn element(self) -> &'static str {
        match self {
            RoleKind::Worker => "WorkerRole",
            RoleKind::Web => "WebRole",
            RoleKind::VirtualMachine => "VirtualMachineRole",
        }
    }
}

/// A role of any kind.
#[derive(Debug)]
pub(crate) struct Role<'t> {
    pub(crate) kind: RoleKind,
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) vmsize: Option<Spanned<&'t str>>,
    pub(crate) certificates: Vec<Certificate<'t>>,
    pub(crate) settings: Vec<Spanned<&'t str>>,
    /// Those of `LocalResources` and the old direct one.
    pub(crate) local_resources: Vec<LocalStorage<'t>>,
    /// Those of `Endpoints` and of a web role's old `InputEndpoints`.
    pub(crate) input_endpoints: Vec<InputEndpoint<'t>>,
    /// Those of `Endpoints` and a web role's old direct one.
    pub(crate) internal_endpoints: Vec<InternalEndpoint<'t>>,
    pub(crate) instance_input_endpoints: Vec<InstanceInputEndpoint<'t>>,
    /// `Imports/Import/@moduleName`.
    pub(crate) imports: Vec<Spanned<&'t str>>,
    pub(crate) execution_context: Option<Spanned<ExecutionContext>>,
    pub(crate) environment: Vec<Variable<'t>>,
    pub(crate) entry_point: Option<EntryPoint<'t>>,
    pub(crate) startup_tasks: Vec<Task<'t>>,
    pub(crate) contents: Vec<Content<'t>>,
    pub(crate) native_code_execution: Option<Spanned<bool>>,
    /// `Binding/@endpointName` of a web role's sites.
    pub(crate) bindings: Vec<Spanned<&'t str>>,
}

impl<'t> Role<'t> {
    /// The names of the endpoints of every kind, in the order of the file.
    pub(crate) fn endpoint_names(&self) -> Vec<Spanned<&'t str>> {
        let input = self.input_endpoints.iter().map(|endpoint| endpoint.name);
        let internal = self.internal_endpoints.iter().map(|endpoint| endpoint.name);
        let instance = self
            .instance_input_endpoints
            .iter()
            .map(|endpoint| endpoint.name);
        let mut names: Vec<_> = input.chain(internal).chain(instance).flatten().collect();
        names.sort_by_key(|name| name.span);
        names
    }

    /// Whether an endpoint of this name is declared.
    pub(crate) fn declares_endpoint(&self, name: &str) -> bool {
        let is_it = |declared: Option<Spanned<&str>>| declared.is_some_and(|it| it.value == name);
        self.input_endpoints.iter().any(|it| is_it(it.name))
            || self.internal_endpoints.iter().any(|it| is_it(it.name))
            || self
                .instance_input_endpoints
                .iter()
                .any(|it| is_it(it.name))
    }
}

/// `Certificate`.
#[derive(Debug)]
pub(crate) struct Certificate<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) store_location: Option<Spanned<&'t str>>,
    pub(crate) store_name: Option<Spanned<&'t str>>,
    pub(crate) permission_level: Option<Spanned<&'t str>>,
}

/// `LocalStorage`.
#[derive(Debug)]
pub(crate) struct LocalStorage<'t> {
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) clean_on_role_recycle: Option<Spanned<bool>>,
    pub(crate) size_mb: Option<Spanned<u32>>,
}

/// `InputEndpoint`.
#[derive(Debug)]
pub(crate) struct InputEndpoint<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) protocol: Option<Spanned<&'t str>>,
    pub(crate) port: Option<Spanned<u16>>,
    pub(crate) local_port: Option<Spanned<PortSpecifier>>,
    /// Whether the attribute `certificate` stands there, valid or not.
    pub(crate) has_certificate: bool,
    pub(crate) certificate: Option<Spanned<&'t str>>,
    pub(crate) load_balancer_probe: Option<Spanned<&'t str>>,
    pub(crate) load_balancer: Option<Spanned<&'t str>>,
    pub(crate) idle_timeout_minutes: Option<Spanned<u32>>,
    pub(crate) ignore_role_instance_status: Option<Spanned<bool>>,
}

/// `InternalEndpoint`.
#[derive(Debug)]
pub(crate) struct InternalEndpoint<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) protocol: Option<Spanned<&'t str>>,
    pub(crate) port: Option<Spanned<PortSpecifier>>,
    /// `FixedPort` and `FixedPortRange`, in the order of the file.
    pub(crate) fixed_ports: Vec<PortRange>,
}

/// `InstanceInputEndpoint`.
#[derive(Debug)]
pub(crate) struct InstanceInputEndpoint<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) protocol: Option<Spanned<&'t str>>,
    pub(crate) local_port: Option<Spanned<u16>>,
    pub(crate) idle_timeout_minutes: Option<Spanned<u32>>,
    /// `AllocatePublicPortFrom/FixedPortRange`.
    pub(crate) public_ports: Option<PortRange>,
}

/// `FixedPortRange`, or a `FixedPort` as the range of one port that it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortRange {
    pub(crate) span: Span,
    pub(crate) min: Spanned<u16>,
    pub(crate) max: Spanned<u16>,
}

/// `Variable`.
#[derive(Debug)]
pub(crate) struct Variable<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) value: Option<Spanned<&'t str>>,
    pub(crate) role_instance_value: Option<RoleInstanceValue<'t>>,
}

/// `RoleInstanceValue`.
#[derive(Debug)]
pub(crate) struct RoleInstanceValue<'t> {
    pub(crate) span: Span,
    pub(crate) xpath: Option<Spanned<&'t str>>,
}

/// `EntryPoint`, with everything that stands in it.
#[derive(Debug)]
pub(crate) struct EntryPoint<'t> {
    pub(crate) span: Span,
    pub(crate) programs: Vec<ProgramEntryPoint<'t>>,
    pub(crate) net: Vec<NetEntryPoint<'t>>,
}

/// `ProgramEntryPoint`.
#[derive(Debug)]
pub(crate) struct ProgramEntryPoint<'t> {
    pub(crate) command_line: Option<Spanned<&'t str>>,
    pub(crate) set_ready_on_process_start: Option<Spanned<bool>>,
}

/// `NetFxEntryPoint`.
#[derive(Debug)]
pub(crate) struct NetEntryPoint<'t> {
    pub(crate) span: Span,
    pub(crate) assembly_name: Option<Spanned<&'t str>>,
}

/// `Startup/Task`.
#[derive(Debug)]
pub(crate) struct Task<'t> {
    pub(crate) command_line: Option<Spanned<&'t str>>,
    pub(crate) execution_context: Option<Spanned<ExecutionContext>>,
    pub(crate) task_type: Option<Spanned<TaskType>>,
    pub(crate) environment: Vec<Variable<'t>>,
}

/// `Contents/Content`.
#[derive(Debug)]
pub(crate) struct Content<'t> {
    pub(crate) destination: Option<Spanned<&'t str>>,
    pub(crate) source_directory: Option<Spanned<&'t str>>,
}

const EXECUTION_CONTEXTS: &[(&str, ExecutionContext)] = &[
    ("limited", ExecutionContext::Limited),
    ("elevated", ExecutionContext::Elevated),
];

const TASK_TYPES: &[(&str, TaskType)] = &[
    ("simple", TaskType::Simple),
    ("foreground", TaskType::Foreground),
    ("background", TaskType::Background),
];

/// Lowers the root element of a service definition.
pub(crate) fn lower<'t>(file: FileId, root: Element<'t>) -> ServiceDefinition<'t> {
    let node = Node::new(root, &csdef::SERVICE_DEFINITION);
    let probes = node.grouped("LoadBalancerProbes", "LoadBalancerProbe");
    let rules = || node.children("NetworkTrafficRules");
    ServiceDefinition {
        file,
        span: node.name_span(),
        name: node.text("name"),
        upgrade_domain_count: node.number("upgradeDomainCount"),
        topology_change_discovery: node.text("topologyChangeDiscovery"),
        schema_version: node.text("schemaVersion"),
        load_balancer_probes: probes.map(load_balancer_probe).collect(),
        roles: roles(node).take(MAX_ROLES_READ).collect(),
        network_traffic_rules: rules().map(Node::name_span).collect(),
        traffic_rules: rules()
            .flat_map(|rules| rules.children("OnlyAllowTrafficTo"))
            .map(traffic_rule)
            .collect(),
    }
}

fn load_balancer_probe(node: Node<'_>) -> LoadBalancerProbe<'_> {
    LoadBalancerProbe {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        path: node.text("path"),
        interval_seconds: node.int("intervalInSeconds"),
        timeout_seconds: node.int("timeoutInSeconds"),
    }
}

fn traffic_rule(node: Node<'_>) -> TrafficRule<'_> {
    let destinations = node.grouped("Destinations", "RoleEndpoint");
    let from_roles = node.grouped("WhenSource", "FromRole");
    TrafficRule {
        span: node.name_span(),
        destinations: destinations
            .map(|endpoint| RoleEndpoint {
                role: endpoint.text("roleName"),
                endpoint: endpoint.text("endpointName"),
            })
            .collect(),
        allow_all_traffic: node.child("AllowAllTraffic").map(Node::name_span),
        when_source: node.child("WhenSource").map(Node::name_span),
        from_roles: from_roles
            .filter_map(|role| role.text("roleName"))
            .collect(),
    }
}

/// The roles of every kind, in the order of the file.
fn roles(node: Node<'_>) -> impl Iterator<Item = Role<'_>> {
    node.all_children().filter_map(|child| match child.name() {
        "WorkerRole" => Some(role(child, RoleKind::Worker)),
        "WebRole" => Some(web_role(child)),
        "VirtualMachineRole" => Some(virtual_machine_role(child)),
        _ => None,
    })
}

fn role(node: Node<'_>, kind: RoleKind) -> Role<'_> {
    let stores = node.grouped("LocalResources", "LocalStorage");
    let runtime = node.child("Runtime");
    Role {
        kind,
        span: node.name_span(),
        name: node.text("name"),
        vmsize: node.text("vmsize"),
        certificates: node
            .grouped("Certificates", "Certificate")
            .map(certificate)
            .collect(),
        settings: node
            .grouped("ConfigurationSettings", "Setting")
            .filter_map(|setting| setting.text("name"))
            .collect(),
        local_resources: stores
            .chain(node.child("LocalStorage"))
            .map(local_storage)
            .collect(),
        input_endpoints: node
            .grouped("Endpoints", "InputEndpoint")
            .map(input_endpoint)
            .collect(),
        internal_endpoints: node
            .grouped("Endpoints", "InternalEndpoint")
            .map(internal_endpoint)
            .collect(),
        instance_input_endpoints: node
            .grouped("Endpoints", "InstanceInputEndpoint")
            .map(instance_input_endpoint)
            .collect(),
        imports: node
            .grouped("Imports", "Import")
            .filter_map(|module| module.text("moduleName"))
            .collect(),
        // Without a `Runtime` there is no element whose default could be asked for.
        execution_context: match runtime {
            Some(runtime) => runtime.word("executionContext", EXECUTION_CONTEXTS),
            None => Some(Spanned::new(ExecutionContext::default(), node.name_span())),
        },
        environment: runtime.map(environment).unwrap_or_default(),
        entry_point: runtime
            .and_then(|runtime| runtime.child("EntryPoint"))
            .map(entry_point),
        startup_tasks: node.grouped("Startup", "Task").map(task).collect(),
        contents: node.grouped("Contents", "Content").map(content).collect(),
        native_code_execution: node.boolean("enableNativeCodeExecution"),
        bindings: Vec::new(),
    }
}

/// A web role: what a worker role has, its sites, and the endpoints of the form before sites.
fn web_role(node: Node<'_>) -> Role<'_> {
    let mut role = role(node, RoleKind::Web);
    let old = node.grouped("InputEndpoints", "InputEndpoint");
    role.input_endpoints.extend(old.map(input_endpoint));
    role.internal_endpoints
        .extend(node.child("InternalEndpoint").map(internal_endpoint));
    let bindings = node
        .grouped("Sites", "Site")
        .flat_map(|site| site.grouped("Bindings", "Binding"));
    role.bindings = bindings
        .filter_map(|binding| binding.text("endpointName"))
        .collect();
    role
}

fn virtual_machine_role(node: Node<'_>) -> Role<'_> {
    Role {
        kind: RoleKind::VirtualMachine,
        span: node.name_span(),
        name: node.text("name"),
        vmsize: None,
        certificates: Vec::new(),
        settings: Vec::new(),
        local_resources: Vec::new(),
        input_endpoints: Vec::new(),
        internal_endpoints: Vec::new(),
        instance_input_endpoints: Vec::new(),
        imports: Vec::new(),
        execution_context: None,
        environment: Vec::new(),
        entry_point: None,
        startup_tasks: Vec::new(),
        contents: Vec::new(),
        native_code_execution: None,
        bindings: Vec::new(),
    }
}

fn certificate(node: Node<'_>) -> Certificate<'_> {
    Certificate {
        span: node.name_span(),
        name: node.text("name"),
        store_location: node.text("storeLocation"),
        store_name: node.text("storeName"),
        permission_level: node.text("permissionLevel"),
    }
}

fn local_storage(node: Node<'_>) -> LocalStorage<'_> {
    LocalStorage {
        name: node.text("name"),
        clean_on_role_recycle: node.boolean("cleanOnRoleRecycle"),
        size_mb: node.number("sizeInMB"),
    }
}

fn input_endpoint(node: Node<'_>) -> InputEndpoint<'_> {
    InputEndpoint {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        port: node.port("port"),
        local_port: node.port_specifier("localPort"),
        has_certificate: node.has("certificate"),
        certificate: node.text("certificate"),
        load_balancer_probe: node.text("loadBalancerProbe"),
        load_balancer: node.text("loadBalancer"),
        idle_timeout_minutes: node.number("idleTimeoutInMinutes"),
        ignore_role_instance_status: node.boolean("ignoreRoleInstanceStatus"),
    }
}

fn internal_endpoint(node: Node<'_>) -> InternalEndpoint<'_> {
    InternalEndpoint {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        port: node.port_specifier("port"),
        fixed_ports: node.all_children().filter_map(port_range).collect(),
    }
}

fn instance_input_endpoint(node: Node<'_>) -> InstanceInputEndpoint<'_> {
    InstanceInputEndpoint {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        local_port: node.port("localPort"),
        idle_timeout_minutes: node.number("idleTimeoutInMinutes"),
        public_ports: node
            .grouped("AllocatePublicPortFrom", "FixedPortRange")
            .find_map(port_range),
    }
}

fn port_range(node: Node<'_>) -> Option<PortRange> {
    let (min, max) = match node.name() {
        "FixedPort" => (node.port("port")?, node.port("port")?),
        _ => (node.port("min")?, node.port("max")?),
    };
    Some(PortRange {
        span: node.name_span(),
        min,
        max,
    })
}

fn environment(node: Node<'_>) -> Vec<Variable<'_>> {
    node.grouped("Environment", "Variable")
        .map(variable)
        .collect()
}

fn variable(node: Node<'_>) -> Variable<'_> {
    let role_instance_value = node
        .child("RoleInstanceValue")
        .map(|child| RoleInstanceValue {
            span: child.name_span(),
            xpath: child.text("xpath"),
        });
    Variable {
        span: node.name_span(),
        name: node.text("name"),
        value: node.text("value"),
        role_instance_value,
    }
}

fn entry_point(node: Node<'_>) -> EntryPoint<'_> {
    EntryPoint {
        span: node.name_span(),
        programs: node
            .children("ProgramEntryPoint")
            .map(program_entry_point)
            .collect(),
        net: node
            .children("NetFxEntryPoint")
            .map(|net| NetEntryPoint {
                span: net.name_span(),
                assembly_name: net.text("assemblyName"),
            })
            .collect(),
    }
}

fn program_entry_point(node: Node<'_>) -> ProgramEntryPoint<'_> {
    ProgramEntryPoint {
        command_line: node.text("commandLine"),
        set_ready_on_process_start: node.boolean("setReadyOnProcessStart"),
    }
}

fn task(node: Node<'_>) -> Task<'_> {
    Task {
        command_line: node.text("commandLine"),
        execution_context: node.word("executionContext", EXECUTION_CONTEXTS),
        task_type: node.word("taskType", TASK_TYPES),
        environment: environment(node),
    }
}

fn content(node: Node<'_>) -> Content<'_> {
    Content {
        destination: node.text("destination"),
        source_directory: node
            .child("SourceDirectory")
            .and_then(|child| child.text("path")),
    }
}
