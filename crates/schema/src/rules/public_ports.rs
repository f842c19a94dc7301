//! Public ports are unique in the whole service: all input endpoints share one public address.
//!
//! `tcp`, `http` and `https` are one space of ports, `udp` is another.

use std::collections::HashMap;

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    let mut first_of = HashMap::new();
    for endpoint in definition
        .roles
        .iter()
        .flat_map(|role| &role.input_endpoints)
    {
        let (Some(port), Some(protocol)) = (endpoint.port, endpoint.protocol) else {
            continue;
        };
        let space = if protocol.value == "udp" {
            "udp"
        } else {
            "tcp"
        };
        let (first, first_port) = *first_of
            .entry((space, port.value))
            .or_insert((endpoint.name, port));
        if first_port.span == port.span {
            continue;
        }
        let (first, second) = (shown(first), shown(endpoint.name));
        let message = format!(
            "input endpoints {first} and {second} both use public port {}/{space}",
            port.value
        );
        let finding = Finding::error(codes::PORT_TWICE, file, port.span, message)
            .related(file, first_port.span, "first used here")
            .help(format!("give {second} a port of its own"));
        findings.push(finding);
    }
}
