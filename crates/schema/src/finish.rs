//! From checked, spanned trees to the span-free model.
//!
//! Runs only when no finding is an error; a `None` here would mean that something is missing which no
//! rule missed.

use std::collections::HashMap;

use crate::command_line::CommandLine;
use crate::cscfg::ServiceConfiguration;
use crate::csdef::{self, Role, ServiceDefinition};
use crate::lexical;
use crate::model::{
    Certificate, Content, Definition, InputEndpoint, InstanceInputEndpoint, InternalEndpoint,
    InternalPorts, LocalResource, PortSpecifier, ProgramEntryPoint, Protocol, RoleConfiguration,
    RoleDefinition, Service, StartupTask, Variable, VariableValue,
};
use crate::xpath;

/// The definition, without places.
pub(crate) fn definition(definition: &ServiceDefinition<'_>) -> Option<Definition> {
    Some(Definition {
        name: definition.name?.value.to_owned(),
        upgrade_domain_count: definition.upgrade_domain_count?.value,
        roles: definition.worker_roles().map(role).collect::<Option<_>>()?,
        blast: definition
            .topology_change_discovery
            .is_some_and(|discovery| discovery.value == "Blast"),
    })
}

/// Definition and configuration together.
pub(crate) fn service(
    definition: &ServiceDefinition<'_>,
    configuration: &ServiceConfiguration<'_>,
) -> Option<Service> {
    let roles = definition
        .worker_roles()
        .map(|role| role_configuration(role, configuration));
    Some(Service {
        roles: roles.collect::<Option<_>>()?,
        definition: self::definition(definition)?,
    })
}

fn role(role: &Role<'_>) -> Option<RoleDefinition> {
    Some(RoleDefinition {
        name: role.name?.value.to_owned(),
        vmsize: role.vmsize?.value.to_owned(),
        settings: role
            .settings
            .iter()
            .map(|setting| setting.value.to_owned())
            .collect(),
        local_resources: role
            .local_resources
            .iter()
            .map(local_resource)
            .collect::<Option<_>>()?,
        input_endpoints: role
            .input_endpoints
            .iter()
            .map(input_endpoint)
            .collect::<Option<_>>()?,
        internal_endpoints: role
            .internal_endpoints
            .iter()
            .map(internal_endpoint)
            .collect::<Option<_>>()?,
        instance_input_endpoints: role
            .instance_input_endpoints
            .iter()
            .map(instance_input_endpoint)
            .collect::<Option<_>>()?,
        execution_context: role.execution_context?.value,
        environment: environment(&role.environment)?,
        entry_point: entry_point(role.entry_point.as_ref()?.programs.first()?)?,
        startup_tasks: role
            .startup_tasks
            .iter()
            .map(startup_task)
            .collect::<Option<_>>()?,
        contents: role.contents.iter().map(content).collect::<Option<_>>()?,
        native_code_execution: role.native_code_execution?.value,
        certificates: role
            .certificates
            .iter()
            .map(certificate)
            .collect::<Option<_>>()?,
    })
}

fn certificate(certificate: &csdef::Certificate<'_>) -> Option<Certificate> {
    Some(Certificate {
        name: certificate.name?.value.to_owned(),
        store_location: certificate.store_location?.value.to_owned(),
        store_name: certificate.store_name?.value.to_owned(),
        is_elevated: certificate.permission_level?.value == "elevated",
    })
}

fn local_resource(store: &csdef::LocalStorage<'_>) -> Option<LocalResource> {
    Some(LocalResource {
        name: store.name?.value.to_owned(),
        clean_on_role_recycle: store.clean_on_role_recycle?.value,
        size_mb: store.size_mb?.value,
    })
}

fn input_endpoint(endpoint: &csdef::InputEndpoint<'_>) -> Option<InputEndpoint> {
    let port = endpoint.port?.value;
    let local_port = endpoint.local_port.map(|local_port| local_port.value);
    Some(InputEndpoint {
        name: endpoint.name?.value.to_owned(),
        protocol: protocol(endpoint.protocol?.value)?,
        port,
        local_port: local_port.unwrap_or(PortSpecifier::Fixed(port)),
        ignore_role_instance_status: endpoint.ignore_role_instance_status?.value,
        certificate: endpoint.certificate.map(|name| name.value.to_owned()),
    })
}

