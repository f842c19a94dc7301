//! Public ports are unique in the whole service: all its endpoints share one public address.
//!
//! An input endpoint has one, an instance input endpoint a range of them. `tcp`, `http` and `https` are one
//! space of ports, `udp` is another. A module's ports are taken once, however many roles import it: how the
//! platform shared them out is not documented.

use std::collections::HashSet;

use diagnostics::{FileId, Finding, Span};

use super::shown;
use crate::codes;
use crate::csdef::{Role, ServiceDefinition};
use crate::findings::Findings;
use crate::modules::{self, ModuleEndpointKind};
use crate::spanned::Spanned;

/// The public ports of one endpoint.
#[derive(Clone, Copy)]
struct Ports<'t> {
    space: &'static str,
    min: u16,
    max: u16,
    /// `None` also for names that have a finding already.
    endpoint: Option<Spanned<&'t str>>,
    role: Option<Spanned<&'t str>>,
    span: Span,
    /// The module that adds the endpoint; `None` for a declared one.
    module: Option<&'static str>,
}

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let mut all: Vec<_> = definition.roles.iter().flat_map(declared).collect();
    all.extend(of_modules(definition));
    // A range that is upside down has its own finding.
    all.retain(|ports| ports.min <= ports.max);
    all.sort_by_key(|ports| (ports.space, ports.min, ports.span));
    let mut all = all.into_iter();
    let Some(mut furthest) = all.next() else {
        return;
    };
    // In this order, one that shares a port with any before it shares one with the furthest of them.
    for ports in all {
        if ports.space == furthest.space && ports.min <= furthest.max {
            findings.push(shared(definition.file, furthest, ports));
        }
        if (ports.space, ports.max) > (furthest.space, furthest.max) {
            furthest = ports;
        }
    }
}

fn declared<'r, 't>(role: &'r Role<'t>) -> impl Iterator<Item = Ports<'t>> + use<'r, 't> {
    let input = role.input_endpoints.iter().filter_map(|endpoint| {
        let (port, protocol) = (endpoint.port?, endpoint.protocol?);
        Some((port.value, port.value, port.span, protocol, endpoint.name))
    });
    let instance = role.instance_input_endpoints.iter().filter_map(|endpoint| {
        let (range, protocol) = (endpoint.public_ports?, endpoint.protocol?);
        let (min, max) = (range.min.value, range.max.value);
        Some((min, max, range.span, protocol, endpoint.name))
    });
    let ports = move |(min, max, span, protocol, endpoint): (_, _, _, Spanned<&str>, _)| Ports {
        space: if protocol.value == "udp" {
            "udp"
        } else {
            "tcp"
        },
        min,
        max,
        endpoint,
        role: role.name,
        span,
        module: None,
    };
    input.chain(instance).map(ports)
}

fn of_modules<'t>(definition: &ServiceDefinition<'t>) -> Vec<Ports<'t>> {
    let mut taken = HashSet::new();
    let mut all = Vec::new();
    for role in &definition.roles {
        for (module, endpoint, span) in modules::imported_endpoints(role) {
            let (min, max) = match endpoint.kind {
                ModuleEndpointKind::Input(port) => (port, port),
                ModuleEndpointKind::InstanceInput(min, max) => (min, max),
                ModuleEndpointKind::Internal => continue,
            };
            if taken.insert(endpoint.name) {
                all.push(Ports {
                    space: "tcp",
                    min,
                    max,
                    endpoint: Some(Spanned::new(endpoint.name, span)),
                    role: role.name,
                    span,
                    module: Some(module.name),
                });
            }
        }
    }
    all
}

/// The error of two endpoints that share a port: about the declared one where the other is imported, else
/// about the later one in the file.
fn shared(file: FileId, a: Ports<'_>, b: Ports<'_>) -> Finding {
    let key = |ports: &Ports<'_>| (ports.module.is_none(), ports.span);
    let (first, second) = if key(&a) <= key(&b) { (a, b) } else { (b, a) };
    let (min, max, space) = (a.min.max(b.min), a.max.min(b.max), a.space);
    let ports = match min == max {
        true => format!("port {min}/{space}"),
        false => format!("ports {min} to {max}/{space}"),
    };
    let names = (shown(first.endpoint), shown(second.endpoint));
    let message = format!(
        "endpoints {} and {} both use public {ports}",
        names.0, names.1
    );
    let finding = Finding::error(codes::PORT_TWICE, file, second.span, message);
    let finding = match first.module {
        None => finding
            .related(file, first.span, "first used here")
            .help(format!("give {} a port of its own", names.1)),
        Some(module) => finding
            .related(file, first.span, "added by this")
            .help(format!(
                "give {} another port, or delete the import of `{module}`",
                names.1
            )),
    };
    let range = [first, second].into_iter().find(|it| it.min < it.max);
    match range {
        None => finding,
        Some(range) => finding.help(format!(
            "the platform says: The reserved port range {}-{} for endpoint {} of role {} overlaps with an \
             already defined port or range",
            range.min,
            range.max,
            shown(range.endpoint),
            shown(range.role)
        )),
    }
}
