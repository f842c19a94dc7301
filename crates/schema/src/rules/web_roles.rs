//! A web role serves HTTP: it has an endpoint for that, and its sites are bound to endpoints that it has.
//!
//! Only warnings, since approot runs no web role; who moves one to a worker role wants to know.

use std::collections::HashSet;

use diagnostics::{FileId, Finding};

use super::shown;
use crate::codes;
use crate::csdef::{Role, RoleKind, ServiceDefinition};
use crate::findings::{Findings, quotable};
use crate::suggest::did_you_mean;

pub(super) fn check(definition: &ServiceDefinition<'_>, findings: &mut Findings) {
    let roles = definition.roles.iter();
    for role in roles.filter(|role| role.kind == RoleKind::Web) {
        let mut protocols = role.input_endpoints.iter().filter_map(|it| it.protocol);
        if !protocols.any(|protocol| matches!(protocol.value, "http" | "https")) {
            let name = shown(role.name);
            let message = format!("web role {name} has no input endpoint of `http` or `https`");
            let code = codes::WEB_ROLE;
            let finding = Finding::warning(code, definition.file, role.span, message);
            findings.push(finding.help("add an `InputEndpoint` to its `Endpoints`"));
        }
        check_bindings(definition.file, role, findings);
    }
}

fn check_bindings(file: FileId, role: &Role<'_>, findings: &mut Findings) {
    if role.bindings.is_empty() {
        return;
    }
    let endpoints = role.endpoint_names();
    let names = || endpoints.iter().map(|name| name.value);
    let distinct: HashSet<_> = names().collect();
    for binding in &role.bindings {
        if distinct.contains(binding.value) {
            continue;
        }
        findings.push_warning(file, binding.span, || {
            let message = format!(
                "web role {} has no endpoint `{}` to bind to",
                shown(role.name),
                quotable(binding.value)
            );
            let help = did_you_mean(binding.value, names());
            let help = help.unwrap_or_else(|| "name an endpoint of the same role".to_owned());
            Finding::warning(codes::WEB_ROLE, file, binding.span, message).help(help)
        });
    }
}
