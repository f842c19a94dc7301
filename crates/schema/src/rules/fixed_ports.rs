//! An internal endpoint says its ports in one way: in `port`, or in `FixedPort` and `FixedPortRange`.
//!
//! The schema lets those two repeat and mix, and does not say what they mean beside a `port`.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    let endpoints = definition
        .roles
        .iter()
        .flat_map(|role| &role.internal_endpoints);
    for endpoint in endpoints {
        let (Some(port), Some(fixed)) = (endpoint.port, endpoint.fixed_ports.first()) else {
            continue;
        };
        let message = format!(
            "internal endpoint {} says its port in two ways",
            shown(endpoint.name)
        );
        let finding = Finding::error(codes::FIXED_PORTS, file, fixed.span, message)
            .related(file, port.span, "the other way")
            .help("keep one of the two");
        findings.push(finding);
    }
}
