//! An internal endpoint has one port at most: in `port`, or in one `FixedPort`.
//!
//! The schema lets `FixedPort` repeat and does not say what both together mean.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let file = definition.file;
    for endpoint in definition
        .roles
        .iter()
        .flat_map(|role| &role.internal_endpoints)
    {
        let attribute = endpoint.port.map(|port| port.span);
        let mut spans = attribute
            .into_iter()
            .chain(endpoint.fixed_ports.iter().map(|port| port.span));
        let first = spans.next();
        for (extra, first) in spans.zip(first.into_iter().cycle()) {
            let message = format!(
                "internal endpoint {} has more than one port",
                shown(endpoint.name)
            );
            let finding = Finding::error(codes::FIXED_PORTS, file, extra, message)
                .related(file, first, "first one here")
                .help("keep one of them");
            findings.push(finding);
        }
    }
}
