//! The typed service definition: what the tree says, with a place for every value.
//!
//! Lowering takes every valid value and leaves the others out: `None` here is a finding of the grammar's
//! walk already. It checks nothing itself; the rules look at the result.

use diagnostics::{FileId, Span};
use xml_tree::Element;

use crate::grammar::{Node, csdef};
use crate::model::{ExecutionContext, PortSpecifier, TaskType};
use crate::spanned::Spanned;

/// Worker roles that are lowered.
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
    pub(crate) schema_version: Option<Spanned<&'t str>>,
    pub(crate) topology_change_discovery: Option<Spanned<&'t str>>,
    /// The first [`MAX_ROLES_READ`].
    pub(crate) roles: Vec<WorkerRole<'t>>,
    /// `WebRole` and `VirtualMachineRole`: only their names are read.
    pub(crate) unsupported_roles: Vec<UnsupportedRole<'t>>,
}

/// A role that approot does not run.
#[derive(Debug)]
pub(crate) struct UnsupportedRole<'t> {
    /// `WebRole` or `VirtualMachineRole`.
    pub(crate) kind: &'t str,
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
}

/// `WorkerRole`.
#[derive(Debug)]
pub(crate) struct WorkerRole<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) vmsize: Option<Spanned<&'t str>>,
    pub(crate) enable_native_code_execution: Option<Spanned<bool>>,
    pub(crate) settings: Vec<Spanned<&'t str>>,
    /// Those of `LocalResources` and the old direct one.
    pub(crate) local_resources: Vec<LocalStorage<'t>>,
    pub(crate) input_endpoints: Vec<InputEndpoint<'t>>,
    pub(crate) internal_endpoints: Vec<InternalEndpoint<'t>>,
    /// Names of `InstanceInputEndpoint`, which this version does not read further.
    pub(crate) instance_input_endpoints: Vec<&'t str>,
    /// `Imports/Import/@moduleName`: what these add is not run, but their settings are legal.
    pub(crate) imports: Vec<&'t str>,
    pub(crate) execution_context: Option<Spanned<ExecutionContext>>,
    pub(crate) environment: Vec<Variable<'t>>,
    pub(crate) entry_point: Option<EntryPoint<'t>>,
    pub(crate) startup_tasks: Vec<Task<'t>>,
    pub(crate) contents: Vec<Content<'t>>,
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
    pub(crate) ignore_role_instance_status: Option<Spanned<bool>>,
}

/// `InternalEndpoint`.
#[derive(Debug)]
pub(crate) struct InternalEndpoint<'t> {
    pub(crate) span: Span,
    pub(crate) name: Option<Spanned<&'t str>>,
    pub(crate) protocol: Option<Spanned<&'t str>>,
    pub(crate) port: Option<Spanned<PortSpecifier>>,
    pub(crate) fixed_ports: Vec<Spanned<u16>>,
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
    /// Where each `NetFxEntryPoint` stands.
    pub(crate) net: Vec<Span>,
}

/// `ProgramEntryPoint`.
#[derive(Debug)]
pub(crate) struct ProgramEntryPoint<'t> {
    pub(crate) command_line: Option<Spanned<&'t str>>,
    pub(crate) set_ready_on_process_start: Option<Spanned<bool>>,
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
    ServiceDefinition {
        file,
        span: node.name_span(),
        name: node.text("name"),
        upgrade_domain_count: node.positive_int("upgradeDomainCount"),
        schema_version: node.text("schemaVersion"),
        topology_change_discovery: node.text("topologyChangeDiscovery"),
        roles: node
            .children("WorkerRole")
            .take(MAX_ROLES_READ)
            .map(worker_role)
            .collect(),
        unsupported_roles: root.elements().filter_map(unsupported_role).collect(),
    }
}

fn unsupported_role<'t>(element: Element<'t>) -> Option<UnsupportedRole<'t>> {
    let kinds = [&csdef::WEB_ROLE, &csdef::VM_ROLE];
    let is_unsupported = kinds.iter().any(|kind| kind.name == element.name());
    let name = element
        .attributes()
        .find(|attribute| attribute.name() == "name");
    is_unsupported.then(|| UnsupportedRole {
        kind: element.name(),
        span: element.name_span(),
        name: name.map(|name| Spanned::new(name.value(), name.value_span())),
    })
}

fn worker_role(node: Node<'_>) -> WorkerRole<'_> {
    let stores = node.grouped("LocalResources", "LocalStorage");
    let runtime = node.child("Runtime");
    let modules = node.unread("Imports").flat_map(Element::elements);
    WorkerRole {
        span: node.name_span(),
        name: node.text("name"),
        vmsize: node.text("vmsize"),
        enable_native_code_execution: node.boolean("enableNativeCodeExecution"),
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
            .child("Endpoints")
            .into_iter()
            .flat_map(|endpoints| endpoints.unread("InstanceInputEndpoint"))
            .filter_map(|endpoint| endpoint.attribute("name"))
            .collect(),
        imports: modules
            .filter_map(|module| module.attribute("moduleName"))
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
    }
}

fn local_storage(node: Node<'_>) -> LocalStorage<'_> {
    LocalStorage {
        name: node.text("name"),
        clean_on_role_recycle: node.boolean("cleanOnRoleRecycle"),
        size_mb: node.positive_int("sizeInMB"),
    }
}

fn input_endpoint(node: Node<'_>) -> InputEndpoint<'_> {
    InputEndpoint {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        port: node.port("port"),
        local_port: node.port_specifier("localPort"),
        ignore_role_instance_status: node.boolean("ignoreRoleInstanceStatus"),
    }
}

fn internal_endpoint(node: Node<'_>) -> InternalEndpoint<'_> {
    InternalEndpoint {
        span: node.name_span(),
        name: node.text("name"),
        protocol: node.text("protocol"),
        port: node.port_specifier("port"),
        fixed_ports: node
            .children("FixedPort")
            .filter_map(|child| child.port("port"))
            .collect(),
    }
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
            .map(Node::name_span)
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
