//! Endpoints carry `tcp` and `http`; `https`, `udp` and `any` are understood and refused for now.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

const CARRIED: &[&str] = &["http", "tcp"];

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.roles {
        let input = role
            .input_endpoints
            .iter()
            .map(|endpoint| (endpoint.name, endpoint.protocol));
        let internal = role
            .internal_endpoints
            .iter()
            .map(|endpoint| (endpoint.name, endpoint.protocol));
        for (name, protocol) in input.chain(internal) {
            let Some(protocol) = protocol.filter(|protocol| !CARRIED.contains(&protocol.value))
            else {
                continue;
            };
            let message = format!(
                "endpoint {}: `{}` is not supported yet",
                shown(name),
                protocol.value
            );
            let finding = Finding::error(codes::PROTOCOL, definition.file, protocol.span, message);
            findings.push(finding.help(help(protocol.value)));
        }
    }
}

fn help(protocol: &str) -> &'static str {
    match protocol {
        "https" => "use `tcp` and let the program speak TLS itself",
        _ => "use `tcp` or `http`",
    }
}
