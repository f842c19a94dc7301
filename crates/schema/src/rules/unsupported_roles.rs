//! Web roles need IIS and virtual machine roles were withdrawn; approot runs neither.
//!
//! A service with a web role and a worker role runs without the web role, whose endpoints are then not
//! opened; one that has nothing else to run does not run.

use diagnostics::{Finding, Label, Severity};

use super::shown;
use crate::codes;
use crate::csdef::{Role, RoleKind, ServiceDefinition};
use crate::findings::Findings;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let severity = match definition.worker_roles().next() {
        Some(_) => Severity::Warning,
        None => Severity::Error,
    };
    for role in &definition.roles {
        let name = shown(role.name);
        let at = Label::new(definition.file, role.span);
        let code = codes::UNSUPPORTED_ROLE;
        let finding = match role.kind {
            RoleKind::Worker => continue,
            RoleKind::Web => {
                let message = format!("role {name} is a web role, which approot does not run");
                Finding::new(severity, code, message, at).label(endpoints(role)).help(
                    "make it a `WorkerRole` whose program serves HTTP itself, or host the site elsewhere",
                )
            }
            RoleKind::VirtualMachine => {
                let message = format!(
                    "role {name} is a virtual machine role, which no platform runs any more"
                );
                Finding::new(Severity::Error, code, message, at).help("take it out of the service")
            }
        };
        findings.push(finding);
    }
}

/// What of a web role is missed from outside.
fn endpoints(role: &Role<'_>) -> String {
    let ports = role
        .input_endpoints
        .iter()
        .filter_map(|endpoint| Some((endpoint.name?, endpoint.protocol?, endpoint.port?)));
    let ports: Vec<_> = ports
        .map(|(name, protocol, port)| {
            format!("`{}` ({} {})", name.value, protocol.value, port.value)
        })
        .collect();
    match &ports[..] {
        [] => String::new(),
        ports => format!("not opened: {}", ports.join(", ")),
    }
}
