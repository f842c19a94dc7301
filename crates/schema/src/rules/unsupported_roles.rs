//! Web roles need IIS and virtual machine roles were withdrawn; approot runs neither.

use diagnostics::Finding;

use super::shown;
use crate::codes;
use crate::csdef::ServiceDefinition;
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    for role in &definition.unsupported_roles {
        let name = shown(role.name);
        let (message, help) = match role.kind {
            "WebRole" => (
                format!("role {name} is a web role, which approot does not run"),
                "make it a `WorkerRole` whose program serves HTTP itself, or host the site elsewhere",
            ),
            _ => (
                format!("role {name} is a virtual machine role, which no platform runs any more"),
                "take it out of the service",
            ),
        };
        let finding = Finding::error(codes::UNSUPPORTED_ROLE, definition.file, role.span, message);
        findings.push(finding.help(help));
    }
}