fn internal_endpoint(endpoint: &csdef::InternalEndpoint<'_>) -> Option<InternalEndpoint> {
    let fixed = endpoint.fixed_ports.iter();
    let mut ranges: Vec<_> = fixed
        .map(|ports| ports.min.value..=ports.max.value)
        .collect();
    // A rule keeps the two ways of saying it apart.
    if let Some(PortSpecifier::Fixed(port)) = endpoint.port.map(|port| port.value) {
        ranges.push(port..=port);
    }
    Some(InternalEndpoint {
        name: endpoint.name?.value.to_owned(),
        protocol: protocol(endpoint.protocol?.value)?,
        ports: if ranges.is_empty() {
            InternalPorts::Any
        } else {
            InternalPorts::OneOf(ranges)
        },
    })
}

fn instance_input_endpoint(
    endpoint: &csdef::InstanceInputEndpoint<'_>,
) -> Option<InstanceInputEndpoint> {
    Some(InstanceInputEndpoint {
        name: endpoint.name?.value.to_owned(),
        protocol: protocol(endpoint.protocol?.value)?,
        local_port: endpoint.local_port?.value,
    })
}

/// The protocols that an endpoint of the model can have; `any` is refused by a rule.
fn protocol(word: &str) -> Option<Protocol> {
    let all = [
        Protocol::Http,
        Protocol::Https,
        Protocol::Tcp,
        Protocol::Udp,
    ];
    all.into_iter()
        .find(|protocol| protocol.to_string() == word)
}

fn environment(variables: &[csdef::Variable<'_>]) -> Option<Vec<Variable>> {
    variables.iter().map(variable).collect()
}

fn variable(variable: &csdef::Variable<'_>) -> Option<Variable> {
    let value = match (&variable.value, &variable.role_instance_value) {
        (Some(value), None) => VariableValue::Literal(value.value.to_owned()),
        (None, Some(element)) => {
            VariableValue::RoleInstance(xpath::parse(element.xpath?.value).ok()?.value)
        }
        _ => return None,
    };
    Some(Variable {
        name: variable.name?.value.to_owned(),
        value,
    })
}

fn entry_point(program: &csdef::ProgramEntryPoint<'_>) -> Option<ProgramEntryPoint> {
    Some(ProgramEntryPoint {
        command_line: CommandLine::parse(program.command_line?.value).ok()?,
        set_ready_on_process_start: program.set_ready_on_process_start?.value,
    })
}

fn startup_task(task: &csdef::Task<'_>) -> Option<StartupTask> {
    Some(StartupTask {
        command_line: CommandLine::parse(task.command_line?.value).ok()?,
        execution_context: task.execution_context?.value,
        task_type: task.task_type?.value,
        environment: environment(&task.environment)?,
    })
}

fn content(content: &csdef::Content<'_>) -> Option<Content> {
    Some(Content {
        destination: content.destination?.value.to_owned(),
        source_directory: content.source_directory?.value.to_owned(),
    })
}

/// The role's part of the configuration: declared settings in the definition's order, then those that
/// imports make legal, in the configuration's.
fn role_configuration(
    role: &Role<'_>,
    configuration: &ServiceConfiguration<'_>,
) -> Option<RoleConfiguration> {
    let name = role.name?.value;
    let is_it = |configured: &&crate::cscfg::Role<'_>| {
        configured
            .name
            .is_some_and(|configured| configured.value == name)
    };
    let configured = configuration.roles.iter().find(is_it)?;
    let written = configured
        .settings
        .iter()
        .map(|setting| Some((setting.name?.value, setting.value?.value)));
    let written = written.collect::<Option<Vec<_>>>()?;
    let values: HashMap<_, _> = written.iter().copied().collect();
    let declared: HashMap<_, _> = role.settings.iter().map(|name| (name.value, ())).collect();
    let of_declared = role
        .settings
        .iter()
        .map(|name| Some((name.value, *values.get(name.value)?)));
    let mut settings = of_declared.collect::<Option<Vec<_>>>()?;
    settings.extend(
        written
            .iter()
            .filter(|(name, _)| !declared.contains_key(name)),
    );
    Some(RoleConfiguration {
        name: name.to_owned(),
        instance_count: u32::try_from(configured.instance_count?.value).ok()?,
        settings: settings
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        certificates: configured
            .certificates
            .iter()
            .map(|certificate| {
                let thumbprint = lexical::thumbprint(certificate.thumbprint?.value)?;
                Some((certificate.name?.value.to_owned(), thumbprint))
            })
            .collect::<Option<_>>()?,
    })
}
