//! No two endpoints of a role are on the same fixed port of its instances.
//!
//! `tcp`, `http` and `https` are one space of ports, `udp` is another. Two endpoints may share a program on
//! purpose, so it is a warning. Two input endpoints of one public port are an error of another rule.

use diagnostics::{Finding, Span};

use super::{repeated, shown};
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::model::PortSpecifier;
use crate::spanned::Spanned;

/// A port of an instance.
#[derive(Clone, Copy)]
struct InstancePort {
    port: u16,
    is_udp: bool,
    span: Span,
    /// Whether it is the public port too, for want of a local one.
    is_public: bool,
}

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in definition.worker_roles() {
        let same = |port: InstancePort| (port.port, port.is_udp);
        for (first, port) in repeated(fixed_ports(role), same) {
            if first.is_public && port.is_public {
                continue;
            }
            let message = format!(
                "two endpoints of role {} are on port {} of each instance",
                shown(role.name),
                port.port
            );
            let (code, file) = (codes::INSTANCE_PORT_TWICE, definition.file);
            let finding = Finding::warning(code, file, port.span, message)
                .related(file, first.span, "first one here")
                .help("give each a port of its own, if one program does not serve both");
            findings.push(finding);
        }
    }
}

/// The ports that the definition fixes, in the order of the file.
fn fixed_ports(role: &Role<'_>) -> Vec<InstancePort> {
    let input = role.input_endpoints.iter().filter_map(|endpoint| {
        let is_public = endpoint.local_port.is_none();
        let port = match endpoint.local_port {
            Some(port) => fixed(port)?,
            None => endpoint.port?,
        };
        Some(instance_port(port, endpoint.protocol, is_public))
    });
    let internal = role.internal_endpoints.iter().filter_map(|endpoint| {
        let port = fixed(endpoint.port?)?;
        Some(instance_port(port, endpoint.protocol, false))
    });
    let instance = role.instance_input_endpoints.iter().filter_map(|endpoint| {
        Some(instance_port(
            endpoint.local_port?,
            endpoint.protocol,
            false,
        ))
    });
    let mut ports: Vec<_> = input.chain(internal).chain(instance).collect();
    ports.sort_by_key(|port| port.span);
    ports
}

fn fixed(port: Spanned<PortSpecifier>) -> Option<Spanned<u16>> {
    match port.value {
        PortSpecifier::Fixed(value) => Some(Spanned::new(value, port.span)),
        PortSpecifier::Any => None,
    }
}

fn instance_port(
    port: Spanned<u16>,
    protocol: Option<Spanned<&str>>,
    is_public: bool,
) -> InstancePort {
    InstancePort {
        port: port.value,
        is_udp: protocol.is_some_and(|name| name.value == "udp"),
        span: port.span,
        is_public,
    }
}
